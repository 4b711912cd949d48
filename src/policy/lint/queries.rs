//! Guards that watch what the load is made of.

use super::super::{Mistakes, Path};
use crate::api::ScalePolicySpec;
use crate::decision::{Policy, QueryRef};

/// A guard on a metric's own query fights the loop: it holds the workload because of the very number that the
/// workload is to bring down.
pub(super) fn guards(spec: &ScalePolicySpec, policy: &Policy, warnings: &mut Mistakes) {
    let path = Path::root("spec").field("guards");
    for (index, guard) in spec.guards.iter().flatten().enumerate() {
        let Some(query) = policy.guards.get(index).map(|guard| &guard.query) else { continue };
        let same = |other: &QueryRef| {
            other.source == query.source && essence(&other.expression) == essence(&query.expression)
        };
        if let Some(metric) = policy.metrics.iter().find(|metric| same(&metric.query)) {
            let problem = format!(
                "this is the query of the metric {}: the guard {} would hold the workload because of the load that it \
                 is to follow; watch something that replicas share, such as a database, or change the metric's target",
                metric.name, guard.name
            );
            warnings.add(&path.index(index).field("prometheus").field("query"), problem);
        }
    }
}

/// An expression without white space, except in strings.
fn essence(expression: &str) -> String {
    let mut quote = None;
    let mut is_escaped = false;
    let mut text = String::new();
    for letter in expression.chars() {
        match quote {
            Some(open) => {
                if letter == open && !is_escaped {
                    quote = None;
                }
                is_escaped = letter == '\\' && !is_escaped && open != '`';
            }
            None if letter.is_whitespace() => continue,
            None if matches!(letter, '"' | '\'' | '`') => quote = Some(letter),
            None => {}
        }
        text.push(letter);
    }
    text
}

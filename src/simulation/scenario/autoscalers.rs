//! The autoscaler whose bounds a policy of a scenario sets.

use std::path::Path;

use super::beside;
use super::metrics::Place;
use crate::api::{AUTOSCALER_KIND, ScalePolicy, ScaleTargetRef};
use crate::manifest::{self, Mistakes};
use crate::simulation::autoscaler::Autoscaler;

/// Reads the autoscaler that a tier names, and holds it against what its policy scales. Another policy than the scenario's own may
/// leave it alone.
///
/// # Errors
/// What is wrong with the file, or that it is not what the policy scales.
pub(super) fn read(
    at: Place<'_>,
    named: Option<&Path>,
    policy: &ScalePolicy,
    is_another: bool,
    open: &impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Option<Autoscaler>, Mistakes> {
    let target = &policy.spec.scale_target_ref;
    let is_scaled = target.is_autoscaler();
    let Some(named) = named else {
        let problem = format!(
            "sets the bounds of the {AUTOSCALER_KIND} {0}: name a file with that, such as `autoscaler: {0}.hpa.yaml`",
            target.name
        );
        return if is_scaled { Err(at.mistake("policy", problem).into()) } else { Ok(None) };
    };
    let wrong = |problem: String| Mistakes::from(at.mistake("autoscaler", problem));
    let file = beside(at.document.file(), named);
    let text = open(named).map_err(|error| wrong(format!("{}: {error}", file.display())))?;
    let documents = manifest::parse(&file, &text)?;
    let found: Vec<_> = documents.iter().filter(|document| Autoscaler::is_in(document)).collect();
    let [document] = found.as_slice() else {
        return Err(wrong(format!(
            "{} must have one {AUTOSCALER_KIND}, and has {}",
            file.display(),
            found.len()
        )));
    };
    let autoscaler = Autoscaler::read(document, &text)?;
    let namespace = |named: &Option<String>| named.clone().unwrap_or_else(|| "default".to_owned());
    let [theirs, ours] = [&autoscaler.namespace, &policy.metadata.namespace].map(namespace);
    match (is_scaled, is_another) {
        (true, _) if autoscaler.name != target.name => {
            Err(wrong(format!("the policy scales {}, and this is {}", target.name, autoscaler.name)))
        }
        (true, _) if theirs != ours => {
            Err(wrong(format!("it is in the namespace {theirs}, and the policy, which scales it, in {ours}")))
        }
        (false, false) => {
            let ScaleTargetRef { kind, name, .. } = target;
            Err(wrong(format!("the policy scales the {kind} {name} itself: remove one of the two")))
        }
        (true, _) | (false, true) => Ok(Some(autoscaler)),
    }
}

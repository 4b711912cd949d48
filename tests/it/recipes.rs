//! docs/load.md: its policies are valid, and each query, asked of a real Prometheus with the series that stand
//! below it, gives the number that stands there, and the replicas.

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidetable::decision::{Milli, Replicas, recommend};
use tidetable::manifest::{self, PolicyManifest};

use crate::support::prometheus::Prometheus;

/// A policy with the series that it is shown with.
struct Recipe {
    manifest: PolicyManifest,
    series: Vec<Series>,
    /// The load, and the replicas that come of it.
    gives: Option<(f64, i32)>,
}

struct Series {
    name: String,
    /// A counter's rate per second, or a gauge.
    value: f64,
    is_counter: bool,
}

/// The fenced blocks of a document: their language and their text.
fn blocks(document: &str) -> Vec<(&str, &str)> {
    let fences = document.split("\n```").skip(1).step_by(2);
    fences.filter_map(|block| block.split_once('\n')).collect()
}

fn recipes() -> Vec<Recipe> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/load.md");
    let document = std::fs::read_to_string(&file).expect("it is checked in");
    let mut recipes: Vec<Recipe> = Vec::new();
    for (language, text) in blocks(&document) {
        match language {
            "yaml" => {
                let (manifest, _) = manifest::parse_policy(&file, text)
                    .unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
                recipes.push(Recipe { manifest, series: Vec::new(), gives: None });
            }
            "text" => {
                let recipe = recipes.last_mut().expect("a policy comes first");
                for line in text.lines() {
                    read(line, recipe).unwrap_or_else(|| panic!("{line:?} is not understood"));
                }
            }
            other => panic!("a block of {other:?}"),
        }
    }
    recipes
}

/// `series  +300/s`, `series  = 1500`, or `gives 390, so ⌈390 / 120⌉ = 4 replicas`.
fn read(line: &str, recipe: &mut Recipe) -> Option<()> {
    if let Some(rest) = line.strip_prefix("gives ") {
        let (load, rest) = rest.split_once(", so ")?;
        let (division, replicas) = rest.strip_suffix(" replicas")?.split_once("⌉ = ")?;
        let (dividend, divisor) = division.strip_prefix('⌈')?.split_once(" / ")?;
        let (load, replicas): (f64, f64) = (load.parse().ok()?, replicas.parse().ok()?);
        let (dividend, divisor): (f64, f64) = (dividend.parse().ok()?, divisor.parse().ok()?);
        assert!(
            (dividend - load).abs() < 1e-9 && ((load / divisor).ceil() - replicas).abs() < 1e-9,
            "{line}"
        );
        #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
        let gives = (load, replicas as i32);
        recipe.gives = Some(gives);
        return Some(());
    }
    let (name, value) = line.split_once("  ")?;
    let (is_counter, value) = match value.strip_prefix('+') {
        Some(rate) => (true, rate.strip_suffix("/s")?),
        None => (false, value.strip_prefix("= ")?),
    };
    recipe.series.push(Series { name: name.to_owned(), value: value.parse().ok()?, is_counter });
    Some(())
}

/// All series from ten minutes before until `end`, as OpenMetrics.
fn samples(recipes: &[Recipe], end: Timestamp) -> String {
    let mut all: Vec<&Series> = recipes.iter().flat_map(|recipe| &recipe.series).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|a, b| a.name == b.name);
    let (mut text, mut family) = (String::new(), "");
    for series in all {
        let metric = series.name.split('{').next().expect("a name");
        if metric != family {
            let (kind, name) = match metric.strip_suffix("_total") {
                Some(name) => ("counter", name),
                None => ("gauge", metric),
            };
            writeln!(text, "# TYPE {name} {kind}").expect("a string");
            family = metric;
        }
        for step in 0..=40_i32 {
            let at = end - SignedDuration::from_secs(15 * i64::from(40 - step));
            let value = if series.is_counter { f64::from(step) * 15.0 * series.value } else { series.value };
            writeln!(text, "{} {value} {}", series.name, at.as_second()).expect("a string");
        }
    }
    text + "# EOF\n"
}

#[tokio::test]
async fn each_recipe_gives_what_stands_below_it() {
    let recipes = recipes();
    let end = Timestamp::from_second(Timestamp::now().as_second()).expect("in range");
    let samples = samples(&recipes, end);
    let prometheus =
        tokio::task::spawn_blocking(move || Prometheus::with_samples(&samples)).await.expect("a server");
    tidetable::operator::install_crypto_provider();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = async |query: &str| -> Value {
        let url = format!("{}/api/v1/query", prometheus.url());
        let parameters = [("query", query), ("time", &end.as_second().to_string())];
        http.get(url).query(&parameters).send().await.expect("an answer").json().await.expect("JSON")
    };
    let mut checked = 0;
    for Recipe { manifest, gives, .. } in &recipes {
        let policy = &manifest.policy;
        let freshness = policy
            .metrics
            .iter()
            .filter_map(|metric| metric.query.freshness.as_ref())
            .map(|freshness| &*freshness.expression);
        let guards = policy.guards.iter().map(|guard| &*guard.query.expression);
        for query in freshness.chain(guards) {
            assert_eq!(ask(query).await["status"], "success", "{query}");
        }
        let query = &policy.metrics[0].query.expression;
        let answer = ask(query).await;
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let Some((expected, replicas)) = gives else { continue };
        let results = answer["data"]["result"].as_array().expect("a vector");
        assert_eq!(results.len(), 1, "{query}: {answer}");
        let load: f64 = results[0]["value"][1].as_str().expect("a text").parse().expect("a number");
        assert!((load - expected).abs() < 1e-6 * expected, "{query} gives {load}, not {expected}");
        let (load, one) = (Milli::from_f64(load).expect("a load"), Replicas::new(1));
        let recommended = recommend(policy.metrics[0].target, load, one, one, &policy.damping);
        assert_eq!(recommended, Some(Replicas::new(*replicas)), "{query}");
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} recipes are shown with their arithmetic");
}

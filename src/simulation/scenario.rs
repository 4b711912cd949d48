//! Scenario files: traffic, plant, policy and length, as people write them.

mod autoscalers;
mod metrics;
mod plants;
mod reader;
mod replay;
mod spec;
mod tiers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Scenario;
use super::expectation::Expectation;
use super::monitor::Quantity;
use super::plant::{ClusterSpec, PlantSpec};
use super::scores::Price;
use super::synthetic::Component;
use super::traffic::Samples;
use crate::api::{ScaleCalendar, ScalePolicy};
use crate::manifest::{self, Document, Mistake, Mistakes, PolicyManifest};
use crate::policy::FieldError;
use crate::zones::{self, Moment};

use self::metrics::{Place, bind};
use self::reader::Reader;
use self::replay::{Asked, Bounds, Played};
pub use self::spec::{
    ClusterText, Diurnal, DownstreamText, NodesText, Noise, OutageText, Part, PlantText, QueueText, Ramp,
    ScenarioSpec, Spike, Step, TierText, Weekly,
};
use self::tiers::ReadTier;

/// The most ticks of a scenario: a year at 15 s is 2.1 million.
const MOST_TICKS: u128 = 20_000_000;

/// Recorded traffic.
#[derive(Clone, Debug, PartialEq)]
pub enum Trace {
    /// A file: CSV, or an answer of Prometheus.
    File(PathBuf),
    /// What Prometheus has answered.
    Answer {
        /// What it is called in errors.
        name: String,
        /// The answer.
        samples: Samples,
    },
    /// It is not at hand yet: the scenario is read for its first instant and its length, and nothing comes in.
    Pending,
}

/// What the command line changes about a scenario.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// A policy in the place of the scenario's.
    pub policy: Option<PathBuf>,
    /// A recorded trace in the place of the scenario's traffic.
    pub trace: Option<Trace>,
    /// What all demand is multiplied by.
    pub scale: Option<f64>,
    /// The first instant; one without an offset is in the zone of the policy's schedule.
    pub from: Option<Moment>,
    /// The end: of the scenario, or of what is taken from recorded traffic.
    pub to: Option<Moment>,
    /// How often recorded traffic is played, one time after the other.
    pub repeat: Option<u32>,
    /// How many times as long recorded traffic takes.
    pub time_scale: Option<f64>,
    /// How long it runs.
    pub length: Option<Duration>,
    /// Files with calendars that the policy names, besides those in its own file.
    pub calendars: Vec<PathBuf>,
    /// The scenario is only looked at: one for a recorded trace needs none yet.
    pub is_check: bool,
}

/// Whether a document has the look of a scenario.
#[must_use]
pub fn is_scenario(document: &Document) -> bool {
    document.kind().is_none() && (document.has("traffic") || document.has("plant"))
}

/// Reads a scenario and everything that it names.
///
/// # Errors
/// Every mistake that can be found at once, with file, line, column and path.
pub fn read(file: &Path, overrides: &Overrides) -> Result<Scenario, Mistakes> {
    let text = std::fs::read_to_string(file).map_err(|error| whole(file, error.to_string()))?;
    let directory = file.parent().unwrap_or(Path::new(""));
    parse(file, &text, overrides, |policy| std::fs::read_to_string(directory.join(policy)))
}

/// The files that a scenario names, its policy first, whatever else is wrong with it.
///
/// # Errors
/// When it can't be read as YAML.
pub fn named_files(file: &Path) -> Result<Vec<PathBuf>, Mistakes> {
    let documents = manifest::read(file)?;
    let Some(document) = documents.first() else { return Ok(Vec::new()) };
    let traces = document.texts("traffic", "trace");
    let files = |field| document.text(field).into_iter().chain(document.texts("tiers", field));
    let named = files("policy").chain(files("autoscaler")).chain(traces);
    Ok(named.map(|name| beside(file, name)).collect())
}

/// Reads a scenario from `text`, which is called `file` in errors; `open` gives the text of the policy
/// that it names.
///
/// # Errors
/// As for [`read`].
pub fn parse(
    file: &Path,
    text: &str,
    overrides: &Overrides,
    open: impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Scenario, Mistakes> {
    let documents = manifest::parse(file, text)?;
    let [document] = documents.as_slice() else {
        let problem = format!("a scenario is one YAML document; there are {}", documents.len());
        return Err(whole(file, problem).into());
    };
    if document.is_policy() {
        return Err(a_policy(document, file).into());
    }
    let others = manifest::read_all(&overrides.calendars)?;
    let manifest = policy(document, file, overrides, &others, &open);
    let zone = manifest.as_ref().and_then(|read| Some(zone(&read.as_ref().ok()?.0.0.resource)));
    let zone = zone.unwrap_or(TimeZone::UTC);
    let bounds = Bounds::new(overrides, &zone).map_err(|problem| whole(file, problem))?;
    let judge = |spec: &ScenarioSpec| Read::new(file, spec, overrides, bounds);
    let read = document.examine(&manifest::schema::of::<ScenarioSpec>(), judge);
    let (((manifest, calendars), policy_text), read) = match (manifest, read) {
        (Some(Ok(manifest)), Ok((_, read))) => (manifest, read),
        (manifest, read) => return Err(together(manifest.and_then(Result::err), read.err())),
    };
    let Read {
        autoscaler,
        plant,
        cluster,
        tiers,
        interval,
        length,
        from,
        parts,
        traces,
        quantities,
        outages,
        restarts,
        price,
        expectations,
    } = read;
    let has_tier = !tiers.is_empty() || plant.service.is_some_and(|service| service.downstream.is_some());
    let at = Place { document, base: "" };
    let is_another = overrides.policy.is_some();
    let autoscaler = autoscalers::read(at, autoscaler.as_deref(), &manifest.resource, is_another, &open)?;
    let followed = (&manifest.policy, autoscaler.as_ref());
    bind(at, followed, (&plant, has_tier), &quantities, is_another)?;
    let asked = Asked { overrides, bounds, from, length, zone, interval };
    let Played { from, length, cut_from, traffic, gaps } = match &overrides.trace {
        Some(Trace::File(file)) => asked.replay(file)?,
        Some(Trace::Answer { name, samples }) => asked.answered(name, samples)?,
        Some(Trace::Pending) => asked.made_up(&[]).map_err(|problem| whole(file, problem))?,
        None if traces.is_empty() => asked.made_up(&parts).map_err(|problem| whole(file, problem))?,
        None => asked.recorded(document, parts, &traces)?,
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let PolicyManifest { policy, resource, missing_calendars } = manifest;
    let first = Scenario {
        name,
        policy,
        resource,
        calendars,
        missing_calendars,
        policy_text,
        autoscaler,
        from,
        length,
        cut_from,
        interval,
        traffic,
        gaps,
        plant,
        cluster,
        behind: Vec::new(),
        quantities,
        outages,
        restarts,
        price,
        expectations,
    };
    tiers::add(first, document, tiers, &others, &open)
}

/// The policy of a scenario, if it names one, or the one in its place, and its text.
type Named = Option<Result<((PolicyManifest, Vec<ScaleCalendar>), String), Mistakes>>;

/// Reads the policy.
fn policy(
    document: &Document,
    file: &Path,
    overrides: &Overrides,
    others: &[Document],
    open: &impl Fn(&Path) -> std::io::Result<String>,
) -> Named {
    let parse = |file: &Path, text: String| Ok((manifest::parse_policy_with(file, &text, others)?, text));
    if let Some(other) = &overrides.policy {
        let text = std::fs::read_to_string(other).map_err(|error| whole(other, error.to_string()));
        return Some(text.map_err(Mistakes::from).and_then(|text| parse(other, text)));
    }
    document.text("policy").map(|name| {
        let file = beside(file, name);
        let unreadable = |error| document.mistake("policy", format!("{}: {error}", file.display()));
        parse(&file, open(Path::new(name)).map_err(unreadable)?)
    })
}

/// A file that is named in another one.
fn beside(file: &Path, name: impl AsRef<Path>) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// That a policy is no scenario, and what one for it looks like.
fn a_policy(document: &Document, file: &Path) -> Mistake {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let problem = format!(
        "this is a ScalePolicy; what is played is a scenario that names one, such as\n\n\
         policy: {name}\nfrom: 2026-11-23T00:00:00Z\nlength: 24h\n\
         traffic: [{{diurnal: {{low: 100, high: 1000, peak: \"14:00\"}}}}]\n\
         plant: {{startup: 30s, capacityPerReplica: 100, initialReplicas: 2}}\n"
    );
    document.mistake("", problem)
}

/// The mistakes of a scenario and of the policy that it names.
fn together(policy: Option<Mistakes>, scenario: Option<Mistakes>) -> Mistakes {
    let mut all: Vec<Mistake> = [scenario, policy].into_iter().flatten().flat_map(|found| found.0).collect();
    // By file: a policy that can't be read is a mistake of the scenario.
    if let Some(first) = all.first().map(|mistake| mistake.file.clone()) {
        all.sort_by_key(|mistake| (mistake.file != first, mistake.place));
    }
    Mistakes(all)
}

/// The zone of a policy's schedule.
fn zone(policy: &ScalePolicy) -> TimeZone {
    let zone =
        policy.spec.schedule.as_ref().and_then(|schedule| zones::current().get(&schedule.time_zone).ok());
    zone.unwrap_or(TimeZone::UTC)
}

fn whole(file: &Path, problem: String) -> Mistake {
    Mistake { file: file.to_owned(), place: None, path: String::new(), problem }
}

/// What the texts of a scenario mean.
struct Read {
    autoscaler: Option<PathBuf>,
    plant: PlantSpec,
    cluster: ClusterSpec,
    tiers: Vec<ReadTier>,
    interval: Duration,
    length: Duration,
    from: Timestamp,
    parts: Vec<Component>,
    /// The recorded ones among the parts of the traffic: their place, and the file.
    traces: Vec<(String, PathBuf)>,
    quantities: BTreeMap<String, Quantity>,
    outages: Vec<(Timestamp, Timestamp)>,
    restarts: Vec<Timestamp>,
    price: Option<Price>,
    expectations: Vec<Expectation>,
}

impl Read {
    fn new(
        file: &Path,
        spec: &ScenarioSpec,
        overrides: &Overrides,
        bounds: Bounds,
    ) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader { mistakes: Vec::new() };
        let mut plant = reader.plant("plant", &spec.plant, spec.seed);
        let tiers = reader.tiers(spec);
        if !tiers.is_empty() {
            plant.service.get_or_insert_default();
        }
        let all = std::iter::once(&plant).chain(tiers.iter().map(|tier| &tier.plant));
        let initial = all.map(|plant| i64::from(plant.initial_replicas.get())).sum();
        let cluster = reader.cluster(spec.cluster.as_ref(), initial);
        let interval = reader.span("interval", spec.interval.as_deref().unwrap_or("15s"));
        let length = reader.span("length", &spec.length);
        let length = overrides.length.unwrap_or(length);
        let from = reader.instant("from", &spec.from);
        let start = bounds.from.unwrap_or(from);
        if start.checked_add(length).is_err() {
            reader.add(
                "length",
                "from that long on, the year would be over 9999; shorten it, or start earlier",
            );
        }
        if length.as_nanos() / interval.as_nanos().max(1) > MOST_TICKS {
            let problem = format!("more than {MOST_TICKS} ticks; shorten it, or lengthen the interval");
            reader.add("length", problem);
        }
        let parts = reader.parts(spec, overrides);
        let traces = traces(file, spec);
        let quantities = spec.metrics.clone();
        let outages = reader.outages(&spec.outages);
        let restarts = reader.restarts(&spec.restarts);
        let price = spec.price.map(|price| reader.price(price));
        if price.is_none() && spec.expect.contains_key("cost") {
            reader.add("expect.cost", "needs price, which this scenario has not");
        }
        let expectations = reader.expectations("expect", &spec.expect);
        let read = Self {
            autoscaler: spec.autoscaler.clone(),
            plant,
            cluster,
            tiers,
            interval,
            length,
            from,
            parts,
            traces,
            quantities,
            outages,
            restarts,
            price,
            expectations,
        };
        if reader.mistakes.is_empty() { Ok(read) } else { Err(reader.mistakes) }
    }
}

/// The recorded parts of the traffic, with their places; the files are beside the scenario.
fn traces(file: &Path, spec: &ScenarioSpec) -> Vec<(String, PathBuf)> {
    let beside = |name: &Path| file.parent().unwrap_or(Path::new("")).join(name);
    let parts = spec.traffic.iter().flatten().enumerate();
    let recorded = parts.filter_map(|(index, part)| match part {
        Part::Trace(name) => Some((format!("traffic[{index}].trace"), beside(name))),
        Part::Constant(_)
        | Part::Diurnal(_)
        | Part::Spike(_)
        | Part::Step(_)
        | Part::Ramp(_)
        | Part::Weekly(_)
        | Part::Noise(_) => None,
    });
    recorded.collect()
}

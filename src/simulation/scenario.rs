//! Scenario files: traffic, plant, policy and length, as people write them.

mod spec;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Scenario;
use super::plant::{Measurement, PlantSpec};
use super::synthetic::{self, Component};
use super::traffic::Traffic;
use crate::api::{AUTOSCALER_KIND, ScalePolicy};
use crate::decision::Replicas;
use crate::manifest::{self, Document, Mistake, Mistakes, PolicyManifest};
use crate::policy::{FieldError, parse_duration};
use crate::zones;

pub use self::spec::{Diurnal, Noise, Part, PlantText, Ramp, ScenarioSpec, Spike, Step};

/// The most ticks of a scenario: a year at 15 s is 2.1 million.
const MOST_TICKS: u128 = 20_000_000;

/// What the command line changes about a scenario.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// A CSV in the place of the scenario's traffic.
    pub trace: Option<PathBuf>,
    /// What all demand is multiplied by.
    pub scale: Option<f64>,
    /// The first instant.
    pub from: Option<Timestamp>,
    /// How long it runs.
    pub length: Option<Duration>,
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

/// Reads a scenario from `text`, which is called `file` in errors; `open` gives the text of the policy
/// that it names.
///
/// # Errors
/// As for [`read`].
pub fn parse(
    file: &Path,
    text: &str,
    overrides: &Overrides,
    open: impl FnOnce(&Path) -> std::io::Result<String>,
) -> Result<Scenario, Mistakes> {
    let documents = manifest::parse(file, text)?;
    let [document] = documents.as_slice() else {
        let problem = format!("a scenario is one YAML document; there are {}", documents.len());
        return Err(whole(file, problem).into());
    };
    let policy_file = |policy: &str| file.parent().unwrap_or(Path::new("")).join(policy);
    let manifest = document.text("policy").map(|policy| {
        let unreadable =
            |error| document.mistake("policy", format!("{}: {error}", policy_file(policy).display()));
        let text = open(Path::new(policy)).map_err(unreadable)?;
        let manifest = manifest::parse_policy(&policy_file(policy), &text)?;
        Ok((manifest, text))
    });
    let judge = |spec: &ScenarioSpec| Read::new(spec, overrides);
    let read = document.examine(&manifest::schema::of::<ScenarioSpec>(), judge);
    let (((manifest, calendars), policy_text), read) = match (manifest, read) {
        (Some(Ok(manifest)), Ok((_, read))) => (manifest, read),
        (manifest, read) => return Err(together(manifest.and_then(Result::err), read.err())),
    };
    if !manifest.policy.guards.is_empty() {
        let problem = "guards can't be simulated yet: a scenario has no number for them; leave them out";
        let file = policy_file(document.text("policy").unwrap_or_default());
        return Err(Mistake {
            file,
            place: None,
            path: "spec.guards".to_owned(),
            problem: problem.to_owned(),
        }
        .into());
    }
    if manifest.resource.spec.scale_target_ref.kind == AUTOSCALER_KIND {
        let problem = format!(
            "a policy that sets the bounds of a {AUTOSCALER_KIND} can't be simulated: what the replicas are \
             between them is that one's to decide; name the workload itself, or use `tidetable preview`"
        );
        let file = policy_file(document.text("policy").unwrap_or_default());
        let path = "spec.scaleTargetRef.kind".to_owned();
        return Err(Mistake { file, place: None, path, problem }.into());
    }
    let Read { plant, interval, length, from, parts } = read;
    let scale = overrides.scale.unwrap_or(1.0);
    let asked = length;
    let (from, length, traffic) = if let Some(trace) = &overrides.trace {
        replay(trace, scale, overrides, length, &manifest.resource)?
    } else {
        let from = overrides.from.unwrap_or(from);
        (from, length, synthetic::traffic(&parts, scale, from, length))
    };
    let cut_from = (asked > length).then_some(asked);
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let PolicyManifest { policy, resource, missing_calendars } = manifest;
    Ok(Scenario {
        name,
        policy,
        resource,
        calendars,
        missing_calendars,
        policy_text,
        from,
        length,
        cut_from,
        interval,
        traffic,
        plant,
    })
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

/// A recorded trace from its first local midnight, or from where it is told, and no longer than it is.
fn replay(
    file: &Path,
    scale: f64,
    overrides: &Overrides,
    length: Duration,
    policy: &ScalePolicy,
) -> Result<(Timestamp, Duration, Traffic), Mistake> {
    let traffic = Traffic::from_csv(file, scale).map_err(|error| Mistake {
        file: file.to_owned(),
        place: error.line.map(|line| (u64::try_from(line).unwrap_or(u64::MAX), 1)),
        path: String::new(),
        problem: error.problem,
    })?;
    let from = overrides.from.unwrap_or_else(|| first_midnight(&traffic, policy));
    let (start, end) = (traffic.start(), traffic.end());
    let rest = Duration::try_from(end.duration_since(from)).unwrap_or_default();
    if from < start || rest.is_zero() {
        return Err(whole(file, format!("the trace is from {start} to {end}; {from} is not in it")));
    }
    if overrides.length.is_some_and(|asked| asked > rest) {
        let problem = format!(
            "the trace ends at {end}, {:#} after {from}",
            SignedDuration::try_from(rest).unwrap_or_default()
        );
        return Err(whole(file, problem));
    }
    Ok((from, length.min(rest), traffic))
}

/// The first local midnight of a trace, in the time zone of the policy's schedule.
fn first_midnight(traffic: &Traffic, policy: &ScalePolicy) -> Timestamp {
    let zone =
        policy.spec.schedule.as_ref().and_then(|schedule| zones::current().get(&schedule.time_zone).ok());
    let start = traffic.start().to_zoned(zone.unwrap_or(TimeZone::UTC));
    let midnight = match start.start_of_day() {
        Ok(today) if today.timestamp() == start.timestamp() => Ok(today),
        Ok(_) | Err(_) => start.tomorrow().and_then(|tomorrow| tomorrow.start_of_day()),
    };
    match midnight {
        Ok(midnight) if midnight.timestamp() < traffic.end() => midnight.timestamp(),
        // A trace of less than a day is played from its start.
        Ok(_) | Err(_) => traffic.start(),
    }
}

fn whole(file: &Path, problem: String) -> Mistake {
    Mistake { file: file.to_owned(), place: None, path: String::new(), problem }
}

/// What the texts of a scenario mean.
struct Read {
    plant: PlantSpec,
    interval: Duration,
    length: Duration,
    from: Timestamp,
    parts: Vec<Component>,
}

impl Read {
    fn new(spec: &ScenarioSpec, overrides: &Overrides) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader { mistakes: Vec::new() };
        let plant = reader.plant(&spec.plant);
        let interval = reader.span("interval", spec.interval.as_deref().unwrap_or("15s"));
        let length = reader.span("length", &spec.length);
        let length = overrides.length.unwrap_or(length);
        let from = reader.instant("from", &spec.from);
        let start = overrides.from.unwrap_or(from);
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
        let read = Self { plant, interval, length, from, parts };
        if reader.mistakes.is_empty() { Ok(read) } else { Err(reader.mistakes) }
    }
}

/// Reads texts and collects what is wrong with them.
struct Reader {
    mistakes: Vec<FieldError>,
}

impl Reader {
    fn add(&mut self, path: &str, problem: impl Into<String>) {
        self.mistakes.push(FieldError { path: path.to_owned(), problem: problem.into() });
    }

    /// A duration above zero.
    fn span(&mut self, path: &str, text: &str) -> Duration {
        let span = self.duration(path, text);
        if span.is_zero() && parse_duration(text).is_ok() {
            self.add(path, format!("{text:?} must be longer than nothing"));
        }
        span.max(Duration::from_millis(1))
    }

    fn duration(&mut self, path: &str, text: &str) -> Duration {
        parse_duration(text).unwrap_or_else(|error| {
            self.add(path, error.to_string());
            Duration::ZERO
        })
    }

    fn instant(&mut self, path: &str, text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|_| {
            let problem = format!("{text:?} is not an RFC 3339 instant, such as 2026-11-23T00:00:00+01:00");
            self.add(path, problem);
            Timestamp::UNIX_EPOCH
        })
    }

    fn rate(&mut self, path: &str, qps: f64) -> f64 {
        if !qps.is_finite() || qps < 0.0 {
            self.add(path, format!("{qps} must be a finite number, not negative"));
        }
        qps
    }

    fn finite(&mut self, path: &str, qps: f64) -> f64 {
        if !qps.is_finite() {
            self.add(path, format!("{qps} must be a finite number"));
        }
        qps
    }

    fn plant(&mut self, text: &PlantText) -> PlantSpec {
        if !(text.capacity_per_replica.is_finite() && text.capacity_per_replica > 0.0) {
            self.add("plant.capacityPerReplica", "must be a finite number above 0");
        }
        if !(0..=100_000).contains(&text.initial_replicas) {
            self.add("plant.initialReplicas", "must be between 0 and 100000");
        }
        PlantSpec {
            startup: self.duration("plant.startup", &text.startup),
            capacity_per_replica: text.capacity_per_replica,
            initial_replicas: Replicas::new(text.initial_replicas),
            measurement: Measurement {
                window: self.span("plant.queryWindow", text.query_window.as_deref().unwrap_or("1m")),
                scrape_interval: self
                    .span("plant.scrapeInterval", text.scrape_interval.as_deref().unwrap_or("15s")),
                delay: self
                    .duration("plant.evaluationDelay", text.evaluation_delay.as_deref().unwrap_or("0s")),
            },
        }
    }

    fn parts(&mut self, spec: &ScenarioSpec, overrides: &Overrides) -> Vec<Component> {
        let Some(traffic) = &spec.traffic else {
            if overrides.trace.is_none() && !overrides.is_check {
                let problem =
                    "this scenario has none of its own: give it a recorded trace with --trace FILE.csv";
                self.add("traffic", problem);
            }
            return Vec::new();
        };
        if traffic.is_empty() {
            self.add("traffic", "at least one part is needed: constant, diurnal, spike, step, ramp or noise");
        }
        let parts = traffic.iter().enumerate();
        parts.map(|(index, part)| self.part(&format!("traffic[{index}]"), part, spec.seed)).collect()
    }

    fn part(&mut self, path: &str, part: &Part, seed: u64) -> Component {
        match part {
            Part::Constant(qps) => Component::Constant(self.rate(&format!("{path}.constant"), *qps)),
            Part::Diurnal(diurnal) => {
                let path = format!("{path}.diurnal");
                let name = diurnal.time_zone.as_deref().unwrap_or("UTC");
                let zone = zones::current().get(name).unwrap_or_else(|problem| {
                    self.add(&format!("{path}.timeZone"), problem);
                    TimeZone::UTC
                });
                let peak = parse_time(&diurnal.peak).unwrap_or_else(|| {
                    self.add(
                        &format!("{path}.peak"),
                        format!("{:?} is not a time of day, HH:MM", diurnal.peak),
                    );
                    0.0
                });
                let low = self.rate(&format!("{path}.low"), diurnal.low);
                let high = self.rate(&format!("{path}.high"), diurnal.high);
                Component::Diurnal { low, high, peak, zone }
            }
            Part::Spike(spike) => {
                let path = format!("{path}.spike");
                let ramp = spike.ramp.as_deref().unwrap_or("0s");
                Component::Spike {
                    at: self.instant(&format!("{path}.at"), &spike.at),
                    length: self.span(&format!("{path}.for"), &spike.r#for).as_secs_f64(),
                    ramp: self.duration(&format!("{path}.ramp"), ramp).as_secs_f64(),
                    qps: self.rate(&format!("{path}.qps"), spike.qps),
                }
            }
            Part::Step(step) => {
                let path = format!("{path}.step");
                let at = self.instant(&format!("{path}.at"), &step.at);
                Component::Ramp { at, length: 0.0, qps: self.finite(&format!("{path}.qps"), step.qps) }
            }
            Part::Ramp(ramp) => {
                let path = format!("{path}.ramp");
                Component::Ramp {
                    at: self.instant(&format!("{path}.at"), &ramp.at),
                    length: self.span(&format!("{path}.for"), &ramp.r#for).as_secs_f64(),
                    qps: self.finite(&format!("{path}.qps"), ramp.qps),
                }
            }
            Part::Noise(noise) => {
                let relative = self.rate(&format!("{path}.noise.relative"), noise.relative);
                Component::Noise { relative, seed }
            }
        }
    }
}

/// `HH:MM` as hours.
fn parse_time(text: &str) -> Option<f64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
    (text.len() == 5 && hour < 24 && minute < 60).then(|| f64::from(hour) + f64::from(minute) / 60.0)
}

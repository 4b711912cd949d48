//! What a search finds on the first half of a trace: the numbers of tidetable's policy, a learned schedule and its
//! numbers, and the numbers of a HorizontalPodAutoscaler. All are drawn from the same ranges, as many for each, and
//! judged alike.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tidetable::learning::{self, Settings};
use tidetable::simulation::Scenario;
use tidetable::simulation::rivals::Rival;
use tidetable::tuning::{self, Objective, Param, Template, Trial};

use crate::cases::Case;

/// How many candidates each search draws.
const CANDIDATES: usize = 240;

/// What of the replica hours that the upstream autoscaler costs at its defaults a candidate may cost.
const BUDGET: f64 = 0.99;

/// What a missing replica hour may cost when a schedule is learned, in replica hours: medians, and more.
const SHORTAGES: [f64; 4] = [1.0, 3.0, 9.0, 19.0];

const FOUND: &str = "# Made by `make comparison`: found on the first half of the trace.\n";

/// Played on so many at once.
const THREADS: usize = 2;

/// What is searched in a policy besides its schedule, below the two that it shares with the upstream autoscaler.
const DAMPING: &str = r#"  damping:
    smoothing: {halfLife: 1s}
    scaleUp: {tolerance: "0.1", stabilizationWindowSeconds: 0}
    scaleDown: {tolerance: "0.1", stabilizationWindowSeconds: 300}
"#;

/// What the search found, each as the text of a file.
pub(crate) struct Found {
    pub(crate) tuned: String,
    /// Where there is a clock to learn by, and a pattern.
    pub(crate) learned: Option<String>,
    pub(crate) hpa: String,
}

/// Searches on `first`, the first half, which the policy of the case is played in.
pub(crate) fn find(case: &Case, first: &Scenario) -> Result<Found, Box<dyn Error>> {
    let usual = Rival::read("hpa")?.play(first)?.scores.elasticity.replica_hours;
    let budget = BUDGET * usual;
    let objective: Objective =
        format!("replica_hours<={budget} then late_percent + dropped_percent").parse()?;
    let capacity = case.capacity_qps;
    let params = [
        format!("metrics[0].target.averageValue={}..{capacity}/{}", 0.6 * capacity, 0.01 * capacity),
        "damping.scaleUp.tolerance=0..0.1/0.01".to_owned(),
        "damping.scaleDown.tolerance=0..0.1/0.01".to_owned(),
        "damping.scaleUp.stabilizationWindowSeconds=0..60/15".to_owned(),
        "damping.scaleDown.stabilizationWindowSeconds=0..900/30".to_owned(),
        "damping.smoothing.halfLife=1..61/15".to_owned(),
        "schedule.entries[*].replicas=0.5..1.1/0.05".to_owned(),
    ];
    let searched = if case.zone.is_some() { params.len() } else { params.len() - 1 };
    let params: Vec<Param> =
        params[..searched].iter().map(|param| Param::parse(param)).collect::<Result<_, _>>()?;
    let candidates = tuning::drawn(&params, CANDIDATES, 1);
    let of_case = parts(&first.policy_text);
    let policy = |schedule: &str, candidates: &[Vec<f64>]| -> Result<(String, Trial), Box<dyn Error>> {
        let text = format!("{FOUND}{}{schedule}{}{DAMPING}", of_case[0], of_case[2]);
        let template = Template::new(Path::new(case.name), &text, &params)?;
        let trials = tuning::search(std::slice::from_ref(first), &template, candidates, THREADS, &|| ())?;
        let best = objective.best(&trials).ok_or("no candidates")?;
        Ok((template.fill(&best.values), best.clone()))
    };
    let (tuned, _) = policy(of_case[1], &candidates)?;
    let mut learned: Vec<(String, Trial)> = Vec::new();
    for shortage in SHORTAGES {
        if let Some(schedule) = learn(case, first, shortage) {
            learned.push(policy(&schedule, &candidates[..CANDIDATES / SHORTAGES.len()])?);
        }
    }
    let trials: Vec<Trial> = learned.iter().map(|(_, trial)| trial.clone()).collect();
    let winner = objective.best(&trials).and_then(|best| trials.iter().position(|trial| trial == best));
    let learned = winner.map(|index| learned.swap_remove(index).0);
    let hpa = best_hpa(case, first, &objective, &candidates)?;
    Ok(Found { tuned, learned, hpa })
}

/// The candidate of an upstream autoscaler that does best, as text.
fn best_hpa(
    case: &Case,
    first: &Scenario,
    objective: &Objective,
    candidates: &[Vec<f64>],
) -> Result<String, Box<dyn Error>> {
    let play = |values: &Vec<f64>| -> Result<Trial, String> {
        let text = hpa(case, first, values);
        let rival = Rival::parse(Path::new(case.name), text).map_err(|wrong| wrong.to_string())?;
        let run = rival.play(first).map_err(|unfit| unfit.to_string())?;
        Ok(Trial { values: values.clone(), scores: vec![run.scores] })
    };
    let half = candidates.len() / 2;
    let (some, others) = std::thread::scope(|scope| {
        let others =
            scope.spawn(|| candidates[half..].iter().map(play).collect::<Result<Vec<Trial>, String>>());
        let some = candidates[..half].iter().map(play).collect::<Result<Vec<Trial>, String>>();
        (some, others.join())
    });
    let mut trials = some?;
    trials.extend(others.map_err(|_| "a search panicked")??);
    let best = objective.best(&trials).ok_or("no candidates")?;
    Ok(hpa(case, first, &best.values))
}

/// The lines of a policy before its schedule, those of the schedule, and those after it; without the first comment.
fn parts(policy: &str) -> [&str; 3] {
    let policy =
        policy.split_once('\n').filter(|(line, _)| line.starts_with('#')).map_or(policy, |(_, rest)| rest);
    let end = policy.find("  metrics:\n").unwrap_or(policy.len());
    let start = policy.find("  schedule:\n").unwrap_or(end).min(end);
    [&policy[..start], &policy[start..end], &policy[end..]]
}

/// The upstream autoscaler with its default policies and other numbers.
fn hpa(case: &Case, first: &Scenario, values: &[f64]) -> String {
    let [target, tolerance_up, tolerance_down, up, down, ..] = *values else { return String::new() };
    let bounds = &first.resource.spec;
    format!(
        "{FOUND}apiVersion: autoscaling/v2\nkind: \
         HorizontalPodAutoscaler\nmetadata: {{name: {0}, namespace: default}}\nspec:\n  scaleTargetRef: {{apiVersion: \
         apps/v1, kind: Deployment, name: {0}}}\n  minReplicas: {1}\n  maxReplicas: {2}\n  metrics:\n  - type: \
         External\n    external: {{metric: {{name: qps}}, target: {{type: AverageValue, averageValue: \
         \"{target:.3}\"}}}}\n  behavior:\n    scaleUp:\n      tolerance: \"{tolerance_up}\"\n      \
         stabilizationWindowSeconds: {up}\n      policies:\n      - \
         {{type: Percent, value: 100, periodSeconds: 15}}\n      - {{type: Pods, value: 4, periodSeconds: 15}}\n    \
         scaleDown:\n      tolerance: \"{tolerance_down}\"\n      stabilizationWindowSeconds: {down}\n      policies: [{{type: Percent, value: 100, \
         periodSeconds: 15}}]\n",
        case.name, bounds.min_replicas, bounds.max_replicas
    )
}

/// A schedule as `tidetable learn` finds it, if there is one.
fn learn(case: &Case, first: &Scenario, shortage: f64) -> Option<String> {
    let zone = case.zone?;
    let length = SignedDuration::try_from(first.length).ok()?;
    let until: Timestamp = first.from.checked_add(length).ok()?;
    let settings = Settings {
        zone: TimeZone::get(zone).ok()?,
        target: case.target_qps,
        slot: 15,
        lead: Duration::from_secs(60),
        shortage,
        entry: 0.005,
        min: u32::try_from(first.resource.spec.min_replicas).ok()?,
        max: Some(u32::try_from(first.resource.spec.max_replicas).ok()?),
    };
    let weeks = until.checked_sub(SignedDuration::from_hours(8 * 7 * 24)).ok()?;
    let learned = learning::learn(&first.traffic, first.from.max(weeks), until, &settings).ok()?;
    let mut text = format!("  schedule:\n    timeZone: {zone}\n    entries:\n");
    for entry in &learned.entries {
        let (name, cron) = (entry.name(), entry.cron());
        let _ = writeln!(text, "    - {{name: {name}, cron: \"{cron}\", replicas: {}}}", entry.replicas);
    }
    Some(text)
}

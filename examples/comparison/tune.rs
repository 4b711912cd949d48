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
use tidetable::tuning::{self, Objective, Param, Trial};

use crate::cases::Case;

/// How many candidates each search draws.
const CANDIDATES: usize = 48;

/// What a missing replica hour may cost when a schedule is learned, in replica hours: medians, and more.
const SHORTAGES: [f64; 4] = [1.0, 3.0, 9.0, 19.0];

/// What the search found, each as the text of a file.
pub(crate) struct Found {
    pub(crate) tuned: String,
    /// Where there is a clock to learn by, and a pattern.
    pub(crate) learned: Option<String>,
    pub(crate) hpa: String,
}

/// Searches on `first`, the first half, which the policy of the case is played in.
pub(crate) fn find(case: &Case, first: &Scenario) -> Result<Found, Box<dyn Error>> {
    let usual = Rival::read("hpa")?.play(first)?.scores.dropped_percent;
    // No more than the upstream autoscaler loses at its defaults.
    let objective: Objective = format!("dropped_percent<={} then replica_hours", usual.max(0.001)).parse()?;
    let target = format!("target={}..{}", 0.6 * case.capacity_qps, case.capacity_qps);
    let params = [target.as_str(), "down=0..900", "up=0..120"].map(Param::parse);
    let params = params.into_iter().collect::<Result<Vec<Param>, String>>()?;
    let candidates = tuning::drawn(&params, CANDIDATES, 1);
    let schedule = schedule_of(&first.policy_text);
    let (tuned, _) =
        best(case, first, &objective, &candidates, |values| policy(case, first, schedule, values))?;
    let hpa = best(case, first, &objective, &candidates, |values| hpa(case, first, values))?.0;
    let mut learned: Vec<(String, Trial)> = Vec::new();
    for shortage in SHORTAGES {
        if let Some(schedule) = learn(case, first, shortage) {
            let some: Vec<Vec<f64>> = candidates.iter().take(CANDIDATES / SHORTAGES.len()).cloned().collect();
            learned
                .push(best(case, first, &objective, &some, |values| policy(case, first, &schedule, values))?);
        }
    }
    let trials: Vec<Trial> = learned.iter().map(|(_, trial)| trial.clone()).collect();
    let winner = objective.best(&trials).and_then(|best| trials.iter().position(|trial| trial == best));
    let learned = winner.map(|index| learned.swap_remove(index).0);
    Ok(Found { tuned, learned, hpa })
}

/// The candidate that does best, as text, and what came of it.
fn best(
    case: &Case,
    first: &Scenario,
    objective: &Objective,
    candidates: &[Vec<f64>],
    text: impl Fn(&[f64]) -> String + Sync,
) -> Result<(String, Trial), Box<dyn Error>> {
    let play = |values: &Vec<f64>| -> Result<Trial, String> {
        let rival = Rival::parse(Path::new(case.name), text(values)).map_err(|wrong| wrong.to_string())?;
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
    let best = objective.best(&trials).ok_or("no candidates")?.clone();
    Ok((text(&best.values), best))
}

/// The lines of a policy's schedule.
fn schedule_of(policy: &str) -> &str {
    let from = policy.find("  schedule:\n").unwrap_or(policy.len());
    let to = policy.find("  metrics:\n").unwrap_or(policy.len());
    &policy[from.min(to)..to]
}

fn policy(case: &Case, first: &Scenario, schedule: &str, values: &[f64]) -> String {
    let [target, down, up] = *values else { return String::new() };
    let bounds = &first.resource.spec;
    format!(
        "# Made by `make comparison`: found on the first half of the trace.\napiVersion: tidetable.dev/v1alpha1\nkind: \
         ScalePolicy\nmetadata: {{name: {0}, namespace: default}}\nspec:\n  scaleTargetRef: {{apiVersion: apps/v1, \
         kind: Deployment, name: {0}}}\n  minReplicas: {1}\n  maxReplicas: {2}\n{schedule}  metrics:\n  - name: \
         qps\n    prometheus: {{query: 'sum(rate(http_requests_total{{app=\"{0}\"}}[1m]))'}}\n    target: \
         {{averageValue: \"{target:.3}\"}}\n  damping:\n    scaleUp: {{stabilizationWindowSeconds: {up}}}\n    scaleDown: \
         {{stabilizationWindowSeconds: {down}}}\n",
        case.name, bounds.min_replicas, bounds.max_replicas
    )
}

/// The upstream autoscaler with its default policies and other numbers.
fn hpa(case: &Case, first: &Scenario, values: &[f64]) -> String {
    let [target, down, up] = *values else { return String::new() };
    let bounds = &first.resource.spec;
    format!(
        "# Made by `make comparison`: found on the first half of the trace.\napiVersion: autoscaling/v2\nkind: \
         HorizontalPodAutoscaler\nmetadata: {{name: {0}, namespace: default}}\nspec:\n  scaleTargetRef: {{apiVersion: \
         apps/v1, kind: Deployment, name: {0}}}\n  minReplicas: {1}\n  maxReplicas: {2}\n  metrics:\n  - type: \
         External\n    external: {{metric: {{name: qps}}, target: {{type: AverageValue, averageValue: \
         \"{target:.3}\"}}}}\n  behavior:\n    scaleUp:\n      stabilizationWindowSeconds: {up}\n      policies:\n      - \
         {{type: Percent, value: 100, periodSeconds: 15}}\n      - {{type: Pods, value: 4, periodSeconds: 15}}\n    \
         scaleDown:\n      stabilizationWindowSeconds: {down}\n      policies: [{{type: Percent, value: 100, \
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
        max: u32::try_from(first.resource.spec.max_replicas).ok()?,
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

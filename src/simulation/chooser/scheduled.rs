//! A `HorizontalPodAutoscaler` whose bounds a policy sets.

use super::{Choice, Chooser, Due, Follower};
use crate::decision::Observation;
use crate::simulation::Quantities;
use crate::simulation::rivals::hpa::Hpa;
use crate::simulation::rivals::periodic::{Clocked, Periodic};

/// An autoscaler that looks at its metrics in its own period, between bounds that the policy sets at its edges.
#[derive(Debug)]
pub(in crate::simulation) struct Scheduled<'a> {
    follower: Follower<'a>,
    autoscaler: Clocked<Hpa>,
}

impl<'a> Scheduled<'a> {
    /// Has the policy of `follower` set the bounds of `autoscaler`.
    pub(in crate::simulation) fn new(follower: Follower<'a>, autoscaler: Clocked<Hpa>) -> Self {
        Self { follower, autoscaler }
    }
}

impl Chooser for Scheduled<'_> {
    fn metrics(&self) -> usize {
        self.autoscaler.metrics()
    }

    fn quantities(&self) -> Option<&Quantities> {
        self.autoscaler.quantities()
    }

    fn due(&self) -> Option<Due> {
        // Of the same instant the policy's edge is first.
        let due = self.follower.due().into_iter().chain(self.autoscaler.due());
        due.min_by_key(|due| due.at)
    }

    fn choose(&mut self, observation: &Observation) -> Choice {
        let (min, _) = self.autoscaler.inner().bounds();
        let writes = self.follower.choose(&Observation::new(observation.at, min)).writes;
        if let Some(decision) = self.follower.last().filter(|_| writes) {
            self.autoscaler.inner_mut().bound(decision.bounds());
        }
        let (floor, ceiling) = self.autoscaler.inner().bounds();
        Choice { floor, ceiling, ..self.autoscaler.choose(observation) }
    }

    fn explain(&self) -> String {
        let (min, max) = self.autoscaler.inner().bounds();
        let (autoscaler, policy) = (self.autoscaler.explain(), self.follower.explain());
        format!("{autoscaler}, between {min} and {max}; {policy}")
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::api::{AUTOSCALER_API_VERSION, AUTOSCALER_KIND, ScaleTargetRef};
    use crate::decision::{Milli, Mode, Replicas, Target};
    use crate::simulation::autoscaler::Autoscaler;
    use crate::simulation::rivals::Rival;
    use crate::simulation::rivals::hpa::{HpaMetric, HpaSpec, Pace};
    use crate::simulation::tests::{at, scenario};
    use crate::simulation::traffic::Traffic;
    use crate::simulation::{Run, Scenario, run, score};

    /// 300 requests per second for an autoscaler from 2 to 50 that wants a hundred for each replica, and a policy for its bounds.
    fn clocked(policy: &str) -> Scenario {
        let mut scenario = scenario(policy, Traffic::constant(300.0), 1);
        scenario.resource.spec.scale_target_ref = ScaleTargetRef {
            api_version: AUTOSCALER_API_VERSION.to_owned(),
            kind: AUTOSCALER_KIND.to_owned(),
            name: "web".to_owned(),
        };
        let target = Target::AverageValue(Milli::new(100_000));
        let (min, max) = (Replicas::new(2), Replicas::new(50));
        let (metrics, pace) =
            ([HpaMetric::Whole(target)].into_iter().collect(), Pace::Default { tolerance: 0.1 });
        let spec = HpaSpec { min, max, metrics, pace, scales_from_zero: false };
        let (name, metrics) = ("web".to_owned(), vec!["qps".to_owned()]);
        scenario.autoscaler = Some(Autoscaler { name, namespace: None, spec, metrics, text: String::new() });
        scenario
    }

    const CLOCK: &str = "
minReplicas: 2
maxReplicas: 50
schedule:
  entries:
  - {name: crowd, cron: '10 0 * * *', for: 10m, replicas: 12}
  - {name: backup, cron: '30 0 * * *', for: 10m, replicas: 1, maxReplicas: 1}
";

    /// Seconds since the start, and the number from then on.
    fn moves(run: &Run) -> Vec<(i64, u32)> {
        let start = at("2026-11-23T00:00:00Z");
        let seconds = |then| SignedDuration::as_secs(&jiff::Timestamp::duration_since(then, start));
        run.changes.iter().map(|change| (seconds(change.at), change.to)).collect()
    }

    #[test]
    fn the_autoscaler_follows_its_metric_between_the_bounds_of_the_hour() {
        let scenario = clocked(CLOCK);
        let played = run(&scenario);
        assert_eq!(moves(&played), [(0, 3), (600, 12), (1200, 3), (1800, 1), (2400, 2), (2415, 3)]);
        assert_eq!(score(&scenario), played.scores);
        let bounds = |minute: usize| (played.rows[4 * minute].floor, played.rows[4 * minute].ceiling);
        assert_eq!([5, 15, 25, 35, 45].map(bounds), [(2, 50), (12, 50), (2, 50), (1, 1), (2, 50)]);
        let why = &played.changes[1].message;
        assert_eq!(
            why,
            "nothing was read, MinReplicas leaves 12, between 12 and 50; schedule entry crowd asks for 12"
        );
    }

    #[test]
    fn where_the_policy_changes_nothing_the_autoscaler_does_what_it_does_alone() {
        let still = "
minReplicas: 2
maxReplicas: 50
schedule: {entries: [{name: a, cron: '0 0 1 1 *', replicas: 2}]}
";
        for (policy, mode) in [(CLOCK, Mode::DryRun), (CLOCK, Mode::Paused), (still, Mode::Active)] {
            let mut scenario = clocked(policy);
            scenario.policy.mode = mode;
            let played = run(&scenario);
            let alone = Rival::read("hpa").expect("known").play(&scenario).expect("fit");
            assert_eq!((&played.rows, &played.scores), (&alone.rows, &alone.scores));
            assert_eq!(moves(&played), [(0, 3)], "{mode:?}");
        }
    }

    #[test]
    fn in_a_restart_it_keeps_its_bounds() {
        let calm = run(&clocked(CLOCK));
        let mut scenario = clocked(CLOCK);
        scenario.restarts = vec![at("2026-11-23T00:12:07Z"), at("2026-11-23T00:20:00Z")];
        assert_eq!(moves(&run(&scenario)), moves(&calm));
    }
}

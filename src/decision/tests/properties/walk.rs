//! Made-up policies, and days of a workload under them.

use std::time::Duration;

use super::*;

pub(super) const TICK: SignedDuration = SignedDuration::from_secs(15);

/// One tick of a made-up day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Loads in thousandths; `None` is missing.
    pub(super) loads: [Option<i64>; 2],
    /// Somebody sets this many replicas before it.
    pub(super) by_hand: Option<i32>,
    /// So many replicas of ten are ready.
    pub(super) ready_tenths: i32,
    /// The schedule is looked at a few seconds before.
    pub(super) edge: bool,
    pub(super) is_full: bool,
    pub(super) guard: Option<i64>,
}

pub(super) fn any_step(can_miss: bool) -> impl Strategy<Value = Step> {
    let load = move || {
        let missing = u32::from(can_miss);
        prop_oneof![6 => (0_i64..6_000_000).prop_map(Some), missing => Just(None)]
    };
    (load(), load(), proptest::option::weighted(0.05, 0_i32..150), 0_i32..=10, any::<bool>(), any::<u8>())
        .prop_map(|(a, b, by_hand, ready_tenths, edge, dice)| Step {
            loads: [a, b],
            by_hand,
            ready_tenths,
            edge,
            is_full: dice % 5 == 0,
            guard: (dice % 7 != 0).then_some(i64::from(dice) * 10),
        })
}

/// Nobody else scales, everything is ready, and nothing holds.
pub(super) fn calm(step: Step) -> Step {
    Step { by_hand: None, ready_tenths: 10, is_full: false, guard: Some(0), ..step }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let policies = proptest::collection::vec((any::<bool>(), 1_i32..120, 1_u64..200), 1..3);
    (0_u64..400, 0_usize..5, policies, 0_u8..3, 0_i32..3).prop_map(
        |(window, select, policies, tolerance, deadband)| Rules {
            stabilization: Duration::from_secs(window),
            select: [Select::Max, Select::Max, Select::Min, Select::Min, Select::Disabled][select],
            policies: policies
                .into_iter()
                .map(|(pods, value, period)| RatePolicy {
                    unit: if pods { RateUnit::Pods } else { RateUnit::Percent },
                    value,
                    period: Duration::from_secs(period),
                })
                .collect(),
            tolerance: f64::from(tolerance) / 10.0,
            deadband: n(deadband),
        },
    )
}

pub(super) fn any_fallback() -> impl Strategy<Value = FallbackLevel> {
    prop_oneof![
        Just(FallbackLevel::Hold),
        Just(FallbackLevel::Baseline),
        (0_i32..100).prop_map(|count| FallbackLevel::Replicas(n(count)))
    ]
}

/// Two metrics (one or both by value), a guard, and a schedule with steps, windows, ceilings and a pin.
pub(super) fn any_whole_policy() -> impl Strategy<Value = Policy> {
    let damping = (any_rules(), any_rules(), proptest::option::of(1_u64..120));
    let fallback = (0_u64..300, any_fallback());
    (0_i32..10, 0_i32..100, damping, fallback, any::<[bool; 3]>()).prop_map(
        |(min, more, (up, down, half_life), (after, level), [first_by_value, second_by_value, scheduled])| {
            let max = (min + more).max(1);
            let (some, many) = (min + more / 3, min + more / 2);
            let schedule = format!(
                "schedule: {{entries: [{{name: step, cron: '0 6 * * *', replicas: {some}}}, \
                 {{name: over, cron: '*/7 * * * *', for: 3m, replicas: {many}}}, \
                 {{name: cap, cron: '*/5 * * * *', for: 2m, maxReplicas: {some}}}, \
                 {{name: pin, cron: '*/11 * * * *', for: 1m, replicas: {min}, maxReplicas: {min}}}]}}\n"
            );
            let kind = |by_value| if by_value { "value" } else { "averageValue" };
            let text = format!(
                "minReplicas: {min}\nmaxReplicas: {max}\n{}metrics:\n\
                 - {{name: a, prometheus: {{query: a}}, target: {{{}: 100}}}}\n\
                 - {{name: b, prometheus: {{query: b}}, target: {{{}: 70}}}}\n\
                 guards: [{{name: g, prometheus: {{query: g}}, above: 2, for: 30s, effect: HoldScaleDown}}]\n",
                if scheduled { schedule.as_str() } else { "" },
                kind(first_by_value),
                kind(second_by_value),
            );
            let mut policy = policy(&text);
            policy.damping = DampingPolicy { up, down, half_life: half_life.map(Duration::from_secs) };
            policy.fallback = FallbackRule { after: Duration::from_secs(after), level };
            policy
        },
    )
}

/// A workload under a policy, step by step.
pub(super) struct Walk<'a> {
    pub(super) policy: &'a Policy,
    pub(super) history: History,
    pub(super) now: Timestamp,
    pub(super) present: Replicas,
}

impl<'a> Walk<'a> {
    pub(super) fn new(policy: &'a Policy, replicas: i32) -> Self {
        Self { policy, history: History::default(), now: at("2026-11-23T12:00:00Z"), present: n(replicas) }
    }

    pub(super) fn observe(&self, step: &Step) -> Observation {
        let reading = |load: Option<i64>| load.map_or(MISSING, |load| Reading::Value(Milli::new(load)));
        Observation {
            guards: Samples::Read([reading(step.guard)].into_iter().collect()),
            unschedulable_since: step.is_full.then(|| self.now - SignedDuration::from_mins(3)),
            ..Observation::new(self.now, self.present)
                .with_ready(n(self.present.get() * step.ready_tenths / 10))
                .with_readings(step.loads.map(reading).into_iter().take(self.policy.metrics.len()))
        }
    }

    pub(super) fn carry_out(&mut self, observation: &Observation) -> Decision {
        let decision = decide(self.policy, &self.history, observation);
        self.history.record(self.policy, &decision);
        self.present = decision.desired;
        decision
    }

    /// One step, at its tick and perhaps at an edge before it; the decision of the tick.
    pub(super) fn step(&mut self, step: &Step) -> Decision {
        self.present = step.by_hand.map_or(self.present, n);
        if step.edge {
            let earlier = Observation::new(self.now - SignedDuration::from_secs(4), self.present);
            self.carry_out(&earlier);
        }
        let observation = self.observe(step);
        let decision = self.carry_out(&observation);
        self.now += TICK;
        decision
    }
}

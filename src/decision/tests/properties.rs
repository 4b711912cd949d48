//! What holds for every policy, every past and every observation. Cases that proptest has found and that
//! were wrong become rows of the tables in the other files.

mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use self::walk::{Step, TICK, Walk, any_fallback, any_step, any_whole_policy, calm};
use super::*;
use crate::decision::Override;

/// How far the rate policies of one direction let the level get from `base`, which says for each period the
/// level at its start. An independent reading of autoscaling/v2's words, in whole numbers.
fn furthest(rules: &Rules, direction: Direction, base: impl Fn(Duration) -> i64) -> Option<i64> {
    let allowed = rules.policies.iter().map(|policy| {
        let (base, value) = (base(policy.period), i64::from(policy.value));
        match (policy.unit, direction) {
            (RateUnit::Pods, Direction::Up) => base + value,
            (RateUnit::Pods, Direction::Down) => (base - value).max(0),
            // One more than exact, for the reference rounds in binary floating point.
            (RateUnit::Percent, Direction::Up) => (base * (100 + value) + 99).div_euclid(100) + 1,
            (RateUnit::Percent, Direction::Down) => (base * (100 - value).max(0)).div_euclid(100) - 1,
        }
    });
    match (rules.select, direction) {
        (Select::Disabled, _) => None,
        (Select::Max, Direction::Up) | (Select::Min, Direction::Down) => allowed.max(),
        (Select::Min, Direction::Up) | (Select::Max, Direction::Down) => allowed.min(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_are_within_the_bounds_and_an_override_is_followed(
        policy in any_whole_policy(),
        start in 0_i32..200,
        steps in proptest::collection::vec(any_step(true), 1..60),
        overriding in (0_i32..200, 0_usize..60, 1_usize..30, any::<bool>()),
    ) {
        let mut walk = Walk::new(&policy, start);
        let (replicas, from, length, force) = overriding;
        let forced = Override { replicas: n(replicas), until: walk.now + TICK * i32::try_from(from + length).unwrap_or(0), force };
        for (index, step) in steps.iter().enumerate() {
            walk.present = step.by_hand.map_or(walk.present, n);
            let mut observation = walk.observe(step);
            observation.overridden = (index >= from).then_some(forced);
            let same = decide(&policy, &walk.history.clone(), &observation);
            let decision = walk.carry_out(&observation);
            prop_assert_eq!(&decision, &same, "the same input gives the same output");
            let Baseline { floor, ceiling, pinned, .. } = decision.baseline;
            let level = decision.level().expect("there are metrics");
            prop_assert!(policy.min <= level && level <= policy.max, "level {level}");
            let load = decision.load.as_ref().expect("there are metrics");
            if let Some(steps) = load.steps {
                let asked = load.metrics.iter().filter_map(|metric| metric.recommendation).max();
                prop_assert_eq!((Some(steps.asked), Some(steps.deadband)), (asked, load.recommendation));
                prop_assert_eq!((steps.stabilized, steps.held), (load.stabilized, level));
                prop_assert!(steps.held == steps.limited || steps.held == load.before);
            }
            if observation.overridden.is_some() && walk.now < forced.until {
                let bounded = if force { forced.replicas } else { forced.replicas.min(policy.max) };
                prop_assert_eq!(decision.desired, bounded);
            } else if pinned {
                prop_assert_eq!(decision.desired, floor);
            } else {
                prop_assert_eq!(decision.desired, floor.max(ceiling.min(level)));
                prop_assert!(policy.min <= floor && ceiling <= policy.max);
            }
            walk.now += TICK;
        }
    }

    /// While nobody else scales and no fallback stands in, the level is never further from where it was at
    /// the start of any period than the rate policies of its direction allow, or does not move. (Bounds
    /// are above them: a level outside is put back at once, and that counts as a move.)
    #[test]
    fn rate_policies_hold_over_every_period_that_ends_at_a_move(
        policy in any_whole_policy(),
        start in 0_i32..120,
        steps in proptest::collection::vec(any_step(true), 1..80),
    ) {
        let policy = Policy { fallback: FallbackRule { level: FallbackLevel::Hold, ..policy.fallback }, ..policy };
        let mut walk = Walk::new(&policy, start);
        let mut levels = BTreeMap::new();
        for step in steps {
            let decision = walk.step(&Step { by_hand: None, ..step });
            let load = decision.load.as_ref().expect("there are metrics");
            let (before, after) = (load.before.wide(), load.level.wide());
            if levels.is_empty() {
                levels.insert(Timestamp::MIN, before);
            }
            let at_start = |period| {
                let start = decision.at - SignedDuration::try_from(period).expect("short");
                levels.range(..=start).next_back().map_or(before, |(_, level)| *level)
            };
            let direction = if after > before { Direction::Up } else { Direction::Down };
            let rules = if after > before { &policy.damping.up } else { &policy.damping.down };
            if after != before && load.state != LoadState::OutOfBounds {
                let furthest = furthest(rules, direction, at_start).expect("a forbidden direction is not taken");
                let within = if after > before { after <= furthest } else { after >= furthest };
                prop_assert!(within, "{before} to {after}, where {furthest} is allowed, at {}", decision.at);
            }
            levels.insert(decision.at, after);
        }
    }

    /// Under a load that stays as it is the level stops moving, and stays where it stopped. It takes no
    /// longer than the windows, what smoothing remembers, and one period a replica on the way.
    #[test]
    fn a_constant_load_settles(
        policy in any_whole_policy(),
        start in 0_i32..30,
        before in proptest::collection::vec(any_step(true).prop_map(calm), 0..20),
        load in any_step(false).prop_map(calm),
    ) {
        // A schedule that moves, moves the workload: that is not the load's doing.
        let bounds = policy.min.get()..=policy.min.get().saturating_add(20).min(policy.max.get());
        let unscheduled = format!("minReplicas: {}\nmaxReplicas: {}\n{}", bounds.start(), bounds.end().max(&1),
            &METRIC[METRIC.find("metrics").expect("metrics")..]);
        let plain = super::policy(&unscheduled);
        let policy = Policy { schedule: plain.schedule, max: plain.max, ..policy };
        let mut walk = Walk::new(&policy, start);
        for step in &before {
            walk.step(step);
        }
        let DampingPolicy { up, down, half_life } = &policy.damping;
        let period = up.longest_period().max(down.longest_period()).max(Duration::from_secs(15));
        let wait = up.stabilization.max(down.stabilization)
            + half_life.unwrap_or_default() * 64
            + period * 2 * u32::try_from(policy.max.get() - policy.min.get() + 1).expect("positive");
        let ticks = wait.as_secs() / 15 + 4;
        for _ in 0..ticks {
            walk.step(&Step { edge: false, ..load });
        }
        let settled = walk.present;
        for _ in 0..60 {
            let decision = walk.step(&load);
            prop_assert_eq!(decision.desired, settled, "after {} ticks: {:?}", ticks, decision);
        }
    }

    /// What passes quietly is what a decision says, and leaves behind what a decision leaves.
    #[test]
    fn a_quiet_evaluation_is_a_decision(
        policy in any_whole_policy(),
        start in 0_i32..120,
        steps in proptest::collection::vec((any_step(true), 0_usize..30), 1..20),
        (is_guarded, is_smoothed) in (proptest::bool::weighted(0.1), proptest::bool::weighted(0.4)),
    ) {
        let mut policy = policy;
        policy.metrics.truncate(1);
        if !is_guarded {
            policy.guards.clear();
        }
        if !is_smoothed {
            policy.damping.half_life = None;
        }
        let mut walk = Walk::new(&policy, start);
        for (step, times) in steps {
            walk.step(&step);
            // The same for a while, with a little more and less.
            for index in 0..times {
                let load = step.loads[0].map(|load| load + i64::try_from(index % 3).expect("small") * 7000);
                let step = Step { loads: [load, None], by_hand: None, edge: step.edge && index % 5 == 0, ..step };
                let (now, present) = (walk.now, walk.present);
                let mut history = walk.history.clone();
                let quiet = load
                    .filter(|_| !step.is_full && !step.edge)
                    .and_then(|load| {
                        let mut rest = history.rest(&policy, now, present)?;
                        rest.pass(now, Milli::new(load)).map(|raw| rest.outcome(raw))
                    });
                let before = walk.history.clone();
                let decision = walk.step(&step);
                if let Some(quiet) = quiet {
                    let Baseline { floor, ceiling, .. } = decision.baseline;
                    let load = decision.load.as_ref().expect("there are metrics");
                    let said = Some((quiet.desired, quiet.reason, quiet.floor, quiet.ceiling, quiet.recommendation, quiet.level));
                    let recommended = load.recommendation;
                    let decided = recommended.map(|raw| (decision.desired, decision.reason, floor, ceiling, raw, load.level));
                    prop_assert_eq!(said, decided);
                    prop_assert_eq!(decision.desired, decision.observed);
                    prop_assert_eq!(&history, &walk.history);
                } else {
                    prop_assert_eq!(&history, &before);
                }
            }
        }
    }

    /// While one of several metrics is missing nothing lowers the level; while all are, nothing does
    /// unless the fallback says so.
    #[test]
    fn what_is_missing_never_lowers(
        policy in any_whole_policy(),
        start in 0_i32..120,
        steps in proptest::collection::vec(any_step(true), 1..80),
    ) {
        let holding = FallbackRule { level: FallbackLevel::Hold, ..policy.fallback };
        let policy = Policy { fallback: holding, ..policy };
        let mut walk = Walk::new(&policy, start);
        for step in steps {
            let known = walk.history.level();
            let decision = walk.step(&step);
            let load = decision.load.expect("there are metrics");
            let is_missing = load.metrics.iter().any(|metric| metric.recommendation.is_none());
            if is_missing && load.before <= policy.max {
                prop_assert!(load.level >= load.before, "{load:?}");
                prop_assert!(known.is_none_or(|known| load.level >= known), "{load:?}");
            }
        }
    }

    /// The next level never falls when a load rises and all else is the same. With targets by value that
    /// holds while all replicas are ready: as in a HorizontalPodAutoscaler, those that aren't count in the
    /// ratio and not in the tolerance.
    #[test]
    fn the_level_is_monotone_in_the_load(
        policy in any_whole_policy(),
        start in 0_i32..120,
        steps in proptest::collection::vec(any_step(true), 0..40),
        last in any_step(true),
        more in (0_i64..3_000_000, 0_i64..3_000_000),
    ) {
        let mut walk = Walk::new(&policy, start);
        for step in &steps {
            walk.step(step);
        }
        let last = Step { ready_tenths: 10, ..last };
        let [a, b] = last.loads;
        let higher = Step { loads: [a.map(|a| a + more.0), b.map(|b| b + more.1)], ..last };
        let level = |step| decide(&policy, &walk.history, &walk.observe(step)).level();
        prop_assert!(level(&last) <= level(&higher), "{:?} {:?}", level(&last), level(&higher));
    }

    /// A workload that always has more load always has at least as many replicas, when every difference
    /// from the target counts. (Within a tolerance it is the past that decides: who comes from above stays
    /// above. And `value` asks for more of what is there, so that a metric is not the whole load.)
    #[test]
    fn without_tolerance_more_load_all_along_never_means_fewer_replicas(
        policy in any_whole_policy(),
        start in 0_i32..120,
        steps in proptest::collection::vec((any_step(false).prop_map(calm), 0_i64..2_000_000), 1..80),
    ) {
        let mut policy = policy;
        for rules in [&mut policy.damping.up, &mut policy.damping.down] {
            (rules.tolerance, rules.deadband) = (0.0, n(0));
        }
        for metric in &mut policy.metrics {
            metric.target = Target::AverageValue(Milli::new(100_000));
        }
        let (mut less, mut more) = (Walk::new(&policy, start), Walk::new(&policy, start));
        for (step, extra) in steps {
            let higher = Step { loads: step.loads.map(|load| load.map(|load| load + extra)), ..step };
            let (low, high) = (less.step(&step), more.step(&higher));
            prop_assert!(low.level() <= high.level(), "{low:?}\n{high:?}");
            prop_assert!(low.desired <= high.desired);
        }
    }

    /// A source that comes and goes every half minute for an hour changes a settled workload no more than
    /// once, whatever the fallback is, as long as an outage is shorter than `fallback.after`: one of half a
    /// minute is not shorter than half a minute.
    #[test]
    fn a_flapping_source_changes_the_replicas_at_most_once(
        level in any_fallback(),
        after in 31_u64..600,
        load in 0_i64..8_000_000,
        start in 1_i32..80,
        phase in 0_usize..4,
    ) {
        let mut policy = policy(METRIC);
        policy.fallback = FallbackRule { after: Duration::from_secs(after), level };
        // One step is enough to get anywhere.
        policy.damping.up.policies.clear();
        let mut walk = Walk::new(&policy, start);
        let (mut present, mut changes) = (walk.present, 0);
        for tick in 0..240_usize {
            let is_up = (tick + phase) % 4 < 2;
            let step = Step { loads: [is_up.then_some(load), None], by_hand: None, ready_tenths: 10, edge: false, is_full: false, guard: None };
            walk.step(&step);
            changes += i32::from(walk.present != present);
            present = walk.present;
        }
        prop_assert!(changes <= 1, "{changes} changes");
    }
}

/// Loads that jump up and down every half minute are the down window's business.
#[test]
fn a_flapping_load_changes_the_replicas_at_most_once() {
    let policy = policy(METRIC);
    for (low, high) in [(100, 3000), (2000, 2300), (1999, 3001), (0, 8000)] {
        let ticks: Vec<_> = (0..240).map(|tick| vec![qps(if tick % 4 < 2 { low } else { high })]).collect();
        let mut replicas = run(&policy, 20, &ticks);
        replicas.insert(0, 20);
        let rises = replicas.windows(2).filter(|pair| pair[0] < pair[1]).count();
        let falls = replicas.windows(2).filter(|pair| pair[0] > pair[1]).count();
        // The defaults double per 15 s, so 80 takes two steps.
        assert_eq!(falls, 0, "{low} and {high}: {replicas:?}");
        assert!(rises <= if high == 8000 { 2 } else { 1 }, "{low} and {high}: {replicas:?}");
    }
}

use std::path::Path;

use super::*;
use crate::simulation::scenario::{self as files, Overrides};

const POLICY: &str = "apiVersion: tidetable.dev/v1alpha1
kind: ScalePolicy
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 60 # enough
  metrics:
  - name: qps
    prometheus: {query: q}
    target: {averageValue: \"80\"}
  damping:
    scaleUp: {stabilizationWindowSeconds: 0}
    scaleDown: {stabilizationWindowSeconds: 0}
";

const WINDOW: &str = "damping.scaleDown.stabilizationWindowSeconds";

fn param(text: &str) -> Param {
    Param::parse(text).expect("a parameter")
}

fn template(params: &[Param]) -> Template {
    Template::new(Path::new("web.yaml"), POLICY, params).expect("the fields are there")
}

/// An hour of 800 requests per second, in which the demand falls to 100 for five minutes in every ten.
fn square_wave() -> Scenario {
    let step =
        |minute: i32, qps: i32| format!("- step: {{at: \"2026-11-23T00:{minute:02}:00Z\", qps: {qps}}}\n");
    let steps: Vec<String> =
        (1..12).map(|half| step(half * 5, if half % 2 == 1 { -700 } else { 700 })).collect();
    let steps = steps.concat();
    let text = format!(
        "policy: web.yaml\nfrom: 2026-11-23T00:00:00Z\nlength: 1h\ntraffic:\n- constant: 800\n{steps}plant: \
         {{startup: 30s, capacityPerReplica: 100, initialReplicas: 10}}\n"
    );
    let read = files::parse(Path::new("wave.yaml"), &text, &Overrides::default(), |_| Ok(POLICY.to_owned()));
    read.unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn a_range_has_its_steps_and_its_ends() {
    assert_eq!(param("minReplicas=1..3/1").values, [1.0, 2.0, 3.0]);
    assert_eq!(param("spec.x=0..1/0.3").values, [0.0, 0.3, 0.6, 0.9]);
    assert_eq!(param("x=0..900").values.len(), 11);
    assert_eq!(param("x=7..7").values, [7.0]);
    // Both ends are among them.
    assert_eq!(param("x=0..19").values, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 11.0, 13.0, 15.0, 17.0, 19.0]);
    assert_eq!(param("x=1..4").values, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(param("x=0..0.5").values.len(), 11);
    assert_eq!(param("x=0..0.5").values.last(), Some(&0.5));
    assert_eq!(param("x=0..2/2").values, [0.0, 2.0]);
    let wrong = [
        "x",
        "x=1",
        "x=a..2",
        "x=3..1",
        "x=0..3/0",
        "x=0..3/-1",
        "=0..3",
        "x=0..inf",
        "x=0..1e9/1",
        "x=0..3/4",
    ];
    for wrong in wrong {
        assert!(Param::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn candidates_that_change_less_come_first_each_number_by_its_range() {
    let text = POLICY.replace(
        "scaleDown: {stabilizationWindowSeconds: 0}",
        "scaleDown: {stabilizationWindowSeconds: 300}",
    );
    let text = text.replace(
        "  damping:\n",
        "  schedule:\n    entries: [{cron: \"0 7 * * *\", replicas: 8}, {cron: \"0 9 * * *\", replicas: 6}]\n  damping:\n",
    );
    let params = [param(&format!("{WINDOW}=0..600/300")), param("schedule.entries[*].replicas=0.5..1.5/0.5")];
    let template = Template::new(Path::new("web.yaml"), &text, &params).expect("the fields are there");
    let mut candidates = grid(&params).expect("few");
    template.arrange(&params, &mut candidates);
    // Half of either range is as much; of equals the order stays.
    let expected = [
        [300.0, 1.0],
        [0.0, 1.0],
        [300.0, 0.5],
        [300.0, 1.5],
        [600.0, 1.0],
        [0.0, 0.5],
        [0.0, 1.5],
        [600.0, 0.5],
        [600.0, 1.5],
    ];
    assert_eq!(candidates, expected.map(Vec::from));
}

#[test]
fn only_the_tuned_numbers_of_a_text_change() {
    let params = [param("metrics[0].target.averageValue=50..90"), param(&format!("{WINDOW}=0..900"))];
    let filled = template(&params).fill(&[72.5, 300.0]);
    let expected = POLICY.replace("\"80\"", "\"72.5\"").replace(
        "scaleDown: {stabilizationWindowSeconds: 0}",
        "scaleDown: {stabilizationWindowSeconds: 300}",
    );
    assert_eq!(filled, expected);
}

#[test]
fn a_unit_stays_and_a_star_multiplies_every_item() {
    let text = POLICY.replace(
        "  damping:\n",
        "  schedule:\n    entries:\n    - {cron: \"0 7 * * *\", replicas: 13, rampUp: 30m}\n    - {cron: \"0 9 * * *\", \
         until: \"10:00\", maxReplicas: 9}\n    - {cron: '0 20 * * *', replicas: 4}\n  damping:\n    smoothing: \
         {halfLife: 30s}\n",
    );
    let params = [
        param("damping.smoothing.halfLife=0..90"),
        param("schedule.entries[*].replicas=0.5..1.5"),
        param("schedule.entries[0].rampUp=0..60"),
    ];
    let template = Template::new(Path::new("web.yaml"), &text, &params).expect("the fields are there");
    let expected = text
        .replace("30s", "45s")
        .replace("replicas: 13, rampUp: 30m", "replicas: 16, rampUp: 10m")
        .replace("replicas: 4}", "replicas: 5}");
    assert_eq!(template.fill(&[45.0, 1.25, 10.0]), expected);
    for path in ["schedule.entries[*].name", "metrics[*].target.value"] {
        let nobody = Template::new(Path::new("web.yaml"), &text, &[param(&format!("{path}=0..1"))]);
        let mistakes = nobody.expect_err(path).to_string();
        assert!(mistakes.contains("write the field into the policy first"), "{mistakes}");
    }
}

#[test]
fn a_field_that_is_not_there_or_no_number_is_a_mistake_at_its_place() {
    for (path, problem) in [
        ("damping.smoothing.halfLife", "write the field into the policy first"),
        ("damping.smoothing.alpha", "unknown field; there are halfLife"),
        ("metrics[0].name", "is not a number"),
        ("metrics[7].name", "write the field into the policy first"),
    ] {
        let params = [param(&format!("{path}=0..1"))];
        let mistakes = Template::new(Path::new("web.yaml"), POLICY, &params).expect_err(path).to_string();
        assert!(mistakes.contains(problem) && mistakes.contains(&format!("spec.{path}")), "{mistakes}");
    }
    for (written, problem) in [
        ("80000m", "has a suffix: write it as a number without m"),
        ("8\\u0030", "is not a number"),
        ("0x50", "is not a number"),
    ] {
        let text = POLICY.replace("\"80\"", &format!("\"{written}\""));
        let params = [param("metrics[0].target.averageValue=70..90")];
        let mistakes = Template::new(Path::new("web.yaml"), &text, &params).expect_err(written).to_string();
        assert!(mistakes.contains(problem), "{mistakes}");
    }
    for (path, problem) in [
        ("damping.scaleDwon.tolerance", "spec.damping.scaleDwon: unknown field; did you mean scaleDown?"),
        ("metrics[0].targett.averageValue", "spec.metrics[0].targett: unknown field; did you mean target?"),
        (
            "schedule.entries[*].replica",
            "spec.schedule.entries[0].replica: unknown field; did you mean replicas?",
        ),
        ("minReplicas.low", "spec.minReplicas.low: unknown field; there are none here"),
    ] {
        let params = [param(&format!("{path}=0..1"))];
        let mistakes = Template::new(Path::new("web.yaml"), POLICY, &params).expect_err(path).to_string();
        assert!(mistakes.contains(problem), "{mistakes}");
    }
    let twice = [param("minReplicas=1..2"), param("minReplicas=1..3")];
    let mistakes = Template::new(Path::new("web.yaml"), POLICY, &twice).expect_err("twice").to_string();
    assert!(mistakes.contains("is tuned twice"), "{mistakes}");
}

#[test]
fn a_number_out_of_its_fields_bounds_is_the_policys_mistake() {
    let params = [param("minReplicas=70..80/10")];
    let candidates = grid(&params).expect("few");
    let found = search(&[square_wave()], &template(&params), &candidates, 1, &|| {});
    let mistakes = found.expect_err("above maxReplicas").to_string();
    assert!(mistakes.contains("web.yaml:") && mistakes.contains("Replicas"), "{mistakes}");
}

/// The low half of each wave is 300 s long, and the mean of the last minute is full again only 60 s after it: from one
/// full recommendation to the next it is 360 s. A window of 300 s forgets the one before the other is there.
#[test]
fn the_window_that_outlasts_the_waves_is_found() {
    let params = [param(&format!("{WINDOW}=0..600/60"))];
    let candidates = grid(&params).expect("few");
    let objective: Objective = "reversals<1, dropped_percent<=0.1 then replica_hours".parse().expect("one");
    let trials = search(&[square_wave()], &template(&params), &candidates, 1, &|| {}).expect("valid");
    let best = objective.best(&trials).expect("one");
    assert!(objective.is_kept(best), "{trials:#?}");
    assert_eq!(best.values, [360.0], "{trials:#?}");
    let two = search(&[square_wave()], &template(&params), &candidates, 2, &|| {}).expect("valid");
    assert_eq!(two, trials, "as many threads, as many results");
}

#[test]
fn the_parts_of_a_scenario_are_the_whole() {
    let whole = square_wave();
    let (first, rest) = (before(&whole, 0.3), after(&whole, 0.3));
    assert_eq!(first.length + rest.length, whole.length);
    assert_eq!(first.length, Duration::from_secs(1080));
    assert_eq!(rest.from, whole.from + SignedDuration::from_secs(1080));
}

#[test]
fn an_objective_is_read_or_refused() {
    assert!("replica_hours".parse::<Objective>().is_ok());
    for (wrong, problem) in [
        ("costs", "\"costs\" is no score; there are "),
        ("late_percent<1 then costs", "\"costs\" is no score"),
        ("late<1 then replica_hours", "no score has this name"),
        ("late_percent>1 then replica_hours", "a limit is from above"),
        ("late_percent<=1", "write LIMIT, ... then SCORE, such as late_percent<=1 then replica_hours"),
        ("late_percent<=1 then", "such as late_percent<=1 then replica_hours"),
        ("late_percent<=1 then ", "such as late_percent<=1 then replica_hours"),
    ] {
        let error = wrong.parse::<Objective>().expect_err(wrong);
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn the_front_leaves_out_what_another_beats_as_it_is_shown() {
    let trial = |value: f64, dropped: f64, hours: f64| {
        let mut scores = Scores { requests: 100.0, dropped_requests: dropped, ..Scores::default() };
        scores.elasticity.replica_hours = hours;
        Trial { values: vec![value], scores: vec![scores] }
    };
    let trials = [trial(1.0, 2.0, 5.0), trial(2.0, 1.0, 9.0), trial(3.0, 2.0, 6.0)];
    let values = |trials: &[Trial], chosen: usize| -> Vec<f64> {
        front(trials, &trials[chosen]).iter().map(|trial| trial.values[0]).collect()
    };
    assert_eq!(values(&trials, 0), [2.0, 1.0]);
    // All but the last are shown as 1.000 and 5.0, and that one as 1.000 and 5.1.
    let alike =
        [trial(1.0, 1.0001, 5.04), trial(2.0, 1.0002, 5.03), trial(3.0, 1.0004, 4.96), trial(4.0, 1.0, 5.06)];
    assert_eq!(values(&alike, 1), [2.0], "the chosen one");
    assert_eq!(values(&alike, 3), [1.0], "the first one");
}

#[test]
fn what_is_drawn_is_the_same_for_a_seed_and_nothing_twice() {
    let params = [param("x=0..900"), param("y=0..1/0.25"), param("z=0.5..1.5")];
    let some = drawn(&params, 100, 7);
    assert_eq!(some, drawn(&params, 100, 7));
    assert_ne!(some, drawn(&params, 100, 8));
    let distinct: std::collections::BTreeSet<String> =
        some.iter().map(|values| format!("{values:?}")).collect();
    assert_eq!(distinct.len(), 100);
    for values in &some {
        assert!((0.0..=900.0).contains(&values[0]) && values[0].fract() == 0.0, "{values:?}");
        assert!([0.0, 0.25, 0.5, 0.75, 1.0].contains(&values[1]), "{values:?}");
        assert!((0.5..=1.5).contains(&values[2]), "{values:?}");
    }
    // Both ends are drawn, and what there is no more of ends it.
    let mut few: Vec<f64> = drawn(&[param("x=0..3")], 100, 1).concat();
    few.sort_by(f64::total_cmp);
    assert_eq!(few, [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn halving_plays_the_best_to_the_end() {
    let params = [param(&format!("{WINDOW}=0..600/60"))];
    let (template, scenarios) = (template(&params), [square_wave()]);
    let candidates = grid(&params).expect("a grid");
    let objective: Objective = "reversals".parse().expect("an objective");
    let all = search(&scenarios, &template, &candidates, 1, &|| ()).expect("played");
    let played = AtomicUsize::new(0);
    let count = || {
        played.fetch_add(1, Ordering::Relaxed);
    };
    let last = halve(&scenarios, &template, &candidates, &objective, 2, &count).expect("played");
    assert_eq!(played.into_inner(), halved(candidates.len()));
    assert_eq!(halved(candidates.len()), 11 + 3 * 4 + 9 * 2);
    assert_eq!(last.len(), 2);
    // They were played to the end, as all are without halving.
    assert!(last.iter().all(|trial| all.contains(trial)), "{last:?}");
    assert_eq!(last, halve(&scenarios, &template, &candidates, &objective, 1, &|| ()).expect("played"));
}

#[test]
fn halving_holds_a_part_of_the_time_to_a_part_of_what_adds_up() {
    let params = [param(&format!("{WINDOW}=0..600/60"))];
    let (template, scenarios) = (template(&params), [square_wave()]);
    let candidates = grid(&params).expect("a grid");
    let all = search(&scenarios, &template, &candidates, 1, &|| ()).expect("played");
    let mut hours: Vec<f64> = all.iter().map(|trial| trial.scores[0].elasticity.replica_hours).collect();
    hours.sort_by(f64::total_cmp);
    // What most have is too much; with the longest windows the least is lost.
    let limit = hours[hours.len() / 3] * 1.01;
    let objective: Objective =
        format!("replica_hours<={limit} then dropped_percent").parse().expect("an objective");
    let last = halve(&scenarios, &template, &candidates, &objective, 1, &|| ()).expect("played");
    assert!(last.iter().any(|trial| objective.is_kept(trial)), "{limit} of {hours:?}: {last:?}");
}

#[test]
fn weights_add_scores_up() {
    let objective = |text: &str| text.parse::<Objective>();
    for wrong in ["2*", "x*late_percent", "-1*late_percent", "late_percent+", "late_percent + latte_percent"]
    {
        assert!(objective(wrong).is_err(), "{wrong}");
    }
    let trial = |hours: f64, reversals: u64| {
        let mut scores = Scores::default();
        (scores.elasticity.replica_hours, scores.elasticity.reversals) = (hours, reversals);
        Trial { values: vec![hours], scores: vec![scores] }
    };
    let trials = [trial(10.0, 9), trial(12.0, 3), trial(20.0, 0)];
    let best = |text: &str| objective(text).expect("an objective").best(&trials).expect("one").values[0];
    let found = ["replica_hours", "replica_hours + reversals", "replica_hours + 3*reversals"].map(best);
    assert!(found.iter().zip([10.0, 12.0, 20.0]).all(|(a, b)| a.total_cmp(&b).is_eq()), "{found:?}");
}

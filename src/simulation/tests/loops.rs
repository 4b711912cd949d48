//! A loop with dead time swings with a period that can be worked out: docs/simulation.md has the equation.

use super::super::service::ServiceSpec;
use super::*;

/// Without any damping: each tick asks for `ready × utilization / 0.5`.
const UNDAMPED: &str = "
minReplicas: 1
maxReplicas: 100000
metrics: [{name: busy, prometheus: {query: q}, target: {value: '0.5'}}]
damping:
  scaleUp: {tolerance: '0', stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 900, periodSeconds: 15}]}
  scaleDown: {tolerance: '0', stabilizationWindowSeconds: 0}
";

/// The tick from which on there is a hundredth more to do.
const STEP: usize = 12;

/// The replicas at each of the first ticks of a workload of 10,000 that carries half of what it can, until there is a
/// hundredth more to do; utilization is read as it was so many ticks ago.
fn swinging(ticks_late: u32) -> Vec<f64> {
    let start = at(START);
    let tick = SignedDuration::from_secs(15);
    let step = start + tick * i32::try_from(STEP).expect("small");
    let qps = |at: Timestamp| if at < step { 500_000.0 } else { 505_000.0 };
    let end = start + SignedDuration::from_hours(1);
    let mut scenario = scenario(UNDAMPED, Traffic::sampled(start, end, Duration::from_secs(15), qps), 1);
    // Until it is known how much is in use.
    scenario.outages.push((start, start + tick * 4));
    scenario.quantities.insert("busy".to_owned(), Quantity::Utilization);
    scenario.plant.service = Some(ServiceSpec { latency: 0.001, ..ServiceSpec::default() });
    scenario.plant.initial_replicas = Replicas::new(10_000);
    scenario.plant.pods.startup = Duration::from_secs(1);
    scenario.plant.measurement.delay = ticks_late * scenario.interval;
    let replicas: Vec<f64> = run(&scenario).rows.iter().map(|row| f64::from(row.replicas)).collect();
    assert!(replicas[..STEP].iter().all(|count| (count - 10_000.0).abs() < 5.0), "{:?}", &replicas[..STEP]);
    replicas
}

#[test]
fn news_of_the_present_is_followed_in_one_step() {
    let replicas = swinging(0);
    assert!(replicas[STEP + 2..].iter().all(|count| (count - 10_100.0).abs() < 5.0), "{replicas:?}");
}

/// With news that are one tick old the deviation follows x(k) = x(k − 1) − x(k − 2), whose roots are those of z² − z + 1 =
/// 0: on the unit circle, at a sixth of a turn. So it swings for ever, and comes back after six ticks.
#[test]
fn a_dead_time_of_one_tick_swings_for_ever_with_a_period_of_six() {
    let replicas = swinging(1);
    let settled = &replicas[STEP + 6..STEP + 60];
    for (now, later) in settled.iter().zip(&settled[6..]) {
        assert!((now - later).abs() < 10.0, "rounding up is all: {settled:?}");
    }
    let least = settled.iter().copied().fold(f64::INFINITY, f64::min);
    let most = settled.iter().copied().fold(0.0, f64::max);
    // As far above what is needed as it was below it.
    assert!((least - 10_000.0).abs() < 20.0 && (most - 10_200.0).abs() < 20.0, "{least} to {most}");
}

/// With two ticks they are those of z³ − z² + 1 = 0: a pair at 40.3°, 1.151 from the origin. So a swing takes 8.92 ticks, and
/// each is 1.151^8.92 = 3.51 times the one before.
#[test]
fn a_longer_dead_time_swings_more_slowly_and_ever_wider() {
    let replicas = swinging(2);
    let above: Vec<f64> = replicas.iter().map(|count| (count / 10_100.0).ln()).collect();
    let is_peak = |at: &usize| {
        let (here, around) = (above[*at], [above[*at - 1], above[*at + 1]]);
        // Less is rounding, and with more the workload is fully in use at the bottom.
        (0.005..0.6).contains(&here) && here >= around[0] && here > around[1]
    };
    let peaks: Vec<usize> = (STEP..STEP + 60).filter(is_peak).collect();
    let [first, .., last] = peaks[..] else { panic!("{peaks:?} of {above:?}") };
    let swings = f64::from(u32::try_from(peaks.len() - 1).expect("few"));
    let ticks = f64::from(u32::try_from(last - first).expect("few"));
    assert!((ticks / swings - 8.92).abs() < 0.6, "{peaks:?}");
    let growth = (above[last] / above[first]).powf(1.0 / swings);
    assert!((growth / 3.51 - 1.0).abs() < 0.2, "{growth}, {peaks:?}");
}

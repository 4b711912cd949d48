//! Metrics of which every pod has a value of its own. Source: `calcPlainMetricReplicas`.

use super::tolerates;
use crate::decision::{DampingPolicy, Milli, Replicas};

/// What the pods of a workload say, each for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct PodReadings {
    /// The readings of pods that have one, added up, in thousandths.
    pub sum: f64,
    /// How many pods have one.
    pub read: u32,
    /// How many pods have none, since they are not running yet.
    pub unready: u32,
}

impl PodReadings {
    /// `load` shared by the ready ones among `present` pods.
    pub(super) fn shared(load: Milli, present: Replicas, ready: Replicas) -> Self {
        let count = |replicas: Replicas| replicas.get().unsigned_abs();
        Self { sum: load.as_f64(), read: count(ready), unready: count(present).saturating_sub(count(ready)) }
    }

    /// What they ask for together. Pods that are not ready count as idle when the others want more, and not
    /// at all otherwise; the answer never turns around because of them. `None` where no pod says anything.
    #[must_use]
    pub fn ask(&self, average: Milli, present: Replicas, damping: &DampingPolicy) -> Option<Replicas> {
        if self.read == 0 {
            return None;
        }
        // Upstream divides whole thousandths.
        let ratio_over = |pods: u32| (self.sum / f64::from(pods)).floor() / average.as_f64();
        let ratio = ratio_over(self.read);
        let pods = if ratio > 1.0 { self.read + self.unready } else { self.read };
        let spread = ratio_over(pods);
        if tolerates(damping, spread) || (ratio > 1.0 && spread < 1.0) {
            return Some(present);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-int cast saturates")]
        let wanted = Replicas::saturating_from((spread * f64::from(pods)).ceil() as i128);
        let turns_around = (spread < 1.0 && wanted > present) || (spread > 1.0 && wanted < present);
        Some(if self.unready > 0 && ratio > 1.0 && turns_around { present } else { wanted })
    }
}

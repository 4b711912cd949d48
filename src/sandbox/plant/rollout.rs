//! The arithmetic of a Deployment's rollout: how many replicas each of its `ReplicaSet`s may have next.
//!
//! ```text
//! total ≤ replicas + maxSurge          available ≥ replicas − maxUnavailable
//! ```
//! As upstream's Deployment controller has it (`pkg/controller/deployment`): the new one grows into the surge, old ones
//! shrink as the new one's pods become available, those that never were available first; whoever scales a Deployment in
//! the middle of a rollout scales all of its sets in proportion.

use serde_json::Value;

/// What a Deployment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// `spec.replicas`.
    pub(super) wanted: i64,
    /// How many more there may be.
    pub(super) surge: i64,
    /// How many fewer may be available.
    pub(super) unavailable: i64,
}

/// A `ReplicaSet`, as far as arithmetic goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// How many replicas it was asked for.
    pub(super) replicas: i64,
    /// How many of them are available.
    pub(super) available: i64,
}

impl Limits {
    /// Reads them from the `spec` of a Deployment.
    pub(super) fn of(spec: &Value) -> Self {
        let wanted = spec["replicas"].as_i64().unwrap_or(1).max(0);
        if spec["strategy"]["type"] == "Recreate" {
            return Self { wanted, surge: 0, unavailable: 0 };
        }
        let rolling = &spec["strategy"]["rollingUpdate"];
        let surge = part_of(&rolling["maxSurge"], wanted, true);
        let unavailable = part_of(&rolling["maxUnavailable"], wanted, false);
        // Else nothing could ever move.
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Self { wanted, surge, unavailable: unavailable.min(wanted) }
    }

    /// The most replicas that there may be in all sets together.
    pub(super) fn most(self) -> i64 {
        if self.wanted == 0 { 0 } else { self.wanted + self.surge }
    }

    fn least_available(self) -> i64 {
        self.wanted - self.unavailable
    }

    /// The size of the new set, while all sets together ask for `total`.
    pub(super) fn new_set(self, new: i64, total: i64) -> i64 {
        if new >= self.wanted {
            return self.wanted;
        }
        let room = (self.wanted + self.surge - total).max(0);
        new + room.min(self.wanted - new)
    }

    /// The sizes of the old sets, oldest first.
    pub(super) fn old_sets(self, old: &[Count], new: Count) -> Vec<i64> {
        let mut sizes: Vec<i64> = old.iter().map(|set| set.replicas).collect();
        let total = sizes.iter().sum::<i64>() + new.replicas;
        let mut spare = total - self.least_available() - (new.replicas - new.available);
        if spare <= 0 {
            return sizes;
        }
        for (size, set) in sizes.iter_mut().zip(old) {
            let unhealthy = (set.replicas - set.available).clamp(0, spare);
            *size -= unhealthy;
            spare -= unhealthy;
        }
        let available = old.iter().map(|set| set.available).sum::<i64>() + new.available;
        let mut spare = available - self.least_available();
        for size in &mut sizes {
            let fewer = spare.clamp(0, *size);
            *size -= fewer;
            spare -= fewer;
        }
        sizes
    }

    /// The sizes of the active sets after the Deployment was scaled in the middle of a rollout. They were made for
    /// `before` replicas at most, and stand with the newest last.
    pub(super) fn in_proportion(self, sets: &[i64], before: i64) -> Vec<i64> {
        let mut sizes = sets.to_vec();
        let to_add = self.most() - sets.iter().sum::<i64>();
        let mut order: Vec<usize> = (0..sets.len()).collect();
        // The largest first; of equal ones the newest when there are more to come, the oldest otherwise.
        if to_add > 0 {
            order.reverse();
        }
        order.sort_by_key(|index| std::cmp::Reverse(sets[*index]));
        let mut added = 0;
        for index in &order {
            let change = self.share(sets[*index], before);
            let left = to_add - added;
            let change = if to_add > 0 { change.min(left) } else { change.max(left) };
            let change = if to_add == 0 || left == 0 { 0 } else { change };
            sizes[*index] += change;
            added += change;
        }
        if let Some(largest) = order.first() {
            sizes[*largest] = (sizes[*largest] + to_add - added).max(0);
        }
        sizes
    }

    /// How many replicas more a set gets so that its part of the whole stays the same.
    fn share(self, size: i64, before: i64) -> i64 {
        if self.wanted == 0 {
            return -size;
        }
        // Rounded to the nearest, halves up.
        let before = before.max(1);
        (2 * size * self.most() + before) / (2 * before) - size
    }
}

/// A number, or a percentage of `whole`.
fn part_of(value: &Value, whole: i64, up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number.max(0);
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')).unwrap_or("25").parse::<i64>();
    let hundredths = percent.unwrap_or(25).clamp(0, 10_000) * whole;
    if up { (hundredths + 99) / 100 } else { hundredths / 100 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits(wanted: i64, surge: i64, unavailable: i64) -> Limits {
        Limits { wanted, surge, unavailable }
    }

    #[test]
    fn surge_is_rounded_up_and_unavailability_down() {
        let spec = |replicas: i64, surge: Value, unavailable: Value| {
            json!({"replicas": replicas, "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}})
        };
        let cases = [
            (spec(10, json!("25%"), json!("25%")), limits(10, 3, 2)),
            (spec(1, json!("25%"), json!("25%")), limits(1, 1, 0)),
            (spec(4, json!(2), json!(0)), limits(4, 2, 0)),
            (spec(4, json!(0), json!("10%")), limits(4, 0, 1)),
            (spec(3, json!(0), json!(9)), limits(3, 0, 3)),
            (spec(0, json!("25%"), json!("25%")), limits(0, 0, 0)),
            (json!({"replicas": 5, "strategy": {"type": "Recreate"}}), limits(5, 0, 0)),
            (json!({}), limits(1, 1, 0)),
        ];
        for (spec, wanted) in cases {
            assert_eq!(Limits::of(&spec), wanted, "{spec}");
        }
    }

    /// The cases of upstream's `TestNewRSNewReplicas`, `TestDeploymentController_reconcileOldReplicaSets` and
    /// `…scaleDownOldReplicaSetsForRollingUpdate`, by what goes in and comes out.
    #[test]
    fn new_sets_grow_into_the_surge() {
        for (limits, new, total, size) in [
            (limits(10, 0, 2), 0, 10, 0),
            (limits(10, 2, 0), 0, 10, 2),
            (limits(10, 2, 2), 0, 5, 7),
            (limits(10, 2, 0), 10, 20, 10),
            (limits(10, 2, 0), 12, 12, 10),
            (limits(1, 5, 0), 0, 2, 1),
        ] {
            assert_eq!(limits.new_set(new, total), size, "{limits:?} {new} {total}");
        }
    }

    #[test]
    fn old_sets_shrink_as_far_as_enough_stay_available() {
        let count = |replicas, available| Count { replicas, available };
        for (limits, old, new, sizes) in [
            (limits(10, 0, 0), vec![count(10, 10)], count(0, 0), vec![10]),
            (limits(10, 0, 2), vec![count(10, 10)], count(0, 0), vec![8]),
            (limits(10, 0, 2), vec![count(10, 8)], count(0, 0), vec![8]),
            (limits(10, 0, 2), vec![count(10, 9)], count(0, 0), vec![8]),
            (limits(10, 0, 2), vec![count(8, 8)], count(2, 2), vec![6]),
            (limits(10, 0, 2), vec![count(8, 8)], count(2, 0), vec![8]),
            (limits(10, 3, 2), vec![count(5, 0), count(8, 8)], count(0, 0), vec![0, 8]),
            (limits(4, 1, 0), vec![count(4, 4)], count(1, 1), vec![3]),
        ] {
            assert_eq!(limits.old_sets(&old, new), sizes, "{limits:?} {old:?} {new:?}");
        }
    }

    /// Rows of upstream's `TestScale`; the newest set stands last.
    #[test]
    fn sets_in_the_middle_of_a_rollout_are_scaled_in_proportion() {
        for (limits, sets, before, sizes) in [
            (limits(12, 0, 0), vec![5, 5], 10, vec![6, 6]),
            (limits(6, 0, 0), vec![5, 5], 10, vec![3, 3]),
            (limits(8, 0, 0), vec![5, 5], 10, vec![4, 4]),
            (limits(10, 0, 0), vec![2, 3], 5, vec![4, 6]),
            (limits(10, 1, 0), vec![4, 2], 6, vec![7, 4]),
            (limits(0, 0, 0), vec![3, 2], 5, vec![0, 0]),
        ] {
            assert_eq!(limits.in_proportion(&sets, before), sizes, "{limits:?} {sets:?}");
        }
    }
}

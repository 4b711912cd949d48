//! What means little in a policy for a HorizontalPodAutoscaler.

use jiff::Timestamp;

use super::super::{Mistakes, Path};
use super::{Subject, bounds};
use crate::api::{AUTOSCALER_KIND, ScalePolicySpec};
use crate::decision::Policy;

/// Fields that are about a load, which is the autoscaler's, and a `minReplicas` that rises from 0.
pub(super) fn autoscaler(spec: &ScalePolicySpec, policy: &Policy, now: Timestamp, warnings: &mut Mistakes) {
    if !spec.scale_target_ref.is_autoscaler() {
        return;
    }
    let root = Path::root("spec");
    for (field, is_there) in [
        ("damping", spec.damping.is_some()),
        ("fallback", spec.fallback.is_some()),
        ("guards", spec.guards.as_ref().is_some_and(|guards| !guards.is_empty())),
        ("capacity", spec.capacity.is_some()),
    ] {
        if is_there {
            let problem = format!(
                "does nothing here: the load is the {AUTOSCALER_KIND}'s; leave it out, or use its `behavior`"
            );
            warnings.add(&root.field(field), problem);
        }
    }
    let Some(schedule) = &spec.schedule else { return };
    let subject = Subject { spec: schedule, policy, schedule: &policy.schedule, now };
    let floors: Vec<i32> = bounds::baselines(&subject).iter().map(|(_, bounds)| bounds.floor.get()).collect();
    if floors.contains(&0) && floors.iter().any(|floor| *floor > 0) {
        let problem = "the floor is 0 at times, and a HorizontalPodAutoscaler whose workload has 0 replicas is switched off by a \
                       minReplicas above 0 (up to Kubernetes 1.35 for good): keep 1, or scale the workload itself";
        warnings.add(&root.field("minReplicas"), problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::validate;

    /// The fields that bring a warning.
    fn warned(kind: &str, rest: &str) -> Vec<String> {
        let api_version = if kind == AUTOSCALER_KIND { "autoscaling/v2" } else { "apps/v1" };
        let yaml = format!(
            "scaleTargetRef: {{apiVersion: {api_version}, kind: {kind}, name: web}}\nmaxReplicas: 9\nschedule: {{entries: [{{name: \
             day, cron: '0 7 * * *', for: 9h, replicas: 5}}]}}\n{rest}"
        );
        let spec: ScalePolicySpec = serde_saphyr::from_str(&yaml).expect("the shape of a spec");
        let policy = validate(&spec).expect("valid");
        let now = "2026-11-23T00:00:00Z".parse().expect("an instant");
        let mut warnings = Mistakes::default();
        autoscaler(&spec, &policy, now, &mut warnings);
        warnings.0.into_iter().map(|warning| warning.path).collect()
    }

    #[test]
    fn what_is_the_autoscalers_own_business_is_told_and_a_floor_that_rises_from_zero() {
        for (rest, expected) in [
            ("minReplicas: 2", &[][..]),
            ("minReplicas: 0", &["spec.minReplicas"]),
            ("minReplicas: 1\ndamping: {smoothing: {halfLife: 10s}}", &["spec.damping"]),
            (
                "minReplicas: 1\nfallback: {after: 3m}\ncapacity: {holdAfter: 1m}\nguards: [{name: db, prometheus: {query: q}, above: 1, effect: Hold}]",
                &["spec.fallback", "spec.guards", "spec.capacity"],
            ),
        ] {
            assert_eq!(warned(AUTOSCALER_KIND, rest), expected, "{rest}");
            let is_alike = rest.contains("guards") || warned("Deployment", rest).is_empty();
            assert!(is_alike, "{rest}");
        }
    }
}

//! What a watch says of each workload, and no more of it: the rest of an object is not kept, not even while a list is
//! read.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Resource;
use kube::core::ApiResource;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::api::is_autoscaler_kind;
use crate::decision::Replicas;
use crate::labels;
use crate::operator::cluster::ScaleSeen;
use crate::operator::metadata;
use crate::operator::setting::Setting;

/// Whatever has a scale subresource, or a HorizontalPodAutoscaler; and what of its spec is read.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Workload<P> {
    #[serde(default, deserialize_with = "metadata::narrow")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    spec: P,
    /// `status.readyReplicas`; absent means 0.
    #[serde(default, rename = "status", deserialize_with = "ready")]
    ready: Replicas,
}

/// What says something of a workload.
pub(super) trait Telling: Resource {
    fn told(&self, resource: &ApiResource) -> Told;
}

/// What a watch says of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) enum Told {
    /// All that a look has to know.
    Whole(ScaleSeen),
    /// Of kinds that are not Kubernetes' own it can't be told where the replicas are.
    Outline(Outline),
}

/// By what one sees that nothing of a workload's spec has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Outline {
    pub(in crate::operator) version: Option<String>,
    pub(in crate::operator) uid: Option<String>,
    /// Grows with each change of the spec; the replicas of a custom resource are always in its spec.
    pub(in crate::operator) generation: Option<i64>,
    /// The first version of this generation, as far as the watch has told.
    pub(in crate::operator) since: Option<String>,
    pub(in crate::operator) ready: Replicas,
}

impl Told {
    /// Takes what was told of the object before.
    pub(super) fn follow(&mut self, before: Option<&Self>) {
        if let (Self::Outline(now), Some(Self::Outline(before))) = (self, before)
            && now.generation.is_some()
            && (now.generation, &now.uid) == (before.generation, &before.uid)
        {
            now.since.clone_from(&before.since);
        }
    }
}

/// What of the spec of Kubernetes' own kinds is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    replicas: Option<i32>,
    selector: Option<LabelSelector>,
    min_replicas: Option<i32>,
    max_replicas: Option<i32>,
}

/// Whether it is known what stands where in the spec of such a kind, and that it can be scaled.
pub(in crate::operator) fn is_known(resource: &ApiResource) -> bool {
    let kinds = ["Deployment", "StatefulSet", "ReplicaSet"];
    resource.api_version == "apps/v1" && kinds.contains(&resource.kind.as_str()) || is_autoscaler(resource)
}

fn is_autoscaler(resource: &ApiResource) -> bool {
    is_autoscaler_kind(&resource.api_version, &resource.kind)
}

/// A custom resource may have anything in its status.
fn ready<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Replicas, D::Error> {
    let status = Value::deserialize(deserializer)?;
    let ready = status.get("readyReplicas").and_then(Value::as_i64);
    Ok(Replicas::saturating_from(i128::from(ready.unwrap_or(0))))
}

impl Telling for Workload<Spec> {
    /// What its scale subresource would say, and how many replicas are ready; or the bounds of an autoscaler.
    fn told(&self, resource: &ApiResource) -> Told {
        let Self { metadata, spec, ready } = self;
        let (version, uid) = (metadata.resource_version.clone(), metadata.uid.clone());
        Told::Whole(if is_autoscaler(resource) {
            let setting = Setting::bounds(spec.min_replicas, spec.max_replicas.unwrap_or(1));
            ScaleSeen { version, setting, uid, generation: None, selector: None, ready: None }
        } else {
            ScaleSeen {
                version,
                // As the API server fills it in.
                setting: Setting::Replicas(Replicas::new(spec.replicas.unwrap_or(1))),
                uid,
                generation: None,
                selector: spec.selector.as_ref().map(labels::text_of),
                ready: Some(*ready),
            }
        })
    }
}

impl Telling for Workload<IgnoredAny> {
    fn told(&self, _: &ApiResource) -> Told {
        let ObjectMeta { resource_version: version, uid, generation, .. } = self.metadata.clone();
        let since = version.clone();
        Told::Outline(Outline { version, uid, generation, since, ready: self.ready })
    }
}

impl<P> Resource for Workload<P> {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::core::GroupVersionKind;
    use serde_json::json;

    use super::*;
    use crate::labels::LabelSelector;

    fn resource(group: &str, kind: &str) -> ApiResource {
        let version = if group == "apps" { "v1" } else { "v2" };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    }

    fn whole(object: Value, resource: &ApiResource) -> ScaleSeen {
        let workload: Workload<Spec> = serde_json::from_value(object).expect("a workload");
        match workload.told(resource) {
            Told::Whole(scale) => scale,
            Told::Outline(outline) => panic!("{outline:?}"),
        }
    }

    #[test]
    fn an_autoscaler_says_its_bounds() {
        let autoscaler = resource("autoscaling", "HorizontalPodAutoscaler");
        assert!(is_known(&autoscaler) && !is_known(&resource("autoscaling", "Scale")));
        for (spec, min, max) in
            [(json!({"minReplicas": 2, "maxReplicas": 9}), 2, 9), (json!({"maxReplicas": 9}), 1, 9)]
        {
            let object = json!({"metadata": {"name": "web", "resourceVersion": "7", "uid": "u"}, "spec": spec,
                "status": {"currentReplicas": 4, "desiredReplicas": 5}});
            let scale = whole(object, &autoscaler);
            assert_eq!((scale.version.as_deref(), scale.uid.as_deref()), (Some("7"), Some("u")));
            let (min, max) = (Replicas::new(min), Replicas::new(max));
            assert_eq!((scale.setting, scale.ready), (Setting::Bounds { min, max }, None));
        }
    }

    #[test]
    fn a_workload_says_what_its_scale_subresource_would() {
        let workload = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "resourceVersion": "7", "uid": "u"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["a", "b"]},
                    {"key": "canary", "operator": "DoesNotExist"},
                ]},
                "template": {"spec": {"containers": [{"name": "app", "image": "app"}]}},
            },
            "status": {"replicas": 3, "readyReplicas": 2},
        });
        let scale = whole(workload, &resource("apps", "Deployment"));
        assert_eq!((scale.version.as_deref(), scale.uid.as_deref()), (Some("7"), Some("u")));
        assert_eq!((scale.setting.replicas(), scale.ready), (Replicas::new(3), Some(Replicas::new(2))));
        let selector = LabelSelector::parse(&scale.selector.expect("a selector")).expect("good");
        let matches = |labels: &[(&str, &'static str)]| {
            selector.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, value)| *value))
        };
        assert!(matches(&[("app", "web"), ("tier", "b")]));
        assert!(!matches(&[("app", "web"), ("tier", "c")]));
        assert!(!matches(&[("app", "web"), ("tier", "b"), ("canary", "")]));
        assert!(!matches(&[("tier", "b")]));
    }

    #[test]
    fn one_that_was_never_run_has_none_ready() {
        let scale = whole(json!({"metadata": {"name": "web"}}), &resource("apps", "Deployment"));
        assert_eq!((scale.setting.replicas(), scale.ready), (Replicas::new(1), Some(Replicas::new(0))));
        assert_eq!(scale.selector, None);
    }

    #[test]
    fn of_another_kind_nothing_is_expected() {
        let kind = resource("argoproj.io", "Rollout");
        assert!(!is_known(&kind));
        for (ready, object) in [
            (
                2,
                json!({"metadata": {}, "spec": {"replicas": "3"}, "status": {"readyReplicas": 2, "phase": "Healthy"}}),
            ),
            (0, json!({"metadata": {}, "spec": [3], "status": {"readyReplicas": "2"}})),
            (0, json!({"metadata": {}, "spec": null, "status": "Healthy"})),
            (0, json!({"metadata": {}})),
        ] {
            let mut object = object;
            object["metadata"] = json!({"name": "web", "resourceVersion": "7", "uid": "u", "generation": 4});
            let workload: Workload<IgnoredAny> = serde_json::from_value(object).expect("a workload");
            let (version, uid) = (Some("7".to_owned()), Some("u".to_owned()));
            let since = version.clone();
            let outline = Outline { version, uid, generation: Some(4), since, ready: Replicas::new(ready) };
            assert_eq!(workload.told(&kind), Told::Outline(outline));
        }
    }
}

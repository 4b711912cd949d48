//! What a watch of the usual workloads, and of `HorizontalPodAutoscaler`s, says of each, and no more of it: the rest of an
//! object is not kept, not even while a list is read.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Resource;
use kube::core::ApiResource;
use serde::Deserialize;

use crate::decision::Replicas;
use crate::labels;
use crate::operator::cluster::ScaleSeen;
use crate::operator::metadata;
use crate::operator::setting::{Setting, is_autoscaler_kind};

/// A Deployment, a StatefulSet, a ReplicaSet or a HorizontalPodAutoscaler.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Workload {
    #[serde(default, deserialize_with = "metadata::narrow")]
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<i32>,
    selector: Option<LabelSelector>,
    min_replicas: Option<i32>,
    max_replicas: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    ready_replicas: Option<i32>,
}

/// Whether a [`Workload`] is one of these.
pub(super) fn is_known(resource: &ApiResource) -> bool {
    let kinds = ["Deployment", "StatefulSet", "ReplicaSet"];
    resource.api_version == "apps/v1" && kinds.contains(&resource.kind.as_str()) || is_autoscaler(resource)
}

fn is_autoscaler(resource: &ApiResource) -> bool {
    is_autoscaler_kind(&resource.api_version, &resource.kind)
}

impl Workload {
    /// What its scale subresource would say, and how many replicas are ready; or the bounds of an autoscaler.
    pub(super) fn scale(&self, resource: &ApiResource) -> ScaleSeen {
        let Self { metadata, spec, status } = self;
        let (version, uid) = (metadata.resource_version.clone(), metadata.uid.clone());
        if is_autoscaler(resource) {
            let setting = Setting::bounds(spec.min_replicas, spec.max_replicas.unwrap_or(1));
            return ScaleSeen { version, setting, uid, selector: None, ready: None };
        }
        ScaleSeen {
            version,
            // As the API server fills it in.
            setting: Setting::Replicas(Replicas::new(spec.replicas.unwrap_or(1))),
            uid,
            selector: spec.selector.as_ref().map(labels::text_of),
            ready: Some(Replicas::new(status.ready_replicas.unwrap_or(0))),
        }
    }
}

impl Resource for Workload {
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

    #[test]
    fn an_autoscaler_says_its_bounds() {
        let autoscaler = resource("autoscaling", "HorizontalPodAutoscaler");
        assert!(is_known(&autoscaler) && !is_known(&resource("autoscaling", "Scale")));
        for (spec, min, max) in
            [(json!({"minReplicas": 2, "maxReplicas": 9}), 2, 9), (json!({"maxReplicas": 9}), 1, 9)]
        {
            let object = json!({"metadata": {"name": "web", "resourceVersion": "7", "uid": "u"}, "spec": spec,
                "status": {"currentReplicas": 4, "desiredReplicas": 5}});
            let workload: Workload = serde_json::from_value(object).expect("an autoscaler");
            let scale = workload.scale(&autoscaler);
            assert_eq!((scale.version.as_deref(), scale.uid.as_deref()), (Some("7"), Some("u")));
            let (min, max) = (Replicas::new(min), Replicas::new(max));
            assert_eq!((scale.setting, scale.ready), (Setting::Bounds { min, max }, None));
        }
    }

    #[test]
    fn a_workload_says_what_its_scale_subresource_would() {
        let workload: Workload = serde_json::from_value(json!({
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
        }))
        .expect("a workload");
        let scale = workload.scale(&resource("apps", "Deployment"));
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
        let workload: Workload = serde_json::from_value(json!({"metadata": {"name": "web"}})).expect("one");
        let scale = workload.scale(&resource("apps", "Deployment"));
        assert_eq!((scale.setting.replicas(), scale.ready), (Replicas::new(1), Some(Replicas::new(0))));
        assert_eq!(scale.selector, None);
    }
}

//! What a list of the usual workloads says of each, and no more of it: the rest of an object is not kept, not even
//! while the list is read.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Resource;
use kube::core::ApiResource;
use serde::Deserialize;

use crate::decision::Replicas;
use crate::labels;
use crate::operator::cluster::ScaleSeen;
use crate::operator::metadata;
use crate::operator::setting::Setting;

/// A Deployment, a StatefulSet or a ReplicaSet.
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
struct Spec {
    replicas: Option<i32>,
    selector: Option<LabelSelector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    ready_replicas: Option<i32>,
}

/// Whether a [`Workload`] is one of these.
pub(super) fn is_known(resource: &ApiResource) -> bool {
    let kinds = ["Deployment", "StatefulSet", "ReplicaSet"];
    resource.api_version == "apps/v1" && kinds.contains(&resource.kind.as_str())
}

impl Workload {
    /// What its scale subresource would say, and how many replicas are ready.
    pub(super) fn scale(&self) -> ScaleSeen {
        ScaleSeen {
            version: self.metadata.resource_version.clone(),
            // As the API server fills it in.
            setting: Setting::Replicas(Replicas::new(self.spec.replicas.unwrap_or(1))),
            uid: self.metadata.uid.clone(),
            selector: self.spec.selector.as_ref().map(labels::text_of),
            ready: Some(Replicas::new(self.status.ready_replicas.unwrap_or(0))),
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
    use serde_json::json;

    use super::*;
    use crate::labels::LabelSelector;

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
        let scale = workload.scale();
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
        let scale = workload.scale();
        assert_eq!((scale.setting.replicas(), scale.ready), (Replicas::new(1), Some(Replicas::new(0))));
        assert_eq!(scale.selector, None);
    }
}

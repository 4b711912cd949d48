//! Which kinds the server knows: a table of built-in ones and whatever custom resource definitions add.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::custom::CustomSchema;

/// The name of custom resource definitions in the store.
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// One resource of one group and version, with all that routing, discovery and storage need to know.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact about a kind")]
pub struct ResourceType {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The name in paths, such as `deployments`.
    pub plural: String,
    /// The name of one, such as `deployment`.
    pub singular: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The kind of a list.
    pub list_kind: String,
    /// Abbreviations that `kubectl` takes.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether `/status` is served (and the main resource ignores the status).
    pub status: bool,
    /// Whether `/scale` is served, and where its fields are.
    pub scale: Option<ScalePaths>,
    /// Whether `metadata.generation` counts changes of the specification.
    pub generation: bool,
    /// Whether a PUT without a resource version is taken.
    pub unconditional_update: bool,
    /// The name in the store; versions of one resource share it.
    pub storage: String,
    /// The schema of a custom resource; `None` for built-in kinds.
    pub custom: Option<Arc<CustomSchema>>,
}

/// Where the fields of a `Scale` are found, as JSON pointers.
#[derive(Clone, Debug)]
pub struct ScalePaths {
    /// The wanted number of replicas.
    pub spec_replicas: String,
    /// The observed number of replicas.
    pub status_replicas: String,
    /// The label selector; a text, or (built-in kinds) a selector object.
    pub selector: Option<String>,
}

impl ResourceType {
    /// `group/version`, or the version alone in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `plural.group`, as messages name a resource.
    #[must_use]
    pub fn qualified(&self) -> String {
        join(&self.plural, &self.group)
    }

    /// `Kind.group`, as messages name a kind.
    #[must_use]
    pub fn qualified_kind(&self) -> String {
        join(&self.kind, &self.group)
    }

    /// The verbs of the main resource, in the order a real server lists them.
    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        if self.is_review() {
            &["create"]
        } else if self.custom.is_some() {
            &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
        } else {
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        }
    }

    /// Whether a PUT makes an object that isn't there (`AllowCreateOnUpdate` of its strategy).
    pub(crate) fn made_by_update(&self) -> bool {
        let rbac = self.group == "rbac.authorization.k8s.io";
        rbac || matches!(self.storage.as_str(), "leases.coordination.k8s.io" | "events" | "services")
    }

    /// Whether a deletion is answered with the object that is gone (`ReturnDeletedObject` of its store).
    pub(crate) fn shown_when_deleted(&self) -> bool {
        matches!(self.storage.as_str(), "pods" | "persistentvolumeclaims" | "serviceaccounts" | "services")
    }

    /// Whether objects are questions that are answered and not kept.
    pub(crate) fn is_review(&self) -> bool {
        matches!(self.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
    }
}

fn join(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

/// All resources, found by group, version and plural name. Cheap to clone; clones share the table.
#[derive(Clone, Debug)]
pub struct Registry(Arc<RwLock<Table>>);

type Table = BTreeMap<(String, String, String), Arc<ResourceType>>;

impl Registry {
    /// The built-in kinds.
    #[must_use]
    pub fn built_in() -> Self {
        let table = BUILT_IN.iter().map(Row::resource).map(entry).collect();
        Self(Arc::new(RwLock::new(table)))
    }

    /// The resource that a path names.
    #[must_use]
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<ResourceType>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// The resource of a kind.
    #[must_use]
    pub fn find_kind(&self, api_version: &str, kind: &str) -> Option<Arc<ResourceType>> {
        self.all().into_iter().find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// Every resource, ordered by group, version and name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<ResourceType>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Every resource that is kept, in one of the versions that it is served in.
    #[must_use]
    pub(crate) fn stored(&self) -> Vec<Arc<ResourceType>> {
        let mut all = self.all();
        all.reverse();
        let mut seen = BTreeSet::new();
        all.retain(|resource| !resource.is_review() && seen.insert(resource.storage.clone()));
        all.reverse();
        all
    }

    /// Replaces what the custom resource definition `storage` serves by `resources`.
    pub(crate) fn replace_custom(&self, storage: &str, resources: Vec<ResourceType>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, resource| resource.custom.is_none() || resource.storage != storage);
        table.extend(resources.into_iter().map(entry));
    }
}

fn entry(resource: ResourceType) -> ((String, String, String), Arc<ResourceType>) {
    let key = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
    (key, Arc::new(resource))
}

/// Options of a built-in kind, as letters: `n` namespaced, `s` status, `c` scale, `g` generation, `u`
/// takes an unconditional update, `a` in the category `all`.
struct Row(&'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

impl Row {
    fn resource(&self) -> ResourceType {
        let Self(group, version, plural, kind, short_names, options) = *self;
        let has = |letter: char| options.contains(letter);
        let storage = if plural == "events" { "events".to_owned() } else { join(plural, group) };
        ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            short_names: short_names.iter().map(ToString::to_string).collect(),
            categories: if has('a') { vec!["all".to_owned()] } else { Vec::new() },
            namespaced: has('n'),
            status: has('s'),
            scale: has('c').then(|| ScalePaths {
                spec_replicas: "/spec/replicas".to_owned(),
                status_replicas: "/status/replicas".to_owned(),
                selector: Some("/spec/selector".to_owned()),
            }),
            generation: has('g'),
            unconditional_update: has('u'),
            storage,
            custom: None,
        }
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

const BUILT_IN: &[Row] = &[
    Row("", "v1", "configmaps", "ConfigMap", &["cm"], "nu"),
    Row("", "v1", "events", "Event", &["ev"], "nu"),
    Row("", "v1", "namespaces", "Namespace", &["ns"], "su"),
    Row("", "v1", "nodes", "Node", &["no"], "su"),
    Row("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", &["pvc"], "nsu"),
    Row("", "v1", "pods", "Pod", &["po"], "nsua"),
    Row("", "v1", "secrets", "Secret", &[], "nu"),
    Row("", "v1", "serviceaccounts", "ServiceAccount", &["sa"], "nu"),
    Row("", "v1", "services", "Service", &["svc"], "nsua"),
    Row(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        &["crd", "crds"],
        "sg",
    ),
    Row("apps", "v1", "daemonsets", "DaemonSet", &["ds"], "nsgua"),
    Row("apps", "v1", "deployments", "Deployment", &["deploy"], "nscgua"),
    Row("apps", "v1", "replicasets", "ReplicaSet", &["rs"], "nscgua"),
    Row("apps", "v1", "statefulsets", "StatefulSet", &["sts"], "nscgua"),
    Row("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", &[], ""),
    Row("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", &[], ""),
    Row("authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", &[], "n"),
    Row("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", &[], ""),
    Row("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", &[], ""),
    Row("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", &["hpa"], "nsua"),
    Row("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", &[], ""),
    Row("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", &["hpa"], "nsua"),
    Row("coordination.k8s.io", "v1", "leases", "Lease", &[], "n"),
    Row("events.k8s.io", "v1", "events", "Event", &["ev"], "nu"),
    Row("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", &["netpol"], "ngu"),
    Row("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", &["pdb"], "nsg"),
    Row(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", &[], "u"),
    Row(RBAC, "v1", "clusterroles", "ClusterRole", &[], "u"),
    Row(RBAC, "v1", "rolebindings", "RoleBinding", &[], "nu"),
    Row(RBAC, "v1", "roles", "Role", &[], "nu"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_kinds_are_found_by_path_and_by_kind() {
        let registry = Registry::built_in();
        let deployments = registry.find("apps", "v1", "deployments").expect("deployments");
        assert_eq!(deployments.qualified(), "deployments.apps");
        assert!(deployments.scale.is_some() && deployments.namespaced && deployments.status);
        assert_eq!(registry.find_kind("v1", "Namespace").expect("namespaces").plural, "namespaces");
        assert!(registry.find("apps", "v1", "things").is_none());
    }
}

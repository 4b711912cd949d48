//! The roles that every cluster has for people: `cluster-admin`, `admin`, `edit` and `view`, as far as the sandbox
//! serves what they are about (Kubernetes, `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`). Roles with
//! the label `rbac.authorization.k8s.io/aggregate-to-view` (`-edit`, `-admin`) add to them.

use serde_json::{Value, json};

use super::rbac::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES};
use super::store::Store;

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];

const ALL: &[&str] = &["get", "list", "watch", "create", "delete", "deletecollection", "patch", "update"];

/// What `view` may read and `edit` may write, by group.
const CONTENT: &[(&str, &[&str])] = &[
    ("", &["configmaps", "persistentvolumeclaims", "pods", "serviceaccounts", "services"]),
    (
        "apps",
        &[
            "daemonsets",
            "deployments",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ],
    ),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("networking.k8s.io", &["networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
];

/// Makes the roles and the administrators' binding.
pub(crate) fn create_first(store: &Store) {
    let rules = |verbs: &[&str]| -> Vec<Value> {
        let one = |(group, resources): &(&str, &[&str])| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        CONTENT.iter().map(one).collect()
    };
    let view = [
        rules(READ),
        vec![
            json!({"apiGroups": [""], "resources": ["events", "namespaces"], "verbs": READ}),
            json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": READ}),
        ],
    ];
    let edit = [
        rules(WRITE),
        vec![
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ALL}),
            json!({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}),
            json!({"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}),
            json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ALL}),
        ],
    ];
    let admin = vec![
        json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings", "roles"],
            "verbs": ALL}),
        json!({"apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"], "verbs": ["create"]}),
    ];
    let (view, edit) = (view.concat(), edit.concat());
    let all = [view.clone(), edit.clone(), admin].concat();
    let everything = vec![
        json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
        json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
    ];
    let named = [
        ("cluster-admin", everything),
        ("admin", all),
        ("edit", [view.clone(), edit].concat()),
        ("view", view),
    ];
    for (name, rules) in named {
        let mut role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
            "rules": rules,
        });
        if name != "cluster-admin" {
            let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
            role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        }
        // Only a store that has them already refuses.
        let _ = store.create(CLUSTER_ROLES, role);
    }
    let _ = store.create(
        CLUSTER_ROLE_BINDINGS,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "cluster-admin", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters"}],
        }),
    );
}

//! The columns of built-in kinds.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::text_at;
use super::resources::ResourceType;
use super::selectors::selector_text;
use super::table::ago;

/// A column: its heading, type and priority, and what stands in it.
#[derive(Debug)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) name: &'static str,
    /// `string` or `integer`.
    pub(crate) kind: &'static str,
    /// Columns above 0 are shown by `-o wide` alone.
    pub(crate) priority: i64,
    /// The cell of an object.
    pub(crate) cell: fn(&Value, Timestamp) -> Value,
}

/// The columns of a kind, after its name (unless one of them is the name).
pub(crate) fn of(resource: &ResourceType) -> &'static [Column] {
    match resource.storage.as_str() {
        "deployments.apps" => DEPLOYMENTS,
        "replicasets.apps" => REPLICA_SETS,
        "statefulsets.apps" => STATEFUL_SETS,
        "pods" => PODS,
        "events" => EVENTS,
        "leases.coordination.k8s.io" => LEASES,
        "namespaces" => NAMESPACES,
        "nodes" => NODES,
        "services" => SERVICES,
        "configmaps" => CONFIG_MAPS,
        "secrets" => SECRETS,
        "horizontalpodautoscalers.autoscaling" => AUTOSCALERS,
        "poddisruptionbudgets.policy" => BUDGETS,
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            BINDINGS
        }
        "clusterroles.rbac.authorization.k8s.io"
        | "roles.rbac.authorization.k8s.io"
        | "customresourcedefinitions.apiextensions.k8s.io" => CREATED,
        _ => PLAIN,
    }
}

const fn text(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, kind: "string", priority: 0, cell }
}

const fn wide(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, kind: "string", priority: 1, cell }
}

const fn number(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, kind: "integer", priority: 0, cell }
}

const AGE: Column = text("Age", |o, now| json!(ago(text_at(o, "/metadata/creationTimestamp"), now)));

const PLAIN: &[Column] = &[AGE];

const CREATED: &[Column] = &[text("Created At", |o, _| json!(text_at(o, "/metadata/creationTimestamp")))];

const DEPLOYMENTS: &[Column] = &[
    text("Ready", |o, _| ratio(o, "/status/readyReplicas", "/spec/replicas")),
    number("Up-to-date", |o, _| count(o, "/status/updatedReplicas")),
    number("Available", |o, _| count(o, "/status/availableReplicas")),
    AGE,
    wide("Containers", |o, _| each_container(o, "name")),
    wide("Images", |o, _| each_container(o, "image")),
    wide("Selector", |o, _| json!(selector_text(&o["spec"]["selector"]))),
];

const REPLICA_SETS: &[Column] = &[
    number("Desired", |o, _| count(o, "/spec/replicas")),
    number("Current", |o, _| count(o, "/status/replicas")),
    number("Ready", |o, _| count(o, "/status/readyReplicas")),
    AGE,
    wide("Containers", |o, _| each_container(o, "name")),
    wide("Images", |o, _| each_container(o, "image")),
    wide("Selector", |o, _| json!(selector_text(&o["spec"]["selector"]))),
];

const STATEFUL_SETS: &[Column] =
    &[text("Ready", |o, _| ratio(o, "/status/readyReplicas", "/spec/replicas")), AGE];

const PODS: &[Column] = &[
    text("Ready", |o, _| {
        let ready = containers(o).iter().filter(|c| c["ready"] == true).count();
        let all = o["spec"]["containers"].as_array().map_or(0, Vec::len);
        json!(format!("{ready}/{all}"))
    }),
    text("Status", |o, _| json!(pod_status(o))),
    text("Restarts", |o, _| {
        let restarts: i64 = containers(o).iter().filter_map(|c| c["restartCount"].as_i64()).sum();
        json!(restarts.to_string())
    }),
    AGE,
    wide("IP", |o, _| or_none(text_at(o, "/status/podIP"))),
    wide("Node", |o, _| or_none(text_at(o, "/spec/nodeName"))),
    wide("Nominated Node", |o, _| or_none(text_at(o, "/status/nominatedNodeName"))),
    wide("Readiness Gates", |_, _| json!("<none>")),
];

const EVENTS: &[Column] = &[
    text("Last Seen", |o, now| json!(ago(last_seen(o), now))),
    text("Type", |o, _| json!(text_at(o, "/type"))),
    text("Reason", |o, _| json!(text_at(o, "/reason"))),
    text("Object", |o, _| {
        let about = if o["involvedObject"].is_object() { &o["involvedObject"] } else { &o["regarding"] };
        json!(format!("{}/{}", text_at(about, "/kind").to_lowercase(), text_at(about, "/name")))
    }),
    wide("Source", |o, _| json!(either(o, "/reportingComponent", "/reportingController"))),
    text("Message", |o, _| json!(either(o, "/message", "/note").trim())),
    wide("First Seen", |o, now| json!(ago(first_seen(o), now))),
    wide("Count", |o, _| {
        let series = o["series"]["count"].as_i64();
        json!(series.or(o["count"].as_i64()).unwrap_or(1).to_string())
    }),
    wide("Name", |o, _| json!(text_at(o, "/metadata/name"))),
];

const LEASES: &[Column] = &[text("Holder", |o, _| json!(text_at(o, "/spec/holderIdentity"))), AGE];

const NAMESPACES: &[Column] = &[text("Status", |o, _| json!(text_at(o, "/status/phase"))), AGE];

const NODES: &[Column] = &[
    text("Status", |o, _| {
        let conditions = o["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        let status = if ready { "Ready" } else { "NotReady" };
        json!(if o["spec"]["unschedulable"] == true {
            format!("{status},SchedulingDisabled")
        } else {
            status.to_owned()
        })
    }),
    text("Roles", |o, _| {
        let labels = o["metadata"]["labels"].as_object().into_iter().flatten();
        let roles = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"));
        or_none(&roles.collect::<Vec<_>>().join(","))
    }),
    AGE,
    text("Version", |o, _| json!(text_at(o, "/status/nodeInfo/kubeletVersion"))),
    wide("Internal-IP", |o, _| json!(address(o, "InternalIP"))),
    wide("External-IP", |o, _| json!(address(o, "ExternalIP"))),
    wide("OS-Image", |o, _| or_unknown(o, "osImage")),
    wide("Kernel-Version", |o, _| or_unknown(o, "kernelVersion")),
    wide("Container-Runtime", |o, _| or_unknown(o, "containerRuntimeVersion")),
];

const SERVICES: &[Column] = &[
    text("Type", |o, _| json!(text_at(o, "/spec/type"))),
    text("Cluster-IP", |o, _| or_none(text_at(o, "/spec/clusterIP"))),
    text("External-IP", |_, _| json!("<none>")),
    text("Port(s)", |o, _| {
        let ports = o["spec"]["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ports = ports.iter().map(|port| format!("{}/{}", port["port"], text_at(port, "/protocol")));
        or_none(&ports.collect::<Vec<_>>().join(","))
    }),
    AGE,
];

const CONFIG_MAPS: &[Column] = &[number("Data", |o, _| json!(entries(o))), AGE];

const SECRETS: &[Column] =
    &[text("Type", |o, _| json!(text_at(o, "/type"))), number("Data", |o, _| json!(entries(o))), AGE];

const AUTOSCALERS: &[Column] = &[
    text("Reference", |o, _| {
        let target = &o["spec"]["scaleTargetRef"];
        json!(format!("{}/{}", text_at(target, "/kind"), text_at(target, "/name")))
    }),
    text("Targets", |_, _| json!("<unknown>")),
    number("MinPods", |o, _| count(o, "/spec/minReplicas")),
    number("MaxPods", |o, _| count(o, "/spec/maxReplicas")),
    number("Replicas", |o, _| count(o, "/status/currentReplicas")),
    AGE,
];

const BUDGETS: &[Column] = &[
    text("Min Available", |o, _| shown(&o["spec"]["minAvailable"])),
    text("Max Unavailable", |o, _| shown(&o["spec"]["maxUnavailable"])),
    number("Allowed Disruptions", |o, _| count(o, "/status/disruptionsAllowed")),
    AGE,
];

const BINDINGS: &[Column] = &[
    text("Role", |o, _| json!(format!("{}/{}", text_at(o, "/roleRef/kind"), text_at(o, "/roleRef/name")))),
    AGE,
];

fn count(object: &Value, pointer: &str) -> Value {
    json!(object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default())
}

fn ratio(object: &Value, part: &str, whole: &str) -> Value {
    let number = |pointer| object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
    json!(format!("{}/{}", number(part), number(whole)))
}

fn each_container(object: &Value, field: &str) -> Value {
    let all =
        object["spec"]["template"]["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = all.iter().filter_map(|container| container[field].as_str()).collect();
    json!(texts.join(","))
}

fn containers(pod: &Value) -> &[Value] {
    pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn pod_status(pod: &Value) -> &str {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating";
    }
    let waiting = containers(pod).iter().find_map(|c| c["state"]["waiting"]["reason"].as_str());
    let reason = text_at(pod, "/status/reason");
    waiting.unwrap_or(if reason.is_empty() { text_at(pod, "/status/phase") } else { reason })
}

fn last_seen(event: &Value) -> &str {
    [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]
    .into_iter()
    .map(|pointer| text_at(event, pointer))
    .find(|time| !time.is_empty())
    .unwrap_or_default()
}

fn first_seen(event: &Value) -> &str {
    ["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .into_iter()
        .map(|pointer| text_at(event, pointer))
        .find(|time| !time.is_empty())
        .unwrap_or_default()
}

fn either<'a>(object: &'a Value, first: &str, second: &str) -> &'a str {
    let found = text_at(object, first);
    if found.is_empty() { text_at(object, second) } else { found }
}

fn entries(object: &Value) -> usize {
    ["data", "binaryData"].iter().filter_map(|key| object[*key].as_object()).map(serde_json::Map::len).sum()
}

/// The first address of a node of some kind.
fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    let found = addresses.into_iter().find(|address| address["type"] == kind);
    found.and_then(|address| address["address"].as_str()).unwrap_or("<none>")
}

fn or_unknown(node: &Value, field: &str) -> Value {
    json!(node["status"]["nodeInfo"][field].as_str().unwrap_or("<unknown>"))
}

fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { "<none>" } else { text })
}

fn shown(value: &Value) -> Value {
    match value {
        Value::Null => json!("N/A"),
        Value::String(text) => json!(text),
        other => json!(other.to_string()),
    }
}

//! The sandbox as the real `kubectl` sees it.

mod policies;
mod running;

use std::error::Error;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

type Watching = (Child, Lines<BufReader<ChildStdout>>);

type Checked = Result<(), Box<dyn Error>>;

/// How long one call may take, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `kubectl` with a home of its own, talking to one sandbox.
struct Kubectl {
    program: PathBuf,
    home: TempDir,
}

struct Called {
    ok: bool,
    /// What it wrote to both outputs.
    text: String,
}

impl Kubectl {
    async fn new(sandbox: &Sandbox) -> Result<Self, Box<dyn Error>> {
        let home = tempfile::tempdir()?;
        sandbox.write_kubeconfig(&home.path().join("config")).await?;
        let program = crate::support::kubectl();
        Ok(Self { program, home })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sandbox"))
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("HOME", self.home.path())
            .env("EDITOR", "sed -i s/maxReplicas:.20/maxReplicas:\\ 21/")
            .env_remove("KUBE_EDITOR")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn call(&self, line: &str) -> Result<Called, Box<dyn Error>> {
        let arguments = words(line);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = timeout(PATIENCE, self.command(&arguments).output())
            .await
            .map_err(|_| format!("kubectl {line}: took too long"))?
            .map_err(|error| format!("{}: {error} (set KUBECTL)", self.program.display()))?;
        let text = [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned());
        Ok(Called { ok: output.status.success(), text: text.concat() })
    }

    /// Calls in order; each row is a command line and texts that it must show. A row that begins with
    /// `!` must fail.
    async fn follow(&self, rows: &[(&str, &[&str])]) -> Checked {
        for (line, wanted) in rows {
            let (line, fails) = line.strip_prefix('!').map_or((*line, false), |line| (line, true));
            let called = self.call(line).await?;
            if called.ok == fails {
                return Err(format!("kubectl {line}: unexpected end\n{}", called.text).into());
            }
            let squeezed = called.text.split_whitespace().collect::<Vec<_>>().join(" ");
            for text in *wanted {
                if !squeezed.contains(text) {
                    return Err(format!("kubectl {line}: no {text:?} in\n{}", called.text).into());
                }
            }
        }
        Ok(())
    }

    fn watch(&self, line: &str) -> Result<Watching, Box<dyn Error>> {
        let arguments = words(line);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = self.command(&arguments).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        Ok((child, BufReader::new(output).lines()))
    }
}

/// Splits at spaces; a part in single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            found.push(part.to_owned());
        } else {
            found.extend(part.split_whitespace().map(ToOwned::to_owned));
        }
    }
    found
}

async fn started() -> Result<(Sandbox, Kubectl), Box<dyn Error>> {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    let kubectl = Kubectl::new(&sandbox).await?;
    Ok((sandbox, kubectl))
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_resources_are_applied_shown_explained_and_refused() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            ("version", &["Server Version: v1.36"]),
            ("apply -f tides.crd.yaml", &["created"]),
            (
                "wait --for=condition=Established crd/tides.test.tidetable.dev --timeout=30s",
                &["condition met"],
            ),
            ("api-resources --api-group=test.tidetable.dev", &["tides td test.tidetable.dev/v1 true Tide"]),
            ("apply -f tide.yaml", &["created"]),
            ("apply -f tide.yaml", &["unchanged"]),
            ("apply --server-side -f tide.yaml", &["serverside-applied"]),
            ("get td", &["NAME MAX READY AGE", "one 5"]),
            ("get tide one -o yaml", &["generation: 1", "max: 5 min: 1"]),
            ("get tide one -o jsonpath={.spec.min}", &["1"]),
            ("explain tides.spec", &["The high water mark.", "max <integer> -required-"]),
            ("patch td one --type=merge -p '{\"spec\":{\"min\":2}}'", &["patched"]),
            (
                "!patch td one --type=merge -p '{\"spec\":{\"min\":6}}'",
                &["spec: Invalid value: min must not exceed max"],
            ),
            (
                "!patch td one --type=merge -p '{\"spec\":{\"max\":\"x\"}}'",
                &["spec.max in body must be of type integer"],
            ),
            ("!patch td none --type=merge -p '{}'", &["tides.test.tidetable.dev \"none\" not found"]),
            (
                "patch td one --subresource=status --type=merge -p \
                 '{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}'",
                &["patched"],
            ),
            ("wait --for=condition=Ready td/one --timeout=30s", &["condition met"]),
            ("get all", &["tide.test.tidetable.dev/one 5 True"]),
            ("label td one tier=front", &["labeled"]),
            ("annotate td one note=x", &["annotated"]),
            ("get td -l tier=front -o name", &["tide.test.tidetable.dev/one"]),
            ("get td --field-selector metadata.name=other", &["No resources found"]),
            ("describe td one", &["Max: 5 Min: 2", "Annotations: note: x"]),
            ("delete td one --timeout=30s", &["deleted"]),
            ("!get td one", &["not found"]),
            ("delete -f tides.crd.yaml", &["deleted"]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_are_applied_shown_explained_and_refused() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            ("apply -f ../../../crds/scalecalendars.yaml", &["created"]),
            (
                "wait --for=condition=Established crd/scalecalendars.tidetable.dev --timeout=30s",
                &["condition met"],
            ),
            ("apply -f holidays.calendar.yaml", &["scalecalendar.tidetable.dev/holidays-de created"]),
            ("apply -f holidays.calendar.yaml", &["unchanged"]),
            ("get scal", &["NAME FIRST LAST AGE", "holidays-de 2026-12-25 2027-01-01"]),
            (
                "explain scal.spec.dates",
                &["FIELD: dates <[]Object>", "<string> -required-", "The dates, each of them once"],
            ),
            ("explain scal.spec.dates.name", &["What the day is called, for people."]),
            ("!apply -f dotted.calendar.yaml", &["the name of a calendar begins with a letter"]),
            (
                "!patch scal holidays-de --type=merge -p '{\"spec\":{\"dates\":[{\"date\":\"25.12.\"}]}}'",
                &["spec.dates[0].date"],
            ),
            ("delete scal holidays-de --timeout=30s", &["deleted"]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_are_applied_scaled_and_patched() -> Checked {
    let (sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            ("apply -f web.deployment.yaml", &["created"]),
            ("apply -f web.deployment.yaml", &["unchanged"]),
            ("get deploy -o wide", &["web 0/2 0 0", "registry.invalid/web:1 app=web"]),
            ("scale deploy web --replicas=4", &["scaled"]),
            ("scale deploy web --current-replicas=4 --replicas=0", &["scaled"]),
            ("!scale deploy web --current-replicas=4 --replicas=5", &["Expected replicas to be 4"]),
            ("get deploy web -o jsonpath={.spec.replicas},{.metadata.generation}", &["0,3"]),
            ("patch deploy web --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":3}]'", &["patched"]),
            (
                "patch deploy web -p '{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"web\",\
                 \"env\":[{\"name\":\"B\",\"value\":\"2\"}]}]}}}}'",
                &["patched"],
            ),
            ("get deploy web -o jsonpath={..env[*].name}", &["B A"]),
            ("!apply --server-side -f web.deployment.yaml", &["conflict"]),
            ("apply --server-side --force-conflicts -f web.deployment.yaml", &["serverside-applied"]),
            ("get deploy web -o jsonpath={.spec.replicas}", &["2"]),
            ("diff -f web.deployment.yaml", &[]),
        ])
        .await?;
    let web = sandbox.store().get("deployments.apps", "default", "web").ok_or("no deployment")?;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "eventTime": "2026-11-22T12:00:00.000000Z", "reportingController": "tidetable.dev/operator",
        "reportingInstance": "i", "action": "Scale", "reason": "ScaledUp", "type": "Normal",
        "note": "from 2 to 5",
        "regarding": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "default",
            "uid": web["metadata"]["uid"]},
    });
    sandbox.create(event)?;
    kubectl
        .follow(&[
            ("describe deploy web", &["Replicas: 2 desired", "Normal ScaledUp", "from 2 to 5"]),
            (
                "get events",
                &["LAST SEEN TYPE REASON OBJECT MESSAGE", "Normal ScaledUp deployment/web from 2 to 5"],
            ),
            ("get events.events.k8s.io -o jsonpath={.items[0].note}", &["from 2 to 5"]),
        ])
        .await?;
    kubectl.follow(&[("delete deploy --all", &["\"web\" deleted"])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kustomization_of_plain_kinds_is_applied_and_its_namespace_deleted() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            ("apply -k .", &["namespace/other created", "horizontalpodautoscaler.autoscaling/agent created"]),
            ("apply -k .", &["namespace/other unchanged", "service/agent unchanged"]),
            (
                "get cm,sa,svc,pdb,hpa -n other",
                &["configmap/settings 1", "80/TCP", "poddisruptionbudget.policy/agent 1"],
            ),
            ("get clusterrolebinding other:agent", &["ClusterRole/other:agent"]),
            ("create token agent -n other --duration=20m", &[]),
            (
                "!create token agent -n other --duration=1m",
                &["may not specify a duration less than 10 minutes"],
            ),
            ("!create token ghost -n other", &["serviceaccounts \"ghost\" not found"]),
            ("!apply -f tide.yaml", &["no matches for kind \"Tide\""]),
            ("!apply -n absent -f web.deployment.yaml", &["namespaces \"absent\" not found"]),
            ("delete ns other --timeout=30s", &["deleted"]),
            ("get cm -A", &["No resources found"]),
        ])
        .await
}

/// These commands send protobuf.
#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_creates_without_a_file_is_created() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            ("create ns x", &["namespace/x created"]),
            ("!create ns x", &["namespaces \"x\" already exists"]),
            ("!create ns Capitals", &["Namespace \"Capitals\" is invalid: metadata.name: Invalid value"]),
            ("get ns x -o jsonpath={.metadata.labels}{.status.phase}", &["\"x\"}Active"]),
            ("create ns y --dry-run=server", &["namespace/y created (server dry run)"]),
            ("!get ns y", &["not found"]),
            (
                "create deployment web -n x --image=nginx --image=proxy:1 --replicas=2 --port=80",
                &["deployment.apps/web created"],
            ),
            (
                "get deploy web -n x -o jsonpath={.spec.replicas}{..image}{..containerPort}{..matchLabels.app}",
                &["2nginx proxy:180web"],
            ),
            (
                "get deploy web -n x -o jsonpath={.metadata.managedFields[*].manager}{.spec.strategy.type}",
                &["kubectl-createRollingUpdate"],
            ),
            ("scale deploy web -n x --replicas=5", &["scaled"]),
            ("create deployment none --image=nginx --replicas=0 -- sleep 1d", &["created"]),
            ("get deploy none -o jsonpath={.spec.replicas}{..command}", &["0[\"sleep\",\"1d\"]"]),
            ("!create deployment web -n absent --image=nginx", &["namespaces \"absent\" not found"]),
            ("create configmap c --from-literal=a=b --from-literal=empty=", &["configmap/c created"]),
            ("get cm c -o jsonpath={.data}", &["{\"a\":\"b\",\"empty\":\"\"}"]),
            ("create secret generic s --from-literal=a=b", &["secret/s created"]),
            ("get secret s -o jsonpath={.type}{.data}", &["Opaque{\"a\":\"Yg==\"}"]),
            ("create serviceaccount agent", &["serviceaccount/agent created"]),
            ("create token agent --duration=20m", &[]),
            (
                "create role reader --verb=get,list --resource=pods,deployments.apps/scale",
                &["role.rbac.authorization.k8s.io/reader created"],
            ),
            (
                "get role reader -o jsonpath={.rules}",
                &["\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\",\"list\"]"],
            ),
            (
                "create rolebinding reader --role=reader --serviceaccount=default:agent --user=ada",
                &["rolebinding.rbac.authorization.k8s.io/reader created"],
            ),
            ("describe rolebinding reader", &["Kind: Role Name: reader", "ServiceAccount agent default"]),
            (
                "create clusterrole health --verb=get --non-resource-url=/healthz",
                &["clusterrole.rbac.authorization.k8s.io/health created"],
            ),
            (
                "create clusterrole all --aggregation-rule=a=b",
                &["clusterrole.rbac.authorization.k8s.io/all created"],
            ),
            ("get clusterrole all -o jsonpath={.aggregationRule}", &["{\"matchLabels\":{\"a\":\"b\"}}"]),
            (
                "create clusterrolebinding health --clusterrole=health --group=all",
                &["clusterrolebinding.rbac.authorization.k8s.io/health created"],
            ),
            ("describe clusterrolebinding health", &["Kind: ClusterRole Name: health", "Group all"]),
            ("create service clusterip web --tcp=80:8080", &["service/web created"]),
            ("get svc web -o jsonpath={.spec.ports[0].targetPort}", &["8080"]),
            ("create pdb web --selector=app=web --min-available=50%", &["poddisruptionbudget.policy/web created"]),
            ("get pdb web -o jsonpath={.spec.minAvailable}", &["50%"]),
            ("auth can-i get pods", &["yes"]),
            ("auth can-i --list", &["*.*", "selfsubjectrulesreviews.authorization.k8s.io", "/healthz"]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_shown_edited_replaced_awaited_and_deleted_as_users_do() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            ("apply -f web.deployment.yaml", &["created"]),
            ("get deploy -o custom-columns=N:.metadata.name,R:.spec.replicas", &["N R web 2"]),
            ("get deploy -A --field-selector metadata.name=web", &["default web"]),
            ("get deploy web --subresource=scale -o jsonpath={.spec.replicas}", &["2"]),
            ("replace -f web.deployment.yaml", &["replaced"]),
            (
                "patch deploy web --subresource=scale --type=merge -p '{\"spec\":{\"replicas\":7}}'",
                &["patched"],
            ),
            ("wait --for=jsonpath={.spec.replicas}=7 deploy/web --timeout=30s", &["condition met"]),
            (
                "explain deployments --recursive",
                &["KIND: Deployment", "strategy <DeploymentStrategy>", "maxSurge <IntOrString>"],
            ),
            (
                "explain deployment.spec.strategy.rollingUpdate",
                &["FIELD: rollingUpdate", "maximum number of pods"],
            ),
            ("explain pods.spec.containers.resources", &["limits <map[string]Quantity>"]),
            ("explain service.spec.ports", &["targetPort <IntOrString>"]),
            ("explain hpa.spec.behavior", &["scaleDown <HPAScalingRules>"]),
            ("explain crd --recursive", &["additionalPrinterColumns"]),
            ("explain deployment.spec.strategy --output=plaintext-openapiv2", &["rollingUpdate <Object>"]),
            ("!explain deployment.spec.tides", &["field \"tides\" does not exist"]),
            ("events --for deploy/web", &["No events found"]),
            ("auth can-i create deployments", &["yes"]),
            ("auth can-i --list", &["*.* [] [] [*]", "selfsubjectrulesreviews.authorization.k8s.io"]),
            ("delete deploy web --cascade=foreground --wait --timeout=30s", &["deleted"]),
            ("wait --for=delete deploy/web --timeout=30s", &[]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_resources_are_selected_by_the_fields_that_their_definition_names() -> Checked {
    let (sandbox, kubectl) = started().await?;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sandbox/tides.crd.yaml");
    let mut definition: serde_json::Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
    definition["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.max"}]);
    sandbox.create(definition)?;
    kubectl
        .follow(&[
            ("apply -f tide.yaml", &["created"]),
            ("get td --field-selector spec.max=5 -o name", &["tide.test.tidetable.dev/one"]),
            ("get td --field-selector spec.max=6", &["No resources found"]),
            ("!get td --field-selector spec.min=1", &["field label not supported: spec.min"]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_changes_as_they_happen() -> Checked {
    let (sandbox, kubectl) = started().await?;
    kubectl.follow(&[("apply -f web.deployment.yaml", &["created"])]).await?;
    let (_child, mut lines) = kubectl.watch("get deploy -w")?;
    let mut shown = async |wanted: &str| -> Checked {
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await??.ok_or("the watch ended")?;
            if line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(wanted) {
                return Ok(());
            }
        }
    };
    shown("web 0/2 0 0").await?;
    let status = json!({"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1});
    sandbox.store().update_status("deployments.apps", "default", "web", status)?;
    shown("web 1/2 2 1").await?;
    kubectl.follow(&[("scale deploy web --replicas=1", &["scaled"])]).await?;
    shown("web 1/1 2 1").await
}

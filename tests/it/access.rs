//! Service accounts in the sandbox: their tokens, and what roles allow them.

use std::error::Error;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions, namespace};

type Checked = Result<(), Box<dyn Error>>;

const RBAC: &str = "rbac.authorization.k8s.io";

/// A sandbox with a service account `shop/robot`, and a client with its token.
async fn started(clock: &Clock) -> Result<(Sandbox, kube::Client), Box<dyn Error>> {
    let sandbox = Sandbox::start(SandboxOptions::new(clock.clone())).await?;
    sandbox.create(namespace("shop"))?;
    sandbox.create(
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "shop"}}),
    )?;
    let accounts = Api::<ServiceAccount>::namespaced(sandbox.client()?, "shop");
    let spec = TokenRequestSpec { expiration_seconds: Some(600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer = accounts.create_token_request("robot", &PostParams::default(), &request).await?;
    let status = answer.status.ok_or("no status")?;
    let minutes = SignedDuration::from_mins(10);
    assert_eq!(status.expiration_timestamp.0, clock.now() + minutes);
    let client = sandbox.client_for(&status.token)?;
    Ok((sandbox, client))
}

/// A role in `shop` or, with `ClusterRole`, everywhere, and a binding of the same kind and name.
fn grant(kind: &str, name: &str, allows: &Value, subject: &Value) -> [Value; 2] {
    let version = format!("{RBAC}/v1");
    let place =
        if kind == "Role" { json!({"name": name, "namespace": "shop"}) } else { json!({"name": name}) };
    let role = json!({"apiVersion": version, "kind": kind, "metadata": place, "rules": [allows]});
    let binding = json!({
        "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": place,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [subject],
    });
    [role, binding]
}

fn message(result: Result<impl std::fmt::Debug, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) if status.code == 403 => status.message,
        other => format!("{other:?}"),
    }
}

fn stopped() -> Clock {
    Clock::stopped_at("2026-11-23T12:00:00Z".parse::<Timestamp>().expect("a timestamp"))
}

async fn allowed(client: &kube::Client, attributes: Value) -> Result<bool, Box<dyn Error>> {
    let review = json!({"spec": {"resourceAttributes": attributes}, "metadata": {}});
    let review: SelfSubjectAccessReview = serde_json::from_value(review)?;
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.ok_or("no status")?.allowed)
}

#[tokio::test]
async fn a_service_account_may_do_what_roles_allow_and_its_token_expires() -> Checked {
    let clock = stopped();
    let (sandbox, client) = started(&clock).await?;
    let user = "system:serviceaccount:shop:robot";
    let deployments = Api::<Deployment>::namespaced(client.clone(), "shop");
    let everywhere = Api::<Deployment>::all(client.clone());
    let maps = Api::<ConfigMap>::namespaced(client.clone(), "shop");
    assert_eq!(
        message(deployments.get_scale("web").await),
        format!(
            "deployments.apps \"web\" is forbidden: User \"{user}\" cannot get resource \"deployments/scale\" \
             in API group \"apps\" in the namespace \"shop\""
        )
    );
    assert_eq!(
        message(everywhere.list(&ListParams::default()).await),
        format!(
            "deployments.apps is forbidden: User \"{user}\" cannot list resource \"deployments\" in API group \
             \"apps\" at the cluster scope"
        )
    );
    client.apiserver_version().await?;
    client.list_api_groups().await?;

    let account = json!({"kind": "ServiceAccount", "name": "robot", "namespace": "shop"});
    let group = json!({"kind": "Group", "apiGroup": RBAC, "name": "system:serviceaccounts:shop"});
    let scales = json!({"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["get"]});
    let lists = json!({"apiGroups": ["apps", ""], "resources": ["*"], "verbs": ["list"]});
    let objects = [grant("ClusterRole", "scales", &scales, &account), grant("Role", "lists", &lists, &group)];
    for object in objects.into_iter().flatten() {
        sandbox.create(object)?;
    }
    let missing = deployments.get_scale("web").await;
    assert!(matches!(missing, Err(kube::Error::Api(status)) if status.code == 404));
    maps.list(&ListParams::default()).await?;
    deployments.list(&ListParams::default()).await?;
    assert!(message(everywhere.list(&ListParams::default()).await).contains("at the cluster scope"));
    let scale = json!({"verb": "get", "group": "apps", "resource": "deployments", "subresource": "scale"});
    assert!(allowed(&client, scale).await?);
    assert!(!allowed(&client, json!({"verb": "get", "group": "apps", "resource": "deployments"})).await?);

    clock.advance_to(clock.now() + SignedDuration::from_mins(10));
    let late = client.apiserver_version().await;
    assert!(matches!(late, Err(kube::Error::Api(status)) if status.code == 401));
    Ok(())
}

#[tokio::test]
async fn a_binding_to_a_role_that_does_not_exist_is_named_in_the_refusal() -> Checked {
    let (sandbox, client) = started(&stopped()).await?;
    let account = json!({"kind": "ServiceAccount", "name": "robot", "namespace": "shop"});
    let [_, binding] = grant("ClusterRole", "gone", &json!({}), &account);
    sandbox.create(binding)?;
    let refused = message(Api::<ConfigMap>::all(client).list(&ListParams::default()).await);
    let end = "at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found";
    assert!(refused.ends_with(end), "{refused}");
    Ok(())
}

#[tokio::test]
async fn a_user_is_told_every_rule_that_holds_in_a_namespace_and_no_other() -> Checked {
    let (sandbox, client) = started(&stopped()).await?;
    let account = json!({"kind": "ServiceAccount", "name": "robot", "namespace": "shop"});
    let everywhere = json!({
        "apiGroups": ["apps"], "resources": ["*/scale"], "resourceNames": ["web"], "verbs": ["get"]});
    let here = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]});
    let others = json!({"kind": "User", "name": "somebody"});
    let elsewhere = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]});
    let granted = [
        grant("ClusterRole", "scales", &everywhere, &account),
        grant("Role", "pods", &here, &account),
        grant("Role", "secrets", &elsewhere, &others),
    ];
    for object in granted.into_iter().flatten() {
        sandbox.create(object)?;
    }
    let [_, dangling] = grant("ClusterRole", "gone", &json!({}), &account);
    sandbox.create(dangling)?;

    let basic = json!({
        "apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    });
    let all = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    let told = rules(&client, "shop").await?;
    assert_eq!(told["resourceRules"], json!([basic, everywhere, here]));
    assert_eq!(told["nonResourceRules"][1]["nonResourceURLs"][0], "/healthz");
    assert_eq!(told["evaluationError"], "clusterrole.rbac.authorization.k8s.io \"gone\" not found");
    assert_eq!(rules(&client, "default").await?["resourceRules"], json!([basic, everywhere]));
    assert_eq!(rules(&sandbox.client()?, "shop").await?["resourceRules"], json!([all, basic]));
    let nowhere = rules(&client, "").await.expect_err("a review without a namespace is refused");
    assert!(nowhere.to_string().contains("no namespace on request"), "{nowhere}");
    Ok(())
}

/// The status of the answer to what the client may do in a namespace.
async fn rules(client: &kube::Client, namespace: &str) -> Result<Value, Box<dyn Error>> {
    let review = serde_json::from_value(json!({"metadata": {}, "spec": {"namespace": namespace}}))?;
    let reviews = Api::<SelfSubjectRulesReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(serde_json::to_value(answer.status)?)
}

#[tokio::test]
async fn a_token_is_refused_for_too_short_a_time_and_for_nobody() -> Checked {
    let (sandbox, _) = started(&stopped()).await?;
    let accounts = Api::<ServiceAccount>::namespaced(sandbox.client()?, "shop");
    for (name, seconds, code, wanted) in [
        ("robot", 60, 422, "may not specify a duration less than 10 minutes"),
        ("ghost", 600, 404, "serviceaccounts \"ghost\" not found"),
    ] {
        let spec = TokenRequestSpec { expiration_seconds: Some(seconds), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        match accounts.create_token_request(name, &PostParams::default(), &request).await {
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.code, code, "{}", status.message);
                assert!(status.message.contains(wanted), "{}", status.message);
            }
            other => return Err(format!("{name}: {other:?}").into()),
        }
    }
    Ok(())
}

//! Who may give permissions to others, act as others, and ask about others in the sandbox, as on a real server
//! (Kubernetes, `pkg/registry/rbac`, `apiserver/pkg/endpoints/filters/impersonation.go`).

use std::error::Error;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec, TokenReview};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions, namespace};

type Checked = Result<(), Box<dyn Error>>;

const RBAC: &str = "rbac.authorization.k8s.io";

/// A sandbox with the namespace `shop`, and a client of the user `ann`, who has the given role there.
async fn started(role: &str) -> Result<(Sandbox, kube::Client), Box<dyn Error>> {
    let sandbox = Sandbox::start(SandboxOptions::new(Clock::real())).await?;
    sandbox.create(namespace("shop"))?;
    sandbox.create(json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding",
        "metadata": {"name": "ann", "namespace": "shop"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "ann"}],
    }))?;
    let token = sandbox.add_token("ann");
    let client = sandbox.client_for(&token)?;
    Ok((sandbox, client))
}

/// A role in `shop` or, with `ClusterRole`, everywhere, and a binding of the same name for `ann`.
fn granted(kind: &str, name: &str, rules: &Value) -> [Value; 2] {
    let version = format!("{RBAC}/v1");
    let place =
        if kind == "Role" { json!({"name": name, "namespace": "shop"}) } else { json!({"name": name}) };
    let binding = json!({
        "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": place,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "ann"}],
    });
    [json!({"apiVersion": version, "kind": kind, "metadata": place, "rules": rules}), binding]
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

/// The code and the message of a refusal; 0 and nothing when there is none.
fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
        Err(other) => (999, other.to_string()),
        Ok(_) => (0, String::new()),
    }
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() -> Checked {
    let (sandbox, client) = started("admin").await?;
    let roles = Api::<Role>::namespaced(client.clone(), "shop");
    let cases = [
        ("has", json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}), ""),
        (
            "lacks",
            json!({"apiGroups": ["", "apps"], "resources": ["nodes", "pods"], "verbs": ["get", "list"]}),
            "roles.rbac.authorization.k8s.io \"lacks\" is forbidden: user \"ann\" (groups=[\"system:authenticated\"]) \
             is attempting to grant RBAC permissions not currently held:\n\
             {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}\n\
             {APIGroups:[\"apps\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}\n\
             {APIGroups:[\"apps\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}",
        ),
    ];
    for (name, rule, wanted) in &cases {
        let role = read(json!({"metadata": {"name": name, "namespace": "shop"}, "rules": [rule]}))?;
        let (code, message) = refusal(roles.create(&PostParams::default(), &role).await);
        assert_eq!(message, *wanted, "{name}");
        assert_eq!(code, if wanted.is_empty() { 0 } else { 403 }, "{name}");
    }
    // Whoever may escalate in a namespace may write any role there.
    let escalates = json!({"apiGroups": [RBAC], "resources": ["roles"], "verbs": ["escalate"]});
    for object in granted("Role", "free", &json!([escalates])) {
        sandbox.create(object)?;
    }
    let role = read(json!({"metadata": {"name": "lacks", "namespace": "shop"}, "rules": [cases[1].1]}))?;
    assert_eq!(refusal(roles.create(&PostParams::default(), &role).await).0, 0);
    Ok(())
}

#[tokio::test]
async fn a_binding_needs_what_its_role_gives_or_the_right_to_bind_it() -> Checked {
    let (sandbox, client) = started("view").await?;
    let rule = json!({"apiGroups": [RBAC], "resources": ["clusterrolebindings"], "verbs": ["create"]});
    let bind = json!({
        "apiGroups": [RBAC], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]});
    for object in granted("ClusterRole", "binder", &json!([rule, bind])) {
        sandbox.create(object)?;
    }
    let bindings = Api::<ClusterRoleBinding>::all(client);
    for (role, code) in [("view", 0), ("cluster-admin", 403)] {
        let binding = read(json!({
            "metadata": {"name": role.replace("cluster-admin", "all")},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "bob"}],
        }))?;
        let (found, message) = refusal(bindings.create(&PostParams::default(), &binding).await);
        assert_eq!(found, code, "{role}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn roles_with_the_label_add_to_the_roles_for_people() -> Checked {
    let (sandbox, client) = started("view").await?;
    sandbox.create(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}}),
    )?;
    let secrets = || Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client.clone(), "shop");
    assert_eq!(refusal(secrets().list(&ListParams::default()).await).0, 403);
    let roles = Api::<ClusterRole>::all(sandbox.client()?);
    let label = json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"});
    let lists = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]});
    let role = read(json!({"metadata": {"name": "more", "labels": label}, "rules": [lists]}))?;
    roles.create(&PostParams::default(), &role).await?;
    assert_eq!(refusal(secrets().list(&ListParams::default()).await).0, 0);
    Ok(())
}

#[tokio::test]
async fn acting_as_somebody_else_needs_the_right_to() -> Checked {
    let (sandbox, _) = started("view").await?;
    let ann = sandbox.add_token("ann");
    let cases = [
        (sandbox.token(), "ann", None, "shop", ""),
        (sandbox.token(), "ann", None, "default", "User \"ann\" cannot list resource \"configmaps\""),
        (sandbox.token(), "bob", Some("system:masters"), "default", ""),
        (
            ann.as_str(),
            "bob",
            None,
            "shop",
            "users \"bob\" is forbidden: User \"ann\" cannot impersonate resource \"users\" in API group \"\" at the \
             cluster scope",
        ),
        (
            ann.as_str(),
            "system:serviceaccount:shop:x",
            None,
            "shop",
            "serviceaccounts \"x\" is forbidden: User \"ann\" cannot impersonate resource \"serviceaccounts\" in API \
             group \"\" in the namespace \"shop\"",
        ),
    ];
    for (token, user, group, place, wanted) in cases {
        let mut config = sandbox.client_config_for(token)?;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = group.map(|group| vec![group.to_owned()]);
        let maps = Api::<ConfigMap>::namespaced(kube::Client::try_from(config)?, place);
        let (_, message) = refusal(maps.list(&ListParams::default()).await);
        assert!(message.contains(wanted) && message.is_empty() == wanted.is_empty(), "{user}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn tokens_end_with_their_account_and_are_for_their_audience() -> Checked {
    let (sandbox, _) = started("view").await?;
    let client = sandbox.client()?;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "shop");
    let account = read(json!({"metadata": {"name": "robot"}}))?;
    accounts.create(&PostParams::default(), &account).await?;
    let token = async |audiences: Vec<String>| -> Result<String, Box<dyn Error>> {
        let spec = TokenRequestSpec { audiences, ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request("robot", &PostParams::default(), &request).await?;
        Ok(answer.status.ok_or("no status")?.token)
    };
    let (ours, others) = (token(Vec::new()).await?, token(vec!["vault".to_owned()]).await?);
    let accepted = async |token: &str| -> Result<u16, Box<dyn Error>> {
        let client = sandbox.client_for(token)?;
        Ok(refusal(client.list_api_groups().await).0)
    };
    assert_eq!(accepted(&ours).await?, 0);
    assert_eq!(accepted(&others).await?, 401);
    let review = async |token: &str| -> Result<Value, Box<dyn Error>> {
        let question: TokenReview = read(json!({"metadata": {}, "spec": {"token": token}}))?;
        let answer =
            Api::<TokenReview>::all(client.clone()).create(&PostParams::default(), &question).await?;
        Ok(serde_json::to_value(answer.status)?)
    };
    assert_eq!(review(&ours).await?["user"]["username"], "system:serviceaccount:shop:robot");
    accounts.delete("robot", &DeleteParams::default()).await?;
    assert_eq!(accepted(&ours).await?, 401);
    assert_eq!(review(&ours).await?["error"], "[invalid bearer token, token lookup failed]");
    accounts.create(&PostParams::default(), &account).await?;
    assert_eq!(accepted(&ours).await?, 401, "an account of the same name is another");
    Ok(())
}

#[tokio::test]
async fn reviews_say_which_binding_allows_and_what_a_question_lacks() -> Checked {
    let (sandbox, _) = started("view").await?;
    let reviews = Api::<SubjectAccessReview>::all(sandbox.client()?);
    let list = json!({"namespace": "shop", "verb": "list", "resource": "pods"});
    let reason = "RBAC: allowed by RoleBinding \"ann/shop\" of ClusterRole \"view\" to User \"ann\"";
    let cases = [
        (json!({"user": "ann", "resourceAttributes": list}), json!({"allowed": true, "reason": reason}), ""),
        (json!({"user": "bob", "resourceAttributes": list}), json!({"allowed": false}), ""),
        (json!({"groups": ["system:masters"], "resourceAttributes": list}), json!({"allowed": true}), ""),
        (
            json!({"user": "ann"}),
            json!({}),
            "SubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: \
             exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ),
        (
            json!({"resourceAttributes": list}),
            json!({}),
            "SubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of \
             user or group must be specified",
        ),
    ];
    for (spec, wanted, refused) in cases {
        let question = read(json!({"metadata": {}, "spec": spec}))?;
        match reviews.create(&PostParams::default(), &question).await {
            Ok(answer) => assert_eq!(serde_json::to_value(answer.status)?, wanted, "{spec}"),
            Err(error) => assert_eq!(refusal::<()>(Err(error)).1, refused, "{spec}"),
        }
    }
    Ok(())
}

//! `kubectl` with ScalePolicies and what they scale, as their users would.

use super::{Checked, started};

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_shown_edited_compared_and_deleted_as_users_do() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    kubectl
        .follow(&[
            (&format!("apply -f {crds}/scalepolicies.yaml"), &["created"]),
            ("wait --for=condition=Established crd/scalepolicies.tidetable.dev --timeout=30s", &["condition met"]),
            ("create -f web.policy.yaml --save-config", &["scalepolicy.tidetable.dev/web created"]),
            ("!create -f web.policy.yaml", &["\"web\" already exists"]),
            ("get sp", &["web"]),
            ("get sp -A", &["NAMESPACE NAME", "default web"]),
            ("get sp -l team=shop -o name", &["scalepolicy.tidetable.dev/web"]),
            ("get sp -l team!=shop", &["No resources found"]),
            ("get sp --field-selector metadata.name=web -o wide", &["web"]),
            ("get sp web -o custom-columns=MAX:.spec.maxReplicas", &["MAX 20"]),
            ("get sp web -o jsonpath={.spec.schedule.entries[0].cron}", &["0 7 * * *"]),
            ("get sp web -o yaml", &["timeZone: Europe/Berlin", "generation: 1"]),
            ("edit sp web", &["scalepolicy.tidetable.dev/web edited"]),
            ("get sp web -o jsonpath={.spec.maxReplicas},{.metadata.generation}", &["21,2"]),
            ("edit sp web", &["Edit cancelled, no changes made"]),
            ("!diff -f web.policy.yaml", &["- maxReplicas: 21", "+ maxReplicas: 20"]),
            ("apply -f web.policy.yaml", &["configured"]),
            ("diff -f web.policy.yaml", &[]),
            ("patch sp web --type=merge -p '{\"spec\":{\"minReplicas\":3}}'", &["patched"]),
            (
                "patch sp web --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/minReplicas\",\"value\":4}]'",
                &["patched"],
            ),
            ("!patch sp web -p '{\"spec\":{\"minReplicas\":3}}'", &["strategic-merge-patch+json is not supported"]),
            (
                "!patch sp web --type=merge -p '{\"spec\":{\"minReplicas\":30}}'",
                &["minReplicas must not be more than maxReplicas"],
            ),
            ("replace -f web.policy.yaml", &["replaced"]),
            ("label sp web tier=front", &["labeled"]),
            ("!label sp web tier=back", &["already has a value (front)"]),
            ("label sp web tier=back --overwrite", &["labeled"]),
            ("label sp web tier-", &["unlabeled"]),
            ("annotate sp web 'note=of the shop'", &["annotated"]),
            ("describe sp web", &["Kind: ScalePolicy", "Max Replicas: 20", "note: of the shop"]),
            (
                "patch sp web --subresource=status --type=merge -p '{\"status\":{\"observedGeneration\":9}}'",
                &["patched"],
            ),
            ("get sp web -o jsonpath={.status.observedGeneration}", &["9"]),
            ("wait --for=jsonpath={.status.observedGeneration}=9 sp/web --timeout=30s", &["condition met"]),
            ("explain sp.spec.damping --recursive", &["stabilizationWindowSeconds <integer>"]),
            ("api-resources --api-group=tidetable.dev", &["scalepolicies sp tidetable.dev/v1alpha1 true ScalePolicy"]),
            ("version", &["Client Version:", "Server Version:"]),
            ("auth can-i patch scalepolicies/status", &["yes"]),
            ("delete sp web --wait --timeout=30s", &["deleted"]),
            ("!get sp web", &["scalepolicies.tidetable.dev \"web\" not found"]),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_are_made_scaled_awaited_and_left_behind() -> Checked {
    let (_sandbox, kubectl) = started().await?;
    kubectl
        .follow(&[
            (
                "create deployment api --image=registry.invalid/api:1 --replicas=2",
                &["deployment.apps/api created"],
            ),
            ("create configmap settings --from-literal=a=b", &["configmap/settings created"]),
            ("scale deploy api --current-replicas=2 --replicas=3", &["scaled"]),
            ("!scale deploy api --current-replicas=2 --replicas=4", &["Expected replicas to be 2, was 3"]),
            (
                "patch deploy api --subresource=scale --type=merge -p '{\"spec\":{\"replicas\":1}}'",
                &["patched"],
            ),
            ("get deploy api -o jsonpath={.spec.replicas}", &["1"]),
            ("apply -f web.deployment.yaml", &["created"]),
            ("get deploy -o name", &["deployment.apps/api deployment.apps/web"]),
            ("get deploy,cm -o name", &["deployment.apps/web", "configmap/settings"]),
            ("delete deploy web --cascade=orphan", &["\"web\" deleted"]),
            ("delete deploy/api cm/settings --wait=false", &["deleted"]),
            ("wait --for=delete deploy/api --timeout=30s", &[]),
        ])
        .await
}

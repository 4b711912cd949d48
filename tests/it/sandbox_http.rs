//! The sandbox's HTTP, where a client can see it: formats, parameters, health, compression. Statuses and
//! codes are those of a kube-apiserver; its words are taken from its source where that was at hand.

use std::error::Error;

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::Wire;

type Checked = Result<(), Box<dyn Error>>;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn parameters_and_formats_that_cannot_be_met_are_refused_in_the_servers_words() -> Checked {
    let wire = Wire::started().await?;
    let bad = |message: &str| (400, "BadRequest", message.to_owned());
    let invalid = |rest: &str| (422, "Invalid", rest.to_owned());
    let options = "ListOptions.meta.k8s.io \"\" is invalid: ";
    for (query, (code, reason, message)) in [
        ("limit=abc", bad("strconv.ParseInt: parsing \"abc\": invalid syntax")),
        ("watch=1&timeoutSeconds=x", bad("strconv.ParseInt: parsing \"x\": invalid syntax")),
        (
            "continue=a.b",
            bad("invalid continue token: continue key is not valid: illegal base64 data at input byte 1"),
        ),
        (
            "resourceVersion=x",
            bad(
                "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": \
                 invalid syntax",
            ),
        ),
        (
            "watch=1&resourceVersion=x",
            invalid(
                "configmaps \"\" is invalid: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": \
                 invalid syntax",
            ),
        ),
        (
            "resourceVersionMatch=Exact",
            invalid(&format!(
                "{options}resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion \
                 is provided"
            )),
        ),
        (
            "watch=1&sendInitialEvents=true",
            invalid(&format!(
                "{options}resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to \
                 NotOlderThan"
            )),
        ),
    ] {
        let answer = wire.get(&format!("{MAPS}?{query}"), &[]).await?.json()?;
        assert_eq!(
            (answer["code"].as_u64(), answer["reason"].as_str(), answer["message"].as_str()),
            (Some(code), Some(reason), Some(message.as_str())),
            "{query}"
        );
        assert_eq!(answer["kind"], "Status", "{query}");
    }
    let answer = wire.get(MAPS, &[("Accept", "text/html")]).await?;
    assert_eq!(answer.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(
        answer.json()?,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 406,
            "reason": "NotAcceptable",
            "message": "only the following media types are accepted: application/json, application/yaml"})
    );
    for (method, path) in [("POST", MAPS.to_owned()), ("PUT", format!("{MAPS}/x"))] {
        let answer = wire.ask(method, &path, &[("Content-Type", "text/plain")], Some("{}")).await?;
        assert_eq!(
            (answer.status, answer.json()?["message"].as_str()),
            (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Some(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json, application/yaml, application/vnd.kubernetes.protobuf"
                )
            ),
            "{method}"
        );
    }
    for path in ["/version", "/api", "/apis", "/apis/apps/v1"] {
        let answer = wire.ask("POST", path, &[], Some("{}")).await?;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.json()?["reason"], "MethodNotAllowed", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn health_is_told_whole_and_by_parts() -> Checked {
    let wire = Wire::started().await?;
    for (path, status, wanted) in [
        ("/healthz", 200, "ok"),
        ("/livez/ping", 200, "ok"),
        ("/livez/nothing", 404, "404 page not found\n"),
        ("/livez?verbose", 200, "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n"),
        (
            "/livez?verbose&exclude=etcd",
            200,
            "[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\nlivez check passed\n",
        ),
    ] {
        let answer = wire.get(path, &[]).await?;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, wanted), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{path}");
    }
    let readiness = wire.get("/readyz?verbose", &[]).await?.text();
    assert!(readiness.contains("[+]informer-sync ok") && readiness.ends_with("readyz check passed\n"));
    Ok(())
}

#[tokio::test]
async fn answers_are_in_the_format_that_is_asked_for() -> Checked {
    let wire = Wire::started().await?;
    wire.sandbox.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": {"yes": "no"}}))?;
    let path = format!("{MAPS}/m");
    let yaml = wire.get(&path, &[("Accept", "application/yaml")]).await?;
    assert_eq!(yaml.header("content-type"), "application/yaml");
    let read: Value = serde_saphyr::from_str(&yaml.text())?;
    assert_eq!(read, wire.get(&path, &[("Accept", "application/json")]).await?.json()?);
    let pretty = wire.get(&path, &[("User-Agent", "curl/8.0")]).await?.text();
    assert!(pretty.starts_with("{\n  \""), "{pretty}");
    assert!(
        wire.get(&format!("{path}?pretty=0"), &[("User-Agent", "curl/8.0")]).await?.text().starts_with("{\"")
    );
    // One that there is, after one that there isn't.
    let either = [("Accept", "application/vnd.kubernetes.protobuf, */*")];
    assert_eq!(wire.get(&path, &either).await?.header("content-type"), "application/json");
    Ok(())
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_them() -> Checked {
    let wire = Wire::started().await?;
    for number in 0..3 {
        let text = "tide ".repeat(20_000);
        wire.sandbox.create(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{number}")},
            "data": {"text": text}}),
        )?;
    }
    let takes = [("Accept-Encoding", "deflate, gzip")];
    let packed = wire.get(MAPS, &takes).await?;
    assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "Accept-Encoding"));
    let plain = wire.get(MAPS, &[]).await?;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(packed.body.len() * 20 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.body.as_slice()), &mut unpacked)?;
    assert_eq!(unpacked, plain.body);
    // Small ones are not worth it.
    assert_eq!(wire.get(&format!("{MAPS}?limit=1"), &takes).await?.header("content-encoding"), "");
    Ok(())
}

#[tokio::test]
async fn a_version_that_comes_while_a_list_waits_for_it_is_shown() -> Checked {
    let wire = Wire::started().await?;
    let ahead = wire.sandbox.store().version() + 1;
    let path = format!("{MAPS}?resourceVersion={ahead}&resourceVersionMatch=NotOlderThan");
    let made = async {
        wire.sandbox
            .create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}}))?;
        Ok::<_, Box<dyn Error>>(())
    };
    // The request is sent first and waits; the object is made in the meantime.
    let (listed, made) = tokio::join!(wire.get(&path, &[]), made);
    made?;
    assert_eq!(listed?.json()?["items"][0]["metadata"]["name"], "late");
    let refused = wire.get(&format!("{MAPS}?resourceVersion={}", ahead + 100), &[]).await?;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::GATEWAY_TIMEOUT, "1"));
    Ok(())
}

#[tokio::test]
async fn openapi_documents_describe_what_is_served() -> Checked {
    let wire = Wire::started().await?;
    let apps = wire.get("/openapi/v3/apis/apps/v1", &[]).await?.json()?;
    let schemas = &apps["components"]["schemas"];
    let strategy = &schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"];
    let reference = strategy["allOf"][0]["$ref"].as_str().unwrap_or_default();
    assert_eq!(reference, "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy");
    assert!(schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"].is_object());
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    // Every reference of every document leads somewhere.
    let index = wire.get("/openapi/v3", &[]).await?.json()?;
    for one in index["paths"].as_object().ok_or("no paths")?.values() {
        let address = one["serverRelativeURL"].as_str().ok_or("no address")?;
        let document = wire.get(address, &[]).await?.json()?;
        let mut references = Vec::new();
        collect(&document, &mut references);
        for reference in references {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{address}: {reference}");
        }
    }
    let two = wire.get("/openapi/v2", &[]).await?.json()?;
    assert!(two["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"].is_object());
    Ok(())
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
            map.values().for_each(|inner| collect(inner, references));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

use serde_json::json;

use super::*;

fn definition(schema: &Value) -> Value {
    json!({
        "metadata": {"name": "tides.sea.example.com"},
        "spec": {"group": "sea.example.com", "scope": "Namespaced",
            "names": {"plural": "tides", "singular": "tide", "kind": "Tide", "listKind": "TideList"},
            "conversion": {"strategy": "None"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
    })
}

fn said(definition: &Value) -> Vec<String> {
    judge(definition, None).iter().map(ToString::to_string).collect()
}

fn spec(spec: &Value) -> Value {
    json!({"type": "object", "properties": {"spec": spec}})
}

/// Each schema, and how what is first said of it begins.
fn hold(cases: &[(Value, String)]) {
    for (schema, wanted) in cases {
        let found = said(&definition(schema));
        let first = found.first().map(String::as_str).unwrap_or_default();
        assert!(first.starts_with(wanted) && found.is_empty() == wanted.is_empty(), "{schema}: {found:?}");
    }
}

#[test]
fn schemas_are_structural() {
    let root = "spec.validation.openAPIV3Schema";
    hold(&[
        (json!({"type": "object"}), String::new()),
        (json!({}), format!("{root}.type: Required value: must not be empty at the root")),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            format!("{root}.type: Invalid value: \"array\": must be object at the root"),
        ),
        (
            spec(&json!({"properties": {}})),
            format!(
                "{root}.properties[spec].type: Required value: must not be empty for specified object fields"
            ),
        ),
        (
            spec(&json!({"type": "array"})),
            format!("{root}.properties[spec].items: Required value: must be specified"),
        ),
        (
            spec(&json!({"type": "strin"})),
            format!(
                "{root}.properties[spec].type: Unsupported value: \"strin\": supported values: \"array\", \"boolean\", "
            ),
        ),
        (
            spec(&json!({"type": "string", "pattern": "("})),
            format!(
                "{root}.properties[spec].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: \
                 error parsing regexp: missing closing ): `(`"
            ),
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {
                "labels": {"type": "object"}}}}}),
            format!(
                "{root}.properties[metadata]: Forbidden: must not specify anything other than name and generateName"
            ),
        ),
        (
            spec(&json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true})),
            format!(
                "{root}.properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since"
            ),
        ),
        (
            spec(&json!({"type": "integer", "default": "x"})),
            format!("{root}.properties[spec].default: Invalid value: \"string\": "),
        ),
    ]);
}

#[test]
fn rules_fit_their_schema_and_are_cheap() {
    let rules = |rule: &str| json!([{"rule": rule}]);
    let root = "spec.validation.openAPIV3Schema";
    hold(&[
        (
            spec(
                &json!({"type": "object", "properties": {"a": {"type": "integer"}}, "x-kubernetes-validations": [
                {"rule": "self.a > 1", "fieldPath": ".b"}]}),
            ),
            format!(
                "{root}.properties[spec].x-kubernetes-validations[0].fieldPath: Invalid value: \".b\": fieldPath must \
                 be a valid path: does not refer to a valid field"
            ),
        ),
        (
            spec(
                &json!({"type": "object", "properties": {"a": {"type": "integer"}}, "x-kubernetes-validations": [
                {"rule": "self.a > 1", "reason": "Bad"}]}),
            ),
            format!(
                "{root}.properties[spec].x-kubernetes-validations[0].reason: Unsupported value: \"Bad\": supported \
                 values: \"FieldValueDuplicate\", "
            ),
        ),
        (
            spec(&json!({"type": "object", "x-kubernetes-validations": rules("self.a > 1")})),
            format!(
                "{root}.properties[spec].x-kubernetes-validations[0].rule: Invalid value: {{\"Rule\":\"self.a > 1\""
            ),
        ),
        (
            spec(&json!({"type": "object", "x-kubernetes-validations": rules("self.a ==")})),
            format!(
                "{root}.properties[spec].x-kubernetes-validations[0].rule: Invalid value: {{\"Rule\":\"self.a ==\""
            ),
        ),
        (
            spec(&json!({"type": "array", "items": {"type": "string"},
                "x-kubernetes-validations": rules("self.all(x, self.all(y, x != y))")})),
            format!(
                "{root}.properties[spec].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget \
                 by factor of more than 100x"
            ),
        ),
        (
            spec(
                &json!({"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string", "maxLength": 100}},
                "x-kubernetes-validations": rules("self.n.matches('^[a-z]+$')")}}),
            ),
            format!(
                "{root}.properties[spec].items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost"
            ),
        ),
    ]);
}

#[test]
fn names_and_versions_are_checked() {
    let edit = |pointer: &str, value: Value| {
        let mut edited = definition(&json!({"type": "object"}));
        *edited.pointer_mut(pointer).expect("a place") = value;
        edited
    };
    for (pointer, value, wanted) in [
        (
            "/metadata/name",
            json!("x"),
            "metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            "/spec/scope",
            json!("World"),
            "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
        ),
        (
            "/spec/versions/0/name",
            json!("V1"),
            "spec.versions[0].name: Invalid value: \"V1\": a DNS-1035 label must",
        ),
        ("/spec/versions/0/storage", json!(false), "spec.versions: Invalid value: "),
        (
            "/spec/names/kind",
            json!("Ti de"),
            "spec.names.kind: Invalid value: \"Ti de\": may have mixed case, but should",
        ),
        (
            "/spec/names/listKind",
            json!("Tide"),
            "spec.names.listKind: Invalid value: \"Tide\": kind and listKind may not",
        ),
    ] {
        let found = said(&edit(pointer, value));
        assert!(found.first().is_some_and(|first| first.starts_with(wanted)), "{pointer}: {found:?}");
    }
}

/// A real API server estimates the cost of each rule and of all together; ours have to be far from both limits.
#[test]
fn our_own_definitions_are_accepted() {
    for file in ["scalepolicies", "scalecalendars"] {
        let path = format!("{}/crds/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the CRD is checked in");
        let mut definition: Value = serde_saphyr::from_str(&text).expect("YAML");
        crate::sandbox::custom::complete_definition(&mut definition);
        assert_eq!(said(&definition), Vec::<String>::new(), "{file}");
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut total = 0;
        rules::judge(schema, file, 1, &mut total, &mut Vec::new());
        assert!(total < cost::DEFINITION_LIMIT / 2, "{file}: {total}");
    }
}

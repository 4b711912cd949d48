use serde_json::json;

use super::*;

/// What is said of a value. The words are those of kube-openapi (`pkg/validation/errors/schema.go`) and of
/// apiextensions-apiserver (`pkg/apiserver/validation/validation.go`), which turns them into field errors.
fn said(schema: &Value, value: &Value) -> Vec<String> {
    let mut checker = Checker::default();
    checker.check(schema, value, None, "");
    checker.errors.iter().map(FieldError::to_string).collect()
}

#[test]
fn complaints_are_worded_like_a_real_servers() {
    let schema = json!({"type": "object", "required": ["max"], "properties": {
        "max": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000},
        "mode": {"type": "string", "enum": ["Paused", "Active"]},
        "level": {"type": "integer", "enum": [1, 2]},
        "name": {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"},
        "amount": {"x-kubernetes-int-or-string": true},
        "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
        "map": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 2_000_000.5},
        "step": {"type": "integer", "multipleOf": 5},
        "at": {"type": "string", "format": "date-time"},
        "two": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"},
    }});
    let cases = [
        (json!({}), "max: Required value"),
        (
            json!({"max": "x"}),
            "max: Invalid value: \"string\": max in body must be of type integer: \"string\"",
        ),
        (json!({"max": true}), "max: Invalid value: \"\": max in body must be of type int32: \"\""),
        (json!({"max": -1}), "max: Invalid value: -1: max in body should be greater than or equal to 0"),
        (json!({"max": 1001}), "max: Invalid value: 1001: max in body should be less than or equal to 1000"),
        (
            json!({"max": 1, "mode": "x"}),
            "mode: Unsupported value: \"x\": supported values: \"Paused\", \"Active\"",
        ),
        (json!({"max": 1, "level": 3}), "level: Unsupported value: 3: supported values: \"1\", \"2\""),
        (json!({"max": 1, "name": "ABCD"}), "name: Too long: may not be more than 3 bytes"),
        (json!({"max": 1, "name": "A"}), "name: Invalid value: \"A\": name in body should match '^[a-z]+$'"),
        (
            json!({"max": 1, "amount": true}),
            "amount: Invalid value: \"boolean\": amount in body must be of type integer,string: \"boolean\"",
        ),
        (json!({"max": 1, "list": ["a", "b"]}), "list: Too many: 2: must have at most 1 items"),
        (
            json!({"max": 1, "list": [1]}),
            "list[0]: Invalid value: \"integer\": list[0] in body must be of type string: \"integer\"",
        ),
        (
            json!({"max": 1, "map": {}}),
            "map: Invalid value: 0: map in body should have at least 1 properties",
        ),
        (json!({"max": 1, "ratio": 0}), "ratio: Invalid value: 0: ratio in body should be greater than 0"),
        (
            json!({"max": 1, "ratio": 3e6 + 0.5}),
            "ratio: Invalid value: 3.0000005e+06: ratio in body should be less than or equal to 2.0000005e+06",
        ),
        (json!({"max": 1, "step": 7}), "step: Invalid value: 7: step in body should be a multiple of 5"),
        (
            json!({"max": 1, "at": "noon"}),
            "at: Invalid value: \"noon\": at in body must be of type date-time: \"noon\"",
        ),
        (
            json!({"max": 1, "two": {"a": 1, "b": 2}}),
            "<nil>: Invalid value: \"\": \"two\" must validate one and only one schema (oneOf). Found 2 valid \
             alternatives",
        ),
    ];
    for (value, wanted) in cases {
        assert_eq!(said(&schema, &value), [wanted], "{value}");
    }
}

#[test]
fn children_come_before_what_is_required_and_every_check_is_made() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {
        "b": {"type": "object", "required": ["c"]},
        "n": {"type": "integer", "format": "int32", "enum": [1]},
        "l": {"type": "array", "minItems": 2, "items": {"type": "string"}},
    }});
    let found = said(&schema, &json!({"b": {}, "n": 3_000_000_000_u64, "l": [1]}));
    assert_eq!(
        found,
        [
            "b.c: Required value",
            "l[0]: Invalid value: \"integer\": l[0] in body must be of type string: \"integer\"",
            "l: Invalid value: 1: l in body should have at least 2 items",
            "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in n",
            "n: Unsupported value: 3000000000: supported values: \"1\"",
            "a: Required value",
        ]
    );
}

#[test]
fn what_an_update_leaves_alone_is_not_held_against_it() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string", "maxLength": 1}, "b": {"type": "string", "maxLength": 1}}});
    let mut checker = Checker::default();
    let (old, new) = (json!({"a": "xx", "b": "y"}), json!({"a": "xx", "b": "yy"}));
    checker.check(&schema, &new, Some(&old), "");
    assert_eq!(checker.errors.len(), 1);
    assert_eq!(checker.errors[0].field, "b");
}

#[test]
fn formats_are_those_that_a_real_server_knows() {
    for (format, text, wanted) in [
        ("date-time", "2026-11-22T12:00:00Z", true),
        ("date-time", "2026-11-22T12:00:00.5+01:00", true),
        ("date-time", "2026-11-22 12:00", false),
        ("date", "2026-02-30", false),
        ("duration", "1h30m", true),
        ("duration", "3 days", true),
        ("duration", "soon", false),
        ("ipv4", "10.0.0.256", false),
        ("cidr", "10.0.0.0/8", true),
        ("uuid", "123", false),
        ("email", "nobody", false),
        ("byte", "aGk=", true),
        ("unheard-of", "x", true),
    ] {
        assert_eq!(formats::fits(format, text), wanted, "{format} {text}");
    }
}

#[test]
fn items_of_a_list_map_may_not_share_their_keys() {
    let schema =
        json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {}});
    let mut errors = Vec::new();
    repeated_items(
        &schema,
        &json!([{"name": "a", "n": 1}, {"name": "a", "n": 2}]),
        "spec.entries",
        &mut errors,
    );
    assert_eq!(errors[0].to_string(), "spec.entries[1]: Duplicate value: {\"name\":\"a\"}");
}

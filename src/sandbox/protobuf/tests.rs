use super::*;

/// A field of bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("a short field");
    [&[number << 3 | 2, length], content].concat()
}

/// An object in its envelope.
fn body(api_version: &str, kind: &str, content: &[u8]) -> Vec<u8> {
    let kind = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [MAGIC, &field(1, &kind), &field(2, content), &field(3, b""), &field(4, b"")].concat()
}

#[test]
fn objects_are_what_the_client_would_have_sent_as_json() {
    // Name "x" and the empty texts, zeros and times that Go writes along.
    let metadata = [field(1, b"x"), field(2, b""), vec![0x38, 0], field(8, b"")].concat();
    let meta = json!({"name": "x", "creationTimestamp": null});
    let label = field(11, &[field(1, b"a"), field(2, b"")].concat());
    let time = field(8, &[0x08, 0x80, 0xa3, 0x05, 0x10, 0]);
    for (api_version, kind, content, expected) in [
        (
            "v1",
            "Namespace",
            [field(1, &metadata), field(2, b""), field(3, &field(1, b""))].concat(),
            json!({"metadata": meta, "spec": {}, "status": {}}),
        ),
        ("v1", "ConfigMap", field(1, &label), json!({"metadata": {"labels": {"a": ""}}})),
        (
            "v1",
            "ConfigMap",
            field(1, &time),
            json!({"metadata": {"creationTimestamp": "1970-01-02T00:00:00Z"}}),
        ),
        (
            "v1",
            "Secret",
            field(2, &[field(1, b"k"), field(2, b"b")].concat()),
            json!({"data": {"k": "Yg=="}}),
        ),
        // A zero that is set, one that is not, and a negative number.
        ("apps/v1", "Deployment", field(2, &[0x08, 0, 0x28, 0]), json!({"spec": {"replicas": 0}})),
        (
            "coordination.k8s.io/v1",
            "Lease",
            field(2, &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            json!({"spec": {"leaseDurationSeconds": -1}}),
        ),
        // The name of the ConfigMap stands among the reference's own fields.
        (
            "v1",
            "Pod",
            field(
                2,
                &field(
                    2,
                    &field(7, &field(3, &field(3, &[field(1, &field(1, b"c")), field(2, b"k")].concat()))),
                ),
            ),
            json!({"spec": {"containers": [
                {"env": [{"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}
            ]}}),
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            field(
                2,
                &[field(1, &[0x08, 0, 0x10, 2, 0x1a, 0]), field(3, &[0x08, 1, 0x10, 0, 0x1a, 2, b'5', b'%'])]
                    .concat(),
            ),
            json!({"spec": {"minAvailable": 2, "maxUnavailable": "5%"}}),
        ),
        (
            "authentication.k8s.io/v1",
            "TokenRequest",
            field(2, &[0x0a, 1, b'a', 0x20, 0xb0, 0x09]),
            json!({"spec": {"audiences": ["a"], "expirationSeconds": 1200}}),
        ),
    ] {
        let mut expected = expected;
        expected["apiVersion"] = json!(api_version);
        expected["kind"] = json!(kind);
        assert_eq!(object(&body(api_version, kind, &content)), Ok(expected), "{kind}");
    }
}

#[test]
fn what_can_not_be_read_is_refused_by_name_and_never_left_out() {
    let refused =
        |kind: &str, content: &[u8]| object(&body("v1", kind, content)).expect_err("refused").to_string();
    assert_eq!(refused("Node", b""), "Node of v1 is not read in protobuf; send JSON");
    assert_eq!(
        refused("ConfigMap", &field(9, b"new")),
        "ConfigMap: field 9 is not read in protobuf; send JSON"
    );
    assert_eq!(refused("ConfigMap", &field(4, b"x")), "ConfigMap.immutable: unexpected content");
    assert_eq!(refused("Namespace", &field(3, &field(1, b"Active"))), "Namespace.status: unexpected content");
    assert_eq!(
        object(&body("v1", "ConfigMap", &field(9, &[0x08, 0]))).map(|_| ()),
        Ok(()),
        "an empty new field"
    );
}

#[test]
fn a_body_that_is_cut_off_or_nested_without_end_is_refused() {
    let whole = body("v1", "Namespace", &field(1, &field(1, b"x")));
    for end in 0..whole.len() {
        // What follows the object says nothing.
        let cut = object(whole.get(..end).unwrap_or_default());
        assert!(cut.is_err() || end + 4 >= whole.len(), "{end}: {cut:?}");
    }
    let mut deep = vec![0x0a, 0];
    for _ in 0..10_000 {
        let length = deep.len();
        let low = u8::try_from(length & 0x7f).expect("seven bits") | 0x80;
        let middle = u8::try_from((length >> 7) & 0x7f).expect("seven bits") | 0x80;
        let high = u8::try_from(length >> 14).expect("seven bits");
        deep = [&[0x0a, low, middle, high], deep.as_slice()].concat();
    }
    assert!(!is_blank(Field::Bytes(&deep)));
}

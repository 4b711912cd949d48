//! The document of `OpenAPI` version 2 in Protobuf (gnostic, `openapiv2/OpenAPIv2.proto`), which is the only form in
//! which `kubectl` reads it. Only what describes kinds is written: definitions, and no paths.

use serde_json::Value;

/// The media type.
pub(crate) const OPENAPI_MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Writes a document.
pub(crate) fn openapi(document: &Value) -> Vec<u8> {
    let mut written = Message::default();
    written.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    written.message(2, &info);
    written.message(8, &Message::default());
    written.message(9, &named(&document["definitions"]));
    written.0
}

/// Schemas with their names.
fn named(schemas: &Value) -> Message {
    let mut written = Message::default();
    for (name, inner) in schemas.as_object().into_iter().flatten() {
        let mut one = Message::default();
        one.bytes(1, name.as_bytes());
        one.message(2, &schema(inner));
        written.message(1, &one);
    }
    written
}

fn schema(schema_value: &Value) -> Message {
    let mut written = Message::default();
    written.text(1, &schema_value["$ref"]);
    written.text(2, &schema_value["format"]);
    written.text(4, &schema_value["description"]);
    for name in schema_value["required"].as_array().into_iter().flatten() {
        written.text(19, name);
    }
    if schema_value["additionalProperties"].is_object() {
        let mut item = Message::default();
        item.message(1, &schema(&schema_value["additionalProperties"]));
        written.message(21, &item);
    }
    if schema_value["type"].is_string() {
        let mut item = Message::default();
        item.text(1, &schema_value["type"]);
        written.message(22, &item);
    }
    if schema_value["items"].is_object() {
        let mut item = Message::default();
        item.message(1, &schema(&schema_value["items"]));
        written.message(23, &item);
    }
    if schema_value["properties"].is_object() {
        written.message(25, &named(&schema_value["properties"]));
    }
    let extensions = schema_value.as_object().into_iter().flatten().filter(|(key, _)| key.starts_with("x-"));
    for (key, value) in extensions {
        // JSON is YAML, too.
        let mut any = Message::default();
        any.bytes(2, value.to_string().as_bytes());
        let mut extension = Message::default();
        extension.bytes(1, key.as_bytes());
        extension.message(2, &any);
        written.message(31, &extension);
    }
    written
}

/// The bytes of a message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn text(&mut self, number: u64, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn message(&mut self, number: u64, inner: &Self) {
        self.bytes(number, &inner.0);
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        // Fields of this kind have a length.
        self.number(number << 3 | 2);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wire::{Field, fields};
    use super::*;

    fn bytes(body: &[u8], number: u64) -> &[u8] {
        let found = fields(body).expect("a message").into_iter().find_map(|field| match field {
            (found, Field::Bytes(bytes)) if found == number => Some(bytes),
            _ => None,
        });
        found.expect("a field")
    }

    #[test]
    fn a_document_is_read_back_field_by_field() {
        let description = "d".repeat(300);
        let document = json!({"swagger": "2.0", "info": {"title": "t", "version": "v"}, "definitions": {
            "io.x.Y": {"type": "object", "description": description, "required": ["a"],
                "x-kubernetes-group-version-kind": [{"kind": "Y"}],
                "properties": {"a": {"type": "array", "items": {"$ref": "#/definitions/z"}}}}}});
        let body = openapi(&document);
        assert_eq!(bytes(&body, 1), b"2.0");
        assert_eq!(bytes(bytes(&body, 2), 1), b"t");
        let definition = bytes(bytes(&body, 9), 1);
        assert_eq!(bytes(definition, 1), b"io.x.Y");
        let schema = bytes(definition, 2);
        assert_eq!(bytes(schema, 4), description.as_bytes());
        assert_eq!(bytes(schema, 19), b"a");
        assert_eq!(bytes(bytes(schema, 22), 1), b"object");
        assert_eq!(bytes(bytes(bytes(schema, 31), 2), 2), b"[{\"kind\":\"Y\"}]");
        let property = bytes(bytes(schema, 25), 1);
        assert_eq!(bytes(property, 1), b"a");
        assert_eq!(bytes(bytes(bytes(bytes(property, 2), 23), 1), 1), b"#/definitions/z");
    }
}

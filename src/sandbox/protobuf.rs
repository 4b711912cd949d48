//! The one request that `kubectl` sends in Kubernetes' protobuf format and users of the sandbox want: `kubectl
//! create token`. Everything else comes as JSON.

use serde_json::{Value, json};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// The value of a field.
#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads a `TokenRequest`; `None` when the body isn't one.
pub(crate) fn token_request(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let request = fields(bytes(&envelope, 2)?)?;
    let spec = fields(bytes(&request, 2).unwrap_or_default())?;
    let mut audiences = Vec::new();
    let mut found = json!({});
    for field in spec {
        match field {
            (1, Field::Bytes(audience)) => audiences.push(text(audience)),
            (3, Field::Bytes(reference)) => found["boundObjectRef"] = reference_of(&fields(reference)?),
            (4, Field::Number(seconds)) => {
                found["expirationSeconds"] = json!(i64::from_le_bytes(seconds.to_le_bytes()));
            }
            _ => {}
        }
    }
    found["audiences"] = json!(audiences);
    Some(json!({"spec": found}))
}

fn reference_of(fields: &[(u64, Field<'_>)]) -> Value {
    let mut found = json!({});
    for (number, name) in [(1, "kind"), (2, "apiVersion"), (3, "name"), (4, "uid")] {
        if let Some(value) = bytes(fields, number).filter(|value| !value.is_empty()) {
            found[name] = json!(text(value));
        }
    }
    found
}

fn bytes<'a>(fields: &[(u64, Field<'a>)], number: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|field| match field {
        (found, Field::Bytes(bytes)) if *found == number => Some(*bytes),
        _ => None,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The fields of a message with their numbers.
fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let key = number(&mut rest)?;
        let value = match key & 7 {
            0 => Field::Number(number(&mut rest)?),
            2 => {
                let length = usize::try_from(number(&mut rest)?).ok()?;
                let (value, after) = rest.split_at_checked(length)?;
                rest = after;
                Field::Bytes(value)
            }
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut found = 0;
    for shift in (0..64).step_by(7) {
        let (first, after) = rest.split_first()?;
        *rest = after;
        found |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_request_is_read_and_anything_else_is_not() {
        // Spec: audience "a", 1200 seconds.
        let spec = [0x0a, 1, b'a', 0x20, 0xb0, 0x09];
        let request = [&[0x12, 6], spec.as_slice()].concat();
        let body = [MAGIC, &[0x12, 8], request.as_slice()].concat();
        let read = token_request(&body).expect("a token request");
        assert_eq!(read, json!({"spec": {"audiences": ["a"], "expirationSeconds": 1200}}));
        for end in 0..body.len() {
            // Cut off anywhere, it is refused and nothing panics.
            assert_eq!(token_request(body.get(..end).unwrap_or_default()), None, "{end}");
        }
    }
}

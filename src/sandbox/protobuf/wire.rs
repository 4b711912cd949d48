//! The wire format of protobuf: numbered fields, each a number or some bytes.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A number; negative ones are in two's complement.
    Number(u64),
    /// A text, a message or plain bytes.
    Bytes(&'a [u8]),
}

/// How deep [`is_blank`] looks.
const DEPTH: usize = 16;

/// The fields of a message with their numbers; `None` when it is cut off or of another format.
pub(super) fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
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

/// Whether a field says nothing: Go writes the zeros of what isn't a pointer.
pub(super) fn is_blank(field: Field<'_>) -> bool {
    is_blank_within(field, DEPTH)
}

fn is_blank_within(field: Field<'_>, depth: usize) -> bool {
    match field {
        Field::Number(number) => number == 0,
        Field::Bytes(bytes) => {
            bytes.is_empty()
                || depth > 0
                    && fields(bytes).is_some_and(|fields| {
                        fields.iter().all(|(_, field)| is_blank_within(*field, depth - 1))
                    })
        }
    }
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

//! What is wrong with a text that is no JSON, in the words of Go's scanner (`encoding/json/scanner.go`).

/// How deep values are looked into.
const DEPTH: usize = 128;

/// The first thing that is wrong; `None` when nothing is.
pub(super) fn of(body: &[u8]) -> Option<String> {
    let mut scanner = Scanner { body, at: 0, depth: 0 };
    let found = scanner.value().and_then(|()| {
        scanner.skip_blanks();
        if scanner.at < body.len() { scanner.fail("after top-level value") } else { Ok(()) }
    });
    found.err()
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    depth: usize,
}

type Scanned = Result<(), String>;

impl Scanner<'_> {
    fn next(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// Takes the next byte if it is one of these.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let found = self.next().is_some_and(|next| bytes.contains(&next));
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while self.take(b" \t\r\n") {}
    }

    fn fail(&self, context: &str) -> Scanned {
        Err(match self.next() {
            None => "unexpected end of JSON input".to_owned(),
            Some(byte) => format!("invalid character {} {context}", quoted(byte)),
        })
    }

    fn value(&mut self) -> Scanned {
        self.skip_blanks();
        match self.next() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.text(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(_) | None => self.fail("looking for beginning of value"),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Scanned) -> Scanned {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn object(&mut self) -> Scanned {
        self.skip_blanks();
        if self.take(b"}") {
            return Ok(());
        }
        loop {
            self.skip_blanks();
            if self.next() != Some(b'"') {
                return self.fail("looking for beginning of object key string");
            }
            self.text()?;
            self.skip_blanks();
            if !self.take(b":") {
                return self.fail("after object key");
            }
            self.value()?;
            self.skip_blanks();
            if self.take(b"}") {
                return Ok(());
            }
            if !self.take(b",") {
                return self.fail("after object key:value pair");
            }
        }
    }

    fn array(&mut self) -> Scanned {
        self.skip_blanks();
        if self.take(b"]") {
            return Ok(());
        }
        loop {
            self.value()?;
            self.skip_blanks();
            if self.take(b"]") {
                return Ok(());
            }
            if !self.take(b",") {
                return self.fail("after array element");
            }
        }
    }

    fn text(&mut self) -> Scanned {
        self.at += 1;
        loop {
            match self.next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    if self.take(b"u") {
                        for _ in 0..4 {
                            if !self.take(b"0123456789abcdefABCDEF") {
                                return self.fail("in \\u hexadecimal character escape");
                            }
                        }
                    } else if !self.take(b"bfnrt\\/\"") {
                        return self.fail("in string escape code");
                    }
                }
                Some(byte) if byte >= 0x20 => self.at += 1,
                Some(_) | None => return self.fail("in string literal"),
            }
        }
    }

    fn number(&mut self) -> Scanned {
        self.take(b"-");
        if !self.take(b"0") {
            self.digits("in numeric literal")?;
        }
        if self.take(b".") {
            self.digits("after decimal point in numeric literal")?;
        }
        if self.take(b"eE") {
            self.take(b"+-");
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Scanned {
        if !self.take(b"0123456789") {
            return self.fail(context);
        }
        while self.take(b"0123456789") {}
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for byte in word.bytes() {
            if !self.take(&[byte]) {
                return self.fail(&format!("in literal {word} (expecting {})", quoted(byte)));
            }
        }
        Ok(())
    }
}

/// A byte as Go quotes it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa1 => format!("'\\u{:04x}'", u32::from(byte)),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_as_gos_scanner_tells_them() {
        for (body, wanted) in [
            ("{\"a\": [1, 2.5e-3, true, null, \"\\u00e9\\n\"]} ", None),
            ("", Some("unexpected end of JSON input")),
            ("{\"a\":", Some("unexpected end of JSON input")),
            ("nonsense", Some("invalid character 'o' in literal null (expecting 'u')")),
            ("{metadata}", Some("invalid character 'm' looking for beginning of object key string")),
            ("{\"a\" 1}", Some("invalid character '1' after object key")),
            ("{\"a\":1 \"b\"}", Some("invalid character '\"' after object key:value pair")),
            ("{\"a\":1,}", Some("invalid character '}' looking for beginning of object key string")),
            ("[1 2]", Some("invalid character '2' after array element")),
            ("[1,]", Some("invalid character ']' looking for beginning of value")),
            ("\"a\nb\"", Some("invalid character '\\n' in string literal")),
            ("\"\\x\"", Some("invalid character 'x' in string escape code")),
            ("01", Some("invalid character '1' after top-level value")),
            ("1.", Some("unexpected end of JSON input")),
            ("-a", Some("invalid character 'a' in numeric literal")),
            ("apiVersion: v1", Some("invalid character 'a' looking for beginning of value")),
        ] {
            assert_eq!(of(body.as_bytes()).as_deref(), wanted, "{body}");
        }
        assert_eq!(of("[".repeat(1_000_000).as_bytes()).as_deref(), Some("exceeded max depth"));
    }
}

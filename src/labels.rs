//! Label selectors as text, such as `app=web,tier in (a,b),!canary`: what a scale subresource says of its
//! pods and what a list is narrowed down by. The client library has their meaning but not their text.

use k8s_openapi::apimachinery::pkg::apis::meta::v1;

/// Requirements that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl LabelSelector {
    /// Reads a selector; an empty text selects everything.
    ///
    /// # Errors
    /// What an API server says of such a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens::of(text);
        let mut requirements = Vec::new();
        loop {
            match tokens.peek() {
                Token::End => return Ok(Self(requirements)),
                Token::Word(_) | Token::Symbol("!") => {}
                Token::Symbol(found) => {
                    return Err(format!("found '{found}', expected: !, identifier, or 'end of string'"));
                }
            }
            let requirement =
                tokens.requirement().map_err(|error| format!("unable to parse requirement: {error}"))?;
            requirements.push(requirement);
            match tokens.take() {
                Token::End => return Ok(Self(requirements)),
                Token::Symbol(",") => match tokens.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other => return Err(format!("found '{other}', expected: identifier after ','")),
                },
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
    }

    /// The key and the values of each requirement.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|requirement| match requirement {
            Requirement::In(key, values) | Requirement::NotIn(key, values) => {
                (key.as_str(), values.as_slice())
            }
            Requirement::Exists(key) | Requirement::Missing(key) => (key.as_str(), &[][..]),
        })
    }

    /// Whether there is no requirement at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object is selected whose labels `label` gives.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let has = |key: &str, values: &[String]| label(key).is_some_and(|v| values.iter().any(|w| w == v));
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => has(key, values),
            Requirement::NotIn(key, values) => !has(key, values),
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Missing(key) => label(key).is_none(),
        })
    }
}

/// A selector as text, as a scale subresource writes it.
pub(crate) fn text_of(selector: &v1::LabelSelector) -> String {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|requirement| {
        let (key, values) = (&requirement.key, requirement.values.as_deref().unwrap_or_default().join(","));
        match requirement.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            // The API server knows one more, `Exists`.
            _ => key.clone(),
        }
    });
    equal.chain(expressions).collect::<Vec<_>>().join(",")
}

/// A piece of a selector's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'static str),
    End,
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(text) | Self::Symbol(text) => f.write_str(text),
            Self::End => Ok(()),
        }
    }
}

/// The pieces of a selector's text, read one by one (apimachinery, `pkg/labels/selector.go`).
#[derive(Debug)]
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text }
    }

    fn peek(&self) -> Token<'a> {
        Self { rest: self.rest }.take()
    }

    fn take(&mut self) -> Token<'a> {
        self.rest = self.rest.trim_start();
        for symbol in ["==", "!=", "=", "!", "(", ")", ",", ">", "<"] {
            if let Some(rest) = self.rest.strip_prefix(symbol) {
                self.rest = rest;
                return Token::Symbol(symbol);
            }
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if word.is_empty() { Token::End } else { Token::Word(word) }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let missing = self.peek() == Token::Symbol("!");
        if missing {
            self.take();
        }
        let key = match self.take() {
            Token::Word(key) => key.to_owned(),
            other => return Err(format!("found '{other}', expected: identifier")),
        };
        if missing {
            return Ok(Requirement::Missing(key));
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(Requirement::Exists(key));
        }
        match self.take() {
            Token::Symbol("=" | "==") => Ok(Requirement::In(key, vec![self.value()?])),
            Token::Symbol("!=") => Ok(Requirement::NotIn(key, vec![self.value()?])),
            Token::Word("in") => Ok(Requirement::In(key, self.values()?)),
            Token::Word("notin") => Ok(Requirement::NotIn(key, self.values()?)),
            other => Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(String::new());
        }
        match self.take() {
            Token::Word(value) => Ok(value.to_owned()),
            other => Err(format!("found '{other}', expected: identifier")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != Token::Symbol("(") {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        let mut wanted = true;
        loop {
            match self.take() {
                Token::Word(value) if wanted => {
                    values.push(value.to_owned());
                    wanted = false;
                }
                Token::Symbol(",") => {
                    if wanted {
                        values.push(String::new());
                    }
                    wanted = true;
                }
                Token::Symbol(")") => {
                    if wanted {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                other if values.is_empty() => {
                    return Err(format!("found '{other}', expected: ',', ')' or identifier"));
                }
                other if wanted => return Err(format!("found '{other}', expected: ',', or identifier")),
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_select_by_equality_sets_and_existence() {
        for (text, wanted) in [
            ("", true),
            ("k=v", true),
            ("k==v", true),
            ("k!=v", false),
            ("z!=v", true),
            ("k in (w, v),k!=w", true),
            ("k notin (v)", false),
            ("k", true),
            ("!k", false),
            (" ! z , k ", true),
        ] {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.matches(|key| (key == "k").then_some("v")), wanted, "{text}");
            assert_eq!(selector.is_empty(), text.is_empty());
        }
        for (text, wanted) in [
            ("==", "found '==', expected: !, identifier, or 'end of string'"),
            (",", "found ',', expected: !, identifier, or 'end of string'"),
            ("k=v x", "found 'x', expected: ',' or 'end of string'"),
            ("k=v,", "found '', expected: identifier after ','"),
            ("k in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("k in b", "unable to parse requirement: found 'b' expected: '('"),
            ("k near v", "unable to parse requirement: found 'near', expected: in, notin, =, ==, !=, gt, lt"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
        ] {
            assert_eq!(LabelSelector::parse(text).expect_err(text), wanted, "{text}");
        }
    }
}

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
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (requirement, after) = parse_requirement(rest)?;
            requirements.push(requirement);
            rest = match after.trim_start().strip_prefix(',') {
                Some(more) => more.trim_start(),
                None if after.trim().is_empty() => "",
                None => return Err(format!("found '{}', expected: ',' or 'end of string'", after.trim())),
            };
        }
        Ok(Self(requirements))
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

fn parse_requirement(text: &str) -> Result<(Requirement, &str), String> {
    if let Some(negated) = text.strip_prefix('!') {
        let (key, rest) = identifier(negated.trim_start())?;
        return Ok((Requirement::Missing(key.to_owned()), rest));
    }
    let (key, rest) = identifier(text)?;
    let key = key.to_owned();
    let rest = rest.trim_start();
    for (operator, equal) in [("==", true), ("!=", false), ("=", true)] {
        if let Some(after) = rest.strip_prefix(operator) {
            let (value, rest) = word(after.trim_start());
            let values = vec![value.to_owned()];
            let found = if equal { Requirement::In(key, values) } else { Requirement::NotIn(key, values) };
            return Ok((found, rest));
        }
    }
    for (operator, inside) in [("in", true), ("notin", false)] {
        if let Some(after) = rest.strip_prefix(operator)
            && let Some(list) = after.trim_start().strip_prefix('(')
        {
            let (values, rest) = list.split_once(')').ok_or("found '', expected: ',' or ')'")?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            let found = if inside { Requirement::In(key, values) } else { Requirement::NotIn(key, values) };
            return Ok((found, rest));
        }
    }
    Ok((Requirement::Exists(key), rest))
}

fn identifier(text: &str) -> Result<(&str, &str), String> {
    let (found, rest) = word(text);
    if found.is_empty() {
        let symbol: String = text.chars().take_while(|c| "=!()<>".contains(*c)).collect();
        return Err(format!("found '{symbol}', expected: !, identifier, or 'end of string'"));
    }
    Ok((found, rest))
}

fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c)).unwrap_or(text.len());
    text.split_at(end)
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
        for text in ["==", "k=v x", "k in (a", ",", "k in b"] {
            LabelSelector::parse(text).expect_err(text);
        }
    }
}

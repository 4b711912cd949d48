//! The form and the format in which a client wants its answer (apiserver, `pkg/endpoints/handlers/negotiation`).

use http::{HeaderMap, header};

use super::error::ApiError;
use super::request::{accept, parameter};

/// The form in which a client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Whole objects.
    Whole,
    /// Rows of a table, rendered by the server.
    Table,
    /// Metadata alone.
    Partial,
}

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON, on one line.
    Json,
    /// JSON that people can read.
    PrettyJson,
    /// YAML.
    Yaml,
}

impl Format {
    /// The media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json | Self::PrettyJson => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// How an answer is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The form of objects.
    pub(crate) form: Form,
    /// The format of the body.
    pub(crate) format: Format,
}

/// What a client gets that doesn't say, or that can't have what it wants.
pub(crate) const PLAIN: Wanted = Wanted { form: Form::Whole, format: Format::Json };

/// What the server writes. A real one writes Protobuf, too.
const WRITTEN: &str = "application/json, application/yaml";

/// The first that a client accepts and the server has. `pretty` is the parameter of that name.
///
/// # Errors
/// 406 when there is none.
pub(crate) fn wanted(headers: &HeaderMap, pretty: Option<&str>) -> Result<Wanted, ApiError> {
    let header = accept(headers);
    if header.trim().is_empty() {
        return Ok(Wanted { format: json(headers, pretty), ..PLAIN });
    }
    let mut clauses: Vec<&str> = header.split(',').map(str::trim).collect();
    clauses.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    let found = clauses.into_iter().find_map(|clause| {
        let format = match clause.split(';').next().unwrap_or_default().trim() {
            "*/*" | "application/*" | "application/json" => json(headers, pretty),
            "application/yaml" => Format::Yaml,
            _ => return None,
        };
        let known = parameter(clause, "g").is_none_or(|group| group == "meta.k8s.io")
            && parameter(clause, "v").is_none_or(|version| matches!(version, "v1" | "v1beta1"));
        let form = match parameter(clause, "as") {
            None => Form::Whole,
            Some("Table") if known => Form::Table,
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if known => Form::Partial,
            Some(_) => return None,
        };
        Some(Wanted { form, format })
    });
    found.ok_or_else(|| ApiError::not_acceptable(WRITTEN))
}

/// How much a client wants what a clause says.
fn weight(clause: &str) -> f64 {
    parameter(clause, "q").and_then(|weight| weight.parse().ok()).unwrap_or(1.0)
}

/// People who ask by hand get what they can read.
fn json(headers: &HeaderMap, pretty: Option<&str>) -> Format {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_hand = ["curl", "Wget", "Mozilla/5.0"].iter().any(|name| agent.starts_with(name));
    let pretty = match pretty {
        Some(text) => matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        None => by_hand,
    };
    if pretty { Format::PrettyJson } else { Format::Json }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_acceptable_form_and_format_is_taken() {
        let is = |form, format| Some(Wanted { form, format });
        for (header, agent, pretty, expected) in [
            ("", "", None, is(Form::Whole, Format::Json)),
            ("*/*", "curl/8.0", None, is(Form::Whole, Format::PrettyJson)),
            ("*/*", "curl/8.0", Some("false"), is(Form::Whole, Format::Json)),
            ("application/json", "", Some("true"), is(Form::Whole, Format::PrettyJson)),
            ("application/yaml", "", None, is(Form::Whole, Format::Yaml)),
            ("application/json;q=0.5, application/yaml", "", None, is(Form::Whole, Format::Yaml)),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                "",
                None,
                is(Form::Table, Format::Json),
            ),
            (
                "application/json;as=Table;v=v9;g=meta.k8s.io,application/json",
                "",
                None,
                is(Form::Whole, Format::Json),
            ),
            ("application/vnd.kubernetes.protobuf, */*", "", None, is(Form::Whole, Format::Json)),
            (
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                "",
                None,
                is(Form::Partial, Format::Json),
            ),
            ("application/vnd.kubernetes.protobuf", "", None, None),
            ("text/html", "", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(header));
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            assert_eq!(wanted(&headers, pretty).ok(), expected, "{header} {agent} {pretty:?}");
        }
    }
}

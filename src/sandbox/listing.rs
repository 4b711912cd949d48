//! The parameters of lists and watches, and what is wrong with them (apimachinery,
//! `pkg/apis/meta/internalversion/validation`, and apiserver, `pkg/storage/{continue,interfaces}.go`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::error::{ApiError, FieldError};
use super::request::Parameters;

/// What a list or a watch asks for, besides selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListOptions {
    /// How many objects a page has at most.
    pub(crate) limit: Option<usize>,
    /// How long a watch lasts, in seconds.
    pub(crate) timeout_seconds: Option<u64>,
    /// Whether a watch begins with what there is and marks its end.
    pub(crate) initial_events: bool,
    /// Whether a watch is told the version that it has reached.
    pub(crate) bookmarks: bool,
    /// The version as it was given.
    pub(crate) version: String,
    /// Whether the version is to be met exactly.
    pub(crate) exact: bool,
    /// Where a page goes on, as it was given.
    pub(crate) continued: String,
}

impl ListOptions {
    /// Reads the parameters of a list, or of a watch.
    ///
    /// # Errors
    /// 400 for what is no number, 422 for what doesn't go together.
    pub(crate) fn of(parameters: &Parameters, watch: bool) -> Result<Self, ApiError> {
        let limit = whole(parameters, "limit")?;
        let timeout = whole(parameters, "timeoutSeconds")?;
        let errors = if watch { judge_watch(parameters) } else { judge_list(parameters) };
        if !errors.is_empty() {
            return Err(ApiError::invalid_options("ListOptions", &errors));
        }
        let version = parameters.text("resourceVersion").to_owned();
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        // Without a word on how to match, pages of a version are of that very version.
        let paged = limit.is_some() && !matches!(version.as_str(), "" | "0");
        let exact = match parameters.text("resourceVersionMatch") {
            "" => paged,
            matching => matching == EXACT,
        };
        Ok(Self {
            limit,
            timeout_seconds: timeout.and_then(|seconds| u64::try_from(seconds).ok()),
            initial_events: parameters.is_set("sendInitialEvents"),
            bookmarks: parameters.is_set("allowWatchBookmarks"),
            version,
            exact,
            continued: parameters.text("continue").to_owned(),
        })
    }

    /// The version that a list has to be at least as new as, or of; 0 for any.
    ///
    /// # Errors
    /// 400 when it is no number.
    pub(crate) fn list_version(&self) -> Result<u64, ApiError> {
        self.number().map_err(|error| ApiError::bad_request(format!("invalid resource version: {error}")))
    }

    /// The version that a watch starts after; 0 for any.
    ///
    /// # Errors
    /// 422 when it is no number; `group` and `plural` name the resource.
    pub(crate) fn watch_version(&self, group: &str, plural: &str) -> Result<u64, ApiError> {
        self.number().map_err(|error| ApiError::invalid(group, plural, "", &[error]))
    }

    fn number(&self) -> Result<u64, FieldError> {
        if self.version.is_empty() {
            return Ok(0);
        }
        self.version.parse().map_err(|error: std::num::ParseIntError| {
            let why = parse_problem(*error.kind());
            let detail = format!("strconv.ParseUint: parsing {:?}: {why}", self.version);
            FieldError::invalid("resourceVersion", &json!(self.version), &detail)
        })
    }
}

const EXACT: &str = "Exact";
const NOT_OLDER_THAN: &str = "NotOlderThan";

/// A parameter that is a whole number.
fn whole(parameters: &Parameters, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = parameters.given(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|error: std::num::ParseIntError| {
        let why = parse_problem(*error.kind());
        ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
    })
}

fn parse_problem(kind: std::num::IntErrorKind) -> &'static str {
    match kind {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

fn judge_list(parameters: &Parameters) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut forbid = |field: &str, detail: &str| errors.push(FieldError::forbidden(field, detail));
    let matching = parameters.text("resourceVersionMatch");
    let field = "resourceVersionMatch";
    if !matching.is_empty() {
        if parameters.text("resourceVersion").is_empty() {
            forbid(field, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !parameters.text("continue").is_empty() {
            forbid(field, "resourceVersionMatch is forbidden when continue is provided");
        }
        if matching == EXACT && parameters.text("resourceVersion") == "0" {
            forbid(field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if matching != EXACT && matching != NOT_OLDER_THAN {
            let known = [EXACT, NOT_OLDER_THAN, ""].map(Value::from);
            errors.push(FieldError::unsupported(field, &json!(matching), &known));
        }
    }
    if parameters.given("sendInitialEvents").is_some() {
        errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    errors
}

fn judge_watch(parameters: &Parameters) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let field = "resourceVersionMatch";
    let matching = parameters.text(field);
    let initial = parameters.given("sendInitialEvents").is_some();
    if initial && matching != NOT_OLDER_THAN {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(FieldError::forbidden(field, detail));
    }
    if !matching.is_empty() {
        if !initial {
            let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(field, detail));
        }
        if matching != NOT_OLDER_THAN {
            errors.push(FieldError::unsupported(field, &json!(matching), &[json!(NOT_OLDER_THAN)]));
        }
        if !parameters.text("continue").is_empty() {
            let detail = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(field, detail));
        }
    }
    errors
}

/// Where a page ends: the version of the list, and namespace and name of the last object shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The version.
    pub(crate) version: u64,
    /// The namespace.
    pub(crate) namespace: String,
    /// The name.
    pub(crate) name: String,
}

impl Place {
    /// The token by which a client asks for the next page.
    pub(crate) fn token(&self) -> String {
        let path = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        // What comes next is greater than the name with the least of all letters behind it.
        let start = format!("{path}{}\0", self.name);
        URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": self.version, "start": start}).to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 when it is none of this server's.
    pub(crate) fn of(token: &str) -> Result<Self, ApiError> {
        let refuse = |why: &str| {
            let message = format!("invalid continue token: continue key is not valid: {why}");
            ApiError::bad_request(message)
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                    token.len() / 4 * 4
                }
            };
            refuse(&format!("illegal base64 data at input byte {at}"))
        })?;
        let place: Value = serde_json::from_slice(&bytes).map_err(|_| match bytes.first() {
            None => refuse("unexpected end of JSON input"),
            Some(first) => {
                let first = char::from(*first);
                refuse(&format!("invalid character {first:?} looking for beginning of value"))
            }
        })?;
        let version = place["v"].as_str().unwrap_or_default();
        if version != "meta.k8s.io/v1" {
            return Err(refuse(&format!("server does not recognize this encoded version {version}")));
        }
        let number = place["rv"].as_u64().unwrap_or_default();
        if number == 0 {
            return Err(refuse("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        let start = place["start"].as_str().unwrap_or_default();
        if start.is_empty() {
            return Err(refuse("encoded start key empty (version meta.k8s.io/v1)"));
        }
        let (namespace, name) = start.split_once('/').unwrap_or(("", start));
        let name = name.trim_end_matches('\0');
        Ok(Self { version: number, namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, watch: bool) -> Result<ListOptions, ApiError> {
        let uri = format!("/x?{query}").parse().expect("a path");
        ListOptions::of(&Parameters::of(&uri), watch)
    }

    #[test]
    fn parameters_that_are_no_numbers_or_do_not_go_together_are_refused() {
        let forbidden = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: ";
        for (query, watch, code, wanted) in [
            ("limit=abc", false, 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"),
            ("limit=", false, 400, "strconv.ParseInt: parsing \"\": invalid syntax"),
            (
                "limit=99999999999999999999",
                false,
                400,
                "strconv.ParseInt: parsing \"99999999999999999999\": value out of range",
            ),
            ("timeoutSeconds=1s", true, 400, "strconv.ParseInt: parsing \"1s\": invalid syntax"),
            (
                "resourceVersionMatch=Exact",
                false,
                422,
                &format!("{forbidden}resourceVersionMatch is forbidden unless resourceVersion is provided"),
            ),
            (
                "resourceVersionMatch=Exact&resourceVersion=0",
                false,
                422,
                &format!("{forbidden}resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
            ),
            (
                "sendInitialEvents=true",
                true,
                422,
                &format!(
                    "{forbidden}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                ),
            ),
            (
                "sendInitialEvents=true",
                false,
                422,
                "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is \
                 forbidden for list",
            ),
        ] {
            let refused = asked(query, watch).expect_err(query);
            assert_eq!((refused.code, refused.message.as_str()), (code, wanted), "{query}");
        }
        let version = asked("resourceVersion=x", true).expect("read later");
        assert_eq!(
            version.list_version().expect_err("no number").message,
            "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": \
             invalid syntax"
        );
        assert_eq!(version.watch_version("g", "things").expect_err("no number").code, 422);
    }

    #[test]
    fn pages_of_a_version_are_of_that_very_version() {
        for (query, exact) in [
            ("resourceVersion=5&limit=2", true),
            ("resourceVersion=5", false),
            ("resourceVersion=0&limit=2", false),
            ("resourceVersion=5&limit=2&resourceVersionMatch=NotOlderThan", false),
            ("resourceVersion=5&resourceVersionMatch=Exact", true),
        ] {
            assert_eq!(asked(query, false).expect(query).exact, exact, "{query}");
        }
    }

    #[test]
    fn tokens_are_read_back_and_others_refused() {
        for (namespace, name) in [("a", "b"), ("", "b")] {
            let place = Place { version: 7, namespace: namespace.to_owned(), name: name.to_owned() };
            assert_eq!(Place::of(&place.token()).expect("a token"), place);
        }
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for (token, wanted) in [
            ("a.b".to_owned(), "illegal base64 data at input byte 1"),
            (encoded("nonsense"), "invalid character 'n' looking for beginning of value"),
            (encoded("{}"), "server does not recognize this encoded version "),
            (
                encoded("{\"v\":\"meta.k8s.io/v1\"}"),
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
            (
                encoded("{\"v\":\"meta.k8s.io/v1\",\"rv\":1}"),
                "encoded start key empty (version meta.k8s.io/v1)",
            ),
        ] {
            let refused = Place::of(&token).expect_err(&token);
            let wanted = format!("invalid continue token: continue key is not valid: {wanted}");
            assert_eq!((refused.code, refused.message), (400, wanted));
        }
    }
}

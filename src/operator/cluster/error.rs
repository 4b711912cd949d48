//! Why a call to the Kubernetes API failed, and what follows from it.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use kube::core::Status;

use crate::operator::text::shorten;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::operator) enum CallError {
    /// The API server knows neither this object nor perhaps its kind.
    #[error("{0}")]
    NotFound(String),
    /// The operator's service account may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The API server found the request invalid, or its precondition failed.
    #[error("{0}")]
    Unprocessable(String),
    /// Another operator leads, or may lead by now: nothing was sent.
    #[error("this operator does not lead")]
    NotLeading,
    /// The operator ends, and others wait for that: nothing was sent, or it was given up.
    #[error("this operator stops")]
    Stopping,
    /// The API server refused with another status code.
    #[error("the API server answered {code}: {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// What it said.
        message: String,
        /// How long it asks the caller to wait, when it says so.
        retry_after: Option<Duration>,
    },
    /// There was no answer in time.
    #[error("the API server did not answer within {0:?}")]
    Timeout(Duration),
    /// There was no answer, or not one that could be understood.
    #[error("the API server could not be reached or understood")]
    Transport(#[source] Box<kube::Error>),
}

impl CallError {
    /// A bounded label for metrics and outcomes.
    pub(in crate::operator) fn category(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not-found",
            Self::Forbidden(_) => "forbidden",
            Self::Unprocessable(_) => "unprocessable",
            Self::NotLeading => "not-leading",
            Self::Stopping => "stopping",
            Self::Refused { .. } => "refused",
            Self::Timeout(_) => "timeout",
            Self::Transport(_) => "transport",
        }
    }

    /// What somebody can do about it, if that is known: the end of a sentence about the failure.
    pub(in crate::operator) fn cure(&self) -> Option<&'static str> {
        match self {
            // Server-side apply refuses what the schema doesn't have, and drops nothing. The code is 500, and may become 400
            // (kubernetes/kubernetes#139253).
            Self::Refused { message, .. } if message.ends_with("field not declared in schema") => {
                Some("; the CRDs are older than this operator: apply its own (kubectl apply -k crds)")
            }
            // An object of a custom kind that never said how many replicas it wants has no scale (apiextensions,
            // `ScaleREST.Get`).
            Self::Refused { message, .. } if lacks_replicas(message) => {
                Some("; give it a number of replicas, and it can be scaled")
            }
            Self::Refused { .. }
            | Self::NotFound(_)
            | Self::Forbidden(_)
            | Self::Unprocessable(_)
            | Self::NotLeading
            | Self::Stopping
            | Self::Timeout(_)
            | Self::Transport(_) => None,
        }
    }

    /// The same once more, for somebody else who has waited for the same answer.
    pub(super) fn retold(&self) -> Self {
        match self {
            Self::NotFound(message) => Self::NotFound(message.clone()),
            Self::Forbidden(message) => Self::Forbidden(message.clone()),
            Self::Unprocessable(message) => Self::Unprocessable(message.clone()),
            Self::NotLeading => Self::NotLeading,
            Self::Stopping => Self::Stopping,
            Self::Refused { code, message, retry_after } => {
                Self::Refused { code: *code, message: message.clone(), retry_after: *retry_after }
            }
            Self::Timeout(waited) => Self::Timeout(*waited),
            Self::Transport(cause) => {
                Self::Transport(Box::new(kube::Error::Service(cause.to_string().into())))
            }
        }
    }

    /// Whether a write that ended so may have been carried out all the same.
    pub(in crate::operator) fn leaves_doubt(&self) -> bool {
        match self {
            Self::NotFound(_)
            | Self::Forbidden(_)
            | Self::Unprocessable(_)
            | Self::NotLeading
            | Self::Stopping => false,
            Self::Refused { code, .. } => *code >= 500,
            Self::Timeout(_) | Self::Transport(_) => true,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub(in crate::operator) fn is_passing(&self) -> bool {
        match self {
            Self::NotFound(_)
            | Self::Forbidden(_)
            | Self::Unprocessable(_)
            | Self::NotLeading
            | Self::Stopping => false,
            Self::Refused { message, .. } if lacks_replicas(message) => false,
            Self::Refused { code, .. } => *code == 409 || *code == 429 || *code >= 500,
            Self::Timeout(_) | Self::Transport(_) => true,
        }
    }

    /// How long the API server asks the caller to wait before the next try.
    pub(in crate::operator) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::NotFound(_)
            | Self::Forbidden(_)
            | Self::Unprocessable(_)
            | Self::NotLeading
            | Self::Stopping
            | Self::Timeout(_)
            | Self::Transport(_) => None,
        }
    }

    /// What an answer means that is no success. A server that is overloaded answers with plain text.
    pub(super) fn answered(code: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body).ok().filter(|status| status.code != 0);
        let said = status.as_ref().map(|status| status.message.clone());
        let message = said.unwrap_or_else(|| shorten(String::from_utf8_lossy(body).trim(), 512));
        let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = header.map(Duration::from_secs).or_else(|| status.as_ref().and_then(details));
        Self::of_code(status.map_or(code.as_u16(), |status| status.code), message, retry_after)
    }

    fn of_code(code: u16, message: String, retry_after: Option<Duration>) -> Self {
        match code {
            403 => Self::Forbidden(message),
            404 => Self::NotFound(message),
            422 => Self::Unprocessable(message),
            code => Self::Refused { code, message, retry_after },
        }
    }
}

/// Whether an API server says so of an object without replicas.
fn lacks_replicas(message: &str) -> bool {
    message.contains("the spec replicas field") && message.ends_with("does not exist")
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let retry_after = details(&status);
                Self::of_code(status.code, status.message, retry_after)
            }
            // The API server's list of what it serves was read, and has no such kind.
            kube::Error::Discovery(error) => Self::NotFound(error.to_string()),
            error => Self::Transport(Box::new(error)),
        }
    }
}

/// How long a `Status` asks the caller to wait.
fn details(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_that_a_server_asks_for_is_read_from_the_header_or_else_from_the_status() {
        let detailed = r#"{"kind":"Status","status":"Failure","code":429,"message":"no","details":{"retryAfterSeconds":7}}"#;
        for (code, header, body, category, seconds) in [
            (429, Some("1"), "Too many requests, please try again later.", "refused", Some(1)),
            (429, Some("3"), detailed, "refused", Some(3)),
            (429, None, detailed, "refused", Some(7)),
            (429, Some("Mon, 23 Nov 2026 07:00:00 GMT"), "", "refused", None),
            (503, Some("2"), "", "refused", Some(2)),
            (500, None, "", "refused", None),
            (404, None, "404 page not found", "not-found", None),
            (403, None, "", "forbidden", None),
            (422, None, "", "unprocessable", None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(RETRY_AFTER, header.parse().expect("a header"));
            }
            let code = StatusCode::from_u16(code).expect("a code");
            let error = CallError::answered(code, &headers, body.as_bytes());
            let expected = (category, seconds.map(Duration::from_secs));
            assert_eq!((error.category(), error.retry_after()), expected, "{code} {header:?} {body}");
        }
    }

    #[test]
    fn an_object_without_replicas_is_not_tried_again_in_a_moment_and_a_server_that_is_lost_is() {
        for (message, is_passing) in [
            (r#"Internal error occurred: the spec replicas field ".spec.replicas" does not exist"#, false),
            ("Internal error occurred: etcdserver: leader changed", true),
        ] {
            let status =
                serde_json::json!({"kind": "Status", "status": "Failure", "code": 500, "message": message});
            let body = status.to_string();
            let code = StatusCode::INTERNAL_SERVER_ERROR;
            let error = CallError::answered(code, &HeaderMap::new(), body.as_bytes());
            assert_eq!((error.is_passing(), error.cure().is_none()), (is_passing, is_passing), "{message}");
        }
    }
}

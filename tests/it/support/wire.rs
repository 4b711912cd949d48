//! The sandbox as it is on the wire: requests as they are, and answers as they are sent.

use std::error::Error;

use http::StatusCode;
use serde_json::Value;
use tidetable::clock::Clock;
use tidetable::sandbox::{Sandbox, SandboxOptions};

/// A sandbox and a client that sees answers as they are sent.
pub(crate) struct Wire {
    pub(crate) sandbox: Sandbox,
    http: reqwest::Client,
}

/// What the sandbox answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl Wire {
    pub(crate) async fn started() -> Result<Self, Box<dyn Error>> {
        // Another test of this binary may have chosen the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { sandbox: Sandbox::start(SandboxOptions::new(Clock::real())).await?, http })
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, Box<dyn Error>> {
        let url = format!("{}{path}", self.sandbox.url());
        let mut request = self.http.request(method.parse()?, url).bearer_auth(self.sandbox.token());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Answer { status, headers, body: answer.bytes().await?.to_vec() })
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, Box<dyn Error>> {
        self.ask("GET", path, headers, None).await
    }
}

//! How a call is made: with a deadline, and one that changes something while this operator leads alone.

use std::pin::{Pin, pin};
use std::time::Duration;

use futures::TryFutureExt;
use futures::future::poll_fn;
use serde::de::DeserializeOwned;

use super::{CallError, Cluster};
use crate::operator::leader::Leadership;

impl Cluster {
    /// Sends a request. kube's own calls do the same, but lose how long a refused caller is asked to wait.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<T, CallError> {
        let (head, body) = self.client.send(request.map(kube::client::Body::from)).await?.into_parts();
        let body = body.collect_bytes().await?;
        if !head.status.is_success() {
            return Err(CallError::answered(head.status, &head.headers, &body));
        }
        serde_json::from_slice(&body).map_err(|error| CallError::from(kube::Error::SerdeError(error)))
    }

    /// Makes a call with a deadline. It is on the heap: thousands of policies wait at a time, and few of them call.
    pub(super) fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> impl Future<Output = Result<T, CallError>> + Send
    where
        CallError: From<E>,
    {
        self.counted(within(self.deadline, Box::pin(call).map_err(CallError::from)))
    }

    /// Makes a call that changes something: only while this operator leads, and not for longer.
    pub(super) async fn write<T, E>(
        &self,
        call: Pin<Box<impl Future<Output = Result<T, E>> + Send>>,
    ) -> Result<T, CallError>
    where
        CallError: From<E>,
    {
        let left = self.leadership.may_write().ok_or(CallError::NotLeading)?;
        let deadline = self.deadline.min(left);
        self.counted(within(deadline, fenced(&self.leadership, deadline, call))).await
    }

    /// Counts a call that fails.
    fn counted<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> impl Future<Output = Result<T, CallError>> {
        call.inspect_err(|error| self.failures.count(error))
    }
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    tokio::time::timeout(deadline, call).await.unwrap_or(Err(CallError::Timeout(deadline)))
}

/// Goes on with a call only while its term lasts. A process that stood still while it connected would otherwise send
/// the request when it wakes, before it looks how long that was.
async fn fenced<T, E>(
    leadership: &Leadership,
    deadline: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, CallError>
where
    CallError: From<E>,
{
    let term = leadership.term();
    let mut call = pin!(call);
    poll_fn(|context| {
        if leadership.may_finish(term) {
            call.as_mut().poll(context).map_err(CallError::from)
        } else {
            // Nobody knows how far it got.
            std::task::Poll::Ready(Err(CallError::Timeout(deadline)))
        }
    })
    .await
}

pub(super) fn patch_request(
    url: &str,
    content_type: &str,
    body: &serde_json::Value,
) -> Result<http::Request<Vec<u8>>, CallError> {
    http::Request::patch(url)
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::ACCEPT, "application/json")
        .body(body.to_string().into_bytes())
        .map_err(|error| CallError::from(kube::Error::HttpError(error)))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use jiff::SignedDuration;

    use super::*;
    use crate::clock::Clock;

    /// A call that sends its request as soon as it is connected.
    async fn send(connected: tokio::sync::oneshot::Receiver<()>) -> Result<&'static str, kube::Error> {
        connected.await.expect("a connection");
        Ok("sent")
    }

    #[test]
    fn a_process_that_stands_still_while_it_connects_sends_nothing_when_it_wakes() {
        let origin: jiff::Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
        for (seconds, is_sent) in [(11, true), (16, false)] {
            let clock = Clock::stopped_at(origin);
            let leadership = Leadership::elected_for(&clock, [10, 15].map(Duration::from_secs));
            let (connect, connected) = tokio::sync::oneshot::channel();
            let mut call = Box::pin(fenced(&leadership, Duration::from_secs(5), send(connected)));
            assert!((&mut call).now_or_never().is_none(), "it connects");
            clock.advance_to(origin + SignedDuration::from_secs(seconds));
            connect.send(()).expect("somebody waits");
            let result = call.now_or_never().expect("an end");
            let is_given_up = matches!(result, Err(CallError::Timeout(_)));
            assert_eq!((matches!(result, Ok("sent")), is_given_up), (is_sent, !is_sent), "after {seconds} s");
        }
    }
}

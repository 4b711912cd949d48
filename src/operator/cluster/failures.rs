//! What is counted of calls that fail.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::CallError;

/// A counter for each category of [`CallError`].
pub(in crate::operator) type FailureCounts = Family<ByCategory, Counter<u64, AtomicU64>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(in crate::operator) struct ByCategory {
    category: &'static str,
}

/// How many calls have failed. Clones count together.
#[derive(Clone, Debug, Default)]
pub(in crate::operator) struct Failures(FailureCounts);

impl Failures {
    /// Counts a failure, unless nothing was sent.
    pub(in crate::operator) fn count(&self, error: &CallError) {
        match error {
            CallError::NotLeading | CallError::Stopping => {}
            CallError::NotFound(_)
            | CallError::Forbidden(_)
            | CallError::Unprocessable(_)
            | CallError::Refused { .. }
            | CallError::Timeout(_)
            | CallError::Transport(_) => {
                self.0.get_or_create(&ByCategory { category: error.category() }).inc();
            }
        }
    }

    /// The counters.
    pub(in crate::operator) fn counts(&self) -> FailureCounts {
        self.0.clone()
    }
}

//! What is kept of the objects of a kind.

use std::collections::HashMap;

use super::workload::Told;
use crate::operator::Key;

/// The objects of a kind, as far as policies name them.
#[derive(Default)]
pub(super) struct Kind {
    /// Whether the watch has told of each of `objects`.
    pub(super) is_listed: bool,
    /// Whether nobody need wait for the first list any more.
    pub(super) is_settled: bool,
    pub(super) objects: HashMap<Key, Known>,
    /// A list that is under way.
    pub(super) listing: HashMap<Key, Known>,
    /// How many objects were kept when those that no policy names were last let go.
    pub(super) kept: usize,
}

/// What is kept of an object.
pub(super) enum Known {
    Absent,
    There {
        version: String,
        /// What the watch says of it, for whoever looks next.
        told: Option<Box<Told>>,
    },
}

impl Known {
    pub(super) fn is_there(&self) -> bool {
        matches!(self, Self::There { .. })
    }

    /// Takes what was kept of the object before, and not looked at.
    pub(super) fn follow(&mut self, before: Option<&Self>) {
        if let (Self::There { told: Some(told), .. }, Some(Self::There { told: before, .. })) = (self, before)
        {
            told.follow(before.as_deref());
        }
    }
}

impl Kind {
    /// Lets go of what no policy claims any more, whenever there may be as much of it as of all else.
    pub(super) fn let_go(&mut self, is_claimed: impl Fn(&Key) -> bool) {
        if self.objects.len() > 2 * self.kept.max(32) {
            self.objects.retain(|key, _| is_claimed(key));
            self.objects.shrink_to_fit();
            self.kept = self.objects.len();
        }
    }
}

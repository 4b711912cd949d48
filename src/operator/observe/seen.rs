//! What is remembered of a workload from one look to the next, and what a watch may add to it.

use jiff::Timestamp;

use super::search::Search;
use crate::operator::cluster::ScaleSeen;
use crate::operator::targets::{Outline, Standing, Told};

/// What is remembered of a workload from one look to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::operator) enum Seen {
    /// Nobody has looked yet.
    #[default]
    Never,
    /// It may be otherwise than a watch says, and has to be read.
    InDoubt,
    /// How it was when it was last read or written.
    As(Known),
}

/// A workload as it was last read or written, and what a watch has told since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Known {
    pub(super) scale: ScaleSeen,
    search: Search,
}

impl Seen {
    /// How it was, if anybody knows.
    pub(super) fn known(&mut self) -> Option<&mut Known> {
        match self {
            Self::Never | Self::InDoubt => None,
            Self::As(known) => Some(known),
        }
    }

    /// Takes what a watch says. A watch may be behind what was read or written, so of a workload that was looked at it is
    /// told no more than that nothing of what can be set has changed, only the rest of the object.
    pub(super) fn learn(&mut self, told: &Told) {
        match (&mut *self, told) {
            (Self::Never, Told::Whole(watched)) => *self = Self::As(Known::from(watched.clone())),
            (Self::As(Known { scale, .. }), Told::Whole(watched))
                if (scale.setting, &scale.uid) == (watched.setting, &watched.uid) =>
            {
                scale.clone_from(watched);
            }
            (Self::As(known), Told::Outline(watched)) => known.follow(watched),
            (Self::Never | Self::InDoubt | Self::As(_), _) => {}
        }
    }

    /// What is remembered after it was read at `at`, when this was remembered before and that was known of it.
    pub(super) fn read(self, scale: ScaleSeen, standing: &Standing, at: Timestamp) -> Self {
        let mut known = Known::from(scale);
        if let (Self::As(before), Standing::Version(version)) = (self, standing)
            && before.is_of(version)
            && before.scale.uid == known.scale.uid
        {
            // Nothing but the status has moved, so that it was read for its selector alone.
            known.search = before.search;
            if before.scale.version == known.scale.version {
                (known.scale.generation, known.scale.ready) = (before.scale.generation, before.scale.ready);
            }
        }
        if known.scale.selector.is_none() {
            known.search = known.search.failed(at);
        }
        Self::As(known)
    }

    /// Takes what the answer to a write says. How many are ready is not in it.
    pub(in crate::operator) fn written(&mut self, scale: ScaleSeen) {
        let ready = self.known().and_then(|before| before.scale.ready);
        *self = Self::As(Known::from(ScaleSeen { ready, ..scale }));
    }
}

impl From<ScaleSeen> for Known {
    fn from(scale: ScaleSeen) -> Self {
        Self { scale, search: Search::default() }
    }
}

impl Known {
    /// Whether it is of this version, as far as the watch has told.
    pub(super) fn is_of(&self, version: &str) -> bool {
        self.scale.version.as_deref() == Some(version)
    }

    /// Whether it has to be read for which pods are its own, by who wants to know that.
    pub(super) fn may_say_more(&self, at: Timestamp) -> bool {
        self.scale.selector.is_none() && self.search.is_due(at)
    }

    /// Takes what a watch says, when the spec is as it was.
    fn follow(&mut self, watched: &Outline) {
        let Self { scale, search } = self;
        let has_old_spec = scale.generation.is_some() && scale.generation == watched.generation;
        if scale.version == watched.version || has_old_spec && scale.uid == watched.uid {
            if scale.version != watched.version {
                search.moved();
            }
            scale.version.clone_from(&watched.version);
            (scale.generation, scale.ready) = (watched.generation, Some(watched.ready));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::decision::Replicas;
    use crate::operator::setting::Setting;

    fn scale(version: &str, replicas: i32, ready: Option<i32>) -> ScaleSeen {
        ScaleSeen {
            version: Some(version.to_owned()),
            setting: Setting::Replicas(Replicas::new(replicas)),
            uid: Some("u".to_owned()),
            generation: None,
            selector: None,
            ready: ready.map(Replicas::new),
        }
    }

    fn outline(version: &str, generation: Option<i64>, ready: i32) -> Told {
        let (version, uid) = (Some(version.to_owned()), Some("u".to_owned()));
        Told::Outline(Outline { version, uid, generation, ready: Replicas::new(ready) })
    }

    #[test]
    fn a_watch_tells_of_a_first_look_and_of_what_has_not_been_set() {
        let (watched, read) = (scale("7", 3, Some(2)), scale("5", 3, None));
        let other = ScaleSeen { uid: Some("v".to_owned()), ..read.clone() };
        let seen = |scale: &ScaleSeen| Seen::As(Known::from(scale.clone()));
        for (before, expected) in [
            (Seen::Never, seen(&watched)),
            (Seen::InDoubt, Seen::InDoubt),
            (seen(&read), seen(&watched)),
            (seen(&scale("5", 4, None)), seen(&scale("5", 4, None))),
            (seen(&other), seen(&other)),
        ] {
            let mut learned = before.clone();
            learned.learn(&Told::Whole(watched.clone()));
            assert_eq!(learned, expected, "{before:?}");
        }
    }

    #[test]
    fn of_other_kinds_a_watch_tells_of_what_was_read_and_of_each_status_since() {
        let read = ScaleSeen { selector: Some("app=web".to_owned()), ..scale("5", 3, None) };
        let dated = ScaleSeen { generation: Some(2), ..read.clone() };
        let other = ScaleSeen { uid: Some("v".to_owned()), ..dated.clone() };
        let told = |version: &str, generation, ready| {
            let ready = Some(Replicas::new(ready));
            ScaleSeen { version: Some(version.to_owned()), generation, ready, ..read.clone() }
        };
        for (seen, watched, expected) in [
            (&read, outline("5", Some(2), 1), told("5", Some(2), 1)),
            (&read, outline("6", Some(2), 1), read.clone()),
            (&read, outline("6", None, 1), read.clone()),
            (&dated, outline("6", Some(2), 1), told("6", Some(2), 1)),
            (&dated, outline("6", Some(3), 1), dated.clone()),
            (&dated, outline("6", None, 1), dated.clone()),
            (&other, outline("6", Some(2), 1), other.clone()),
        ] {
            let mut learned = Seen::As(Known::from(seen.clone()));
            learned.learn(&watched);
            assert_eq!(
                learned.known().map(|known| known.scale.clone()),
                Some(expected),
                "{seen:?} {watched:?}"
            );
        }
        for seen in [Seen::Never, Seen::InDoubt] {
            let mut learned = seen.clone();
            learned.learn(&outline("6", Some(2), 1));
            assert_eq!(learned, seen, "the replicas are not told");
        }
    }

    #[test]
    fn what_names_no_selector_is_read_again_when_the_status_has_moved_and_some_time_has_passed() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let version = |version: &str| Standing::Version(version.to_owned());
        let may_say_more = |seen: &mut Seen, at| seen.known().is_some_and(|known| known.may_say_more(at));
        let mut seen = Seen::Never.read(scale("5", 3, None), &version("5"), at(0));
        seen.learn(&outline("5", Some(2), 3));
        assert!(!may_say_more(&mut seen, at(600)), "it has not moved");
        seen.learn(&outline("6", Some(2), 1));
        assert!(!may_say_more(&mut seen, at(15)) && may_say_more(&mut seen, at(60)));

        seen = seen.read(scale("6", 3, None), &version("6"), at(60));
        let known = seen.known().expect("read").scale.clone();
        assert_eq!(
            (known.generation, known.ready),
            (Some(2), Some(Replicas::new(1))),
            "as the watch has told"
        );
        seen.learn(&outline("7", Some(2), 1));
        assert!(!may_say_more(&mut seen, at(119)) && may_say_more(&mut seen, at(120)));
        let found = ScaleSeen { selector: Some("app=web".to_owned()), ..scale("7", 3, None) };
        let mut found = seen.clone().read(found, &version("7"), at(120));
        found.learn(&outline("8", Some(2), 1));
        assert!(!may_say_more(&mut found, at(600)));

        // Another spec, which had to be read at once: whatever was known of the search counts no more.
        let mut other = seen.read(scale("8", 4, None), &version("8"), at(3600));
        assert_eq!(other, Seen::Never.read(scale("8", 4, None), &version("8"), at(3600)));
        other.written(scale("9", 5, None));
        other.learn(&outline("9", Some(4), 1));
        assert!(!may_say_more(&mut other, at(3600)), "it was in the answer to the write");
    }
}

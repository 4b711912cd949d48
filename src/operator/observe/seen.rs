//! What is remembered of a workload from one look to the next, and what a watch may add to it.

use jiff::{SignedDuration, Timestamp};

use super::search::{Search, Vain};
use crate::operator::Occasion;
use crate::operator::cluster::ScaleSeen;
use crate::operator::targets::{Outline, Standing, Told};

/// The least and the most time until a workload without a scale subresource is asked for one again at a tick, although it is as
/// it was: its kind may have got one, or the API server may only now know of it.
const OF_SCALE: [SignedDuration; 2] = [SignedDuration::from_secs(15), SignedDuration::from_mins(5)];

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
    /// It is there, and has no scale subresource. On the heap, since that is seldom.
    Unscalable(Box<Unscalable>),
}

/// A workload as it was last read or written, and what a watch has told since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Known {
    pub(super) scale: ScaleSeen,
    search: Search,
}

/// A workload that has no scale subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Unscalable {
    version: String,
    uid: Option<String>,
    /// The generation of its spec, when a watch has told of it.
    generation: Option<i64>,
    /// When it was asked for it.
    vain: Vain,
    /// What the API server said.
    pub(super) said: String,
}

impl Seen {
    /// Whether it is still so, by what the watch has told. For an edge, and for a policy that is new or has changed, nothing is
    /// left unasked that may be otherwise.
    pub(super) fn holds(
        &self,
        standing: &Standing,
        wants_pods: bool,
        occasion: Occasion,
        at: Timestamp,
    ) -> bool {
        let version = match standing {
            Standing::Unknown | Standing::Absent => return false,
            Standing::Version(version) => version,
        };
        match self {
            Self::Never | Self::InDoubt => false,
            Self::As(known) => known.is_of(version) && !(wants_pods && known.may_say_more(at)),
            Self::Unscalable(unscalable) => {
                unscalable.version == *version
                    && matches!(occasion, Occasion::Retry | Occasion::Tick)
                    && unscalable.vain.is_left_alone(at, OF_SCALE)
            }
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
            (Self::Unscalable(unscalable), Told::Outline(watched)) => unscalable.follow(watched),
            (Self::Never | Self::InDoubt | Self::As(_) | Self::Unscalable(_), _) => {}
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

    /// What is remembered when this version of it was asked in vain for a scale subresource at `asked`.
    pub(super) fn unscalable(self, version: &str, said: String, asked: Timestamp) -> Self {
        let version = version.to_owned();
        let (uid, generation, vain) = match self {
            Self::Unscalable(before) if before.version == version => {
                (before.uid, before.generation, before.vain)
            }
            Self::Never | Self::InDoubt | Self::As(_) | Self::Unscalable(_) => Default::default(),
        };
        let vain = vain.again(asked);
        Self::Unscalable(Box::new(Unscalable { version, uid, generation, vain, said }))
    }

    /// Takes what the answer to a write at `at` says, which may be in vain for its selector. How many are ready is not in it.
    pub(in crate::operator) fn written(&mut self, scale: ScaleSeen, at: Timestamp) {
        let (ready, search) = match self {
            Self::As(before) => (before.scale.ready, before.search),
            Self::Never | Self::InDoubt | Self::Unscalable(_) => Default::default(),
        };
        let search = if scale.selector.is_none() { search.failed(at) } else { search };
        *self = Self::As(Known { search, scale: ScaleSeen { ready, ..scale } });
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
        if watched.has_spec_of(scale.version.as_deref(), scale.uid.as_deref(), scale.generation) {
            if scale.version != watched.version {
                search.moved();
            }
            scale.version.clone_from(&watched.version);
            (scale.generation, scale.ready) = (watched.generation, Some(watched.ready));
        }
    }
}

impl Unscalable {
    /// Takes what a watch says, when the spec is as it was. Whether there is a scale subresource a status does not tell.
    fn follow(&mut self, watched: &Outline) {
        if watched.has_spec_of(Some(&self.version), self.uid.as_deref(), self.generation)
            && let Some(version) = &watched.version
        {
            self.version.clone_from(version);
            self.uid.clone_from(&watched.uid);
            self.generation = watched.generation;
        }
    }
}

impl Outline {
    /// Whether the spec is that of this version, or generation, of the same object.
    fn has_spec_of(&self, version: Option<&str>, uid: Option<&str>, generation: Option<i64>) -> bool {
        let is_same_generation = generation.is_some() && generation == self.generation;
        let is_version = |told: &Option<String>| told.as_deref() == version;
        is_version(&self.version)
            || is_version(&self.since)
            || is_same_generation && self.uid.as_deref() == uid
    }
}

#[cfg(test)]
mod tests {
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
        let since = version.clone();
        Told::Outline(Outline { version, uid, generation, since, ready: Replicas::new(ready) })
    }

    /// What the watch says when `first` was the first version of the generation.
    fn outline_since(first: &str, version: &str, generation: Option<i64>) -> Told {
        match outline(version, generation, 1) {
            Told::Outline(told) => Told::Outline(Outline { since: Some(first.to_owned()), ..told }),
            whole @ Told::Whole(_) => whole,
        }
    }

    fn as_known(seen: &Seen) -> Option<&ScaleSeen> {
        match seen {
            Seen::As(known) => Some(&known.scale),
            Seen::Never | Seen::InDoubt | Seen::Unscalable(_) => None,
        }
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
            (&read, outline_since("5", "7", Some(2)), told("7", Some(2), 1)),
            (&read, outline_since("6", "7", Some(2)), read.clone()),
            (&read, outline("6", None, 1), read.clone()),
            (&dated, outline("6", Some(2), 1), told("6", Some(2), 1)),
            (&dated, outline("6", Some(3), 1), dated.clone()),
            (&dated, outline("6", None, 1), dated.clone()),
            (&other, outline("6", Some(2), 1), other.clone()),
        ] {
            let mut learned = Seen::As(Known::from(seen.clone()));
            learned.learn(&watched);
            assert_eq!(as_known(&learned), Some(&expected), "{seen:?} {watched:?}");
        }
        for seen in [Seen::Never, Seen::InDoubt] {
            let mut learned = seen.clone();
            learned.learn(&outline("6", Some(2), 1));
            assert_eq!(learned, seen, "the replicas are not told");
        }
    }

    #[test]
    fn what_has_no_scale_is_asked_again_when_it_is_another_and_ever_more_seldom() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let version = |version: &str| Standing::Version(version.to_owned());
        let mut seen = Seen::InDoubt.unscalable("5", "no".to_owned(), at(0));
        for (standing, occasion, second, holds) in [
            (version("5"), Occasion::Tick, 0, true),
            (version("5"), Occasion::Retry, 14, true),
            (version("5"), Occasion::Edge, 14, false),
            (version("5"), Occasion::First, 14, false),
            (version("5"), Occasion::Tick, 15, false),
            (version("5"), Occasion::Tick, -1, false),
            (version("6"), Occasion::Tick, 5, false),
            (Standing::Unknown, Occasion::Tick, 5, false),
        ] {
            assert_eq!(seen.holds(&standing, true, occasion, at(second)), holds, "{standing:?} at {second}");
        }
        let holds =
            |seen: &Seen, of: &str, second| seen.holds(&version(of), true, Occasion::Tick, at(second));
        seen.learn(&outline("6", Some(2), 1));
        assert!(!holds(&seen, "6", 5), "of which generation it was nobody knows");
        seen.learn(&outline("5", Some(2), 1));
        seen.learn(&outline("6", Some(2), 1));
        assert!(holds(&seen, "6", 5), "its status alone has moved");
        // As long again as since the first time, and no longer than five minutes.
        for (asked, until) in [(15, 30), (60, 120), (240, 480), (1000, 1300)] {
            let mut once_more = seen.clone().unscalable("6", "no".to_owned(), at(asked));
            once_more.learn(&outline("7", Some(2), 1));
            assert!(holds(&once_more, "7", until - 1) && !holds(&once_more, "7", until), "{asked}");
        }
        seen.learn(&outline("7", Some(3), 1));
        assert!(!holds(&seen, "7", 5));
    }

    #[test]
    fn what_names_no_selector_is_read_again_when_the_status_has_moved_and_some_time_has_passed() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let version = |version: &str| Standing::Version(version.to_owned());
        let holds = |seen: &Seen, of: &str, at| seen.holds(&version(of), true, Occasion::Tick, at);
        let mut seen = Seen::Never.read(scale("5", 3, None), &version("5"), at(0));
        seen.learn(&outline("5", Some(2), 3));
        assert!(holds(&seen, "5", at(600)), "it has not moved");
        seen.learn(&outline("6", Some(2), 1));
        assert!(holds(&seen, "6", at(15)) && !holds(&seen, "6", at(60)));
        assert!(seen.holds(&version("6"), false, Occasion::Edge, at(60)), "nobody wants to know");

        seen = seen.read(scale("6", 3, None), &version("6"), at(60));
        let known = as_known(&seen).expect("read");
        assert_eq!(
            (known.generation, known.ready),
            (Some(2), Some(Replicas::new(1))),
            "as the watch has told"
        );
        seen.learn(&outline("7", Some(2), 1));
        assert!(holds(&seen, "7", at(119)) && !holds(&seen, "7", at(120)));
        let found = ScaleSeen { selector: Some("app=web".to_owned()), ..scale("7", 3, None) };
        let mut found = seen.clone().read(found, &version("7"), at(120));
        found.learn(&outline("8", Some(2), 1));
        assert!(holds(&found, "8", at(600)));

        // Another spec, which had to be read at once: whatever was known of the search counts no more.
        let mut other = seen.read(scale("8", 4, None), &version("8"), at(3600));
        assert_eq!(other, Seen::Never.read(scale("8", 4, None), &version("8"), at(3600)));
        other.written(scale("9", 5, None), at(3700));
        other.learn(&outline("9", Some(4), 1));
        other.learn(&outline("10", Some(4), 5));
        assert!(holds(&other, "10", at(3799)), "it was not in the answer to the write");
        assert!(!holds(&other, "10", at(3800)));
    }
}

//! What clock changes do to entries: times of day that do not exist or come twice, and windows and ramps
//! that last as long as they say while the clock beside them jumps.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::words::{clock, clocks, length, local, shift, spoken};
use crate::decision::{EdgeKind, Entry, EntryId, Extent, Schedule, Timeline, Trigger};

/// A clock change that touches an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// When.
    pub at: Timestamp,
    /// The local date of the hour that is left out or repeated.
    pub date: Date,
    /// The zone whose clocks change.
    pub zone: String,
    /// By how many seconds they go forward; negative where they go back.
    pub seconds: i64,
    /// What it does to entries, in the policy's order, an entry at most once.
    pub effects: Vec<Effect>,
}

/// What a clock change does to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The entry.
    pub entry: EntryId,
    /// The effect in words.
    pub words: String,
}

impl ClockChange {
    /// By how much clocks are set forward or back, such as `+1h` and `-30m`.
    #[must_use]
    pub fn shift(&self) -> String {
        shift(self.seconds)
    }
}

/// Starts and ends whose time of day is left out, and what there is to say about that.
pub(super) type Moved = BTreeMap<(Timestamp, EntryId, EdgeKind), String>;

/// The clock changes in `[from, to)` of the zones of entries, as far as they touch one.
pub(super) fn clock_changes(
    schedule: &Schedule,
    timeline: &Timeline,
    from: Timestamp,
    to: Timestamp,
) -> (Vec<ClockChange>, Moved) {
    let mut zones: Vec<&TimeZone> = Vec::new();
    for entry in schedule.entries() {
        if !zones.contains(&&entry.zone) {
            zones.push(&entry.zone);
        }
    }
    let mut jumps: Vec<Jump<'_>> = zones.into_iter().flat_map(|zone| jumps(zone, from, to)).collect();
    jumps.sort_by_key(|jump| jump.at);
    let (mut changes, mut moved) = (Vec::new(), Moved::new());
    for jump in jumps {
        let mut effects = Vec::new();
        for (index, entry) in
            schedule.entries().iter().enumerate().filter(|(_, entry)| entry.zone == *jump.zone)
        {
            let touch = Touch { jump: &jump, entry, id: EntryId(index), timeline };
            let said = touch.effects(&mut moved);
            if !said.is_empty() {
                effects.push(Effect { entry: EntryId(index), words: said.join("; ") });
            }
        }
        if !effects.is_empty() {
            let zone = jump.zone.iana_name().map_or_else(|| jump.after.to_string(), ToOwned::to_owned);
            changes.push(ClockChange {
                at: jump.at,
                date: jump.date(),
                zone,
                seconds: jump.seconds(),
                effects,
            });
        }
    }
    (changes, moved)
}

/// A clock change of a zone.
struct Jump<'a> {
    zone: &'a TimeZone,
    at: Timestamp,
    before: Offset,
    after: Offset,
}

/// The changes of a zone's offset in `[from, to)`.
fn jumps(zone: &TimeZone, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Jump<'_>> {
    let just_before = |at: Timestamp| at.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(at);
    let changes = zone.following(just_before(from)).map(|change| change.timestamp());
    changes
        .take_while(move |at| *at < to)
        .map(move |at| Jump { zone, at, before: zone.to_offset(just_before(at)), after: zone.to_offset(at) })
        .filter(|jump| jump.before != jump.after)
}

impl Jump<'_> {
    /// How far clocks go forward.
    fn seconds(&self) -> i64 {
        i64::from(self.after.seconds()) - i64::from(self.before.seconds())
    }

    fn is_gap(&self) -> bool {
        self.seconds() > 0
    }

    /// The local times that are left out or repeated: from the first on, up to the second.
    fn walls(&self) -> (DateTime, DateTime) {
        let (before, after) = (self.before.to_datetime(self.at), self.after.to_datetime(self.at));
        (before.min(after), before.max(after))
    }

    fn date(&self) -> Date {
        self.walls().0.date()
    }

    fn just_before(&self) -> Timestamp {
        just_before(self.at)
    }

    /// `an hour later` where clocks go forward, `an hour earlier` where they go back: what a length of time
    /// across the change looks like on a clock at its end.
    fn at_the_end(&self) -> String {
        format!("{} {}", self.amount(), if self.is_gap() { "later" } else { "earlier" })
    }

    /// The same at the beginning of a length of time whose end is fixed.
    fn at_the_start(&self) -> String {
        format!("{} {}", self.amount(), if self.is_gap() { "earlier" } else { "later" })
    }

    fn amount(&self) -> String {
        spoken(self.seconds().unsigned_abs())
    }
}

/// An entry at a clock change of its zone.
struct Touch<'a> {
    jump: &'a Jump<'a>,
    entry: &'a Entry,
    id: EntryId,
    timeline: &'a Timeline,
}

impl Touch<'_> {
    fn effects(&self, moved: &mut Moved) -> Vec<String> {
        let mut effects: Vec<String> = Vec::new();
        effects.extend(self.firings(moved));
        effects.extend(self.until(moved));
        effects.extend(self.lasting());
        effects.extend(self.ramp_up());
        effects.extend(self.ramp_down());
        effects
    }

    /// What becomes of firings at times of day that do not exist or come twice.
    fn firings(&self, moved: &mut Moved) -> Option<String> {
        let walls = named(self.entry, self.jump.walls());
        let (are, come) = match walls.len() {
            0 => return None,
            1 => ("does", "comes"),
            _ => ("do", "come"),
        };
        let follows_elapsed_time =
            matches!(&self.entry.trigger, Trigger::Cron(cron) if cron.fields().follows_elapsed_time);
        let times = clocks(&walls);
        let effect = match (self.jump.is_gap(), follows_elapsed_time) {
            (true, false) => {
                let missing = format!("{times} {are} not exist");
                moved.insert((self.jump.at, self.id, EdgeKind::Start), missing.clone());
                let now = clock(self.entry.zone.to_datetime(self.jump.at).time());
                let once = if walls.len() > 1 { "once " } else { "" };
                let is_over = !self.is_step() && self.ends_after(self.jump.at).is_none();
                let over =
                    if is_over { " and ends at once, since its end does not exist either" } else { "" };
                format!("{missing} on this day; it fires {once}at {now}{over}")
            }
            (true, true) => format!("{times} {are} not exist on this day; it does not fire then"),
            (false, false) if walls.len() > 1 => {
                format!("{times} {come} twice; it fires at the first of each")
            }
            (false, false) => format!("{times} {come} twice; it fires at the first"),
            (false, true) => format!("{times} {come} twice; it fires in both passes"),
        };
        Some(effect)
    }

    /// What becomes of an `until` that does not exist or comes twice.
    fn until(&self, moved: &mut Moved) -> Option<String> {
        let Extent::Until(time) = self.entry.extent else { return None };
        let wall = wall_of(time, self.jump.walls())?;
        let said = clock(time);
        if self.jump.is_gap() {
            if !self.ends_at(self.jump.at) {
                return None;
            }
            let missing = format!("{said} does not exist");
            moved.insert((self.jump.at, self.id, EdgeKind::End), missing.clone());
            let now = clock(self.entry.zone.to_datetime(self.jump.at).time());
            return Some(format!("its end {missing} on this day; it ends at {now}"));
        }
        let pass = |offset: Offset| offset.to_timestamp(wall).ok().filter(|at| self.ends_at(*at));
        let which = match (pass(self.jump.before), pass(self.jump.after)) {
            (Some(_), Some(_)) => "at both",
            (Some(_), None) => "at the first",
            (None, Some(_)) => "at the second",
            (None, None) => return None,
        };
        Some(format!("its end {said} comes twice; it ends {which}"))
    }

    /// What a `for` window across the change looks like on a clock.
    fn lasting(&self) -> Option<String> {
        let Extent::For(window) = self.entry.extent else { return None };
        let end = self.ends_after(self.jump.just_before()).filter(|end| *end > self.jump.at)?;
        if self.entry.end_of_firings(end).is_some_and(|later| later > end) {
            return Some("its window spans the change, and it fires again before that ends".to_owned());
        }
        let seconds = i64::try_from(window.as_secs()).unwrap_or(i64::MAX).saturating_add(self.jump.seconds());
        let lasts = match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => {
                format!("lasts {} by the clock; ", length(Duration::from_secs(seconds)))
            }
            Ok(_) | Err(_) => String::new(),
        };
        let at = local(end, &self.entry.zone, self.jump.date());
        Some(format!("{lasts}ends {} by the clock, at {at}", self.jump.at_the_end()))
    }

    /// What a ramp to the entry's start looks like on a clock, if it spans the change.
    fn ramp_up(&self) -> Option<String> {
        let ramp = Some(self.entry.ramp_up).filter(|ramp| !ramp.is_zero())?;
        let latest = self.jump.at.checked_add(ramp).ok()?;
        let starts = self.edges(EdgeKind::Start, self.jump.at, latest);
        let begin =
            starts.filter_map(|start| start.checked_sub(ramp).ok()).find(|begin| self.rises(*begin))?;
        let at = local(begin, &self.entry.zone, self.jump.date());
        Some(format!("its ramp up begins {} by the clock, at {at}", self.jump.at_the_start()))
    }

    /// What a ramp from the entry's end looks like on a clock, if it spans the change.
    fn ramp_down(&self) -> Option<String> {
        let ramp = Some(self.entry.ramp_down).filter(|ramp| !ramp.is_zero())?;
        let earliest = self.jump.at.checked_sub(ramp).ok()?;
        let ends = self.edges(EdgeKind::End, earliest, self.jump.at);
        let end = ends.filter_map(|end| end.checked_add(ramp).ok()).find(|end| self.rises(*end))?;
        let at = local(end, &self.entry.zone, self.jump.date());
        Some(format!("its ramp down ends {} by the clock, at {at}", self.jump.at_the_end()))
    }

    /// Whether the floor at the low end of a ramp is below the entry's; else there is no ramp.
    fn rises(&self, low_end: Timestamp) -> bool {
        self.entry.replicas.is_some_and(|replicas| self.timeline.at(low_end).floor < replicas)
    }

    /// The entry's own edges between two instants.
    fn edges(&self, kind: EdgeKind, after: Timestamp, before: Timestamp) -> impl Iterator<Item = Timestamp> {
        let edges = self.timeline.edges_between(after, before).iter();
        edges.filter(move |edge| edge.entry == self.id && edge.kind == kind).map(|edge| edge.at)
    }

    fn is_step(&self) -> bool {
        self.entry.extent == Extent::Step
    }

    /// When the firings up to `at` have ended, if that is after `at`.
    fn ends_after(&self, at: Timestamp) -> Option<Timestamp> {
        self.entry.end_of_firings(at).filter(|end| *end > at)
    }

    /// Whether the entry is in force up to `at` and not from then on.
    fn ends_at(&self, at: Timestamp) -> bool {
        self.ends_after(just_before(at)) == Some(at) && self.ends_after(at).is_none()
    }
}

fn just_before(at: Timestamp) -> Timestamp {
    at.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(at)
}

/// The date at which a time of day lies in a range of local times.
fn wall_of(time: Time, (low, high): (DateTime, DateTime)) -> Option<DateTime> {
    [low.date(), high.date()]
        .into_iter()
        .map(|date| date.to_datetime(time))
        .find(|wall| (low..high).contains(wall))
}

/// The local times in a range that the entry's trigger names, on days on which it may fire.
fn named(entry: &Entry, (low, high): (DateTime, DateTime)) -> Vec<DateTime> {
    let within = |wall: &DateTime| *wall >= low && *wall < high && entry.days.allows(wall.date());
    match &entry.trigger {
        Trigger::At(wall) => Some(*wall).filter(within).into_iter().collect(),
        Trigger::Cron(cron) => {
            // On a clock that never changes, firings are the local times themselves.
            let plain = TimeZone::UTC;
            let Ok(first) = plain.to_timestamp(low) else { return Vec::new() };
            let firings =
                std::iter::successors(cron.next(&plain, just_before(first)), |at| cron.next(&plain, *at));
            let walls = firings.map(|at| plain.to_datetime(at)).take_while(|wall| *wall < high);
            walls.filter(within).collect()
        }
    }
}

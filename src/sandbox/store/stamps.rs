//! What the store puts on objects: names, UIDs and times.

use serde_json::{Value, json};

use super::Store;
use crate::sandbox::json::object_at;

impl Store {
    /// A name that no object had before, from a prefix.
    pub(crate) fn generate_name(&self, prefix: &str) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut number = self.next_number();
        let mut name = prefix.to_owned();
        for _ in 0..5 {
            name.extend(usize::try_from(number % 27).ok().map(|index| char::from(LETTERS[index])));
            number /= 27;
        }
        name
    }

    /// Fills in what every stored object has.
    pub(crate) fn stamp(&self, object: &mut Value) {
        let now = self.now();
        let has = |object: &Value, field: &str| object["metadata"][field].is_string();
        if !has(object, "uid") {
            let (high, low) = (self.next_number(), self.next_number());
            let high = (high & !0xf000) | 0x4000;
            let low = (low & !(0b11 << 62)) | (0b10 << 62);
            let uid = format!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                high >> 32,
                (high >> 16) & 0xffff,
                high & 0xffff,
                low >> 48,
                low & 0xffff_ffff_ffff
            );
            object_at(object, "metadata").insert("uid".to_owned(), json!(uid));
        }
        if !has(object, "creationTimestamp") {
            object_at(object, "metadata").insert("creationTimestamp".to_owned(), json!(now));
        }
    }

    /// The present instant as `metadata` shows it: whole seconds.
    pub(crate) fn now(&self) -> String {
        self.0.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The instant so many seconds from now, as `metadata` shows it.
    pub(crate) fn after(&self, seconds: u64) -> String {
        let seconds = jiff::SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let then = self.0.clock.now().saturating_add(seconds).unwrap_or(jiff::Timestamp::MAX);
        then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// Numbers that look random and are the same in every run, so that a replayed run makes the same
    /// identifiers (the mixing function is that of `SplitMix64`).
    fn next_number(&self) -> u64 {
        let mut state = self.state();
        state.made += 1;
        let mut number = state.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}

//! Fleets past one process: each of several operators looks after its own part of the policies.

use std::fmt;
use std::str::FromStr;

/// One of several parts of all policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    count: u16,
}

/// A text that is no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be I/N, such as 2/3, with I from 1 to N and N at most 1024")]
pub struct ShardError;

impl Shard {
    /// Its number, from 1.
    #[must_use]
    pub fn index(self) -> u16 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u16 {
        self.count
    }

    /// Whether a policy belongs to it, by the policy's UID. The same on every machine and in every version.
    #[must_use]
    pub fn holds(self, uid: &str) -> bool {
        hash(uid) % u64::from(self.count) == u64::from(self.index - 1)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, count) = text.split_once('/').ok_or(ShardError)?;
        let number = |text: &str| text.parse::<u16>().map_err(|_| ShardError);
        let (index, count) = (number(index)?, number(count)?);
        if index == 0 || index > count || count > 1024 { Err(ShardError) } else { Ok(Self { index, count }) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// A number for a policy, by its UID. The same on every machine and in every version: FNV-1a of 64 bits.
pub(super) fn hash(uid: &str) -> u64 {
    fnv1a(uid.as_bytes())
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn every_policy_belongs_to_exactly_one_shard_and_the_shards_are_about_equal() {
        let shards: Vec<Shard> = (1..=4).map(|i| format!("{i}/4").parse().expect("a shard")).collect();
        let mut sizes = [0; 4];
        for policy in 0..10_000_u128 {
            let uid = format!("{:08x}-1d5c-4c3a-9d34-{:012x}", policy * 2_654_435_761 % 0xffff_ffff, policy);
            let holders: Vec<usize> = (0..4).filter(|i| shards[*i].holds(&uid)).collect();
            assert_eq!(holders.len(), 1, "{uid}");
            sizes[holders[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (2_300..2_700).contains(size)), "{sizes:?}");
    }

    #[test]
    fn only_a_number_from_1_on_of_at_most_1024_is_a_shard() {
        assert_eq!("2/3".parse::<Shard>().map(|shard| shard.to_string()).as_deref(), Ok("2/3"));
        for text in ["", "1", "0/3", "4/3", "1/0", "1/1025", "-1/3", "1/3/5", "a/b"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
    }
}

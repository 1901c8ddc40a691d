//! What an account has seen on the last seven days: which API ended how, and who called what.
//!
//! Question: is this pair new? A table of fingerprints, each with the UTC day on which it was last seen, stands for
//! eight daily filters in one: 32 bits of a hash name a pair, so a pair that is new is taken for a known one with a
//! probability of at most [`MOST_PAIRS`] ÷ 2³² = 1.5 · 10⁻⁵, and one that is known is never taken for new.
//!
//! Limit: [`MOST_PAIRS`] an account, since callers mint principals. When as many were seen within the week, further
//! pairs are counted in `refused` and not called new: a table that is full must not cry.

use std::collections::HashMap;

use trailsight_schemas::time::DAY;

/// Pairs that one account remembers.
pub(super) const MOST_PAIRS: usize = 65_536;
/// A pair is known for so many days after it was last seen.
pub(super) const KNOWN_DAYS: u16 = 7;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pairs {
    days: HashMap<u32, u16, foldhash::fast::FixedState>,
    /// The day on which what was forgotten was last removed.
    swept: u16,
    /// Pairs that found no room.
    pub(super) refused: u64,
}

/// One half of a pair, or both: 64 bits that the same text gives on every machine.
pub(super) type Print = u64;

/// Both halves.
pub(super) fn pair(left: Print, right: Print) -> Print {
    let mixed = (left ^ right.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ right
}

impl Pairs {
    /// Whether it was seen within seven days before the day of `minute`.
    pub(super) fn knows(&self, print: Print, minute: u32) -> bool {
        let day = day(minute);
        self.days.get(&short(print)).is_some_and(|seen| seen.saturating_add(KNOWN_DAYS) >= day)
    }

    /// A pair that is known was seen again.
    pub(super) fn refresh(&mut self, print: Print, minute: u32) {
        if let Some(seen) = self.days.get_mut(&short(print)) {
            *seen = (*seen).max(day(minute));
        }
    }

    /// Remembers a pair; false where there is no room for it.
    pub(super) fn insert(&mut self, print: Print, minute: u32) -> bool {
        let day = day(minute);
        if day > self.swept {
            self.days.retain(|_, seen| seen.saturating_add(KNOWN_DAYS) >= day);
            self.swept = day;
        }
        let print = short(print);
        if self.days.len() >= MOST_PAIRS && !self.days.contains_key(&print) {
            self.refused = self.refused.saturating_add(1);
            return false;
        }
        let seen = self.days.entry(print).or_insert(day);
        *seen = (*seen).max(day);
        true
    }

    /// Approximate bytes held: fingerprint and day, their control byte, and the table's spare room.
    pub(super) fn bytes(&self) -> usize {
        self.days.capacity() * 9 * 8 / 7
    }

    /// (fingerprint, day), sorted.
    pub(super) fn to_parts(&self) -> (Vec<(u32, u16)>, u16, u64) {
        let mut pairs: Vec<(u32, u16)> = self.days.iter().map(|(print, day)| (*print, *day)).collect();
        pairs.sort_unstable();
        (pairs, self.swept, self.refused)
    }

    /// `None` where there are more than fit.
    pub(super) fn from_parts(pairs: Vec<(u32, u16)>, swept: u16, refused: u64) -> Option<Pairs> {
        (pairs.len() <= MOST_PAIRS).then(|| Pairs { days: pairs.into_iter().collect(), swept, refused })
    }
}

fn day(minute: u32) -> u16 {
    u16::try_from(minute / DAY).unwrap_or(u16::MAX)
}

fn short(print: Print) -> u32 {
    (print ^ print >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::super::strings::print;
    use super::*;

    #[test]
    fn a_pair_is_known_for_a_week_after_it_was_last_seen() {
        let mut pairs = Pairs::default();
        let one = pair(print("iam/CreateUser"), print("alice"));
        assert!(!pairs.knows(one, 100 * DAY));
        assert!(pairs.insert(one, 100 * DAY + 5) && pairs.knows(one, 107 * DAY + 1439));
        assert!(!pairs.knows(one, 108 * DAY) && !pairs.knows(pair(print("alice"), print("iam/CreateUser")), 100 * DAY));
        pairs.refresh(one, 104 * DAY);
        assert!(pairs.knows(one, 111 * DAY));
    }

    /// Ten times the limit: no growth, no cry, and the error that the module states.
    #[test]
    fn the_table_is_bounded_and_errs_as_rarely_as_it_says() {
        let mut pairs = Pairs::default();
        let mut mistaken = 0;
        for n in 0..10 * MOST_PAIRS {
            let one = pair(print("iam/CreateUser"), print(&format!("user/{n}")));
            mistaken += usize::from(pairs.knows(one, 50 * DAY));
            pairs.insert(one, 50 * DAY);
        }
        assert!(pairs.days.len() == MOST_PAIRS && pairs.bytes() < 2 << 20, "{} {}", pairs.days.len(), pairs.bytes());
        assert!(pairs.refused >= 9 * MOST_PAIRS as u64 - 64 && mistaken <= 25, "{mistaken}");
        assert!(pairs.insert(pair(1, 2), 58 * DAY) && pairs.days.len() == 1, "what is old makes room");
    }
}

//! The strings of one partition, each held once.
//!
//! Callers of AWS mint role names and user agents, so strings that nothing names any more must go: the
//! partition marks what its series use and sweeps the rest whenever the table has doubled since the last
//! sweep. Ids are given in the order of appearance and freed ones are given again, smallest first, so that
//! the same entries give the same ids on every machine.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

/// Names a string of the partition. [`NONE`] is the empty string.
pub(super) type Id = u32;

/// The empty string: "no error code", "no value".
pub(super) const NONE: Id = 0;

/// Never sweep below this many strings.
const SWEEP_FLOOR: usize = 4096;

pub(super) struct Strings {
    ids: HashMap<Arc<str>, Id, foldhash::fast::FixedState>,
    texts: Vec<Option<Arc<str>>>,
    /// [`print`] of each text.
    prints: Vec<u64>,
    free: BTreeSet<Id>,
    sweep_at: usize,
    bytes: usize,
}

impl Strings {
    pub(super) fn new() -> Strings {
        let mut strings = Strings {
            ids: HashMap::default(),
            texts: Vec::new(),
            prints: Vec::new(),
            free: BTreeSet::new(),
            sweep_at: SWEEP_FLOOR,
            bytes: 0,
        };
        strings.intern("");
        strings
    }

    pub(super) fn intern(&mut self, text: &str) -> Id {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let shared: Arc<str> = text.into();
        let id = match self.free.pop_first() {
            Some(id) => {
                self.texts[id as usize] = Some(shared.clone());
                self.prints[id as usize] = print(text);
                id
            }
            None => {
                self.texts.push(Some(shared.clone()));
                self.prints.push(print(text));
                (self.texts.len() - 1) as Id
            }
        };
        self.bytes += footprint(text);
        self.ids.insert(shared, id);
        id
    }

    /// The id of a text that is held.
    pub(super) fn find(&self, text: &str) -> Option<Id> {
        self.ids.get(text).copied()
    }

    /// The text of an id; the empty string for an id that is not in use.
    pub(super) fn text(&self, id: Id) -> &str {
        self.texts.get(id as usize).and_then(Option::as_deref).unwrap_or("")
    }

    /// [`print`] of the text of an id; 0 for one that is not in use.
    pub(super) fn print(&self, id: Id) -> u64 {
        self.prints.get(id as usize).copied().unwrap_or(0)
    }

    /// Approximate bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a sweep is due.
    pub(super) fn crowded(&self) -> bool {
        self.ids.len() >= self.sweep_at
    }

    /// Frees every string for which `used` is false.
    pub(super) fn sweep(&mut self, used: &[bool]) {
        for id in 1..self.texts.len() {
            if used.get(id).copied().unwrap_or(false) {
                continue;
            }
            if let Some(text) = self.texts[id].take() {
                self.bytes -= footprint(&text);
                self.ids.remove(&text);
                self.free.insert(id as Id);
            }
        }
        self.sweep_at = (2 * self.ids.len()).max(SWEEP_FLOOR);
    }

    /// Ids handed out so far are below this.
    pub(super) fn bound(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn to_parts(&self) -> (Vec<Option<String>>, u64) {
        (self.texts.iter().map(|text| text.as_deref().map(str::to_owned)).collect(), self.sweep_at as u64)
    }

    pub(super) fn from_parts(texts: Vec<Option<String>>, sweep_at: u64) -> Option<Strings> {
        if texts.first()?.as_deref() != Some("") {
            return None;
        }
        let mut strings = Strings {
            ids: HashMap::default(),
            texts: Vec::with_capacity(texts.len()),
            prints: Vec::with_capacity(texts.len()),
            free: BTreeSet::new(),
            sweep_at: sweep_at as usize,
            bytes: 0,
        };
        for (id, text) in texts.into_iter().enumerate() {
            let shared: Option<Arc<str>> = text.map(Into::into);
            match &shared {
                Some(text) => {
                    strings.bytes += footprint(text);
                    if strings.ids.insert(text.clone(), id as Id).is_some() {
                        return None;
                    }
                }
                None => {
                    strings.free.insert(id as Id);
                }
            }
            strings.prints.push(shared.as_deref().map_or(0, print));
            strings.texts.push(shared);
        }
        Some(strings)
    }
}

/// FNV-1a of a text: the same on every machine and in every version.
pub(super) fn print(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Text, its print, reference counts, two pointers and an id with its share of the table's spare room.
fn footprint(text: &str) -> usize {
    text.len() + 8 + 16 + 2 * 16 + 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swept_ids_are_given_again_smallest_first() {
        let mut strings = Strings::new();
        let ids: Vec<Id> = ["a", "b", "c"].iter().map(|text| strings.intern(text)).collect();
        assert_eq!(ids, [1, 2, 3]);
        strings.sweep(&[true, false, true, false]);
        assert_eq!(strings.ids.get("a"), None);
        assert_eq!(strings.text(2), "b");
        assert_eq!((strings.intern("d"), strings.intern("e"), strings.intern("f")), (1, 3, 4));
    }

    #[test]
    fn parts_survive_a_round_trip() {
        let mut strings = Strings::new();
        strings.intern("a");
        strings.intern("b");
        strings.sweep(&[true, false, true]);
        let (texts, sweep_at) = strings.to_parts();
        let again = Strings::from_parts(texts, sweep_at).expect("valid parts");
        assert_eq!((again.ids.get("b"), again.ids.get("a"), again.bytes()), (Some(&2), None, strings.bytes()));
    }
}

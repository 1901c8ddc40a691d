//! Calls of one series in one minute (or a few), by who, with what, and with which error.

use super::strings::{Id, NONE, Strings};

/// Most values of one attribute that a cell keeps; calls of further values are in none of its lists.
pub(super) const CELL_VALUES: usize = 64;

/// Calls by value, sorted by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values(Vec<(Id, u64)>);

/// The attributes of a series, in AWS's order.
pub(super) const ATTRIBUTES: usize = 3;
pub(super) const IDENTITY: usize = 0;
pub(super) const AGENT: usize = 1;
pub(super) const ERROR: usize = 2;

/// Calls and their attributes. The error list holds failed calls only; what is missing there succeeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    pub(super) calls: u64,
    pub(super) values: [Values; ATTRIBUTES],
}

impl Values {
    pub(super) fn add(&mut self, id: Id, calls: u64) {
        match self.0.binary_search_by_key(&id, |entry| entry.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(calls),
            Err(at) if self.0.len() < CELL_VALUES => self.0.insert(at, (id, calls)),
            Err(_) => {}
        }
    }

    /// Like [`Values::add`], without the cap: for sums of lists that are bounded themselves.
    pub(super) fn add_unbounded(&mut self, id: Id, calls: u64) {
        match self.0.binary_search_by_key(&id, |entry| entry.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(calls),
            Err(at) => self.0.insert(at, (id, calls)),
        }
    }

    pub(super) fn subtract(&mut self, id: Id, calls: u64) {
        if let Ok(at) = self.0.binary_search_by_key(&id, |entry| entry.0) {
            self.0[at].1 = self.0[at].1.saturating_sub(calls);
            if self.0[at].1 == 0 {
                self.0.remove(at);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Values) {
        for &(id, calls) in &other.0 {
            self.add(id, calls);
        }
    }

    pub(super) fn get(&self, id: Id) -> u64 {
        self.0.binary_search_by_key(&id, |entry| entry.0).map_or(0, |at| self.0[at].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, u64)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, entry| sum.saturating_add(entry.1))
    }

    pub(super) fn as_slice(&self) -> &[(Id, u64)] {
        &self.0
    }

    pub(super) fn from_pairs(mut pairs: Vec<(Id, u64)>) -> Values {
        pairs.sort_unstable();
        pairs.dedup_by_key(|pair| pair.0);
        Values(pairs)
    }

    /// The `most` largest, most calls first, ties by text.
    pub(super) fn top(&self, most: usize, strings: &Strings) -> Vec<(Id, u64)> {
        let mut all: Vec<(Id, u64)> = self.iter().filter(|(id, calls)| *id != NONE && *calls > 0).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| strings.text(a.0).cmp(strings.text(b.0))));
        all.truncate(most);
        all
    }
}

impl Cell {
    pub(super) fn merge(&mut self, other: &Cell) {
        self.calls = self.calls.saturating_add(other.calls);
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            mine.merge(theirs);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Cell>() + self.values.iter().map(|values| values.0.capacity() * size_of::<(Id, u64)>()).sum::<usize>()
    }
}

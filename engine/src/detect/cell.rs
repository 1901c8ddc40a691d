//! Calls of one series in one minute (or a few), by who, with what, and with which error.

use super::strings::{Id, NONE, Strings};

/// Most values of one attribute that a cell keeps; calls of further values are in none of its lists.
pub(super) const CELL_VALUES: usize = 64;

/// Calls by value, sorted by id. Almost every cell has one or two values of an attribute, and those lie in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// Sorted by id, those without calls behind; empty once there are `many`.
    few: [(Id, u32); FEW],
    many: Option<Box<Many>>,
}

const FEW: usize = 2;

#[derive(Clone, Debug)]
struct Many(Vec<(Id, u64)>);

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
        self.add_within(id, calls, CELL_VALUES);
    }

    /// Like [`Values::add`], without the cap: for sums of lists that are bounded themselves.
    pub(super) fn add_unbounded(&mut self, id: Id, calls: u64) {
        self.add_within(id, calls, usize::MAX);
    }

    fn add_within(&mut self, id: Id, calls: u64, most: usize) {
        if calls == 0 || self.add_to_few(id, calls) {
            return;
        }
        let few = &mut self.few;
        let Many(all) = &mut **self.many.get_or_insert_with(|| {
            let pairs = std::mem::take(few).into_iter().filter(|pair| pair.1 > 0);
            Box::new(Many(pairs.map(|(id, calls)| (id, u64::from(calls))).collect()))
        });
        match all.binary_search_by_key(&id, |entry| entry.0) {
            Ok(at) => all[at].1 = all[at].1.saturating_add(calls),
            Err(at) if all.len() < most => all.insert(at, (id, calls)),
            Err(_) => {}
        }
    }

    /// False where it does not fit.
    fn add_to_few(&mut self, id: Id, calls: u64) -> bool {
        if self.many.is_some() {
            return false;
        }
        let place = self.few.iter_mut().find(|pair| pair.1 == 0 || pair.0 == id);
        let sum = place.as_ref().and_then(|pair| u32::try_from(u64::from(pair.1).saturating_add(calls)).ok());
        let (Some(place), Some(sum)) = (place, sum) else { return false };
        *place = (id, sum);
        self.few.sort_unstable_by_key(|pair| (pair.1 == 0, pair.0));
        true
    }

    pub(super) fn subtract(&mut self, id: Id, calls: u64) {
        if let Some(Many(all)) = self.many.as_deref_mut() {
            if let Ok(at) = all.binary_search_by_key(&id, |entry| entry.0) {
                all[at].1 = all[at].1.saturating_sub(calls);
                if all[at].1 == 0 {
                    all.remove(at);
                }
            }
        } else if let Some(pair) = self.few.iter_mut().find(|pair| pair.0 == id) {
            pair.1 = pair.1.saturating_sub(u32::try_from(calls).unwrap_or(u32::MAX));
            self.few.sort_unstable_by_key(|pair| (pair.1 == 0, pair.0));
        }
    }

    pub(super) fn merge(&mut self, other: &Values) {
        other.iter().for_each(|(id, calls)| self.add(id, calls));
    }

    pub(super) fn get(&self, id: Id) -> u64 {
        self.iter().find(|entry| entry.0 == id).map_or(0, |entry| entry.1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, u64)> + '_ {
        let few = self.few.iter().filter(|pair| pair.1 > 0).map(|(id, calls)| (*id, u64::from(*calls)));
        few.chain(self.many.iter().flat_map(|many| many.0.iter().copied()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(super) fn total(&self) -> u64 {
        self.iter().fold(0, |sum, entry| sum.saturating_add(entry.1))
    }

    pub(super) fn pairs(&self) -> Vec<(Id, u64)> {
        self.iter().collect()
    }

    /// Of one id, the least stays.
    pub(super) fn from_pairs(mut pairs: Vec<(Id, u64)>) -> Values {
        pairs.sort_unstable();
        pairs.dedup_by_key(|pair| pair.0);
        let mut values = Values::default();
        pairs.into_iter().for_each(|(id, calls)| values.add_unbounded(id, calls));
        values
    }

    /// Values that lie outside the cell, and so cost more than the cell does.
    fn outside(&self) -> usize {
        self.many.as_ref().map_or(0, |many| many.0.len())
    }

    /// The `most` largest, most calls first, ties by text.
    pub(super) fn top(&self, most: usize, strings: &Strings) -> Vec<(Id, u64)> {
        let mut all: Vec<(Id, u64)> = self.iter().filter(|(id, calls)| *id != NONE && *calls > 0).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| strings.text(a.0).cmp(strings.text(b.0))));
        all.truncate(most);
        all
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Cell {
    pub(super) fn merge(&mut self, other: &Cell) {
        self.calls = self.calls.saturating_add(other.calls);
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            mine.merge(theirs);
        }
    }

    /// Bytes held, by what it holds and not by how it came to: the same cell has the same anywhere.
    pub(super) fn bytes(&self) -> usize {
        let outside: usize = self.values.iter().map(Values::outside).sum();
        CELL_BYTES + outside * 2 * size_of::<(Id, u64)>()
    }
}

/// A cell in a map of cells, a third of whose nodes is spare. A list outside may have twice the room that it needs.
pub(crate) const CELL_BYTES: usize = (size_of::<Cell>() + size_of::<u32>()) * 3 / 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Two values or many, small counts or large: a list of values is a map.
        #[test]
        fn values_are_a_map(changes in prop::collection::vec((any::<bool>(), 0u32..5, prop_oneof![0u64..4, Just(u64::from(u32::MAX)), Just(u64::MAX)]), 0..40)) {
            let (mut values, mut map) = (Values::default(), BTreeMap::<Id, u64>::new());
            for (adds, id, calls) in changes {
                if adds {
                    values.add(id, calls);
                    let sum = map.entry(id).or_default();
                    *sum = sum.saturating_add(calls);
                } else {
                    values.subtract(id, calls);
                    map.entry(id).and_modify(|sum| *sum = sum.saturating_sub(calls));
                }
                map.retain(|_, calls| *calls > 0);
                prop_assert!(values.iter().eq(map.iter().map(|(id, calls)| (*id, *calls))), "{values:?} {map:?}");
                prop_assert_eq!(values.is_empty(), map.is_empty());
                prop_assert_eq!(values.get(id), map.get(&id).copied().unwrap_or(0));
                prop_assert_eq!(&Values::from_pairs(values.pairs()), &values);
            }
        }
    }

    #[test]
    fn a_cell_keeps_so_many_values_and_no_more() {
        let mut cell = Cell::default();
        for id in 1..1000 {
            cell.values[IDENTITY].add(id, 1);
            cell.values[AGENT].add(id % 2 + 1, 1);
        }
        assert_eq!((cell.values[IDENTITY].total(), cell.values[AGENT].total()), (CELL_VALUES as u64, 999));
        assert_eq!(cell.bytes(), CELL_BYTES + CELL_VALUES * 32);
        assert_eq!(CELL_BYTES, 126, "what the limit of open minutes is counted in");
    }
}

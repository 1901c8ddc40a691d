//! One incident of one series, from its first Start to its End.
//!
//! The Start's figures are those of the deciding window; the End's are those of the whole incident, so the
//! incident keeps the minutes since the present quiet run began apart from what came before it: the End is
//! dated back to the beginning of that run.

use std::collections::BTreeMap;

use trailsight_detectors::{Level, Test};
use trailsight_schemas::insight::MOST_MEMBERS;
use uuid::Uuid;

use super::cell::Cell;

/// Most minutes kept apart; beyond, the oldest count as part of the incident.
const MOST_PENDING: usize = 512;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Incident {
    pub(super) shared: Uuid,
    /// First unusual minute.
    pub(super) start: u32,
    /// Strictest level told so far.
    pub(super) level: Level,
    pub(super) revision: u32,
    pub(super) test: Test,
    pub(super) expected: f64,
    pub(super) observed: f64,
    pub(super) chance_per_week: f64,
    /// Calls and attributes in the baseline window, as they stood at the first Start.
    pub(super) baseline: Cell,
    /// Minutes from `start` that are certainly part of it.
    pub(super) settled: Cell,
    /// Minutes that may turn out to lie behind its end.
    pub(super) pending: BTreeMap<u32, Cell>,
    /// The lead that tells it to people.
    pub(super) leader: Option<Uuid>,
    /// What belongs to it, by name; at most [`MOST_MEMBERS`].
    pub(super) members: Vec<String>,
    /// What else belongs to it.
    pub(super) members_omitted: u32,
    /// Calls a minute from which each level fires, where the test can say.
    pub(super) thresholds: [Option<f64>; 3],
}

impl Incident {
    /// Begins at `start`; what was found is filled in by the first Start.
    pub(super) fn new(shared: Uuid, start: u32, baseline: Cell) -> Incident {
        Incident {
            shared,
            start,
            level: Level::High,
            revision: 0,
            test: Test::Minute,
            expected: 0.0,
            observed: 0.0,
            chance_per_week: 0.0,
            baseline,
            settled: Cell::default(),
            pending: BTreeMap::new(),
            leader: None,
            members: Vec::new(),
            members_omitted: 0,
            thresholds: [None; 3],
        }
    }

    /// Something that belongs to it. A name that is listed already is not listed twice.
    pub(super) fn add_member(&mut self, name: String) {
        if self.members.contains(&name) {
            return;
        }
        if self.members.len() < MOST_MEMBERS {
            self.members.push(name);
        } else {
            self.members_omitted = self.members_omitted.saturating_add(1);
        }
    }

    /// All calls that it keeps.
    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        [&self.baseline, &self.settled].into_iter().chain(self.pending.values())
    }

    /// Approximate bytes held.
    pub(super) fn bytes(&self) -> usize {
        let members: usize = self.members.iter().map(|name| name.len() + size_of::<String>()).sum();
        size_of::<Incident>() + self.cells().map(Cell::bytes).sum::<usize>() + members
    }

    /// Takes in a closed minute; `quiet_since` is where the present quiet run began.
    pub(super) fn add(&mut self, minute: u32, cell: &Cell, quiet_since: Option<u32>) {
        if minute >= self.start {
            self.pending.entry(minute).or_default().merge(cell);
        }
        self.settle(quiet_since.unwrap_or(minute));
        while self.pending.len() > MOST_PENDING {
            if let Some((_, oldest)) = self.pending.pop_first() {
                self.settled.merge(&oldest);
            }
        }
    }

    /// A record of a minute that was closed before. Returns whether it belongs to the incident.
    pub(super) fn add_late(&mut self, minute: u32, cell: &Cell) -> bool {
        if minute < self.start {
            return false;
        }
        if self.pending.first_key_value().is_some_and(|(first, _)| minute >= *first) {
            self.pending.entry(minute).or_default().merge(cell);
        } else {
            self.settled.merge(cell);
        }
        true
    }

    fn settle(&mut self, before: u32) {
        while let Some(entry) = self.pending.first_entry() {
            if *entry.key() >= before {
                break;
            }
            self.settled.merge(&entry.remove());
        }
    }

    /// Everything in `start..end`.
    pub(super) fn total(&self, end: u32) -> Cell {
        let mut total = self.settled.clone();
        for (_, cell) in self.pending.range(..end) {
            total.merge(cell);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(calls: u64) -> Cell {
        Cell { calls, ..Cell::default() }
    }

    #[test]
    fn minutes_behind_the_end_are_not_counted() {
        let mut incident = Incident::new(Uuid::nil(), 10, Cell::default());
        incident.add(9, &calls(1000), None);
        incident.add(10, &calls(50), None);
        incident.add(11, &calls(1), Some(11));
        incident.add(12, &calls(60), None);
        incident.add(13, &calls(2), Some(13));
        incident.add(14, &calls(2), Some(13));
        assert_eq!(incident.total(13).calls, 111);
        assert!(
            incident.add_late(12, &calls(5)) && incident.add_late(14, &calls(5)) && !incident.add_late(9, &calls(5))
        );
        assert_eq!((incident.total(13).calls, incident.total(15).calls), (116, 125));
    }
}

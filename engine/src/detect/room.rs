//! The room that a partition has for minutes: those above the watermark, and those closed a short while ago, from
//! which a Start is dated back and its window told.
//!
//! A source partition that stands still while others run ahead keeps minutes open, each series of each minute a
//! cell, and whoever mints role names makes cells large. At the limit (`limits.open_minutes`, of which every
//! partition has an equal share, so that what it does follows from its own entries) the partition first gives up
//! minutes that are closed, then closes the oldest open minute before its time: what comes for it later is late.

use super::cell::Cell;
use super::partition::{Partition, Share};
use super::{Found, Rules};

/// Minutes below the watermark whose cells are kept.
pub(super) const RETAIN: u32 = 70;

impl Partition {
    /// Adds calls to the cell of a series and minute.
    pub(super) fn hold(&mut self, index: u32, minute: u32, calls: &Cell) {
        let cells = self.cells.entry(minute).or_default();
        let before = cells.get(&index).map_or(0, Cell::bytes);
        let cell = cells.entry(index).or_default();
        cell.merge(calls);
        self.held = self.held + cell.bytes() - before;
    }

    /// Gives up closed minutes that nothing reaches back to.
    pub(super) fn forget_closed(&mut self) {
        let Some(closed) = self.closed else { return };
        while self.cells.first_key_value().is_some_and(|(minute, _)| *minute < closed.saturating_sub(RETAIN)) {
            self.forget_oldest();
        }
    }

    /// Keeps within the room. One open minute is always kept, whatever it takes: at most a cell for each series.
    pub(super) fn keep_within(&mut self, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        while self.held > rules.room {
            let mut minutes = self.cells.keys().copied();
            let Some(oldest) = minutes.next() else { return };
            if self.closed.is_some_and(|closed| oldest <= closed) {
                self.forget_oldest();
            } else if minutes.next().is_some() {
                self.closed_early += 1;
                self.close_below(oldest + 1, share, rules, found);
            } else {
                return;
            }
        }
    }

    /// Gives up the cells of a series.
    pub(super) fn forget_cells(&mut self, index: u32) {
        for of_series in self.cells.values_mut() {
            self.held -= of_series.remove(&index).map_or(0, |cell| cell.bytes());
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, cells)) = self.cells.pop_first() {
            self.held -= cells.values().map(Cell::bytes).sum::<usize>();
        }
    }

    /// Bytes of cells, counted anew.
    #[cfg(test)]
    pub(super) fn held_by_cells(&self) -> usize {
        self.cells.values().flat_map(|of_series| of_series.values()).map(Cell::bytes).sum()
    }
}

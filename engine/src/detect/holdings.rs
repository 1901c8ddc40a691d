//! What a partition holds: series that are given up for others, strings that nobody names any more, bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::account::Account;
use super::cell::Cell;
use super::incident::Incident;
use super::partition::Partition;
use super::strings::Id;
use super::tracked::Key;

impl Partition {
    /// Forgets the `most` series that were silent longest, and have neither an open incident nor calls in an open minute.
    /// Returns how many those were. Strings that nobody names any more are left to the next sweep.
    pub(super) fn evict(&mut self, most: usize) -> usize {
        let mut idle = self.idle();
        idle.sort_unstable();
        idle.truncate(most);
        let count = idle.len();
        for (_, index) in idle {
            if let Some(tracked) = self.series[index as usize].take() {
                self.index.remove(&tracked.key);
                self.forget_errors(index, &tracked.key);
                self.awake.remove(&index);
                self.asleep.values_mut().for_each(|asleep| {
                    asleep.remove(&index);
                });
                if let (Some(account), Some(day)) = (self.accounts.get_mut(&tracked.key.account), tracked.last_day) {
                    account.active.forget(day);
                }
                self.forget_cells(index);
                self.corrections.forget_series(index);
                self.free.insert(index);
                self.evicted += 1;
            }
        }
        self.index.shrink_to(2 * self.index.len());
        count
    }

    /// Series that may be given up: (minute of the newest call, index).
    pub(super) fn idle(&self) -> Vec<(u32, u32)> {
        let open = self.cells.range(self.closed.map_or(0, |closed| closed + 1)..);
        let busy: BTreeSet<u32> = open.flat_map(|(_, of_series)| of_series.keys().copied()).collect();
        self.series
            .iter()
            .enumerate()
            .filter_map(|(index, tracked)| {
                let tracked = tracked.as_ref().filter(|tracked| tracked.incident.is_none() && tracked.key.is_api())?;
                let index = index as u32;
                if busy.contains(&index) {
                    return None;
                }
                Some((tracked.series.last_call().unwrap_or(0), index))
            })
            .collect()
    }

    pub(super) fn sweep(&mut self) {
        let mut used = vec![false; self.strings.bound()];
        let mut mark = |id: Id| {
            if let Some(slot) = used.get_mut(id as usize) {
                *slot = true;
            }
        };
        for (id, account) in &self.accounts {
            mark(*id);
            account.regions.keys().for_each(|id| mark(*id));
            account.waking.strings(&mut mark);
        }
        for tracked in self.series.iter().flatten() {
            tracked.key.ids().into_iter().for_each(&mut mark);
            tracked.ledger.strings(&mut mark);
            let incident = tracked.incident.as_deref();
            incident.into_iter().flat_map(Incident::cells).for_each(|cell| mark_cell(cell, &mut mark));
        }
        for (_, ended) in self.corrections.iter() {
            ended.incident.cells().for_each(|cell| mark_cell(cell, &mut mark));
        }
        for cell in self.cells.values().flat_map(BTreeMap::values) {
            mark_cell(cell, &mut mark);
        }
        self.strings.sweep(&used);
    }

    pub(super) fn state_bytes(&self) -> usize {
        let series: usize = self
            .series
            .iter()
            .map(|slot| size_of::<usize>() + slot.as_ref().map_or(0, |tracked| tracked.bytes()))
            .sum();
        let accounts: usize = self.accounts.values().map(Account::bytes).sum();
        let counts: usize = self.exposed.values().chain(self.pulses.values()).map(|counts| counts.len() * 24).sum();
        self.strings.bytes()
            + series
            + accounts
            + counts
            + self.corrections.bytes()
            + self.index.len() * (size_of::<(Key, u32)>() + 2)
    }
}

fn mark_cell(cell: &Cell, mark: &mut impl FnMut(Id)) {
    cell.values.iter().flat_map(|values| values.iter()).for_each(|(id, _)| mark(id));
}

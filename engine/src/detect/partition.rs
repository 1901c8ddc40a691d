//! Everything that must be seen together: the accounts of one partition, their series, their open minutes.
//!
//! Minutes above the watermark are kept open. Counts of an open minute only grow, so a minute that is
//! already over its threshold is told at once ([`Partition::probe`]); everything else waits until the
//! watermark closes the minute, once, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use trailsight_detectors::{Context, Step, Transition};
use trailsight_schemas::entry::Batch;
use trailsight_schemas::time::DAY;

use super::account::Account;
use super::cell::Cell;
use super::incident::Incident;
use super::strings::{Id, Strings};
use super::telling::Opening;
use super::tracked::{Cells, Key, Tracked};
use super::{Found, Rules};

/// Minutes without any call of an account from which on they count as missing, not as silence of each of its series.
const LONG_SILENCE: u32 = 10;

pub(super) struct Partition {
    pub(super) strings: Strings,
    pub(super) accounts: BTreeMap<Id, Account>,
    /// Each in a place of its own: slots that eviction has emptied stay, in every partition as many as it ever held.
    pub(super) series: Vec<Option<Box<Tracked>>>,
    pub(super) free: BTreeSet<u32>,
    pub(super) index: HashMap<Key, u32, foldhash::fast::FixedState>,
    pub(super) cells: Cells,
    /// Bytes of `cells`.
    pub(super) held: usize,
    /// Minutes that were closed before their time, since the process began.
    pub(super) closed_early: u64,
    /// Series that want every minute closed, calls or not.
    pub(super) awake: BTreeSet<u32>,
    /// Of these, series of accounts that are silent as a whole: they wait for the account's next call. Stored as awake:
    /// they fall asleep again.
    pub(super) asleep: BTreeMap<Id, BTreeSet<u32>>,
    /// Newest closed minute.
    pub(super) closed: Option<u32>,
    /// Calls that came for a minute already closed.
    pub(super) late: u64,
    pub(super) evicted: u64,
    /// Calls not judged because the open minutes were full.
    pub(super) overflowed: u64,
    /// Insights that were counted by a lead and not recorded.
    pub(super) omitted: u64,
}

/// What an entry says to one partition.
pub(super) struct Share<'a> {
    pub(super) batch: &'a Batch,
    /// Indices into `batch.minutes`.
    pub(super) minutes: &'a [u32],
    /// Minutes below this are complete.
    pub(super) open_from: Option<u32>,
    /// The source says that its minutes are complete and in order: nothing is told early.
    pub(super) ordered: bool,
    /// Milliseconds since the epoch.
    pub(super) taken_at: i64,
    /// Newest event time seen, seconds since the epoch.
    pub(super) newest: i64,
}

impl Partition {
    pub(super) fn new() -> Partition {
        Partition {
            strings: Strings::new(),
            accounts: BTreeMap::new(),
            series: Vec::new(),
            free: BTreeSet::new(),
            index: HashMap::default(),
            cells: Cells::new(),
            held: 0,
            closed_early: 0,
            awake: BTreeSet::new(),
            asleep: BTreeMap::new(),
            closed: None,
            late: 0,
            evicted: 0,
            overflowed: 0,
            omitted: 0,
        }
    }

    /// Takes in an entry minute by minute: a minute is closed as soon as all that the entry says of it has been
    /// placed, so that a backlog of months needs no more open minutes than an hour of live traffic.
    pub(super) fn apply(&mut self, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        self.begin(share, rules);
        let mut touched = BTreeSet::new();
        for at in share.minutes {
            let minute = share.batch.minutes[*at as usize].minute.0;
            if let Some(open_from) = share.open_from {
                self.close_below(open_from.min(minute), share, rules, found);
            }
            self.place(*at, share, rules, &mut touched);
            self.keep_within(share, rules, found);
        }
        if let Some(open_from) = share.open_from {
            self.close_below(open_from, share, rules, found);
        }
        // Closing came first: what has ended by now must not take in what begins.
        if !share.ordered {
            let mut openings = Vec::new();
            for (minute, index) in touched {
                self.probe(minute, index, share, rules, &mut openings, found);
            }
            self.open(openings, share, rules, found);
        }
        if self.strings.crowded() {
            self.sweep();
        }
    }

    pub(super) fn close_below(&mut self, open_from: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        let Some(through) = open_from.checked_sub(1) else { return };
        while let Some(closed) = self.closed.filter(|closed| *closed < through) {
            let next = if self.awake.is_empty() {
                self.cells.range(closed + 1..=through).next().map(|(minute, _)| *minute)
            } else {
                Some(closed + 1)
            };
            match next {
                Some(minute) => {
                    self.closed = Some(minute);
                    self.close(minute, share, rules, found);
                }
                None => self.closed = Some(through),
            }
        }
        self.forget_closed();
    }

    fn close(&mut self, minute: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        self.rouse(minute);
        let due: Vec<u32> = {
            let with_calls = self.cells.get(&minute).into_iter().flat_map(|of_series| of_series.keys().copied());
            with_calls.chain(self.awake.iter().copied()).collect::<BTreeSet<u32>>().into_iter().collect()
        };
        let gaps = self.gaps(minute);
        for index in &due {
            self.count(*index, minute);
        }
        let (mut bursts, mut openings) = (Vec::new(), Vec::new());
        for index in &due {
            let (step, key) = match self.step(*index, minute, &gaps, share, rules) {
                Some(stepped) => stepped,
                None => {
                    self.lull(*index);
                    continue;
                }
            };
            if let Some(size) = step.first_burst {
                bursts.push((key, size));
            }
            if step.awake {
                self.awake.insert(*index);
            } else {
                self.awake.remove(index);
            }
            self.follow(*index, minute, &step, share, rules, &mut openings, found);
        }
        self.open(openings, share, rules, found);
        for (key, size) in bursts {
            if let Some(account) = self.accounts.get_mut(&key.account) {
                account.pools[usize::from(key.is_error())].observe(minute, size);
            }
        }
    }

    /// Puts a closing minute into the ledger and the account's count of active series, before any of the
    /// minute's series is judged, so that their order does not matter.
    fn count(&mut self, index: u32, minute: u32) {
        let Some(cell) = self.cells.get(&minute).and_then(|of_series| of_series.get(&index)) else { return };
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        tracked.ledger.add(minute / DAY, cell);
        if let Some(account) = self.accounts.get_mut(&tracked.key.account) {
            account.active.touch(tracked.last_day, minute);
            account.seen = account.seen.max(minute);
        }
        tracked.last_day = tracked.last_day.max(Some(minute / DAY));
    }

    /// What waited for the next call of its account is awake again.
    fn rouse(&mut self, minute: u32) {
        if self.asleep.is_empty() {
            return;
        }
        let with_calls = self.cells.get(&minute).into_iter().flat_map(|of_series| of_series.keys());
        let accounts = with_calls.filter_map(|index| Some(self.series[*index as usize].as_ref()?.key.account));
        for account in accounts.collect::<BTreeSet<Id>>() {
            self.awake.extend(self.asleep.remove(&account).unwrap_or_default());
        }
    }

    fn lull(&mut self, index: u32) {
        if let Some(tracked) = self.series[index as usize].as_ref().filter(|_| self.awake.remove(&index)) {
            self.asleep.entry(tracked.key.account).or_default().insert(index);
        }
    }

    /// Series that want every minute closed, whether or not they wait.
    pub(super) fn all_awake(&self) -> BTreeSet<u32> {
        self.awake.iter().chain(self.asleep.values().flatten()).copied().collect()
    }

    /// Minutes before `minute` in which accounts that have calls again had none at all: their records were not
    /// delivered, or nothing at all was called; neither is a drop of any one series.
    fn gaps(&self, minute: u32) -> BTreeMap<Id, std::ops::Range<u32>> {
        let with_calls = self.cells.get(&minute).into_iter().flat_map(|of_series| of_series.keys());
        let accounts = with_calls.filter_map(|index| Some(self.series[*index as usize].as_ref()?.key.account));
        let silent = accounts.filter_map(|id| Some((id, self.accounts.get(&id)?.seen + 1..minute)));
        silent.filter(|(_, gap)| gap.len() as u32 >= LONG_SILENCE).collect()
    }

    /// `None` where nothing can be said yet: the account is silent as a whole.
    fn step(
        &mut self,
        index: u32,
        minute: u32,
        gaps: &BTreeMap<Id, std::ops::Range<u32>>,
        share: &Share<'_>,
        rules: &Rules,
    ) -> Option<(Step, Key)> {
        let tracked = self.series[index as usize].as_mut()?;
        let account = self.accounts.get(&tracked.key.account)?;
        let calls = self.cells.get(&minute).and_then(|of_series| of_series.get(&index)).map_or(0, |cell| cell.calls);
        let learn = share.taken_at >= tracked.unlearned_until;
        if calls == 0 && minute > account.seen && !tracked.series.is_active() {
            return None;
        }
        let gap = gaps.get(&tracked.key.account).map(std::slice::from_ref).unwrap_or_default();
        let context = Context { gaps: gap, ..account.context(tracked.key.is_error(), minute, learn, &rules.settings) };
        Some((tracked.series.close(minute, calls, &context), tracked.key))
    }

    /// Tells what closing a minute led to, and adds the minute to the incident that is open. What begins is told once
    /// all that begins with this minute is known.
    #[allow(clippy::too_many_arguments)]
    fn follow(
        &mut self,
        index: u32,
        minute: u32,
        step: &Step,
        share: &Share<'_>,
        rules: &Rules,
        openings: &mut Vec<Opening>,
        found: &mut Vec<Found>,
    ) {
        for transition in [step.before, step.transition].into_iter().flatten() {
            match transition {
                Transition::Opened(finding) | Transition::Raised(finding) => {
                    let opening = Opening { index, minute, finding };
                    if self.is_open(index) {
                        self.tell_raise(&opening, share, rules, found);
                    } else {
                        openings.push(opening);
                    }
                }
                Transition::Ended { end, reason, .. } => {
                    self.keep(index, minute, Some(end));
                    self.tell_end(index, minute, end, reason, share, rules, found);
                }
            }
        }
        let quiet_since = self.series[index as usize].as_ref().and_then(|tracked| tracked.series.quiet_since());
        self.keep(index, minute, quiet_since);
    }

    /// Adds a closed minute to the incident that is open.
    fn keep(&mut self, index: u32, minute: u32, quiet_since: Option<u32>) {
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        if let Some(incident) = tracked.incident.as_mut() {
            let cell = self.cells.get(&minute).and_then(|of_series| of_series.get(&index));
            match cell {
                Some(cell) if !incident.pending.contains_key(&minute) => incident.add(minute, cell, quiet_since),
                _ => incident.add(minute, &Cell::default(), quiet_since),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

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
                self.awake.remove(&index);
                self.asleep.values_mut().for_each(|asleep| {
                    asleep.remove(&index);
                });
                if let (Some(account), Some(day)) = (self.accounts.get_mut(&tracked.key.account), tracked.last_day) {
                    account.active.forget(day);
                }
                self.forget_cells(index);
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
                let tracked = tracked.as_ref().filter(|tracked| tracked.incident.is_none())?;
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
        self.accounts.keys().for_each(|id| mark(*id));
        for tracked in self.series.iter().flatten() {
            tracked.key.ids().into_iter().for_each(&mut mark);
            tracked.ledger.strings(&mut mark);
            let incident = tracked.incident.as_deref();
            incident.into_iter().flat_map(Incident::cells).for_each(|cell| mark_cell(cell, &mut mark));
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
        self.strings.bytes() + series + self.index.len() * (size_of::<(Key, u32)>() + 2)
    }

    pub(super) fn refresh_unlearned(&mut self, rules: &Rules) {
        for tracked in self.series.iter_mut().flatten() {
            tracked.unlearned_until = rules.unlearned_until(&tracked.key, &self.strings);
        }
    }
}

fn mark_cell(cell: &Cell, mark: &mut impl FnMut(Id)) {
    cell.values.iter().flat_map(|values| values.iter()).for_each(|(id, _)| mark(id));
}

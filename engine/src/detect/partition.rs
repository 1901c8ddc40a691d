//! Everything that must be seen together: the accounts of one partition, their series, their open minutes.
//!
//! Minutes above the watermark are kept open. Counts of an open minute only grow, so a minute that is
//! already over its threshold is told at once ([`Partition::probe`]); everything else waits until the
//! watermark closes the minute, once, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use trailsight_detectors::{Finding, Series, Step, Transition};
use trailsight_schemas::entry::{ApiMinute, Attribution, Batch, Class};
use trailsight_schemas::insight::InsightEvent;
use trailsight_schemas::time::DAY;

use super::account::{Account, sensitivity};
use super::cell::{AGENT, CELL_VALUES, Cell, ERROR, IDENTITY};
use super::incident::Incident;
use super::ledger::Ledger;
use super::report::{self, Moment};
use super::strings::{Id, NONE, Strings};
use super::tracked::{Cells, Key, Tracked};
use super::{Found, Rules};
use crate::journal::Detected;

/// Minutes below the watermark whose cells are kept, so that a Start can be dated back and its window told.
const RETAIN: u32 = 70;

pub(super) struct Partition {
    pub(super) strings: Strings,
    pub(super) accounts: BTreeMap<Id, Account>,
    pub(super) series: Vec<Option<Tracked>>,
    pub(super) free: BTreeSet<u32>,
    pub(super) index: HashMap<Key, u32, foldhash::fast::FixedState>,
    pub(super) cells: Cells,
    /// Series that want every minute closed, calls or not.
    pub(super) awake: BTreeSet<u32>,
    /// Newest closed minute.
    pub(super) closed: Option<u32>,
    /// Calls that came for a minute already closed.
    pub(super) late: u64,
    pub(super) evicted: u64,
    /// Calls not judged because the open minutes were full.
    pub(super) overflowed: u64,
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
            awake: BTreeSet::new(),
            closed: None,
            late: 0,
            evicted: 0,
            overflowed: 0,
        }
    }

    pub(super) fn apply(&mut self, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        let touched = self.place(share, rules);
        // Closing comes first: what has ended by now must not take in what begins.
        if let Some(open_from) = share.open_from {
            self.close_below(open_from, share, rules, found);
        }
        if !share.ordered {
            for (minute, index) in touched {
                self.probe(minute, index, share, rules, found);
            }
        }
        if self.strings.crowded() {
            self.sweep();
        }
    }

    // ---- taking in

    fn place(&mut self, share: &Share<'_>, rules: &Rules) -> BTreeSet<(u32, u32)> {
        let mut touched = BTreeSet::new();
        if self.closed.is_none() {
            let oldest = share.minutes.iter().map(|at| share.batch.minutes[*at as usize].minute.0).min();
            let open_from = share.open_from.unwrap_or(u32::MAX);
            self.closed = oldest
                .map(|minute| minute.saturating_sub(rules.settings.allowed_lateness + 1).min(open_from.max(1) - 1));
        }
        for at in share.minutes {
            let rolled = &share.batch.minutes[*at as usize];
            for (key, cell) in self.cells_of(rolled, share.batch, rules) {
                let index = self.find_or_track(key, rolled.minute.0, rules);
                if self.add(index, rolled.minute.0, cell, rules) {
                    touched.insert((rolled.minute.0, index));
                }
            }
        }
        touched
    }

    /// The series that a rollup feeds: the call rate where it is judged, and each error code.
    fn cells_of(&mut self, rolled: &ApiMinute, batch: &Batch, rules: &Rules) -> Vec<(Key, Cell)> {
        let api = &batch.apis[rolled.api as usize];
        let text = |id: u32| batch.strings[id as usize].as_str();
        let judged = match api.class {
            Class::ManagementWrite => true,
            Class::ManagementRead => rules.settings.read_call_rate,
            Class::Data => rules.settings.data_events.iter().any(|source| source == text(api.source)),
        };
        if api.class == Class::Data && !judged || !judged && rolled.errors.is_empty() {
            return Vec::new();
        }
        let strings = &mut self.strings;
        let mut key = Key {
            account: strings.intern(text(api.account)),
            region: strings.intern(text(api.region)),
            source: strings.intern(text(api.source)),
            name: strings.intern(text(api.name)),
            code: NONE,
            class: api.class,
        };
        let mut cells = Vec::with_capacity(1 + rolled.errors.len());
        if judged {
            let mut cell = cell_of(rolled.calls, &rolled.identities, &rolled.agents, batch, strings);
            for error in &rolled.errors {
                cell.values[ERROR].add(strings.intern(text(error.code)), error.calls);
            }
            cells.push((key, cell));
        }
        for error in &rolled.errors {
            key.code = strings.intern(text(error.code));
            if key.code != NONE {
                cells.push((key, cell_of(error.calls, &error.identities, &error.agents, batch, strings)));
            }
        }
        cells
    }

    fn find_or_track(&mut self, key: Key, minute: u32, rules: &Rules) -> u32 {
        let account = self.accounts.entry(key.account).or_insert_with(|| Account::new(minute, &rules.settings));
        account.since = account.since.min(minute);
        if let Some(index) = self.index.get(&key) {
            return *index;
        }
        let first = self.closed.map_or(minute, |closed| closed.saturating_add(1));
        let watched_since = account.watched_since(&rules.settings).min(first);
        let tracked = Tracked {
            key,
            series: Series::new(watched_since, first),
            ledger: Ledger::default(),
            incident: None,
            ended: 0,
            last_day: None,
            unlearned_until: rules.unlearned_until(&key, &self.strings),
        };
        let index = match self.free.pop_first() {
            Some(index) => {
                self.series[index as usize] = Some(tracked);
                index
            }
            None => {
                self.series.push(Some(tracked));
                (self.series.len() - 1) as u32
            }
        };
        self.index.insert(key, index);
        index
    }

    /// Adds calls to a minute. Returns whether the minute is open.
    fn add(&mut self, index: u32, minute: u32, cell: Cell, rules: &Rules) -> bool {
        let open = self.closed.is_none_or(|closed| minute > closed);
        if !open {
            self.late = self.late.saturating_add(cell.calls);
            if let Some(tracked) = self.series[index as usize].as_mut() {
                tracked.ledger.add(minute / DAY, &cell);
                if let Some(incident) = tracked.incident.as_mut() {
                    incident.add_late(minute, &cell);
                }
            }
            if self.cells.first_key_value().is_none_or(|(oldest, _)| minute < *oldest) {
                return false;
            }
        }
        let horizon = self.closed.unwrap_or(minute).saturating_add(rules.open_minutes);
        if minute > horizon {
            self.overflowed = self.overflowed.saturating_add(cell.calls);
            return false;
        }
        self.cells.entry(minute).or_default().entry(index).or_default().merge(&cell);
        open
    }

    // ---- telling early

    fn probe(&mut self, minute: u32, index: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        if self.closed.is_some_and(|closed| minute <= closed) {
            return;
        }
        let mut recent = [0u64; 5];
        for (slot, at) in recent.iter_mut().zip(minute.saturating_sub(4)..=minute) {
            *slot = self.cells.get(&at).and_then(|of_series| of_series.get(&index)).map_or(0, |cell| cell.calls);
        }
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let Some(account) = self.accounts.get(&tracked.key.account) else { return };
        let learn = share.taken_at >= tracked.unlearned_until;
        let context = account.context(tracked.key.is_error(), minute, learn, &rules.settings);
        let Some(finding) = tracked.series.probe(minute, &recent, &context) else { return };
        if tracked.incident.as_ref().is_some_and(|incident| finding.level >= incident.level) {
            return;
        }
        tracked.series.open_early(&finding);
        self.awake.insert(index);
        self.tell_start(index, minute, &finding, share, rules, found);
    }

    // ---- closing

    fn close_below(&mut self, open_from: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
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
        if let Some(closed) = self.closed {
            self.cells = self.cells.split_off(&closed.saturating_sub(RETAIN));
        }
    }

    fn close(&mut self, minute: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        let due: Vec<u32> = {
            let with_calls = self.cells.get(&minute).into_iter().flat_map(|of_series| of_series.keys().copied());
            with_calls.chain(self.awake.iter().copied()).collect::<BTreeSet<u32>>().into_iter().collect()
        };
        for index in &due {
            self.count(*index, minute);
        }
        let mut bursts = Vec::new();
        for index in &due {
            let (step, key) = match self.step(*index, minute, share, rules) {
                Some(stepped) => stepped,
                None => continue,
            };
            if let Some(size) = step.first_burst {
                bursts.push((key, size));
            }
            if step.awake {
                self.awake.insert(*index);
            } else {
                self.awake.remove(index);
            }
            self.follow(*index, minute, &step, share, rules, found);
        }
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

    fn step(&mut self, index: u32, minute: u32, share: &Share<'_>, rules: &Rules) -> Option<(Step, Key)> {
        let tracked = self.series[index as usize].as_mut()?;
        let account = self.accounts.get(&tracked.key.account)?;
        let calls = self.cells.get(&minute).and_then(|of_series| of_series.get(&index)).map_or(0, |cell| cell.calls);
        let learn = share.taken_at >= tracked.unlearned_until;
        let context = account.context(tracked.key.is_error(), minute, learn, &rules.settings);
        Some((tracked.series.close(minute, calls, &context), tracked.key))
    }

    /// Tells what closing a minute led to, and adds the minute to the incident that is open.
    fn follow(
        &mut self,
        index: u32,
        minute: u32,
        step: &Step,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        for transition in [step.before, step.transition].into_iter().flatten() {
            match transition {
                Transition::Opened(finding) | Transition::Raised(finding) => {
                    self.tell_start(index, minute, &finding, share, rules, found);
                }
                Transition::Ended { end, reason, .. } => {
                    self.keep(index, minute);
                    self.tell_end(index, minute, end, reason, share, rules, found);
                }
            }
        }
        self.keep(index, minute);
    }

    /// Adds a closed minute to the incident that is open.
    fn keep(&mut self, index: u32, minute: u32) {
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let quiet_since = tracked.series.quiet_since();
        if let Some(incident) = tracked.incident.as_mut() {
            let cell = self.cells.get(&minute).and_then(|of_series| of_series.get(&index));
            match cell {
                Some(cell) if !incident.pending.contains_key(&minute) => incident.add(minute, cell, quiet_since),
                _ => incident.add(minute, &Cell::default(), quiet_since),
            }
        }
    }

    // ---- telling

    fn tell_start(
        &mut self,
        index: u32,
        minute: u32,
        finding: &Finding,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let closed = self.closed;
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let told = tracked.incident.as_ref().map(|incident| incident.level);
        if told.is_some_and(|level| finding.level >= level) {
            return;
        }
        let mut finding = *finding;
        let first_use = finding.test == trailsight_detectors::Test::FirstUse;
        let chance = self
            .accounts
            .get(&tracked.key.account)
            .map_or(0.0, |account| account.chance_per_week(finding.rate, first_use));
        let mut incident = match tracked.incident.take() {
            Some(mut incident) => {
                incident.revision += 1;
                incident
            }
            None => {
                finding = after(tracked.ended, finding, index, minute, &self.cells);
                let series = tracked.key.path(&self.strings);
                let mut incident = Box::new(Incident {
                    shared: report::shared_id(&series, &tracked.key, finding.start),
                    start: finding.start,
                    level: finding.level,
                    revision: 0,
                    test: finding.test,
                    expected: 0.0,
                    observed: 0.0,
                    chance_per_week: 0.0,
                    baseline: tracked.baseline(index, finding.start, &self.cells, closed),
                    settled: Cell::default(),
                    pending: BTreeMap::new(),
                });
                for (at, of_series) in self.cells.range(finding.start..=closed.unwrap_or(0).max(finding.start)) {
                    if let Some(cell) = of_series.get(&index).filter(|_| closed.is_some_and(|closed| *at <= closed)) {
                        incident.pending.insert(*at, cell.clone());
                    }
                }
                incident
            }
        };
        (incident.level, incident.test) = (finding.level, finding.test);
        (incident.expected, incident.observed, incident.chance_per_week) = (finding.expected, finding.observed, chance);
        let mut window = Cell::default();
        for (_, of_series) in self.cells.range(minute.saturating_sub(finding.window.max(1) - 1)..=minute) {
            if let Some(cell) = of_series.get(&index) {
                window.merge(cell);
            }
        }
        let event =
            report::start(&tracked.key, &incident, &finding, &window, &self.strings, &moment(minute, share, rules));
        tracked.incident = Some(incident);
        found.push(Found { minute, detected: Detected { event, told: told.map(sensitivity) } });
    }

    #[allow(clippy::too_many_arguments)]
    fn tell_end(
        &mut self,
        index: u32,
        minute: u32,
        end: u32,
        reason: trailsight_detectors::EndReason,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        let Some(incident) = tracked.incident.take() else { return };
        tracked.ended = end.max(incident.start + 1);
        let event: InsightEvent =
            report::end(&tracked.key, &incident, end, reason, &self.strings, &moment(minute, share, rules));
        found.push(Found { minute, detected: Detected { event, told: Some(sensitivity(incident.level)) } });
    }

    // ---- limits

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Forgets the `most` series that were silent longest and have no open incident.
    pub(super) fn evict(&mut self, most: usize) {
        let mut idle: Vec<(u32, u32)> = self
            .series
            .iter()
            .enumerate()
            .filter_map(|(index, tracked)| {
                let tracked = tracked.as_ref().filter(|tracked| tracked.incident.is_none())?;
                Some((tracked.series.last_call().unwrap_or(0), index as u32))
            })
            .collect();
        idle.sort_unstable();
        for (_, index) in idle.into_iter().take(most) {
            if let Some(tracked) = self.series[index as usize].take() {
                self.index.remove(&tracked.key);
                self.awake.remove(&index);
                if let (Some(account), Some(day)) = (self.accounts.get_mut(&tracked.key.account), tracked.last_day) {
                    account.active.forget(day);
                }
                for of_series in self.cells.values_mut() {
                    of_series.remove(&index);
                }
                self.free.insert(index);
                self.evicted += 1;
            }
        }
        self.sweep();
    }

    fn sweep(&mut self) {
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
            if let Some(incident) = &tracked.incident {
                let kept = [&incident.baseline, &incident.settled].into_iter().chain(incident.pending.values());
                kept.for_each(|cell| mark_cell(cell, &mut mark));
            }
        }
        for cell in self.cells.values().flat_map(BTreeMap::values) {
            mark_cell(cell, &mut mark);
        }
        self.strings.sweep(&used);
    }

    pub(super) fn state_bytes(&self) -> usize {
        let cells: usize = self.cells.values().flat_map(BTreeMap::values).map(|cell| cell.bytes() + 8).sum();
        let series: usize =
            self.series.iter().map(|slot| slot.as_ref().map_or(size_of::<Option<Tracked>>(), Tracked::bytes)).sum();
        self.strings.bytes() + cells + series + self.index.len() * (size_of::<(Key, u32)>() + 2)
    }

    pub(super) fn refresh_unlearned(&mut self, rules: &Rules) {
        for tracked in self.series.iter_mut().flatten() {
            tracked.unlearned_until = rules.unlearned_until(&tracked.key, &self.strings);
        }
    }
}

/// A finding whose window reaches back into an incident that has ended (a first burst that flared up again
/// within its hour) begins with the first call after it: each call belongs to one incident.
fn after(ended: u32, finding: Finding, index: u32, minute: u32, cells: &Cells) -> Finding {
    if finding.start >= ended {
        return finding;
    }
    let calls = cells.range(ended..=minute).find(|(_, of_series)| of_series.contains_key(&index));
    let start = calls.map_or(minute, |(at, _)| *at);
    Finding { start, window: minute - start + 1, ..finding }
}

fn mark_cell(cell: &Cell, mark: &mut impl FnMut(Id)) {
    cell.values.iter().flat_map(|values| values.iter()).for_each(|(id, _)| mark(id));
}

fn moment<'a>(minute: u32, share: &Share<'_>, rules: &'a Rules) -> Moment<'a> {
    let over = i64::from(minute) * 60 + 60;
    Moment {
        detected_at: if share.ordered { over * 1000 } else { share.taken_at },
        data_through: if share.ordered { over } else { share.newest },
        public_url: rules.settings.public_url.as_deref(),
    }
}

fn cell_of(calls: u64, identities: &Attribution, agents: &Attribution, batch: &Batch, strings: &mut Strings) -> Cell {
    let mut cell = Cell { calls, ..Cell::default() };
    for (at, attribution) in [(IDENTITY, identities), (AGENT, agents)] {
        for (id, calls) in attribution.values.iter().take(CELL_VALUES) {
            let value = strings.intern(&batch.strings[*id as usize]);
            cell.values[at].add(value, *calls);
        }
    }
    cell
}

//! Everything that must be seen together: the accounts of one partition, their series, their open minutes.
//!
//! Minutes above the watermark are kept open. Counts of an open minute only grow, so a minute that is
//! already over its threshold is told at once ([`Partition::probe`]); everything else waits until the
//! watermark closes the minute, once, in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use trailsight_detectors::{EndReason, Novelty, Step, TailPool, Transition};
use trailsight_schemas::entry::Batch;
use trailsight_schemas::insight::EndReason as Reason;
use trailsight_schemas::time::DAY;

use super::account::{Account, given};
use super::cell::Cell;
use super::corrections::Corrections;
use super::pairs::Print;
use super::room::RETAIN;
use super::scopes::api_print;
use super::strings::{Id, Strings};
use super::telling::Opening;
use super::tracked::{Cells, Key, Kind, Tracked};
use super::{Found, Rules};

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
    /// Error series by the API whose errors they are.
    pub(super) errors_of: HashMap<Key, Vec<u32>, foldhash::fast::FixedState>,
    /// Calls of APIs that have an error series, by minute and error series.
    pub(super) exposed: BTreeMap<u32, BTreeMap<u32, u64>>,
    /// Calls of all accounts together, by source and minute.
    pub(super) pulses: BTreeMap<String, BTreeMap<u32, u64>>,
    /// Series of whole accounts: a few an account, never evicted and not counted at the limit.
    pub(super) of_accounts: usize,
    /// Tails of all accounts, as last published.
    pub(super) fleet: TailPool,
    /// Incidents whose End can still be corrected.
    pub(super) corrections: Corrections,
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
    /// Prints of the batch's strings, and of its APIs.
    pub(super) prints: &'a [Print],
    pub(super) api_prints: &'a [Print],
    /// Name of the source that the entry came from.
    pub(super) source: &'a str,
    /// Calls of all accounts, by minute.
    pub(super) pulse: &'a BTreeMap<u32, u64>,
}

/// What judging a minute of one series leaves to be done once all of the minute's series were judged.
struct Judged {
    key: Key,
    step: Step,
    novelty: Option<Novelty>,
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
            errors_of: HashMap::default(),
            exposed: BTreeMap::new(),
            pulses: BTreeMap::new(),
            fleet: TailPool::SHIPPED,
            of_accounts: 0,
            corrections: Corrections::default(),
        }
    }

    /// Takes in an entry minute by minute: a minute is closed as soon as all that the entry says of it has been
    /// placed, so that a backlog of months needs no more open minutes than an hour of live traffic.
    pub(super) fn apply(&mut self, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        self.begin(share, rules);
        self.feel(share);
        let mut touched = BTreeSet::new();
        for at in share.minutes {
            let minute = share.batch.minutes[*at as usize].minute.0;
            if let Some(open_from) = share.open_from {
                self.close_below(open_from.min(minute), share, rules, found);
            }
            self.place(*at, share, rules, &mut touched);
            self.place_account(&share.batch.minutes[*at as usize], share, rules);
            self.keep_within(share, rules, found);
        }
        if let Some(open_from) = share.open_from {
            self.close_below(open_from, share, rules, found);
        }
        // Closing came first: what has ended by now must not take in what begins.
        if !share.ordered {
            let mut openings = BTreeMap::new();
            for (minute, index) in touched {
                self.probe(minute, index, share, rules, &mut openings);
            }
            self.open(openings.into_values().collect(), share, rules, found);
        }
        if self.strings.crowded() {
            self.sweep();
        }
    }

    pub(super) fn close_below(&mut self, open_from: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        let Some(through) = open_from.checked_sub(1) else { return };
        while let Some(closed) = self.closed.filter(|closed| *closed < through) {
            let next = if self.awake.is_empty() {
                let calls = self.cells.range(closed + 1..=through).next().map(|(minute, _)| *minute);
                let due = self.corrections.next().map(|minute| minute.max(closed + 1));
                calls.into_iter().chain(due).min().filter(|minute| *minute <= through)
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
        if let Some(closed) = self.closed {
            let before = closed.saturating_sub(RETAIN);
            self.exposed = self.exposed.split_off(&before);
            self.forget_pulses(before);
        }
    }

    /// Everybody's calls: every partition sees the whole entry, so that none has to ask another whether a source went
    /// quiet.
    fn feel(&mut self, share: &Share<'_>) {
        let oldest = self.closed.map_or(0, |closed| closed.saturating_sub(RETAIN));
        if share.pulse.is_empty() {
            return;
        }
        let known = self.pulses.entry(share.source.to_owned()).or_default();
        for (minute, calls) in share.pulse.range(oldest..) {
            let sum = known.entry(*minute).or_default();
            *sum = sum.saturating_add(*calls);
        }
    }

    fn close(&mut self, minute: u32, share: &Share<'_>, rules: &Rules, found: &mut Vec<Found>) {
        self.rouse(minute);
        self.wake_up(minute, rules);
        let due = self.due(minute);
        for index in &due {
            self.count(*index, minute);
        }
        let (mut judged, mut openings) = (Vec::new(), Vec::new());
        // What is silent as a whole is known before any of its series is asked.
        let is_total = |index: &&u32| {
            let tracked = self.series[**index as usize].as_ref();
            tracked.is_some_and(|tracked| tracked.key.kind == Kind::Total)
        };
        let (mut totals, others): (Vec<&u32>, Vec<&u32>) = due.iter().partition(is_total);
        totals.sort_by_key(|index| (!self.is_whole(**index), **index));
        for index in totals.into_iter().chain(others) {
            let Some(one) = self.step(*index, minute, share, rules, found) else {
                self.lull(*index, minute);
                continue;
            };
            if one.step.awake {
                self.awake.insert(*index);
            } else {
                self.awake.remove(index);
            }
            self.follow(*index, minute, &one.step, share, rules, &mut openings, found);
            judged.push(one);
        }
        self.open(openings, share, rules, found);
        for one in judged {
            self.pool(&one, minute);
        }
        self.learn_share(minute);
        self.tell_corrections(minute, share, rules, found);
    }

    /// Series with calls in a minute, and those that are awake, in order.
    fn due(&self, minute: u32) -> Vec<u32> {
        let with_calls = self.cells.get(&minute).into_iter().flat_map(|of_series| of_series.keys().copied());
        let mut due: Vec<u32> = with_calls.chain(self.awake.iter().copied()).collect();
        // Two runs that are sorted already: one merge.
        due.sort();
        due.dedup();
        due
    }

    /// What one series teaches its account, after all of the minute were judged: their order does not matter.
    fn pool(&mut self, one: &Judged, minute: u32) {
        let Some(account) = self.accounts.get_mut(&one.key.account).filter(|_| one.key.is_api()) else { return };
        if let Some(size) = one.step.first_burst {
            account.pools[usize::from(one.key.is_error())].observe(minute, size);
        }
        one.step.peaks.iter().for_each(|peak| account.tails.observe(minute, peak));
        if let Some(novelty) = one.novelty {
            account.measure(novelty);
        }
    }

    /// Puts a closing minute into the ledger and the account's count of active series, before any of the
    /// minute's series is judged, so that their order does not matter.
    fn count(&mut self, index: u32, minute: u32) {
        let Some(cell) = self.cells.get(&minute).and_then(|of_series| of_series.get(&index)) else { return };
        let Some(tracked) = self.series[index as usize].as_mut() else { return };
        tracked.ledger.add(minute / DAY, cell);
        if !tracked.key.is_api() {
            return;
        }
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

    /// What waits for its account to call again need not be asked every minute, unless an incident of it is open and
    /// the silence is young.
    fn lull(&mut self, index: u32, minute: u32) {
        let Some(tracked) = self.series[index as usize].as_ref() else { return };
        let old = self.accounts.get(&tracked.key.account).is_some_and(|one| one.seen.saturating_add(DAY) < minute);
        if (old || !tracked.series.is_active()) && self.awake.remove(&index) {
            self.asleep.entry(tracked.key.account).or_default().insert(index);
        }
    }

    /// Series that want every minute closed, whether or not they wait.
    pub(super) fn all_awake(&self) -> BTreeSet<u32> {
        self.awake.iter().chain(self.asleep.values().flatten()).copied().collect()
    }

    /// Judges a minute of one series. `None` where it has to wait: its account is silent, and it is not known yet
    /// whether that means anything.
    fn step(
        &mut self,
        index: u32,
        minute: u32,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) -> Option<Judged> {
        let key = self.series[index as usize].as_ref()?.key;
        let cell = self.cells.get(&minute).and_then(|of_series| of_series.get(&index));
        let calls = cell.map_or(0, |cell| cell.calls);
        match key.kind {
            Kind::Total => {
                let step = self.step_total(index, &key, minute, calls, share, rules, found)?;
                return Some(Judged { key, step, novelty: None });
            }
            Kind::Sweep => {
                let step = self.step_sweep(index, &key, minute, rules)?;
                return Some(Judged { key, step, novelty: None });
            }
            Kind::Calls | Kind::Errors | Kind::Denied => {}
        }
        let account = self.accounts.get(&key.account)?;
        let active = self.series[index as usize].as_ref()?.series.is_active();
        if calls == 0 && account.waits(key.region, minute, active) {
            return None;
        }
        let novelty = cell.filter(|_| key.is_api()).map(|cell| {
            let api = [key.region, key.source, key.name].map(|id| self.strings.print(id));
            account.novelty(api_print(api[0], api[1], api[2]), cell, minute, &self.strings)
        });
        let tracked = self.series[index as usize].as_mut()?;
        let learn = share.taken_at >= tracked.unlearned_until;
        let of = |minutes: u32| exposed(&self.exposed, index, minute, minutes);
        let mut context = account.context(&key, minute, learn, &self.fleet, &rules.settings);
        context.novelty = novelty;
        let errors = || counted(&self.cells, index, minute, 60);
        context.exposure = tracked.exposure(&of, &errors, &rules.settings);
        let step = tracked.series.close(minute, calls, &context);
        Some(Judged { key, step, novelty })
    }

    /// A minute in which an API with errors was called teaches how many of its calls fail, unless it is part of an
    /// incident.
    fn learn_share(&mut self, minute: u32) {
        let Some(of_series) = self.exposed.get(&minute) else { return };
        for (index, calls) in of_series {
            let Some(tracked) = self.series.get_mut(*index as usize).and_then(Option::as_mut) else { continue };
            if !tracked.series.is_active() {
                let errors = self.cells.get(&minute).and_then(|cells| cells.get(index)).map_or(0, |cell| cell.calls);
                tracked.share.learn(minute / DAY, *calls, errors);
            }
        }
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
        let ends = matches!(step.transition, Some(Transition::Ended { .. }));
        for transition in [step.before, step.transition].into_iter().flatten() {
            match transition {
                Transition::Opened(finding) | Transition::Raised(finding) => {
                    let denied = self.series[index as usize].as_ref().is_some_and(|one| one.key.kind == Kind::Denied);
                    if denied && !self.is_spread(index, minute, finding.window) {
                        continue;
                    }
                    openings.push(Opening { index, minute, finding });
                    if ends {
                        self.open(openings.split_off(openings.len() - 1), share, rules, found);
                    }
                }
                Transition::Ended { end, reason, .. } => {
                    self.keep(index, minute, Some(end));
                    self.tell_end(index, minute, end, reason_of(reason), share, rules, found);
                }
            }
        }
        self.list_members(index, minute);
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
        self.index.len() - self.of_accounts
    }

    /// Applies settings that changed.
    pub(super) fn refresh(&mut self, rules: &Rules) {
        for (id, account) in &mut self.accounts {
            account.given = given(rules.settings.budgets_of(self.strings.text(*id)));
        }
        for tracked in self.series.iter_mut().flatten() {
            tracked.unlearned_until = rules.unlearned_until(&tracked.key, &self.strings);
        }
    }
}

/// Calls of the API of an error series in so many minutes up to one.
pub(super) fn exposed(of: &BTreeMap<u32, BTreeMap<u32, u64>>, index: u32, minute: u32, minutes: u32) -> u64 {
    let window = (minute + 1).saturating_sub(minutes)..=minute;
    of.range(window).filter_map(|(_, calls)| calls.get(&index)).fold(0, |sum, calls| sum.saturating_add(*calls))
}

/// Calls of a series in so many minutes up to one.
pub(super) fn counted(cells: &Cells, index: u32, minute: u32, minutes: u32) -> u64 {
    let window = (minute + 1).saturating_sub(minutes)..=minute;
    cells.range(window).filter_map(|(_, of)| of.get(&index)).fold(0, |sum, cell| sum.saturating_add(cell.calls))
}

fn reason_of(reason: EndReason) -> Reason {
    match reason {
        EndReason::Returned => Reason::Returned,
        EndReason::Accepted => Reason::Accepted,
    }
}

//! What is asked of a whole account: what an entry says of it, whether it wakes up, whether it is silent.

use std::collections::{BTreeMap, BTreeSet};

use trailsight_detectors::{EndReason, Finding, Judge, Level, Step, Test, Transition, WEEK};
use trailsight_schemas::entry::{ApiMinute, Attribution};
use trailsight_schemas::insight::EndReason as Reason;
use trailsight_schemas::time::DAY;

use super::account::{Account, MOST_REGIONS};
use super::cell::{Cell, ERROR, IDENTITY};
use super::denied::is_denied;
use super::hush::{Hush, SILENCE};
use super::pairs::{Print, pair};
use super::partition::{Partition, Share};
use super::strings::{Id, NONE, Strings, print};
use super::tracked::{ALL, Key, Kind};
use super::waking::Wake;
use super::{Found, Rules};

/// Minutes over which it is asked whether others go on.
const OTHERS: u32 = 15;
/// Others go on while they call at least this part of what they did.
const GO_ON: f64 = 0.25;
/// Minutes after which a silence is the normal state.
const ACCEPTED: u32 = DAY;
/// Minutes with calls expected and missed before a silence speaks at each level, strictest first.
const SILENT: [f64; 3] = [20.0, 15.0, 10.0];

impl Partition {
    /// Counts a rollup towards its account: all calls, denied calls, and pairs that may be waking.
    pub(super) fn place_account(&mut self, rolled: &ApiMinute, share: &Share<'_>, rules: &Rules) {
        let api = &share.batch.apis[rolled.api as usize];
        let text = |id: u32| share.batch.strings[id as usize].as_str();
        let (account, region) = (self.strings.intern(text(api.account)), self.strings.intern(text(api.region)));
        let (all, minute) = (self.strings.intern(ALL), rolled.minute.0);
        let total = Cell { calls: rolled.calls, ..Cell::default() };
        self.place_scope(Key::of_account(Kind::Total, account, all, all), minute, total.clone(), rules);
        let known = self.accounts.get_mut(&account).map(|account| {
            if account.source != share.source {
                account.source = share.source.to_owned();
            }
            let room = account.regions.len() < MOST_REGIONS;
            if room {
                account.regions.entry(region).or_insert_with(|| Hush::new(minute));
            }
            account.regions.contains_key(&region)
        });
        if known == Some(true) {
            self.place_scope(Key::of_account(Kind::Total, account, region, all), minute, total, rules);
        }
        for error in rolled.errors.iter().filter(|error| is_denied(text(error.code))) {
            let mut cell = self.cell_of(error.calls, &error.identities, &error.agents, share.batch);
            cell.values[ERROR].add(self.strings.intern(text(error.code)), error.calls);
            self.place_scope(Key::of_account(Kind::Denied, account, all, all), minute, cell, rules);
        }
        self.place_pairs(account, rolled, share);
    }

    fn place_scope(&mut self, key: Key, minute: u32, cell: Cell, rules: &Rules) {
        if let Some(index) = self.find_or_track(key, minute, rules) {
            self.add(index, minute, cell, rules);
        }
    }

    /// API and outcome, API and principal: those that the account has not seen for a week wait for their minute to
    /// close.
    fn place_pairs(&mut self, account: Id, rolled: &ApiMinute, share: &Share<'_>) {
        let (api, minute) = (share.api_prints[rolled.api as usize], rolled.minute.0);
        let closed = self.closed.is_some_and(|closed| minute <= closed);
        let failed = rolled.errors.iter().fold(0u64, |sum, error| sum.saturating_add(error.calls));
        let first = |of: &Attribution| of.values.first().map(|value| value.0);
        let succeeded = (rolled.calls > failed).then(|| (outcome_of(api, NO_ERROR), None, first(&rolled.identities)));
        let errors = rolled.errors.iter().map(|error| {
            let code = share.prints[error.code as usize];
            (outcome_of(api, code), Some(error.code), first(&error.identities))
        });
        for (print, code, principal) in succeeded.into_iter().chain(errors) {
            self.see(account, rolled, share, closed, Seen { print, code, principal, of_principal: false });
        }
        for (principal, _) in &rolled.identities.values {
            let print = pair(api, share.prints[*principal as usize]);
            if !share.batch.strings[*principal as usize].is_empty() {
                let seen = Seen { print, code: None, principal: Some(*principal), of_principal: true };
                self.see(account, rolled, share, closed, seen);
            }
        }
    }

    fn see(&mut self, account: Id, rolled: &ApiMinute, share: &Share<'_>, closed: bool, seen: Seen) {
        let (minute, horizon) = (rolled.minute.0, self.closed.unwrap_or(0).saturating_add(super::OPEN_MINUTES));
        let Some(known) = self.accounts.get_mut(&account).filter(|_| self.closed.is_none() || minute <= horizon) else {
            return;
        };
        if !known.waking.see(seen.print, minute, closed) {
            return;
        }
        let api = &share.batch.apis[rolled.api as usize];
        let strings = &mut self.strings;
        let mut id = |of: Option<u32>| of.map_or(NONE, |of| strings.intern(&share.batch.strings[of as usize]));
        let api = [id(Some(api.region)), id(Some(api.source)), id(Some(api.name)), id(seen.code)];
        let principal = id(seen.principal);
        let Seen { print, of_principal, .. } = seen;
        known.waking.wait(Wake { minute, print, api, principal, of_principal }, &self.strings);
    }

    /// Before a minute is judged: what woke up in it becomes a cell of the account's sweep series. One call stands for
    /// an API and a principal.
    pub(super) fn wake_up(&mut self, minute: u32, rules: &Rules) {
        let all = self.strings.intern(ALL);
        let waking = |account: &Account| account.waking.open.contains_key(&minute) || account.waking.is_awake();
        let accounts: Vec<Id> = self.accounts.iter().filter(|(_, one)| waking(one)).map(|(id, _)| *id).collect();
        for account in accounts {
            let woken = self.accounts.get_mut(&account).map(|one| one.waking.close(minute)).unwrap_or_default();
            let apis: BTreeSet<([Id; 3], Id)> =
                woken.iter().map(|wake| ([wake.api[0], wake.api[1], wake.api[2]], wake.principal)).collect();
            let mut cell = Cell { calls: apis.len() as u64, ..Cell::default() };
            apis.iter().for_each(|(_, principal)| cell.values[IDENTITY].add(*principal, 1));
            let Some(index) = self.find_or_track(Key::of_account(Kind::Sweep, account, all, all), minute, rules) else {
                continue;
            };
            self.awake.insert(index);
            if cell.calls > 0 {
                self.hold(index, minute, &cell);
            }
        }
    }

    /// Judges what woke up in an account; the sweep's series has no arithmetic of its own.
    pub(super) fn step_sweep(&mut self, index: u32, key: &Key, minute: u32, rules: &Rules) -> Option<Step> {
        let account = self.accounts.get_mut(&key.account)?;
        let mut step = Step::default();
        if let Some(end) = account.waking.ended(minute) {
            account.waking.told = None;
            let start = self.series[index as usize].as_ref()?.incident.as_ref().map_or(end, |incident| incident.start);
            step.transition = Some(Transition::Ended { start, end, reason: EndReason::Returned });
        } else {
            let budgets = account.budgets_of(Kind::Sweep);
            let judge = account.judge(minute, &rules.settings);
            let told = account.waking.told;
            let sweep = account.waking.judge(minute, budgets, judge, &self.strings);
            if let Some(sweep) = sweep.filter(|sweep| told.is_none_or(|(level, _)| sweep.level < level)) {
                account.waking.told = Some((sweep.level, told.map_or(sweep.principal, |(_, whose)| whose)));
                let window = minute + 1 - sweep.start;
                let week = f64::from(WEEK);
                let ledger =
                    self.series[index as usize].as_ref()?.ledger.sum((minute / DAY).saturating_sub(7), minute / DAY);
                let finding = Finding {
                    level: sweep.level,
                    test: Test::FirstUse,
                    start: sweep.start,
                    decided: minute,
                    window,
                    expected: ledger.calls.saturating_sub(u64::from(sweep.size)) as f64 / week,
                    observed: f64::from(sweep.size) / f64::from(window),
                    thresholds: account.waking.thresholds(minute, budgets, &sweep),
                    rate: sweep.chance_per_week / week,
                };
                step.transition = Some(Transition::Opened(finding));
            }
        }
        let account = self.accounts.get(&key.account)?;
        step.awake = account.waking.is_awake();
        Some(step)
    }

    /// What belongs to the sweep that is open, from `since` on, becomes its members.
    pub(super) fn list_members(&mut self, index: u32, since: u32) {
        let Some(tracked) = self.series[index as usize].as_mut().filter(|one| one.key.kind == Kind::Sweep) else {
            return;
        };
        let Some(account) = self.accounts.get(&tracked.key.account) else { return };
        let (Some(incident), Some((_, whose))) = (tracked.incident.as_mut(), account.waking.told) else { return };
        for wake in account.waking.since(since, whose) {
            incident.add_member(name(wake, tracked.key.account, &self.strings));
        }
    }

    /// First bursts that a sweep now tells, if they are no stricter: each ends as superseded.
    pub(super) fn supersede(
        &mut self,
        index: u32,
        minute: u32,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let Some(tracked) = self.series[index as usize].as_ref().filter(|one| one.key.kind == Kind::Sweep) else {
            return;
        };
        let Some(incident) = tracked.incident.as_ref().filter(|incident| incident.leader.is_none()) else { return };
        let (account, start, level) = (tracked.key.account, incident.start, incident.level);
        let members: BTreeSet<[Id; 3]> = self.accounts.get(&account).map_or_else(BTreeSet::new, |one| {
            one.waking.since(start, None).map(|wake| [wake.api[0], wake.api[1], wake.api[2]]).collect()
        });
        let told = |index: &u32| {
            let one = self.series[*index as usize].as_ref()?;
            let incident = one.incident.as_ref()?;
            let of = [one.key.region, one.key.source, one.key.name];
            let within = incident.start >= start && incident.level >= level && incident.test == Test::FirstUse;
            (one.key.account == account && one.key.is_api() && within && members.contains(&of))
                .then_some(incident.start)
        };
        let replaced: Vec<(u32, u32)> =
            self.awake.iter().filter_map(|index| Some((*index, told(index)?))).filter(|(_, at)| *at < minute).collect();
        for (index, _) in replaced {
            self.tell_end(index, minute, minute, Reason::Superseded, share, rules, found);
        }
    }

    /// Follows the silence of one scope: an account or a Region of it. Its series learns in which minutes there were
    /// calls at all.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn step_total(
        &mut self,
        index: u32,
        key: &Key,
        minute: u32,
        calls: u64,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) -> Option<Step> {
        if calls > 0 {
            self.speak_again(index, key, minute, share, rules, found);
            let account = self.accounts.get(&key.account)?;
            let context = account.context(key, minute, true, &self.fleet, &rules.settings);
            self.series[index as usize].as_mut()?.series.close(minute, 1, &context);
            return Some(Step { awake: true, ..Step::default() });
        }
        let others = self.others(key, minute);
        let rate = self.series[index as usize].as_ref()?.series.expected(minute);
        let alone = self.accounts.get(&key.account)?.hush.since.is_none();
        let whole = key.region == key.source;
        let hush = self.hush(key)?;
        if hush.since.is_none() {
            hush.others = others;
        }
        // While the whole account is silent, it says nothing of a Region that it is.
        hush.silent(minute, if whole || alone { rate } else { 0.0 });
        let since = hush.since?;
        // A silence that is normal is not watched: years may pass before somebody calls again.
        let mut step = Step { awake: minute - since < ACCEPTED, ..Step::default() };
        let open = self.is_open(index);
        if open && minute - since >= ACCEPTED {
            let end = minute + 1;
            step.transition = Some(Transition::Ended { start: since, end, reason: EndReason::Accepted });
        } else if minute - since < ACCEPTED {
            step.transition = self.silence(index, key, minute, rules).map(Transition::Opened);
        }
        Some(step)
    }

    /// Whether a series counts all calls of a whole account.
    pub(super) fn is_whole(&self, index: u32) -> bool {
        let tracked = self.series[index as usize].as_ref();
        tracked.is_some_and(|one| one.key.kind == Kind::Total && one.key.region == one.key.source)
    }

    fn hush(&mut self, key: &Key) -> Option<&mut Hush> {
        let all = key.source;
        let account = self.accounts.get_mut(&key.account)?;
        if key.region == all { Some(&mut account.hush) } else { account.regions.get_mut(&key.region) }
    }

    /// A silence is over. If records were missing, that is remembered where series will ask.
    fn speak_again(
        &mut self,
        index: u32,
        key: &Key,
        minute: u32,
        share: &Share<'_>,
        rules: &Rules,
        found: &mut Vec<Found>,
    ) {
        let Some((missed, before)) = self.hush(key).map(|hush| (hush.expected, hush.others)) else { return };
        let others = self.others(key, minute.saturating_sub(1));
        let Some((gap, missing)) = self.hush(key).and_then(|hush| hush.heard(minute)) else { return };
        if missing {
            let whole = key.region == key.source;
            if let Some(hush) = self.hush(key) {
                hush.remember(gap.clone());
            }
            let regions = self.accounts.get_mut(&key.account).into_iter().flat_map(|one| one.regions.values_mut());
            for hush in regions.filter(|_| whole) {
                hush.remember(gap.clone());
                // A Region that is silent still is so anew.
                (hush.since, hush.expected) = (hush.since.map(|_| minute), 0.0);
            }
        }
        if others > 0.0
            && others >= GO_ON * before
            && let Some(account) = self.accounts.get_mut(&key.account)
        {
            account.silences.observe(minute, missed, &SILENCE);
        }
        if self.is_open(index) {
            self.tell_end(index, minute, minute, Reason::Returned, share, rules, found);
        }
    }

    /// Whether a silence speaks: records are missing here and not elsewhere.
    fn silence(&self, index: u32, key: &Key, minute: u32, rules: &Rules) -> Option<Finding> {
        let account = self.accounts.get(&key.account)?;
        let whole = key.region == key.source;
        let hush = if whole { &account.hush } else { account.regions.get(&key.region)? };
        let since = hush.since?;
        if account.judge(minute, &rules.settings) != Judge::Full || !hush.is_missing(minute) {
            return None;
        }
        let others = self.others(key, minute);
        if others <= 0.0 || others < GO_ON * hush.others {
            return None;
        }
        let week = f64::from(WEEK);
        let rate = account.silences.rate(minute, hush.expected, &SILENCE);
        let budgets = account.budgets_of(Kind::Total);
        let fires = |level: &Level| hush.expected >= SILENT[*level as usize] && rate * week <= budgets[*level as usize];
        let level = Level::ALL.into_iter().find(fires)?;
        let tracked = self.series[index as usize].as_ref()?;
        let told = tracked.incident.as_ref().map(|incident| incident.level);
        if told.is_some_and(|told| level >= told) {
            return None;
        }
        let baseline = tracked.ledger.sum((since / DAY).saturating_sub(7), since / DAY).calls as f64;
        Some(Finding {
            level,
            test: Test::Drop,
            start: since,
            decided: minute,
            window: minute + 1 - since,
            expected: baseline / f64::from(WEEK + since % DAY),
            observed: 0.0,
            thresholds: [0.0; 3],
            rate,
        })
    }

    /// Calls a minute, lately, of everybody else that a scope can be compared with: other accounts of its source, or
    /// the rest of its account.
    fn others(&self, key: &Key, minute: u32) -> f64 {
        let account = self.accounts.get(&key.account);
        let since = account
            .and_then(|one| if key.region == key.source { Some(&one.hush) } else { one.regions.get(&key.region) });
        let since = since.and_then(|hush| hush.since).unwrap_or(0);
        let from = (minute + 1).saturating_sub(OTHERS).max(since).min(minute);
        let window = from..=minute;
        let of = |key: Key| -> u64 {
            let Some(index) = self.index.get(&key) else { return 0 };
            let cells = self.cells.range(window.clone()).filter_map(|(_, of_series)| of_series.get(index));
            cells.fold(0u64, |sum, cell| sum.saturating_add(cell.calls))
        };
        let all = key.source;
        let whole = Key { region: all, ..*key };
        let everybody = if key.region == all {
            let pulse = account.and_then(|account| self.pulses.get(&account.source));
            pulse
                .map_or(0, |pulse| pulse.range(window.clone()).fold(0u64, |sum, (_, calls)| sum.saturating_add(*calls)))
        } else {
            of(whole)
        };
        everybody.saturating_sub(of(*key)) as f64 / f64::from((minute + 1).saturating_sub(from).max(1))
    }

    /// Denied calls of an account are told as such where no single API has more than half of them: what one API says
    /// is said by its own series.
    pub(super) fn is_spread(&self, index: u32, minute: u32, window: u32) -> bool {
        let Some(denied) = self.series[index as usize].as_ref().map(|one| one.key) else { return false };
        let mut of_series: BTreeMap<[Id; 3], u64> = BTreeMap::new();
        for (_, cells) in self.cells.range((minute + 1).saturating_sub(window.max(1))..=minute) {
            for (index, cell) in cells {
                let Some(key) = self.series[*index as usize].as_ref().map(|one| one.key) else { continue };
                if key.account == denied.account && key.is_error() && is_denied(self.strings.text(key.code)) {
                    let calls = of_series.entry([key.region, key.source, key.name]).or_default();
                    *calls = calls.saturating_add(cell.calls);
                }
            }
        }
        let all = of_series.values().fold(0u64, |sum, calls| sum.saturating_add(*calls));
        of_series.values().all(|calls| calls.saturating_mul(2) <= all)
    }

    /// Minutes of sources that nobody will ask for any more.
    pub(super) fn forget_pulses(&mut self, before: u32) {
        for pulse in self.pulses.values_mut() {
            *pulse = pulse.split_off(&before);
        }
    }
}

/// A pair of a rollup.
struct Seen {
    print: Print,
    code: Option<u32>,
    principal: Option<u32>,
    of_principal: bool,
}

/// Stands for success among error codes.
const NO_ERROR: Print = 0x5543_4345_5353;

fn outcome_of(api: Print, code: Print) -> Print {
    pair(api, code.rotate_left(17))
}

/// The print of an API: Region, source and name.
pub(super) fn api_print(region: Print, source: Print, name: Print) -> Print {
    pair(pair(region, source), name)
}

/// Prints of every string of an entry.
pub(super) fn prints(strings: &[String]) -> Vec<Print> {
    strings.iter().map(|text| print(text)).collect()
}

/// `account/region/source/name[/errorCode]`.
fn name(wake: &Wake, account: Id, strings: &Strings) -> String {
    let [region, source, name, code] = wake.api;
    let parts =
        if code == NONE { &[account, region, source, name][..] } else { &[account, region, source, name, code][..] };
    parts.iter().map(|id| strings.text(*id)).collect::<Vec<_>>().join("/")
}

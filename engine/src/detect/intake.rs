//! Rollups become cells: calls of one series in one minute, open above the watermark, late below it.

use std::collections::BTreeSet;

use trailsight_detectors::Series;
use trailsight_schemas::entry::{ApiMinute, Attribution, Batch, Class};
use trailsight_schemas::time::DAY;

use super::Rules;
use super::account::Account;
use super::cell::{AGENT, CELL_VALUES, Cell, ERROR, IDENTITY};
use super::exposure::Share as ErrorShare;
use super::ledger::Ledger;
use super::partition::{Partition, Share};
use super::strings::{NONE, Strings};
use super::tracked::{Key, Kind, Tracked};

impl Partition {
    /// The first entry with records says where closing begins: nothing older than its oldest minute less the
    /// lateness was waited for.
    pub(super) fn begin(&mut self, share: &Share<'_>, rules: &Rules) {
        if self.closed.is_none() {
            let oldest = share.minutes.iter().map(|at| share.batch.minutes[*at as usize].minute.0).min();
            let open_from = share.open_from.unwrap_or(u32::MAX).max(1);
            let before = rules.settings.allowed_lateness + 1;
            self.closed = oldest.map(|minute| minute.saturating_sub(before).min(open_from - 1));
        }
    }

    pub(super) fn place(&mut self, at: u32, share: &Share<'_>, rules: &Rules, touched: &mut BTreeSet<(u32, u32)>) {
        let rolled = &share.batch.minutes[at as usize];
        self.expose(rolled, share.batch);
        for (key, cell) in self.cells_of(rolled, share.batch, rules) {
            let Some(index) = self.find_or_track(key, rolled.minute.0, rules) else {
                self.overflowed = self.overflowed.saturating_add(cell.calls);
                continue;
            };
            if self.add(index, rolled.minute.0, cell, rules) {
                touched.insert((rolled.minute.0, index));
            }
        }
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
        if !judged && (api.class == Class::Data || rolled.errors.is_empty()) {
            return Vec::new();
        }
        let strings = &mut self.strings;
        let mut key = Key {
            kind: Kind::Calls,
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
                key.kind = Kind::Errors;
                cells.push((key, cell_of(error.calls, &error.identities, &error.agents, batch, strings)));
            }
        }
        cells
    }

    /// `None` where the partition alone holds as many series as the limit allows and each has calls in an open
    /// minute: nothing can be given up for another.
    pub(super) fn find_or_track(&mut self, key: Key, minute: u32, rules: &Rules) -> Option<u32> {
        let name = self.strings.text(key.account);
        let account = self.accounts.entry(key.account).or_insert_with(|| Account::new(minute, name, &rules.settings));
        account.since = account.since.min(minute);
        let watched_since = account.watched_since(&rules.settings);
        if let Some(index) = self.index.get(&key) {
            return Some(*index);
        }
        let limit = rules.settings.series;
        if key.is_api() && self.len() >= limit && self.evict(1 + limit / 10) == 0 {
            return None;
        }
        let first = self.closed.map_or(minute, |closed| closed.saturating_add(1));
        let watched_since = watched_since.min(first);
        let share = self.share_before(&key, minute);
        let tracked = Box::new(Tracked {
            key,
            series: Series::new(watched_since, first),
            ledger: Ledger::default(),
            share,
            incident: None,
            ended: 0,
            last_day: None,
            unlearned_until: rules.unlearned_until(&key, &self.strings),
        });
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
        self.of_accounts += usize::from(!key.is_api());
        if key.is_error() {
            self.errors_of.entry(key.api()).or_default().push(index);
        }
        Some(index)
    }

    /// The share of failures of a code that is new: none of the calls that its API had in the week before. Nothing is
    /// known where the calls are not judged.
    fn share_before(&self, key: &Key, minute: u32) -> ErrorShare {
        let mut share = ErrorShare::default();
        let api = self.index.get(&key.api()).filter(|_| key.is_error());
        let Some(api) = api.and_then(|index| self.series[*index as usize].as_ref()) else { return share };
        let today = minute / DAY;
        for day in today.saturating_sub(7)..today {
            share.begin(day, api.ledger.sum(day, day).calls);
        }
        share
    }

    pub(super) fn forget_errors(&mut self, index: u32, key: &Key) {
        if let Some(errors) = self.errors_of.get_mut(&key.api()).filter(|_| key.is_error()) {
            errors.retain(|known| *known != index);
            if errors.is_empty() {
                self.errors_of.remove(&key.api());
            }
        }
    }

    /// Counts the calls of an API beside its errors, reads too.
    fn expose(&mut self, rolled: &ApiMinute, batch: &Batch) {
        let api = &batch.apis[rolled.api as usize];
        let find = |id: u32| self.strings.find(&batch.strings[id as usize]);
        let key = || {
            let (account, region) = (find(api.account)?, find(api.region)?);
            let (source, name) = (find(api.source)?, find(api.name)?);
            Some(Key { kind: Kind::Calls, account, region, source, name, code: NONE, class: api.class })
        };
        let Some(errors) = key().and_then(|key| self.errors_of.get(&key)) else { return };
        let minute = rolled.minute.0;
        let horizon = self.closed.unwrap_or(minute).saturating_add(super::OPEN_MINUTES);
        if self.closed.is_some_and(|closed| minute <= closed) || minute > horizon {
            return;
        }
        let of_minute = self.exposed.entry(minute).or_default();
        for index in errors {
            let calls = of_minute.entry(*index).or_default();
            *calls = calls.saturating_add(rolled.calls);
        }
    }

    /// Calls and who made them, with strings of this partition.
    pub(super) fn cell_of(
        &mut self,
        calls: u64,
        identities: &Attribution,
        agents: &Attribution,
        batch: &Batch,
    ) -> Cell {
        cell_of(calls, identities, agents, batch, &mut self.strings)
    }

    /// Adds calls to a minute. Returns whether the minute is open.
    pub(super) fn add(&mut self, index: u32, minute: u32, cell: Cell, rules: &Rules) -> bool {
        let open = self.closed.is_none_or(|closed| minute > closed);
        // What is counted for the account too is late, or too early, once.
        let counted = self.series[index as usize].as_ref().filter(|one| one.key.is_api()).map_or(0, |_| cell.calls);
        if !open {
            self.late = self.late.saturating_add(counted);
            if let Some(tracked) = self.series[index as usize].as_mut() {
                tracked.ledger.add(minute / DAY, &cell);
                let taken = tracked.incident.as_mut().is_some_and(|incident| incident.add_late(minute, &cell));
                if !taken {
                    self.corrections.add_late(index, minute, &cell, self.closed.unwrap_or(minute));
                }
            }
            if self.cells.first_key_value().is_none_or(|(oldest, _)| minute < *oldest) {
                return false;
            }
        }
        let horizon = self.closed.unwrap_or(minute).saturating_add(rules.open_minutes);
        if minute > horizon {
            self.overflowed = self.overflowed.saturating_add(counted);
            return false;
        }
        self.hold(index, minute, &cell);
        open
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

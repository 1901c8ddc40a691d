//! What an account's series share: the budget, the pools of first bursts, how long it has been watched.

use trailsight_detectors::{Context, FirstUsePool, Judge, Kind, Level, Tails};
use trailsight_schemas::time::{DAY, WEEK};

use super::folding::Leads;
use super::settings::Settings;

/// Share of an account's budget that first use may spend, calls and errors together; the tests of the
/// series themselves have the rest.
const FIRST_USE_SHARE: f64 = 0.25;
/// The budget is shared by at least so many series, so that an account of three APIs does not judge each by
/// a third of the whole.
const FEWEST_SERIES: u32 = 20;
/// Minutes of history before anything is judged, and before everything is.
const PROVISIONAL_AFTER: u32 = 36 * 60;
const FULL_AFTER: u32 = WEEK;
/// A series counts as active for so many days after a call.
pub(super) const ACTIVE_DAYS: u32 = 7;
/// Minutes after an End within which what flares up again continues.
const MERGE: u32 = 15;
/// History that `assume_history` assumes, minutes.
const ASSUMED: u32 = 2 * WEEK;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Account {
    /// First minute of event time that was closed for it.
    pub(super) since: u32,
    /// Newest minute closed for it with calls.
    pub(super) seen: u32,
    pub(super) active: ActiveSeries,
    /// First bursts of call series and of error series.
    pub(super) pools: [FirstUsePool; 2],
    /// Insights that people were told of lately.
    pub(super) leads: Leads,
}

impl Account {
    pub(super) fn new(minute: u32, settings: &Settings) -> Account {
        // First bursts of the week that is only learned from are not typical: everything is new then.
        let watched = if settings.assume_history { minute.saturating_sub(ASSUMED) } else { minute } + FULL_AFTER;
        Account {
            since: minute,
            seen: minute,
            active: ActiveSeries::default(),
            pools: [FirstUsePool::new(watched), FirstUsePool::new(watched)],
            leads: Leads::default(),
        }
    }

    /// The first minute that counts as watched.
    pub(super) fn watched_since(&self, settings: &Settings) -> u32 {
        if settings.assume_history { self.since.saturating_sub(ASSUMED) } else { self.since }
    }

    pub(super) fn judge(&self, minute: u32, settings: &Settings) -> Judge {
        match minute.saturating_sub(self.watched_since(settings)) {
            watched if watched >= FULL_AFTER => Judge::Full,
            watched if watched >= PROVISIONAL_AFTER => Judge::Provisional,
            _ => Judge::Nothing,
        }
    }

    /// The minute at which judging is full.
    pub(super) fn full_at(&self, settings: &Settings) -> u32 {
        self.watched_since(settings).saturating_add(FULL_AFTER)
    }

    /// Series that share the budget.
    fn sharers(&self) -> f64 {
        f64::from(self.active.count().max(FEWEST_SERIES))
    }

    pub(super) fn context(&self, errors: bool, minute: u32, learn: bool, settings: &Settings) -> Context<'_> {
        let sharers = self.sharers();
        Context {
            kind: Kind::Api,
            alpha: settings.budgets.map(|budget| budget * (1.0 - FIRST_USE_SHARE) / (sharers * f64::from(WEEK))),
            pool: &self.pools[usize::from(errors)],
            pool_alpha: settings.budgets.map(|budget| budget * FIRST_USE_SHARE / 2.0 / f64::from(WEEK)),
            tails: Tails::SHIPPED,
            judge: self.judge(minute, settings),
            learn,
            gaps: &[],
            merge: MERGE,
            exposure: None,
            novelty: None,
        }
    }

    /// Insights a week in this account that a finding of this rate stands for: `rate` is the budget of one
    /// series and minute at which it would just have fired; first use has one budget for the account.
    pub(super) fn chance_per_week(&self, rate: f64, first_use: bool) -> f64 {
        let week = f64::from(WEEK);
        if first_use {
            rate * week * 2.0 / FIRST_USE_SHARE
        } else {
            rate * self.sharers() * week / (1.0 - FIRST_USE_SHARE)
        }
    }
}

/// How many series had a call on the last seven days, without visiting them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ActiveSeries {
    day: u32,
    /// Series by the day of their newest call; index is day modulo the length.
    by_day: [u32; ACTIVE_DAYS as usize + 1],
}

impl ActiveSeries {
    /// A series whose newest call was on `before` (`None`: never) had one at `minute`.
    pub(super) fn touch(&mut self, before: Option<u32>, minute: u32) {
        let day = minute / DAY;
        self.roll(day);
        if before == Some(day) || self.day - day.min(self.day) > ACTIVE_DAYS {
            return;
        }
        if let Some(before) = before.filter(|before| self.day - (*before).min(self.day) <= ACTIVE_DAYS) {
            let slot = &mut self.by_day[before as usize % (ACTIVE_DAYS as usize + 1)];
            *slot = slot.saturating_sub(1);
        }
        self.by_day[day as usize % (ACTIVE_DAYS as usize + 1)] += 1;
    }

    /// A series whose newest call was on `day` was evicted.
    pub(super) fn forget(&mut self, day: u32) {
        if self.day - day.min(self.day) <= ACTIVE_DAYS {
            let slot = &mut self.by_day[day as usize % (ACTIVE_DAYS as usize + 1)];
            *slot = slot.saturating_sub(1);
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.by_day.iter().sum()
    }

    fn roll(&mut self, day: u32) {
        if day <= self.day {
            return;
        }
        let stale = (day - self.day).min(ACTIVE_DAYS + 1);
        for step in 1..=stale {
            self.by_day[(self.day + step) as usize % (ACTIVE_DAYS as usize + 1)] = 0;
        }
        self.day = day;
    }

    pub(super) fn to_parts(&self) -> (u32, [u32; ACTIVE_DAYS as usize + 1]) {
        (self.day, self.by_day)
    }

    pub(super) fn from_parts(day: u32, by_day: [u32; ACTIVE_DAYS as usize + 1]) -> ActiveSeries {
        ActiveSeries { day, by_day }
    }
}

/// The sensitivity that a level of the arithmetic stands for.
pub(super) fn sensitivity(level: Level) -> trailsight_schemas::insight::Sensitivity {
    use trailsight_schemas::insight::Sensitivity;
    match level {
        Level::Low => Sensitivity::Low,
        Level::Medium => Sensitivity::Medium,
        Level::High => Sensitivity::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_series_are_those_of_the_last_week() {
        let mut active = ActiveSeries::default();
        let mut last: [Option<u32>; 50] = [None; 50];
        let mut random = 12345u64;
        for day in 20_000..20_060u32 {
            for series in &mut last {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                if random >> 60 == 0 {
                    active.touch(*series, day * DAY + 7);
                    *series = Some(day);
                }
            }
            active.touch(None, day * DAY);
            let expected = last.iter().flatten().filter(|seen| day - **seen <= ACTIVE_DAYS).count() as u32;
            let singles = (day - 19_999).min(ACTIVE_DAYS + 1);
            assert_eq!(active.count(), expected + singles, "day {day}");
        }
    }
}

//! What an account's series share: the budget, the pools of bursts and tails, what is new in it, where its records are
//! missing, how long it has been watched.

use std::collections::BTreeMap;
use std::ops::Range;

use trailsight_detectors::{self as detectors, BurstPool, Context, FirstUsePool, Judge, Level, Novelty, budget};
use trailsight_detectors::{TailPool, Tails};
use trailsight_schemas::time::{DAY, WEEK};

use super::cell::{Cell, IDENTITY};
use super::folding::Leads;
use super::hush::Hush;
use super::pairs::{Print, pair};
use super::settings::Settings;
use super::strings::{Id, NONE, Strings};
use super::tracked::{Key, Kind};
use super::waking::Waking;

/// Shares of sweeps (by [`Level::ALL`]), of denied calls and of silence in an account's budget. First use has what
/// [`budget::FIRST_USE_SHARE`] says, calls and errors half each; the tests of single series have the rest. Sweeps have
/// more where the budget is small: there they find most for what they cost.
const SWEEP_SHARE: [f64; 3] = [0.15, 0.1, 0.07];
const DENIED_SHARE: f64 = 0.02;
const SILENCE_SHARE: f64 = 0.02;
/// The budget is shared by at least so many series, so that an account of three APIs does not judge each by
/// a third of the whole.
const FEWEST_SERIES: u32 = 12;
/// Minutes of history before anything is judged, and before everything is.
const PROVISIONAL_AFTER: u32 = 36 * 60;
const FULL_AFTER: u32 = WEEK;
/// A series counts as active for so many days after a call.
pub(super) const ACTIVE_DAYS: u32 = 7;
/// Minutes after an End within which what flares up again continues.
const MERGE: u32 = 15;
/// Minutes with calls that the base rate of novelty is worth before any was seen, and how often half of a minute's
/// calls are by somebody new then.
const NOVELTY_WEIGHT: f64 = 50.0;
const NOVELTY_BASE: f64 = 0.05;
/// Regions of one account whose silence is followed.
pub(super) const MOST_REGIONS: usize = 64;
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
    /// False insights a week that the arithmetic is given for those promised, by level; kept, since every minute of
    /// every series asks.
    pub(super) given: [f64; 3],
    /// What has been seen within a week, and what woke up.
    pub(super) waking: Waking,
    /// Tails of its series.
    pub(super) tails: TailPool,
    /// Name of the source that its newest records came from.
    pub(super) source: String,
    pub(super) hush: Hush,
    pub(super) regions: BTreeMap<Id, Hush>,
    /// Silences while others of the source went on, in minutes with calls that were missed.
    pub(super) silences: BurstPool,
    /// Minutes with calls of its series, and those with half of them by somebody new.
    pub(super) novel: [u64; 2],
}

impl Account {
    pub(super) fn new(minute: u32, name: &str, settings: &Settings) -> Account {
        // First bursts of the week that is only learned from are not typical: everything is new then.
        let watched = if settings.assume_history { minute.saturating_sub(ASSUMED) } else { minute } + FULL_AFTER;
        Account {
            since: minute,
            seen: minute,
            active: ActiveSeries::default(),
            pools: [FirstUsePool::new(watched), FirstUsePool::new(watched)],
            leads: Leads::default(),
            given: given(settings.budgets_of(name)),
            waking: Waking::new(watched),
            tails: TailPool::SHIPPED,
            source: String::new(),
            hush: Hush::new(minute),
            regions: BTreeMap::new(),
            silences: BurstPool::new(minute),
            novel: [0; 2],
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

    pub(super) fn context<'a>(
        &'a self,
        key: &Key,
        minute: u32,
        learn: bool,
        fleet: &'a TailPool,
        settings: &Settings,
    ) -> Context<'a> {
        let a_minute = |first_use| Level::ALL.map(|level| self.budget(level, key.kind, first_use) / f64::from(WEEK));
        Context {
            kind: if key.kind == Kind::Denied { detectors::Kind::Denied } else { detectors::Kind::Api },
            alpha: a_minute(false),
            pool: &self.pools[usize::from(key.kind != Kind::Calls)],
            pool_alpha: if key.is_api() { a_minute(true) } else { [0.0; 3] },
            tails: Tails { account: &self.tails, all: fleet },
            judge: if key.kind == Kind::Total { Judge::Nothing } else { self.judge(minute, settings) },
            learn,
            gaps: self.gaps(key.region),
            merge: MERGE,
            exposure: None,
            novelty: None,
        }
    }

    /// The part of the account's budget at a level that one series of this kind may spend, or all first bursts of its
    /// pool.
    fn share(&self, level: Level, kind: Kind, first_use: bool) -> f64 {
        let first = budget::FIRST_USE_SHARE[level as usize];
        let sweep = SWEEP_SHARE[level as usize];
        match kind {
            Kind::Calls | Kind::Errors if first_use => first / 2.0,
            Kind::Calls | Kind::Errors => (1.0 - first - sweep - DENIED_SHARE - SILENCE_SHARE) / self.sharers(),
            Kind::Denied => DENIED_SHARE,
            Kind::Sweep => sweep,
            Kind::Total => SILENCE_SHARE,
        }
    }

    /// Insights a week that the arithmetic is given for one series of this kind, so that the account's promise holds.
    fn budget(&self, level: Level, kind: Kind, first_use: bool) -> f64 {
        self.given[level as usize] * self.share(level, kind, first_use)
    }

    /// The same for a kind of which there is one series in an account, by level.
    pub(super) fn budgets_of(&self, kind: Kind) -> [f64; 3] {
        Level::ALL.map(|level| self.budget(level, kind, false))
    }

    /// Insights at least this strong a week that chance alone raises in this account: `rate` is the budget of one series
    /// and minute at which a finding of this level would just have fired.
    pub(super) fn chance_per_week(&self, rate: f64, level: Level, kind: Kind, first_use: bool) -> f64 {
        budget::realised(level, rate * f64::from(WEEK) / self.share(level, kind, first_use))
    }

    /// Minutes of a Region in which records are missing.
    fn gaps(&self, region: Id) -> &[Range<u32>] {
        &self.regions.get(&region).unwrap_or(&self.hush).gaps
    }

    /// Whether silent minutes of a Region's series have to wait. Those of a series without an open incident wait while
    /// the whole account is silent: one series does not drop where nothing is heard at all.
    pub(super) fn waits(&self, region: Id, minute: u32, active: bool) -> bool {
        self.hush.waits(minute)
            || (self.hush.since.is_some() && !active)
            || self.regions.get(&region).is_some_and(|hush| hush.waits(minute))
    }

    /// How much of a minute was made by principals that are new to the API; `api` is its print.
    pub(super) fn novelty(&self, api: Print, cell: &Cell, minute: u32, strings: &Strings) -> Novelty {
        let is_new = |id: Id| id != NONE && self.waking.is_new(pair(api, strings.print(id)), minute);
        let new = cell.values[IDENTITY].iter().filter(|(id, _)| is_new(*id));
        let new = new.fold(0u64, |sum, (_, calls)| sum.saturating_add(calls));
        let share = if cell.calls == 0 { 0.0 } else { (new as f64 / cell.calls as f64).min(1.0) };
        let [all, novel] = self.novel.map(|count| count as f64);
        Novelty { share, base: (novel + NOVELTY_WEIGHT * NOVELTY_BASE) / (all + NOVELTY_WEIGHT) }
    }

    /// A minute with calls was judged; its base rate of novelty is measured. Both counts are halved before they are
    /// large, so that the newest months count most.
    pub(super) fn measure(&mut self, novelty: Novelty) {
        /// Minutes with calls that are counted before both counts are halved.
        const MOST: u64 = 200_000;
        self.novel[0] += 1;
        self.novel[1] += u64::from(novelty.share >= 0.5);
        if self.novel[0] >= MOST {
            self.novel = self.novel.map(|count| count / 2);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let gaps = self.regions.values().chain([&self.hush]).map(|hush| hush.gaps.capacity() * 8).sum::<usize>();
        let regions = self.regions.len() * (size_of::<Hush>() + 16);
        size_of::<Account>() + self.waking.bytes() + gaps + regions + size_of_val(self.leads.as_slice())
    }
}

/// What the arithmetic is given for what is promised, by level.
pub(super) fn given(promised: [f64; 3]) -> [f64; 3] {
    Level::ALL.map(|level| budget::given(level, promised[level as usize]))
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

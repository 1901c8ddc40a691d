//! Question: are many APIs of an account waking up together, by whomever or by one principal?
//!
//! A pair of API and outcome (success, or an error code) that the account has not seen for a week *wakes*, and so does
//! a pair of API and principal. Reads count: somebody who looks around mostly reads. Wakings at most [`GAP`] minutes
//! apart are one burst, whose size is the wakings of its last hour; how rare such a size is says the account's own
//! past, by [`BurstPool`]. Bursts of the account and those of single principals have pools, and shares of the sweep
//! budget, of their own.
//!
//! Known weakness: a deploy that touches forty APIs by a role that never did looks the same; where that is common the
//! budget wins, and then only wakings of the whole account speak. Cost: two look-ups a rollup and identity.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use trailsight_detectors::{BurstPool, BurstPrior, Judge, Level};

use super::pairs::{Pairs, Print};
use super::strings::{Id, Strings};

/// Minutes without a waking that end a burst.
pub(super) const GAP: u32 = 15;
/// Minutes whose wakings make the size.
const WINDOW: u32 = 60;
/// Wakings of one account that are kept: those of the last hour, and those of open minutes. What comes beyond is
/// remembered as seen and not counted.
pub(super) const MOST_WAKINGS: usize = 4096;
/// Principals whose bursts are followed at one time.
const MOST_PRINCIPALS: usize = 256;
/// Shares of the sweep budget: bursts of the account, and of single principals.
pub(super) const SHARES: [f64; 2] = [0.7, 0.3];
/// The least size that speaks at each level, strictest first.
const FLOORS: [u32; 3] = [20, 12, 8];

/// Bursts of the account, then of principals. Nobody has measured a fleet of real accounts: the rates are what a
/// quiet account of the generator shows, given the weight of a week, so that a few bursts outweigh them.
const PRIORS: [BurstPrior; 2] = [
    BurstPrior { threshold: 5.0, rate: 0.25, weeks: 1.0, mean: 0.5, weight: 4.0 },
    BurstPrior { threshold: 5.0, rate: 0.5, weeks: 1.0, mean: 0.6, weight: 4.0 },
];

/// One pair that woke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wake {
    pub(super) minute: u32,
    pub(super) print: Print,
    /// Region, source, name, error code.
    pub(super) api: [Id; 4],
    pub(super) principal: Id,
    /// New with this principal; otherwise new with this outcome.
    pub(super) of_principal: bool,
}

/// A run of wakings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Burst {
    pub(super) start: u32,
    pub(super) last: u32,
    /// Largest size so far.
    pub(super) peak: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waking {
    pub(super) pairs: Pairs,
    /// Wakings of minutes that are not closed, as far as is known.
    pub(super) open: BTreeMap<u32, BTreeMap<(bool, Print), Wake>>,
    /// Wakings of the last hour, oldest first.
    pub(super) recent: VecDeque<Wake>,
    /// Pairs of API and principal among them.
    fresh: BTreeSet<Print>,
    pub(super) burst: Option<Burst>,
    pub(super) of_principals: BTreeMap<Id, Burst>,
    pub(super) pools: [BurstPool; 2],
    /// Strictest level told of the sweep that is open, and whose it is (`None`: the account's).
    pub(super) told: Option<(Level, Option<Id>)>,
}

/// A burst that is rare enough.
pub(super) struct Sweep {
    pub(super) level: Level,
    pub(super) start: u32,
    pub(super) size: u32,
    /// Bursts of at least this size a week, over the share of the budget.
    pub(super) chance_per_week: f64,
    pub(super) principal: Option<Id>,
}

impl Waking {
    /// `watched`: the first minute at which a week has been seen.
    pub(super) fn new(watched: u32) -> Waking {
        Waking {
            pairs: Pairs::default(),
            open: BTreeMap::new(),
            recent: VecDeque::new(),
            fresh: BTreeSet::new(),
            burst: None,
            of_principals: BTreeMap::new(),
            pools: [BurstPool::new(watched), BurstPool::new(watched)],
            told: None,
        }
    }

    /// A pair was seen in a minute that is `closed` or still open. Whether it may be waking: then [`Waking::wait`]
    /// wants to know all of it.
    pub(super) fn see(&mut self, print: Print, minute: u32, closed: bool) -> bool {
        let known = self.pairs.knows(print, minute);
        if known {
            self.pairs.refresh(print, minute);
        } else if closed {
            self.pairs.insert(print, minute);
        }
        !known && !closed
    }

    /// A pair that wakes with its minute, unless an earlier minute turns out to have it. Of several principals the one
    /// with the least print stands for it, whatever the order in which they come.
    pub(super) fn wait(&mut self, wake: Wake, strings: &Strings) {
        let waiting = self.open.entry(wake.minute).or_default();
        if waiting.len() < MOST_WAKINGS || waiting.contains_key(&(wake.of_principal, wake.print)) {
            let held = waiting.entry((wake.of_principal, wake.print)).or_insert(wake);
            if strings.print(wake.principal) < strings.print(held.principal) {
                *held = wake;
            }
        }
    }

    /// Closes a minute: the pairs that woke in it.
    pub(super) fn close(&mut self, minute: u32) -> Vec<Wake> {
        let mut woken: Vec<Wake> = self.open.remove(&minute).unwrap_or_default().into_values().collect();
        woken.retain(|wake| !self.pairs.knows(wake.print, minute) && self.pairs.insert(wake.print, minute));
        while let Some(old) = self.recent.pop_front_if(|wake| wake.minute + WINDOW <= minute) {
            self.fresh.remove(&old.print);
        }
        for wake in woken.iter().take(MOST_WAKINGS.saturating_sub(self.recent.len())) {
            self.recent.push_back(*wake);
            self.fresh.extend(wake.of_principal.then_some(wake.print));
        }
        self.end_bursts(minute);
        let mut grown: Vec<Option<Id>> = woken.iter().map(|wake| wake.of_principal.then_some(wake.principal)).collect();
        grown.sort_unstable();
        grown.dedup();
        grown.into_iter().for_each(|whose| self.grow(minute, whose));
        woken
    }

    fn grow(&mut self, minute: u32, whose: Option<Id>) {
        let fresh = Burst { start: minute, last: minute, peak: 0 };
        let known = whose.is_none_or(|principal| self.of_principals.contains_key(&principal));
        if !known && self.of_principals.len() >= MOST_PRINCIPALS {
            return;
        }
        let mut burst = match whose {
            Some(principal) => self.of_principals.get(&principal).copied().unwrap_or(fresh),
            None => self.burst.unwrap_or(fresh),
        };
        burst.last = minute;
        burst.peak = burst.peak.max(self.size(whose, burst.start.max((minute + 1).saturating_sub(WINDOW))));
        match whose {
            Some(principal) => drop(self.of_principals.insert(principal, burst)),
            None => self.burst = Some(burst),
        }
    }

    fn end_bursts(&mut self, minute: u32) {
        let over = |burst: &Burst| burst.last + GAP <= minute;
        if let Some(burst) = self.burst.take_if(|burst| over(burst)) {
            self.pools[0].observe(burst.last, burst.peak.into(), &PRIORS[0]);
        }
        let ended: Vec<Id> = self.of_principals.iter().filter(|(_, burst)| over(burst)).map(|(id, _)| *id).collect();
        for id in ended {
            if let Some(burst) = self.of_principals.remove(&id) {
                self.pools[1].observe(burst.last, burst.peak.into(), &PRIORS[1]);
            }
        }
    }

    fn wakes(&self, whose: Option<Id>) -> impl DoubleEndedIterator<Item = &Wake> {
        self.recent.iter().filter(move |wake| match whose {
            Some(principal) => wake.of_principal && wake.principal == principal,
            None => !wake.of_principal,
        })
    }

    fn size(&self, whose: Option<Id>, from: u32) -> u32 {
        self.wakes(whose).filter(|wake| wake.minute >= from).count() as u32
    }

    /// The rarest burst that grew in `minute` and speaks at some level; `budgets` are insights a week that sweeps may
    /// raise.
    pub(super) fn judge(&self, minute: u32, budgets: [f64; 3], judge: Judge, strings: &Strings) -> Option<Sweep> {
        if judge != Judge::Full {
            return None;
        }
        let grown = |burst: &&Burst| burst.last == minute;
        let account = self.burst.iter().filter(grown).filter_map(|burst| self.weigh(minute, budgets, burst, None));
        let principals = self.of_principals.iter().filter(|(_, burst)| grown(burst));
        let principals =
            principals.filter_map(|(principal, burst)| self.weigh(minute, budgets, burst, Some(*principal)));
        let name = |sweep: &Sweep| sweep.principal.map(|principal| strings.print(principal));
        account.chain(principals).min_by(|a, b| {
            let rarer = a.chance_per_week.total_cmp(&b.chance_per_week);
            a.level.cmp(&b.level).then(rarer).then_with(|| name(a).cmp(&name(b)))
        })
    }

    fn weigh(&self, minute: u32, budgets: [f64; 3], burst: &Burst, principal: Option<Id>) -> Option<Sweep> {
        let at = usize::from(principal.is_some());
        let start = self.change_point(minute, burst, principal);
        let size = self.size(principal, burst.start.max((minute + 1).saturating_sub(WINDOW)));
        let week = f64::from(trailsight_schemas::time::WEEK);
        let chance = self.pools[at].rate(minute, size.into(), &PRIORS[at]) * week / SHARES[at];
        let fires = |level: &Level| chance <= budgets[*level as usize] && size >= FLOORS[*level as usize];
        let level = Level::ALL.into_iter().find(fires)?;
        Some(Sweep { level, start, size, chance_per_week: chance, principal })
    }

    /// Wakings a minute, from its start to `minute`, at which a sweep speaks at each level.
    pub(super) fn thresholds(&self, minute: u32, budgets: [f64; 3], sweep: &Sweep) -> [f64; 3] {
        let at = usize::from(sweep.principal.is_some());
        let minutes = f64::from(minute - sweep.start + 1);
        Level::ALL.map(|level| {
            let alpha = budgets[level as usize] * SHARES[at] / f64::from(trailsight_schemas::time::WEEK);
            let least = self.pools[at].limit(minute, alpha, &PRIORS[at]).unwrap_or(f64::INFINITY);
            least.max(FLOORS[level as usize].into()) / minutes
        })
    }

    /// Where wakings became dense: the latest half or more of them, in the densest stretch up to now. A stray waking
    /// ten minutes before does not begin a sweep.
    fn change_point(&self, minute: u32, burst: &Burst, whose: Option<Id>) -> u32 {
        /// Minutes added to a stretch, so that two wakings in one minute are not denser than forty in ten.
        const EASE: f64 = 3.0;
        let from = burst.start.max((minute + 1).saturating_sub(WINDOW));
        let minutes: Vec<u32> = self.wakes(whose).map(|wake| wake.minute).filter(|at| *at >= from).collect();
        let density = |at: usize| (minutes.len() - at) as f64 / (f64::from(minute - minutes[at] + 1) + EASE);
        let first_half = 0..minutes.len().div_ceil(2);
        let best = first_half.max_by(|a, b| density(*a).total_cmp(&density(*b)).then(b.cmp(a)));
        best.map_or(minute, |at| minutes[at])
    }

    /// Wakings since `start` of the account or of a principal, by API.
    pub(super) fn since(&self, start: u32, whose: Option<Id>) -> impl Iterator<Item = &Wake> {
        self.wakes(whose).filter(move |wake| wake.minute >= start)
    }

    /// First minute after the sweep that is open, once it is over.
    pub(super) fn ended(&self, minute: u32) -> Option<u32> {
        let (_, whose) = self.told?;
        let last = self.wakes(whose).next_back().map_or(minute.saturating_sub(WINDOW), |wake| wake.minute);
        (last + GAP <= minute).then_some(last + 1)
    }

    /// Whether a burst is running or a sweep open: the next minute matters, wakings or not.
    pub(super) fn is_awake(&self) -> bool {
        self.burst.is_some() || !self.of_principals.is_empty() || self.told.is_some()
    }

    /// Whether a pair of API and principal woke within the last hour, or is not known at all.
    pub(super) fn is_new(&self, print: Print, minute: u32) -> bool {
        !self.pairs.knows(print, minute) || self.fresh.contains(&print)
    }

    /// Calls `visit` with every string id in use.
    pub(super) fn strings(&self, visit: &mut dyn FnMut(Id)) {
        for wake in self.recent.iter().chain(self.open.values().flat_map(BTreeMap::values)) {
            wake.api.iter().chain([&wake.principal]).for_each(|id| visit(*id));
        }
        self.of_principals.keys().for_each(|id| visit(*id));
        self.told.and_then(|(_, whose)| whose).into_iter().for_each(visit);
    }

    /// What is derived from the rest of a stored state.
    pub(super) fn restored(mut self) -> Waking {
        self.fresh = self.recent.iter().filter(|wake| wake.of_principal).map(|wake| wake.print).collect();
        self
    }

    pub(super) fn bytes(&self) -> usize {
        let waiting: usize = self.open.values().map(BTreeMap::len).sum();
        self.pairs.bytes()
            + waiting * size_of::<((bool, Print), Wake)>() * 3 / 2
            + self.recent.capacity() * size_of::<Wake>()
            + (self.fresh.len() + self.of_principals.len()) * 24
    }
}

#[cfg(test)]
mod tests {
    use trailsight_schemas::time::WEEK;

    use super::*;

    const MEDIUM: [f64; 3] = [0.01, 0.05, 0.25];

    fn wake(strings: &mut Strings, minute: u32, n: u32) -> Wake {
        let name = strings.intern(&format!("Describe{n}"));
        Wake { minute, print: u64::from(n) << 7 | 1, api: [0, 0, name, 0], principal: 0, of_principal: false }
    }

    /// The level and start of the strictest sweep that `wakings` (minute, number) lead to, two weeks in.
    fn strictest(wakings: &[(u32, u32)]) -> Option<(Level, u32)> {
        let (mut strings, mut waking) = (Strings::new(), Waking::new(0));
        let mut found: Option<(Level, u32)> = None;
        let mut next = 0;
        for minute in 2 * WEEK..2 * WEEK + 90 {
            let here: u32 = wakings.iter().filter(|(at, _)| 2 * WEEK + at == minute).map(|(_, count)| count).sum();
            for n in next..next + here {
                let wake = wake(&mut strings, minute, n);
                assert!(waking.see(wake.print, minute, false));
                waking.wait(wake, &strings);
            }
            next += here;
            waking.close(minute);
            if let Some(sweep) = waking.judge(minute, MEDIUM, Judge::Full, &strings)
                && found.is_none_or(|(level, _)| sweep.level < level)
            {
                found = Some((sweep.level, sweep.start - 2 * WEEK));
            }
        }
        found
    }

    #[test]
    fn thirty_in_ten_minutes_speak_and_a_stray_one_does_not_date_them() {
        let sweep: Vec<(u32, u32)> = (20..30).map(|minute| (minute, 3)).collect();
        assert!(strictest(&sweep).is_some_and(|found| found.0 <= Level::Medium && found.1 == 20));
        assert!(strictest(&[vec![(8, 1)], sweep].concat()).is_some_and(|found| found.1 == 20));
        assert_eq!(strictest(&[(20, 3), (21, 2)]), None);
        let slow: Vec<(u32, u32)> = (0..4).map(|n| (n * 16, 7)).collect();
        assert_eq!(strictest(&slow), None, "apart they are four bursts");
    }

    /// Ten times the wakings that are kept: bounded, and found all the same.
    #[test]
    fn a_flood_is_bounded() {
        let (mut strings, mut waking) = (Strings::new(), Waking::new(0));
        for n in 0..10 * MOST_WAKINGS as u32 {
            let wake = wake(&mut strings, 3 * WEEK, n);
            waking.wait(wake, &strings);
        }
        waking.close(3 * WEEK);
        assert!(waking.recent.len() == MOST_WAKINGS && waking.bytes() < 4 << 20, "{}", waking.bytes());
        let sweep = waking.judge(3 * WEEK, MEDIUM, Judge::Full, &strings).expect("a sweep");
        assert_eq!((sweep.level, sweep.size as usize), (Level::Low, MOST_WAKINGS));
    }
}

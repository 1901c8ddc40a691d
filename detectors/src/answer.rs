//! Question: does what a test found fit the budget, at which level, and is it large enough to tell anybody?
//!
//! All levels are read off one state: a test fires at the strictest level whose share of the budget its rate fits and
//! whose floors of calls and of ratio it passes; each test has its own floors, because an excess that says something in
//! an hour says nothing in a minute. Minutes made by principals that never called this API have a part h of the budget
//! of their own: among what chance brings only the measured share q of them is by such, so there Λq ≤ hα suffices,
//! while all others need Λ ≤ (1 − h)α; together they spend α.
//! Source: sections 2.4 and 8.10 of the detection notes. Assumes that novelty and size are independent by chance.
//! Known weakness: an account whose principals are all new every day gains nothing. Cost: a few comparisons.

use crate::calendar::{HOUR, Minute};
use crate::calibration::Statistic;
use crate::context::{Context, Kind, Novelty};
use crate::finding::{Direction, Finding, Level, Test};

/// A test never fires at a level below this many calls, or below this many times what is expected. For tests of more
/// than five minutes the calls are those beyond what is expected; for drops, those missing.
pub(crate) struct Floor {
    pub(crate) calls: f64,
    ratio: f64,
}

const fn floor(calls: f64, ratio: f64) -> Floor {
    Floor { calls, ratio }
}

/// By [`Level::ALL`].
pub(crate) const fn floors(test: Test, kind: Kind) -> [Floor; 3] {
    match (test, kind) {
        (Test::Drop, _) => [floor(25.0, 2.0), floor(12.0, 1.5), floor(8.0, 1.4)],
        (Test::Sustained | Test::Hour, _) => [floor(25.0, 1.5), floor(12.0, 1.3), floor(6.0, 1.3)],
        (_, Kind::Sweep) => [floor(10.0, 3.0), floor(6.0, 2.0), floor(4.0, 1.5)],
        (Test::FirstUse, _) => [floor(25.0, 3.0), floor(10.0, 2.0), floor(2.0, 1.0)],
        (Test::Minute | Test::FiveMinutes | Test::Record, _) => [floor(25.0, 3.0), floor(10.0, 2.0), floor(3.0, 1.5)],
    }
}

/// Minutes of the longest evaluation window: the caller keeps an hour of single minutes to fill it with.
const LONGEST_WINDOW: u32 = HOUR;

/// h, by [`Level::ALL`]: novelty tells more where only the rarest speaks. At high, what is new is often large too, and a
/// larger part finds less at the same rate of false leads.
const NOVEL_SHARE: [f64; 3] = [0.4, 0.4, 0.15];
/// Least q: what is measured may be few minutes.
const LEAST_NOVELTY: f64 = 0.02;

/// One test's answer before levels.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) test: Test,
    pub(crate) start: Minute,
    pub(crate) window: u32,
    pub(crate) calls: f64,
    pub(crate) expected: f64,
    /// What the floor's ratio is of.
    pub(crate) compared: f64,
    /// Episodes a minute as strong, by chance.
    pub(crate) rate: f64,
    /// Whose share of the budget it spends; first use has a budget of its own.
    pub(crate) statistic: Option<Statistic>,
}

impl Answer {
    pub(crate) fn fires(&self, level: Level, context: &Context<'_>) -> bool {
        self.fits(level, context) && self.is_large(&floors(self.test, context.kind)[level as usize])
    }

    /// Whether it fits the budget of a level, large or not.
    pub(crate) fn fits(&self, level: Level, context: &Context<'_>) -> bool {
        let budget = if self.statistic.is_none() { context.pool_alpha } else { context.alpha };
        self.needed(level, context) <= budget[level as usize]
    }

    /// The budget of all the series' tests, or of first use, at which this one fires at a level.
    fn needed(&self, level: Level, context: &Context<'_>) -> f64 {
        match self.statistic {
            Some(statistic) => sharpened(self.rate / statistic.share(level), context.novelty, level),
            None => self.rate,
        }
    }

    fn is_large(&self, floor: &Floor) -> bool {
        match self.test {
            Test::Drop => self.expected - self.calls >= floor.calls && self.expected >= floor.ratio * self.calls,
            Test::Sustained | Test::Hour => {
                self.calls - self.expected >= floor.calls && self.calls >= floor.ratio * self.compared
            }
            _ => self.calls >= floor.calls && self.calls >= floor.ratio * self.compared,
        }
    }

    /// Errors need a share that rose, too.
    fn is_confirmed(&self, context: &Context<'_>) -> bool {
        let exposure = context.exposure.filter(|_| self.test.direction() == Direction::Above);
        exposure.is_none_or(|exposure| exposure.confirms(self.calls, self.window))
    }

    /// The finding, given the calls of the window from which each level fires. What took longer than
    /// [`LONGEST_WINDOW`] is told by its last hour, at the rates of the whole.
    pub(crate) fn finding(&self, level: Level, decided: Minute, calls: [f64; 3], context: &Context<'_>) -> Finding {
        let window = f64::from(self.window.max(1));
        let longest = decided.saturating_sub(LONGEST_WINDOW - 1);
        Finding {
            level,
            test: self.test,
            start: self.start.max(longest),
            decided,
            window: self.window.clamp(1, LONGEST_WINDOW),
            expected: self.expected / window,
            observed: self.calls / window,
            thresholds: calls.map(|calls| calls / window),
            rate: self.needed(level, context),
        }
    }
}

/// The strictest level at which any of the answers fires, and the first of them that fires there.
pub(crate) fn strictest<'a>(answers: &'a [Option<Answer>], context: &Context<'_>) -> Option<(Level, &'a Answer)> {
    let judged = Level::ALL.into_iter().filter(|level| context.judge.allows(*level));
    let fires = |level, answer: &&Answer| answer.fires(level, context) && answer.is_confirmed(context);
    judged.into_iter().find_map(|level| Some((level, answers.iter().flatten().find(|answer| fires(level, answer))?)))
}

/// The rate at which a finding by such principals counts at a level.
fn sharpened(rate: f64, novelty: Option<Novelty>, level: Level) -> f64 {
    let Some(Novelty { share, base }) = novelty else { return rate };
    let novel_share = NOVEL_SHARE[level as usize];
    let plain = rate / (1.0 - novel_share);
    if share < 0.5 {
        return plain;
    }
    plain.min(rate * base.clamp(LEAST_NOVELTY, 1.0) / novel_share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn novelty_spends_its_own_part_of_the_budget() {
        for level in Level::ALL {
            let rate = |share, base| sharpened(1.0, Some(Novelty { share, base }), level);
            assert_eq!(sharpened(1.0, None, level), 1.0);
            assert_eq!(rate(0.4, 0.0), rate(1.0, 1.0));
            assert!(rate(1.0, 0.02) < 0.15 && rate(1.0, 0.0) == rate(1.0, 0.02));
            // By chance: the share q of minutes fires by one rule, all fire by the other.
            for base in [0.02, 0.1, 0.5] {
                let spent = 1.0 / rate(0.0, base) + base / rate(1.0, base).min(rate(0.0, base)) - base;
                assert!(spent <= 1.0 + NOVEL_SHARE[level as usize], "{base}: {spent}");
            }
        }
    }
}

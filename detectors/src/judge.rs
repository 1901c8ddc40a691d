//! Question: is this minute unusual, by which test, and at how strict a level?
//!
//! All levels are read off one state: a test fires at the strictest level whose share of the budget its rate fits and
//! whose floors of calls and of ratio it passes. A burst that dwarfs everything (at least twenty times the largest
//! minute of the week) is judged by the exponential tail, allowed a tenth of the budget, so that no shape delays it.
//! Source: sections 2.4 and 8.7 of the detection notes. Cost: nothing below 3 calls or two deviations.

use crate::calendar::{DAY, Minute};
use crate::calibration::{Calibration, Rarity, Statistic};
use crate::context::Context;
use crate::finding::{Finding, Level, Test};
use crate::model::{Forecast, Model, Outlook};
use crate::numerics::{ln_pmf, surprise};
use crate::record::times_record;

/// A test never fires at a level below this many calls, or below this many times what is expected.
struct Floor {
    calls: f64,
    ratio: f64,
}

/// By [`Level::ALL`]. Each test has its own.
const fn floors(test: Test) -> [Floor; 3] {
    let high = match test {
        Test::FirstUse => Floor { calls: 2.0, ratio: 1.0 },
        Test::Minute | Test::FiveMinutes | Test::Record => Floor { calls: 3.0, ratio: 1.5 },
        Test::Sustained | Test::Hour | Test::Drop => Floor { calls: 6.0, ratio: 1.3 },
    };
    [Floor { calls: 25.0, ratio: 3.0 }, Floor { calls: 10.0, ratio: 2.0 }, high]
}

/// At least this many times the week's record dwarfs everything.
const DWARFING: f64 = 20.0;
/// How many times rarer than the budget the exponential tail must find such a burst.
const FAST_INSURANCE: f64 = 10.0;
const LEAST_CALLS: f64 = 3.0;
const GATE_DEVIATIONS: f64 = 2.0;
pub(crate) const WINDOW: usize = 5;
/// No window holds more calls than this: an hour of the most a minute counts as.
const MOST_WINDOW_CALLS: u64 = 60 << 32;

/// What is judged: a minute with the four before it.
pub(crate) struct Case<'a> {
    pub(crate) calibration: &'a Calibration,
    pub(crate) model: &'a Model,
    /// With the hour it was made for.
    pub(crate) outlook: (u32, Outlook),
    pub(crate) since: Minute,
    pub(crate) minute: Minute,
    /// Calls of the window, the minute last; explained minutes are zero.
    pub(crate) calls: [f64; WINDOW],
    /// Of the minute; those of the window are made where they are needed.
    pub(crate) forecast: Forecast,
    pub(crate) week_maximum: f64,
    pub(crate) explained: bool,
    /// First minute and size of a first burst that is running.
    pub(crate) burst: Option<(Minute, u64)>,
}

/// One test's answer before levels.
struct Answer {
    test: Test,
    start: Minute,
    window: u32,
    calls: f64,
    expected: f64,
    /// What the floor's ratio is of.
    compared: f64,
    rate: f64,
}

impl Case<'_> {
    fn last(&self) -> (f64, &Forecast) {
        (self.calls[WINDOW - 1], &self.forecast)
    }

    fn window(&self) -> [Forecast; WINDOW] {
        let (hour, outlook) = &self.outlook;
        [4, 3, 2, 1, 0].map(|ago| self.model.forecast(outlook, *hour, self.minute.saturating_sub(ago)))
    }

    fn window_top(&self) -> f64 {
        let (hour, outlook) = &self.outlook;
        self.model.window_top(outlook, *hour, self.minute)
    }

    /// The statistics of the minute, in the order of [`Statistic::ALL`].
    pub(crate) fn statistics(&self) -> [f64; 3] {
        if self.explained {
            return [0.0, self.five_minutes(), 0.0];
        }
        [self.one_minute(self.last().0), self.five_minutes(), self.record(self.last().0)]
    }

    /// S of this minute if it had `calls`, 0 below u.
    pub(crate) fn one_minute(&self, calls: f64) -> f64 {
        let forecast = self.last().1;
        tail(calls, forecast.top, forecast.dispersion.variance(forecast.top), forecast, Statistic::Minute)
    }

    fn five_minutes(&self) -> f64 {
        let calls: f64 = self.calls.iter().sum();
        let forecast = self.last().1;
        if calls < LEAST_CALLS || calls <= forecast.top {
            return 0.0;
        }
        self.window_surprise(calls)
    }

    fn window_surprise(&self, calls: f64) -> f64 {
        let (mean, forecast) = (self.window_top(), self.last().1);
        tail(calls, mean, forecast.dispersion.variance(mean), forecast, Statistic::FiveMinutes)
    }

    fn record(&self, calls: f64) -> f64 {
        if calls <= self.week_maximum || self.minute.saturating_sub(self.since) < DAY {
            return 0.0;
        }
        libm::log(times_record(calls, self.week_maximum))
    }

    /// The strictest level at which anything fires, and the first test that fires there.
    pub(crate) fn find(&self, statistics: [f64; 3], context: &Context<'_>) -> Option<Finding> {
        let answers = [
            self.answer_minute(statistics[0]),
            self.answer_record(statistics[2]),
            self.answer_five_minutes(statistics[1]),
            self.answer_first_use(context),
        ];
        let judged = Level::ALL.into_iter().filter(|level| context.judge.allows(*level));
        judged.into_iter().find_map(|level| {
            let answer = answers.iter().flatten().find(|answer| answer.fires(level, context))?;
            Some(self.finding(level, answer, context))
        })
    }

    /// The least calls in the window at which `test` would fire, by [`Level::ALL`]; `u64::MAX` where none would.
    pub(crate) fn thresholds(&self, test: Test, context: &Context<'_>) -> [u64; 3] {
        Level::ALL.map(|level| {
            let fires = |calls| context.judge.allows(level) && self.would_fire(test, calls, level, context);
            least(fires)
        })
    }

    fn would_fire(&self, test: Test, calls: u64, level: Level, context: &Context<'_>) -> bool {
        let x = calls as f64;
        let answer = match test {
            Test::FiveMinutes => self.answer_window(x, self.window_surprise(x)),
            Test::Record => self.answer(Statistic::Record, self.record(x), x),
            Test::FirstUse => self.burst.and_then(|(start, _)| self.answer_burst(start, calls, context)),
            _ => self.answer(Statistic::Minute, self.one_minute(x), x),
        };
        answer.is_some_and(|answer| answer.fires(level, context))
    }

    fn answer_minute(&self, value: f64) -> Option<Answer> {
        self.answer(Statistic::Minute, value, self.last().0)
    }

    fn answer_record(&self, value: f64) -> Option<Answer> {
        self.answer(Statistic::Record, value, self.last().0)
    }

    fn answer(&self, statistic: Statistic, value: f64, calls: f64) -> Option<Answer> {
        let rarity = self.rarity(statistic, value)?;
        let forecast = self.last().1;
        let (test, fast) = match statistic {
            Statistic::Minute => (Test::Minute, times_record(calls, self.week_maximum) >= DWARFING),
            Statistic::FiveMinutes | Statistic::Record => (Test::Record, false),
        };
        let rate = if fast { rarity.heavy.min(FAST_INSURANCE * rarity.exponential) } else { rarity.heavy };
        Some(Answer {
            test,
            start: self.minute,
            window: 1,
            calls,
            expected: forecast.mean,
            compared: forecast.top,
            rate: rate / statistic.share(),
        })
    }

    fn answer_five_minutes(&self, value: f64) -> Option<Answer> {
        self.answer_window(self.calls.iter().sum(), value)
    }

    fn answer_window(&self, calls: f64, value: f64) -> Option<Answer> {
        let rarity = self.rarity(Statistic::FiveMinutes, value)?;
        let expected = self.window().iter().map(|minute| minute.mean).sum();
        Some(Answer {
            test: Test::FiveMinutes,
            start: self.change_point(calls, expected),
            window: WINDOW as u32,
            calls,
            expected,
            compared: self.window_top(),
            rate: rarity.heavy / Statistic::FiveMinutes.share(),
        })
    }

    fn answer_first_use(&self, context: &Context<'_>) -> Option<Answer> {
        let (start, size) = self.burst?;
        self.answer_burst(start, size, context)
    }

    fn answer_burst(&self, start: Minute, size: u64, context: &Context<'_>) -> Option<Answer> {
        let (calls, expected) = (size as f64, self.last().1.mean);
        let window = self.minute.saturating_sub(start) + 1;
        let recent: f64 = self.calls.iter().sum();
        // Most of it came just now: the burst's first call may have been alone for most of an hour.
        let start = if window > WINDOW as u32 && recent >= 0.5 * calls {
            self.change_point(recent, expected * WINDOW as f64)
        } else {
            start
        };
        Some(Answer {
            test: Test::FirstUse,
            start,
            window,
            calls,
            expected: expected * f64::from(window),
            compared: 0.0,
            rate: context.pool.rate(self.minute, size),
        })
    }

    fn rarity(&self, statistic: Statistic, value: f64) -> Option<Rarity> {
        let reached = value > statistic.threshold();
        reached.then(|| self.calibration.rarity(statistic, value, self.outlook.1.bucket, self.since, self.minute))
    }

    /// Where in the window the rate most likely rose: Poisson, with the window's two means.
    fn change_point(&self, calls: f64, expected: f64) -> Minute {
        let ratio = (calls / expected.max(1e-9)).max(1.0 + 1e-9);
        let ln_ratio = libm::log(ratio);
        let (mut gain, mut best, mut back) = (0.0, f64::NEG_INFINITY, 0);
        for (ago, (x, forecast)) in (0..).zip(self.calls.iter().zip(&self.window()).rev()) {
            gain += x * ln_ratio - (ratio - 1.0) * forecast.mean;
            if gain > best {
                (best, back) = (gain, ago);
            }
        }
        self.minute.saturating_sub(back)
    }

    fn finding(&self, level: Level, answer: &Answer, context: &Context<'_>) -> Finding {
        let window = f64::from(answer.window);
        let a_minute = |calls| if calls == u64::MAX { f64::INFINITY } else { calls as f64 / window };
        Finding {
            level,
            test: answer.test,
            start: answer.start,
            decided: self.minute,
            window: answer.window,
            expected: answer.expected / window,
            observed: answer.calls / window,
            thresholds: self.thresholds(answer.test, context).map(a_minute),
            rate: answer.rate,
        }
    }
}

impl Answer {
    fn fires(&self, level: Level, context: &Context<'_>) -> bool {
        let at = level as usize;
        let budget = if self.test == Test::FirstUse { context.pool_alpha } else { context.alpha };
        let floor = &floors(self.test)[at];
        self.rate <= budget[at] && self.calls >= floor.calls && self.calls >= floor.ratio * self.compared
    }
}

/// The least number of calls for which `fires` holds, which holds for all above it too; `u64::MAX` if none.
fn least(fires: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1, MOST_WINDOW_CALLS);
    if !fires(high) {
        return u64::MAX;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if fires(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// −ln P(X ≥ calls) where it exceeds u, else 0. Below three calls, below two deviations, and where the probability of
/// the count alone is too large (P ≥ pmf), the tail is not summed.
fn tail(calls: f64, mean: f64, variance: f64, forecast: &Forecast, statistic: Statistic) -> f64 {
    if calls < LEAST_CALLS || calls <= mean + GATE_DEVIATIONS * libm::sqrt(variance) {
        return 0.0;
    }
    let size = forecast.dispersion.size(mean);
    if -ln_pmf(calls, mean, size) <= statistic.threshold() {
        return 0.0;
    }
    let value = surprise(calls, mean, size);
    if value > statistic.threshold() { value } else { 0.0 }
}

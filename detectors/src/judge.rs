//! Question: is this minute unusual, by which test, and at how strict a level?
//!
//! A case is a minute with the four before it and the CUSUMs that it raised; each test gives an answer, and
//! [`crate::answer`] says which counts.
//! Source: sections 2.4 and 8.7 of the detection notes. Cost: nothing below 3 calls or two deviations.

use crate::answer::{Answer, floors, strictest};
use crate::calendar::{DAY, HOUR, Minute};
use crate::calibration::{Reading, Statistic};
use crate::context::Context;
use crate::cusum::{Change, Cusum};
use crate::finding::{Finding, Level, Test};
use crate::model::{Forecast, Model, Outlook};
use crate::numerics::{ln_pmf, surprise};
use crate::record::times_record;

const LEAST_CALLS: f64 = 3.0;
const GATE_DEVIATIONS: f64 = 2.0;
pub(crate) const WINDOW: usize = 5;
/// A change that is younger is the other tests' affair.
const LEAST_CHANGE: u32 = 3;
/// No window holds more calls than this: an hour of the most a minute counts as.
const MOST_WINDOW_CALLS: u64 = 60 << 32;

/// What is judged: a minute with the four before it.
pub(crate) struct Case<'a> {
    pub(crate) reading: Reading<'a>,
    pub(crate) model: &'a Model,
    /// With the hour it was made for.
    pub(crate) outlook: (u32, Outlook),
    pub(crate) minute: Minute,
    /// Calls of the window, the minute last; explained minutes are zero.
    pub(crate) calls: [f64; WINDOW],
    /// Of the minute; those of the window are made where they are needed.
    pub(crate) forecast: Forecast,
    pub(crate) week_maximum: f64,
    pub(crate) explained: bool,
    /// First minute and size of a first burst that is running.
    pub(crate) burst: Option<(Minute, u64)>,
    /// By [`Change::ALL`]; empty for a minute that is still open.
    pub(crate) cusums: &'a [Cusum],
    /// Which of them the minute raised.
    pub(crate) raised: [bool; 4],
}

impl Case<'_> {
    fn last(&self) -> f64 {
        self.calls[WINDOW - 1]
    }

    fn window(&self) -> [Forecast; WINDOW] {
        let (hour, outlook) = &self.outlook;
        [4, 3, 2, 1, 0].map(|ago| self.model.forecast(outlook, *hour, self.minute.saturating_sub(ago)))
    }

    fn window_top(&self) -> f64 {
        let (hour, outlook) = &self.outlook;
        self.model.window_top(outlook, *hour, self.minute)
    }

    /// The clustered statistics of the minute, in their order.
    pub(crate) fn statistics(&self) -> [f64; 3] {
        if self.explained {
            return [0.0, self.five_minutes(), 0.0];
        }
        [self.one_minute(self.last()), self.five_minutes(), self.record(self.last())]
    }

    /// S of this minute if it had `calls`, 0 below u.
    pub(crate) fn one_minute(&self, calls: f64) -> f64 {
        self.tail(calls, self.forecast.top, Statistic::Minute)
    }

    fn five_minutes(&self) -> f64 {
        let calls: f64 = self.calls.iter().sum();
        if calls < LEAST_CALLS || calls <= self.forecast.top {
            return 0.0;
        }
        self.tail(calls, self.window_top(), Statistic::FiveMinutes)
    }

    fn record(&self, calls: f64) -> f64 {
        if calls <= self.week_maximum || self.minute.saturating_sub(self.reading.since) < DAY {
            return 0.0;
        }
        libm::log(times_record(calls, self.week_maximum))
    }

    /// −ln P(X ≥ calls) where it exceeds u, else 0. Below three calls, below two deviations, and where the probability
    /// of the count alone is too large (P ≥ pmf), the tail is not summed.
    fn tail(&self, calls: f64, mean: f64, statistic: Statistic) -> f64 {
        let dispersion = &self.forecast.dispersion;
        if calls < LEAST_CALLS || calls <= mean + GATE_DEVIATIONS * dispersion.deviation(mean) {
            return 0.0;
        }
        let size = dispersion.size(mean);
        if -ln_pmf(calls, mean, size) <= statistic.threshold() {
            return 0.0;
        }
        let value = surprise(calls, mean, size);
        if value > statistic.threshold() { value } else { 0.0 }
    }

    /// The strictest level at which anything fires, and the first test that fires there. What was told already gets no
    /// thresholds: they are searched for, which costs more than all the rest.
    pub(crate) fn find(
        &self,
        statistics: [f64; 3],
        context: &Context<'_>,
        is_untold: impl Fn(Level, Test) -> bool,
    ) -> Option<Finding> {
        let answers = [
            self.answer(Statistic::Minute, statistics[0], self.last()),
            self.answer(Statistic::Record, statistics[2], self.last()),
            self.answer_window(self.calls.iter().sum(), statistics[1]),
            self.answer_first_use(context),
            self.answer_change(Change::Fast, context),
            self.answer_change(Change::Slow, context),
            self.answer_change(Change::Outage, context),
            self.answer_change(Change::Drop, context),
        ];
        let (level, answer) = strictest(&answers, context)?;
        let untold = is_untold(level, answer.test);
        let thresholds = if untold { self.window_thresholds(answer, context) } else { [f64::INFINITY; 3] };
        Some(answer.finding(level, self.minute, thresholds, context))
    }

    /// Calls of the answer's window from which each level fires.
    fn window_thresholds(&self, answer: &Answer, context: &Context<'_>) -> [f64; 3] {
        if matches!(answer.test, Test::Sustained | Test::Drop) {
            return self.change_thresholds(answer, context);
        }
        let calls = |calls| if calls == u64::MAX { f64::INFINITY } else { calls as f64 };
        self.thresholds(answer.test, context).map(calls)
    }

    /// The least calls in the window at which `test` would fire, by [`Level::ALL`]; `u64::MAX` where none would.
    pub(crate) fn thresholds(&self, test: Test, context: &Context<'_>) -> [u64; 3] {
        Level::ALL
            .map(|level| least(|calls| context.judge.allows(level) && self.would_fire(test, calls, level, context)))
    }

    fn would_fire(&self, test: Test, calls: u64, level: Level, context: &Context<'_>) -> bool {
        let x = calls as f64;
        let answer = match test {
            Test::FiveMinutes => self.answer_window(x, self.tail(x, self.window_top(), Statistic::FiveMinutes)),
            Test::Record => self.answer(Statistic::Record, self.record(x), x),
            Test::FirstUse => self.burst.and_then(|(start, _)| self.answer_burst(start, calls, context)),
            _ => self.answer(Statistic::Minute, self.one_minute(x), x),
        };
        answer.is_some_and(|answer| answer.fires(level, context))
    }

    /// W is linear in the calls of its window.
    fn change_thresholds(&self, answer: &Answer, context: &Context<'_>) -> [f64; 3] {
        let found = Change::ALL.into_iter().zip(self.cusums).find(|(change, cusum)| {
            change.test() == answer.test && cusum.start == answer.start && f64::from(cusum.calls) == answer.calls
        });
        let Some((change, cusum)) = found else { return [f64::INFINITY; 3] };
        Level::ALL.map(|level| {
            let rate = context.alpha[level as usize] * change.statistic().share(level);
            let needed = self.reading.value_at(change.statistic(), rate);
            let calls = answer.calls + (needed - cusum.value()) / change.a_call();
            let floor = floors(answer.test, context.kind)[level as usize].calls;
            if answer.test == Test::Drop {
                calls.min(answer.expected - floor)
            } else {
                calls.max(answer.expected + floor)
            }
        })
    }

    fn answer(&self, statistic: Statistic, value: f64, calls: f64) -> Option<Answer> {
        let rate = self.reading.rate(statistic, value)?;
        let test = if statistic == Statistic::Minute { Test::Minute } else { Test::Record };
        Some(Answer {
            test,
            start: self.minute,
            window: 1,
            calls,
            expected: self.forecast.mean,
            compared: self.forecast.top,
            rate,
            statistic: Some(statistic),
        })
    }

    fn answer_window(&self, calls: f64, value: f64) -> Option<Answer> {
        let rate = self.reading.rate(Statistic::FiveMinutes, value)?;
        let expected = self.window().iter().map(|minute| minute.mean).sum();
        Some(Answer {
            test: Test::FiveMinutes,
            start: self.change_point(calls, expected),
            window: WINDOW as u32,
            calls,
            expected,
            compared: self.window_top(),
            rate,
            statistic: Some(Statistic::FiveMinutes),
        })
    }

    fn answer_first_use(&self, context: &Context<'_>) -> Option<Answer> {
        let (start, size) = self.burst?;
        self.answer_burst(start, size, context)
    }

    fn answer_burst(&self, start: Minute, size: u64, context: &Context<'_>) -> Option<Answer> {
        let (calls, expected) = (size as f64, self.forecast.mean);
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
            statistic: None,
        })
    }

    /// Only where the minute raised it: what lasts is told once.
    fn answer_change(&self, change: Change, context: &Context<'_>) -> Option<Answer> {
        let cusum = self.cusums.get(change as usize).filter(|_| self.raised[change as usize])?;
        let window = self.minute.saturating_sub(cusum.start) + 1;
        let rate = self.reading.rate(change.statistic(), cusum.value())?;
        let answer = Answer {
            test: change.test(),
            start: cusum.start,
            window,
            calls: f64::from(cusum.calls),
            expected: 0.0,
            compared: 0.0,
            rate,
            statistic: Some(change.statistic()),
        };
        if window < LEAST_CHANGE || !answer.fits(Level::High, context) {
            return None;
        }
        let expected = self.model.expected_between(self.reading.since, cusum.start, self.minute + 1);
        Some(Answer { expected, compared: expected, ..answer })
    }

    /// Where in the window the rate most likely rose: Poisson, with the window's two means.
    fn change_point(&self, calls: f64, expected: f64) -> Minute {
        let window = self.window();
        let minutes = self.calls.iter().zip(&window).rev().map(|(x, forecast)| (*x, forecast.mean));
        self.minute.saturating_sub(change_point(minutes, calls, expected))
    }
}

impl Change {
    pub(crate) fn statistic(self) -> Statistic {
        match self {
            Self::Slow => Statistic::Slow,
            Self::Fast => Statistic::Fast,
            Self::Drop => Statistic::Drop,
            Self::Outage => Statistic::Outage,
        }
    }

    pub(crate) fn test(self) -> Test {
        match self {
            Self::Slow | Self::Fast => Test::Sustained,
            Self::Drop | Self::Outage => Test::Drop,
        }
    }
}

/// How many minutes ago the rate most likely rose: Poisson with the window's two means, minutes (calls, μ) newest first.
pub(crate) fn change_point(minutes: impl Iterator<Item = (f64, f64)>, calls: f64, expected: f64) -> u32 {
    let ratio = (calls / expected.max(1e-9)).max(1.0 + 1e-9);
    let ln_ratio = libm::log(ratio);
    let (mut gain, mut best, mut back) = (0.0, f64::NEG_INFINITY, 0);
    for (ago, (x, mean)) in (0..HOUR).zip(minutes) {
        gain += x * ln_ratio - (ratio - 1.0) * mean;
        if gain > best {
            (best, back) = (gain, ago);
        }
    }
    back
}

/// The least number of calls for which `fires` holds, which holds for all above it too; `u64::MAX` if none.
pub(crate) fn least(fires: impl Fn(u64) -> bool) -> u64 {
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

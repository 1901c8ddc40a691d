//! Question: does an hour that is over fire, and since when?
//!
//! [`crate::hourly`] says how unusual the hour is; here its budget and floors are applied, and its Start is put where
//! the rate most likely rose within it, from the counts of its minutes that the template keeps (to an eighth).
//! Assumes that most of the hour's minutes were learned. Cost: nothing unless a statistic exceeds its threshold.

use crate::answer::{Answer, floors, strictest};
use crate::calendar::{HOUR, Minute};
use crate::calibration::{Reading, Statistic};
use crate::context::Context;
use crate::finding::{Finding, Level, Test};
use crate::hourly::{Rise, Verdict};
use crate::judge::{change_point, least};
use crate::numerics::surprise;
use crate::template::Template;

/// An hour that is over.
pub(crate) struct HourCase<'a> {
    pub(crate) reading: Reading<'a>,
    pub(crate) template: &'a Template,
    /// Its first minute.
    pub(crate) start: Minute,
    pub(crate) verdict: Verdict,
}

impl HourCase<'_> {
    fn last_minute(&self) -> Minute {
        self.start + HOUR - 1
    }

    pub(crate) fn find(&self, context: &Context<'_>) -> Option<Finding> {
        let answers = [self.answer_hour(self.verdict.calls, self.verdict.surprise), self.answer_rise()];
        let (level, answer) = strictest(&answers, context)?;
        let thresholds = if answer.test == Test::Hour {
            self.hour_thresholds(context)
        } else {
            self.rise_thresholds(answer, context)
        };
        Some(answer.finding(level, self.last_minute(), thresholds, context))
    }

    fn answer_hour(&self, calls: f64, value: f64) -> Option<Answer> {
        let rate = self.reading.rate(Statistic::Hour, value)?;
        let Verdict { expected, compared, .. } = self.verdict;
        Some(Answer {
            test: Test::Hour,
            start: self.change_point(calls, expected),
            window: HOUR,
            calls,
            expected,
            compared,
            rate,
            statistic: Some(Statistic::Hour),
        })
    }

    fn answer_rise(&self) -> Option<Answer> {
        let Rise { sum, start, calls, expected, .. } = self.verdict.rise?;
        let rate = self.reading.rate(Statistic::HourRise, f64::from(sum))?;
        Some(Answer {
            test: Test::Sustained,
            start,
            window: self.start + HOUR - start,
            calls: f64::from(calls),
            expected: f64::from(expected),
            compared: f64::from(expected),
            rate,
            statistic: Some(Statistic::HourRise),
        })
    }

    fn change_point(&self, calls: f64, expected: f64) -> Minute {
        let mean = expected / f64::from(HOUR);
        let minutes = (0..HOUR).rev().map(|j| (self.template.previous(j), mean));
        self.last_minute() - change_point(minutes, calls, expected)
    }

    fn hour_thresholds(&self, context: &Context<'_>) -> [f64; 3] {
        let Some(dispersion) = self.verdict.dispersion else { return [f64::INFINITY; 3] };
        let mean = self.verdict.compared;
        Level::ALL.map(|level| {
            let fires = |calls: u64| {
                let value = surprise(calls as f64, mean, dispersion.size(mean));
                let answer = self.answer_hour(calls as f64, value);
                context.judge.allows(level) && answer.is_some_and(|answer| answer.fires(level, context))
            };
            let calls = least(fires);
            if calls == u64::MAX { f64::INFINITY } else { calls as f64 }
        })
    }

    /// W_H is all but linear in the calls, ln 1.4 a call.
    fn rise_thresholds(&self, answer: &Answer, context: &Context<'_>) -> [f64; 3] {
        let sum = self.verdict.rise.map_or(0.0, |rise| f64::from(rise.sum));
        Level::ALL.map(|level| {
            let rate = context.alpha[level as usize] * Statistic::HourRise.share(level);
            let needed = self.reading.value_at(Statistic::HourRise, rate);
            let floor = floors(answer.test, context.kind)[level as usize].calls;
            (answer.calls + (needed - sum) / crate::hourly::LN_RATIO).max(answer.expected + floor)
        })
    }
}

//! The CUSUMs of a series and its clock hours: fed minute by minute, judged and learned when they are over.

use crate::calendar::{DAY, Minute, WEEK};
use crate::calibration::{Reading, Statistic};
use crate::clockhour::HourCase;
use crate::context::Context;
use crate::cusum::Change;
use crate::dense::Dense;
use crate::finding::{Direction, Step};
use crate::hourly::{Hourly, Verdict};
use crate::model::Forecast;

/// A cycle of a CUSUM of minutes lasts at most a day, one of hours a week: where a heavy tail makes the usual mean, which
/// is learned robustly, too small, W would never come back to zero and its peaks would never be learned.
const LONGEST_CYCLE: u32 = DAY;
const LONGEST_RISE: u32 = WEEK;

impl Dense {
    /// Feeds the CUSUMs a minute, rises unless an incident downwards is open and falls unless one upwards is. Returns
    /// which were raised.
    pub(crate) fn feed_cusums(
        &mut self,
        minute: Minute,
        calls: u32,
        forecast: &Forecast,
        explained: bool,
        step: &mut Step,
    ) -> [bool; 4] {
        let open = self.episode.as_ref().map(|episode| episode.direction);
        let mut raised = [false; 4];
        for change in Change::ALL {
            let falls = Change::FALLS.contains(&change);
            let against = if falls { Direction::Above } else { Direction::Below };
            if open == Some(against) || !self.looks_for(change) {
                continue;
            }
            let at = change as usize;
            let over = if !falls && calls == 0 {
                self.cusums[at].pass(1, self.model.outlook.pace[at])
            } else {
                let mean = if falls { self.model.lower(minute) } else { forecast.upper };
                let increment = change.increment(f64::from(calls), mean, &forecast.dispersion);
                let increment = if explained && !falls { 0.0 } else { increment };
                raised[at] = increment > 0.0;
                self.cusums[at].take(minute, calls, increment)
            };
            self.learn_cycle(change.statistic(), over, step);
        }
        raised
    }

    /// A few calls a week tell no half as much again, and an hour without any is no drop.
    fn looks_for(&self, change: Change) -> bool {
        match change {
            Change::Fast => true,
            Change::Slow => !self.model.coarse.is_thin(),
            Change::Drop | Change::Outage => self.model.outlook.armed,
        }
    }

    pub(crate) fn pass_cusums(&mut self, minutes: u32, step: &mut Step) {
        for change in Change::RISES {
            let pace = self.model.outlook.pace[change as usize];
            let over = self.cusums[change as usize].pass(minutes, pace);
            self.learn_cycle(change.statistic(), over, step);
        }
    }

    pub(crate) fn learn_cycle(&mut self, statistic: Statistic, peak: Option<f64>, step: &mut Step) {
        if let Some(peak) = peak {
            self.calibration.peak(statistic, peak, self.model.outlook.bucket, &mut step.peaks);
        }
    }

    /// What lasted until an incident's end is over.
    pub(crate) fn end_cycles(&mut self, step: &mut Step) {
        for change in Change::ALL {
            let peak = self.cusums[change as usize].end();
            self.learn_cycle(change.statistic(), Some(peak), step);
        }
        let peak = self.hourly.rise.end();
        self.learn_cycle(Statistic::HourRise, Some(peak), step);
    }

    pub(crate) fn end_hour(&mut self, hour: u32, context: &Context<'_>, step: &mut Step) {
        let bucket = self.model.outlook.bucket;
        let over = self.model.end_hour(self.since, hour);
        let verdict = if self.model.coarse.is_thin() {
            self.hourly = Hourly::default();
            Verdict::default()
        } else {
            self.hourly.end(&over)
        };
        if self.episode.is_none() && (verdict.surprise > 0.0 || verdict.rise.is_some()) {
            let reading = self.reading(bucket, self.next, context);
            let case = HourCase { reading, template: &self.model.template, start: over.start, verdict };
            let found = case.find(context);
            self.tell(found, step);
        }
        self.calibration.peak(Statistic::Hour, verdict.surprise, bucket, &mut step.peaks);
        self.learn_cycle(Statistic::HourRise, verdict.over, step);
        self.expire_cycles(step);
    }

    /// What has gone on for so long is no change any more, but how this series is: its peak is learned, and the cycle
    /// begins anew.
    pub(crate) fn expire_cycles(&mut self, step: &mut Step) {
        for change in Change::ALL {
            let looked_for = self.looks_for(change);
            let cusum = &mut self.cusums[change as usize];
            if cusum.sum > 0 && (!looked_for || self.next.saturating_sub(cusum.start) >= LONGEST_CYCLE) {
                let peak = cusum.end();
                self.learn_cycle(change.statistic(), Some(peak), step);
            }
        }
        let rise = &mut self.hourly.rise;
        if rise.sum > 0.0 && self.next.saturating_sub(rise.start) >= LONGEST_RISE {
            let peak = rise.end();
            self.learn_cycle(Statistic::HourRise, Some(peak), step);
        }
    }

    pub(crate) fn reading<'a>(&'a self, bucket: u8, now: Minute, context: &'a Context<'_>) -> Reading<'a> {
        Reading { calibration: &self.calibration, bucket, since: self.since, now, tails: &context.tails }
    }
}

//! Question: is the incident over, or is this how it will be from now on?
//!
//! Formula: reversed CUSUM V ← max(0, V + clip(−LLR_ρ, −2, 1)) with ρ the incident's running ratio (at least 1.3, for a
//! drop at most 0.7) and LLR_ρ = x ln ρ − (x + r) ln((r + ρμ)/(r + μ)); a minute at or below μ + σ and under a quarter of
//! the incident's mean counts 1. Over when V ≥ 5, back-dated to the first minute of that run; then the End is held for
//! the merge window, within which V back at zero, or one minute that speaks for ρ as e⁴ to 1, continues the incident.
//! A level is accepted when, six hours in, the ratios of three hours agree within 35 % and what their noise allows, or
//! after a day.
//! Source: Page 1954; section 2.4 of the detection notes.
//! Assumes the same dispersion above as below. Known weakness: shifts of less than twofold are chopped.
//! Cost: one logarithm a minute while open.

use crate::calendar::{DAY, HOUR, Minute};
use crate::dense::NEVER;
use crate::finding::{Direction, EndReason, Finding, Level};
use crate::model::Forecast;

const QUIET_ENOUGH: f64 = 5.0;
/// V does not grow beyond this, so that what flares up can bring it down.
const MOST_QUIET: f64 = 7.0;
/// −LLR_ρ of a minute below this speaks for the incident at once.
const FLARE: f64 = -4.0;
const LEAST_RATIO: f64 = 1.3;
const DROP_RATIOS: (f64, f64) = (0.05, 0.7);
const ACCEPT_FROM: u32 = 6 * HOUR;
const AGREEMENT: f64 = 1.35;
/// Ratios below this are all nothing.
const NOTHING: f64 = 0.05;
const QUIET_SHARE: f64 = 0.25;

/// An open incident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Episode {
    pub(crate) start: Minute,
    /// Minutes up to this one belong to the window that opened it: they cannot end it.
    pub(crate) decided: Minute,
    pub(crate) level: Level,
    pub(crate) direction: Direction,
    pub(crate) calls: f64,
    pub(crate) expected: f64,
    /// V, and the first minute of its run.
    pub(crate) quiet: f64,
    pub(crate) quiet_since: Minute,
    /// The End that is held, [`NEVER`] if none is.
    pub(crate) held: Minute,
    pub(crate) hour: [f64; 2],
    /// Ratios of the last two full hours, 0 if there is none.
    pub(crate) ratios: [f64; 2],
}

/// The incident is over.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) end: Minute,
    pub(crate) reason: EndReason,
    /// What the new level is of the expected one, if accepted.
    pub(crate) ratio: f64,
}

impl Episode {
    /// Opened by a minute that is closed: its window is counted in.
    pub(crate) fn opened(finding: &Finding) -> Self {
        let window = f64::from(finding.window);
        Self { calls: finding.observed * window, expected: finding.expected * window, ..Self::early(finding) }
    }

    /// Opened by a minute that is still open: its minutes are counted as they close.
    pub(crate) fn early(finding: &Finding) -> Self {
        let (start, decided, level) = (finding.start, finding.decided, finding.level);
        Self { start, decided, level, direction: finding.test.direction(), quiet_since: decided, ..Self::blank() }
    }

    /// A later minute, still open, was told as part of it: nothing before that minute ends it.
    pub(crate) fn extend(&mut self, finding: &Finding) {
        self.level = self.level.min(finding.level);
        self.decided = self.decided.max(finding.decided);
        self.resume();
    }

    /// It flared up again.
    pub(crate) fn resume(&mut self) {
        self.quiet = 0.0;
        self.held = NEVER;
    }

    /// What is filled in when a packed incident is read.
    pub(crate) fn blank() -> Self {
        Self {
            start: 0,
            decided: 0,
            level: Level::High,
            direction: Direction::Above,
            calls: 0.0,
            expected: 0.0,
            quiet: 0.0,
            quiet_since: 0,
            held: NEVER,
            hour: [0.0; 2],
            ratios: [0.0; 2],
        }
    }

    /// Whether `minute` is of the incident.
    pub(crate) fn covers(&self, minute: Minute) -> bool {
        self.start <= minute
    }

    /// The first minute that may lie behind its end.
    pub(crate) fn quiet_from(&self) -> Option<Minute> {
        if self.held != NEVER { Some(self.held) } else { (self.quiet > 0.0).then_some(self.quiet_since) }
    }

    /// Takes a minute of the incident that closed, of which μ is `mu` on the side that counts.
    pub(crate) fn observe(
        &mut self,
        minute: Minute,
        calls: u32,
        mu: f64,
        forecast: &Forecast,
        merge: u32,
    ) -> Option<Ending> {
        let x = f64::from(calls);
        if minute > self.decided {
            self.weigh(minute, x, mu, forecast);
        }
        self.calls += x;
        self.expected += mu;
        self.hour[0] += x;
        self.hour[1] += forecast.mean;
        if self.held != NEVER && minute.saturating_add(1) >= self.held.saturating_add(merge) {
            return Some(Ending { end: self.held, reason: EndReason::Returned, ratio: 1.0 });
        }
        let age = minute.saturating_sub(self.decided);
        if age > 0 && age.is_multiple_of(HOUR) { self.end_hour(minute, age, forecast) } else { None }
    }

    fn weigh(&mut self, minute: Minute, x: f64, mu: f64, forecast: &Forecast) {
        let likelihood = self.likelihood(x, mu, forecast.dispersion.size(mu));
        if self.held != NEVER && likelihood < FLARE {
            return self.resume();
        }
        let minutes = f64::from(minute.saturating_sub(self.start).max(1));
        let low = self.direction == Direction::Above
            && x <= mu + forecast.dispersion.deviation(mu)
            && x < QUIET_SHARE * self.calls / minutes;
        let step = if low { 1.0 } else { likelihood.clamp(-2.0, 1.0) };
        if self.quiet <= 0.0 && step > 0.0 {
            self.quiet_since = minute;
        }
        self.quiet = (self.quiet + step).clamp(0.0, MOST_QUIET);
        if self.quiet <= 0.0 {
            self.held = NEVER;
        } else if self.quiet >= QUIET_ENOUGH && self.held == NEVER {
            self.held = self.quiet_since;
        }
    }

    /// −LLR_ρ.
    fn likelihood(&self, x: f64, mu: f64, r: f64) -> f64 {
        let ratio = self.calls / self.expected.max(1e-9);
        let ratio = match self.direction {
            Direction::Above => ratio.max(LEAST_RATIO),
            Direction::Below => ratio.clamp(DROP_RATIOS.0, DROP_RATIOS.1),
        };
        (x + r) * libm::log1p((ratio - 1.0) * mu / (r + mu)) - x * libm::log(ratio)
    }

    fn end_hour(&mut self, minute: Minute, age: u32, forecast: &Forecast) -> Option<Ending> {
        let [calls, expected] = core::mem::take(&mut self.hour);
        let ratio = calls / expected.max(1e-9);
        let [last, one_before] = self.ratios;
        self.ratios = [ratio, last];
        let (most, least) = (ratio.max(last).max(one_before), ratio.min(last).min(one_before));
        let noise = 2.0 * libm::sqrt(forecast.dispersion.phi / calls.max(1.0));
        let same = (least > 0.0 && most < (AGREEMENT + noise) * least)
            || (self.direction == Direction::Below && most < NOTHING);
        let agreed = age >= ACCEPT_FROM && same && self.held == NEVER;
        if !agreed && age < DAY {
            return None;
        }
        let ratio = if agreed { (ratio + last + one_before) / 3.0 } else { ratio };
        Some(Ending { end: minute + 1, reason: EndReason::Accepted, ratio: ratio.clamp(1e-9, 1e12) })
    }
}

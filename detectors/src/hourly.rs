//! Question: has this clock hour too many calls, or have the hours of late, though no minute need be unusual?
//!
//! Formula: x the hour's calls, clipped as they were learned; μ_H = ℓ₅ Σ base·f with an undamped level ℓ₅ of half-life
//! five days (growth is absorbed, a ramp of twelve hours is not). S_H = −ln P(X ≥ x) against half the envelope, with
//! dispersion (φ_H, ψ_H) of hours of its own; W_H ← max(0, W_H + min(LLR_1.4, 3)) against μ_H without envelope.
//! Source: section 2.2 of the detection notes. Assumes that hours given the forecast are independent.
//! Known weakness: decided at the hour's end; nothing is said of series with a few calls a week. Cost: about 100 ns an hour with calls, one logarithm in one without.

use crate::calendar::Minute;
use crate::dispersion::{Dispersion, Moments};
use crate::numerics::surprise;

/// 0.5^(1/120) an hour.
const LEVEL_DECAY: f64 = 0.994_240_423_8;
const LEVEL_PRIOR: f64 = 10.0;
const RATIO: f64 = 1.4;
pub(crate) const LN_RATIO: f64 = 0.336_472_236_621_212_9;
const CAP: f64 = 3.0;
const LEAST_CALLS: f64 = 3.0;
const GATE_DEVIATIONS: f64 = 1.5;
const MOMENT_DEVIATIONS: f64 = 8.0;
const MOMENT_CALLS: f64 = 4.0;
/// An hour with more minutes missing or in an incident is not judged.
const MOST_MISSING: u8 = 10;

/// What hours have taught.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Hourly {
    pub(crate) moments: Moments,
    /// Discounted calls and expectation of the undamped level.
    pub(crate) calls: f32,
    pub(crate) expected: f32,
    pub(crate) rise: Rise,
    /// Minutes of the open hour that are missing or in an incident.
    pub(crate) missing: u8,
}

/// W_H and the cycle it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rise {
    pub(crate) sum: f32,
    pub(crate) peak: f32,
    pub(crate) start: Minute,
    pub(crate) calls: f32,
    pub(crate) expected: f32,
}

/// An hour that is over.
#[derive(Clone, Copy)]
pub(crate) struct Hour {
    pub(crate) start: Minute,
    /// Clipped.
    pub(crate) calls: f64,
    /// Σ base·f, without any level.
    pub(crate) base: f64,
    /// ½(base + envelope)/base.
    pub(crate) envelope: f64,
    /// Of minutes.
    pub(crate) dispersion: Dispersion,
    /// Calls that its hour of the day rests on.
    pub(crate) evidence: f64,
}

/// What an hour's end says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Verdict {
    /// S_H, 0 where nothing is near.
    pub(crate) surprise: f64,
    /// The hour's calls, and what S_H compared them with.
    pub(crate) calls: f64,
    pub(crate) expected: f64,
    pub(crate) compared: f64,
    pub(crate) dispersion: Option<Dispersion>,
    /// W_H with its cycle, if the hour raised it.
    pub(crate) rise: Option<Rise>,
    /// Peak of a cycle that the hour ended.
    pub(crate) over: Option<f64>,
}

impl Hourly {
    fn level(&self, phi: f64) -> f64 {
        let prior = LEVEL_PRIOR * phi;
        ((f64::from(self.calls) + prior) / (f64::from(self.expected) + prior)).clamp(0.5, 2.0)
    }

    fn dispersion(&self, phi: f64) -> Dispersion {
        self.moments.dispersion_with(phi + 1.0, 5.0)
    }

    /// The level that lasted is the profile's now.
    pub(crate) fn forget_level(&mut self) {
        (self.calls, self.expected) = (0.0, 0.0);
    }

    /// Judges an hour, then learns it.
    pub(crate) fn end(&mut self, hour: &Hour) -> Verdict {
        let level = self.level(hour.dispersion.phi);
        let expected = (level * hour.base).max(1e-9);
        let judged = core::mem::take(&mut self.missing) <= MOST_MISSING;
        let verdict = if judged { self.judge(hour, expected) } else { Verdict::default() };
        self.calls = (LEVEL_DECAY * f64::from(self.calls) + hour.calls) as f32;
        self.expected = (LEVEL_DECAY * f64::from(self.expected) + hour.base) as f32;
        verdict
    }

    fn judge(&mut self, hour: &Hour, expected: f64) -> Verdict {
        let own = self.dispersion(hour.dispersion.phi);
        let wide = own.with_uncertain_mean(hour.evidence);
        let compared = expected * hour.envelope;
        let near = hour.calls >= LEAST_CALLS && hour.calls > compared + GATE_DEVIATIONS * wide.deviation(compared);
        let surprise = if near { surprise(libm::floor(hour.calls), compared, wide.size(compared)) } else { 0.0 };
        let before = self.rise.sum;
        let over = self.rise.take(hour, expected, &own);
        self.learn(hour.calls, expected, &own);
        Verdict {
            surprise,
            calls: hour.calls,
            expected,
            compared,
            dispersion: near.then_some(wide),
            rise: (self.rise.sum > before).then_some(self.rise),
            over,
        }
    }

    fn learn(&mut self, calls: f64, expected: f64, own: &Dispersion) {
        let most = expected + MOMENT_DEVIATIONS * own.deviation(expected) + MOMENT_CALLS;
        let d = calls.min(most) - expected;
        let (d2, square) = (d * d, expected * expected);
        self.moments.learn_slowly([d2, expected, square, d2 * expected, square * expected]);
    }
}

impl Rise {
    fn take(&mut self, hour: &Hour, expected: f64, own: &Dispersion) -> Option<f64> {
        let r = own.size(expected);
        let likelihood =
            hour.calls * LN_RATIO - (hour.calls + r) * libm::log1p((RATIO - 1.0) * expected / (r + expected));
        let increment = likelihood.min(CAP);
        if self.sum <= 0.0 {
            if increment <= 0.0 {
                return None;
            }
            *self = Self { start: hour.start, ..Self::default() };
        }
        self.sum = (f64::from(self.sum) + increment).max(0.0) as f32;
        self.peak = self.peak.max(self.sum);
        self.calls = (f64::from(self.calls) + hour.calls) as f32;
        self.expected = (f64::from(self.expected) + expected) as f32;
        if self.sum <= 0.0 { Some(self.end()) } else { None }
    }

    /// Ends the cycle, and gives its peak.
    pub(crate) fn end(&mut self) -> f64 {
        let peak = f64::from(self.peak);
        *self = Self::default();
        peak
    }
}

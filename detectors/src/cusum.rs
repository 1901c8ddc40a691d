//! Question: has the rate changed for good, though no minute need be unusual?
//!
//! Formula: W ← max(0, W + min(LLR_ρ, cap)), LLR_ρ = x ln ρ − (x + r) ln((r + ρμ)/(r + μ)), against μ⁺ for rises
//! (ρ = 1.5 and 6) and μ⁻ for drops (ρ = 1/4, and 1/50, which is the surprise of a run of zeros). The last time W left
//! zero is the likeliest change point. A cap on LLR keeps one wild minute from tripping it: that is the other tests'
//! affair. W is a whole number of 2^−20, and a minute without calls costs a rise the same all hour long (the hour's
//! mean), so that n such minutes are one product, to the same bits.
//! Source: Page 1954; negative binomial likelihood ratio as in Höhle and Paul 2008. Assumes independent minutes given
//! the forecast; what is left of dependence is the calibration's affair. Known weakness: a change much larger or
//! smaller than ρ is found later than by its own ρ. Cost: a logarithm and a product a minute with calls.

use crate::calendar::Minute;
use crate::dispersion::Dispersion;

const UNIT: f64 = 1_048_576.0;
/// More than this W does not count.
const MOST: f64 = 4000.0;

/// Which change is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Half as much again, for long.
    Slow,
    /// Six times as much.
    Fast,
    /// Down to a quarter.
    Drop,
    /// Down to nothing.
    Outage,
}

impl Change {
    pub(crate) const ALL: [Self; 4] = [Self::Slow, Self::Fast, Self::Drop, Self::Outage];
    pub(crate) const RISES: [Self; 2] = [Self::Slow, Self::Fast];
    pub(crate) const FALLS: [Self; 2] = [Self::Drop, Self::Outage];

    /// ρ with its logarithm.
    const fn ratio(self) -> (f64, f64) {
        match self {
            Self::Slow => (1.5, 0.405_465_108_108_164_4),
            Self::Fast => (6.0, 1.791_759_469_228_055),
            Self::Drop => (0.25, -1.386_294_361_119_890_6),
            Self::Outage => (0.02, -3.912_023_005_428_146),
        }
    }

    const fn cap(self) -> f64 {
        match self {
            Self::Slow | Self::Fast => 2.5,
            Self::Drop | Self::Outage => 4.0,
        }
    }

    /// ln ρ: what one call more adds to W.
    pub(crate) const fn a_call(self) -> f64 {
        self.ratio().1
    }

    /// LLR_ρ of a minute, capped.
    pub(crate) fn increment(self, calls: f64, mean: f64, dispersion: &Dispersion) -> f64 {
        let (ratio, ln_ratio) = self.ratio();
        let r = dispersion.size(mean);
        let likelihood = calls * ln_ratio - (calls + r) * libm::log1p((ratio - 1.0) * mean / (r + mean));
        likelihood.min(self.cap())
    }

    /// What a minute without calls takes from W, in its unit.
    pub(crate) fn pace(self, mean: f64, dispersion: &Dispersion) -> u32 {
        (-self.increment(0.0, mean, dispersion) * UNIT).clamp(1.0, 1e9) as u32
    }
}

/// W and the cycle it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cusum {
    /// W in 2^−20.
    pub(crate) sum: u32,
    /// The cycle's largest W.
    pub(crate) peak: u32,
    /// The cycle's first minute.
    pub(crate) start: Minute,
    /// Calls of the cycle.
    pub(crate) calls: u32,
}

impl Cusum {
    /// W.
    pub(crate) fn value(&self) -> f64 {
        f64::from(self.sum) / UNIT
    }

    /// Takes a minute; the peak of the cycle that it ended, if it did.
    pub(crate) fn take(&mut self, minute: Minute, calls: u32, increment: f64) -> Option<f64> {
        if self.sum == 0 {
            if increment <= 0.0 {
                return None;
            }
            *self = Self { start: minute, ..Self::default() };
        }
        self.calls = self.calls.saturating_add(calls);
        let sum = f64::from(self.sum) + (increment * UNIT).clamp(-MOST * UNIT, MOST * UNIT);
        self.sum = sum.clamp(0.0, MOST * UNIT) as u32;
        self.peak = self.peak.max(self.sum);
        if self.sum == 0 { Some(self.end()) } else { None }
    }

    /// Takes minutes without calls; the peak of the cycle that they ended, if they did.
    pub(crate) fn pass(&mut self, minutes: u32, pace: u32) -> Option<f64> {
        if self.sum == 0 {
            return None;
        }
        self.sum = self.sum.saturating_sub(pace.saturating_mul(minutes));
        if self.sum == 0 { Some(self.end()) } else { None }
    }

    /// Ends the cycle, and gives its peak.
    pub(crate) fn end(&mut self) -> f64 {
        let peak = f64::from(self.peak) / UNIT;
        *self = Self::default();
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const POISSON: Dispersion = Dispersion { phi: 1.0, psi: 0.0 };

    #[test]
    fn the_increment_is_the_likelihood_ratio() {
        let mean = 3.0;
        for (change, calls) in [(Change::Slow, 4.0), (Change::Fast, 5.0), (Change::Drop, 2.0), (Change::Outage, 0.0)] {
            let (ratio, ln_ratio) = change.ratio();
            assert!((libm::log(ratio) - ln_ratio).abs() < 1e-15);
            let poisson = calls * ln_ratio - (ratio - 1.0) * mean;
            assert!((change.increment(calls, mean, &POISSON) - poisson.min(change.cap())).abs() < 1e-4, "{change:?}");
        }
    }

    #[test]
    fn a_lasting_rise_is_dated_at_its_first_minute() {
        let mut cusum = Cusum::default();
        for minute in 0..200 {
            let calls = if minute < 150 { 2 + minute % 2 } else { 5 };
            cusum.take(minute, calls, Change::Slow.increment(f64::from(calls), 2.5, &POISSON));
        }
        assert_eq!(cusum.start, 150);
        assert!(cusum.value() > 20.0 && cusum.calls == 250);
        let value = cusum.value();
        assert_eq!((cusum.end(), cusum), (value, Cusum::default()));
    }

    proptest! {
        #[test]
        fn silence_in_one_product_is_silence_minute_by_minute(
            calls in 1_u32..500, mean in 1e-5_f64..50.0, phi in 1.0_f64..9.0, minutes in 1_u32..3000,
        ) {
            let dispersion = Dispersion { phi, psi: 0.1 };
            let mut at_once = Cusum::default();
            at_once.take(7, calls, Change::Fast.increment(f64::from(calls), mean, &dispersion));
            let mut by_minute = at_once;
            let pace = Change::Fast.pace(mean, &dispersion);
            let peaks: Vec<f64> = (0..minutes).filter_map(|_| by_minute.pass(1, pace)).collect();
            prop_assert_eq!(at_once.pass(minutes, pace), peaks.first().copied());
            prop_assert_eq!(at_once, by_minute);
        }
    }
}

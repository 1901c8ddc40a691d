//! Question: is this series running above or below its profile these days?
//!
//! Formula: A ← dA + Σx, B ← dB + Σμ with half-life 36 h, ℓ = clamp((A + 10φ)/(B + 10φ), 0.3, 3). Because B gathers
//! μ = ℓ · base · f, the fixed point is ℓ = √(true ratio): half the shift on a logarithmic scale, on purpose (the
//! undamped tracker finds less at the same rate of false alarms). Source: discounted gamma-Poisson.
//! Assumes that hours are a fine enough step. Known weakness: half of a lasting shift stays visible until it is
//! accepted or the profile has learned it. Cost: a division where ℓ is used, four products an hour.

/// 0.5^(1/36) an hour.
const DECAY: f64 = 0.980_929_953_1;
const PRIOR: f64 = 10.0;

/// Discounted calls and expectation.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Level {
    pub(crate) calls: f32,
    pub(crate) expected: f32,
}

impl Level {
    /// ℓ, between 0.3 and 3.
    pub(crate) fn value(&self, phi: f64) -> f64 {
        let prior = PRIOR * phi;
        ((f64::from(self.calls) + prior) / (f64::from(self.expected) + prior)).clamp(0.3, 3.0)
    }

    /// Takes an hour's calls, clipped, and what was expected of it.
    pub(crate) fn learn(&mut self, calls: f64, expected: f64) {
        self.calls = (DECAY * f64::from(self.calls) + calls.max(0.0)) as f32;
        self.expected = (DECAY * f64::from(self.expected) + expected.max(0.0)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_point_is_the_square_root_of_the_ratio() {
        let mut level = Level::default();
        for _ in 0..3000 {
            let expected = 600.0 * level.value(1.0);
            level.learn(600.0 * 2.25, expected);
        }
        assert!((level.value(1.0) - 1.5).abs() < 0.01);
        for _ in 0..3000 {
            level.learn(1e9, 1.0);
        }
        assert_eq!(level.value(1.0), 3.0);
    }
}

//! Question: how much more than a Poisson count does this series vary?
//!
//! Formula: Var = φμ + ψμ², fitted to discounted sums of d², μ, μ², d²μ, μ³ (d the deviation, clipped) by a 2×2 moment
//! solve with φ₀ = 4 worth four expected calls; φ ≥ 1, 0 ≤ ψ ≤ 4. Uncertainty of the mean itself adds
//! φ/(evidence + 2) to ψ. NB size r = μ/(φ − 1 + ψμ).
//! Source: quasi-likelihood moments as in McCullagh and Nelder 1989, 9.2.
//! Assumes that clipped deviations still tell the bulk's spread; the tail beyond is the calibration's affair.
//! Known weakness: a series whose mean hardly varies cannot tell φ from ψ, and then all of it is φ.
//! Cost: ten products an hour, twenty where it is used.

/// exp(−1/168) an hour.
const DECAY: f64 = 0.994_065_27;
/// exp(−1/504) an hour: moments of hours are rare.
const SLOW_DECAY: f64 = 0.998_017_84;
const PRIOR_PHI: f64 = 4.0;
const PRIOR_WEIGHT: f64 = 4.0;
const MOST_PSI: f64 = 4.0;
/// No sum is larger, so that products of two are finite.
const MOST: f64 = 1e30;
/// The moments of ψ are used once they are this far from collinear.
const LEAST_DETERMINANT: f64 = 1e-3;

/// Discounted moments, in the order d², μ, μ², d²μ, μ³.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Moments(pub(crate) [f32; 5]);

/// Var = φμ + ψμ².
#[derive(Clone, Copy)]
pub(crate) struct Dispersion {
    pub(crate) phi: f64,
    pub(crate) psi: f64,
}

impl Moments {
    /// Takes an hour's sums, in the same order.
    pub(crate) fn learn(&mut self, sums: [f64; 5]) {
        self.take(sums, DECAY);
    }

    /// The same with a memory three times as long.
    pub(crate) fn learn_slowly(&mut self, sums: [f64; 5]) {
        self.take(sums, SLOW_DECAY);
    }

    fn take(&mut self, sums: [f64; 5], decay: f64) {
        for (moment, sum) in self.0.iter_mut().zip(sums) {
            *moment = (decay * f64::from(*moment) + sum.max(0.0)).min(MOST) as f32;
        }
    }

    pub(crate) fn dispersion(&self) -> Dispersion {
        self.dispersion_with(PRIOR_PHI, PRIOR_WEIGHT)
    }

    /// With a prior of φ₀ worth `prior` expected calls.
    pub(crate) fn dispersion_with(&self, phi: f64, prior: f64) -> Dispersion {
        let [d2, m1, m2, d2m, m3] = self.0.map(f64::from);
        let (weight, seen) = (m1 + prior, d2 + phi * prior);
        let determinant = weight * m3 - m2 * m2;
        let psi = if determinant > LEAST_DETERMINANT * weight * m3 {
            ((weight * d2m - m2 * seen) / determinant).clamp(0.0, MOST_PSI)
        } else {
            0.0
        };
        Dispersion { phi: ((seen - psi * m2) / weight).max(1.0), psi }
    }
}

impl Dispersion {
    /// With what is uncertain about a mean that rests on `evidence` calls.
    pub(crate) fn with_uncertain_mean(self, evidence: f64) -> Self {
        Self { psi: self.psi + self.phi / (evidence + 2.0), ..self }
    }

    pub(crate) fn variance(&self, mean: f64) -> f64 {
        self.phi * mean + self.psi * mean * mean
    }

    pub(crate) fn deviation(&self, mean: f64) -> f64 {
        libm::sqrt(self.variance(mean))
    }

    /// The size r of the negative binomial of this mean and variance.
    pub(crate) fn size(&self, mean: f64) -> f64 {
        mean / ((self.phi - 1.0).max(1e-6) + self.psi * mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_known_variance_are_found_again() {
        for (phi, psi) in [(1.0, 0.0), (3.0, 0.0), (2.0, 0.5)] {
            let mut moments = Moments::default();
            for hour in 0..2000 {
                let mu = if hour % 2 == 0 { 1.0 } else { 10.0 };
                let d2 = phi * mu + psi * mu * mu;
                moments.learn([60.0 * d2, 60.0 * mu, 60.0 * mu * mu, 60.0 * d2 * mu, 60.0 * mu * mu * mu]);
            }
            let got = moments.dispersion();
            assert!((got.phi - phi).abs() < 0.05 && (got.psi - psi).abs() < 0.02, "{} {}", got.phi, got.psi);
            assert!((got.variance(4.0) - got.deviation(4.0).powi(2)).abs() < 1e-9);
        }
    }

    #[test]
    fn nothing_seen_is_the_prior() {
        let prior = Moments::default().dispersion();
        assert_eq!((prior.phi, prior.psi), (PRIOR_PHI, 0.0));
        assert_eq!(prior.with_uncertain_mean(2.0).psi, 1.0);
    }
}

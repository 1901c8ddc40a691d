//! Question: do more calls fail than usual, or are there just more calls?
//!
//! Formula: E of n calls failed; with a usual share π and overdispersion φ, E is beta-binomial with a = π/ρ,
//! b = (1 − π)/ρ, ρ = (φ − 1)/(n − 1): variance φnπ(1 − π). P(E' ≥ E) by the ratios of its probabilities,
//! p(k+1)/p(k) = (n − k)(k + a)/((k + 1)(n − k − 1 + b)); for π < 5 % negative binomial with mean nπ and variance φnπ.
//! Where the deviation exceeds a thousand, the normal tail. An error insight needs P < 10⁻³ besides its count test, in
//! its window and in the hour that ends with it: in a surge failures come together that usually come one by one, and a
//! minute of them says nothing of the surge.
//! Source: section 2.5 of the detection notes; Johnson, Kemp and Kotz 2005, 6.2.2 for the ratios.
//! Assumes that π holds for the window. Known weakness: new callers with another π than the old look like a change.
//! Cost: only where a count fires, at most a few thousand ratios.

use crate::calendar::HOUR;
use crate::context::Exposure;
use crate::dispersion::Dispersion;
use crate::numerics::{ln_gamma, surprise};

/// −ln of the probability that an error insight needs.
const NEEDED: f64 = 6.907_755_278_982_137;
const NEEDED_DEVIATIONS: f64 = 3.090_232_306_167_813_5;
const RARE: f64 = 0.05;
const NORMAL_FROM: f64 = 1e6;
const MOST_TERMS: u32 = 1 << 14;
/// Half a failure in so many calls that were not seen: what is usual before anything is known.
const LEAST_RATIO: f64 = 1e-6;

impl Exposure<'_> {
    /// Whether `errors` in the `window` minutes that end with the judged one are more than their calls explain, and those
    /// of the last hour more than its calls do.
    pub(crate) fn confirms(&self, errors: f64, window: u32) -> bool {
        let calls = (self.calls)(window.clamp(1, HOUR)) as f64;
        // Further back than is known, the last hour stands for the window.
        let errors = if window > HOUR { errors * f64::from(HOUR) / f64::from(window) } else { errors };
        if !self.calls_judged && 2.0 * errors > calls {
            return true;
        }
        self.has_risen(errors, calls) && self.has_risen((self.errors_of_hour)() as f64, (self.calls)(HOUR) as f64)
    }

    fn has_risen(&self, errors: f64, calls: f64) -> bool {
        let ratio = self.ratio.clamp(LEAST_RATIO, 1.0 - LEAST_RATIO);
        more_than_usual(libm::floor(errors), calls.max(errors), ratio, self.overdispersion.clamp(1.0, 1e6))
    }
}

fn more_than_usual(errors: f64, calls: f64, ratio: f64, phi: f64) -> bool {
    let mean = calls * ratio;
    if errors <= mean {
        return false;
    }
    let variance = phi * mean * (1.0 - ratio);
    if variance > NORMAL_FROM {
        return errors - mean > NEEDED_DEVIATIONS * libm::sqrt(variance);
    }
    if ratio < RARE {
        return surprise(errors, mean, Dispersion { phi, psi: 0.0 }.size(mean)) > NEEDED;
    }
    beta_binomial(errors, calls, ratio, phi) > NEEDED
}

/// −ln P(E' ≥ errors).
fn beta_binomial(errors: f64, calls: f64, ratio: f64, phi: f64) -> f64 {
    let n = calls.max(2.0);
    let correlation = ((phi - 1.0) / (n - 1.0)).clamp(1e-7, 0.99);
    let total = (1.0 - correlation) / correlation;
    let (a, b) = (ratio * total, (1.0 - ratio) * total);
    let choose = ln_gamma(n + 1.0) - ln_gamma(errors + 1.0) - ln_gamma(n - errors + 1.0);
    let beta = ln_gamma(errors + a) + ln_gamma(n - errors + b) - ln_gamma(n + total);
    let prior = ln_gamma(a) + ln_gamma(b) - ln_gamma(total);
    let (mut term, mut sum, mut k) = (1.0, 1.0, errors);
    for _ in 0..MOST_TERMS {
        if k >= n || term < 1e-12 * sum {
            break;
        }
        term *= (n - k) * (k + a) / ((k + 1.0) * (n - k - 1.0 + b));
        sum += term;
        k += 1.0;
    }
    -(choose + beta - prior + libm::log(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial, DiscreteCDF};

    #[test]
    fn without_overdispersion_it_is_binomial() {
        for (calls, ratio) in [(10_u64, 0.1), (200, 0.3), (1000, 0.06), (40, 0.9)] {
            let exact = Binomial::new(ratio, calls).unwrap();
            for errors in 1..=calls {
                let tail = exact.sf(errors - 1);
                if tail > 1e-8 && (errors as f64) > calls as f64 * ratio {
                    let got = beta_binomial(errors as f64, calls as f64, ratio, 1.0);
                    assert!(
                        (got + libm::log(tail)).abs() < 1e-3 * got.max(1.0),
                        "{calls} {ratio} {errors}: {got} {tail}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_beta_binomial_adds_up_and_spreads_as_said() {
        let (n, ratio, phi) = (60.0, 0.2, 3.0);
        let tail = |k: u32| if k == 0 { 1.0 } else { libm::exp(-beta_binomial(f64::from(k), n, ratio, phi)) };
        assert!((tail(1) - 1.0).abs() < 0.05 && tail(60) < 1e-6);
        let mean: f64 = (1..=60).map(tail).sum();
        let square: f64 = (1..=60).map(|k| (2.0 * f64::from(k) - 1.0) * tail(k)).sum();
        assert!((mean - n * ratio).abs() < 1e-6, "{mean}");
        let variance = square - mean * mean;
        assert!((variance / (phi * n * ratio * (1.0 - ratio)) - 1.0).abs() < 1e-6, "{variance}");
    }

    /// An exposure whose hour is nothing but the window.
    fn confirmed(errors: f64, calls: u64, ratio: f64, overdispersion: f64, window: u32) -> bool {
        let errors_of_hour = || errors as u64;
        let calls = |_| calls;
        let exposure =
            Exposure { calls: &calls, errors_of_hour: &errors_of_hour, ratio, overdispersion, calls_judged: true };
        exposure.confirms(errors, window)
    }

    #[test]
    fn a_surge_of_calls_confirms_nothing_and_a_change_of_ratio_does() {
        for (before, ratio) in [(20.0, 0.02), (20.0, 0.3), (1e7, 0.3)] {
            let exposure = |calls: f64, errors: f64| confirmed(errors, calls as u64, ratio, 1.5, 5);
            let surge = 5.0 * before;
            assert!(!exposure(surge, libm::ceil(surge * ratio)), "{before} {ratio}");
            assert!(exposure(surge, libm::ceil(surge * (3.0 * ratio + 0.08))), "{before} {ratio}");
            assert!(exposure(before, libm::ceil(before * (3.0 * ratio + 0.2).min(1.0))) || before < 100.0);
        }
    }

    /// Ten times the calls, and in one minute of the hour ten that usually fail one by one.
    #[test]
    fn failures_that_come_together_in_a_surge_are_no_change_of_its_share() {
        let of = |errors: u64| {
            let calls = |minutes: u32| 10 * u64::from(minutes);
            let errors_of_hour = || errors;
            Exposure {
                calls: &calls,
                errors_of_hour: &errors_of_hour,
                ratio: 0.02,
                overdispersion: 1.0,
                calls_judged: true,
            }
            .confirms(8.0, 1)
        };
        assert!(!of(12) && of(40));
    }

    #[test]
    fn failures_that_are_most_of_unjudged_calls_speak_for_them() {
        for (errors, calls_judged, speaks) in [(60.0, false, true), (40.0, false, false), (60.0, true, false)] {
            let exposure = Exposure {
                calls: &|_| 100,
                errors_of_hour: &|| errors as u64,
                ratio: 0.7,
                overdispersion: 1.0,
                calls_judged,
            };
            assert_eq!(exposure.confirms(errors, 5), speaks, "{errors} {calls_judged}");
        }
    }

    #[test]
    fn whatever_the_counts_there_is_an_answer() {
        for errors in [0.0, 1.0, 1e3, 1e15] {
            for calls in [0, 1, 1000, u64::MAX] {
                for (ratio, overdispersion) in [(0.0, 1.0), (1.0, 1e9), (f64::NAN, f64::NAN), (0.5, 1e300)] {
                    confirmed(errors, calls, ratio, overdispersion, u32::MAX);
                }
            }
        }
    }
}

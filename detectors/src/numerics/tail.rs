//! Question: how surprising is a count of x or more, if counts are negative binomial?
//!
//! Formula: X ~ NB(mean μ, size r), variance μ + μ²/r, p = μ/(μ+r). −ln P(X ≥ x), with P(X ≥ x) = I_p(x, r)
//! = pmf(x) · h, where h is Gauss's continued fraction of ₂F₁(1, x+r; x+1; p), by modified Lentz; below the
//! mean through the complement I_q(r, x) = pmf(x) · (x/r) · h'. pmf by Loader's saddle point, whose terms do not
//! cancel for large x. Where the fraction is slow (near the mean of counts in the millions) the sum of the pmf's
//! ratios is a Mills ratio: terms exp(−δk − ck²/2) sum to √(π/2c) erfcx(δ/√2c) + ½ + δ/12.
//! Sources: Loader 2000; Numerical Recipes 6.4; DLMF 15.7.5.
//! Assumes x, μ, r > 0, all finite. Error of −ln P: below 1e-9 where the fraction converges, below 1e-3 beyond
//! (see the tests). Cost: about 150 ns far in the tail, at most `FRACTION_STEPS` divisions anywhere.

use super::gamma::stirling_error;

/// Beyond this size the distribution is Poisson to within the error stated above.
pub const MAX_SIZE: f64 = 1e10;

/// Counts larger than this many times r (and than this many) are continuous to within the error stated above.
const CONTINUOUS_FROM: f64 = 1e8;

const MIN_SIZE: f64 = 1e-12;
/// With v < 0.1 each term is a hundredth of the one before it.
const DEVIANCE_TERMS: u32 = 16;
const FRACTION_STEPS: u32 = 300;
const FRACTION_PRECISION: f64 = 1e-13;
const TINY: f64 = 1e-300;
const TWO_PI: f64 = core::f64::consts::TAU;

/// ln P(X = x) for a whole x ≥ 1.
pub fn ln_pmf(x: f64, mean: f64, size: f64) -> f64 {
    let r = size.clamp(MIN_SIZE, MAX_SIZE);
    let n = x + r;
    let share = 1.0 / (mean + r);
    let difference = r * ((x - mean) * share);
    let deviance = deviance(x, n * (mean * share), difference) + deviance(r, n * (r * share), -difference);
    let stirling = stirling_error(n) - stirling_error(r) - stirling_error(x);
    stirling - deviance + 0.5 * libm::log(r / (TWO_PI * x * n))
}

/// k ln(k/m) − d where d = k − m is known better than k and m are apart.
fn deviance(k: f64, m: f64, d: f64) -> f64 {
    if libm::fabs(d) >= 0.1 * (k + m) {
        return k * libm::log(k / m) - d;
    }
    // k ln(k/m) = 2k artanh(v), v = d/(k+m); the linear part of it is subtracted exactly.
    let v = d / (k + m);
    let square = v * v;
    let mut power = 2.0 * k * v * square;
    let mut sum = d * v;
    let mut odd = 3.0;
    for _ in 0..DEVIANCE_TERMS {
        let next = sum + power / odd;
        if next == sum {
            break;
        }
        sum = next;
        power *= square;
        odd += 2.0;
    }
    sum
}

/// −ln P(X ≥ x), zero for x = 0; never negative, never NaN for finite arguments.
pub fn surprise(x: f64, mean: f64, size: f64) -> f64 {
    if x < 1.0 {
        return 0.0;
    }
    let r = size.clamp(MIN_SIZE, MAX_SIZE);
    let p = mean / (mean + r);
    let pmf = ln_pmf(x, mean, r);
    let value = if x > CONTINUOUS_FROM * libm::fmax(r, 1.0) {
        continuous(x, mean, r, pmf)
    } else if p < (x + 1.0) / (x + r + 2.0) {
        let factor = fraction(x, r, p).unwrap_or_else(|| mills(x, r, p));
        -(pmf + libm::log(factor))
    } else {
        let below = match fraction(r, x, r / (mean + r)) {
            Some(factor) => libm::exp(pmf) * (x / r) * factor,
            None => 1.0 - libm::exp(pmf) * mills(x, r, p),
        };
        -libm::log1p(-below.clamp(0.0, 1.0 - 1e-16))
    };
    if value > 0.0 { value } else { 0.0 }
}

/// Chernoff's bound: a value that −ln P(X ≥ x) never falls below. Three logarithms cheaper than [`surprise`].
pub fn surprise_lower_bound(x: f64, mean: f64, size: f64) -> f64 {
    if x <= mean {
        return 0.0;
    }
    let r = size.clamp(MIN_SIZE, MAX_SIZE);
    x * libm::log(x / mean) - (x + r) * libm::log1p((x - mean) / (mean + r))
}

/// −ln P(X ≥ x) where X/μ is a gamma variable to within 1/x: p is 1 to the last bit there, its complement is not.
fn continuous(x: f64, mean: f64, r: f64, pmf: f64) -> f64 {
    let y = x * libm::log1p(r / mean);
    if y < r + 1.0 {
        let (mut term, mut sum, mut k) = (1.0, 1.0, r);
        while term > FRACTION_PRECISION * sum {
            k += 1.0;
            term *= y / k;
            sum += term;
        }
        let below = libm::exp(pmf + libm::log(x / r * sum));
        return -libm::log1p(-below.clamp(0.0, 1.0 - 1e-16));
    }
    let mut b = y + 1.0 - r;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut h = d;
    for step in 1..=FRACTION_STEPS {
        let n = f64::from(step);
        let a = -n * (n - r);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        h *= c * d;
        if libm::fabs(c * d - 1.0) < FRACTION_PRECISION {
            break;
        }
    }
    -(pmf + libm::log(x) + libm::log(h))
}

/// Gauss's continued fraction for I_z(a, b) without its prefactor; None if it has not converged.
fn fraction(a: f64, b: f64, z: f64) -> Option<f64> {
    let guard = |value: f64| if libm::fabs(value) < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * z / (a + 1.0));
    let mut h = d;
    for step in 1..=FRACTION_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * z / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * z / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        h *= d * c;
        if libm::fabs(d * c - 1.0) < FRACTION_PRECISION {
            return (h > 0.0 && h.is_finite()).then_some(h);
        }
    }
    None
}

/// Σ_k pmf(x+k)/pmf(x) where the ratios change slowly.
fn mills(x: f64, r: f64, p: f64) -> f64 {
    let delta = -libm::log(p * (x + r) / (x + 1.0));
    let curvature = (r - 1.0) / ((x + 1.0) * (x + r));
    if curvature <= 0.0 || delta > 30.0 * libm::sqrt(curvature) {
        return 1.0 / (1.0 - libm::exp(-libm::fmax(delta, 1e-15)));
    }
    let scale = libm::sqrt(2.0 * curvature);
    // The first ratio belongs to the step from x to x+1, half a step ahead of the slope at x.
    let slope = delta - 0.5 * curvature;
    let y = slope / scale;
    libm::sqrt(core::f64::consts::PI) / scale * libm::exp(y * y) * libm::erfc(y) + 0.5 + slope / 12.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::distribution::{DiscreteCDF, NegativeBinomial};

    /// Σ pmf by the recurrence of its ratios from x on, all terms, in f64: exact to rounding.
    fn by_summation(x: f64, mean: f64, r: f64) -> f64 {
        let p = mean / (mean + r);
        let (mut term, mut sum, mut k) = (1.0_f64, 1.0_f64, x);
        while term > 1e-14 * sum || k < mean {
            term *= p * (k + r) / (k + 1.0);
            sum += term;
            k += 1.0;
        }
        use statrs::function::gamma::ln_gamma;
        let log_p = -libm::log1p(r / mean);
        let log_q = -libm::log1p(mean / r);
        -(ln_gamma(x + r) - ln_gamma(r) - ln_gamma(x + 1.0) + r * log_q + x * log_p + libm::log(sum))
    }

    #[test]
    fn agrees_with_statrs_where_statrs_can_answer() {
        for (mean, size) in [(0.5, 0.2), (3.0, 1.0), (3.0, 50.0), (40.0, 2.5), (200.0, 30.0)] {
            let exact = NegativeBinomial::new(size, size / (size + mean)).unwrap();
            for x in 1..400_u64 {
                let tail = exact.sf(x - 1);
                if tail > 1e-250 && tail < 0.999 {
                    let got = surprise(x as f64, mean, size);
                    assert!((got + libm::log(tail)).abs() < 1e-8 * got.max(1.0), "{mean} {size} {x}: {got} {tail}");
                }
            }
        }
    }

    #[test]
    fn agrees_with_summation_over_decades_of_mean_and_size() {
        for mean_exponent in -4..=3 {
            for size_exponent in -2..=6 {
                let (mean, size) =
                    (libm::pow(10.0, f64::from(mean_exponent)), libm::pow(10.0, f64::from(size_exponent)));
                let sd = libm::sqrt(mean + mean * mean / size);
                for step in [-0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0] {
                    let x = libm::ceil(mean + step * sd);
                    if x >= 1.0 {
                        let (got, exact) = (surprise(x, mean, size), by_summation(x, mean, size));
                        assert!((got - exact).abs() < 1e-7 * exact.max(1.0), "{x} {mean} {size}: {got} {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_mills_ratio_joins_where_the_fraction_is_slow() {
        for mean in [1e5, 3e5] {
            for size in [1e2, 1e8] {
                let sd = libm::sqrt(mean + mean * mean / size);
                for step in [0.0, 0.5, 1.0, 2.0, 4.0] {
                    let x = libm::ceil(mean + step * sd);
                    let (got, exact) = (surprise(x, mean, size), by_summation(x, mean, size));
                    assert!((got - exact).abs() < 1e-3, "{x} {mean} {size}: {got} {exact}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn finite_and_monotone_up_to_the_largest_whole_numbers(
            x in 0_u64..(1 << 53), mean_exponent in -30.0_f64..40.0, size_exponent in -30.0_f64..30.0,
        ) {
            let (mean, size) = (libm::exp(mean_exponent), libm::exp(size_exponent));
            let here = surprise(x as f64, mean, size);
            let further = surprise((x + x / 8 + 1) as f64, mean, size);
            prop_assert!(here.is_finite() && here >= 0.0);
            prop_assert!(further >= here - 2e-3, "{here} then {further}");
        }

        /// I_p(x, r) of statrs wherever it is neither 1 nor below the least normal number.
        #[test]
        fn agrees_with_the_beta_function_of_statrs_over_the_whole_range(
            mean_exponent in -12.0_f64..14.0, size_exponent in -7.0_f64..14.0, step in -1.0_f64..60.0,
        ) {
            let (mean, size) = (libm::exp(mean_exponent), libm::exp(size_exponent));
            let sd = libm::sqrt(mean + mean * mean / size);
            let x = libm::ceil(mean + step * sd).max(1.0);
            let exact = statrs::function::beta::checked_beta_reg(x, size, mean / (mean + size)).unwrap();
            prop_assume!(exact > 1e-290 && exact < 0.9999);
            let got = surprise(x, mean, size);
            let off = libm::fabs(got + libm::log(exact));
            prop_assert!(off < 1e-3, "{x} {mean} {size}: {got} {exact} {off}");
        }

        #[test]
        fn one_more_call_is_never_less_surprising_above_the_gate(
            mean_exponent in -9.0_f64..12.0, size_exponent in -9.0_f64..16.0, step in 2.0_f64..40.0,
        ) {
            let (mean, size) = (libm::exp(mean_exponent), libm::exp(size_exponent));
            let sd = libm::sqrt(mean + mean * mean / size);
            let x = libm::ceil(mean + step * sd).max(3.0);
            prop_assert!(surprise(x + 1.0, mean, size) >= surprise(x, mean, size));
        }

        #[test]
        fn chernoff_is_below_and_the_point_probability_above(
            x in 1_u32..200_000, mean_exponent in -12.0_f64..10.0, size_exponent in -9.0_f64..16.0,
        ) {
            let (x, mean, size) = (f64::from(x), libm::exp(mean_exponent), libm::exp(size_exponent));
            let exact = surprise(x, mean, size);
            let slack = 1e-6 * exact.max(1.0);
            prop_assert!(surprise_lower_bound(x, mean, size) <= exact + slack);
            prop_assert!(exact <= -ln_pmf(x, mean, size) + slack);
        }
    }
}

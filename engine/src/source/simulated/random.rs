//! Chance that is the same on every machine: a counter mixed by SplitMix64's finaliser (Steele, Lea and Flood,
//! "Fast splittable pseudorandom number generators", OOPSLA 2014), seeded from what it is asked about.
//!
//! Only additions, multiplications and comparisons of IEEE doubles are used, which all machines round alike;
//! the platform's `exp` and `ln` differ in the last bit.

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random draws. Streams from different parts are independent of each other.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// The stream that belongs to these numbers, for instance (seed, actor, minute).
    pub(super) fn of(parts: &[u64]) -> Dice {
        Dice(parts.iter().fold(GOLDEN, |state, part| mix(state ^ mix(part.wrapping_add(GOLDEN)))))
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A whole number in `0..bound`; 0 when the bound is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Mean 0, variance 1: the sum of twelve uniforms less 6 (Irwin and Hall), near enough to a normal
    /// within three standard deviations and never beyond six.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// A lognormal draw with this median; `sigma` is the standard deviation of its logarithm.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    /// A Poisson draw: Knuth's product of uniforms, or the normal approximation above a mean of 30.
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u64;
        }
        let floor = exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// e^x by halving: e^x = (e^(x/2^k))^(2^k), the inner one by its Taylor series. Exact to about 1e-13, which a
/// draw does not notice.
fn exp(x: f64) -> f64 {
    const HALVINGS: i32 = 10;
    let small = x.clamp(-700.0, 700.0) / f64::from(1 << HALVINGS);
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..16 {
        term *= small / f64::from(n);
        sum += term;
    }
    (0..HALVINGS).fold(sum, |power, _| power * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let draws: Vec<f64> = (0..40_000).map(|_| draw()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64)
    }

    #[test]
    fn exp_agrees_with_the_platform() {
        for x in [-600.0, -20.0, -1.0, -1e-9, 0.0, 0.3, 1.0, 12.5, 300.0] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-11, "{x}");
        }
    }

    #[test]
    fn draws_have_the_moments_they_claim() {
        let mut dice = Dice::of(&[1, 2, 3]);
        for mean in [0.1, 3.0, 25.0, 80.0] {
            let (found, variance) = moments(|| dice.poisson(mean) as f64);
            assert!((found / mean - 1.0).abs() < 0.05, "{mean}: mean {found}");
            assert!((variance / mean - 1.0).abs() < 0.08, "{mean}: variance {variance}");
        }
        let (mean, variance) = moments(|| dice.normal());
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let (mean, _) = moments(|| f64::from(dice.chance(0.2)));
        assert!((mean - 0.2).abs() < 0.01);
    }

    #[test]
    fn streams_of_neighbouring_parts_differ() {
        let first: Vec<u64> = (0..1000).map(|part| Dice::of(&[7, part]).bits()).collect();
        let mut distinct = first.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), first.len());
        assert_ne!(Dice::of(&[1, 2]).bits(), Dice::of(&[2, 1]).bits());
    }

    /// Known answers, computed apart from this code: another generator is another simulation for every seed.
    #[test]
    fn the_stream_is_fixed() {
        let mut dice = Dice::of(&[42]);
        assert_eq!(dice.bits(), 0x5541_7331_f90c_3204);
        assert_eq!(dice.below(1000), 168);
        assert_eq!(dice.bits(), 0x8e46_733d_5eb1_5fe3);
        assert_eq!(dice.below(0), 0);
    }
}

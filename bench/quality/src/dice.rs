//! Randomness that a seed decides on every machine: splitmix64 and `libm`, never the platform's `ln`.

/// FNV-1a: spreads names over seeds.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Above this mean a Poisson count is drawn from the normal distribution, whose error is then far below the spread.
const NORMAL_FROM: f64 = 40.0;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn named(name: &str) -> Dice {
        Dice(hash(name.as_bytes()))
    }

    /// A stream of its own, so that what one actor draws does not move what another one does.
    pub(crate) fn fork(&mut self, label: &str) -> Dice {
        Dice(self.next() ^ hash(label.as_bytes()))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In (0, 1].
    fn positive_unit(&mut self) -> f64 {
        1.0 - self.unit()
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        least + (self.unit() * (most - least + 1) as f64) as i64
    }

    pub(crate) fn uniform(&mut self, least: f64, most: f64) -> f64 {
        least + self.unit() * (most - least)
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.between(0, of.len() as i64 - 1) as usize]
    }

    /// A place in `weights` with a probability proportional to what is there.
    pub(crate) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return place;
            }
        }
        weights.len() - 1
    }

    /// `count` different items, in random order; all of them where there are fewer.
    pub(crate) fn sample<T: Clone>(&mut self, of: &[T], count: usize) -> Vec<T> {
        let mut left = of.to_vec();
        let count = count.min(left.len());
        for place in 0..count {
            let other = self.between(place as i64, left.len() as i64 - 1) as usize;
            left.swap(place, other);
        }
        left.truncate(count);
        left
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.positive_unit())
    }

    /// Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.positive_unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// P(X ≥ x) = x^−alpha for x ≥ 1.
    pub(crate) fn pareto(&mut self, alpha: f64) -> f64 {
        libm::pow(self.positive_unit(), -1.0 / alpha)
    }

    /// The size of a burst: Pareto, rounded down, at most `most`.
    pub(crate) fn burst(&mut self, alpha: f64, most: u32) -> u32 {
        self.pareto(alpha).min(f64::from(most)) as u32
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean >= NORMAL_FROM {
            return (mean + libm::sqrt(mean) * self.normal()).round().max(0.0) as u32;
        }
        let limit = libm::exp(-mean);
        let (mut count, mut product) = (0, self.positive_unit());
        while product > limit {
            count += 1;
            product *= self.positive_unit();
        }
        count
    }

    /// Marsaglia and Tsang; mean `shape`.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * libm::pow(self.positive_unit(), 1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            if v > 0.0 && libm::log(self.positive_unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    /// Variance `mean + mean² / size`.
    pub(crate) fn negative_binomial(&mut self, mean: f64, size: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        let rate = self.gamma(size) * mean / size;
        self.poisson(rate)
    }

    /// How many of `count` stay when each does with `probability`.
    pub(crate) fn thinned(&mut self, count: u32, probability: f64) -> u32 {
        if count > 500 {
            let mean = f64::from(count) * probability;
            let spread = libm::sqrt(mean * (1.0 - probability));
            return (mean + spread * self.normal()).round().clamp(0.0, f64::from(count)) as u32;
        }
        (0..count).filter(|_| self.chance(probability)).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    fn mean(draws: u32, mut draw: impl FnMut() -> f64) -> f64 {
        (0..draws).map(|_| draw()).sum::<f64>() / f64::from(draws)
    }

    #[test]
    fn a_name_decides_everything() {
        let (mut a, mut b) = (Dice::named("development/quiet/1"), Dice::named("development/quiet/1"));
        assert!((0..100).all(|_| a.next() == b.next()));
        assert_ne!(Dice::named("development/quiet/1").next(), Dice::named("test/quiet/1").next());
    }

    #[test]
    fn the_first_numbers_are_the_same_on_every_machine() {
        let mut dice = Dice::named("anchor");
        let seen = [dice.normal(), dice.lognormal(1.0, 1.0), dice.pareto(1.8), dice.gamma(0.3)].map(f64::to_bits);
        assert_eq!(seen, ANCHOR);
    }

    const ANCHOR: [u64; 4] = [4598825997750858513, 4609376723912195272, 4610697841255655840, 4598848837077888802];

    #[test]
    fn distributions_have_their_means() {
        let mut dice = Dice::named("means");
        for wanted in [0.2, 3.0, 39.0, 41.0, 900.0] {
            let got = mean(20_000, || f64::from(dice.poisson(wanted)));
            assert!((got / wanted - 1.0).abs() < 0.05, "{got} for {wanted}");
        }
        let got = mean(40_000, || f64::from(dice.negative_binomial(5.0, 0.5)));
        assert!((got / 5.0 - 1.0).abs() < 0.05, "{got}");
        let got = mean(4_000, || f64::from(dice.thinned(1000, 0.2)));
        assert!((got / 200.0 - 1.0).abs() < 0.01, "{got}");
    }

    #[test]
    fn bursts_have_the_tail_of_their_exponent() {
        let mut dice = Dice::named("bursts");
        let bursts: Vec<u32> = (0..100_000).map(|_| dice.burst(2.0, 1000)).collect();
        for (size, share) in [(1, 1.0), (2, 0.25), (5, 0.04), (10, 0.01)] {
            let got = bursts.iter().filter(|each| **each >= size).count() as f64 / bursts.len() as f64;
            assert!((got / share - 1.0).abs() < 0.1, "{got} of at least {size}");
        }
        assert!(bursts.iter().all(|each| *each <= 1000));
    }

    #[test]
    fn samples_are_without_repetition() {
        let mut dice = Dice::named("sample");
        let mut drawn = dice.sample(&(0..30).collect::<Vec<_>>(), 30);
        drawn.sort_unstable();
        assert_eq!(drawn, (0..30).collect::<Vec<_>>());
        assert_eq!(dice.sample(&[1, 2], 5).len(), 2);
    }
}

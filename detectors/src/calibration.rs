//! Question: how often does chance alone bring a statistic this far, in this series?
//!
//! Formula: peaks over a threshold u (clusters ten minutes apart), rate λ = (n + λ₀n₀)/(N + n₀); excess over u of mean
//! ē = (b₀ + Σe)/(a₀ + n); Λ(s) = λ Σ_a w_a (1 + (s−u)/(aē))^(−a) over shapes a ∈ {2, 3, 8}. The weights are the
//! posterior of the shapes given the series' own peaks: mostly 3 at first, and only hundreds of light peaks or a few
//! heavy ones move them. Each excess counts as at most 20ē, so one true anomaly moves the scale a little.
//! Source: Bayesian peaks over threshold; section 8.1 of the detection notes for the heavy tail.
//! Assumes that peaks are exchangeable over weeks. Known weakness: peaks of the three statistics are judged apart
//! though they come together. Cost: none but where a statistic exceeds u, then a few divisions.

use crate::calendar::Minute;
use crate::priors::{self, Prior, RATE_WEIGHT};
use crate::tailpool::{Peak, Peaks};

/// The statistics, as indices into everything of three here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Statistic {
    /// −ln P of one minute.
    Minute,
    /// −ln P of five.
    FiveMinutes,
    /// Log ratio to the largest minute of a week.
    Record,
}

impl Statistic {
    pub(crate) const ALL: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::Record];

    /// u: where a peak begins.
    pub(crate) const fn threshold(self) -> f64 {
        match self {
            Self::Minute | Self::FiveMinutes => 6.9,
            Self::Record => 0.0,
        }
    }

    /// The share of the series' budget; the shares of all tests add up to 1.
    pub(crate) const fn share(self) -> f64 {
        match self {
            Self::Minute => 0.4,
            Self::FiveMinutes | Self::Record => 0.3,
        }
    }
}

/// Half-life 21 days, an hour.
const DECAY: f64 = 0.998_625_642_6;
const MEMORY_MINUTES: f64 = 43_627.6;
const WINSOR: f64 = 20.0;
const MOST_ODDS: f64 = 300.0;
const CLUSTER_GAP: u8 = 10;
/// Prior weights of the shapes 2, 3 and 8.
const SHAPE_PRIOR: [f64; 3] = [0.05, 0.7, 0.25];

/// One statistic's own peaks, discounted, and its running cluster.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Tail {
    pub(crate) peaks: f32,
    pub(crate) excess: f32,
    /// Log likelihood of the shapes 2 and 8 over that of 3.
    pub(crate) odds: [f32; 2],
    /// The running cluster's largest value, 0 if none runs.
    pub(crate) cluster: f32,
}

/// All statistics of a series.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Calibration {
    pub(crate) tails: [Tail; 3],
    /// Minutes since each cluster was last fed.
    pub(crate) quiet: [u8; 3],
}

/// How rare a value is, in peaks per minute.
#[derive(Clone, Copy)]
pub(crate) struct Rarity {
    /// With the shapes as weighed.
    pub(crate) heavy: f64,
    /// With an exponential tail.
    pub(crate) exponential: f64,
}

impl Calibration {
    /// Λ(s) of a value above its threshold, for a series watched since `since`.
    pub(crate) fn rarity(&self, statistic: Statistic, value: f64, bucket: u8, since: Minute, now: Minute) -> Rarity {
        let tail = self.tails[statistic as usize];
        let prior = priors::fleet(bucket)[statistic as usize];
        let minutes = -MEMORY_MINUTES * libm::expm1(-f64::from(now.saturating_sub(since)) / MEMORY_MINUTES);
        let rate = (f64::from(tail.peaks) + prior.rate * RATE_WEIGHT) / (minutes + RATE_WEIGHT);
        let z = (value - statistic.threshold()).max(0.0) / tail.mean_excess(prior);
        Rarity { heavy: rate * tail.survival(z), exponential: rate * libm::exp(-z) }
    }

    /// Feeds each statistic's value of a minute with calls.
    pub(crate) fn learn(&mut self, values: [f64; 3], bucket: u8, over: &mut Peaks) {
        for statistic in Statistic::ALL {
            let at = statistic as usize;
            if values[at] > statistic.threshold() {
                self.tails[at].cluster = self.tails[at].cluster.max(values[at] as f32);
                self.quiet[at] = 0;
            } else {
                self.pass(statistic, 1, bucket, over);
            }
        }
    }

    /// Minutes in which no statistic exceeded anything.
    pub(crate) fn silence(&mut self, minutes: u32, bucket: u8, over: &mut Peaks) {
        for statistic in Statistic::ALL {
            self.pass(statistic, minutes, bucket, over);
        }
    }

    fn pass(&mut self, statistic: Statistic, minutes: u32, bucket: u8, over: &mut Peaks) {
        let at = statistic as usize;
        if self.tails[at].cluster <= 0.0 {
            return;
        }
        self.quiet[at] = self.quiet[at].saturating_add(minutes.min(255) as u8);
        if self.quiet[at] > CLUSTER_GAP {
            let excess = f64::from(self.tails[at].cluster) - statistic.threshold();
            let peak = self.tails[at].peak(excess, priors::fleet(bucket)[at]);
            over.push(Peak { statistic: at as u8, bucket, ..peak });
            self.quiet[at] = 0;
        }
    }

    /// At the end of each hour.
    pub(crate) fn decay(&mut self) {
        for tail in &mut self.tails {
            for value in [&mut tail.peaks, &mut tail.excess].into_iter().chain(&mut tail.odds) {
                *value = flush(f64::from(*value) * DECAY);
            }
        }
    }
}

impl Tail {
    /// ē, the mean excess, the fleet's and the series' own together.
    fn mean_excess(&self, prior: Prior) -> f64 {
        (prior.excess * prior.weight + f64::from(self.excess)) / (prior.weight + f64::from(self.peaks))
    }

    /// P(excess > z·ē) with the shapes as weighed.
    fn survival(&self, z: f64) -> f64 {
        let [two, three, eight] = SHAPE_PRIOR;
        let weights = [two * libm::exp(f64::from(self.odds[0])), three, eight * libm::exp(f64::from(self.odds[1]))];
        let total = weights[0] + weights[1] + weights[2];
        let (h2, h3, h8) = (1.0 / (1.0 + z / 2.0), 1.0 / (1.0 + z / 3.0), 1.0 / (1.0 + z / 8.0));
        let fourth = h8 * h8 * h8 * h8;
        (weights[0] * h2 * h2 + weights[1] * h3 * h3 * h3 + weights[2] * fourth * fourth) / total
    }

    fn peak(&mut self, excess: f64, prior: Prior) -> Peak {
        let mean = self.mean_excess(prior);
        let e = excess.clamp(0.0, WINSOR * mean);
        let z = e / mean;
        let reference = 4.0 * libm::log1p(z / 3.0);
        let gains = [reference - 3.0 * libm::log1p(z / 2.0), reference - 9.0 * libm::log1p(z / 8.0)];
        for (odds, gain) in self.odds.iter_mut().zip(gains) {
            *odds = bound_odds(f64::from(*odds) + gain);
        }
        self.peaks += 1.0;
        self.excess = (f64::from(self.excess) + e) as f32;
        self.cluster = 0.0;
        Peak { excess: e as f32, odds: gains.map(|gain| gain as f32), ..Peak::default() }
    }
}

/// Small values become zero: a decayed series packs small, and no arithmetic meets subnormal numbers.
fn flush(value: f64) -> f32 {
    if libm::fabs(value) < 1e-6 { 0.0 } else { value as f32 }
}

/// Log odds stay in a range in which their exponential is finite.
fn bound_odds(value: f64) -> f32 {
    flush(value.clamp(-MOST_ODDS, MOST_ODDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEKS: Minute = 4 * 10_080;

    fn rarity_after(peaks: &[f64], value: f64) -> Rarity {
        let mut calibration = Calibration::default();
        for excess in peaks {
            calibration.learn([6.9 + excess, 0.0, 0.0], 2, &mut Peaks::default());
            calibration.silence(11, 2, &mut Peaks::default());
        }
        calibration.rarity(Statistic::Minute, value, 2, 0, WEEKS)
    }

    /// Quantiles of a Lomax tail of mean-like scale 2, `n` of them.
    fn lomax(shape: f64, n: u32) -> alloc::vec::Vec<f64> {
        let quantile = |k| 2.0 * shape * (libm::pow(1.0 - (f64::from(k) + 0.5) / f64::from(n), -1.0 / shape) - 1.0);
        (0..n).map(quantile).collect()
    }

    #[test]
    fn a_cluster_is_one_peak_and_ends_after_ten_quiet_minutes() {
        let mut calibration = Calibration::default();
        for value in [8.0, 12.0, 9.0] {
            calibration.learn([value, 0.0, 0.0], 0, &mut Peaks::default());
            calibration.silence(10, 0, &mut Peaks::default());
        }
        assert_eq!(calibration.tails[0].peaks, 0.0);
        calibration.silence(1, 0, &mut Peaks::default());
        assert_eq!(calibration.tails[0].peaks, 1.0);
        assert!((calibration.tails[0].excess - 5.1).abs() < 1e-5);
    }

    #[test]
    fn ten_peaks_leave_the_tail_heavy_and_hundreds_of_light_ones_do_not() {
        let light = |n| {
            let quantile = |k| -2.0 * libm::log((f64::from(k) + 0.5) / f64::from(n));
            (0..n).map(quantile).collect::<alloc::vec::Vec<f64>>()
        };
        let far = 6.9 + 60.0;
        let few = rarity_after(&light(10), far);
        let many = rarity_after(&light(800), far);
        assert!(few.heavy > 1e4 * few.exponential);
        assert!(many.heavy / 800.0 < 0.3 * few.heavy / 10.0, "{} {}", many.heavy, few.heavy);
    }

    #[test]
    fn heavy_peaks_make_the_tail_heavier_than_the_prior() {
        let mut calibration = Calibration::default();
        for excess in lomax(1.5, 200) {
            calibration.learn([6.9 + excess, 0.0, 0.0], 2, &mut Peaks::default());
            calibration.silence(11, 2, &mut Peaks::default());
        }
        assert!(calibration.tails[0].odds[0] > 1.0, "shape 2 gains on 3: {:?}", calibration.tails[0].odds);
        assert!(calibration.tails[0].odds[1] < -1.0);
    }

    #[test]
    fn rarity_falls_with_the_value_and_with_watching() {
        let calibration = Calibration::default();
        let at = |value, now| calibration.rarity(Statistic::Record, value, 1, 0, now).heavy;
        assert!(at(1.0, WEEKS) < at(0.5, WEEKS));
        assert!(at(1.0, WEEKS) < at(1.0, 0));
    }
}

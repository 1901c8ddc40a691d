//! Question: how often does chance alone bring a statistic this far, in this series?
//!
//! Formula: peaks over a threshold u (clusters ten minutes apart, or cycles of a CUSUM), rate λ = (n + λ₀n₀)/(N + n₀);
//! excess over u of mean ē = (b₀ + Σe)/(a₀ + n); Λ(s) = λ Σ_a w_a (1 + (s−u)/(aē))^(−a) over shapes a ∈ {2, 5, 50}.
//! The weights are the posterior of the shapes given the series' own peaks, with what pools of other series say as up to
//! ten more. Far out a mixture is as heavy as its heaviest part, so its tail begins heavy and only peaks make it light;
//! the lightest part is all but exponential, so that no cap on the shape delays a burst that dwarfs everything. Each
//! excess counts as at most 20ē, so one true anomaly moves the scale a little.
//! Source: Bayesian peaks over threshold; section 8.1 of the detection notes for the heavy tail.
//! Assumes that peaks are exchangeable over weeks. Known weakness: peaks of the statistics are judged apart though
//! they come together. Cost: none but where a statistic exceeds u, then a few divisions.

use crate::calendar::Minute;
use crate::context::Tails;
use crate::finding::Level;
use crate::priors::{self, Prior, RATE_WEIGHT};
use crate::tailpool::{Peak, Peaks, STATISTICS};

/// The statistics; their order is that of everything kept by statistic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Statistic {
    /// −ln P of one minute.
    Minute,
    /// −ln P of five.
    FiveMinutes,
    /// Log ratio to the largest minute of a week.
    Record,
    /// CUSUM of half as much again.
    Slow,
    /// CUSUM of six times as much.
    Fast,
    /// CUSUM of a quarter.
    Drop,
    /// CUSUM of nothing.
    Outage,
    /// −ln P of a clock hour.
    Hour,
    /// CUSUM of hours.
    HourRise,
}

/// Those whose peaks are clusters of minutes, first in [`Statistic`].
pub(crate) const CLUSTERED: [Statistic; 3] = [Statistic::Minute, Statistic::FiveMinutes, Statistic::Record];

impl Statistic {
    /// u: where a peak begins.
    pub(crate) const fn threshold(self) -> f64 {
        match self {
            Self::Minute | Self::FiveMinutes => 6.9,
            Self::Record => 0.0,
            Self::Slow | Self::Fast | Self::Drop | Self::Outage => 5.0,
            Self::Hour => 4.6,
            Self::HourRise => 3.0,
        }
    }

    /// The share of the series' budget at a level; the shares of all tests add up to 1.
    pub(crate) const fn share(self, level: Level) -> f64 {
        SHARES[level as usize][self as usize]
    }
}

/// By [`Level::ALL`] and statistic. What a share finds for what it costs, on attacked accounts of the development set,
/// differs by level: at low a record finds one anomaly for two false leads (a job that is ten times as large at the
/// month's end breaks every record), a minute eight for one; a run of zeros costs next to nothing at any level.
const SHARES: [[f64; STATISTICS]; 3] = [
    [0.4, 0.12, 0.06, 0.05, 0.05, 0.06, 0.12, 0.06, 0.08],
    [0.34, 0.12, 0.14, 0.04, 0.05, 0.07, 0.12, 0.05, 0.07],
    [0.32, 0.15, 0.14, 0.04, 0.05, 0.07, 0.12, 0.05, 0.06],
];

/// Half-life 21 days, a day.
const DECAY: f64 = 0.967_532_2;
const MEMORY_MINUTES: f64 = 43_627.6;
const WINSOR: f64 = 20.0;
const MOST_ODDS: f64 = 120.0;
/// A smaller sum is none: no arithmetic meets subnormal numbers, and a decayed series packs small.
const LEAST_EXCESS: f32 = 1e-3;
const CLUSTER_GAP: u8 = 10;
/// The shapes, the reference in the middle, and their prior weights.
const SHAPES: [f64; 3] = [2.0, 5.0, 50.0];
const SHAPE_PRIOR: [f64; 3] = [0.01, 0.34, 0.65];

/// One statistic's own peaks, discounted.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Tail {
    pub(crate) peaks: f64,
    pub(crate) excess: f64,
    /// Log likelihood of the first and the last shape over that of the reference.
    pub(crate) odds: [f64; 2],
}

/// All statistics of a series, as they are kept: tails in ten bytes each.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Calibration {
    /// In sixteenths.
    pub(crate) peaks: [u16; STATISTICS],
    pub(crate) excess: [f32; STATISTICS],
    /// In parts of 256.
    pub(crate) odds: [[i16; 2]; STATISTICS],
    /// The largest value of each running cluster, 0 if none runs.
    pub(crate) clusters: [f32; CLUSTERED.len()],
    /// Minutes since each cluster was last fed.
    pub(crate) quiet: [u8; CLUSTERED.len()],
}

const PEAKS_UNIT: f64 = 16.0;
const ODDS_UNIT: f64 = 256.0;

/// What a tail is read off with.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) calibration: &'a Calibration,
    pub(crate) bucket: u8,
    pub(crate) since: Minute,
    pub(crate) now: Minute,
    pub(crate) tails: &'a Tails<'a>,
}

impl Reading<'_> {
    /// Λ(s) of a value in peaks per minute, None at or below the threshold.
    pub(crate) fn rate(&self, statistic: Statistic, value: f64) -> Option<f64> {
        let above = value - statistic.threshold();
        if above <= 0.0 {
            return None;
        }
        let tail = self.calibration.tail(statistic);
        let prior = priors::pooled(self.bucket, statistic as usize, self.tails);
        let watched = f64::from(self.now.saturating_sub(self.since));
        let minutes = -MEMORY_MINUTES * libm::expm1(-watched / MEMORY_MINUTES);
        let rate = (tail.peaks + prior.rate * RATE_WEIGHT) / (minutes + RATE_WEIGHT);
        let z = above / tail.mean_excess(&prior);
        Some(rate * tail.survival(z, &prior))
    }

    /// The least value that is as rare as `rate`.
    pub(crate) fn value_at(&self, statistic: Statistic, rate: f64) -> f64 {
        let (mut low, mut high) = (statistic.threshold(), 1e6);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            match self.rate(statistic, middle) {
                Some(here) if here <= rate => high = middle,
                _ => low = middle,
            }
        }
        high
    }
}

impl Calibration {
    /// Feeds the value of each clustered statistic of a minute with calls.
    pub(crate) fn learn(&mut self, values: [f64; CLUSTERED.len()], bucket: u8, over: &mut Peaks) {
        for (statistic, value) in CLUSTERED.into_iter().zip(values) {
            let at = statistic as usize;
            if value > statistic.threshold() {
                self.clusters[at] = self.clusters[at].max(value as f32);
                self.quiet[at] = 0;
            } else {
                self.pass(statistic, 1, bucket, over);
            }
        }
    }

    /// Minutes in which no clustered statistic exceeded anything.
    pub(crate) fn silence(&mut self, minutes: u32, bucket: u8, over: &mut Peaks) {
        for statistic in CLUSTERED {
            self.pass(statistic, minutes, bucket, over);
        }
    }

    fn pass(&mut self, statistic: Statistic, minutes: u32, bucket: u8, over: &mut Peaks) {
        let at = statistic as usize;
        if self.clusters[at] <= 0.0 {
            return;
        }
        self.quiet[at] = self.quiet[at].saturating_add(minutes.min(255) as u8);
        if self.quiet[at] > CLUSTER_GAP {
            let peak = core::mem::take(&mut self.clusters[at]);
            self.quiet[at] = 0;
            self.peak(statistic, f64::from(peak), bucket, over);
        }
    }

    /// Learns a peak that is over, if it is one.
    pub(crate) fn peak(&mut self, statistic: Statistic, value: f64, bucket: u8, over: &mut Peaks) {
        let (at, excess) = (statistic as usize, value - statistic.threshold());
        if excess > 0.0 {
            let mut tail = self.tail(statistic);
            let peak = tail.peak(excess, &priors::shipped(bucket, at));
            self.keep(statistic, tail);
            over.push(Peak { statistic: at as u8, bucket, ..peak });
        }
    }

    pub(crate) fn tail(&self, statistic: Statistic) -> Tail {
        let at = statistic as usize;
        Tail {
            peaks: f64::from(self.peaks[at]) / PEAKS_UNIT,
            excess: f64::from(self.excess[at]),
            odds: self.odds[at].map(|odds| f64::from(odds) / ODDS_UNIT),
        }
    }

    fn keep(&mut self, statistic: Statistic, tail: Tail) {
        let at = statistic as usize;
        self.peaks[at] = (tail.peaks * PEAKS_UNIT) as u16;
        self.excess[at] = tail.excess as f32;
        self.odds[at] = tail.odds.map(|odds| (odds * ODDS_UNIT) as i16);
    }

    /// At the end of each day. Rounding goes towards nothing, so that what is old is forgotten.
    pub(crate) fn decay(&mut self) {
        for peaks in &mut self.peaks {
            *peaks = (f64::from(*peaks) * DECAY) as u16;
        }
        for excess in &mut self.excess {
            *excess = if *excess < LEAST_EXCESS { 0.0 } else { (f64::from(*excess) * DECAY) as f32 };
        }
        for odds in self.odds.iter_mut().flatten() {
            *odds = (f64::from(*odds) * DECAY) as i16;
        }
    }
}

impl Tail {
    /// ē, the mean excess, the prior's and the series' own together.
    fn mean_excess(&self, prior: &Prior) -> f64 {
        (prior.excess * prior.weight + self.excess) / (prior.weight + self.peaks)
    }

    /// P(excess > z·ē) with the shapes as weighed.
    fn survival(&self, z: f64, prior: &Prior) -> f64 {
        let odds = |at: usize| libm::exp((self.odds[at] + prior.odds[at]).clamp(-MOST_ODDS, MOST_ODDS));
        let weights = [SHAPE_PRIOR[0] * odds(0), SHAPE_PRIOR[1], SHAPE_PRIOR[2] * odds(1)];
        let total: f64 = weights.iter().sum();
        let of_shape = |(weight, shape): (f64, f64)| weight * libm::pow(1.0 + z / shape, -shape);
        weights.into_iter().zip(SHAPES).map(of_shape).sum::<f64>() / total
    }

    fn peak(&mut self, excess: f64, prior: &Prior) -> Peak {
        let mean = self.mean_excess(prior);
        let e = excess.clamp(0.0, WINSOR * mean);
        let density = SHAPES.map(|shape| -(shape + 1.0) * libm::log1p(e / mean / shape));
        let gains = [density[0] - density[1], density[2] - density[1]];
        for (odds, gain) in self.odds.iter_mut().zip(gains) {
            *odds = (*odds + gain).clamp(-MOST_ODDS, MOST_ODDS);
        }
        self.peaks += 1.0;
        self.excess += e;
        Peak { excess: e as f32, odds: gains.map(|gain| gain as f32), ..Peak::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEKS: Minute = 4 * 10_080;

    fn read(calibration: &Calibration, statistic: Statistic, value: f64, now: Minute) -> f64 {
        Reading { calibration, bucket: 2, since: 0, now, tails: &Tails::SHIPPED }.rate(statistic, value).unwrap()
    }

    fn taught(peaks: &[f64]) -> Calibration {
        let mut calibration = Calibration::default();
        for excess in peaks {
            calibration.learn([6.9 + excess, 0.0, 0.0], 2, &mut Peaks::default());
            calibration.silence(11, 2, &mut Peaks::default());
        }
        calibration
    }

    /// Quantiles of a Lomax tail of mean-like scale 2, `n` of them.
    fn lomax(shape: f64, n: u32) -> alloc::vec::Vec<f64> {
        let quantile = |k| 2.0 * shape * (libm::pow(1.0 - (f64::from(k) + 0.5) / f64::from(n), -1.0 / shape) - 1.0);
        (0..n).map(quantile).collect()
    }

    #[test]
    fn shares_add_up_to_one() {
        use Statistic::*;
        let all: [Statistic; STATISTICS] = [Minute, FiveMinutes, Record, Slow, Fast, Drop, Outage, Hour, HourRise];
        for level in Level::ALL {
            let shares = all.map(|statistic| statistic.share(level));
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{level:?}");
        }
    }

    #[test]
    fn a_cluster_is_one_peak_and_ends_after_ten_quiet_minutes() {
        let (mut calibration, mut over) = (Calibration::default(), Peaks::default());
        for value in [8.0, 12.0, 9.0] {
            calibration.learn([value, 0.0, 0.0], 0, &mut over);
            calibration.silence(10, 0, &mut over);
        }
        assert!(calibration.peaks[0] == 0 && over.is_empty());
        calibration.silence(1, 0, &mut over);
        assert_eq!((calibration.tail(Statistic::Minute).peaks, over.iter().count()), (1.0, 1));
        assert!((calibration.excess[0] - 5.1).abs() < 1e-5);
    }

    #[test]
    fn ten_peaks_leave_the_tail_heavy_and_hundreds_of_light_ones_do_not() {
        let light = |n| {
            let quantile = |k| -2.0 * libm::log((f64::from(k) + 0.5) / f64::from(n));
            (0..n).map(quantile).collect::<alloc::vec::Vec<f64>>()
        };
        let far = 6.9 + 60.0;
        let few = read(&taught(&light(10)), Statistic::Minute, far, WEEKS);
        let many = read(&taught(&light(800)), Statistic::Minute, far, WEEKS);
        assert!(few > 1e4 * libm::exp(-30.0), "{few}");
        assert!(many / 800.0 < 0.1 * few / 10.0, "{many} {few}");
    }

    #[test]
    fn heavy_peaks_make_the_tail_heavier_than_the_prior() {
        let tail = taught(&lomax(1.5, 200)).tail(Statistic::Minute);
        assert!(tail.odds[0] > 1.0 && tail.odds[1] < -1.0, "{:?}", tail.odds);
    }

    #[test]
    fn rarity_falls_with_the_value_and_with_watching_and_value_at_inverts_it() {
        let calibration = Calibration::default();
        let at = |value, now| read(&calibration, Statistic::Record, value, now);
        assert!(at(1.0, WEEKS) < at(0.5, WEEKS));
        assert!(at(1.0, WEEKS) < at(1.0, 0));
        let reading = Reading { calibration: &calibration, bucket: 2, since: 0, now: WEEKS, tails: &Tails::SHIPPED };
        assert!((reading.value_at(Statistic::Record, at(0.7, WEEKS)) - 0.7).abs() < 1e-9);
    }
}

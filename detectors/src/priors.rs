//! What the tails of a series look like before it has shown its own: per activity bucket and statistic.
//!
//! Shipped: fitted by generalised Pareto maximum likelihood to pooled peaks of the synthetic fleet on which the design
//! was first measured (five buckets of the mean rate, section 2.3 of the detection notes). Beside it stand what the
//! account's other series and those of all accounts have shown ([`TailPool`](crate::TailPool)). The weight of all of
//! them together is capped, so that a series' own peaks outweigh them after ten.

use crate::context::Tails;
use crate::tailpool::{Pooled, STATISTICS};

/// Peaks per minute, mean excess with its weight in peaks, and log odds of the shapes.
#[derive(Clone, Copy)]
pub(crate) struct Prior {
    pub(crate) rate: f64,
    pub(crate) excess: f64,
    pub(crate) weight: f64,
    pub(crate) odds: [f64; 2],
}

/// Minutes of watching that the prior's rate is worth.
pub(crate) const RATE_WEIGHT: f64 = 2000.0;

/// The shipped mean excess and pooled ones are worth at most so many peaks of a series' own.
const MOST_WEIGHT: f64 = 10.0;
/// Pooled peaks at which a pool has half its weight.
const POOL_HALF: f64 = 50.0;

/// Activity buckets.
pub(crate) const BUCKETS: usize = 5;

/// Upper bounds of the buckets, in calls per minute; the last bucket has none.
const BOUNDS: [f64; BUCKETS - 1] = [1e-3, 1e-2, 1e-1, 1.0];

/// Rate and mean excess by bucket, in the order of [`crate::calibration::Statistic`].
const FLEET: [[(f64, f64); STATISTICS]; BUCKETS] = [
    [
        (1.608e-4, 4.187),
        (2.165e-4, 3.012),
        (1.473e-4, 0.385),
        (1e-3, 1.5),
        (1e-3, 1.5),
        (1e-3, 1.5),
        (1e-3, 1.5),
        (2.014e-4, 1.436),
        (3e-4, 1.5),
    ],
    [
        (4.177e-4, 1.436),
        (3.084e-4, 1.436),
        (5.25e-5, 0.255),
        (1e-3, 1.5),
        (2.408e-5, 1.559),
        (1e-3, 1.5),
        (1e-3, 1.5),
        (1.053e-4, 0.493),
        (3e-4, 1.5),
    ],
    [
        (4.042e-4, 1.122),
        (3.755e-4, 1.693),
        (5.51e-5, 0.235),
        (1.727e-5, 2.167),
        (1.326e-4, 1.693),
        (1e-3, 1.5),
        (1e-3, 1.5),
        (5.401e-5, 0.631),
        (3e-4, 1.5),
    ],
    [
        (4.296e-4, 1.436),
        (6.517e-4, 1.996),
        (5.84e-5, 0.255),
        (1.043e-4, 1.693),
        (4.068e-4, 2.167),
        (3.917e-5, 0.876),
        (3.917e-5, 0.876),
        (6.293e-5, 0.876),
        (1.348e-5, 0.952),
    ],
    [
        (1.266e-4, 1.033),
        (4.669e-4, 2.353),
        (1.134e-4, 0.068),
        (8.786e-4, 5.819),
        (3.197e-4, 4.187),
        (7.56e-4, 2.167),
        (7.56e-4, 2.167),
        (1.493e-5, 0.876),
        (2.169e-5, 1.559),
    ],
];

/// The bucket of a mean rate in calls per minute.
pub(crate) fn bucket(mean: f64) -> u8 {
    BOUNDS.iter().filter(|bound| mean >= **bound).count() as u8
}

/// The shipped prior alone, which needs no context: what a series' own excess is measured in.
pub(crate) fn shipped(bucket: u8, statistic: usize) -> Prior {
    let bucket = FLEET.get(usize::from(bucket)).unwrap_or(&FLEET[BUCKETS - 1]);
    let (rate, excess) = bucket.get(statistic).copied().unwrap_or((1e-3, 1.5));
    Prior { rate, excess, weight: MOST_WEIGHT, odds: [0.0; 2] }
}

/// Shipped and pooled together.
pub(crate) fn pooled(bucket: u8, statistic: usize, tails: &Tails<'_>) -> Prior {
    let mut prior = shipped(bucket, statistic);
    for pool in [tails.all, tails.account] {
        prior.lean(&pool.of(bucket, statistic));
    }
    prior
}

impl Prior {
    /// Half way, at most nine tenths, towards what a pool shows.
    fn lean(&mut self, pooled: &Pooled) {
        let peaks = f64::from(pooled.peaks);
        if peaks <= 0.0 {
            return;
        }
        let share = 0.9 * peaks / (peaks + POOL_HALF);
        self.excess += share * (f64::from(pooled.excess) / peaks - self.excess);
        for (odds, sum) in self.odds.iter_mut().zip(pooled.odds) {
            *odds += share * (MOST_WEIGHT * f64::from(sum) / peaks - *odds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_every_rate() {
        assert_eq!([0.0, 9e-4, 1e-3, 0.05, 0.5, 1.0, 1e9].map(bucket), [0, 0, 1, 2, 3, 4, 4]);
        assert_eq!(shipped(200, 0).rate, shipped(4, 0).rate);
    }
}

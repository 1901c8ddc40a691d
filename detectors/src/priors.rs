//! What the tails of a series look like before it has shown its own: per activity bucket and statistic.
//!
//! Starting defaults, fitted by generalised Pareto maximum likelihood to pooled peaks of the synthetic fleet on which
//! the design was first measured (five buckets of the mean rate, section 2.3 of the detection notes); the weight is
//! capped, so that a series' own peaks outweigh the fleet's after ten of them.

/// Peaks per minute, mean excess, and the weight in peaks of that mean.
#[derive(Clone, Copy)]
pub(crate) struct Prior {
    pub(crate) rate: f64,
    pub(crate) excess: f64,
    pub(crate) weight: f64,
}

/// Minutes of watching that the prior's rate is worth.
pub(crate) const RATE_WEIGHT: f64 = 2000.0;

/// Activity buckets.
pub(crate) const BUCKETS: usize = 5;

/// Upper bounds of the buckets, in calls per minute; the last bucket has none.
const BOUNDS: [f64; BUCKETS - 1] = [1e-3, 1e-2, 1e-1, 1.0];

const fn prior(rate: f64, excess: f64, weight: f64) -> Prior {
    Prior { rate, excess, weight }
}

/// By bucket: the one-minute tail, the five-minute tail, the record ratio.
const FLEET: [[Prior; 3]; BUCKETS] = [
    [prior(1.608e-4, 4.187, 10.0), prior(2.165e-4, 3.012, 10.0), prior(1.473e-4, 0.385, 10.0)],
    [prior(4.177e-4, 1.436, 10.0), prior(3.084e-4, 1.436, 10.0), prior(5.25e-5, 0.255, 10.0)],
    [prior(4.042e-4, 1.122, 10.0), prior(3.755e-4, 1.693, 5.0), prior(5.51e-5, 0.235, 10.0)],
    [prior(4.296e-4, 1.436, 5.0), prior(6.517e-4, 1.996, 3.333), prior(5.84e-5, 0.255, 10.0)],
    [prior(1.266e-4, 1.033, 5.0), prior(4.669e-4, 2.353, 3.333), prior(1.134e-4, 0.068, 10.0)],
];

/// The bucket of a mean rate in calls per minute.
pub(crate) fn bucket(mean: f64) -> u8 {
    BOUNDS.iter().filter(|bound| mean >= **bound).count() as u8
}

/// The priors of a bucket, in the order of [`crate::calibration::Statistic`].
pub(crate) fn fleet(bucket: u8) -> [Prior; 3] {
    FLEET.get(usize::from(bucket)).copied().unwrap_or(FLEET[4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_every_rate() {
        assert_eq!([0.0, 9e-4, 1e-3, 0.05, 0.5, 1.0, 1e9].map(bucket), [0, 0, 1, 2, 3, 4, 4]);
        assert_eq!(fleet(200)[0].rate, fleet(4)[0].rate);
    }
}

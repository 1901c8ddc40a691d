//! Question: how large are the bursts of something rare in this account, and how often do they come?
//!
//! Formula: bursts of at least u, and nothing below it, are looked at: ln(size/u) has a Lomax tail of mean m and shape a,
//! P(size ≥ x) = (1 + ln(x/u)/((a − 1)m))^(−a), with m = (Σ ln(size/u) + m₀w₀)/(n + w₀) and a from 3 to 8 as bursts are
//! seen; they come at a rate of (n + r₀t₀)/(t + t₀) a week over t discounted weeks (half-life 4). Each excess counts as
//! at most ln 20, so that one attack does not make the account deaf.
//! Source: peaks over a threshold; section 2.3 of the detection notes, on the logarithm because sizes multiply.
//! Assumes that bursts are exchangeable over weeks. Known weakness: in the first weeks the priors decide.
//! Cost: a power and a logarithm where a burst is weighed.

use alloc::vec::Vec;

use crate::calendar::{Minute, WEEK};

const HALF_LIFE_WEEKS: f64 = 4.0;
const LEAST_SHAPE: f64 = 3.0;
const MOST_SHAPE: f64 = 8.0;
/// Own bursts that add one to the shape.
const BURSTS_PER_SHAPE: f64 = 5.0;
const MOST_EXCESS: f64 = 2.995_732_273_553_991; // ln 20
/// Sizes above this are taken for this.
const MOST_SIZE: f64 = 1e12;

/// What is believed before any burst was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurstPrior {
    /// u: what is smaller is no burst.
    pub threshold: f64,
    /// r₀, bursts a week.
    pub rate: f64,
    /// t₀, the weeks of watching that r₀ is worth.
    pub weeks: f64,
    /// m₀, mean of ln(size/u).
    pub mean: f64,
    /// w₀, the bursts that m₀ is worth.
    pub weight: f64,
}

/// The bursts of one account: rate and size, discounted.
#[derive(Clone, Debug, PartialEq)]
pub struct BurstPool {
    since: Minute,
    latest: Minute,
    bursts: f64,
    excess: f64,
}

/// The bytes are not a pool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstPoolUnpackError;

impl core::fmt::Display for BurstPoolUnpackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not the packed form of a burst pool")
    }
}

impl core::error::Error for BurstPoolUnpackError {}

impl BurstPool {
    /// A pool that counts bursts from `since` on.
    pub fn new(since: Minute) -> Self {
        Self { since, latest: since, bursts: 0.0, excess: 0.0 }
    }

    /// Takes the size of a burst that is over; below the threshold it is none. An earlier minute than the latest counts
    /// as that, and before the pool begins nothing counts.
    pub fn observe(&mut self, minute: Minute, size: f64, prior: &BurstPrior) {
        if size.is_nan() || size < prior.threshold || minute < self.since {
            return;
        }
        let decay = decay(minute.saturating_sub(self.latest));
        self.latest = self.latest.max(minute);
        self.bursts = self.bursts * decay + 1.0;
        self.excess = self.excess * decay + excess(size, prior).min(MOST_EXCESS);
    }

    /// The rate a minute at which the account's bursts reach `size`: the budget at which it just alarms. 1 below the
    /// threshold.
    pub fn rate(&self, minute: Minute, size: f64, prior: &BurstPrior) -> f64 {
        if size.is_nan() || size < prior.threshold {
            return 1.0;
        }
        let decayed = decay(minute.saturating_sub(self.latest));
        let bursts = self.bursts * decayed;
        let weeks = f64::from(minute.saturating_sub(self.since)) / f64::from(WEEK);
        let life = HALF_LIFE_WEEKS / core::f64::consts::LN_2;
        let exposure = life * -libm::expm1(-weeks / life);
        let rate = (bursts + prior.rate * prior.weeks) / (exposure + prior.weeks) / f64::from(WEEK);
        let mean = (self.excess * decayed + prior.mean * prior.weight) / (bursts + prior.weight);
        let shape = (LEAST_SHAPE + bursts / BURSTS_PER_SHAPE).min(MOST_SHAPE);
        rate * libm::pow(1.0 + excess(size, prior) / ((shape - 1.0) * mean), -shape)
    }

    /// The least whole size that alarms at `minute` with `alpha` alarms a minute allowed; `None` if none does.
    pub fn limit(&self, minute: Minute, alpha: f64, prior: &BurstPrior) -> Option<f64> {
        let (mut low, mut high) = (1_u64, MOST_SIZE as u64);
        let fires = |size: u64| self.rate(minute, size as f64, prior) <= alpha;
        if !fires(high) {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if fires(middle) { high = middle } else { low = middle + 1 }
        }
        Some(low as f64)
    }

    /// Appends the pool's bytes.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.since.to_le_bytes());
        out.extend_from_slice(&self.latest.to_le_bytes());
        out.extend_from_slice(&self.bursts.to_le_bytes());
        out.extend_from_slice(&self.excess.to_le_bytes());
    }

    /// Reads what [`Self::pack`] wrote; anything else is an error.
    pub fn unpack(bytes: &[u8]) -> Result<Self, BurstPoolUnpackError> {
        let words = |bytes: &[u8]| {
            let (since, rest) = bytes.split_first_chunk::<4>()?;
            let (latest, rest) = rest.split_first_chunk::<4>()?;
            let (bursts, rest) = rest.split_first_chunk::<8>()?;
            let excess: [u8; 8] = rest.try_into().ok()?;
            Some((u32::from_le_bytes(*since), u32::from_le_bytes(*latest), *bursts, excess))
        };
        let (since, latest, bursts, excess) = words(bytes).ok_or(BurstPoolUnpackError)?;
        let pool = Self { since, latest, bursts: f64::from_le_bytes(bursts), excess: f64::from_le_bytes(excess) };
        let sound = |value: f64| (0.0..1e18).contains(&value);
        if sound(pool.bursts) && sound(pool.excess) { Ok(pool) } else { Err(BurstPoolUnpackError) }
    }
}

/// ln(size/u).
fn excess(size: f64, prior: &BurstPrior) -> f64 {
    libm::log(size.min(MOST_SIZE) / prior.threshold).max(0.0)
}

fn decay(minutes: u32) -> f64 {
    libm::exp2(-f64::from(minutes) / (HALF_LIFE_WEEKS * f64::from(WEEK)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRIOR: BurstPrior = BurstPrior { threshold: 5.0, rate: 0.25, weeks: 1.0, mean: 0.5, weight: 4.0 };
    const ONCE_IN_HALF_A_YEAR: f64 = 0.035 / 10_080.0;

    #[test]
    fn thirty_are_rare_where_bursts_are_and_not_where_they_come_weekly() {
        let mut pool = BurstPool::new(0);
        assert!(pool.rate(2 * WEEK, 30.0, &PRIOR) < ONCE_IN_HALF_A_YEAR);
        assert!(pool.rate(2 * WEEK, 6.0, &PRIOR) > ONCE_IN_HALF_A_YEAR);
        for week in 1..6 {
            pool.observe(week * WEEK, 40.0, &PRIOR);
        }
        // The formula above, worked out apart: 3.063 bursts of mean excess 1.185, shape 3.61, .700 a week.
        let weekly = pool.rate(6 * WEEK, 30.0, &PRIOR) * f64::from(WEEK);
        assert!((weekly - 0.134_55).abs() < 1e-4, "{weekly}");
    }

    #[test]
    fn one_enormous_burst_does_not_make_it_deaf() {
        let mut pool = BurstPool::new(0);
        pool.observe(WEEK, 1e9, &PRIOR);
        assert!(pool.limit(5 * WEEK, 0.25 / 10_080.0, &PRIOR).unwrap() < 40.0);
    }

    proptest! {
        #[test]
        fn more_is_never_less_rare_and_the_limit_is_the_least_that_alarms(
            sizes in proptest::collection::vec(1.0_f64..500.0, 0..40), alpha in 1e-9_f64..1e-3, size in 5.0_f64..1e4,
        ) {
            let mut pool = BurstPool::new(100);
            for (n, size) in sizes.iter().enumerate() {
                pool.observe(100 + n as u32 * 3000, *size, &PRIOR);
            }
            let now = 130_000;
            prop_assert!(pool.rate(now, size * 1.01, &PRIOR) <= pool.rate(now, size, &PRIOR));
            if let Some(limit) = pool.limit(now, alpha, &PRIOR) {
                prop_assert!(pool.rate(now, limit, &PRIOR) <= alpha);
                prop_assert!(limit <= 1.0 || pool.rate(now, limit - 1.0, &PRIOR) > alpha);
            }
            let mut bytes = Vec::new();
            pool.pack(&mut bytes);
            prop_assert_eq!(BurstPool::unpack(&bytes).unwrap(), pool);
        }

        #[test]
        fn any_minute_size_and_byte_is_taken(minute: u32, size: f64, later: u32, bytes in proptest::collection::vec(any::<u8>(), 24)) {
            let mut pool = BurstPool::new(minute);
            pool.observe(later, size, &PRIOR);
            prop_assert!(pool.rate(later, size, &PRIOR).is_finite());
            if let Ok(pool) = BurstPool::unpack(&bytes) {
                prop_assert!(pool.rate(later, 7.0, &PRIOR).is_finite());
            }
        }
    }
}

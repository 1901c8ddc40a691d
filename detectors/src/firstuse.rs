//! Question: how large are the first bursts of this account's silent series, and how often do they come?
//!
//! Formula: ln(size) of a first burst has an exponential tail of mean m, estimated as (Σ ln + 6·0.55)/(n + 6); with the
//! shape a left open the predictive is Lomax: P(size ≥ x) = (1 + ln x/(am))^(−a), a from 3 to 6 as bursts are seen.
//! Rate (n + 2)/(w + 0.2) a week over w discounted weeks (half-life 4): ten a week before anything is known, with the
//! weight of two bursts, because accounts differ by orders of magnitude. A size alarms where rate · P ≤ α.
//! Bursts that dwarf everything need not wait for the shape: the purely exponential tail, allowed a tenth of α.
//! Source: 80 account-weeks of small real accounts: 10.1, 3.3, 1.4, 0.53, 0.10 a week of at least 1, 2, 3, 5, 10 calls,
//! which is exponential in ln(size) with mean 0.55.
//! Assumes that an account's series share one distribution of sizes. Known weakness: bursts come in company (a new
//! service brings forty). Cost: a power and a logarithm where a burst is weighed.

use crate::calendar::{Minute, WEEK};

const HALF_LIFE_WEEKS: f64 = 4.0;
const PRIOR_BURSTS: f64 = 2.0;
const PRIOR_WEEKS: f64 = 0.2;
const PRIOR_LN_SIZE: f64 = 0.55;
const PRIOR_WEIGHT: f64 = 6.0;
const LEAST_SHAPE: f64 = 3.0;
const MOST_SHAPE: f64 = 6.0;
/// Own bursts that add one to the shape.
const BURSTS_PER_SHAPE: f64 = 10.0;
/// How many times rarer than the budget the exponential tail must find a burst to speak at once.
const FAST_INSURANCE: f64 = 10.0;
/// Sizes above this are taken for this.
const MOST_CALLS: u64 = 1 << 53;

/// The first bursts of one account, calls or errors apart: rate and size, discounted.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstUsePool {
    since: Minute,
    latest: Minute,
    bursts: f64,
    ln_sizes: f64,
}

/// The bytes are not a pool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUnpackError;

impl core::fmt::Display for PoolUnpackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not the packed form of a first-use pool")
    }
}

impl core::error::Error for PoolUnpackError {}

struct Estimate {
    /// First bursts a minute.
    rate: f64,
    mean: f64,
    shape: f64,
}

impl FirstUsePool {
    /// A pool that counts first bursts from `since` on, the first minute at which a week of silence could be known.
    pub fn new(since: Minute) -> Self {
        Self { since, latest: since, bursts: 0.0, ln_sizes: 0.0 }
    }

    /// Takes the size in calls of a first burst whose hour is over. An earlier minute than the latest counts as that.
    pub fn observe(&mut self, minute: Minute, size: u64) {
        let decay = decay(minute.saturating_sub(self.latest));
        self.latest = self.latest.max(minute);
        self.bursts = self.bursts * decay + 1.0;
        self.ln_sizes = self.ln_sizes * decay + libm::log(size.clamp(1, MOST_CALLS) as f64);
    }

    /// First bursts a week expected at `minute`.
    pub fn bursts_per_week(&self, minute: Minute) -> f64 {
        self.estimate(minute).rate * f64::from(WEEK)
    }

    /// The rate a minute at which the account's first bursts reach `size`: the budget at which it just alarms.
    pub fn rate(&self, minute: Minute, size: u64) -> f64 {
        let Estimate { rate, mean, shape } = self.estimate(minute);
        let ln_size = libm::log(size.clamp(1, MOST_CALLS) as f64);
        let heavy = libm::pow(1.0 + ln_size / (shape * mean), -shape);
        let exponential = FAST_INSURANCE * libm::exp(-ln_size / mean);
        rate * heavy.min(exponential)
    }

    /// The least size that alarms at `minute` with `alpha` alarms a minute allowed; `u64::MAX` if none does.
    pub fn limit(&self, minute: Minute, alpha: f64) -> u64 {
        let (mut low, mut high) = (1, MOST_CALLS);
        if self.rate(minute, high) > alpha || alpha.is_nan() {
            return u64::MAX;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.rate(minute, middle) <= alpha {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn estimate(&self, minute: Minute) -> Estimate {
        let decay_now = decay(minute.saturating_sub(self.latest));
        let weeks = f64::from(minute.saturating_sub(self.since)) / f64::from(WEEK);
        let life = HALF_LIFE_WEEKS / core::f64::consts::LN_2;
        let exposure = life * -libm::expm1(-weeks / life);
        let bursts = self.bursts * decay_now;
        Estimate {
            rate: (bursts + PRIOR_BURSTS) / (exposure + PRIOR_WEEKS) / f64::from(WEEK),
            mean: (self.ln_sizes * decay_now + PRIOR_LN_SIZE * PRIOR_WEIGHT) / (bursts + PRIOR_WEIGHT),
            shape: (LEAST_SHAPE + bursts / BURSTS_PER_SHAPE).min(MOST_SHAPE),
        }
    }

    /// Appends the pool's bytes.
    pub fn pack(&self, out: &mut alloc::vec::Vec<u8>) {
        out.extend_from_slice(&self.since.to_le_bytes());
        out.extend_from_slice(&self.latest.to_le_bytes());
        out.extend_from_slice(&self.bursts.to_le_bytes());
        out.extend_from_slice(&self.ln_sizes.to_le_bytes());
    }

    /// Reads what [`Self::pack`] wrote; anything else is an error.
    pub fn unpack(bytes: &[u8]) -> Result<Self, PoolUnpackError> {
        let [since, latest, bursts, ln_sizes] = split(bytes).ok_or(PoolUnpackError)?;
        let pool = Self {
            since: since as u32,
            latest: latest as u32,
            bursts: f64::from_bits(bursts),
            ln_sizes: f64::from_bits(ln_sizes),
        };
        let sound = |value: f64| (0.0..1e18).contains(&value);
        if sound(pool.bursts) && sound(pool.ln_sizes) { Ok(pool) } else { Err(PoolUnpackError) }
    }
}

/// Two words of four bytes and two of eight, little-endian, and nothing after them.
fn split(bytes: &[u8]) -> Option<[u64; 4]> {
    let (since, rest) = bytes.split_first_chunk::<4>()?;
    let (latest, rest) = rest.split_first_chunk::<4>()?;
    let (bursts, rest) = rest.split_first_chunk::<8>()?;
    let ln_sizes: [u8; 8] = rest.try_into().ok()?;
    let short = |word: &[u8; 4]| u64::from(u32::from_le_bytes(*word));
    Some([short(since), short(latest), u64::from_le_bytes(*bursts), u64::from_le_bytes(ln_sizes)])
}

fn decay(minutes: u32) -> f64 {
    libm::exp2(-f64::from(minutes) / (HALF_LIFE_WEEKS * f64::from(WEEK)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HIGH: f64 = 0.625 / 10_080.0; // a quarter of five a week, calls and errors half each
    const LOW: f64 = 0.025 / 10_080.0;

    #[test]
    fn where_first_bursts_are_rare_two_calls_speak_at_high_and_one_never() {
        let pool = FirstUsePool::new(0);
        assert_eq!(pool.limit(2 * WEEK, HIGH), 2);
        assert!(pool.limit(0, HIGH) > 5, "ten a week are expected before anything is known");
        assert!(pool.limit(2 * WEEK, LOW) > 25);
    }

    #[test]
    fn where_first_bursts_are_common_the_budget_wins() {
        let mut pool = FirstUsePool::new(0);
        for hour in 0..4 * 168 {
            if hour % 16 == 0 {
                pool.observe(hour * 60, if hour % 48 == 0 { 2 } else { 1 });
            }
        }
        assert!((9.0..12.0).contains(&pool.bursts_per_week(4 * WEEK)));
        assert_eq!(pool.limit(4 * WEEK, HIGH), 3, "here none has had three");
    }

    #[test]
    fn the_fast_path_finds_what_the_capped_shape_would_delay() {
        let pool = FirstUsePool::new(0);
        assert!(pool.limit(0, LOW) < 120, "{}", pool.limit(0, LOW));
        let Estimate { rate, mean, shape } = pool.estimate(0);
        let capped = libm::exp(shape * mean * (libm::pow(rate / LOW, 1.0 / shape) - 1.0));
        assert!(capped > 1e4, "{capped}");
    }

    proptest! {
        #[test]
        fn the_limit_is_the_least_size_within_the_budget(
            sizes in proptest::collection::vec(1_u64..5000, 0..60), alpha in 1e-9_f64..1e-2,
        ) {
            let mut pool = FirstUsePool::new(1000);
            for (n, size) in sizes.iter().enumerate() {
                pool.observe(1000 + n as u32 * 700, *size);
            }
            let now = 60_000;
            let limit = pool.limit(now, alpha);
            if limit < u64::MAX {
                prop_assert!(pool.rate(now, limit) <= alpha);
                prop_assert!(limit == 1 || pool.rate(now, limit - 1) > alpha);
            }
            let mut bytes = alloc::vec::Vec::new();
            pool.pack(&mut bytes);
            prop_assert_eq!(FirstUsePool::unpack(&bytes).unwrap(), pool);
        }

        #[test]
        fn garbage_is_an_error_or_a_sound_pool(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(pool) = FirstUsePool::unpack(&bytes) {
                prop_assert!(pool.rate(u32::MAX, u64::MAX).is_finite());
            }
        }

        #[test]
        fn any_minute_and_size_is_taken(minute: u32, size: u64, later: u32) {
            let mut pool = FirstUsePool::new(minute);
            pool.observe(later, size);
            prop_assert!(pool.rate(later, size).is_finite() && pool.limit(later, 1e-6) >= 1);
        }
    }
}

//! Question: what do the tails of an account's series look like, and those of all accounts, while one series has
//! hardly shown its own?
//!
//! Formula: per activity bucket and statistic, discounted sums (half-life 21 days) of peaks, of their excess e over the
//! threshold, and of the log odds of each shape against the reference given z = e/ē. What is pooled stands beside the
//! shipped prior as so many further peaks of a typical series, never more than [`crate::priors`] allows.
//! Source: empirical Bayes; section 2.3 of the detection notes.
//! Assumes that series of like activity have like tails. Known weakness: one wild series among few owns the pool, which
//! is why its weight is bounded. Cost: one power and three additions a peak.

use alloc::vec::Vec;

use crate::calendar::{LAST_MINUTE, Minute};
use crate::priors::BUCKETS;

const HALF_LIFE_DAYS: f64 = 21.0;
/// Statistics of a series.
pub(crate) const STATISTICS: usize = 9;
/// The first byte of a packed pool.
const VERSION: u8 = 1;
/// No sum is larger.
const MOST: f32 = 1e12;

/// A peak of one statistic of one series that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peak {
    pub(crate) statistic: u8,
    pub(crate) bucket: u8,
    pub(crate) excess: f32,
    /// Log likelihood of the other shapes over that of the reference.
    pub(crate) odds: [f32; 2],
}

/// The peaks that ended with a minute, at most one a statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peaks {
    peaks: [Peak; STATISTICS],
    len: u8,
}

impl Peaks {
    pub(crate) fn push(&mut self, peak: Peak) {
        if let Some(slot) = self.peaks.get_mut(usize::from(self.len)) {
            *slot = peak;
            self.len += 1;
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Peak> {
        self.peaks.iter().take(usize::from(self.len))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Discounted sums of one bucket and statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pooled {
    pub(crate) peaks: f32,
    pub(crate) excess: f32,
    pub(crate) odds: [f32; 2],
}

/// Peaks of many series, those of one account or of all.
#[derive(Clone, Debug, PartialEq)]
pub struct TailPool {
    latest: Minute,
    sums: [[Pooled; STATISTICS]; BUCKETS],
}

impl Default for TailPool {
    fn default() -> Self {
        Self::SHIPPED
    }
}

/// The bytes are not a tail pool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailPoolUnpackError;

impl core::fmt::Display for TailPoolUnpackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not the packed form of a tail pool")
    }
}

impl core::error::Error for TailPoolUnpackError {}

impl TailPool {
    /// Nothing pooled yet: the shipped priors stand alone.
    pub const SHIPPED: Self =
        Self { latest: 0, sums: [[Pooled { peaks: 0.0, excess: 0.0, odds: [0.0; 2] }; STATISTICS]; BUCKETS] };

    /// Takes a peak from [`crate::Step::peaks`] of a minute. An earlier minute than the latest counts as that.
    pub fn observe(&mut self, minute: Minute, peak: &Peak) {
        self.fade(minute);
        let bucket = self.sums.get_mut(usize::from(peak.bucket));
        if let Some(sum) = bucket.and_then(|bucket| bucket.get_mut(usize::from(peak.statistic))) {
            sum.peaks = (sum.peaks + 1.0).min(MOST);
            sum.excess = (sum.excess + peak.excess.clamp(0.0, MOST)).min(MOST);
            for (sum, odds) in sum.odds.iter_mut().zip(peak.odds) {
                *sum = (*sum + odds).clamp(-MOST, MOST);
            }
        }
    }

    /// Once a day is often enough, and the same bits whenever in the day it is done.
    fn fade(&mut self, minute: Minute) {
        let days = (minute / 1440).saturating_sub(self.latest / 1440);
        self.latest = self.latest.max(minute.min(LAST_MINUTE));
        if days > 0 {
            let keep = libm::exp2(-f64::from(days) / HALF_LIFE_DAYS) as f32;
            for sum in self.sums.iter_mut().flatten() {
                for value in [&mut sum.peaks, &mut sum.excess].into_iter().chain(&mut sum.odds) {
                    *value *= keep;
                    if value.abs() < 1e-6 {
                        *value = 0.0;
                    }
                }
            }
        }
    }

    pub(crate) fn of(&self, bucket: u8, statistic: usize) -> Pooled {
        let bucket = self.sums.get(usize::from(bucket));
        bucket.and_then(|bucket| bucket.get(statistic)).copied().unwrap_or_default()
    }

    /// Appends the pool's bytes.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.latest.to_le_bytes());
        let sums = self.sums.iter().flatten();
        for value in sums.flat_map(|sum| [sum.peaks, sum.excess, sum.odds[0], sum.odds[1]]) {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Reads what [`Self::pack`] wrote; anything else is an error.
    pub fn unpack(bytes: &[u8]) -> Result<Self, TailPoolUnpackError> {
        let (version, rest) = bytes.split_first().ok_or(TailPoolUnpackError)?;
        let (latest, rest) = rest.split_first_chunk::<4>().ok_or(TailPoolUnpackError)?;
        if *version != VERSION || rest.len() != 16 * STATISTICS * BUCKETS {
            return Err(TailPoolUnpackError);
        }
        let mut pool = Self { latest: u32::from_le_bytes(*latest), ..Self::SHIPPED };
        for (sum, bytes) in pool.sums.iter_mut().flatten().zip(rest.chunks_exact(16)) {
            let mut values = bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            let mut next = |least: f32| values.next().filter(|value| (least..=MOST).contains(value));
            let mut read = || Some((next(0.0)?, next(0.0)?, [next(-MOST)?, next(-MOST)?]));
            let (peaks, excess, odds) = read().ok_or(TailPoolUnpackError)?;
            *sum = Pooled { peaks, excess, odds };
        }
        if pool.latest <= LAST_MINUTE { Ok(pool) } else { Err(TailPoolUnpackError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peak(statistic: u8, bucket: u8, excess: f32) -> Peak {
        Peak { statistic, bucket, excess, odds: [0.5, -0.5] }
    }

    #[test]
    fn what_is_pooled_halves_in_three_weeks() {
        let mut pool = TailPool::default();
        (0..10).for_each(|_| pool.observe(1000, &peak(1, 2, 3.0)));
        pool.observe(1000 + 21 * 1440, &peak(0, 0, 1.0));
        let pooled = pool.of(2, 1);
        assert!((pooled.peaks - 5.0).abs() < 1e-4 && (pooled.excess - 15.0).abs() < 1e-4, "{pooled:?}");
        assert_eq!(pool.of(9, 99), Pooled::default());
    }

    proptest! {
        #[test]
        fn packed_and_unpacked_it_is_the_same(
            seen in proptest::collection::vec((0_u32.., any::<u8>(), any::<u8>(), any::<f32>()), 0..40),
        ) {
            let mut pool = TailPool::default();
            for (minute, statistic, bucket, excess) in seen {
                pool.observe(minute, &peak(statistic % 10, bucket % 6, if excess.is_nan() { 0.0 } else { excess }));
            }
            let mut bytes = Vec::new();
            pool.pack(&mut bytes);
            prop_assert_eq!(TailPool::unpack(&bytes).unwrap(), pool);
            prop_assert!(TailPool::unpack(&bytes[1..]).is_err());
        }

        #[test]
        fn garbage_is_an_error_or_a_sound_pool(bytes in proptest::collection::vec(any::<u8>(), 725)) {
            if let Ok(mut pool) = TailPool::unpack(&bytes) {
                pool.observe(u32::MAX, &peak(0, 0, 1.0));
            }
        }
    }
}

//! Question: are there no calls, or only no records?
//!
//! A whole account (or one Region of it) in which nothing happens for a while in which at least [`MISSING`] minutes with
//! calls were expected, and which hardly ever was silent for so long, has not stopped calling: its records are missing.
//! Such minutes are a gap: nothing is learned from them and nothing is judged in them. Until that can be said, at most
//! [`UNDECIDED`] minutes, silent minutes wait, so that no drop is told in the first minutes of an outage.
//!
//! Minutes with calls are expected and not calls: calls come in bursts, and a burst that does not come is one event.
//! How often silences as long come says the scope's own past ([`BurstPool`]): an account that works in bursts is silent
//! every night, and that teaches. Known weakness: an account that does stop, wholly, is told as silent only while others
//! of its source go on.

use std::ops::Range;

use trailsight_detectors::{BurstPool, BurstPrior, WEEK};

/// Minutes with calls that were expected and did not come, from which records may be missing.
pub(super) const MISSING: f64 = 10.0;
/// Minutes with calls expected from which a silence of [`SHORT`] minutes is passed over too: no series drops where
/// none is heard.
const FEW: f64 = 3.0;
const SHORT: u32 = 10;
/// Silences a week that are as long, at most, where records are missing.
const SELDOM: f64 = 0.1;
/// Minutes that a silence may wait to be understood.
pub(super) const UNDECIDED: u32 = 15;
/// Gaps of one scope that are remembered; the oldest is forgotten, and its minutes then count as silent for series
/// that had no call since.
pub(super) const MOST_GAPS: usize = 64;
/// That a scope is silent for so long: once in two years is believed before anything was seen.
pub(super) const SILENCE: BurstPrior =
    BurstPrior { threshold: MISSING, rate: 0.01, weeks: 2.0, mean: 0.7, weight: 2.0 };

/// The silence of one scope: an account, or one Region of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hush {
    /// First minute of the stretch without calls that is running.
    pub(super) since: Option<u32>,
    /// Minutes with calls expected in it, and in its newest minute.
    pub(super) expected: f64,
    pub(super) rate: f64,
    /// Calls a minute of everybody else of the source before it.
    pub(super) others: f64,
    /// Minutes that were missing, in order and apart.
    pub(super) gaps: Vec<Range<u32>>,
    /// Silences so far.
    pub(super) past: BurstPool,
}

impl Hush {
    pub(super) fn new(minute: u32) -> Hush {
        let past = BurstPool::new(minute);
        Hush { since: None, expected: 0.0, rate: 0.0, others: 0.0, gaps: Vec::new(), past }
    }

    /// A closed minute without calls, which had some with probability `rate`.
    pub(super) fn silent(&mut self, minute: u32, rate: f64) {
        self.since.get_or_insert(minute);
        self.rate = rate.clamp(0.0, 1.0);
        self.expected += self.rate;
    }

    /// A closed minute with calls ends the stretch: its range, with whether it was a gap.
    pub(super) fn heard(&mut self, minute: u32) -> Option<(Range<u32>, bool)> {
        let since = self.since?;
        let missing = self.is_missing(minute) || (self.expected >= FEW && minute - since >= SHORT);
        self.past.observe(minute, self.expected, &SILENCE);
        (self.since, self.expected) = (None, 0.0);
        Some((since..minute, missing))
    }

    /// Remembers a gap; what touches the last one lengthens it.
    pub(super) fn remember(&mut self, gap: Range<u32>) {
        match self.gaps.last_mut() {
            Some(last) if gap.start <= last.end => last.end = last.end.max(gap.end),
            _ => self.gaps.push(gap),
        }
        if self.gaps.len() > MOST_GAPS {
            self.gaps.remove(0);
        }
    }

    pub(super) fn is_missing(&self, minute: u32) -> bool {
        self.since.is_some() && self.is_seldom(minute, self.expected)
    }

    fn is_seldom(&self, minute: u32, expected: f64) -> bool {
        expected >= MISSING && self.past.rate(minute, expected, &SILENCE) * f64::from(WEEK) <= SELDOM
    }

    /// Whether silent minutes have to wait: records are missing, or may turn out to be within [`UNDECIDED`] minutes
    /// like the newest.
    pub(super) fn waits(&self, minute: u32) -> bool {
        let Some(since) = self.since else { return false };
        let left = (since + UNDECIDED).saturating_sub(minute);
        let then = self.expected + self.rate * f64::from(left);
        self.is_missing(minute) || (left > 0 && self.is_seldom(minute, then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_account_is_missing_within_minutes_and_a_quiet_one_is_not() {
        let mut busy = Hush::new(0);
        for minute in 100..110 {
            assert!(!busy.is_missing(minute));
            busy.silent(minute, 1.0);
            assert!(busy.waits(minute));
        }
        assert!(busy.is_missing(110));
        assert_eq!(busy.heard(400), Some((100..400, true)));
        let mut quiet = Hush::new(0);
        quiet.silent(100, 0.1);
        assert!(!quiet.waits(100) && !quiet.is_missing(100));
        assert_eq!(quiet.heard(130), Some((100..130, false)));
    }

    #[test]
    fn an_account_that_is_silent_every_night_is_not_missing() {
        let mut hush = Hush::new(0);
        for night in 0..14 {
            (0..20).for_each(|minute| hush.silent(night * 1440 + minute, 1.0));
            assert_eq!(hush.is_missing(night * 1440 + 20), night == 0, "night {night}");
            assert!(hush.heard(night * 1440 + 20).is_some_and(|heard| heard.1), "passed over all the same");
        }
        (0..600).for_each(|minute| hush.silent(15 * 1440 + minute, 1.0));
        assert!(hush.is_missing(15 * 1440 + 600), "ten hours are more than it ever was");
    }

    #[test]
    fn gaps_are_kept_in_order_apart_and_bounded() {
        let mut hush = Hush::new(0);
        hush.remember(10..20);
        hush.remember(20..30);
        assert_eq!(hush.gaps, vec![10..30]);
        (0..10 * MOST_GAPS as u32).for_each(|n| hush.remember(100 + 10 * n..105 + 10 * n));
        assert_eq!(hush.gaps.len(), MOST_GAPS);
        assert!(hush.gaps.windows(2).all(|pair| pair[0].end < pair[1].start));
    }
}

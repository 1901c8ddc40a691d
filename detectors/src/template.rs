//! Question: which minutes of the hour get more than their share (cron), and what came at this minute an hour ago?
//!
//! Formula: T_j ← 0.972 T_j per hour, T_j += x; factor f_j = (T_j + 3φ)/(T̄ + 3φ), whose mean over j is 1: without
//! that normalisation the template would silently absorb a shift of the level.
//! Assumes that the minute does not move; tests upwards take the largest of three neighbouring factors for jitter.
//! Known weakness: a job that runs every second hour halves its own factor. Cost: 60 products an hour.

use crate::minifloat::{decode, decode_count, encode, encode_count, encode_total};

/// A memory of about 36 hours.
const DECAY: f64 = 0.972;
const PRIOR: f64 = 3.0;

/// Totals per minute of the hour and the counts of the previous hour.
#[derive(Clone, PartialEq)]
pub(crate) struct Template {
    pub(crate) totals: [u16; 60],
    pub(crate) previous: [u8; 60],
    pub(crate) mean: f32,
}

impl Template {
    pub(crate) fn empty() -> Self {
        Self { totals: [0; 60], previous: [0; 60], mean: 0.0 }
    }

    /// The share of minute `j` of the hour, 1 on average.
    pub(crate) fn factor(&self, j: u32, phi: f64) -> f64 {
        self.weight(j, phi) / self.divisor(phi)
    }

    /// T_j + 3φ, which is the share but for a divisor common to all minutes.
    pub(crate) fn weight(&self, j: u32, phi: f64) -> f64 {
        self.totals.get((j % 60) as usize).map_or(0.0, |code| decode(*code)) + PRIOR * phi
    }

    /// The divisor of [`Self::weight`].
    pub(crate) fn divisor(&self, phi: f64) -> f64 {
        f64::from(self.mean) + PRIOR * phi
    }

    /// The largest share of `j` and its two neighbours.
    pub(crate) fn largest_factor(&self, j: u32, phi: f64) -> f64 {
        let weight = self.weight(j, phi).max(self.weight(j + 59, phi)).max(self.weight(j + 1, phi));
        weight / self.divisor(phi)
    }

    /// The share of `j` without the prior's help, or the least of its neighbours' where that is less than half: a job
    /// may have moved there.
    pub(crate) fn least_factor(&self, j: u32, phi: f64) -> f64 {
        let own = |j: u32| self.weight(j, phi) - PRIOR * phi;
        let (here, near) = (own(j), own(j + 59).min(own(j + 1)));
        (if near < 0.5 * here { near } else { here }) / self.divisor(phi)
    }

    /// At most 1/8 below the count of this minute in the previous hour.
    pub(crate) fn previous(&self, j: u32) -> f64 {
        self.previous.get((j % 60) as usize).map_or(0.0, |code| decode_count(*code))
    }

    pub(crate) fn remember(&mut self, j: u32, calls: u32) {
        if let Some(code) = self.previous.get_mut((j % 60) as usize) {
            *code = encode_count(calls);
        }
    }

    /// Forgets the previous hour's counts of the minutes `from..to`, which had no calls this time.
    pub(crate) fn remember_silence(&mut self, from: u32, to: u32) {
        if let Some(span) = self.previous.get_mut(from as usize..to.min(60) as usize) {
            span.fill(0);
        }
    }

    pub(crate) fn learn(&mut self, j: u32, calls: f64) {
        if let Some(code) = self.totals.get_mut((j % 60) as usize) {
            *code = encode(decode(*code) + calls);
        }
    }

    /// Keeps each minute's share at a level of `mean` calls a minute, as if it had lasted.
    pub(crate) fn settle(&mut self, mean: f64, phi: f64) {
        let mut settled = [0; 60];
        for (j, total) in (0..).zip(settled.iter_mut()) {
            *total = encode_total(self.factor(j, phi) * mean / (1.0 - DECAY));
        }
        self.totals = settled;
        self.mean = (mean / (1.0 - DECAY)) as f32;
    }

    /// At the end of each hour.
    pub(crate) fn decay(&mut self) {
        let mut sum = 0.0;
        for code in &mut self.totals {
            if *code != 0 {
                let total = DECAY * decode(*code);
                *code = encode_total(total);
                sum += total;
            }
        }
        self.mean = (sum / 60.0) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_minute_gets_its_share_and_a_level_shift_gets_none() {
        let (mut cron, mut flat) = (Template::empty(), Template::empty());
        for _ in 0..100 {
            cron.learn(15, 60.0);
            cron.decay();
            (0..60).for_each(|j| flat.learn(j, 7.0));
            flat.decay();
        }
        assert!(cron.factor(15, 1.0) > 40.0 && cron.factor(40, 1.0) < 0.1);
        assert_eq!(cron.largest_factor(16, 1.0), cron.factor(15, 1.0));
        assert_eq!(cron.largest_factor(0, 1.0), cron.factor(59, 1.0));
        (0..60).for_each(|j| assert!((flat.factor(j, 1.0) - 1.0).abs() < 2e-3));
    }

    #[test]
    fn silence_makes_it_forget() {
        let mut template = Template::empty();
        template.learn(3, 1000.0);
        template.remember(3, 1000);
        assert!((875.0..=1000.0).contains(&template.previous(3)));
        template.remember_silence(0, 60);
        (0..2000).for_each(|_| template.decay());
        assert_eq!(template.previous(3), 0.0);
        assert_eq!(template.totals, [0; 60]);
    }
}

//! Question: is this the largest minute of the week, and by how much?
//!
//! Formula: R = ln((x + 3)/(M₇ + 3)) where x exceeds M₇, the largest minute of the last seven days and today.
//! Source: exchangeability: a record comes once in 10 081 minutes whatever the distribution.
//! Assumes nothing about the distribution; the size of R beyond zero is the calibration's affair.
//! Known weakness: blind to anything below last week's worst minute. Cost: one logarithm where a record is set.

use crate::calendar::{DAY, Minute};
use crate::minifloat::{decode, encode_up};

const SOFTENER: f64 = 3.0;

/// The largest minute of each of the last eight days, today included.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Maxima(pub(crate) [u16; 8]);

impl Maxima {
    /// M₇, rounded up by at most 1/1024.
    pub(crate) fn week(&self) -> f64 {
        decode(self.0.iter().copied().max().unwrap_or(0))
    }

    pub(crate) fn learn(&mut self, minute: Minute, calls: u32) {
        let code = encode_up(f64::from(calls));
        if let Some(day) = self.0.get_mut((minute / DAY % 8) as usize) {
            *day = code.max(*day);
        }
    }

    /// At the beginning of a day: the day eight days ago is forgotten.
    pub(crate) fn begin_day(&mut self, minute: Minute) {
        if let Some(day) = self.0.get_mut((minute / DAY % 8) as usize) {
            *day = 0;
        }
    }
}

/// exp(R): how many times the week's largest minute `calls` are, softened.
pub(crate) fn times_record(calls: f64, week: f64) -> f64 {
    (calls + SOFTENER) / (week + SOFTENER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_is_remembered_for_seven_days() {
        let mut maxima = Maxima::default();
        maxima.learn(100, 5000);
        for day in 1..=8 {
            assert!(maxima.week() >= 5000.0 && maxima.week() < 5010.0, "day {day}");
            maxima.begin_day(day * DAY);
        }
        assert_eq!(maxima.week(), 0.0);
    }
}

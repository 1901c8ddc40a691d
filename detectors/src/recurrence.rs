//! Question: did this burst come at this minute of the day before?
//!
//! Formula: eight slots {minute of day, days hit, last day, magnitude}, touched only by bursts; a burst within ±8
//! minutes of a slot with two hits in the last eight days, or with one hit six to eight days ago, and of at most
//! 2·magnitude + 2 calls, is explained. Source: schedules of real accounts are daily or weekly.
//! Assumes that jobs keep their time of day in UTC. Known weakness: an attack at a job's time and of up to twice its
//! size hides (a known blind spot). Cost: eight comparisons per burst.

use crate::calendar::{DAY, Minute};
use crate::minifloat::{decode, encode};

const SLOTS: usize = 8;
const NEAR: u32 = 8;
const MOST_HITS: u16 = 7;
const FORGET_DAYS: u16 = 15;
const FADE: f64 = 0.7;
const TOLERANCE: f64 = 2.0;

/// Hits in the upper five bits, minute of the day in the lower eleven; hits 0 is an empty slot.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Slot {
    pub(crate) hits_and_minute: u16,
    pub(crate) day: u16,
    pub(crate) magnitude: u16,
}

/// The bursts of the last days.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Recurrence(pub(crate) [Slot; SLOTS]);

impl Slot {
    fn new(hits: u16, minute: u32, day: u16, calls: f64) -> Self {
        Self { hits_and_minute: (hits << 11) | (minute % DAY) as u16, day, magnitude: encode(calls) }
    }

    fn hits(self) -> u16 {
        self.hits_and_minute >> 11
    }

    /// A slot read from bytes may hold a minute beyond the day: it is taken within it.
    fn minute(self) -> u32 {
        u32::from(self.hits_and_minute & 0x7ff) % DAY
    }

    /// Minutes from this slot's time to `minute` of the day, the short way round.
    fn distance(self, minute: u32) -> i32 {
        (minute as i32 - self.minute() as i32 + 720).rem_euclid(1440) - 720
    }
}

impl Recurrence {
    fn near(&self, minute: Minute) -> Option<usize> {
        let time = minute % DAY;
        let slots = self.0.iter().enumerate();
        let near = slots.filter(|(_, slot)| slot.hits() > 0 && slot.distance(time).unsigned_abs() <= NEAR);
        near.max_by_key(|(at, slot)| (slot.hits(), SLOTS - at)).map(|(at, _)| at)
    }

    /// Whether a burst of `calls` in `minute` is one of a known job.
    pub(crate) fn explains(&self, minute: Minute, calls: f64) -> bool {
        self.tolerance(minute).is_some_and(|most| calls <= most)
    }

    /// The largest burst that a known job explains in `minute`.
    pub(crate) fn tolerance(&self, minute: Minute) -> Option<f64> {
        let slot = self.near(minute).and_then(|at| self.0.get(at))?;
        let gap = day(minute).wrapping_sub(slot.day);
        let known = (slot.hits() >= 2 && gap <= 8) || (6..=8).contains(&gap);
        known.then(|| TOLERANCE * decode(slot.magnitude) + 2.0)
    }

    /// Remembers a burst.
    pub(crate) fn learn(&mut self, minute: Minute, calls: f64) {
        let today = day(minute);
        let Some(slot) = self.near(minute).and_then(|at| self.0.get_mut(at)) else {
            return self.replace(Slot::new(1, minute % DAY, today, calls));
        };
        let gap = today.wrapping_sub(slot.day);
        if gap == 0 {
            slot.magnitude = encode(decode(slot.magnitude).max(calls));
            return;
        }
        let hits = if gap <= 8 { (slot.hits() + 1).min(MOST_HITS) } else { 1 };
        let moved = (slot.minute() as i32 + slot.distance(minute % DAY) / 2).rem_euclid(1440) as u32;
        *slot = Slot::new(hits, moved, today, calls.max(FADE * decode(slot.magnitude)));
    }

    /// Puts a slot where the one worth least stands: expired, then fewest hits, then oldest.
    fn replace(&mut self, new: Slot) {
        let worth = |slot: &Slot| {
            let age = new.day.wrapping_sub(slot.day);
            if slot.hits() == 0 || age > FORGET_DAYS { (0, 0) } else { (slot.hits(), u16::MAX - age) }
        };
        if let Some(slot) = self.0.iter_mut().min_by_key(|slot| worth(slot)) {
            *slot = new;
        }
    }
}

fn day(minute: Minute) -> u16 {
    (minute / DAY) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_job_is_explained_from_its_third_day_and_a_weekly_one_from_its_second_time() {
        let mut daily = Recurrence::default();
        for day in 0..5 {
            let minute = day * DAY + 125 + day % 3;
            assert_eq!(daily.explains(minute, 500.0), day >= 2, "day {day}");
            daily.learn(minute, 500.0);
        }
        assert!(!daily.explains(5 * DAY + 125, 1100.0), "more than twice its size");
        assert!(!daily.explains(5 * DAY + 145, 500.0), "twenty minutes off");
        let mut weekly = Recurrence::default();
        weekly.learn(10, 80.0);
        assert!(!weekly.explains(3 * DAY + 10, 80.0));
        assert!(weekly.explains(7 * DAY + 10, 80.0));
    }

    #[test]
    fn the_short_way_round_leads_over_midnight() {
        let mut memory = Recurrence::default();
        (0..3).for_each(|day| memory.learn(day * DAY + 1439, 50.0));
        assert!(memory.explains(3 * DAY, 50.0));
        assert_eq!(Slot::new(1, 1439, 0, 1.0).distance(0), 1);
    }

    #[test]
    fn the_oldest_single_hit_makes_room() {
        let mut memory = Recurrence::default();
        (0..2).for_each(|day| memory.learn(day * DAY + 30, 9.0));
        (1..=9).for_each(|n| memory.learn(2 * DAY + n * 100, 5.0));
        assert!(memory.explains(3 * DAY + 30, 9.0), "the regular job stays");
    }
}

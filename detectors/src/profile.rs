//! Question: how many calls does this hour of the week usually see?
//!
//! Formula: discounted totals N_h ← δN_h + Σx over 168 hours of the week, exposure E_h = 60 (1 − δ^k)/(1 − δ) minutes
//! after k weeks; three levels of Bühlmann credibility: series mean g, hour of day (Z = n/(n + φg/v₁)) times a
//! day factor, cell (Z = c²m²²/(c²m²² + φm²/E)).
//! Source: gamma-Poisson with discounting; Bühlmann and Straub 1970.
//! Assumes every minute since `since` was learned, if need be as the expectation of then: so exposure is a function
//! of time alone, and weeks of silence before the first call count in full. Known weakness: the day factor and the
//! hour of day are separable before a cell has weeks of its own.
//! Cost: about 1 µs an hour and series.

use crate::calendar::{HOUR, HOURS_OF_WEEK, Minute};
use crate::minifloat::{decode, encode, encode_total};

const DISCOUNT: f64 = 0.75;
/// Half a call in a day that was not seen: the mean before anything is known.
const PRIOR_CALLS: f64 = 0.5;
const PRIOR_MINUTES: f64 = 1440.0;
/// Calls per minute below which no expectation falls.
pub(crate) const LEAST_RATE: f64 = 2e-5;
/// Calls per minute above which none rises.
const MOST_RATE: f64 = 8.6e9;
const DAY_FACTOR_WEIGHT: f64 = 5.0;
const LEAST_CELL_VARIANCE: f64 = 1e-3;
const CELLS: usize = HOURS_OF_WEEK as usize;

/// Discounted calls per hour of the week.
#[derive(Clone, PartialEq)]
pub(crate) struct Profile {
    pub(crate) totals: [u16; CELLS],
}

/// Discounted minutes of watching, per hour of the week: two values, one for cells seen once more than the rest.
#[derive(Clone, Copy)]
pub(crate) struct Exposure {
    first: u32,
    extra: u32,
    base: f64,
    more: f64,
}

impl Exposure {
    /// Whole hours from `since` to the beginning of `hour`.
    pub(crate) fn new(since: Minute, hour: u32) -> Self {
        let first = since.div_ceil(HOUR);
        let hours = hour.saturating_sub(first);
        let weeks = hours / HOURS_OF_WEEK;
        let minutes = |k: u32| 60.0 * (1.0 - discount(k)) / (1.0 - DISCOUNT);
        Self {
            first: first % HOURS_OF_WEEK,
            extra: hours % HOURS_OF_WEEK,
            base: minutes(weeks),
            more: minutes(weeks + 1),
        }
    }

    fn of(&self, cell: u32) -> f64 {
        if (cell + HOURS_OF_WEEK - self.first) % HOURS_OF_WEEK < self.extra { self.more } else { self.base }
    }
}

/// The two coarser levels of credibility, from which any cell follows: made at the end of an hour with calls and of a
/// day, so that a quiet hour costs little.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Coarse {
    /// Calls per minute over all hours.
    pub(crate) mean: f32,
    /// Of cells about the separable profile, relative.
    pub(crate) variance: f32,
    /// Calls per minute by hour of the day, and factors by day of the week; where all are zero too few calls were seen
    /// to tell hours apart.
    pub(crate) by_hour: [u16; 24],
    pub(crate) by_day: [u16; 7],
}

/// Discounted calls below which all hours are taken to be alike.
const THIN: f64 = 32.0;

impl Profile {
    pub(crate) fn empty() -> Self {
        Self { totals: [0; CELLS] }
    }

    fn total(&self, cell: u32) -> f64 {
        self.totals.get(cell as usize).map_or(0.0, |code| decode(*code))
    }

    /// Takes the calls of a whole hour.
    pub(crate) fn learn(&mut self, hour: u32, calls: f64) {
        if let Some(total) = self.totals.get_mut((hour % HOURS_OF_WEEK) as usize) {
            *total = encode_total(DISCOUNT * decode(*total) + calls);
        }
    }

    /// Replaces every cell by `ratio` times what is expected there.
    pub(crate) fn scale(&mut self, exposure: &Exposure, coarse: &Coarse, phi: f64, ratio: f64) {
        let mut scaled = [0; CELLS];
        for (cell, total) in (0..HOURS_OF_WEEK).zip(scaled.iter_mut()) {
            *total = encode((self.rate(exposure, coarse, phi, cell) * ratio).min(MOST_RATE) * exposure.of(cell));
        }
        self.totals = scaled;
    }

    /// Credibility of hours of the day and days of the week, given the dispersion φ.
    pub(crate) fn coarse(&self, exposure: &Exposure, phi: f64) -> Coarse {
        let (mut calls, mut minutes) = (0.0, 0.0);
        let (mut calls_by_hour, mut minutes_by_hour) = ([0.0; 24], [0.0; 24]);
        for day in 0..7 {
            for (hour, (n, e)) in calls_by_hour.iter_mut().zip(minutes_by_hour.iter_mut()).enumerate() {
                let cell = day * 24 + hour as u32;
                *n += self.total(cell);
                *e += exposure.of(cell);
            }
        }
        for (n, e) in calls_by_hour.iter().zip(&minutes_by_hour) {
            calls += n;
            minutes += e;
        }
        let mean = (calls + PRIOR_CALLS) / (minutes + PRIOR_MINUTES);
        let mut coarse = Coarse { mean: mean as f32, ..Coarse::default() };
        if calls < THIN {
            return coarse;
        }
        let by_hour = hours_of_day(&calls_by_hour, &minutes_by_hour, mean, phi);
        coarse.by_hour = by_hour.map(encode);
        coarse.by_day = self.days_of_week(exposure, &by_hour, phi).map(encode);
        coarse.variance = self.cell_variance(exposure, &coarse, phi) as f32;
        coarse
    }

    fn days_of_week(&self, exposure: &Exposure, by_hour: &[f64; 24], phi: f64) -> [f64; 7] {
        let prior = DAY_FACTOR_WEIGHT * phi;
        let mut by_day = [1.0; 7];
        for (day, factor) in (0..).zip(by_day.iter_mut()) {
            let (mut seen, mut expected) = (prior, prior);
            for (hour, rate) in (0..).zip(by_hour) {
                seen += self.total(day * 24 + hour);
                expected += rate * exposure.of(day * 24 + hour);
            }
            *factor = seen / expected;
        }
        by_day
    }

    /// Squared coefficient of variation of the cells about the separable profile, sampling noise taken off.
    fn cell_variance(&self, exposure: &Exposure, coarse: &Coarse, phi: f64) -> f64 {
        let (mut excess, mut square) = (0.0, 1e-12);
        for cell in 0..HOURS_OF_WEEK {
            let e = exposure.of(cell);
            if e > 0.0 {
                let rate = coarse.separable(cell);
                let difference = self.total(cell) / e - rate;
                excess += difference * difference - phi * rate / e;
                square += rate * rate;
            }
        }
        (excess / square).max(LEAST_CELL_VARIANCE)
    }

    /// Calls per minute expected at the centre of an hour of the week.
    pub(crate) fn rate(&self, exposure: &Exposure, coarse: &Coarse, phi: f64, cell: u32) -> f64 {
        let cell = cell % HOURS_OF_WEEK;
        let separable = coarse.separable(cell);
        let e = exposure.of(cell);
        if e <= 0.0 || coarse.is_thin() {
            return separable.clamp(LEAST_RATE, MOST_RATE);
        }
        let signal = f64::from(coarse.variance) * separable * separable;
        let z = signal / (signal + phi * separable / e + 1e-18);
        (z * self.total(cell) / e + (1.0 - z) * separable).clamp(LEAST_RATE, MOST_RATE)
    }
}

impl Default for Coarse {
    fn default() -> Self {
        Self { mean: 0.0, variance: 0.0, by_hour: [0; 24], by_day: [0; 7] }
    }
}

impl Coarse {
    /// Whether hours are told apart: a day factor is never zero where they are.
    pub(crate) fn is_thin(&self) -> bool {
        self.by_day[0] == 0
    }

    fn separable(&self, cell: u32) -> f64 {
        if self.is_thin() {
            return f64::from(self.mean);
        }
        let hour = self.by_hour.get((cell % 24) as usize).copied().map_or(0.0, decode);
        hour * self.by_day.get((cell / 24 % 7) as usize).copied().map_or(1.0, decode)
    }

    /// Discounted calls that the mean of this hour of the day rests on.
    pub(crate) fn evidence(&self, exposure: &Exposure, hour: u32) -> f64 {
        let cell = hour % 24;
        let rate = if self.is_thin() {
            f64::from(self.mean)
        } else {
            self.by_hour.get(cell as usize).copied().map_or(0.0, decode)
        };
        (0..7).map(|day| rate * exposure.of(day * 24 + cell)).sum()
    }
}

/// δ^k.
fn discount(k: u32) -> f64 {
    let (mut power, mut square, mut k) = (1.0, DISCOUNT, k.min(255));
    while k > 0 {
        power *= if k & 1 == 1 { square } else { 1.0 };
        square *= square;
        k >>= 1;
    }
    power
}

fn hours_of_day(calls: &[f64; 24], minutes: &[f64; 24], mean: f64, phi: f64) -> [f64; 24] {
    let (mut variance, mut seen) = (0.0, 0.0_f64);
    for (n, e) in calls.iter().zip(minutes) {
        if *e > 0.0 {
            let difference = n / e - mean;
            variance += difference * difference - phi * mean / e;
            seen += 1.0;
        }
    }
    let variance = (variance / seen.max(1.0)).max(1e-12);
    let mut rates = [mean; 24];
    for (rate, (n, e)) in rates.iter_mut().zip(calls.iter().zip(minutes)) {
        if *e > 0.0 {
            let z = e / (e + phi * mean / variance);
            *rate = z * n / e + (1.0 - z) * mean;
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of one total per hour of the week, learned hour by hour.
    fn taught(weeks: u32, calls: impl Fn(u32) -> f64) -> (Profile, Exposure) {
        let mut profile = Profile::empty();
        for hour in 0..weeks * HOURS_OF_WEEK {
            profile.learn(hour, calls(hour % HOURS_OF_WEEK));
        }
        (profile, Exposure::new(0, weeks * HOURS_OF_WEEK))
    }

    #[test]
    fn exposure_in_closed_form_equals_a_recurrence_from_any_beginning() {
        for since in [0_u32, 30, 60, 200 * 60 + 1, 500 * 60] {
            let mut minutes = [0.0; CELLS];
            for hour in 0..900_u32 {
                let exposure = Exposure::new(since, hour);
                for cell in 0..HOURS_OF_WEEK {
                    assert!((exposure.of(cell) - minutes[cell as usize]).abs() < 1e-9, "{since} {hour} {cell}");
                }
                if hour * 60 >= since {
                    let cell = (hour % HOURS_OF_WEEK) as usize;
                    minutes[cell] = DISCOUNT * minutes[cell] + 60.0;
                }
            }
        }
    }

    #[test]
    fn a_flat_series_has_a_flat_profile_and_a_silent_one_almost_none() {
        let (profile, exposure) = taught(3, |_| 120.0);
        let coarse = profile.coarse(&exposure, 1.5);
        for cell in 0..HOURS_OF_WEEK {
            assert!((profile.rate(&exposure, &coarse, 2.0, cell) - 2.0).abs() < 0.02);
        }
        let (silent, exposure) = taught(4, |_| 0.0);
        let coarse = silent.coarse(&exposure, 4.0);
        assert_eq!(silent.rate(&exposure, &coarse, 4.0, 5), LEAST_RATE);
    }

    #[test]
    fn office_hours_are_learned_in_two_weeks() {
        let office = |cell: u32| if cell / 24 < 5 && (9..17).contains(&(cell % 24)) { 300.0 } else { 3.0 };
        let (profile, exposure) = taught(2, office);
        let coarse = profile.coarse(&exposure, 2.0);
        assert!((4.0..6.0).contains(&profile.rate(&exposure, &coarse, 2.0, 10)));
        assert!(profile.rate(&exposure, &coarse, 2.0, 2) < 0.3);
        assert!(profile.rate(&exposure, &coarse, 2.0, 5 * 24 + 10) < 1.0, "Saturday is not Friday");
    }

    #[test]
    fn a_year_of_silence_leaves_nothing() {
        let (mut profile, _) = taught(2, |_| 1e9);
        (0..160 * HOURS_OF_WEEK).for_each(|hour| profile.learn(hour, 0.0));
        assert_eq!(profile.totals, [0; CELLS]);
    }

    #[test]
    fn scaling_moves_every_rate_and_a_silent_profile_too() {
        for calls in [0.0, 60.0] {
            let (mut profile, exposure) = taught(4, |_| calls);
            let coarse = profile.coarse(&exposure, 4.0);
            let before = profile.rate(&exposure, &coarse, 4.0, 7);
            profile.scale(&exposure, &coarse, 4.0, 1000.0);
            let coarse = profile.coarse(&exposure, 4.0);
            let ratio = profile.rate(&exposure, &coarse, 4.0, 7) / before;
            assert!((500.0..1500.0).contains(&ratio), "{ratio}");
        }
    }
}

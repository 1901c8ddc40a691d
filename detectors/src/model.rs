//! Question: how many calls does this minute usually see, and how much does that vary?
//!
//! Formula: μ = ℓ · base · f: the level, the profile interpolated between the centres of hours, the minute's template.
//! For tests upwards μ⁺ = ℓ · ½(base + env⁺) · f with env⁺ the largest of three cells (daylight saving, early starters),
//! and the largest of three template factors. What is learned is robust: x is clipped at μ⁺ + 5σ + 2 unless the same
//! minute of the previous hour was as large. Everything is applied at the end of an hour; a minute without calls
//! changes nothing before, so that silence costs nothing and any way of closing it gives the same bits.
//! Assumes the watermark has passed. Known weakness: an hour's level is known only at its end.
//! Cost: about 1.5 µs an hour, about 20 ns a minute with calls.

use crate::calendar::{DAY, HOUR, HOURS_OF_WEEK, Minute};
use crate::dispersion::{Dispersion, Moments};
use crate::level::Level;
use crate::priors;
use crate::profile::{Exposure, LEAST_RATE, Profile};
use crate::template::Template;

/// Calls per minute above which no forecast rises, so that its cube stays finite in storage.
const MOST_MEAN: f64 = 8.6e9;
const CLIP_DEVIATIONS: f64 = 5.0;
const CLIP_CALLS: f64 = 2.0;
const MOMENT_DEVIATIONS: f64 = 8.0;
const MOMENT_CALLS: f64 = 4.0;

/// All that is learned about the usual.
#[derive(Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) profile: Profile,
    pub(crate) template: Template,
    pub(crate) level: Level,
    pub(crate) moments: Moments,
    pub(crate) outlook: Outlook,
    pub(crate) hour: OpenHour,
}

/// The profile about the open hour: the cells from one hour before it to two after.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct Outlook {
    pub(crate) cells: [f32; 4],
    /// Discounted calls the open hour of the day rests on.
    pub(crate) evidence: f32,
    /// Σμ, Σμ², Σμ³ over the open hour.
    pub(crate) sums: [f32; 3],
    /// Activity bucket.
    pub(crate) bucket: u8,
}

/// What the open hour has brought, relative to an hour without calls.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) struct OpenHour {
    pub(crate) calls: f32,
    pub(crate) clipped: f32,
    pub(crate) d2: f32,
    pub(crate) d2m: f32,
}

/// What is expected of one minute, in calls.
#[derive(Clone, Copy)]
pub(crate) struct Forecast {
    /// μ.
    pub(crate) mean: f64,
    /// μ⁺.
    pub(crate) upper: f64,
    /// μ⁺ with the largest of three template factors: what tests upwards compare with.
    pub(crate) top: f64,
    pub(crate) dispersion: Dispersion,
}

impl Model {
    pub(crate) fn empty() -> Self {
        Self {
            profile: Profile::empty(),
            template: Template::empty(),
            level: Level::default(),
            moments: Moments::default(),
            outlook: Outlook::default(),
            hour: OpenHour::default(),
        }
    }

    /// False until the first call: an empty model keeps no outlook and learns nothing from silence.
    pub(crate) fn is_awake(&self) -> bool {
        self.outlook.cells[1] > 0.0
    }

    /// Looks ahead from the beginning of `hour`.
    pub(crate) fn refresh(&mut self, since: Minute, hour: u32) {
        self.outlook = self.look(since, hour);
        let phi = self.moments.dispersion().phi;
        let level = self.level.value(phi);
        let (mut m1, mut m2, mut m3) = (0.0, 0.0, 0.0);
        for j in 0..HOUR {
            let (base, _) = self.outlook.rate(hour, hour * HOUR + j);
            let mu = bounded(level * base * self.template.factor(j, phi));
            m1 += mu;
            m2 += mu * mu;
            m3 += mu * mu * mu;
        }
        self.outlook.sums = [m1 as f32, m2 as f32, m3 as f32];
    }

    /// The outlook of any hour, without the sums.
    pub(crate) fn look(&self, since: Minute, hour: u32) -> Outlook {
        let phi = self.moments.dispersion().phi;
        let exposure = Exposure::new(since, hour);
        let coarse = self.profile.coarse(&exposure, phi);
        let mut outlook = Outlook { bucket: priors::bucket(coarse.mean), ..Outlook::default() };
        for (cell, ahead) in outlook.cells.iter_mut().zip(HOURS_OF_WEEK - 1..) {
            *cell = self.profile.rate(&exposure, &coarse, hour % HOURS_OF_WEEK + ahead) as f32;
        }
        outlook.evidence = coarse.evidence(hour) as f32;
        outlook
    }

    /// The forecast of a minute from four hours around it, `hour` being the one the outlook was made for.
    pub(crate) fn forecast(&self, outlook: &Outlook, hour: u32, minute: Minute) -> Forecast {
        let dispersion = self.moments.dispersion();
        let (base, envelope) = outlook.rate(hour, minute);
        let level = self.level.value(dispersion.phi);
        let j = minute % HOUR;
        let factor = self.template.factor(j, dispersion.phi);
        let largest = self.template.largest_factor(j, dispersion.phi);
        let up = 0.5 * (base + envelope);
        Forecast {
            mean: bounded(level * base * factor),
            upper: bounded(level * up * factor),
            top: bounded(level * up * largest),
            dispersion: dispersion.with_uncertain_mean(f64::from(outlook.evidence)),
        }
    }

    /// The sum of `top` over the five minutes that end with `minute`, for a fraction of five forecasts.
    pub(crate) fn window_top(&self, outlook: &Outlook, hour: u32, minute: Minute) -> f64 {
        let phi = self.moments.dispersion().phi;
        let scale = 0.5 * self.level.value(phi) / self.template.divisor(phi);
        let weight = |ago: u32| self.template.weight((minute + HOUR + 1 - ago) % HOUR, phi);
        let weights = [0, 1, 2, 3, 4, 5, 6].map(weight);
        let triples = weights.iter().zip(&weights[1..]).zip(&weights[2..]);
        (0..)
            .zip(triples)
            .map(|(ago, ((after, here), before))| {
                let (base, envelope) = outlook.rate(hour, minute.saturating_sub(ago));
                bounded(scale * (base + envelope) * after.max(*here).max(*before))
            })
            .sum()
    }

    /// Learns a closed minute with calls.
    pub(crate) fn learn(&mut self, minute: Minute, calls: u32, forecast: &Forecast) {
        let j = minute % HOUR;
        let (x, mu) = (f64::from(calls), forecast.mean);
        let deviation = forecast.dispersion.deviation(forecast.upper);
        let clip = forecast.upper + CLIP_DEVIATIONS * deviation + CLIP_CALLS;
        let robust = x.min(clip.max(self.template.previous(j)));
        let d = x.min(forecast.upper + MOMENT_DEVIATIONS * deviation + MOMENT_CALLS) - mu;
        self.template.remember(j, calls);
        self.take(j, robust, robust.min(clip), d * d, mu);
    }

    /// Learns what was expected instead of what came: explained, muted, or part of an incident.
    pub(crate) fn impute(&mut self, minute: Minute, forecast: &Forecast) {
        self.take(minute % HOUR, forecast.mean, forecast.mean, 0.0, forecast.mean);
    }

    fn take(&mut self, j: u32, calls: f64, clipped: f64, d2: f64, mu: f64) {
        let excess = d2 - mu * mu;
        let hour = &mut self.hour;
        hour.calls = (f64::from(hour.calls) + calls) as f32;
        hour.clipped = (f64::from(hour.clipped) + clipped) as f32;
        hour.d2 = (f64::from(hour.d2) + excess) as f32;
        hour.d2m = (f64::from(hour.d2m) + excess * mu) as f32;
        self.template.learn(j, calls);
    }

    /// Applies the hour that is over and looks ahead from the next.
    pub(crate) fn end_hour(&mut self, since: Minute, hour: u32) {
        let [m1, m2, m3] = self.outlook.sums.map(f64::from);
        let open = core::mem::take(&mut self.hour);
        if hour >= since.div_ceil(HOUR) {
            self.profile.learn(hour, f64::from(open.calls));
        }
        self.level.learn(f64::from(open.clipped), m1);
        self.moments.learn([m2 + f64::from(open.d2), m1, m2, m3 + f64::from(open.d2m), m3]);
        self.template.decay();
        self.refresh(since, hour + 1);
    }

    /// Takes `ratio` times what was expected as expected from now on.
    pub(crate) fn accept(&mut self, since: Minute, hour: u32, ratio: f64) {
        let dispersion = self.moments.dispersion();
        let exposure = Exposure::new(since, hour);
        let coarse = self.profile.coarse(&exposure, dispersion.phi);
        self.profile.scale(&exposure, &coarse, ratio * self.level.value(dispersion.phi));
        self.level = Level::default();
        self.refresh(since, hour);
    }
}

impl Outlook {
    /// Interpolated rate and the largest of the three cells about a minute, in calls per minute.
    fn rate(&self, hour: u32, minute: Minute) -> (f64, f64) {
        let at = (i64::from(minute / HOUR) - i64::from(hour) + 1).clamp(0, 3);
        let cell = |offset: i64| {
            let place = (at + offset).clamp(0, 3) as usize;
            self.cells.get(place).map_or(LEAST_RATE, |rate| f64::from(*rate))
        };
        let fraction = (f64::from(minute % HOUR) + 0.5) / f64::from(HOUR);
        let (before, here, after) = (cell(-1), cell(0), cell(1));
        let base = if fraction < 0.5 {
            before * (0.5 - fraction) + here * (0.5 + fraction)
        } else {
            here * (1.5 - fraction) + after * (fraction - 0.5)
        };
        (base, before.max(here).max(after))
    }
}

/// A mean whose cube can be stored, and never zero.
fn bounded(mean: f64) -> f64 {
    mean.clamp(1e-9, MOST_MEAN)
}

/// Whether a day begins with this minute.
pub(crate) fn begins_day(minute: Minute) -> bool {
    minute.is_multiple_of(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_sum_of_its_minutes() {
        let mut model = Model::empty();
        model.refresh(0, 500);
        for minute in 500 * HOUR..540 * HOUR {
            let forecast = model.forecast(&model.outlook, minute / HOUR, minute);
            model.learn(minute, minute % 13 * (minute % 2), &forecast);
            if minute % HOUR == 59 {
                model.end_hour(0, minute / HOUR);
            }
        }
        for minute in 540 * HOUR..541 * HOUR {
            let top = |ago| model.forecast(&model.outlook, 540, minute - ago).top;
            let sum: f64 = (0..5).map(top).sum();
            assert!((model.window_top(&model.outlook, 540, minute) / sum - 1.0).abs() < 1e-12, "{minute}");
        }
    }
}

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
use crate::cusum::Change;
use crate::dispersion::{Dispersion, Moments};
use crate::hourly::Hour;
use crate::level::Level;
use crate::priors;
use crate::profile::{Coarse, Exposure, LEAST_RATE, Profile};
use crate::template::Template;

/// Calls per minute above which no forecast rises, so that its cube stays finite in storage.
const MOST_MEAN: f64 = 8.6e9;
const CLIP_DEVIATIONS: f64 = 5.0;
const CLIP_CALLS: f64 = 2.0;
const MOMENT_DEVIATIONS: f64 = 8.0;
const MOMENT_CALLS: f64 = 4.0;
/// Calls per minute from which drops are looked for: below, a quarter of an hour without calls says nothing.
const ARMED_FROM: f64 = 0.5;

/// All that is learned about the usual.
#[derive(Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) profile: Profile,
    pub(crate) coarse: Coarse,
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
    /// Whether drops are looked for.
    pub(crate) armed: bool,
    /// What a minute without calls takes from the CUSUMs of rises.
    pub(crate) pace: [u32; 2],
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
            coarse: Coarse::default(),
            template: Template::empty(),
            level: Level::default(),
            moments: Moments::default(),
            outlook: Outlook::default(),
            hour: OpenHour::default(),
        }
    }

    /// False until the first call: an empty model keeps no outlook and learns nothing from silence.
    pub(crate) fn is_awake(&self) -> bool {
        self.coarse.mean > 0.0
    }

    /// Looks ahead from the beginning of `hour`.
    pub(crate) fn refresh(&mut self, since: Minute, hour: u32) {
        self.outlook = self.look(since, hour);
        let phi = self.moments.dispersion().phi;
        self.outlook.sums = self.hour_sums(hour, self.level.value(phi), phi).map(|sum| sum as f32);
        self.set_pace();
    }

    /// The outlook as it was, which but for its sums follows from what only the end of an hour changes; without a
    /// template the sums do too.
    pub(crate) fn restore(&mut self, since: Minute, hour: u32) {
        let sums = self.outlook.sums;
        if self.template.mean == 0.0 {
            return self.refresh(since, hour);
        }
        self.outlook = Outlook { sums, ..self.look(since, hour) };
        self.set_pace();
    }

    fn set_pace(&mut self) {
        let dispersion = self.dispersion(&self.outlook);
        let upper = bounded(f64::from(self.outlook.sums[0]) / f64::from(HOUR) * self.outlook.envelope());
        self.outlook.pace = Change::RISES.map(|change| change.pace(upper, &dispersion));
    }

    /// Σμ, Σμ², Σμ³ over an hour; of an hour without a template by its mean.
    fn hour_sums(&self, hour: u32, level: f64, phi: f64) -> [f64; 3] {
        if self.template.mean == 0.0 {
            let mu = bounded(level * self.outlook.mean());
            return [mu, mu * mu, mu * mu * mu].map(|power| f64::from(HOUR) * power);
        }
        let (mut m1, mut m2, mut m3) = (0.0, 0.0, 0.0);
        for j in 0..HOUR {
            let mu = bounded(level * self.outlook.rate(hour, hour * HOUR + j).base * self.template.factor(j, phi));
            m1 += mu;
            m2 += mu * mu;
            m3 += mu * mu * mu;
        }
        [m1, m2, m3]
    }

    fn dispersion(&self, outlook: &Outlook) -> Dispersion {
        self.moments.dispersion().with_uncertain_mean(f64::from(outlook.evidence))
    }

    /// Learns the coarser levels anew.
    fn coarsen(&mut self, since: Minute, hour: u32) {
        self.coarse = self.profile.coarse(&Exposure::new(since, hour), self.moments.dispersion().phi);
    }

    /// The first call: looks ahead with an empty profile.
    pub(crate) fn wake(&mut self, since: Minute, hour: u32) {
        self.coarsen(since, hour);
        self.refresh(since, hour);
    }

    /// The outlook of any hour, without the sums.
    pub(crate) fn look(&self, since: Minute, hour: u32) -> Outlook {
        let phi = self.moments.dispersion().phi;
        let exposure = Exposure::new(since, hour);
        let mean = f64::from(self.coarse.mean);
        let (bucket, armed) = (priors::bucket(mean), mean >= ARMED_FROM);
        let mut outlook = Outlook { bucket, armed, ..Outlook::default() };
        for (cell, ahead) in outlook.cells.iter_mut().zip(HOURS_OF_WEEK - 1..) {
            *cell = self.profile.rate(&exposure, &self.coarse, phi, hour % HOURS_OF_WEEK + ahead) as f32;
        }
        outlook.evidence = self.coarse.evidence(&exposure, hour) as f32;
        outlook
    }

    /// The forecast of a minute from four hours around it, `hour` being the one the outlook was made for.
    pub(crate) fn forecast(&self, outlook: &Outlook, hour: u32, minute: Minute) -> Forecast {
        let dispersion = self.moments.dispersion();
        let Rate { base, most: envelope, .. } = outlook.rate(hour, minute);
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

    /// μ⁻ of a minute: half the envelope from below, and the least a neighbouring minute's job leaves of the factor.
    pub(crate) fn lower(&self, minute: Minute) -> f64 {
        let phi = self.moments.dispersion().phi;
        let Rate { base, least, .. } = self.outlook.rate(minute / HOUR, minute);
        bounded(self.level.value(phi) * 0.5 * (base + least) * self.template.least_factor(minute % HOUR, phi))
    }

    /// Calls expected from `from` to `until` (exclusive), minute by minute within an hour, hour by hour beyond.
    pub(crate) fn expected_between(&self, since: Minute, from: Minute, until: Minute) -> f64 {
        let hour = until.saturating_sub(1) / HOUR;
        if from / HOUR + 1 >= hour {
            return (from..until).map(|minute| self.forecast(&self.outlook, hour, minute).mean).sum();
        }
        let phi = self.moments.dispersion().phi;
        let exposure = Exposure::new(since, hour);
        let first = from.max(until.saturating_sub(HOUR * HOURS_OF_WEEK)) / HOUR;
        let calls = |hour: u32| {
            let minutes = until.min(hour * HOUR + HOUR) - from.max(hour * HOUR);
            f64::from(minutes) * self.profile.rate(&exposure, &self.coarse, phi, hour % HOURS_OF_WEEK)
        };
        self.level.value(phi) * (first..=hour).map(calls).sum::<f64>()
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
                let Rate { base, most, .. } = outlook.rate(hour, minute.saturating_sub(ago));
                bounded(scale * (base + most) * after.max(*here).max(*before))
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

    /// Applies the hour that is over and looks ahead from the next. Returns what the hour was.
    pub(crate) fn end_hour(&mut self, since: Minute, hour: u32) -> Hour {
        let [m1, m2, m3] = self.outlook.sums.map(f64::from);
        let open = core::mem::take(&mut self.hour);
        let dispersion = self.moments.dispersion();
        let over = Hour {
            start: hour * HOUR,
            calls: f64::from(open.clipped).max(0.0),
            base: m1 / self.level.value(dispersion.phi),
            envelope: self.outlook.envelope(),
            dispersion,
            evidence: f64::from(self.outlook.evidence),
        };
        if hour >= since.div_ceil(HOUR) {
            self.profile.learn(hour, f64::from(open.calls));
        }
        self.level.learn(f64::from(open.clipped), m1);
        self.moments.learn([m2 + f64::from(open.d2), m1, m2, m3 + f64::from(open.d2m), m3]);
        self.template.decay();
        if open.calls > 0.0 || (hour + 1).is_multiple_of(DAY / HOUR) {
            self.coarsen(since, hour + 1);
        }
        self.refresh(since, hour + 1);
        over
    }

    /// Takes `ratio` times what was expected as expected from the minute `now` on, and in the open hour so far.
    pub(crate) fn accept(&mut self, since: Minute, now: Minute, ratio: f64) {
        let dispersion = self.moments.dispersion();
        let hour = now / HOUR;
        let scale = ratio * self.level.value(dispersion.phi);
        self.profile.scale(&Exposure::new(since, hour), &self.coarse, dispersion.phi, scale);
        self.level = Level::default();
        self.wake(since, hour);
        self.template.settle(self.outlook.mean(), dispersion.phi);
        let share = (now % HOUR + 1) as f32 / HOUR as f32;
        let [m1, m2, m3] = self.outlook.sums.map(|sum| sum * share);
        self.hour = OpenHour { calls: m1, clipped: m1, d2: -m2, d2m: -m3 };
    }
}

/// Calls per minute before level and template: interpolated, and the extremes of the three cells about a minute.
struct Rate {
    base: f64,
    most: f64,
    least: f64,
}

impl Outlook {
    fn rate(&self, hour: u32, minute: Minute) -> Rate {
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
        Rate { base, most: before.max(here).max(after), least: before.min(here).min(after) }
    }

    /// The interpolated rate, averaged over the open hour.
    fn mean(&self) -> f64 {
        let [before, here, after, _] = self.cells.map(f64::from);
        0.125 * (before + after) + 0.75 * here
    }

    /// ½(base + env⁺)/base at the centre of the open hour.
    fn envelope(&self) -> f64 {
        let [before, here, after, _] = self.cells.map(f64::from);
        if here > 0.0 { 0.5 * (1.0 + before.max(here).max(after) / here) } else { 1.0 }
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
        model.wake(0, 500);
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

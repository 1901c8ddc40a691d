//! When an actor is at work: calls in one minute, from the actor and the minute alone.

use trailsight_schemas::time::Minute;

use super::random::Dice;

/// How an actor's calls are spread over time.
#[derive(Clone, Debug)]
pub(super) enum Rhythm {
    /// Works in spells of five minutes within office hours, hardly ever at the weekend.
    Person {
        /// Minutes east of UTC.
        zone: i32,
        /// Calls in a busy hour.
        hourly: f64,
    },
    /// Runs of a few minutes, most of them in office hours; sizes are lognormal.
    Pipeline {
        /// Minutes east of UTC of the people who push.
        zone: i32,
        /// Runs in a busy hour.
        hourly: f64,
        /// Median calls of a run.
        calls: f64,
    },
    /// The same work again and again, on the clock.
    Cron {
        /// Minutes from one run to the next.
        every: u32,
        /// Minutes after midnight UTC of the first run.
        at: u32,
        /// Minutes that a run takes.
        over: u32,
        /// Calls in each minute of a run.
        calls: u64,
    },
    /// All day, alike.
    Steady {
        /// Calls a minute.
        rate: f64,
    },
    /// All day, following the organisation's own customers.
    Load {
        /// Calls a minute on average.
        rate: f64,
    },
}

/// Longest run of a pipeline, minutes.
const LONGEST_RUN: u32 = 20;

impl Rhythm {
    /// Calls that the actor makes in a minute.
    pub(super) fn calls(&self, seed: u64, actor: u64, minute: Minute) -> u64 {
        let draw = |salt: u64, time: u32| Dice::of(&[seed, actor, salt, u64::from(time)]);
        match *self {
            Rhythm::Person { zone, hourly } => {
                let spell = minute.0 / 5;
                let at_work = 0.35 * office(minute, zone);
                if !draw(1, spell).chance(at_work) {
                    return 0;
                }
                draw(2, minute.0).poisson(hourly / 60.0 / 0.35)
            }
            Rhythm::Pipeline { zone, hourly, calls } => {
                let hour = minute.0 / 60;
                [hour.checked_sub(1), Some(hour)]
                    .into_iter()
                    .flatten()
                    .map(|hour| runs(draw(3, hour), hour, zone, hourly, calls, minute))
                    .zip([4, 5])
                    .map(|(mean, salt)| draw(salt, minute.0).poisson(mean))
                    .sum()
            }
            Rhythm::Cron { every, at, over, calls } => {
                let since = (minute.0 + every - at % every) % every;
                if since < over { calls + draw(6, minute.0).poisson(calls as f64 / 40.0) } else { 0 }
            }
            Rhythm::Steady { rate } => draw(7, minute.0).poisson(rate),
            Rhythm::Load { rate } => draw(8, minute.0).poisson(rate * load(minute)),
        }
    }
}

/// Calls expected in `minute` from the runs that began in `hour`.
fn runs(mut dice: Dice, hour: u32, zone: i32, hourly: f64, calls: f64, minute: Minute) -> f64 {
    let busy = 0.06 + 0.94 * office(Minute(hour * 60 + 30), zone);
    (0..dice.poisson(hourly * busy))
        .map(|_| {
            let start = hour * 60 + dice.below(60) as u32;
            let length = dice.lognormal(5.0, 0.5).clamp(2.0, f64::from(LONGEST_RUN)) as u32;
            let size = dice.lognormal(calls, 0.5).min(calls * 4.0);
            let running = (start..start + length).contains(&minute.0);
            if running { size / f64::from(length) } else { 0.0 }
        })
        .sum()
}

/// Share of people at work, 0 to 1: from 8 to 19 o'clock local time with a dip for lunch, 3 % at weekends.
fn office(minute: Minute, zone: i32) -> f64 {
    let local = i64::from(minute.0) + i64::from(zone);
    // 1970-01-01 was a Thursday; Monday is 0.
    let weekday = (local.div_euclid(1440) + 3).rem_euclid(7);
    let share = match local.rem_euclid(1440) / 60 {
        8 => 0.4,
        9..=11 | 13..=16 => 1.0,
        12 => 0.5,
        17 => 0.7,
        18 => 0.3,
        19..=22 => 0.04,
        _ => 0.01,
    };
    if weekday >= 5 { share * 0.03 } else { share }
}

/// The customers' day: 0.6 at 03:00 UTC, rising evenly to 1.4 at 15:00, and back.
fn load(minute: Minute) -> f64 {
    let from_trough = (i64::from(minute.of_day()) - 180).rem_euclid(1440);
    let to_peak = 1.0 - (from_trough - 720).abs() as f64 / 720.0;
    0.6 + 0.8 * to_peak
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-02, a Monday, 00:00 UTC.
    const MONDAY: u32 = 29_540_160;

    fn total(rhythm: &Rhythm, from: u32, minutes: u32) -> u64 {
        (from..from + minutes).map(|minute| rhythm.calls(9, 4, Minute(minute))).sum()
    }

    #[test]
    fn people_keep_office_hours_in_their_own_zone() {
        let berlin = Rhythm::Person { zone: 60, hourly: 30.0 };
        let new_york = Rhythm::Person { zone: -300, hourly: 30.0 };
        let days = |rhythm: &Rhythm, hour: u32| {
            (0..5).map(|day| total(rhythm, MONDAY + day * 1440 + hour * 60, 180)).sum::<u64>()
        };
        assert!(days(&berlin, 8) > 10 * days(&berlin, 20));
        assert!(days(&new_york, 14) > 10 * days(&new_york, 8).max(1));
        assert!(total(&berlin, MONDAY, 5 * 1440) > 20 * total(&berlin, MONDAY + 5 * 1440, 2 * 1440).max(1));
    }

    #[test]
    fn cron_runs_on_the_clock() {
        let nightly = Rhythm::Cron { every: 1440, at: 120, over: 2, calls: 20 };
        assert_eq!(total(&nightly, MONDAY, 120), 0);
        assert!((40..60).contains(&total(&nightly, MONDAY + 120, 2)));
        assert_eq!(total(&nightly, MONDAY + 122, 1438), 0);
    }

    #[test]
    fn pipelines_come_in_bursts_and_loads_follow_the_day() {
        let pipeline = Rhythm::Pipeline { zone: 60, hourly: 2.0, calls: 60.0 };
        let minutes: Vec<u64> = (0..600).map(|at| pipeline.calls(9, 4, Minute(MONDAY + 480 + at))).collect();
        let idle = minutes.iter().filter(|calls| **calls == 0).count();
        assert!((200..590).contains(&idle) && minutes.iter().sum::<u64>() > 300, "{idle}");
        assert!(load(Minute(MONDAY + 180)) == 0.6 && load(Minute(MONDAY + 900)) == 1.4);
    }
}

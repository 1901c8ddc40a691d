//! A job by the clock: every few minutes, hourly, daily, weekly or at the end of the month; in UTC or in local time.

use super::World;
use super::personality::{Cast, Personality};
use crate::calendar::{DAY, HOUR, LENGTH};
use crate::catalog::{Api, INVALID, NOT_FOUND};
use crate::change::ChangeKind;
use crate::dice::Dice;
use crate::traffic::Cell;

/// When a job runs.
#[derive(Clone, Debug)]
enum Rhythm {
    /// Every so many minutes.
    Every(i64),
    /// At a minute of the local or UTC day, on days that leave this remainder by 7 (none: every day).
    Daily {
        at: i64,
        local: bool,
        weekday: Option<i64>,
    },
    MonthEnd {
        at: i64,
    },
}

/// Runs that do not happen, as a share of those that come once a day or less often.
const MISSED: f64 = 0.01;

pub(super) fn run(world: &mut World, cast: &Cast, number: usize, dice: &mut Dice) {
    let principal = world.role(&format!("job-{number}"));
    let rhythm = rhythm(world, dice);
    let mut times = times(world, &rhythm);
    let steps = steps(world, principal, &rhythm, dice);
    if let Rhythm::Daily { local: true, .. } = rhythm {
        world.local_jobs.extend(steps.iter().map(|step| step.0.calls()));
    }
    unsettle(world, cast, &rhythm, &steps, &mut times, dice);
    let size = dice.lognormal(3.0, 0.6);
    for time in times {
        if !matches!(rhythm, Rhythm::Every(_)) && dice.chance(MISSED) {
            let series = steps.iter().map(|step| step.0.calls()).collect();
            world.note(ChangeKind::CronMissed, time, time + HOUR, series);
            continue;
        }
        for (cell, mean, length) in &steps {
            let moment = time + dice.exponential(0.5) as i64;
            let calls = dice.negative_binomial(*mean, size) + 1;
            world.traffic.scatter(moment, *length, *cell, calls, dice);
        }
    }
    if let Rhythm::MonthEnd { at } = rhythm {
        for day in world.calendar.month_ends() {
            let series = steps.iter().map(|step| step.0.calls()).collect();
            world.note(ChangeKind::MonthEnd, day * DAY + at, day * DAY + at + 4 * HOUR, series);
        }
    }
}

fn rhythm(world: &World, dice: &mut Dice) -> Rhythm {
    let at = dice.between(0, 23) * HOUR + *dice.pick(&[0, 0, 5, 15, 30, 17, 42]);
    let local = dice.chance(0.5);
    // In a small account nothing runs by the hour, and hardly anything by the month.
    let (often, seldom) = if world.personality == Personality::Quiet { (0.0, 0.02) } else { (0.2, 0.1) };
    match dice.weighted(&[often, often, 0.35, 0.15, seldom]) {
        0 => Rhythm::Every(*dice.pick(&[10, 15, 20, 30])),
        1 => Rhythm::Every(*dice.pick(&[60, 60, 120, 360])),
        2 => Rhythm::Daily { at, local, weekday: None },
        3 => Rhythm::Daily { at, local, weekday: Some(dice.between(0, 6)) },
        _ => Rhythm::MonthEnd { at },
    }
}

fn times(world: &World, rhythm: &Rhythm) -> Vec<i64> {
    let days = 0..LENGTH / DAY;
    match rhythm {
        Rhythm::Every(step) => (3..LENGTH).step_by(*step as usize).collect(),
        Rhythm::Daily { at, local, weekday } => days
            .filter(|day| weekday.is_none_or(|weekday| day.rem_euclid(7) == weekday))
            .map(|day| if *local { world.calendar.local(day, *at) } else { day * DAY + at })
            .collect(),
        Rhythm::MonthEnd { at } => world.calendar.month_ends().into_iter().map(|day| day * DAY + at).collect(),
    }
}

/// (what, mean number of calls, minutes it takes).
fn steps(world: &World, principal: u16, rhythm: &Rhythm, dice: &mut Dice) -> Vec<(Cell, f64, i64)> {
    let region = world.region(dice);
    let writes: Vec<Api> = world.adopted().into_iter().filter(|api| !api.reads()).collect();
    let (most, median) = match rhythm {
        Rhythm::Every(_) => (2, 1.5),
        Rhythm::Daily { .. } => (5, 6.0),
        Rhythm::MonthEnd { .. } => (8, 20.0),
    };
    let count = dice.between(1, most) as usize;
    let mut steps = Vec::new();
    for api in dice.sample(&writes, count) {
        let cell = Cell { region, api, code: 0, principal, agent: 2 };
        let mean = dice.lognormal(median, 1.0).min(800.0);
        let length = (dice.lognormal(2.0, 0.8) as i64).clamp(1, 30);
        steps.push((cell, mean, length));
        if dice.chance(0.2) {
            // A part of it fails every time, and nobody minds.
            steps.push((cell.with_code(*dice.pick(&[INVALID, NOT_FOUND])), mean * 0.2, length));
        }
    }
    steps
}

/// A job may be moved for good, or begin late in the account's life.
fn unsettle(
    world: &mut World,
    cast: &Cast,
    rhythm: &Rhythm,
    steps: &[(Cell, f64, i64)],
    times: &mut Vec<i64>,
    dice: &mut Dice,
) {
    let series: Vec<_> = steps.iter().map(|step| step.0.calls()).collect();
    if matches!(rhythm, Rhythm::MonthEnd { .. }) {
        return;
    }
    if dice.chance(0.05 * cast.unrest) {
        let from = dice.between(8, 30) * DAY;
        let by = dice.between(13, 200);
        times.iter_mut().filter(|time| **time >= from).for_each(|time| *time += by);
        world.note(ChangeKind::CronMoved, from, from + 3 * DAY, series);
    } else if dice.chance(0.05 * cast.unrest) {
        let from = dice.between(8, 30) * DAY;
        times.retain(|time| *time >= from);
        world.note(ChangeKind::NewKey, from, from + 7 * DAY, series);
    }
}

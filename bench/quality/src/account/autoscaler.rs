//! An autoscaler: scaling actions by a rate that follows the day and wanders, in batches with a power-law tail; what
//! was started is stopped again hours later.

use super::World;
use super::personality::Cast;
use crate::calendar::{HOUR, LENGTH};
use crate::catalog::Api;
use crate::change::ChangeKind;
use crate::dice::Dice;
use crate::traffic::Cell;

/// Most instances of one action.
const MOST: u32 = 600;
/// Storms (capacity that comes and goes for an hour) in the five weeks of an autoscaler.
const STORMS: f64 = 0.35;

pub(super) fn run(world: &mut World, cast: &Cast, number: usize, dice: &mut Dice) {
    let principal = world.role(&format!("AWSServiceRoleForAutoScaling-{number}"));
    let region = world.region(dice);
    let cell = Cell { region, api: Api::special("RunInstances"), code: 0, principal, agent: 5 };
    let group = Group {
        cell,
        others: dice.sample(&followers(), dice_count(number)),
        tail: dice.lognormal(1.9, 0.15).clamp(1.5, 3.0),
        size: dice.lognormal(1.3, 0.6),
    };
    let (rate, peak) = (dice.lognormal(cast.scaling, 0.6), dice.uniform(10.0, 20.0));
    let mut wander = 0.0;
    for hour in 0..LENGTH / HOUR {
        wander = 0.93 * wander + 0.25 * dice.normal();
        let phase = (world.calendar.local_hour(hour * HOUR) - peak) / 24.0 * 2.0 * std::f64::consts::PI;
        let weekend = if (hour / 24) % 7 < 5 { 1.0 } else { 0.6 };
        let mean = rate * weekend * libm::exp(0.9 * libm::cos(phase) + wander);
        for _ in 0..dice.poisson(mean) {
            let moment = hour * HOUR + dice.between(0, 59);
            scale(world, &group, moment, 1.0, dice);
        }
    }
    for _ in 0..dice.poisson(STORMS * cast.unrest) {
        storm(world, &group, dice);
    }
}

/// What is called with every batch of a group.
struct Group {
    cell: Cell,
    others: Vec<Api>,
    tail: f64,
    size: f64,
}

fn followers() -> Vec<Api> {
    ["CreateTags", "RegisterTargets", "CompleteLifecycleAction", "UpdateInstanceInformation", "CreateLogStream"]
        .map(Api::special)
        .to_vec()
}

const fn dice_count(number: usize) -> usize {
    2 + number % 3
}

fn scale(world: &mut World, group: &Group, moment: i64, factor: f64, dice: &mut Dice) {
    let batch = (f64::from(dice.burst(group.tail, MOST)) * group.size * factor).clamp(1.0, f64::from(MOST)) as u32;
    let length = 1 + i64::from(batch) / 40;
    world.traffic.scatter(moment, length, group.cell, batch, dice);
    for other in &group.others {
        world.traffic.scatter(moment + dice.between(0, 3), length + 1, group.cell.with_api(*other), batch, dice);
    }
    let after = moment + 20 + dice.exponential(4.0 * HOUR as f64) as i64;
    for api in ["TerminateInstances", "DeregisterTargets"] {
        world.traffic.scatter(after, length, group.cell.with_api(Api::special(api)), batch, dice);
    }
}

fn storm(world: &mut World, group: &Group, dice: &mut Dice) {
    let start = dice.between(8 * 24 * HOUR, LENGTH - 6 * HOUR);
    let length = dice.between(20, 150);
    let mut apis = group.others.clone();
    apis.extend(["RunInstances", "TerminateInstances", "DeregisterTargets"].map(Api::special));
    for _ in 0..dice.between(10, 60) {
        scale(world, group, start + dice.between(0, length), dice.lognormal(2.0, 0.7), dice);
    }
    let series = apis.into_iter().map(|api| group.cell.with_api(api).calls()).collect();
    // What the storm started is stopped over the hours after it.
    world.note(ChangeKind::AutoscalingStorm, start, start + length + 6 * HOUR, series);
}

//! A person: sessions in working hours, tasks in sessions, several calls in a task. Most tasks are usual ones, a
//! few are not, and what people do at once has a power-law tail.

use super::World;
use super::personality::Cast;
use crate::calendar::{DAY, HOUR, LENGTH};
use crate::catalog::{Api, MISTAKES};
use crate::dice::Dice;
use crate::traffic::Cell;

/// Share of the activity of a working day that is left on another one.
const DAY_OFF: f64 = 0.07;
/// Share of tasks that run into an error.
const MISTAKE: f64 = 0.06;
/// What people do with instances and disks in every account.
const INSTANCES: [&str; 7] = [
    "RunInstances",
    "TerminateInstances",
    "CreateTags",
    "SendCommand",
    "DeleteSnapshot",
    "CreateSnapshot",
    "ModifyDBInstance",
];
/// Most calls in one task.
const MOST: u32 = 400;

pub(super) fn live(world: &mut World, cast: &Cast, number: usize, dice: &mut Dice) {
    let name = format!("person-{number}");
    let principal = if dice.chance(0.3) { world.user(&name) } else { world.role(&name) };
    let agent = *dice.pick(&[1, 2, 6, 6]);
    let region = world.region(dice);
    let usual = usual_tasks(world, dice);
    let everything = world.adopted();
    let busy = dice.lognormal(cast.sessions, 0.6);
    let begins = dice.uniform(7.5, 10.5) * HOUR as f64;
    for day in 0..LENGTH / DAY {
        let wanted = if world.calendar.works(day) { busy } else { busy * DAY_OFF };
        for _ in 0..dice.poisson(wanted) {
            let moment = world.calendar.local(day, (begins + dice.uniform(0.0, 9.0) * HOUR as f64) as i64);
            let cell = Cell { region, api: Api(0), code: 0, principal, agent };
            session(world, cast, &usual, &everything, moment, cell, dice);
        }
    }
}

/// A dozen writing and a few reading APIs, with Zipf's weights.
fn usual_tasks(world: &World, dice: &mut Dice) -> Vec<(Api, f64)> {
    let many = dice.between(5, 16) as usize;
    let mut tasks = dice.sample(&world.adopted(), many);
    tasks.extend(dice.sample(&INSTANCES.map(Api::special), 2));
    let all = tasks.len();
    dice.sample(&tasks, all).into_iter().enumerate().map(|(place, api)| (api, 1.0 / (place as f64 + 1.0))).collect()
}

fn session(
    world: &mut World,
    cast: &Cast,
    usual: &[(Api, f64)],
    everything: &[Api],
    start: i64,
    cell: Cell,
    dice: &mut Dice,
) {
    let weights: Vec<f64> = usual.iter().map(|task| task.1).collect();
    let length = dice.exponential(25.0) + 1.0;
    for _ in 0..1 + dice.poisson(length / 9.0) {
        let api = if dice.chance(cast.novelty) { *dice.pick(everything) } else { usual[dice.weighted(&weights)].0 };
        let moment = start + dice.uniform(0.0, length) as i64;
        task(world, cast, moment, cell.with_api(api), dice);
    }
}

fn task(world: &mut World, cast: &Cast, moment: i64, cell: Cell, dice: &mut Dice) {
    let calls = dice.burst(cast.burst, MOST);
    let length = 1 + dice.poisson(libm::log(f64::from(calls) + 1.0));
    world.traffic.scatter(moment, i64::from(length), cell, calls, dice);
    if dice.chance(MISTAKE) {
        // Tried again a few times, then understood.
        let code = *dice.pick(&MISTAKES);
        let tries = dice.burst(1.3, 12);
        world.traffic.scatter(moment, 2, cell.with_code(code), tries, dice);
    }
}

//! A pipeline: runs on working days, each touching a part of its stack. Calls of a run share a lognormal factor, so
//! that many series burst at once; a run that is throttled calls again, which couples calls and errors.

use super::World;
use super::personality::Cast;
use crate::calendar::{DAY, HOUR, LENGTH};
use crate::catalog::{Api, THROTTLED};
use crate::dice::Dice;
use crate::traffic::{Cell, Principal};

/// An API of a stack: how likely a run touches it, and with how many calls.
struct Part {
    cell: Cell,
    touched: f64,
    calls: f64,
}

/// Most calls of one API in one run.
const MOST: f64 = 3000.0;
/// A run of more calls a minute than this is throttled now and then.
const THROTTLED_FROM: f64 = 25.0;

pub(super) fn run(world: &mut World, cast: &Cast, number: usize, dice: &mut Dice) {
    let principal = world.role(&format!("ci-deployer-{number}"));
    let parts = stack(world, cast, principal, dice);
    let runs = dice.lognormal(cast.runs, 0.5);
    for day in 0..LENGTH / DAY {
        let wanted = if world.calendar.works(day) { runs } else { runs * 0.15 };
        for _ in 0..dice.poisson(wanted) {
            let moment = world.calendar.local(day, (dice.uniform(8.0, 20.0) * HOUR as f64) as i64);
            one_run(world, cast, &parts, moment, 1.0, dice);
        }
    }
}

fn stack(world: &World, cast: &Cast, principal: Principal, dice: &mut Dice) -> Vec<Part> {
    let region = world.region(dice);
    let agent = *dice.pick(&[2, 3, 3, 4]);
    let writes: Vec<Api> = world.adopted().into_iter().filter(|api| !api.reads()).collect();
    dice.sample(&writes, cast.stack)
        .into_iter()
        .map(|api| Part {
            cell: Cell { region, api, code: 0, principal, agent },
            // A few parts belong to most runs, most to few.
            touched: libm::pow(dice.unit(), 2.5),
            calls: dice.lognormal(1.6, 0.9),
        })
        .collect()
}

fn one_run(world: &mut World, cast: &Cast, parts: &[Part], moment: i64, factor: f64, dice: &mut Dice) {
    let whole = dice.chance(0.04);
    let size = factor * dice.lognormal(1.0, cast.run_sigma);
    let length = dice.lognormal(5.0, 0.7).clamp(1.0, 60.0);
    for part in parts {
        if whole || dice.chance(part.touched) {
            let calls = (part.calls * size * dice.lognormal(1.0, 0.5)).clamp(1.0, MOST);
            let from = moment + dice.uniform(0.0, length) as i64;
            let spread = (length * dice.uniform(0.1, 0.6)).max(1.0) as i64;
            world.traffic.scatter(from, spread, part.cell, calls as u32, dice);
            if calls / spread as f64 > THROTTLED_FROM && dice.chance(0.3) {
                let again = (calls * dice.uniform(0.02, 0.3)) as u32;
                world.traffic.scatter(from, spread, part.cell.with_code(THROTTLED), again, dice);
            }
        }
    }
}

//! Agents and service-linked callers: calls every minute at a level that follows a fleet, overdispersed, with a
//! chronic share of errors for some.

use super::World;
use super::personality::Cast;
use crate::calendar::{DAY, LENGTH};
use crate::catalog::{Api, CONFLICT, THROTTLED};
use crate::change::ChangeKind;
use crate::dice::Dice;
use crate::traffic::Cell;

const CALLED: [&str; 4] =
    ["UpdateInstanceInformation", "UpdateInstanceAssociationStatus", "CreateLogStream", "RunTask"];

pub(super) fn run(world: &mut World, cast: &Cast, number: usize, dice: &mut Dice) {
    let principal = world.role(&format!("fleet-agent-{number}"));
    let api = Api::special(CALLED[number % CALLED.len()]);
    let cell = Cell { region: world.region(dice), api, code: 0, principal, agent: 4 };
    let mean = dice.lognormal(cast.agent_rate, 0.5) / (1.0 + 3.0 * number as f64);
    let size = dice.lognormal(12.0, 0.8);
    let swing = dice.uniform(0.0, 0.7);
    let failing = if dice.chance(0.4) { dice.uniform(0.002, 0.05) } else { 0.0 };
    let code = *dice.pick(&[THROTTLED, CONFLICT]);
    let grows = cast.unrest * 0.25 > dice.unit();
    let growth = if grows { dice.uniform(0.1, 0.35) / 7.0 / DAY as f64 } else { 0.0 };
    if grows {
        world.note(ChangeKind::Growth, 0, LENGTH, vec![cell.calls(), cell.with_code(code).series()]);
    }
    let mut wander = 0.0;
    for minute in 0..LENGTH {
        if minute % 10 == 0 {
            wander = 0.97 * wander + 0.03 * dice.normal();
        }
        let phase = (world.calendar.local_hour(minute) - 14.0) / 24.0 * 2.0 * std::f64::consts::PI;
        let level = mean * (1.0 + swing * libm::cos(phase)) * libm::exp(wander + growth * minute as f64);
        let calls = dice.negative_binomial(level, size);
        let failed = dice.thinned(calls, failing);
        world.traffic.push(minute, cell, calls - failed);
        world.traffic.push(minute, cell.with_code(code), failed);
    }
}

//! A scanner: reads the same resources again and again and runs into the same benign errors, whose number follows
//! the number of resources.

use super::World;
use crate::calendar::{DAY, HOUR, LENGTH};
use crate::catalog::{Api, DENIED, NO_CORS, NO_ENTITY, NO_POLICY, NOT_FOUND};
use crate::dice::Dice;
use crate::traffic::Cell;

pub(super) fn run(world: &mut World, number: usize, dice: &mut Dice) {
    let principal = world.role(&format!("security-audit-{number}"));
    let step = *dice.pick(&[HOUR, 4 * HOUR, 6 * HOUR, DAY, DAY]);
    let offset = dice.between(0, step - 1);
    let region = world.regions[number % world.regions.len()];
    let reads: Vec<Api> = world.adopted().into_iter().filter(|api| api.reads()).collect();
    let count = dice.between(5, 25) as usize;
    let checks: Vec<Check> = dice
        .sample(&reads, count)
        .into_iter()
        .map(|api| Check::draw(Cell { region, api, code: 0, principal, agent: 7 }, dice))
        .collect();
    let mut growth = 1.0;
    for start in (offset..LENGTH).step_by(step as usize) {
        growth *= libm::exp(0.02 * dice.normal());
        for check in &checks {
            check.run(world, start + dice.between(0, 4), growth, dice);
        }
    }
}

/// One API asked of all its resources, a part of which answers with an error.
struct Check {
    cell: Cell,
    code: u8,
    resources: f64,
    failing: f64,
}

impl Check {
    fn draw(cell: Cell, dice: &mut Dice) -> Check {
        let code = *dice.pick(&[NO_POLICY, NO_CORS, NO_ENTITY, NOT_FOUND, DENIED]);
        let failing = if dice.chance(0.55) { libm::pow(dice.unit(), 1.5) } else { 0.0 };
        Check { cell, code, resources: dice.lognormal(6.0, 1.0).min(300.0), failing }
    }

    fn run(&self, world: &mut World, moment: i64, growth: f64, dice: &mut Dice) {
        let resources = (self.resources * growth).max(1.0) as u32;
        let failed = dice.thinned(resources, self.failing);
        let length = 1 + i64::from(resources) / 60;
        world.traffic.scatter(moment, length, self.cell, resources - failed, dice);
        world.traffic.scatter(moment, length, self.cell.with_code(self.code), failed, dice);
    }
}

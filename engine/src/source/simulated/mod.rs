//! Traffic for the demo and the tests: an organisation whose people, pipelines, schedules, scanners and
//! services call AWS, and now and then somebody who should not. It is a function of the seed and the minute:
//! any minute can be asked for at any time and is always the same.

mod attack;
mod caller;
mod catalog;
mod random;
mod record;
mod rhythm;
mod source;
mod world;

use std::ops::Range;

use trailsight_schemas::time::{DAY, Minute};

pub use attack::{AttackKind, PlannedAttack};
pub use source::SimulatedSource;

use attack::{Attack, Plan};
use catalog::Api;
use random::Dice;
use record::{Call, Stamp};
use world::Actor;

/// Days without an attack at the beginning of a simulation's own schedule.
pub const QUIET_DAYS: u32 = 8;
/// Minutes between attacks in a simulation's own schedule.
pub const ATTACK_INTERVAL: u32 = 1440;
/// Shortest interval that a schedule may have, minutes: attacks do not pile up.
pub const SHORTEST_INTERVAL: u32 = 2;

/// The simulated organisation.
pub struct Simulation {
    seed: u64,
    apis: Vec<Api>,
    actors: Vec<Actor>,
    plan: Plan,
}

impl Simulation {
    /// An organisation. Attacks begin [`QUIET_DAYS`] after `start`, one in every [`ATTACK_INTERVAL`].
    pub fn new(seed: u64, start: Minute) -> Simulation {
        let apis = catalog::apis();
        let actors = world::actors(&apis);
        let first = start.seconds() + i64::from(QUIET_DAYS * DAY) * 60;
        Simulation { seed, apis, actors, plan: Plan { first, interval: ATTACK_INTERVAL } }
    }

    /// Sets when attacks happen: the first at this second (since the epoch), then one at a random moment of
    /// every `interval` (minutes, at least [`SHORTEST_INTERVAL`]).
    pub fn with_attacks(mut self, first: i64, interval: u32) -> Simulation {
        self.plan = Plan { first, interval: interval.max(SHORTEST_INTERVAL) };
        self
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Appends the records of one minute as NDJSON, in order of their seconds; returns how many.
    pub fn minute(&self, minute: Minute, out: &mut Vec<u8>) -> usize {
        self.seconds(minute, 0..60, out)
    }

    /// Appends the records of some seconds of a minute. The parts of a minute make up the whole.
    pub fn seconds(&self, minute: Minute, seconds: Range<u8>, out: &mut Vec<u8>) -> usize {
        let attacks = self.plan.between(self.seed, &self.apis, minute.seconds(), minute.seconds() + 60);
        let mut calls = self.routine(minute);
        for attack in &attacks {
            self.carry_out(attack, minute, &mut calls);
        }
        calls.retain(|call| seconds.contains(&call.second));
        calls.sort_by_key(|call| call.second);
        let stamp = Stamp::of(minute);
        for call in &calls {
            call.write(&stamp, out);
        }
        calls.len()
    }

    /// The attacks that are under way at some time in `[from, to)` (seconds since the epoch), in order of
    /// their start: the ground truth.
    pub fn attacks(&self, from: i64, to: i64) -> Vec<PlannedAttack> {
        self.plan.between(self.seed, &self.apis, from, to).into_iter().map(|attack| attack.plan).collect()
    }

    fn routine(&self, minute: Minute) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        for (number, actor) in (0u64..).zip(&self.actors) {
            let count = actor.rhythm.calls(self.seed, number, minute);
            for nth in 0..count {
                let mut dice = Dice::of(&[self.seed, number, u64::from(minute.0), nth]);
                let Some(api) = actor.palette.draw(&mut dice).and_then(|api| self.apis.get(api)) else { continue };
                let error = api.ordinary_error().filter(|(share, ..)| dice.chance(*share));
                calls.push(Call {
                    caller: &actor.caller,
                    api,
                    second: dice.below(60) as u8,
                    error: error.map(|(_, code, message)| (code, message)),
                    dice,
                });
            }
        }
        calls
    }

    fn carry_out<'a>(&'a self, attack: &'a Attack, minute: Minute, calls: &mut Vec<Call<'a>>) {
        for second in 0..60u8 {
            let at = minute.seconds() + i64::from(second);
            for nth in 0..attack.calls(self.seed, at) {
                let mut dice = Dice::of(&[self.seed, u64::MAX - attack.number, at as u64, nth]);
                let Some(api) = attack.palette.draw(&mut dice).and_then(|api| self.apis.get(api)) else { continue };
                let error = attack.error(api, &mut dice);
                calls.push(Call { caller: &attack.caller, api, second, error, dice });
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Anomalies that grow over hours and days.

use super::change::{label, within};
use super::host::Hosts;
use super::{Draft, Plan};
use crate::account::World;
use crate::calendar::{DAY, HOUR};
use crate::dice::Dice;
use crate::traffic::Series;

pub(super) fn ramp(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = hosts.calls(dice, |host| host.rate >= 0.3)?;
    let span = (plan.at, plan.at + dice.between(12, 48) * HOUR);
    grow(world, host.series, span, plan.of([1.3, 1.6, 2.0, 3.0]), dice);
    Some(label(world, plan, span, vec![host.series], Vec::new()))
}

pub(super) fn poisoning(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = hosts.calls(dice, |host| host.rate >= 0.03)?;
    let span = (plan.at, plan.at + 10 * DAY);
    grow(world, host.series, span, plan.of([1.5, 2.0, 4.0, 8.0]), dice);
    Some(label(world, plan, span, vec![host.series], Vec::new()))
}

/// Multiplies calls by a factor that grows linearly from 1 to `factor`.
fn grow(world: &mut World, series: Series, span: (i64, i64), factor: f64, dice: &mut Dice) {
    for row in within(world, series, span) {
        let share = (i64::from(row.minute) - span.0) as f64 / (span.1 - span.0) as f64;
        let extra = dice.poisson(f64::from(row.calls) * (factor - 1.0) * share);
        world.traffic.push(row.minute.into(), row.cell, extra);
    }
}

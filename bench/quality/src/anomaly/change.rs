//! Anomalies that change what is there for minutes to hours: outages, surges, shares of errors.

use super::host::{Host, Hosts, week_before};
use super::{Draft, Plan};
use crate::account::World;
use crate::calendar::DAY;
use crate::catalog::{CONFLICT, SUCCESS};
use crate::dice::Dice;
use crate::traffic::{Row, Series};

/// Chronic share of errors of a series that has none.
const USUAL_SHARE: f64 = 0.01;
/// Calls a minute from which a share of errors means something.
const OFTEN: f64 = 0.2;

/// What a truth of this plan looks like on the traffic as it is now.
pub(super) fn label(
    world: &World,
    plan: Plan,
    span: (i64, i64),
    series: Vec<Series>,
    companions: Vec<Series>,
) -> Draft {
    let minutes = world.traffic.minutes(series[0]);
    let (usual, _) = week_before(&minutes, span.0);
    let peak = minutes[span.0 as usize..span.1 as usize].iter().copied().max().unwrap_or_default();
    let Plan { kind, strength, principal, .. } = plan;
    Draft { kind, strength, start: span.0, end: span.1, principal, series, companions, usual, peak }
}

/// Rows of a series between two minutes.
pub(super) fn within(world: &World, series: Series, span: (i64, i64)) -> Vec<Row> {
    let during = |row: &&Row| (span.0..span.1).contains(&i64::from(row.minute)) && row.cell.counts_in(&series);
    world.traffic.rows().iter().filter(during).copied().collect()
}

/// Calls a minute at these minutes of the two days before: what an outage takes away.
fn expected(world: &World, series: Series, span: (i64, i64)) -> f64 {
    let minutes = world.traffic.minutes(series);
    let calls: u64 = (1..=2)
        .flat_map(|days| span.0 - days * DAY..span.1 - days * DAY)
        .map(|minute| u64::from(minutes[minute as usize]))
        .sum();
    calls as f64 / (2 * (span.1 - span.0)) as f64
}

pub(super) fn outage(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let span = (plan.at, plan.at + dice.between(30, 240));
    // Busy series are few: where there is one, every other account loses it altogether.
    let first = if dice.chance(0.4) { 4 } else { plan.strength };
    let (plan, host) = [first, plan.strength, 3].into_iter().find_map(|strength| {
        let plan = Plan { strength, ..plan };
        let (least, most) = plan.of([(0.3, f64::MAX), (0.3, f64::MAX), (0.3, 2.0), (2.0, f64::MAX)]);
        let within = |rate: f64| (least..most).contains(&rate);
        let fits = |host: &Host| within(host.rate) && within(expected(world, host.series, span));
        Some((plan, hosts.calls(dice, fits)?))
    })?;
    let left = plan.of([0.5, 0.2, 0.0, 0.0]);
    world.traffic.thin(
        |row| (span.0..span.1).contains(&i64::from(row.minute)) && row.cell.counts_in(&host.series),
        left,
        dice,
    );
    Some(label(world, plan, span, vec![host.series], Vec::new()))
}

pub(super) fn surge(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = with_errors(hosts, dice)?;
    let calls = Series { code: SUCCESS, ..host.series };
    let span = (plan.at, plan.at + dice.between(20, 120));
    let factor = plan.of([2.0, 3.0, 5.0, 10.0]);
    for row in within(world, calls, span) {
        let extra = dice.poisson(f64::from(row.calls) * (factor - 1.0));
        world.traffic.push(row.minute.into(), row.cell, extra);
    }
    Some(label(world, plan, span, vec![calls], vec![host.series]))
}

pub(super) fn error_ratio(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = with_errors(hosts, dice)?;
    let calls = Series { code: SUCCESS, ..host.series };
    let span = (plan.at, plan.at + dice.between(20, 120));
    let share = (hosts.rate(&host.series) / hosts.rate(&calls)).max(USUAL_SHARE);
    let share = (share * plan.of([5.0, 20.0, 5.0, 20.0])).min(0.9);
    let factor = plan.of([1.0, 1.0, 5.0, 5.0]);
    for row in within(world, calls, span).into_iter().filter(|row| row.cell.code == SUCCESS) {
        let extra = dice.poisson(f64::from(row.calls) * (factor - 1.0));
        world.traffic.push(row.minute.into(), row.cell, extra);
    }
    let during = |row: &Row| (span.0..span.1).contains(&i64::from(row.minute)) && row.cell.counts_in(&calls);
    world.traffic.fail(during, share, host.series.code, dice);
    Some(label(world, plan, span, vec![host.series], vec![calls]))
}

/// A series of errors of an API that is called often enough for its share to mean something; where the account has
/// none, errors that are new on an API that is.
fn with_errors(hosts: &mut Hosts, dice: &mut Dice) -> Option<Host> {
    if let Some(host) = hosts.chronic(dice, OFTEN, 0.2) {
        return Some(host);
    }
    let host = hosts.calls(dice, |host| host.rate >= OFTEN)?;
    Some(Host { series: Series { code: CONFLICT, ..host.series }, rate: 0.0 })
}

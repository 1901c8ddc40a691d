//! Anomalies that add calls for minutes.

use super::host::{Host, Hosts, week_before};
use super::{Draft, Plan};
use crate::account::World;
use crate::calendar::{DAY, LENGTH};
use crate::catalog::{Api, DENIED, MALFORMED, NO_ENTITY, SUCCESS, THROTTLED};
use crate::dice::Dice;
use crate::traffic::{Cell, Row, Series};

/// How often an API of a sweep is called once, twice, three or four times.
const CALLS: [f64; 4] = [0.7, 0.2, 0.07, 0.03];
/// Calls a minute of a series that happens: about ten a week.
const SELDOM: f64 = 0.001;
/// An obvious anomaly has at least this many times the calls of the largest minute of the week before it.
const DWARFS: u32 = 10;

/// Calls that an anomaly adds, while it is being made.
#[derive(Default)]
struct Added {
    rows: Vec<Row>,
}

impl Added {
    fn push(&mut self, minute: i64, cell: Cell, calls: u32) {
        if calls > 0 && (0..LENGTH).contains(&minute) {
            self.rows.push(Row { minute: minute as u32, cell, calls });
        }
    }

    /// Puts them into the traffic. An anomaly of no calls is none.
    fn finish(self, world: &mut World, plan: Plan, series: Vec<Series>, companions: Vec<Series>) -> Option<Draft> {
        let rows = self.rows;
        let start = rows.iter().map(|row| row.minute).min()?;
        let end = rows.iter().map(|row| row.minute).max()? + 1;
        let (usual, _) = week_before(&world.traffic.minutes(*series.first()?), i64::from(start));
        rows.iter().for_each(|row| world.traffic.push(i64::from(row.minute), row.cell, row.calls));
        let during = world.traffic.minutes(series[0]);
        let peak = during[start as usize..end as usize].iter().copied().max().unwrap_or_default();
        let Plan { kind, strength, principal, .. } = plan;
        Some(Draft { kind, strength, start: start.into(), end: end.into(), principal, series, companions, usual, peak })
    }
}

/// Calls a minute; where the anomaly is to be obvious, at least ten times the week's largest minute, and twice what the
/// account surprises with by itself.
fn dwarfing(world: &World, hosts: &Hosts, plan: Plan, series: Series, wanted: u32) -> u32 {
    if !plan.kind.obvious(plan.strength) {
        return wanted;
    }
    let (_, most) = week_before(&world.traffic.minutes(series), plan.at);
    wanted.max(DWARFS * most).max(2 * hosts.startling())
}

fn cell(plan: Plan, region: u8, api: Api) -> Cell {
    Cell { region, api, code: SUCCESS, principal: plan.principal, agent: 1 + (plan.principal % 4) as u8 }
}

/// A free API of those that the account has adopted.
fn any_api(
    world: &World,
    hosts: &mut Hosts,
    region: u8,
    dice: &mut Dice,
    wanted: impl Fn(&Hosts, Api) -> bool,
) -> Option<Api> {
    let apis: Vec<Api> = world.adopted().into_iter().filter(|api| wanted(hosts, *api)).collect();
    dice.sample(&apis, apis.len()).into_iter().find(|api| hosts.take(region, *api))
}

pub(super) fn denied(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let known = if dice.chance(0.8) {
        hosts.errors(dice, |host| host.series.code == DENIED && host.rate > SELDOM)
    } else {
        None
    };
    let (region, api) = match known {
        Some(host) => (host.series.region, host.series.api),
        None => (world.regions[0], any_api(world, hosts, world.regions[0], dice, |_, _| true)?),
    };
    let cell = cell(plan, region, api).with_code(DENIED);
    let rate = f64::from(dwarfing(world, hosts, plan, cell.series(), plan.of([3, 10, 30, 100])));
    let mut added = Added::default();
    for minute in 0..dice.between(10, 60) {
        added.push(plan.at + minute, cell, dice.poisson(rate));
    }
    added.finish(world, plan, vec![cell.series(), cell.calls()], Vec::new())
}

pub(super) fn enumeration(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let region = world.regions[0];
    let roles = Api::special("UpdateAssumeRolePolicy");
    // Half of them hide where the same errors are chronic.
    let chronic = |host: &Host| host.rate > SELDOM && host.series.code != THROTTLED && host.series.api.reads();
    let known = if dice.chance(0.6) { hosts.errors(dice, chronic) } else { None };
    let (region, api, code) = match known {
        Some(host) => (host.series.region, host.series.api, host.series.code),
        None if dice.chance(0.3) && hosts.take(region, roles) => (region, roles, MALFORMED),
        None => (region, any_api(world, hosts, region, dice, |_, api| api.reads())?, *dice.pick(&[NO_ENTITY, DENIED])),
    };
    let cell = cell(plan, region, api);
    let errors = cell.with_code(code);
    let rate = f64::from(dwarfing(world, hosts, plan, errors.series(), plan.of([3, 10, 40, 200])));
    let mut added = Added::default();
    for minute in 0..dice.between(5, 30) {
        added.push(plan.at + minute, errors, dice.poisson(rate * 0.85));
        added.push(plan.at + minute, cell, dice.poisson(rate * 0.15));
    }
    added.finish(world, plan, vec![errors.series(), cell.calls()], Vec::new())
}

pub(super) fn sweep(world: &mut World, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let region = world.regions[0];
    let (reads, writes): (Vec<Api>, Vec<Api>) = Api::all().partition(|api| api.reads());
    let count = plan.of([10, 30, 60, 120]);
    let mut apis = dice.sample(&reads, count * 7 / 10);
    apis.extend(dice.sample(&writes, count - count * 7 / 10));
    let mut added = Added::default();
    let mut series = Vec::new();
    for api in apis {
        let denied = dice.chance(0.4);
        let cell = cell(plan, region, api).with_code(if denied { DENIED } else { SUCCESS });
        let at = plan.at + dice.between(0, 9);
        added.push(at, cell, 1 + dice.weighted(&CALLS) as u32);
        series.push(cell.series());
        if denied {
            series.push(cell.calls());
        }
    }
    added.finish(world, plan, series, Vec::new())
}

pub(super) fn run_instances(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let region = *dice.pick(&[0, 1, 2, 3]);
    let cell = cell(plan, region, Api::special("RunInstances"));
    hosts.take(region, cell.api).then_some(())?;
    let length = dice.between(1, 5);
    let each = dwarfing(world, hosts, plan, cell.calls(), 1);
    burst_of(world, plan, cell, plan.of([10, 30, 100, 300]).max(each * length as u32), length)
}

/// So many calls within so many minutes, some of them in the first.
fn burst_of(world: &mut World, plan: Plan, cell: Cell, calls: u32, length: i64) -> Option<Draft> {
    let mut added = Added::default();
    let each = calls / length as u32;
    for minute in 0..length {
        let extra = if minute == 0 { calls - each * length as u32 } else { 0 };
        added.push(plan.at + minute, cell, each + extra);
    }
    added.finish(world, plan, vec![cell.calls()], Vec::new())
}

pub(super) fn mass_delete(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let deletes = |api: Api| api.name().starts_with("Delete");
    let known =
        if dice.chance(0.8) { hosts.calls(dice, |host| deletes(host.series.api) && host.rate > SELDOM) } else { None };
    let (region, api) = match known {
        Some(host) => (host.series.region, host.series.api),
        None => (world.regions[0], Api::special("DeleteSnapshot")),
    };
    hosts.take(region, api);
    let cell = cell(plan, region, api);
    let rate = f64::from(dwarfing(world, hosts, plan, cell.calls(), plan.of([1, 3, 10, 30])));
    let mut added = Added::default();
    for minute in 0..dice.between(30, 120) {
        added.push(plan.at + minute, cell, dice.poisson(rate));
    }
    added.finish(world, plan, vec![cell.calls()], Vec::new())
}

pub(super) fn throttling(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = hosts.calls(dice, |host| host.rate > 0.02)?;
    let cell = cell(plan, host.series.region, host.series.api).with_code(THROTTLED);
    let rate = f64::from(dwarfing(world, hosts, plan, cell.calls(), plan.of([2, 5, 20, 60])));
    let mut added = Added::default();
    let (length, beat) = (dice.between(10, 60), dice.between(2, 5));
    for minute in (0..length).filter(|minute| minute / beat % 2 == 0) {
        added.push(plan.at + minute, cell, dice.poisson(rate));
    }
    added.finish(world, plan, vec![cell.calls(), cell.series()], Vec::new())
}

pub(super) fn new_principal(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = hosts.calls(dice, |host| (0.0004..0.05).contains(&host.rate))?;
    let cell = cell(plan, host.series.region, host.series.api);
    burst_of(world, plan, cell, plan.of([2, 5, 10, 30]), dice.between(1, 2))
}

pub(super) fn first_use(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let region = world.regions[0];
    let api = any_api(world, hosts, region, dice, |hosts, api| !api.reads() && !hosts.knows(region, api))?;
    let length = if plan.strength == 1 { 1 } else { dice.between(1, 4) };
    let cell = cell(plan, region, api);
    let each = dwarfing(world, hosts, plan, cell.calls(), 1);
    burst_of(world, plan, cell, plan.of([1, 3, 10, 100]).max(each * length as u32), length)
}

pub(super) fn bursty_host(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = hosts.calls(dice, |host| (0.002..3.0).contains(&host.rate))?;
    let cell = cell(plan, host.series.region, host.series.api);
    let (_, most) = week_before(&world.traffic.minutes(host.series), plan.at);
    let each = (f64::from(most.max(2)) * plan.of([1.5, 3.0, 10.0, 30.0])).round() as u32;
    let each = dwarfing(world, hosts, plan, host.series, each);
    let length = dice.between(1, 3);
    burst_of(world, plan, cell, each * length as u32, length)
}

/// At the time of day at which a series is largest on most days.
pub(super) fn cron_hidden(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    let host = hosts.calls(dice, |host| (0.001..0.2).contains(&host.rate))?;
    let minutes = world.traffic.minutes(host.series);
    let day = plan.at / DAY;
    let of_day = |minute: i64| -> u32 { (day - 7..day).map(|day| minutes[(day * DAY + minute) as usize]).sum() };
    let at = (0..DAY).max_by_key(|minute| of_day(*minute))?;
    let usual = (f64::from(of_day(at)) / 7.0).max(2.0);
    let extra = (usual * (plan.of([1.3, 2.0, 4.0, 10.0]) - 1.0)).round().max(1.0) as u32;
    let cell = cell(plan, host.series.region, host.series.api);
    world.free(day * DAY + at - 60, day * DAY + at + 60).then_some(())?;
    burst_of(world, Plan { at: day * DAY + at, ..plan }, cell, extra, 1)
}

//! Benign changes: what happens in accounts that nobody attacks, and what naive detectors tell of every day.

use serde::{Deserialize, Serialize};

use crate::account::{Cast, World};
use crate::calendar::{DAY, HOUR, LENGTH, SCORED};
use crate::catalog::{Api, CODES, THROTTLED};
use crate::dice::Dice;
use crate::traffic::{Cell, Row, Series};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangeKind {
    /// A terraform run that sets up a service that was never used: many first bursts at once.
    NewService,
    /// A deploy of some forty APIs at once.
    Deploy,
    /// Builds that do ten times as much as usual for an hour.
    CiBurst,
    Holiday,
    /// Jobs by local time come an hour earlier or later.
    ChangeOfClock,
    /// A dependency fails: calls are tried again, so calls and errors rise together.
    RetryStorm,
    AutoscalingStorm,
    CronMoved,
    CronMissed,
    MonthEnd,
    Growth,
    /// A deploy after which a series is at another level for good.
    LevelShift,
    /// A job that was not there before.
    NewKey,
    /// The work of a Region is done in another one for some hours.
    RegionFailover,
    /// Records of the whole account were not delivered: rows are missing that should be there.
    DeliveryGap,
    /// A part of the calls of an API fails from now on, and nobody minds.
    ChronicError,
}

impl ChangeKind {
    pub(crate) const ALL: [ChangeKind; 16] = [
        ChangeKind::NewService,
        ChangeKind::Deploy,
        ChangeKind::CiBurst,
        ChangeKind::Holiday,
        ChangeKind::ChangeOfClock,
        ChangeKind::RetryStorm,
        ChangeKind::AutoscalingStorm,
        ChangeKind::CronMoved,
        ChangeKind::CronMissed,
        ChangeKind::MonthEnd,
        ChangeKind::Growth,
        ChangeKind::LevelShift,
        ChangeKind::NewKey,
        ChangeKind::RegionFailover,
        ChangeKind::DeliveryGap,
        ChangeKind::ChronicError,
    ];
}

/// How often a change comes in an account of five weeks, and what makes it happen.
type Happening = (f64, fn(&mut World, &mut Dice));

const HAPPENINGS: [Happening; 7] = [
    (0.22, new_service),
    (0.50, deploy),
    (0.30, ci_burst),
    (0.30, retry_storm),
    (0.45, level_shift),
    (0.30, chronic_error),
    (0.08, region_failover),
];
/// How often records of an account are lost.
const LOSS: f64 = 0.2;

/// Draws which changes happen. Quiet accounts change less: by as much as they do less.
pub(crate) fn happen(world: &mut World, cast: &Cast, dice: &mut Dice) {
    world.traffic.settle();
    for (rate, change) in HAPPENINGS {
        for _ in 0..dice.poisson(rate * cast.unrest).min(3) {
            change(world, &mut dice.fork("change"));
        }
    }
    if let Some((first, last)) = world.calendar.holidays.first().copied().zip(world.calendar.holidays.last().copied()) {
        world.note(ChangeKind::Holiday, first * DAY, (last + 1) * DAY, Vec::new());
    }
    if let Some(change) = world.calendar.change_of_clock().filter(|_| !world.local_jobs.is_empty()) {
        let jobs = world.local_jobs.clone();
        world.note(ChangeKind::ChangeOfClock, change, change + 8 * DAY, jobs);
    }
}

fn moment(world: &World, dice: &mut Dice) -> i64 {
    let day = dice.between(SCORED / DAY + 1, LENGTH / DAY - 2);
    world.calendar.local(day, dice.between(8 * HOUR, 19 * HOUR))
}

/// A run of many APIs at once, of `median` calls each.
fn sweep_over(world: &mut World, apis: Vec<Api>, median: f64, at: i64, dice: &mut Dice) -> Vec<Series> {
    let principal = world.role("terraform");
    let region = world.regions[0];
    let (size, length) = (dice.lognormal(1.0, 0.5), dice.between(3, 25));
    let mut touched = Vec::new();
    for api in apis {
        let cell = Cell { region, api, code: 0, principal, agent: 3 };
        let calls = (median * size * dice.lognormal(1.0, 0.7)).clamp(1.0, 500.0) as u32;
        world.traffic.scatter(at + dice.between(0, length), dice.between(1, 4), cell, calls, dice);
        touched.push(cell.calls());
    }
    touched
}

fn new_service(world: &mut World, dice: &mut Dice) {
    let foreign: Vec<usize> = (0..Api::services()).filter(|service| !world.services.contains(service)).collect();
    let apis: Vec<Api> =
        dice.sample(&foreign, 2).into_iter().flat_map(Api::of_service).filter(|api| !api.reads()).collect();
    let count = dice.lognormal(9.0, 0.7).clamp(3.0, 40.0) as usize;
    let (apis, at) = (dice.sample(&apis, count), moment(world, dice));
    let series = sweep_over(world, apis, 1.3, at, dice);
    world.note(ChangeKind::NewService, at, at + HOUR, series);
}

fn deploy(world: &mut World, dice: &mut Dice) {
    let apis: Vec<Api> = busy(world, 0.0).into_iter().map(|(series, _)| series.api).collect();
    let (apis, at) = (dice.sample(&apis, 40), moment(world, dice));
    let series = sweep_over(world, apis, 2.0, at, dice);
    world.note(ChangeKind::Deploy, at, at + HOUR, series);
}

fn ci_burst(world: &mut World, dice: &mut Dice) {
    let hosts: Vec<Series> = busy(world, 0.0).into_iter().map(|(series, _)| series).collect();
    let count = dice.between(1, 5) as usize;
    let at = moment(world, dice);
    let principal = world.role("release-train");
    let hit = dice.sample(&hosts, count);
    for series in &hit {
        let cell = Cell { region: series.region, api: series.api, code: 0, principal, agent: 4 };
        let calls = dice.lognormal(20.0, 1.2).clamp(2.0, 2000.0) as u32;
        world.traffic.scatter(at + dice.between(0, 20), dice.between(1, 30), cell, calls, dice);
    }
    world.note(ChangeKind::CiBurst, at, at + HOUR, hit);
}

fn retry_storm(world: &mut World, dice: &mut Dice) {
    let hosts = busy(world, 0.001);
    if hosts.is_empty() {
        return;
    }
    let series = dice.pick(&hosts).0;
    let at = moment(world, dice);
    let length = dice.between(3, 40);
    let principal = world.role("retrying-client");
    let cell = Cell { region: series.region, api: series.api, code: THROTTLED, principal, agent: 2 };
    let tries = dice.lognormal(8.0, 1.1).clamp(2.0, 800.0) as u32;
    world.traffic.scatter(at, length, cell, tries, dice);
    world.note(ChangeKind::RetryStorm, at, at + length, vec![cell.calls(), cell.series()]);
}

fn level_shift(world: &mut World, dice: &mut Dice) {
    let hosts = busy(world, 0.005);
    if hosts.is_empty() {
        return;
    }
    let series = dice.pick(&hosts).0;
    let at = moment(world, dice);
    let factor = libm::exp(dice.uniform(0.3, 1.4));
    if dice.chance(0.4) {
        world.traffic.thin(|row| row.cell.counts_in(&series) && i64::from(row.minute) >= at, 1.0 / factor, dice);
    } else {
        multiply(world, series, at, factor, dice);
    }
    world.note(ChangeKind::LevelShift, at, at + 3 * DAY, coded(series));
}

fn multiply(world: &mut World, series: Series, from: i64, factor: f64, dice: &mut Dice) {
    let more: Vec<Row> = world.traffic.rows().iter().filter(|row| row.cell.counts_in(&series)).copied().collect();
    for row in more.into_iter().filter(|row| i64::from(row.minute) >= from) {
        let extra = dice.poisson(f64::from(row.calls) * (factor - 1.0));
        world.traffic.push(i64::from(row.minute), row.cell, extra);
    }
}

fn chronic_error(world: &mut World, dice: &mut Dice) {
    let hosts = busy(world, 0.002);
    if hosts.is_empty() {
        return;
    }
    let series = dice.pick(&hosts).0;
    let (at, code, share) = (moment(world, dice), dice.between(3, 6) as u8, libm::pow(dice.unit(), 2.0) * 0.5);
    world.traffic.fail(|row| row.cell.counts_in(&series) && i64::from(row.minute) >= at, share, code, dice);
    world.note(ChangeKind::ChronicError, at, at + 3 * DAY, vec![Series { code, ..series }]);
}

fn region_failover(world: &mut World, dice: &mut Dice) {
    let at = moment(world, dice);
    let length = dice.between(HOUR, 5 * HOUR);
    let (from, to) = (world.regions[0], (world.regions[0] + 1) % 4);
    let during = |row: &Row| (at..at + length).contains(&i64::from(row.minute)) && row.cell.region == from;
    world.traffic.rewrite(during, |row| row.cell.region = to);
    world.note(ChangeKind::RegionFailover, at, at + length + HOUR, Vec::new());
}

/// Rows of the whole account that never came; nothing that is labelled as an anomaly is touched.
pub(crate) fn lose(world: &mut World, dice: &mut Dice) {
    if !dice.chance(LOSS) {
        return;
    }
    for _ in 0..20 {
        let (at, length) = (moment(world, dice), dice.between(20, 240));
        if world.free(at - HOUR, at + length + HOUR) {
            world.traffic.thin(|row| (at..at + length).contains(&i64::from(row.minute)), 0.0, dice);
            return world.note(ChangeKind::DeliveryGap, at, at + length + HOUR, Vec::new());
        }
    }
}

/// Series of calls with at least `rate` calls a minute, and that rate.
fn busy(world: &World, rate: f64) -> Vec<(Series, f64)> {
    crate::traffic::census(&world.traffic, |cell| !cell.api.reads())
        .into_iter()
        .map(|(series, calls)| (series, calls as f64 / LENGTH as f64))
        .filter(|(_, mean)| *mean >= rate)
        .collect()
}

/// A series of calls and those of its errors.
fn coded(series: Series) -> Vec<Series> {
    (0..CODES.len() as u8).map(|code| Series { code, ..series }).collect()
}

//! Which series an anomaly happens to.

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::{DAY, LENGTH, WEEK};
use crate::catalog::{Api, SUCCESS};
use crate::dice::Dice;
use crate::traffic::{Series, Traffic};

/// What a series of calls or errors usually does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Host {
    pub(super) series: Series,
    /// Calls a minute, over the whole table.
    pub(super) rate: f64,
}

/// The series of an account that no anomaly has been put on yet.
#[derive(Debug)]
pub(super) struct Hosts {
    rates: BTreeMap<Series, f64>,
    /// The most calls in a minute by which the account surprises without being attacked: ten times and more of what
    /// the series did in any minute of the week before.
    startling: u32,
    taken: BTreeSet<(u8, Api)>,
}

impl Hosts {
    pub(super) fn of(traffic: &Traffic) -> Hosts {
        let mut rates = BTreeMap::new();
        for row in traffic.rows() {
            let each = f64::from(row.calls) / LENGTH as f64;
            *rates.entry(row.cell.calls()).or_insert(0.0) += each;
            if row.cell.code != SUCCESS {
                *rates.entry(row.cell.series()).or_insert(0.0) += each;
            }
        }
        Hosts { rates, startling: startling(traffic), taken: BTreeSet::new() }
    }

    pub(super) fn startling(&self) -> u32 {
        self.startling
    }

    pub(super) fn rate(&self, series: &Series) -> f64 {
        self.rates.get(series).copied().unwrap_or_default()
    }

    /// Whether the account ever calls it.
    pub(super) fn knows(&self, region: u8, api: Api) -> bool {
        self.rates.contains_key(&Series { region, api, code: SUCCESS })
    }

    /// Whether it is now the anomaly's: no API of a Region carries two.
    pub(super) fn take(&mut self, region: u8, api: Api) -> bool {
        self.taken.insert((region, api))
    }

    fn free(&self, wanted: impl Fn(&Host) -> bool) -> Vec<Host> {
        let hosts = self.rates.iter().map(|(series, rate)| Host { series: *series, rate: *rate });
        hosts.filter(|host| !self.taken.contains(&(host.series.region, host.series.api)) && wanted(host)).collect()
    }

    /// One of the writing APIs' series of calls that is `wanted`, which is then taken.
    pub(super) fn calls(&mut self, dice: &mut Dice, wanted: impl Fn(&Host) -> bool) -> Option<Host> {
        let fit = self.free(|host| host.series.code == SUCCESS && !host.series.api.reads() && wanted(host));
        self.one_of(&fit, dice)
    }

    /// One of the series of errors that is `wanted`, which is then taken with its calls.
    pub(super) fn errors(&mut self, dice: &mut Dice, wanted: impl Fn(&Host) -> bool) -> Option<Host> {
        let fit = self.free(|host| host.series.code != SUCCESS && wanted(host));
        self.one_of(&fit, dice)
    }

    /// One of the series of errors of APIs with at least `often` calls a minute, of which at most `share` fail with it.
    pub(super) fn chronic(&mut self, dice: &mut Dice, often: f64, share: f64) -> Option<Host> {
        let calls = |host: &Host| self.rate(&Series { code: SUCCESS, ..host.series });
        let fit =
            self.free(|host| host.series.code != SUCCESS && calls(host) >= often && host.rate / calls(host) <= share);
        self.one_of(&fit, dice)
    }

    fn one_of(&mut self, fit: &[Host], dice: &mut Dice) -> Option<Host> {
        if fit.is_empty() {
            return None;
        }
        let host = *dice.pick(fit);
        self.take(host.series.region, host.series.api);
        Some(host)
    }
}

/// See [`Hosts::startling`]; to the day.
fn startling(traffic: &Traffic) -> u32 {
    let mut days: BTreeMap<Series, Vec<u32>> = BTreeMap::new();
    let mut minute: BTreeMap<Series, (u32, u32)> = BTreeMap::new();
    for row in traffic.rows() {
        for series in [row.cell.calls(), row.cell.series()] {
            let now = minute.entry(series).or_default();
            *now = (row.minute, row.calls + if now.0 == row.minute { now.1 } else { 0 });
            let most = &mut days.entry(series).or_insert_with(|| vec![0; (LENGTH / DAY) as usize])
                [row.minute as usize / DAY as usize];
            *most = (*most).max(now.1);
            // Calls without an error are in one series only.
            if row.cell.code == SUCCESS {
                break;
            }
        }
    }
    let surprises = |most: &Vec<u32>| {
        let week = |day: usize| most[day.saturating_sub(7)..day].iter().copied().max().unwrap_or_default();
        (7..most.len()).filter(|day| most[*day] >= 10 * week(*day)).map(|day| most[day]).max()
    };
    days.values().filter_map(surprises).max().unwrap_or_default()
}

/// What a series did in the week before a minute: calls a minute, and its largest minute.
pub(super) fn week_before(minutes: &[u32], at: i64) -> (f64, u32) {
    let week = &minutes[(at - WEEK).max(0) as usize..at.max(1) as usize];
    let total: u64 = week.iter().map(|calls| u64::from(*calls)).sum();
    (total as f64 / week.len() as f64, week.iter().copied().max().unwrap_or_default())
}

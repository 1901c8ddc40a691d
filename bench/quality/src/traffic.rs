//! The calls of one account: rows of a counts table while they are being made up.

use std::collections::BTreeMap;

use crate::calendar::LENGTH;
use crate::catalog::{Api, Code, SUCCESS};
use crate::dice::Dice;

/// Regions of an account, by place.
pub(crate) const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "ap-southeast-2", "eu-central-1"];

/// Kinds of programs, by place.
pub(crate) const AGENTS: [&str; 8] = [
    "AWS Internal",
    "aws-cli/2.15.30 Python/3.11.8",
    "Boto3/1.34.69 Botocore/1.34.69",
    "HashiCorp Terraform/1.7.5",
    "aws-sdk-go/1.50.20 (go1.22.1; linux; amd64)",
    "autoscaling.amazonaws.com",
    "console.amazonaws.com",
    "S3Scanner/2.4",
];

/// Who calls: a place in the list of an account's principals.
pub(crate) type Principal = u16;

/// What is judged: calls of an API in a Region, or errors of one code of it. `code` is [`SUCCESS`] for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Series {
    pub(crate) region: u8,
    pub(crate) api: Api,
    pub(crate) code: Code,
}

/// Everything about a row but how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell {
    pub(crate) region: u8,
    pub(crate) api: Api,
    pub(crate) code: Code,
    pub(crate) principal: Principal,
    pub(crate) agent: u8,
}

impl Cell {
    pub(crate) fn with_code(self, code: Code) -> Cell {
        Cell { code, ..self }
    }

    pub(crate) fn with_api(self, api: Api) -> Cell {
        Cell { api, ..self }
    }

    /// Whether a row counts in a series: calls count whatever came of them.
    pub(crate) fn counts_in(&self, series: &Series) -> bool {
        self.api == series.api && self.region == series.region && (series.code == SUCCESS || series.code == self.code)
    }

    /// The series of calls that a row counts in.
    pub(crate) fn calls(&self) -> Series {
        Series { region: self.region, api: self.api, code: SUCCESS }
    }

    /// The series of errors that it counts in; of calls where it is no error.
    pub(crate) fn series(&self) -> Series {
        Series { code: self.code, ..self.calls() }
    }
}

/// `calls` of a cell in a minute of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) minute: u32,
    pub(crate) cell: Cell,
    pub(crate) calls: u32,
}

/// All rows, in any order until [`Traffic::settle`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic {
    rows: Vec<Row>,
}

impl Traffic {
    /// Calls outside the table and none at all leave no trace.
    pub(crate) fn push(&mut self, minute: i64, cell: Cell, calls: u32) {
        if calls > 0 && (0..LENGTH).contains(&minute) {
            self.rows.push(Row { minute: minute as u32, cell, calls });
        }
    }

    /// `calls`, each at a random minute of `length` minutes from `from` on.
    pub(crate) fn scatter(&mut self, from: i64, length: i64, cell: Cell, calls: u32, dice: &mut Dice) {
        if calls <= 3 * length.max(1) as u32 {
            return (0..calls).for_each(|_| self.push(from + dice.between(0, length.max(1) - 1), cell, 1));
        }
        for minute in 0..length.max(1) {
            let left = length.max(1) - minute;
            let already: u32 = calls / length.max(1) as u32;
            let extra = u32::from(i64::from(calls % length.max(1) as u32) >= left);
            self.push(from + minute, cell, already + extra);
        }
    }

    /// Adds up rows of one cell and minute and orders them by time.
    pub(crate) fn settle(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup_by(|later, first| {
            let same = later.minute == first.minute && later.cell == first.cell;
            first.calls += if same { later.calls } else { 0 };
            same
        });
        self.rows.retain(|row| row.calls > 0);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Keeps each call of the rows that `which` names with `probability`.
    pub(crate) fn thin(&mut self, which: impl Fn(&Row) -> bool, probability: f64, dice: &mut Dice) {
        for row in self.rows.iter_mut().filter(|row| which(row)) {
            row.calls = dice.thinned(row.calls, probability);
        }
        self.rows.retain(|row| row.calls > 0);
    }

    /// Lets each successful call of the rows that `which` names fail with `probability`.
    pub(crate) fn fail(&mut self, which: impl Fn(&Row) -> bool, probability: f64, code: Code, dice: &mut Dice) {
        let mut failed = Vec::new();
        for row in self.rows.iter_mut().filter(|row| row.cell.code == SUCCESS && which(row)) {
            let calls = dice.thinned(row.calls, probability);
            row.calls -= calls;
            failed.push(Row { cell: row.cell.with_code(code), calls, ..*row });
        }
        self.rows.extend(failed);
        self.rows.retain(|row| row.calls > 0);
    }

    /// Changes the cells of the rows that `which` names.
    pub(crate) fn rewrite(&mut self, which: impl Fn(&Row) -> bool, change: impl Fn(&mut Row)) {
        self.rows.iter_mut().filter(|row| which(row)).for_each(change);
    }

    /// Calls of a series in each minute of the table.
    pub(crate) fn minutes(&self, series: Series) -> Vec<u32> {
        let mut minutes = vec![0; LENGTH as usize];
        for row in self.rows.iter().filter(|row| row.cell.counts_in(&series)) {
            minutes[row.minute as usize] += row.calls;
        }
        minutes
    }
}

/// Calls of every series of calls whose rows `which` names.
pub(crate) fn census(traffic: &Traffic, which: impl Fn(&Cell) -> bool) -> BTreeMap<Series, u64> {
    let mut totals = BTreeMap::new();
    for row in traffic.rows.iter().filter(|row| which(&row.cell)) {
        *totals.entry(row.cell.calls()).or_insert(0) += u64::from(row.calls);
    }
    totals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cell, Series, Traffic};
    use crate::catalog::{Api, DENIED, SUCCESS};
    use crate::dice::Dice;

    fn cell(code: u8) -> Cell {
        Cell { region: 0, api: Api(3), code, principal: 1, agent: 2 }
    }

    #[test]
    fn rows_of_one_cell_and_minute_add_up() {
        let mut traffic = Traffic::default();
        for (minute, calls) in [(5, 2), (4, 1), (5, 3), (-1, 9), (50_400, 9), (7, 0)] {
            traffic.push(minute, cell(SUCCESS), calls);
        }
        traffic.push(5, cell(DENIED), 1);
        traffic.settle();
        let seen: Vec<(u32, u8, u32)> =
            traffic.rows().iter().map(|row| (row.minute, row.cell.code, row.calls)).collect();
        assert_eq!(seen, [(4, SUCCESS, 1), (5, SUCCESS, 5), (5, DENIED, 1)]);
    }

    #[test]
    fn errors_are_calls_too() {
        let mut traffic = Traffic::default();
        traffic.push(9, cell(SUCCESS), 2);
        traffic.push(9, cell(DENIED), 3);
        let calls = Series { region: 0, api: Api(3), code: SUCCESS };
        assert_eq!(traffic.minutes(calls)[9], 5);
        assert_eq!(traffic.minutes(Series { code: DENIED, ..calls })[9], 3);
    }

    fn total(traffic: &Traffic) -> u64 {
        traffic.rows().iter().map(|row| u64::from(row.calls)).sum()
    }

    proptest! {
        #[test]
        fn scattering_loses_nothing(calls in 0_u32..5000, length in 0_i64..400, seed: u64) {
            let mut dice = Dice::named(&seed.to_string());
            let mut traffic = Traffic::default();
            traffic.scatter(100, length, cell(SUCCESS), calls, &mut dice);
            prop_assert_eq!(total(&traffic), u64::from(calls));
            let span = 100..100 + length.max(1);
            prop_assert!(traffic.rows().iter().all(|row| span.contains(&i64::from(row.minute))));
        }

        #[test]
        fn failing_changes_what_calls_are_and_not_how_many(
            rows in prop::collection::vec((0_i64..100, 1_u32..2000), 1..50), share in 0.0_f64..1.0, seed: u64,
        ) {
            let mut dice = Dice::named(&seed.to_string());
            let mut traffic = Traffic::default();
            for (minute, calls) in rows {
                traffic.push(minute, cell(SUCCESS), calls);
            }
            let before = total(&traffic);
            traffic.fail(|row| row.minute < 50, share, DENIED, &mut dice);
            traffic.settle();
            prop_assert_eq!(total(&traffic), before);
            prop_assert!(traffic.rows().iter().all(|row| row.cell.code == SUCCESS || row.minute < 50));
            let thinned = before - total(&{ traffic.thin(|_| true, 0.0, &mut dice); traffic });
            prop_assert_eq!(thinned, before);
        }
    }
}

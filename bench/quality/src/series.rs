//! The series of an account, minute by minute, for comparators that run in this process.

use std::collections::BTreeMap;

use crate::account::World;
use crate::calendar::LENGTH;
use crate::catalog::SUCCESS;
use crate::traffic::Series;

/// Every series that is judged (calls of writing APIs, errors of all), with its calls in each minute.
pub(crate) fn judged(world: &World) -> BTreeMap<Series, Vec<u32>> {
    let mut all: BTreeMap<Series, Vec<u32>> = BTreeMap::new();
    for row in world.traffic.rows() {
        let calls = (!row.cell.api.reads()).then(|| row.cell.calls());
        let errors = (row.cell.code != SUCCESS).then(|| row.cell.series());
        for series in calls.into_iter().chain(errors) {
            let minutes = all.entry(series).or_insert_with(|| vec![0; LENGTH as usize]);
            minutes[row.minute as usize] += row.calls;
        }
    }
    all
}

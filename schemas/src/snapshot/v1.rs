//! The layout of version 1, as far as it differs: before insights were folded.

use serde::Deserialize;

use super::{CellState, SourceClock};
use crate::entry::Class;

#[derive(Deserialize)]
pub(super) struct Part {
    applied: u64,
    settings: String,
    watermark: Vec<SourceClock>,
    open_from: Option<u32>,
    newest: Option<i64>,
    closed: Option<u32>,
    late: u64,
    evicted: u64,
    overflowed: u64,
    strings: Vec<Option<String>>,
    sweep_at: u64,
    accounts: Vec<AccountState>,
    series: Vec<Option<SeriesState>>,
    awake: Vec<u32>,
    cells: Vec<(u32, u32, CellState)>,
}

#[derive(Deserialize)]
struct AccountState {
    account: u32,
    since: u32,
    seen: u32,
    active_day: u32,
    active_by_day: [u32; 8],
    pools: [Vec<u8>; 2],
}

#[derive(Deserialize)]
struct SeriesState {
    key: [u32; 5],
    class: Class,
    packed: Vec<u8>,
    ledger: Vec<u8>,
    ended: u32,
    last_day: Option<u32>,
    incident: Option<IncidentState>,
}

#[derive(Deserialize)]
struct IncidentState {
    shared: u128,
    start: u32,
    level: u8,
    revision: u32,
    test: u8,
    figures: [f64; 3],
    baseline: CellState,
    settled: CellState,
    pending: Vec<(u32, CellState)>,
}

impl From<Part> for super::Part {
    fn from(part: Part) -> super::Part {
        super::Part {
            applied: part.applied,
            settings: part.settings,
            watermark: part.watermark,
            open_from: part.open_from,
            newest: part.newest,
            closed: part.closed,
            late: part.late,
            evicted: part.evicted,
            overflowed: part.overflowed,
            omitted: 0,
            strings: part.strings,
            sweep_at: part.sweep_at,
            accounts: part.accounts.into_iter().map(Into::into).collect(),
            series: part.series.into_iter().map(|series| series.map(Into::into)).collect(),
            awake: part.awake,
            cells: part.cells,
            exposed: Vec::new(),
            pulses: Vec::new(),
            fleet: Vec::new(),
            ended: Vec::new(),
        }
    }
}

impl From<AccountState> for super::AccountState {
    fn from(account: AccountState) -> super::AccountState {
        super::AccountState {
            account: account.account,
            since: account.since,
            seen: account.seen,
            active_day: account.active_day,
            active_by_day: account.active_by_day,
            pools: account.pools,
            ..super::AccountState::default()
        }
    }
}

impl From<SeriesState> for super::SeriesState {
    fn from(series: SeriesState) -> super::SeriesState {
        super::SeriesState {
            key: series.key,
            kind: u8::from(series.key[4] != 0),
            class: series.class,
            packed: series.packed,
            ledger: series.ledger,
            share: (0, [0.0; 5]),
            ended: series.ended,
            last_day: series.last_day,
            incident: series.incident.map(Into::into),
        }
    }
}

impl From<IncidentState> for super::IncidentState {
    fn from(incident: IncidentState) -> super::IncidentState {
        super::IncidentState {
            shared: incident.shared,
            start: incident.start,
            level: incident.level,
            revision: incident.revision,
            test: incident.test,
            figures: incident.figures,
            baseline: incident.baseline,
            settled: incident.settled,
            pending: incident.pending,
            leader: None,
            members: Vec::new(),
            members_omitted: 0,
            thresholds: [None; 3],
        }
    }
}

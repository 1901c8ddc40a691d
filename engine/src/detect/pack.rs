//! A partition of state to and from what a snapshot stores.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use trailsight_detectors::{Level, Series, Test};
use trailsight_schemas::insight::EndReason;
use trailsight_schemas::snapshot::{CellState, EndedState, IncidentState, SeriesState};
use uuid::Uuid;

pub use trailsight_schemas::snapshot::Part;

use super::cell::{Cell, Values};
use super::corrections::Ended;
use super::exposure::Share;
use super::incident::Incident;
use super::ledger::Ledger;
use super::partition::Partition;
use super::strings::Strings;
use super::tracked::{Cells, Key, Kind, Tracked};
use super::watermark::Watermark;
use super::{Detect, Rules, Settings, Slot, pack_account};

/// Why a stored partition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Something names a thing that is not there.
    #[error("a stored partition contradicts itself: {0}")]
    Inconsistent(&'static str),
    /// The parts are not those of one state.
    #[error("{found} stored partitions where {expected} belong together")]
    Incomplete {
        /// Partitions given.
        found: usize,
        /// Partitions of the state.
        expected: usize,
    },
}

const LEVELS: [Level; 3] = [Level::Low, Level::Medium, Level::High];

impl Detect {
    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.parts.len()
    }

    /// One partition, as it is now.
    pub fn part(&self, partition: usize) -> Option<Part> {
        let slot = self.parts.get(partition)?;
        let settings = serde_json::to_string(&self.rules.settings).unwrap_or_default();
        Some(pack(slot, settings))
    }

    /// State from stored partitions (`None`: none was stored, it starts empty and replays from the first
    /// entry). Settings are those of the partition that is furthest behind; `fallback` where none is stored.
    pub fn restore(parts: Vec<Option<Part>>, fallback: Settings) -> Result<Detect, PackError> {
        let oldest = parts.iter().flatten().min_by_key(|part| part.applied);
        let complete = parts.iter().all(Option::is_some);
        let settings = match oldest {
            Some(part) if complete => {
                serde_json::from_str(&part.settings).map_err(|_| PackError::Inconsistent("settings"))?
            }
            _ => fallback,
        };
        let expected = settings.partitions.max(1) as usize;
        if parts.len() != expected {
            return Err(PackError::Incomplete { found: parts.len(), expected });
        }
        let rules = Rules::new(settings);
        let parts = parts.into_iter().map(|part| match part {
            Some(part) => unpack(part, &rules),
            None => Ok(Slot { applied: 0, watermark: Watermark::default(), partition: Partition::new() }),
        });
        let parts = parts.collect::<Result<Vec<Slot>, PackError>>()?;
        Ok(Detect { rules, parts })
    }
}

fn pack(slot: &Slot, settings: String) -> Part {
    let partition = &slot.partition;
    let (strings, sweep_at) = partition.strings.to_parts();
    let (watermark, open_from, newest) = slot.watermark.to_parts();
    Part {
        applied: slot.applied,
        settings,
        watermark,
        open_from,
        newest,
        closed: partition.closed,
        late: partition.late,
        evicted: partition.evicted,
        overflowed: partition.overflowed,
        omitted: partition.omitted,
        strings,
        sweep_at,
        accounts: partition.accounts.iter().map(|(id, account)| pack_account::pack(*id, account)).collect(),
        series: partition.series.iter().map(|slot| slot.as_deref().map(pack_series)).collect(),
        awake: partition.all_awake().into_iter().collect(),
        cells: partition
            .cells
            .iter()
            .flat_map(|(minute, of_series)| of_series.iter().map(|(index, cell)| (*minute, *index, pack_cell(cell))))
            .collect(),
        exposed: partition
            .exposed
            .iter()
            .flat_map(|(minute, of_series)| of_series.iter().map(|(index, calls)| (*minute, *index, *calls)))
            .collect(),
        pulses: partition
            .pulses
            .iter()
            .map(|(source, calls)| (source.clone(), calls.iter().map(|(minute, calls)| (*minute, *calls)).collect()))
            .collect(),
        fleet: {
            let mut bytes = Vec::new();
            partition.fleet.pack(&mut bytes);
            bytes
        },
        ended: partition.corrections.iter().map(|(series, ended)| pack_ended(series, ended)).collect(),
    }
}

fn unpack(part: Part, rules: &Rules) -> Result<Slot, PackError> {
    let strings = Strings::from_parts(part.strings, part.sweep_at).ok_or(PackError::Inconsistent("strings"))?;
    let mut partition = Partition::new();
    let accounts = part.accounts.into_iter().map(|state| pack_account::unpack(state, &rules.settings, &strings));
    partition.accounts = accounts.collect::<Result<BTreeMap<_, _>, _>>()?;
    partition.index = HashMap::default();
    for (index, stored) in part.series.into_iter().enumerate() {
        let tracked = stored.map(|stored| unpack_series(stored, rules, &strings)).transpose()?;
        match &tracked {
            Some(tracked) => {
                if !partition.accounts.contains_key(&tracked.key.account) {
                    return Err(PackError::Inconsistent("a series without its account"));
                }
                if partition.index.insert(tracked.key, index as u32).is_some() {
                    return Err(PackError::Inconsistent("a series that is there twice"));
                }
            }
            None => {
                partition.free.insert(index as u32);
            }
        }
        partition.series.push(tracked.map(Box::new));
    }
    let known = |index: &u32| partition.series.get(*index as usize).is_some_and(Option::is_some);
    partition.of_accounts = partition.index.keys().filter(|key| !key.is_api()).count();
    for (index, tracked) in partition.series.iter().enumerate() {
        if let Some(tracked) = tracked.as_ref().filter(|tracked| tracked.key.is_error()) {
            partition.errors_of.entry(tracked.key.api()).or_default().push(index as u32);
        }
    }
    for (minute, index, calls) in part.exposed {
        partition.exposed.entry(minute).or_default().insert(index, calls);
    }
    partition.pulses = part.pulses.into_iter().map(|(source, calls)| (source, calls.into_iter().collect())).collect();
    partition.fleet = pack_account::tails(&part.fleet)?;
    partition.awake = part.awake.into_iter().filter(known).collect::<BTreeSet<u32>>();
    let mut cells = Cells::new();
    for (minute, index, cell) in part.cells {
        if !known(&index) {
            return Err(PackError::Inconsistent("a cell without its series"));
        }
        let cell = unpack_cell(cell);
        partition.held += cell.bytes();
        cells.entry(minute).or_default().insert(index, cell);
    }
    for ended in part.ended {
        if !known(&ended.series) {
            return Err(PackError::Inconsistent("an incident without its series"));
        }
        let (series, ended) = unpack_ended(ended)?;
        partition.corrections.put(series, ended);
    }
    partition.cells = cells;
    partition.strings = strings;
    (partition.closed, partition.late) = (part.closed, part.late);
    (partition.evicted, partition.overflowed, partition.omitted) = (part.evicted, part.overflowed, part.omitted);
    let watermark = Watermark::from_parts(part.watermark, part.open_from, part.newest);
    Ok(Slot { applied: part.applied, watermark, partition })
}

pub(super) fn level(stored: u8) -> Result<Level, PackError> {
    LEVELS.get(usize::from(stored)).copied().ok_or(PackError::Inconsistent("a level"))
}

fn pack_series(tracked: &Tracked) -> SeriesState {
    let mut packed = Vec::new();
    tracked.series.pack(&mut packed);
    SeriesState {
        key: tracked.key.ids(),
        kind: Kind::ALL.iter().position(|kind| *kind == tracked.key.kind).unwrap_or(0) as u8,
        class: tracked.key.class,
        packed,
        ledger: tracked.ledger.to_bytes(),
        share: (tracked.share.day, tracked.share.sums),
        last_day: tracked.last_day,
        ended: tracked.ended,
        incident: tracked.incident.as_deref().map(pack_incident),
    }
}

fn unpack_series(state: SeriesState, rules: &Rules, strings: &Strings) -> Result<Tracked, PackError> {
    let [account, region, source, name, code] = state.key;
    let kind = *Kind::ALL.get(usize::from(state.kind)).ok_or(PackError::Inconsistent("a kind"))?;
    let key = Key { kind, account, region, source, name, code, class: state.class };
    Ok(Tracked {
        key,
        series: Series::unpack(&state.packed).map_err(|_| PackError::Inconsistent("a series"))?,
        ledger: Ledger::from_bytes(state.ledger).ok_or(PackError::Inconsistent("a ledger"))?,
        share: unpack_share(state.share)?,
        incident: state.incident.map(unpack_incident).transpose()?.map(Box::new),
        last_day: state.last_day,
        ended: state.ended,
        unlearned_until: rules.unlearned_until(&key, strings),
    })
}

fn unpack_share((day, sums): (u32, [f64; 5])) -> Result<Share, PackError> {
    let sound = sums.iter().all(|sum| (0.0..=1e30).contains(sum));
    if sound { Ok(Share { day, sums }) } else { Err(PackError::Inconsistent("a share of errors")) }
}

fn pack_incident(incident: &Incident) -> IncidentState {
    IncidentState {
        shared: incident.shared.as_u128(),
        start: incident.start,
        level: incident.level as u8,
        revision: incident.revision,
        test: Test::ALL.iter().position(|test| *test == incident.test).unwrap_or(0) as u8,
        figures: [incident.expected, incident.observed, incident.chance_per_week],
        baseline: pack_cell(&incident.baseline),
        settled: pack_cell(&incident.settled),
        pending: incident.pending.iter().map(|(minute, cell)| (*minute, pack_cell(cell))).collect(),
        leader: incident.leader.map(|lead| lead.as_u128()),
        members: incident.members.clone(),
        members_omitted: incident.members_omitted,
        thresholds: incident.thresholds,
    }
}

fn unpack_incident(state: IncidentState) -> Result<Incident, PackError> {
    let [expected, observed, chance_per_week] = state.figures;
    Ok(Incident {
        shared: Uuid::from_u128(state.shared),
        start: state.start,
        level: level(state.level)?,
        revision: state.revision,
        test: *Test::ALL.get(usize::from(state.test)).ok_or(PackError::Inconsistent("a test"))?,
        expected,
        observed,
        chance_per_week,
        baseline: unpack_cell(state.baseline),
        settled: unpack_cell(state.settled),
        pending: state.pending.into_iter().map(|(minute, cell)| (minute, unpack_cell(cell))).collect(),
        leader: state.leader.map(Uuid::from_u128),
        members: state.members,
        members_omitted: state.members_omitted,
        thresholds: state.thresholds,
    })
}

/// A reason's place here is its code in what is stored.
const REASONS: [EndReason; 3] = [EndReason::Returned, EndReason::Accepted, EndReason::Superseded];

fn pack_ended(series: u32, ended: &Ended) -> EndedState {
    EndedState {
        series,
        end: ended.end,
        reason: REASONS.iter().position(|reason| *reason == ended.reason).unwrap_or(0) as u8,
        until: ended.until,
        due: ended.due,
        incident: pack_incident(&ended.incident),
    }
}

fn unpack_ended(state: EndedState) -> Result<(u32, Ended), PackError> {
    let reason = *REASONS.get(usize::from(state.reason)).ok_or(PackError::Inconsistent("a reason"))?;
    let incident = Box::new(unpack_incident(state.incident)?);
    if state.end <= incident.start {
        return Err(PackError::Inconsistent("an incident that ended before it began"));
    }
    Ok((state.series, Ended { incident, end: state.end, reason, until: state.until, due: state.due }))
}

fn pack_cell(cell: &Cell) -> CellState {
    CellState { calls: cell.calls, values: [0, 1, 2].map(|at: usize| cell.values[at].pairs()) }
}

fn unpack_cell(state: CellState) -> Cell {
    Cell { calls: state.calls, values: state.values.map(Values::from_pairs) }
}

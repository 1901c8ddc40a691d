//! The insight history, as readers see it: the HTTP API, and `trailsight insights` in a process of its own.
//!
//! A reader has a connection of its own that cannot write. It sees what is committed, also while the service runs,
//! and never makes it wait.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};
use trailsight_schemas::entry::Outcomes;
use trailsight_schemas::insight::{InsightType, Sensitivity, State};
use uuid::Uuid;

use super::local::{self, sensitivities_to, state_of};
use super::store::{self, unsigned};
use super::{JournalError, Seq};

/// Incidents that one answer holds, at most.
pub const PAGE_MOST: usize = 1000;

/// Which incidents are asked for. Everything given must match; text is compared whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `eventTime` of the Start at or after this, seconds since the epoch.
    pub since: Option<i64>,
    /// `eventTime` of the Start before this, seconds since the epoch.
    pub until: Option<i64>,
    /// `recipientAccountId`.
    pub account: Option<String>,
    /// `awsRegion`.
    pub region: Option<String>,
    /// `eventSource`.
    pub source: Option<String>,
    /// `eventName`.
    pub name: Option<String>,
    /// `insightType`.
    pub kind: Option<InsightType>,
    /// The loosest level wanted: `Medium` means low and medium.
    pub sensitivity: Option<Sensitivity>,
    /// Open or ended.
    pub state: Option<IncidentState>,
}

/// Whether an incident has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// It has a Start and no End.
    Open,
    /// It has an End.
    Ended,
}

/// One incident: what is said of it now, and what was said before.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// `sharedEventID`.
    pub shared_event_id: Uuid,
    /// Event time of the Start, seconds since the epoch.
    pub started: i64,
    /// Event time of the End.
    pub ended: Option<i64>,
    /// The Start of the highest revision.
    pub start: Option<Record>,
    /// The End of the highest revision.
    pub end: Option<Record>,
    /// Every other record, in the order in which they were found.
    pub revisions: Vec<Record>,
}

/// One record of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// `eventID`.
    pub event_id: Uuid,
    /// Start or End.
    pub state: State,
    /// `trailsight.revision`.
    pub revision: u32,
    /// The mute that kept it from people.
    pub muted_by: Option<String>,
    /// The full form, on one line.
    pub json: String,
}

/// One delivery of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Name of the sink.
    pub sink: String,
    /// `eventID` of the record.
    pub event_id: String,
    /// `pending`, `delivered` or `dead`.
    pub status: String,
    /// Deliveries tried.
    pub attempts: u32,
    /// When it was committed, milliseconds since the epoch.
    pub created_ms: i64,
    /// When it was delivered or given up.
    pub closed_ms: Option<i64>,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
}

/// Where the journal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Oldest entry kept; `last + 1` where none is.
    pub first: Seq,
    /// Newest entry.
    pub last: Seq,
    /// When the data directory was created, milliseconds since the epoch.
    pub created_ms: Option<i64>,
    /// Bytes of the database that hold something.
    pub bytes: u64,
}

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The cursor is not one that an earlier answer gave.
    #[error("the cursor is not one that was given out here")]
    Cursor,
    /// The store did not answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> QueryError {
        QueryError::Journal(error.into())
    }
}

/// A reader of the history of one data directory.
pub struct History(Mutex<Connection>);

impl History {
    /// Opens beside whoever writes. Takes no lock.
    pub fn open_read_only(data_directory: &Path) -> Result<History, JournalError> {
        let connection = store::open_read_only(&data_directory.join(local::FILE), &local::FORMAT)?;
        Ok(History(Mutex::new(connection)))
    }

    /// Up to `limit` (at most [`PAGE_MOST`]) incidents, the newest Start first, and the cursor at which the next page
    /// begins, where there is one. Incidents that start between two calls move no page.
    pub fn insights(
        &self,
        filter: &Filter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<Incident>, Option<String>), QueryError> {
        let limit = limit.clamp(1, PAGE_MOST);
        let (sql, values) = select(filter, cursor.map(place_of).transpose()?, limit);
        let connection = self.held();
        // One transaction, so that a page is of one moment.
        let _moment = connection.unchecked_transaction()?;
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values), bare)?;
        let mut incidents = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let more = incidents.len() > limit;
        incidents.truncate(limit);
        for incident in &mut incidents {
            add_records(&connection, incident)?;
        }
        let next = incidents.last().filter(|_| more).map(cursor_at);
        Ok((incidents, next))
    }

    /// One incident.
    pub fn insight(&self, shared_event_id: &Uuid) -> Result<Option<Incident>, QueryError> {
        let connection = self.held();
        let _moment = connection.unchecked_transaction()?;
        let sql = format!("{COLUMNS} WHERE shared_event_id = ?1");
        let found = connection.prepare_cached(&sql)?.query_row([shared_event_id.to_string()], bare).optional()?;
        let Some(mut incident) = found else { return Ok(None) };
        add_records(&connection, &mut incident)?;
        Ok(Some(incident))
    }

    /// Where the records of an incident were sent, and what became of it.
    pub fn deliveries(&self, shared_event_id: &Uuid) -> Result<Vec<Delivery>, QueryError> {
        let connection = self.held();
        let mut statement = connection.prepare_cached(
            "SELECT sink, event_id, status, attempts, created, closed, last_error FROM outbox
             WHERE shared_event_id = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([shared_event_id.to_string()], |row| {
            Ok(Delivery {
                sink: row.get(0)?,
                event_id: row.get(1)?,
                status: row.get(2)?,
                attempts: row.get(3)?,
                created_ms: row.get(4)?,
                closed_ms: row.get(5)?,
                last_error: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Record totals by source since the data directory was created.
    pub fn totals(&self) -> Result<BTreeMap<String, Outcomes>, JournalError> {
        local::totals(&self.held())
    }

    /// Where the journal stands.
    pub fn standing(&self) -> Result<Standing, JournalError> {
        let connection = self.held();
        let bytes = store::used_bytes(&connection)?;
        let sql = "SELECT ifnull((SELECT value FROM meta WHERE key = 'dropped'), 0),
            (SELECT min(seq) FROM entries), (SELECT max(seq) FROM entries),
            (SELECT value FROM meta WHERE key = 'created')";
        Ok(connection.query_row(sql, [], |row| {
            let dropped: u64 = unsigned(row.get(0)?);
            let first = row.get::<_, Option<i64>>(1)?.map_or(dropped.saturating_add(1), unsigned);
            let last = row.get::<_, Option<i64>>(2)?.map_or(dropped, unsigned);
            Ok(Standing { first, last, created_ms: row.get(3)?, bytes })
        })?)
    }

    fn held(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const COLUMNS: &str = "SELECT shared_event_id, started, ended FROM incidents";

/// The statement depends on which filters are set, never on their values. One row more than the limit tells whether
/// there is a next page.
fn select(filter: &Filter, after: Option<(i64, Uuid)>, limit: usize) -> (String, Vec<Value>) {
    let (mut sql, mut values) = (format!("{COLUMNS} WHERE 1"), Vec::new());
    let mut and = |condition: &str, with: Vec<Value>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(with);
    };
    let kind = filter.kind.map(|kind| kind.as_str().to_owned());
    let equal = [
        ("account = ?", &filter.account),
        ("region = ?", &filter.region),
        ("source = ?", &filter.source),
        ("name = ?", &filter.name),
        ("type = ?", &kind),
    ];
    for (condition, value) in equal {
        if let Some(value) = value {
            and(condition, vec![Value::Text(value.clone())]);
        }
    }
    for (condition, value) in [("started >= ?", filter.since), ("started < ?", filter.until)] {
        if let Some(value) = value {
            and(condition, vec![Value::Integer(value)]);
        }
    }
    if let Some(loosest) = filter.sensitivity {
        let levels = sensitivities_to(loosest).map(|level| Value::Text(level.into())).to_vec();
        and("sensitivity IN (?, ?, ?)", levels);
    }
    match filter.state {
        Some(IncidentState::Open) => and("ended IS NULL", vec![]),
        Some(IncidentState::Ended) => and("ended IS NOT NULL", vec![]),
        None => {}
    }
    if let Some((started, incident)) = after {
        and("(started, shared_event_id) < (?, ?)", vec![Value::Integer(started), Value::Text(incident.to_string())]);
    }
    and(
        "1 ORDER BY started DESC, shared_event_id DESC LIMIT ?",
        vec![Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))],
    );
    (sql, values)
}

fn uuid(row: &Row<'_>, at: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(at)?;
    Uuid::parse_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, error.into()))
}

fn bare(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let (shared_event_id, started, ended) = (uuid(row, 0)?, row.get(1)?, row.get(2)?);
    Ok(Incident { shared_event_id, started, ended, start: None, end: None, revisions: Vec::new() })
}

fn add_records(connection: &Connection, incident: &mut Incident) -> Result<(), JournalError> {
    let sql = "SELECT event_id, state, revision, muted_by, json FROM insights WHERE shared_event_id = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([incident.shared_event_id.to_string()])?;
    let mut superseded = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get_ref(0)?.as_str().unwrap_or_default().to_owned();
        let state = state_of(row.get_ref(1)?.as_str().unwrap_or_default())
            .ok_or_else(|| JournalError::Damaged(format!("insight {id} is neither Start nor End")))?;
        let (revision, muted_by, json) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let record = Record { event_id: uuid(row, 0)?, state, revision, muted_by, json };
        let place = if state == State::Start { &mut incident.start } else { &mut incident.end };
        if place.as_ref().is_none_or(|held| held.revision <= record.revision) {
            superseded.extend(place.replace(record));
        } else {
            superseded.push(record);
        }
    }
    incident.revisions = superseded;
    Ok(())
}

/// A place in the order of the list, so that what is added or forgotten between two pages does not shift them.
fn cursor_at(incident: &Incident) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", incident.started, incident.shared_event_id))
}

fn place_of(cursor: &str) -> Result<(i64, Uuid), QueryError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| QueryError::Cursor)?;
    let text = String::from_utf8(bytes).map_err(|_| QueryError::Cursor)?;
    let (started, incident) = text.split_once(':').ok_or(QueryError::Cursor)?;
    match (started.parse(), Uuid::parse_str(incident)) {
        (Ok(started), Ok(incident)) => Ok((started, incident)),
        _ => Err(QueryError::Cursor),
    }
}

#[cfg(test)]
mod tests;

//! What followed from the entries: history, outbox rows and the position they reach.

use rusqlite::Connection;
use trailsight_schemas::insight::{InsightEvent, InsightFormat, State};

use super::set_position;
use crate::journal::{Addressed, JournalError, Outputs};

/// Writes outputs. Returns how many outbox rows were written. A record whose id is in the history is a repeat: neither
/// it nor its deliveries are written again.
pub(super) fn commit(connection: &Connection, outputs: &Outputs, now: i64) -> Result<usize, JournalError> {
    let mut rows = 0;
    for addressed in &outputs.insights {
        let event = &addressed.detected.event;
        write_incident(connection, event, now)?;
        if write_insight(connection, addressed)? {
            write_rows(connection, addressed, now)?;
            rows += addressed.sinks.len();
        }
    }
    set_position(connection, "committed", outputs.through)?;
    Ok(rows)
}

/// `started` is the Start's time, or the End's where no Start is known; `sensitivity` only gets stricter, and the
/// words' order by strictness is not their alphabetical one.
fn write_incident(connection: &Connection, event: &InsightEvent, now: i64) -> Result<(), JournalError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO incidents VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT(shared_event_id) DO UPDATE SET
            started = min(started, excluded.started),
            ended = ifnull(excluded.ended, ended),
            recorded = excluded.recorded,
            sensitivity = CASE
                WHEN 'low' IN (sensitivity, excluded.sensitivity) THEN 'low'
                WHEN 'medium' IN (sensitivity, excluded.sensitivity) THEN 'medium'
                ELSE ifnull(sensitivity, excluded.sensitivity) END",
    )?;
    let details = &event.details;
    statement.execute((
        event.shared_event_id.to_string(),
        event.event_time,
        (details.state == State::End).then_some(event.event_time),
        &event.recipient_account_id,
        &event.aws_region,
        &details.event_source,
        &details.event_name,
        details.insight_type.as_str(),
        &details.error_code,
        event.trailsight.as_ref().map(|ours| ours.sensitivity.as_str()),
        event.trailsight.as_ref().map(|ours| ours.direction.as_str()),
        now,
    ))?;
    Ok(())
}

fn write_insight(connection: &Connection, addressed: &Addressed) -> Result<bool, JournalError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO insights(event_id, shared_event_id, state, event_time, account, region, source, name, type,
            error_code, sensitivity, direction, test, detected_at, revision, muted_by, json)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         ON CONFLICT(event_id) DO NOTHING",
    )?;
    let event = &addressed.detected.event;
    let (details, ours) = (&event.details, event.trailsight.as_ref());
    let written = statement.execute(rusqlite::params![
        event.event_id.to_string(),
        event.shared_event_id.to_string(),
        details.state.as_str(),
        event.event_time,
        event.recipient_account_id,
        event.aws_region,
        details.event_source,
        details.event_name,
        details.insight_type.as_str(),
        details.error_code,
        ours.map(|ours| ours.sensitivity.as_str()),
        ours.map(|ours| ours.direction.as_str()),
        ours.map(|ours| ours.test.as_str()),
        ours.map(|ours| ours.detected_at),
        ours.map_or(0, |ours| ours.revision),
        addressed.muted_by,
        event.to_json(InsightFormat::Full),
    ])?;
    Ok(written > 0)
}

fn write_rows(connection: &Connection, addressed: &Addressed, now: i64) -> Result<(), JournalError> {
    let event = &addressed.detected.event;
    let mut statement = connection.prepare_cached(
        "INSERT INTO outbox(sink, shared_event_id, event_id, state, created, due) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for sink in &addressed.sinks {
        let (incident, record) = (event.shared_event_id.to_string(), event.event_id.to_string());
        let due = addressed.not_before.get(sink).map_or(now, |until| now.max(*until));
        statement.execute((sink, incident, record, event.details.state.as_str(), now, due))?;
    }
    Ok(())
}

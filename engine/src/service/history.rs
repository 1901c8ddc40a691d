//! The insight history of a data directory in the form that HTTP and `insights` ask for it. It reads beside
//! whoever writes and takes no lock.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::value::RawValue;
use trailsight_schemas::insight::{InsightEvent, State};
use trailsight_schemas::time::{Minute, format_rfc3339};
use uuid::Uuid;

use crate::config::Config;
use crate::explain::explain;
use crate::http::{Delivery, Filter, IncidentView, Insight, InsightReader, MinuteCount, Page, QueryError};
use crate::journal::JournalError;
use crate::journal::history::{self, Incident, Record};
use crate::journal::minutes::{MinuteReader, Period, Point};

/// Minutes shown before and after an incident.
const AROUND: i64 = 60;
/// Most minutes of one picture.
const MOST_MINUTES: i64 = 1440;

/// A reader of the history.
pub struct History {
    insights: history::History,
    data_dir: PathBuf,
    /// What the configuration calls accounts, by id.
    aliases: BTreeMap<String, String>,
}

impl History {
    /// Opens what is there in the data directory.
    pub fn open(config: &Config) -> Result<History, JournalError> {
        let insights = history::History::open_read_only(&config.data_dir)?;
        let aliases = config.accounts.iter().filter_map(|(id, account)| Some((id.clone(), account.alias.clone()?)));
        Ok(History { insights, data_dir: config.data_dir.clone(), aliases: aliases.collect() })
    }

    fn insight(&self, incident: &Incident) -> Result<Insight, QueryError> {
        let newest = incident.end.as_ref().or(incident.start.as_ref());
        Ok(Insight {
            shared_event_id: incident.shared_event_id,
            start: incident.start.as_ref().map(raw).transpose()?,
            end: incident.end.as_ref().map(raw).transpose()?,
            revision: newest.map_or(0, |record| record.revision),
            muted_by: newest.and_then(|record| record.muted_by.clone()),
            alias: newest.and_then(|record| self.aliases.get(&account_of(record)?).cloned()),
        })
    }

    /// Observed calls of a series, by its path; nothing where there is no minute history.
    pub(super) fn minutes(
        &self,
        path: &str,
        since: Minute,
        until: Minute,
        period: Period,
    ) -> Result<Vec<Point>, QueryError> {
        // Opened each time: a history that was damaged is replaced while this one runs. Insights can be read without it.
        let Ok(reader) = MinuteReader::open_read_only(&self.data_dir) else { return Ok(Vec::new()) };
        reader.minutes(path, since, until, period).map_err(|error| QueryError::Store(error.to_string()))
    }

    fn picture(&self, incident: &Incident) -> Vec<MinuteCount> {
        let Some(event) = incident.start.as_ref().and_then(|start| InsightEvent::parse(start.json.as_bytes()).ok())
        else {
            return Vec::new();
        };
        let Some(ours) = event.trailsight else { return Vec::new() };
        let since = incident.started - AROUND * 60;
        let until =
            incident.ended.unwrap_or(incident.started).saturating_add(AROUND * 60).min(since + MOST_MINUTES * 60);
        let [since, until] = [since, until].map(|at| Minute::of_seconds(at).unwrap_or_default());
        let points = self.minutes(&ours.series, since, until, Period::Minute).unwrap_or_default();
        points
            .into_iter()
            .map(|point| MinuteCount { minute: format_rfc3339(point.minute.seconds()), calls: point.calls })
            .collect()
    }
}

impl InsightReader for History {
    fn insights(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, QueryError> {
        let (incidents, next) = self.insights.insights(filter, limit, cursor).map_err(failed)?;
        Ok(Page { insights: incidents.iter().map(|incident| self.insight(incident)).collect::<Result<_, _>>()?, next })
    }

    fn insight(&self, shared_event_id: &Uuid) -> Result<Option<IncidentView>, QueryError> {
        let Some(incident) = self.insights.insight(shared_event_id).map_err(failed)? else { return Ok(None) };
        let deliveries = self.insights.deliveries(shared_event_id).map_err(failed)?;
        let mut records: Vec<&Record> = incident.revisions.iter().chain(&incident.start).chain(&incident.end).collect();
        records.sort_by_key(|record| (record.state == State::End, record.revision));
        Ok(Some(IncidentView {
            insight: self.insight(&incident)?,
            explanation: explanation(&incident),
            records: records.into_iter().map(raw).collect::<Result<_, _>>()?,
            minutes: self.picture(&incident),
            deliveries: deliveries.into_iter().filter_map(delivery).collect(),
        }))
    }
}

fn account_of(record: &Record) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Of {
        #[serde(rename = "recipientAccountId")]
        account: String,
    }
    serde_json::from_str::<Of>(&record.json).ok().map(|of| of.account)
}

/// Of the newest Start, then of the End.
fn explanation(incident: &Incident) -> Vec<String> {
    let records = [&incident.start, &incident.end].into_iter().flatten();
    let events = records.filter_map(|record| InsightEvent::parse(record.json.as_bytes()).ok());
    let mut said: Vec<String> = events.flat_map(|event| explain(&event)).collect();
    let revisions = [&incident.start, &incident.end].map(|record| record.as_ref().map(|record| record.revision));
    if let [Some(start), Some(end)] = revisions
        && end > start
    {
        said.push("Records that came after its End was told have corrected these figures.".to_owned());
    }
    said
}

fn raw(record: &Record) -> Result<Box<RawValue>, QueryError> {
    RawValue::from_string(record.json.clone()).map_err(|error| QueryError::Store(error.to_string()))
}

fn delivery(delivery: history::Delivery) -> Option<Delivery> {
    Some(Delivery {
        sink: delivery.sink,
        event_id: delivery.event_id.parse().ok()?,
        state: match delivery.status.as_str() {
            "delivered" => "delivered",
            "dead" => "dead_letter",
            _ => "pending",
        },
        attempts: delivery.attempts,
        last_error: delivery.last_error,
    })
}

fn failed(error: history::QueryError) -> QueryError {
    match error {
        history::QueryError::Cursor => QueryError::Cursor,
        history::QueryError::Journal(error) => QueryError::Store(error.to_string()),
    }
}

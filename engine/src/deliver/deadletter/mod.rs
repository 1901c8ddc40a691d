//! What could not be read, and what could not be delivered: two bounded files in the data directory.
//!
//! `dead-letter/records.ndjson` holds rejected records with position, reason and a bounded excerpt;
//! `dead-letter/insights.ndjson` holds insights that a sink did not take, with sink and reason, whole. The same lines
//! can go to a Kafka topic too ([`Post`]).

mod rotating;
mod topic;

use std::path::Path;

use serde::Serialize;
use serde::de::IgnoredAny;

use super::outbox::Row;
use crate::ingest::Reject;
use rotating::Rotating;
pub use rotating::{Counts, DeadLetterError, MIN_LIMIT};
use topic::Letter;
pub use topic::{HELD_BYTES, Post, Posted, Postmaster};

/// Both files; shared by sources and delivery workers.
#[derive(Debug)]
pub struct DeadLetters {
    records: Rotating,
    insights: Rotating,
    post: Option<Post>,
}

#[derive(Serialize)]
struct RecordLine<'a> {
    source: &'a str,
    path: &'a str,
    offset: u64,
    reason: &'a str,
    excerpt: &'a str,
}

#[derive(Serialize)]
struct InsightLine<'a> {
    at: String,
    sink: &'a str,
    reason: &'a str,
    attempts: u32,
    event_id: String,
    shared_event_id: String,
    state: &'a str,
}

impl DeadLetters {
    /// The files `dead-letter/*.ndjson` in a data directory, made when they are first needed. Each of the two
    /// takes at most `limit` bytes (at least [`MIN_LIMIT`]) together with the one older file that rotation keeps.
    pub fn open(data_dir: &Path, limit: u64) -> DeadLetters {
        let directory = data_dir.join("dead-letter");
        DeadLetters {
            records: Rotating::open(&directory, "records", limit),
            insights: Rotating::open(&directory, "insights", limit),
            post: None,
        }
    }

    /// A copy of everything goes this way too.
    pub fn with_post(self, post: Option<Post>) -> DeadLetters {
        DeadLetters { post, ..self }
    }

    /// Ends the way to the topic, if there is one.
    pub fn close(&self) {
        if let Some(post) = &self.post {
            post.close();
        }
    }

    fn copy(&self, key: &str, headers: Vec<(&'static str, String)>, value: &[u8]) {
        if let Some(post) = &self.post {
            post.send(Letter { key: key.to_owned(), headers, value: value.to_vec() });
        }
    }

    /// Adds a rejected record. It is on disk after [`DeadLetters::sync`].
    pub fn record(&self, reject: &Reject) -> Result<(), DeadLetterError> {
        let line = RecordLine {
            source: &reject.source,
            path: &reject.path,
            offset: reject.offset,
            reason: reject.reason,
            excerpt: &reject.excerpt,
        };
        let line = encode(&line)?;
        let headers = vec![
            ("kind", "record".to_owned()),
            ("source", reject.source.clone()),
            ("position", format!("{}:{}", reject.path, reject.offset)),
            ("reason", reject.reason.to_owned()),
        ];
        self.copy(&reject.source, headers, &line);
        self.records.append(&line)
    }

    /// Puts every rejected record so far on disk; called before the source is acknowledged.
    pub fn sync(&self) -> Result<(), DeadLetterError> {
        self.records.sync()
    }

    /// Adds an insight that a sink did not take; it is on disk when this returns. An insight that no file of this
    /// size can hold, or that is not JSON, is left out of its line.
    pub fn insight(&self, row: &Row, now_ms: i64, reason: &str) -> Result<(), DeadLetterError> {
        let line = InsightLine {
            at: trailsight_schemas::time::format_rfc3339(now_ms.div_euclid(1000)),
            sink: &row.sink,
            reason,
            attempts: row.attempts,
            event_id: row.event_id.to_string(),
            shared_event_id: row.shared_event_id.to_string(),
            state: row.state.as_str(),
        };
        let mut line = encode(&line)?;
        line.pop();
        line.extend_from_slice(b",\"insight\":");
        line.extend_from_slice(if storable(&row.insight_json) { &row.insight_json } else { b"null" });
        line.push(b'}');
        self.insights.append_durably(&line)?;
        let headers = vec![
            ("kind", "insight".to_owned()),
            ("sink", row.sink.clone()),
            ("insight-id", row.event_id.to_string()),
            ("reason", reason.to_owned()),
        ];
        self.copy(&row.shared_event_id.to_string(), headers, &line);
        Ok(())
    }

    /// What became of rejected records.
    pub fn record_counts(&self) -> Counts {
        self.records.counts()
    }

    /// What became of undelivered insights.
    pub fn insight_counts(&self) -> Counts {
        self.insights.counts()
    }
}

/// Whether bytes are one JSON value on one line that a file of the smallest size holds.
fn storable(insight: &[u8]) -> bool {
    let fits = (insight.len() as u64) < MIN_LIMIT / 8;
    fits && !insight.contains(&b'\n') && serde_json::from_slice::<IgnoredAny>(insight).is_ok()
}

fn encode(line: &impl Serialize) -> Result<Vec<u8>, DeadLetterError> {
    serde_json::to_vec(line).map_err(|error| DeadLetterError::Unwritable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::fixtures::row;
    use trailsight_schemas::insight::{InsightEvent, State};

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).expect("a file");
        text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
    }

    #[test]
    fn a_rejected_record_keeps_its_position_reason_and_excerpt() {
        let directory = tempfile::tempdir().expect("a directory");
        let dead = DeadLetters::open(directory.path(), MIN_LIMIT);
        assert!(!directory.path().join("dead-letter").exists());
        let reject = Reject {
            source: "inbox".into(),
            path: "a/b.json.gz".into(),
            offset: 77,
            reason: "json",
            excerpt: "{\"a\\n".into(),
        };
        dead.record(&reject).expect("room");
        dead.sync().expect("room");
        let lines = lines(&directory.path().join("dead-letter/records.ndjson"));
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["offset"], &lines[0]["excerpt"]), (&77.into(), &"{\"a\\n".into()));
        assert_eq!((&lines[0]["path"], &lines[0]["reason"]), (&"a/b.json.gz".into(), &"json".into()));
    }

    #[test]
    fn an_undelivered_insight_is_kept_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let dead = DeadLetters::open(directory.path(), MIN_LIMIT);
        let mut rows = [row(1, 5, State::Start), row(2, 5, State::End)];
        rows[1].insight_json = vec![b'x'; 10];
        for row in &rows {
            dead.insight(row, 1_772_694_660_500, "410 Gone").expect("room");
        }
        let lines = lines(&directory.path().join("dead-letter/insights.ndjson"));
        let kept = InsightEvent::parse(lines[0]["insight"].to_string().as_bytes()).expect("an insight");
        assert_eq!(kept, InsightEvent::parse(&rows[0].insight_json).expect("an insight"));
        assert_eq!((&lines[0]["at"], &lines[0]["sink"]), (&"2026-03-05T07:11:00Z".into(), &"hook".into()));
        assert_eq!((&lines[1]["insight"], &lines[1]["reason"]), (&serde_json::Value::Null, &"410 Gone".into()));
        assert_eq!(dead.insight_counts().written, 2);
    }
}

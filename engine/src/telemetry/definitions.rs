//! Every metric there is: name, type, labels, meaning. `docs/metrics.md` holds the same table; a test compares them.

/// What every name begins with.
pub const PREFIX: &str = "trailsight_";

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Name without [`PREFIX`]; it ends in the unit.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Names of labels.
    pub labels: &'static [&'static str],
    /// Most children it can have, in words where configuration decides.
    pub cardinality: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

impl Definition {
    /// With [`PREFIX`].
    pub fn full_name(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }
}

impl Kind {
    /// The word Prometheus has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Defines the constants and the list of all of them in one place, so that none can be missing from it.
macro_rules! definitions {
    ($($constant:ident = $name:literal $kind:ident [$($label:literal),*] $cardinality:literal $help:literal;)*) => {
        $(pub(super) const $constant: Definition = Definition {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            cardinality: $cardinality,
            help: $help,
        };)*

        /// Every metric.
        pub const ALL: &[Definition] = &[$($constant),*];
    };
}

definitions! {
    RECORDS = "records_total" Counter ["source", "outcome"] "4 a source" "Records read, by what became of them.";
    LATE_RECORDS = "late_records_total" Counter ["source"] "1 a source" "Records older than the watermark when they came.";
    DEAD_LETTERS = "dead_letters_total" Counter ["source", "reason"] "reasons are a closed list" "What could not be read, by reason.";
    DEAD_LETTER_MESSAGES = "dead_letter_messages_total" Counter ["outcome"] "2" "Copies of dead letters for dead_letter.kafka, by what became of them.";
    DEAD_LETTER_LINES_LOST = "dead_letter_lines_lost_total" Counter [] "1" "Lines of dead-letter files deleted with an older file at limits.dead_letter_bytes, or never written.";
    SOURCE_BYTES = "source_bytes_total" Counter ["source"] "1 a source" "Bytes read, as received.";
    SOURCE_LAG_SECONDS = "source_lag_seconds" Gauge ["source"] "1 a source" "Age of the newest event time read from the source; it grows while the source is silent too.";
    SOURCE_LAG_RECORDS = "source_lag_records" Gauge ["source"] "1 a source" "What is known to wait at the source: files not read yet, messages not received yet.";
    SOURCE_PAUSED = "source_paused" Gauge ["source"] "1 a source" "1 while the source waits for the engine.";
    SOURCE_PARTITIONS = "source_partitions" Gauge ["source"] "1 a source" "Partitions of Kafka that this instance reads.";
    SOURCE_REBALANCES = "source_rebalances_total" Counter ["source"] "1 a source" "Times that the consumer group has shared its partitions anew.";
    SOURCE_FETCH = "source_fetch_seconds" Histogram ["source"] "1 a source" "From the time of a message of Kafka to its being taken; the newest of each load.";
    SOURCE_COMMIT = "source_commit_seconds" Histogram ["source"] "1 a source" "Time of one commit of offsets to the group.";
    SOURCE_GAPS = "source_gaps_total" Counter ["source"] "1 a source" "Times that messages could not be read any more: deleted, or the topic made anew.";
    SOURCE_GAP_RECORDS = "source_gap_records_total" Counter ["source"] "1 a source" "Messages that retention deleted before they were read, at most.";
    SOURCE_EMPTY = "source_empty_messages_total" Counter ["source"] "1 a source" "Messages without a value (tombstones), passed over.";
    SOURCE_ERRORS = "source_errors_total" Counter ["source", "cause"] "7 a source" "What a client of the source reported; most of it mends itself.";
    SOURCE_RESTARTS = "source_restarts_total" Counter ["source"] "1 a source" "Clients made anew because they had failed or stood still.";
    WATERMARK = "watermark_timestamp_seconds" Gauge [] "1" "Event time up to which minutes are closed.";
    EVENT_DELAY = "event_delay_seconds" Histogram [] "1" "From the time of an event to its being counted.";
    JOURNAL_ENTRIES = "journal_entries_total" Counter [] "1" "Entries appended to the journal.";
    JOURNAL_BYTES = "journal_bytes_total" Counter [] "1" "Bytes appended to the journal.";
    JOURNAL_COMMIT = "journal_commit_seconds" Histogram [] "1" "Time until an entry was durable.";
    SNAPSHOT = "snapshot_timestamp_seconds" Gauge [] "1" "When the newest snapshot of the partition that has waited longest was taken.";
    DISK_FREE = "disk_free_bytes" Gauge [] "1" "Space left to the process on the file system of the data directory.";
    DISK_SIZE = "disk_size_bytes" Gauge [] "1" "Size of the file system of the data directory.";
    SERIES = "series" Gauge ["kind"] "2" "Series in memory.";
    SERIES_EVICTED = "series_evicted_total" Counter ["kind"] "2" "Series evicted at limits.series.";
    CLOSED_EARLY = "closed_early_total" Counter [] "1" "Minutes of a partition of accounts closed before their time at limits.open_minutes.";
    OVERFLOWED_CALLS = "overflowed_calls_total" Counter [] "1" "Calls not judged: over two days ahead of the watermark, or without room for their series.";
    DEDUP_FORGOTTEN = "dedup_forgotten_total" Counter [] "1" "Fingerprints of records forgotten before their time at limits.dedup_entries.";
    MINUTE_HISTORY_EVICTED = "minute_history_evicted_total" Counter [] "1" "Rows of the minute history forgotten before their time at limits.minute_history_bytes.";
    STATE_BYTES = "state_bytes" Gauge ["kind"] "3" "Memory held by state.";
    STATE_LIMIT_BYTES = "state_limit_bytes" Gauge ["kind"] "3" "Memory that state can come to hold by its limits.";
    INSIGHTS = "insights_total" Counter ["type", "sensitivity", "direction"] "30" "Insights recorded, Starts and Ends.";
    INSIGHTS_OMITTED = "insights_omitted_total" Counter [] "1" "Insights that a lead counted and that were not recorded: it had folded as many as it may.";
    INCIDENTS_OPEN = "incidents_open" Gauge ["type", "sensitivity", "direction"] "30" "Incidents that have not ended.";
    DETECTION = "detection_seconds" Histogram [] "1" "From a record being taken to its Start being in the outbox.";
    DELIVERIES = "deliveries_total" Counter ["sink", "outcome"] "3 a sink" "Attempts to deliver, by what came of them.";
    DELIVERY = "delivery_seconds" Histogram ["sink"] "1 a sink" "Time of one attempt to deliver.";
    OUTBOX_ROWS = "outbox_rows" Gauge ["sink"] "1 a sink" "Insights that wait for delivery.";
    OUTBOX_OLDEST = "outbox_oldest_seconds" Gauge ["sink"] "1 a sink" "Age of the insight that has waited longest.";
    SINK_DOWN = "sink_down" Gauge ["sink"] "1 a sink" "1 while the last attempt to deliver has failed.";
    INSIGHTS_SHORTENED = "insights_shortened_total" Counter ["sink"] "1 a sink" "Insights that lost attributions to fit into a message.";
    MUTED = "muted_total" Counter ["mute"] "1 a mute" "Insights kept from people by a mute.";
    HTTP_REQUESTS = "http_requests_total" Counter ["route", "status"] "routes and statuses are closed lists" "Requests answered, by route and status.";
    HTTP_CROWDED_OUT = "http_crowded_out_total" Counter [] "1" "Connections closed at limits.http_connections because they had asked for nothing the longest.";
    SERIES_OBSERVED = "series_observed" Gauge ["account", "region", "event_source", "event_name", "error_code"] "metrics.series_limit" "Calls in the newest closed minute; opt-in.";
    SERIES_EXPECTED = "series_expected" Gauge ["account", "region", "event_source", "event_name", "error_code"] "metrics.series_limit" "Calls expected there; opt-in.";
    BUILD_INFO = "build_info" Gauge ["version", "revision"] "1" "1; which build this is.";
}

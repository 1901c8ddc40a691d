//! `[limits]`: each with its unit, what happens at it, and the number that shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{Size, Span};

/// What bounds memory, disk and input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Series in memory, and a KiB for each on the average. At the limit the coldest are evicted: `series_evicted_total`.
    #[schemars(range(min = 1_000, max = 50_000_000))]
    pub series: usize,
    /// Memory for minutes above the watermark and shortly below it; each partition of accounts has an equal share. At the
    /// limit the oldest minutes are closed before their time: `closed_early_total`.
    #[schemars(extend("x-min" = "16MiB", "x-max" = "64GiB"))]
    pub open_minutes: Size,
    /// Event time over which records are told from their duplicates, whole minutes. A duplicate that comes later is counted.
    #[schemars(extend("x-min" = "1m", "x-max" = "7d"))]
    pub dedup_window: Span,
    /// Fingerprints of records in the window. At the limit the window is shorter, oldest minutes first:
    /// `dedup_forgotten_total`.
    #[schemars(range(min = 10_000, max = 1_000_000_000))]
    pub dedup_entries: usize,
    /// Largest object or line as received. A larger one is put into the dead letter: `dead_letters_total`.
    #[schemars(extend("x-min" = "64KiB", "x-max" = "4GiB"))]
    pub object_bytes: Size,
    /// Largest object once inflated. What is beyond is put into the dead letter: `dead_letters_total`.
    #[schemars(extend("x-min" = "1MiB", "x-max" = "64GiB"))]
    pub inflated_bytes: Size,
    /// Largest single record. A larger one is put into the dead letter: `dead_letters_total`.
    #[schemars(extend("x-min" = "16KiB", "x-max" = "64MiB"))]
    pub record_bytes: Size,
    /// Values of one attribute kept for one API and minute. The rest is counted as `other`.
    #[schemars(range(min = 5, max = 10_000))]
    pub attribute_values: usize,
    /// Error codes kept for one API and minute. The rest is counted under the code `other`.
    #[schemars(range(min = 1, max = 10_000))]
    pub error_codes: usize,
    /// Memory of the records counted and not yet journalled, for each source. Beyond it sorted runs go to disk.
    #[schemars(extend("x-min" = "16MiB", "x-max" = "64GiB"))]
    pub tally_memory: Size,
    /// Records in one load, and so in one journal entry; a twentieth of `series` where that is less, and whole minutes.
    #[schemars(range(min = 1_000, max = 10_000_000))]
    pub load_records: usize,
    /// Loads between the sources and the journal. At the limit sources wait: `source_paused`.
    #[schemars(range(min = 1, max = 1_024))]
    pub intake_loads: usize,
    /// Days that insights are kept; older ones are forgotten.
    #[schemars(range(min = 1, max = 3_650))]
    pub history_days: u32,
    /// The minute history on disk. At the limit the oldest minutes go first:
    /// `minute_history_evicted_total`.
    #[schemars(extend("x-min" = "16MiB", "x-max" = "4TiB"))]
    pub minute_history_bytes: Size,
    /// One file of dead letters on disk; one older file is kept beside it. What finds no room is counted
    /// only: `dead_letter_lines_lost_total`.
    #[schemars(extend("x-min" = "1MiB", "x-max" = "64GiB"))]
    pub dead_letter_bytes: Size,
    /// Insights that wait for one sink. Beyond it the oldest go to the dead letter before their deadline:
    /// `deliveries_total{outcome="dead_letter"}`, `outbox_rows`.
    #[schemars(range(min = 100, max = 10_000_000))]
    pub outbox_rows: u64,
    /// HTTP connections at one time, half of them streams. At the limit the one that has asked for nothing the longest is closed: `http_crowded_out_total`.
    #[schemars(range(min = 4, max = 10_000))]
    pub http_connections: usize,
    /// Time for one HTTP request. Beyond it the answer is 503.
    #[schemars(extend("x-min" = "1s", "x-max" = "5m"))]
    pub http_timeout: Span,
}

impl Limits {
    /// Records that one journal entry takes, and one transaction. Each may be of an API never seen before, and
    /// series are evicted between entries.
    pub fn entry_records(&self) -> usize {
        self.load_records.min(self.series / 20).max(1_000)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            series: crate::detect::settings::Settings::default().series,
            open_minutes: Size::mebibytes(1024),
            dedup_window: Span::minutes(24 * 60),
            dedup_entries: 10_000_000,
            object_bytes: Size::mebibytes(64),
            inflated_bytes: Size::mebibytes(1024),
            record_bytes: Size::mebibytes(1),
            attribute_values: 64,
            error_codes: 64,
            tally_memory: Size::mebibytes(256),
            load_records: 50_000,
            intake_loads: 4,
            history_days: 400,
            minute_history_bytes: Size::mebibytes(4096),
            dead_letter_bytes: Size::mebibytes(64),
            outbox_rows: 100_000,
            http_connections: 256,
            http_timeout: Span::seconds(15),
        }
    }
}

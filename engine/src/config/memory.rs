//! What memory a configuration can come to need: a formula for each limit, added up.

use std::fmt;

use super::units::Size;
use super::written::Limits;
use crate::deliver::deadletter::HELD_BYTES;
use crate::detect::settings;
use crate::ingest::{LARGE_DOCUMENT, LOADED_RECORD};

/// Bytes of a series on the average, and of what comes beside all of them.
const SERIES: u64 = settings::SERIES_BYTES as u64;
const FLOOR: u64 = settings::SERIES_FLOOR as u64;

/// Bytes of a fingerprint: hash and minute, at the load of a hash table before it doubles.
const FINGERPRINT: u64 = 32;
/// Bytes of a connection: its buffers, its header and its task.
const CONNECTION: u64 = 96 * 1024;
/// Bytes of an insight on its way to Kafka: the row, the message, the client's copy, 64 KiB each. Most have 3 KiB.
const INSIGHT: u64 = 192 << 10;
/// Bytes of dead letters that wait for our thread, and as many for the broker.
const HELD: u64 = HELD_BYTES as u64;
/// The program, its libraries, SQLite's page cache, stacks.
const FIXED: u64 = 128 << 20;

/// What memory a configuration can come to need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// By limit, in the order of the file.
    pub shares: Vec<Share>,
}

/// What one limit contributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which limit; `fixed` for what none of them moves.
    pub limit: &'static str,
    /// Most bytes.
    pub bytes: u64,
    /// How they are computed.
    pub formula: String,
}

impl MemoryBound {
    /// `jobs`: files read at a time.
    pub(super) fn of(limits: &Limits, partitions: u32, sources: usize, jobs: usize, fetched: u64) -> MemoryBound {
        let sources = sources.max(1) as u64;
        let jobs = jobs as u64;
        let product = |limit, count: usize, each: u64| Share {
            limit,
            bytes: (count as u64).saturating_mul(each),
            formula: format!("{count} x {} ", Size(each)).trim_end().to_owned(),
        };
        let records = limits.entry_records();
        let loads = (limits.intake_loads as u64 + 1).saturating_mul(records as u64);
        let least = u64::from(partitions).saturating_mul(settings::LEAST_OPEN_BYTES as u64);
        MemoryBound {
            shares: vec![
                Share {
                    limit: "series",
                    bytes: (limits.series as u64).saturating_mul(SERIES).saturating_add(FLOOR),
                    formula: format!("{} x {} + {}", limits.series, Size(SERIES), Size(FLOOR)),
                },
                Share {
                    limit: "open_minutes",
                    bytes: limits.open_minutes.0.max(least),
                    formula: format!("at least {partitions} partitions x {}", Size(settings::LEAST_OPEN_BYTES as u64)),
                },
                product("dedup_entries", limits.dedup_entries, FINGERPRINT),
                Share {
                    limit: "intake_loads",
                    bytes: loads.saturating_mul(LOADED_RECORD as u64),
                    formula: format!(
                        "({} + 1) x {records} records x {}",
                        limits.intake_loads,
                        Size(LOADED_RECORD as u64)
                    ),
                },
                Share {
                    limit: "tally_memory",
                    bytes: limits.tally_memory.0.saturating_mul(sources),
                    formula: format!("{sources} source(s) x {}", limits.tally_memory),
                },
                Share {
                    limit: "inflated_bytes",
                    bytes: (sources * jobs)
                        .saturating_mul(LARGE_DOCUMENT as u64 + limits.object_bytes.0)
                        .saturating_add(limits.inflated_bytes.0),
                    formula: format!(
                        "{sources} source(s) x {jobs} files x ({} + {} object_bytes) + {}",
                        Size(LARGE_DOCUMENT as u64),
                        limits.object_bytes,
                        limits.inflated_bytes
                    ),
                },
                Share { limit: "fetch_memory", bytes: fetched, formula: "sum over the sources of Kafka".to_owned() },
                product("http_connections", limits.http_connections, CONNECTION),
                Share { limit: "fixed", bytes: FIXED, formula: "program, libraries, page caches, stacks".to_owned() },
            ],
        }
    }

    /// With `batched` insights on their way to Kafka, and a topic of dead letters or none.
    pub(super) fn with_outputs(mut self, batched: usize, letters: bool) -> MemoryBound {
        for (limit, count, each) in [("batch", batched, INSIGHT), ("dead_letter", 2 * usize::from(letters), HELD)] {
            let formula = format!("{count} x {}", Size(each));
            self.shares.push(Share { limit, bytes: (count as u64).saturating_mul(each), formula });
        }
        self
    }

    /// All shares together, bytes.
    pub fn total(&self) -> u64 {
        self.shares.iter().fold(0, |sum, share| sum.saturating_add(share.bytes))
    }

    /// What one limit contributes, bytes; 0 where it contributes nothing.
    pub fn share(&self, limit: &str) -> u64 {
        self.shares.iter().find(|share| share.limit == limit).map_or(0, |share| share.bytes)
    }

    /// What state alone can come to: the gauge `state_limit_bytes`, all kinds together.
    pub fn state(&self) -> u64 {
        ["series", "open_minutes", "dedup_entries"].iter().fold(0, |sum, limit| sum.saturating_add(self.share(limit)))
    }
}

/// One line a limit, then the sum.
impl fmt::Display for MemoryBound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.shares {
            writeln!(formatter, "{:>12}  {:<17} {}", mebibytes(share.bytes), share.limit, share.formula)?;
        }
        write!(formatter, "{:>12}  in all", mebibytes(self.total()))
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

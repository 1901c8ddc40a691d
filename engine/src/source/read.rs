//! Reads many inputs into one set of [`Runs`], several at a time. What comes out does not depend on how many
//! are read at a time, or in which order: tallies are commutative.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Stop;
use crate::ingest::{Origin, Reject, Runs, Settings, Tally};

/// Bytes read from a file at a time; a counts table is recognised within the first of them.
const BUFFER: usize = 64 * 1024;
/// [`Reject::reason`] of an input that stopped giving bytes. What it gave before counts.
pub const UNREADABLE: &str = "unreadable";

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What it is called in messages and dead letters.
    pub name: String,
    /// Where it is; `-` is standard input.
    pub path: PathBuf,
    /// Size as it lies there, bytes; 0 where nobody can know.
    pub bytes: u64,
}

/// What an input holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A counts table where the name ends in `.tsv` or `.csv` (before `.gz` or `.zst`) or the first line is
    /// the header of one; records otherwise.
    #[default]
    Auto,
    /// A counts table.
    Counts,
    /// Records, whatever it is called.
    Records,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadSoFar {
    /// Bytes read, as they lie in the inputs.
    pub bytes: u64,
    /// Bytes there are.
    pub total: u64,
    /// Records tallied, duplicates included. Trails the bytes.
    pub records: u64,
}

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// The header of a counts table is not one.
    #[error("{name}: {source}")]
    Table {
        /// Which input.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The runs could not be written: the temporary directory is full or gone.
    #[error("cannot write temporary files: {0}")]
    Spill(io::Error),
}

/// What was read.
#[derive(Debug, Default)]
pub struct Report {
    /// Inputs that could not be opened, by their place, with the reason. Nothing of them was counted.
    pub unopened: Vec<(usize, io::Error)>,
    /// Newest event time, seconds since the epoch.
    pub newest: Option<i64>,
    /// Records tallied, duplicates included.
    pub records: u64,
}

/// Reads inputs.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Name of the source in the configuration.
    pub source: String,
    /// What is counted.
    pub settings: Arc<Settings>,
    /// How many inputs are read at a time; at least one is.
    pub jobs: usize,
    /// What the inputs hold.
    pub format: Format,
    /// Bytes of tallies that all jobs together hold before they hand them over.
    pub memory: usize,
    /// Ends reading early.
    pub stop: Stop,
}

/// What the jobs share.
struct Shared<'a> {
    inputs: &'a [Input],
    total: u64,
    next: AtomicUsize,
    bytes: AtomicU64,
    records: AtomicU64,
    halted: AtomicBool,
    progress: &'a (dyn Fn(ReadSoFar) + Sync),
    sink: Mutex<Sink<'a>>,
}

struct Sink<'a> {
    runs: &'a mut Runs,
    dead: &'a mut (dyn FnMut(Reject) + Send),
    report: Report,
    error: Option<ReadError>,
}

impl Reader {
    /// Reads all inputs into `runs`. `progress` is called often, from any job; `dead` is called with what
    /// could not be read, one at a time, in no particular order between inputs.
    pub fn read_all(
        &self,
        inputs: &[Input],
        runs: &mut Runs,
        progress: &(dyn Fn(ReadSoFar) + Sync),
        dead: &mut (dyn FnMut(Reject) + Send),
    ) -> Result<Report, ReadError> {
        let shared = Shared {
            inputs,
            total: inputs.iter().fold(0, |sum, input| sum.saturating_add(input.bytes)),
            next: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            halted: AtomicBool::new(false),
            progress,
            sink: Mutex::new(Sink { runs, dead, report: Report::default(), error: None }),
        };
        let jobs = self.jobs.clamp(1, inputs.len().max(1));
        std::thread::scope(|scope| {
            for _ in 1..jobs {
                scope.spawn(|| self.job(&shared, jobs));
            }
            self.job(&shared, jobs);
        });
        let records = shared.records.load(Ordering::Relaxed);
        let sink = shared.sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        match sink.error {
            Some(error) => Err(error),
            None => {
                let mut report = sink.report;
                report.records = records;
                report.unopened.sort_by_key(|(place, _)| *place);
                Ok(report)
            }
        }
    }

    fn job(&self, shared: &Shared<'_>, jobs: usize) {
        let share = self.memory / jobs;
        let mut tally = Tally::new(self.settings.clone());
        loop {
            let place = shared.next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = shared.inputs.get(place) else { break };
            if self.stop.requested() {
                shared.halt(ReadError::Stopped);
            }
            if shared.halted.load(Ordering::Relaxed) {
                return;
            }
            self.read(place, input, &mut tally, share, shared);
            if tally.memory() > share {
                shared.hand_over(self.take(&mut tally));
            }
            shared.tell();
        }
        shared.hand_over(tally);
        shared.tell();
    }

    fn take(&self, tally: &mut Tally) -> Tally {
        std::mem::replace(tally, Tally::new(self.settings.clone()))
    }

    fn read(&self, place: usize, input: &Input, tally: &mut Tally, share: usize, shared: &Shared<'_>) {
        let opened: io::Result<Box<dyn Read>> =
            if input.path.as_os_str() == "-" { Ok(Box::new(io::stdin())) } else { open(input) };
        let bytes = match opened {
            Ok(bytes) => bytes,
            Err(error) => return shared.sink().report.unopened.push((place, error)),
        };
        let read = AtomicU64::new(0);
        let mut bytes = BufReader::with_capacity(BUFFER, Metered { bytes, read: &read, all: &shared.bytes });
        let mut between = |tally: &mut Tally, _: u64| {
            if self.stop.requested() {
                shared.halt(ReadError::Stopped);
            } else if tally.memory() > share {
                shared.hand_over(self.take(tally));
            }
            shared.tell();
            if shared.halted.load(Ordering::Relaxed) { Err(io::Error::other("stopped")) } else { Ok(()) }
        };
        let origin = Origin { source: &self.source, path: &input.name };
        let mut dead = |reject: Reject| (shared.sink().dead)(reject);
        let counts = match self.format {
            Format::Auto => is_counts(&input.name, &mut bytes),
            Format::Counts => true,
            Format::Records => false,
        };
        let result = if counts {
            tally.read_counts(&mut bytes, origin, &mut dead, &mut between)
        } else {
            tally.read_from(&mut bytes, origin, &mut dead, &mut between)
        };
        match result {
            Err(_) if shared.halted.load(Ordering::Relaxed) => {}
            Err(source) if counts && source.kind() == io::ErrorKind::InvalidData => {
                shared.halt(ReadError::Table { name: input.name.clone(), source });
            }
            Err(error) => dead(Reject {
                source: self.source.clone(),
                path: input.name.clone(),
                offset: read.load(Ordering::Relaxed),
                reason: UNREADABLE,
                excerpt: error.to_string(),
            }),
            Ok(()) => {}
        }
    }
}

fn open(input: &Input) -> io::Result<Box<dyn Read>> {
    let file = File::open(&input.path)?;
    // A file that became a directory opens and then fails at every read.
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Box::new(file))
}

/// Whether this is a counts table by its name, or by a first line with a column `minute`.
fn is_counts(name: &str, bytes: &mut impl BufRead) -> bool {
    let plain = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(name);
    if plain.ends_with(".tsv") || plain.ends_with(".csv") {
        return true;
    }
    let Ok(start) = bytes.fill_buf() else { return false };
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let columns = || line.split(|byte| matches!(byte, b'\t' | b','));
    columns().count() > 1 && columns().any(|column| column == b"minute" || column == b"\"minute\"")
}

impl<'a> Shared<'a> {
    fn sink(&self) -> std::sync::MutexGuard<'_, Sink<'a>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, tally: Tally) {
        if tally.is_empty() && tally.outcomes() == Default::default() {
            return;
        }
        self.records.fetch_add(tally.len() as u64, Ordering::Relaxed);
        let mut sink = self.sink();
        sink.report.newest = sink.report.newest.max(tally.newest());
        let pushed = sink.runs.push(tally);
        drop(sink);
        if let Err(error) = pushed {
            self.halt(ReadError::Spill(error));
        }
    }

    /// The first reason stands.
    fn halt(&self, error: ReadError) {
        self.sink().error.get_or_insert(error);
        self.halted.store(true, Ordering::Relaxed);
    }

    fn tell(&self) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (self.progress)(ReadSoFar { bytes: load(&self.bytes), total: self.total, records: load(&self.records) });
    }
}

/// Counts bytes as they are read.
struct Metered<'a, R> {
    bytes: R,
    read: &'a AtomicU64,
    all: &'a AtomicU64,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        self.all.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;

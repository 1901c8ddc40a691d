//! Snapshots beside the journal: state as of an entry, so that recovery replays only what came after, and entries
//! before can be forgotten.
//!
//! `snapshots/<part>-<seq>.snap`, one part for the ingest state and one for each partition of accounts, each taken at
//! its own time. A file is written under a partial name, synced and renamed. The two newest good ones of a part are
//! kept: a damaged newest one costs a longer replay, nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use trailsight_schemas::sealed::{self, Kind, SealError};

use super::directory::{PARTIAL, sync_directory, unreadable, unwritable, write_whole};
use super::{JournalError, Seq};

/// Good snapshots kept of each part.
pub const KEPT: usize = 2;
/// Name of the directory in the data directory.
pub(super) const DIRECTORY: &str = "snapshots";
const ENDING: &str = "snap";

/// Whose state a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The fingerprints of what was counted lately.
    Ingest,
    /// One partition of accounts.
    Partition(u32),
}

impl Part {
    fn kind(self) -> Kind {
        match self {
            Part::Ingest => Kind::DedupSnapshot,
            Part::Partition(_) => Kind::PartitionSnapshot,
        }
    }

    fn parse(text: &str) -> Option<Part> {
        let part = match text {
            "ingest" => Part::Ingest,
            _ => Part::Partition(text.strip_prefix('p')?.parse().ok()?),
        };
        (part.to_string() == text).then_some(part)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Ingest => formatter.write_str("ingest"),
            Part::Partition(number) => write!(formatter, "p{number:03}"),
        }
    }
}

/// The state of a part as of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Newest entry that the state includes.
    pub seq: Seq,
    /// Version of the state's format.
    pub version: u16,
    /// The state.
    pub state: Vec<u8>,
}

/// A file that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file. It is left there until two newer good ones make it superfluous.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    /// Found at the start; not looked at.
    Unknown,
    Good,
    Damaged,
    /// Whole, but not understood.
    Rejected,
}

/// The snapshots of one data directory. One owner, who holds the directory's lock.
pub struct Snapshots {
    directory: PathBuf,
    parts: BTreeMap<Part, BTreeMap<Seq, Health>>,
}

impl Snapshots {
    /// Finds what is there, for the ingest state and `partitions` partitions. Files that a dying process left half
    /// written are removed; files of other names are left alone.
    pub fn open(data_directory: &Path, partitions: u32) -> Result<Snapshots, JournalError> {
        let directory = data_directory.join(DIRECTORY);
        fs::create_dir_all(&directory).map_err(|error| unwritable(&directory, &error))?;
        sync_directory(data_directory).map_err(|error| unwritable(data_directory, &error))?;
        let mut parts: BTreeMap<Part, BTreeMap<Seq, Health>> =
            (0..partitions).map(Part::Partition).chain([Part::Ingest]).map(|part| (part, BTreeMap::new())).collect();
        for path in paths_in(&directory)? {
            if path.extension().is_some_and(|ending| ending == PARTIAL) {
                fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?;
            } else if let Some((part, seq)) = part_and_seq(&path)
                && let Some(found) = parts.get_mut(&part)
            {
                found.insert(seq, Health::Unknown);
            }
        }
        Ok(Snapshots { directory, parts })
    }

    /// Writes the state of a part as of entry `seq`; it is durable when this returns. Older ones are removed once two
    /// good ones are newer. On an error nothing has changed but, at worst, that an older one is still there.
    pub fn save(&mut self, part: Part, seq: Seq, version: u16, state: &[u8]) -> Result<(), JournalError> {
        let held = self.parts.get_mut(&part);
        let held = held.ok_or_else(|| JournalError::Store(format!("there is no part {part}")))?;
        let bytes =
            sealed::seal(part.kind(), version, state).map_err(|error| JournalError::Store(error.to_string()))?;
        let path = path_of(&self.directory, part, seq);
        write_whole(&path, &bytes).map_err(|error| unwritable(&path, &error))?;
        held.insert(seq, Health::Good);
        let good = held.iter().rev().filter(|(_, health)| **health == Health::Good).map(|(seq, _)| *seq);
        let Some(oldest_kept) = good.take(KEPT).nth(KEPT - 1) else { return Ok(()) };
        for seq in held.range(..oldest_kept).map(|(seq, _)| *seq).collect::<Vec<_>>() {
            let path = path_of(&self.directory, part, seq);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(&path, &error)),
                _ => held.remove(&seq),
            };
        }
        Ok(())
    }

    /// The newest good snapshot of a part whose format is at most `version`, and what was passed over on the way to
    /// it: each of those is also an error in the log. One written by a later version is refused, not passed over.
    pub fn load_newest(&mut self, part: Part, version: u16) -> Result<(Option<Snapshot>, Vec<Skipped>), JournalError> {
        let mut skipped = Vec::new();
        let Some(held) = self.parts.get_mut(&part) else { return Ok((None, skipped)) };
        for (&seq, health) in held.iter_mut().rev().filter(|(_, health)| **health != Health::Rejected) {
            let path = path_of(&self.directory, part, seq);
            let opened = fs::read(&path).map(|bytes| sealed::open(part.kind(), version, &bytes));
            let reason = match opened {
                Ok(Ok((version, state))) => {
                    *health = Health::Good;
                    return Ok((Some(Snapshot { seq, version, state }), skipped));
                }
                Ok(Err(SealError::Later { found, known })) => {
                    return Err(JournalError::Later { found: found.into(), known: known.into() });
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            *health = Health::Damaged;
            tracing::error!(path = %path.display(), reason, "a snapshot is damaged: an older one is used");
            skipped.push(Skipped { path, reason });
        }
        Ok((None, skipped))
    }

    /// Passes over a snapshot whose envelope was whole but whose state was not understood: until the process ends
    /// [`Snapshots::load_newest`] does not give it again and [`Snapshots::covered`] does not count it.
    pub fn reject(&mut self, part: Part, seq: Seq, reason: &str) {
        let path = path_of(&self.directory, part, seq);
        tracing::error!(path = %path.display(), reason, "a snapshot is not understood: an older one is used");
        if let Some(held) = self.parts.get_mut(&part) {
            held.insert(seq, Health::Rejected);
        }
    }

    /// Newest entry that two good snapshots of every part include: entries up to it may be forgotten. 0 while some
    /// part has fewer. A file that was found at the start is read once before it counts.
    pub fn covered(&mut self) -> Seq {
        let directory = &self.directory;
        let of_part = |(part, held): (&Part, &mut BTreeMap<Seq, Health>)| {
            let mut good = 0;
            for (&seq, health) in held.iter_mut().rev() {
                if *health == Health::Unknown {
                    *health = examine(&path_of(directory, *part, seq), *part);
                }
                good += usize::from(*health == Health::Good);
                if good == KEPT {
                    return seq;
                }
            }
            0
        };
        self.parts.iter_mut().map(of_part).min().unwrap_or(0)
    }
}

fn examine(path: &Path, part: Part) -> Health {
    let good = fs::read(path).is_ok_and(|bytes| sealed::check(part.kind(), u16::MAX, &bytes).is_ok());
    if good { Health::Good } else { Health::Damaged }
}

fn path_of(directory: &Path, part: Part, seq: Seq) -> PathBuf {
    directory.join(format!("{part}-{seq:020}.{ENDING}"))
}

/// What a file's name says it holds.
pub(super) fn part_and_seq(path: &Path) -> Option<(Part, Seq)> {
    if path.extension()? != ENDING {
        return None;
    }
    let (part, seq) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((Part::parse(part)?, seq.parse().ok()?))
}

/// Every path in a directory, sorted.
pub(super) fn paths_in(directory: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let listed = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let mut paths = listed.map_err(|error| unreadable(directory, &error))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;

//! One set of files: read in any order, handed over in the order of event time.
//!
//! What is certain at every moment: a minute of the set that was made durable is not handed over again, and
//! one that was not is. The first load of a set that needs several carries the list of its files as a mark,
//! every load the last minute that it holds, and the last load a mark for each file instead of both. Marks
//! are written in the journal entry of their load, so after a crash the set is read again as it was and its
//! minutes up to the mark are left out.
//!
//! The allowed lateness holds for a set as for everything else: its loads say how new they are, and minutes
//! are judged once something newer by that much was read, or the wall has come so far. Since the
//! loads of a set are ordered, a backlog in any order of files is judged as if it had come in order.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trailsight_schemas::entry::{Outcomes, Progress};
use trailsight_schemas::time::Minute;

use super::read::{Input, ReadError, Reader, Report};
use super::tree::{Found, Identity, Listing};
use super::{Intake, Load};
use crate::clock;
use crate::ingest::{Reject, Runs, Tally};

/// Mark: the files of the set that is being handed over.
const SET: &str = "@set";
/// Mark: last minute of the set that was handed over, little endian.
const THROUGH: &str = "@through";

/// A set that was begun by an earlier run.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// (key, identity).
    files: Vec<(String, [u8; 16])>,
    #[serde(skip)]
    through: Option<Minute>,
}

impl Begun {
    /// Finds it in the marks.
    pub(super) fn find(marks: &BTreeMap<String, Vec<u8>>) -> Option<Begun> {
        let begun: Begun = postcard::from_bytes(marks.get(SET)?).ok()?;
        let through = marks.get(THROUGH).and_then(|mark| <[u8; 4]>::try_from(mark.as_slice()).ok());
        Some(Begun { through: through.map(|minute| Minute(u32::from_le_bytes(minute))), ..begun })
    }

    fn of(files: &[Found]) -> Begun {
        Begun { files: files.iter().map(|file| (file.key.clone(), file.identity.pack())).collect(), through: None }
    }

    /// The files that are still as they were, and the names of the others.
    pub(super) fn still(&self, listing: &Listing) -> (Vec<Found>, Vec<String>) {
        let now: BTreeMap<&str, &Found> = listing.files.iter().map(|found| (found.key.as_str(), found)).collect();
        let (mut same, mut other) = (Vec::new(), Vec::new());
        for (key, identity) in &self.files {
            match now.get(key.as_str()) {
                Some(found) if Some(found.identity) == Identity::unpack(identity) => same.push((*found).clone()),
                _ => other.push(key.clone()),
            }
        }
        (same, other)
    }
}

/// How a set went.
pub(super) struct SetReport {
    /// Files that could not be opened, with the reason; they are not marked as read.
    pub(super) unopened: Vec<(Found, io::Error)>,
    /// Files that were read.
    pub(super) read: Vec<Found>,
}

/// Hands sets over.
pub(super) struct Sets<'a> {
    pub(super) reader: &'a Reader,
    /// Where runs are spilled.
    pub(super) spill: &'a Path,
    /// Bytes of runs held before they are spilled.
    pub(super) memory: usize,
    /// A load takes whole minutes until it holds this many records, or what takes their room; one minute may hold more.
    pub(super) load_records: usize,
    pub(super) intake: &'a Intake,
}

impl Sets<'_> {
    /// Reads the files and hands them over. `begun` is the earlier run's set where this is its remainder,
    /// `caught_up` says that nothing waits behind it.
    pub(super) fn hand_over(
        &self,
        files: Vec<Found>,
        begun: Option<&Begun>,
        caught_up: bool,
        dead: &mut (dyn FnMut(Reject) + Send),
    ) -> Result<SetReport, ReadError> {
        let received = clock::instant();
        let mut runs = Runs::new(self.reader.settings.clone(), self.spill, self.memory);
        let inputs: Vec<Input> = files
            .iter()
            .map(|file| Input {
                name: file.path.display().to_string(),
                path: file.path.clone(),
                bytes: file.identity.size,
            })
            .collect();
        let report = self.reader.read_all(&inputs, &mut runs, &|_| {}, dead)?;
        self.intake.read(inputs.iter().map(|input| input.bytes).sum());
        let (read, unopened) = split(files, report);
        let mut ending = Ending { read: &read, outcomes: runs.outcomes(), caught_up, begun: begun.is_some() };
        let minutes = runs.into_minutes().map_err(ReadError::Spill)?;
        let after = begun.and_then(|begun| begun.through);
        let mut loads = Loads { minutes, held: None, after, records: self.load_records };
        while let Some((tally, last)) = loads.next().map_err(ReadError::Spill)? {
            if self.intake.stop.requested() {
                return Err(ReadError::Stopped);
            }
            self.send(tally, last, &mut ending, received)?;
            if last {
                return Ok(SetReport { unopened, read });
            }
        }
        // No record in any of the files, or all of them were handed over before.
        self.send(Tally::new(self.reader.settings.clone()), true, &mut ending, received)?;
        Ok(SetReport { unopened, read })
    }

    fn send(
        &self,
        tally: Tally,
        last: bool,
        ending: &mut Ending<'_>,
        received: std::time::Instant,
    ) -> Result<(), ReadError> {
        let progress = Progress {
            source: self.reader.source.clone(),
            newest: tally.newest(),
            caught_up: last && ending.caught_up,
            marks: if last { ending.last_marks() } else { ending.marks(tally.newest().and_then(Minute::of_seconds)) },
            outcomes: if last { ending.outcomes } else { Outcomes::default() },
            ..Progress::default()
        };
        let load = Load { tally, progress: vec![progress], acknowledge: None, received };
        if self.intake.send(load) { Ok(()) } else { Err(ReadError::Stopped) }
    }
}

fn split(files: Vec<Found>, report: Report) -> (Vec<Found>, Vec<(Found, io::Error)>) {
    let mut errors: BTreeMap<usize, io::Error> = report.unopened.into_iter().collect();
    let (mut read, mut unopened) = (Vec::new(), Vec::new());
    for (place, file) in files.into_iter().enumerate() {
        match errors.remove(&place) {
            Some(error) => unopened.push((file, error)),
            None => read.push(file),
        }
    }
    (read, unopened)
}

/// What the marks of a set are made of.
struct Ending<'a> {
    read: &'a [Found],
    outcomes: Outcomes,
    caught_up: bool,
    /// The set is in the marks.
    begun: bool,
}

impl Ending<'_> {
    fn marks(&mut self, through: Option<Minute>) -> Vec<(String, Vec<u8>)> {
        let mut marks = Vec::new();
        if !self.begun {
            // Encoding strings and bytes into a vector does not fail.
            marks.push((SET.to_string(), postcard::to_stdvec(&Begun::of(self.read)).unwrap_or_default()));
            self.begun = true;
        }
        marks.extend(through.map(|minute| (THROUGH.to_string(), minute.0.to_le_bytes().to_vec())));
        marks
    }

    fn last_marks(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.read.iter().map(|file| (file.key.clone(), file.identity.pack().to_vec()));
        let done = [SET, THROUGH].map(|key| (key.to_string(), Vec::new()));
        files.chain(done.into_iter().filter(|_| self.begun)).collect()
    }
}

/// Whole minutes in the order of time, several together.
struct Loads {
    minutes: Box<dyn Iterator<Item = io::Result<Tally>>>,
    held: Option<Tally>,
    after: Option<Minute>,
    records: usize,
}

impl Loads {
    /// The next load, and whether it is the last.
    fn next(&mut self) -> io::Result<Option<(Tally, bool)>> {
        let first = match self.held.take() {
            Some(held) => Some(held),
            None => self.minute()?,
        };
        let Some(mut tally) = first else { return Ok(None) };
        while let Some(minute) = self.minute()? {
            if tally.fills(self.records) {
                self.held = Some(minute);
                return Ok(Some((tally, false)));
            }
            tally.merge(minute);
        }
        Ok(Some((tally, true)))
    }

    fn minute(&mut self) -> io::Result<Option<Tally>> {
        for tally in self.minutes.by_ref() {
            let tally = tally?;
            let minute = tally.newest().and_then(Minute::of_seconds);
            if minute.is_some() && minute > self.after {
                return Ok(Some(tally));
            }
        }
        Ok(None)
    }
}

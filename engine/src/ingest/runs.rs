//! Tallies of more records than memory holds.
//!
//! What is pushed is held in one tally. When that takes more than its memory it is sorted by minute and written
//! as a run, see [`super::run_file`]; in the end the runs are merged minute by minute. [`MOST_RUNS`] of them are
//! merged into one on disk, so that any amount of input is merged from so many. Memory: the limit and one tally
//! while runs are written, one block a run and one minute while they are merged. A minute must fit: 24 bytes a
//! record.

use std::borrow::Borrow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trailsight_schemas::entry::Outcomes;
use trailsight_schemas::time::Minute;

use super::intern::Remap;
use super::run_file::{BLOCK, Position, RunFile, Sorted, Span};
use super::settings::Settings;
use super::tally::Tally;

/// Runs that are merged at a time: some six megabytes of blocks at the most.
const MOST_RUNS: usize = 64;

/// Tallies of more records than memory holds: sorted runs in a temporary directory.
pub struct Runs {
    settings: Arc<Settings>,
    directory: PathBuf,
    memory: usize,
    held: Tally,
    outcomes: Outcomes,
    file: Option<RunFile>,
    spans: Vec<Span>,
}

impl Runs {
    /// Spills to `directory` whenever more than `memory` bytes are held.
    pub fn new(settings: Arc<Settings>, directory: &Path, memory: usize) -> Runs {
        Runs {
            held: Tally::new(settings.clone()),
            settings,
            directory: directory.to_owned(),
            memory,
            outcomes: Outcomes::default(),
            file: None,
            spans: Vec::new(),
        }
    }

    /// Adds a tally. When it cannot be written (disk full) the error says so, and what was pushed before is
    /// still there.
    pub fn push(&mut self, tally: Tally) -> io::Result<()> {
        self.outcomes += tally.outcomes;
        self.held.merge(tally);
        if self.held.memory() > self.memory { self.spill() } else { Ok(()) }
    }

    /// What was passed over and dead-lettered. The tallies of [`Runs::into_minutes`] do not say it again.
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// Runs on disk.
    pub fn spilled(&self) -> usize {
        self.spans.len()
    }

    fn spill(&mut self) -> io::Result<()> {
        let held = std::mem::replace(&mut self.held, Tally::new(self.settings.clone()));
        let sorted = Sorted::new(held);
        match self.write(&sorted) {
            Ok(span) => self.spans.push(span),
            Err(error) => {
                self.held = sorted.0;
                return Err(error);
            }
        }
        if self.spans.len() < MOST_RUNS { Ok(()) } else { self.fold() }
    }

    fn write(&mut self, sorted: &Sorted) -> io::Result<Span> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(RunFile::new(&self.directory)?),
        };
        let mut writing = file.begin()?;
        writing.add(sorted)?;
        writing.end()
    }

    /// Merges the runs into one, in a file of its own. On an error they stay as they are.
    fn fold(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut folded = RunFile::new(&self.directory)?;
        let mut writing = folded.begin()?;
        let cursors = cursors(file, &self.spans, &self.settings)?;
        let mut piece = Tally::new(self.settings.clone());
        for minute in (Minutes { settings: self.settings.clone(), file: Some(file), cursors, failed: false }) {
            piece.merge(minute?);
            if piece.len() >= BLOCK {
                writing.add(&Sorted::new(std::mem::replace(&mut piece, Tally::new(self.settings.clone()))))?;
            }
        }
        writing.add(&Sorted::new(piece))?;
        let span = writing.end()?;
        (self.file, self.spans) = (Some(folded), vec![span]);
        Ok(())
    }

    /// Everything in the order of event time, one tally a minute that has any; each minute is in exactly one.
    pub fn into_minutes(self) -> io::Result<Box<dyn Iterator<Item = io::Result<Tally>>>> {
        let mut all = vec![Cursor { sorted: Sorted::new(self.held), position: Position::default(), rest: None }];
        if let Some(file) = &self.file {
            all.extend(cursors(file, &self.spans, &self.settings)?);
        }
        Ok(Box::new(Minutes { settings: self.settings, file: self.file, cursors: all, failed: false }))
    }
}

fn cursors(file: &RunFile, spans: &[Span], settings: &Arc<Settings>) -> io::Result<Vec<Cursor>> {
    let mut cursors = Vec::new();
    for mut span in spans.iter().copied() {
        if let Some(sorted) = file.next(&mut span, settings)? {
            cursors.push(Cursor { sorted, position: Position::default(), rest: Some(span) });
        }
    }
    Ok(cursors)
}

/// How far one run was merged.
struct Cursor {
    sorted: Sorted,
    position: Position,
    /// The blocks behind this one; `None` for what was never written.
    rest: Option<Span>,
}

impl Cursor {
    fn minute(&self) -> Option<Minute> {
        self.sorted.peek(self.position)
    }
}

struct Minutes<F> {
    settings: Arc<Settings>,
    file: Option<F>,
    cursors: Vec<Cursor>,
    failed: bool,
}

impl<F: Borrow<RunFile>> Minutes<F> {
    fn merge(&mut self, minute: Minute) -> io::Result<Tally> {
        let mut merged = Tally::new(self.settings.clone());
        let file = self.file.as_ref().map(Borrow::borrow);
        for cursor in &mut self.cursors {
            while cursor.minute() == Some(minute) {
                if let Some((samples, rows)) = cursor.sorted.minute(&mut cursor.position, usize::MAX) {
                    merged.extend(&cursor.sorted.0.tables, samples, rows, &mut Remap::default());
                }
                if cursor.minute().is_none()
                    && let (Some(span), Some(file)) = (&mut cursor.rest, file)
                    && let Some(next) = file.next(span, &self.settings)?
                {
                    cursor.sorted = next;
                    cursor.position = Position::default();
                }
            }
        }
        self.cursors.retain(|cursor| cursor.minute().is_some());
        Ok(merged)
    }
}

impl<F: Borrow<RunFile>> Iterator for Minutes<F> {
    type Item = io::Result<Tally>;

    fn next(&mut self) -> Option<io::Result<Tally>> {
        if self.failed {
            return None;
        }
        let minute = self.cursors.iter().filter_map(Cursor::minute).min()?;
        let merged = self.merge(minute);
        // A minute that cannot be read would be missing without a word if the next one were given.
        self.failed = merged.is_err();
        Some(merged)
    }
}

#[cfg(test)]
mod tests;

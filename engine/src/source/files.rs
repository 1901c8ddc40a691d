//! A directory that is followed: every file in it is read once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};
use trailsight_schemas::entry::Progress;

use super::follow::{Choice, Follower};
use super::read::{Format, ReadError, Reader};
use super::set::{Begun, Sets};
use super::tree::{self, Found, Listing};
use super::{Intake, Load, settings_at, stdin};
use crate::clock::{self, Clock};
use crate::ingest::{Reject, Settings, Tally};

/// How often a directory is looked at where nothing else is configured.
pub const POLL: Duration = Duration::from_secs(1);
/// How long a file must have been left alone where nothing else is configured.
pub const SETTLE: Duration = Duration::from_secs(2);
/// Files of more bytes than this together are a backlog: the source says that it is behind before it reads
/// them, so that the wall does not move its clock meanwhile.
const BACKLOG_BYTES: u64 = 16 << 20;
/// A look at a large tree takes a while; the pause after it is at least this many times as long.
const REST: u32 = 9;
/// Longest pause after a set could not be read for want of space.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Files as a source.
pub struct FilesSource {
    /// Name of the source in the configuration.
    pub name: String,
    /// A directory, one file, a glob, or `-` for standard input.
    pub path: PathBuf,
    /// Also what lies in directories below.
    pub recursive: bool,
    /// A file is read once its size and time have not changed for this long.
    pub settle: Duration,
    /// Pause between two looks.
    pub poll: Duration,
    /// Files read at a time.
    pub jobs: usize,
    /// What is counted.
    pub settings: Arc<Settings>,
    /// Where tallies go that memory does not hold.
    pub spill: PathBuf,
    /// Records of one load (`limits.load_records`).
    pub load_records: usize,
    /// Bytes of tallies held before they are spilled (`limits.tally_memory`).
    pub memory: usize,
}

impl FilesSource {
    /// Reads what is there and what comes, until the process is to stop. Blocks; run it on a thread of its own.
    ///
    /// `marks` are the source's resume marks; `dead` takes what could not be read.
    pub fn run(
        self,
        intake: Intake,
        marks: BTreeMap<String, Vec<u8>>,
        mut dead: impl FnMut(Reject) + Send,
        clock: Clock,
    ) {
        if self.path.as_os_str() == "-" {
            return stdin::run(&self, std::io::stdin(), &intake, &mut dead, &clock);
        }
        let mut following = Following::new(&self, &intake, &marks);
        // An earlier run may have left word that it had caught up: until the first look that is not known.
        if !following.say(false, clock.now()) {
            return;
        }
        let mut failures = 0u32;
        while !intake.stop.requested() {
            let started = clock::instant();
            let pause = match following.look(&mut dead, &clock) {
                Ok(more) => {
                    failures = 0;
                    if more { Duration::ZERO } else { self.poll.max(started.elapsed() * REST) }
                }
                Err(ReadError::Stopped) => return,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    warn!(source = %self.name, %error, "files are not read until this is mended");
                    self.poll.saturating_mul(1 << failures.min(5)).min(LONGEST_PAUSE)
                }
            };
            intake.stop.wait(pause);
        }
    }
}

struct Following<'a> {
    follower: Follower,
    begun: Option<Begun>,
    /// Keys of files that are gone for good, whose marks are still to be removed.
    forget: Vec<String>,
    /// What the spine was told last.
    caught_up: bool,
    /// What was said last of a root that cannot be read, so that it is said once.
    complained: String,
    load_records: usize,
    source: &'a FilesSource,
    intake: &'a Intake,
}

impl<'a> Following<'a> {
    fn new(source: &'a FilesSource, intake: &'a Intake, marks: &BTreeMap<String, Vec<u8>>) -> Following<'a> {
        let settle = i64::try_from(source.settle.as_millis()).unwrap_or(i64::MAX);
        Following {
            follower: Follower::new(marks, settle),
            begun: Begun::find(marks),
            forget: Vec::new(),
            caught_up: false,
            complained: String::new(),
            load_records: source.load_records,
            source,
            intake,
        }
    }

    /// Looks once and reads what is ready. True when more is ready.
    fn look(&mut self, dead: &mut (dyn FnMut(Reject) + Send), clock: &Clock) -> Result<bool, ReadError> {
        let now = clock.now();
        let Some(listing) = self.list(now)? else { return Ok(false) };
        if let Some(begun) = self.begun.take() {
            let resumed = self.resume(&begun, &listing, now, dead);
            if resumed.is_err() {
                self.begun = Some(begun);
            }
            return resumed.map(|()| true);
        }
        let Choice { files, more, waiting, forget } = self.follower.choose(listing, now);
        self.intake.waits(waiting as u64);
        self.forget.extend(forget);
        if files.is_empty() {
            let nothing_new = self.caught_up && self.forget.is_empty();
            return if nothing_new || self.say(true, now) { Ok(false) } else { Err(ReadError::Stopped) };
        }
        let bytes = files.iter().fold(0u64, |sum, file| sum.saturating_add(file.identity.size));
        if self.caught_up && (more || bytes > BACKLOG_BYTES) && !self.say(false, now) {
            return Err(ReadError::Stopped);
        }
        let read = self.read(files, None, !more, now, dead)?;
        self.intake.waits(waiting.saturating_sub(read) as u64);
        Ok(more)
    }

    /// `None` while the root cannot be read: what was once there may be waiting there.
    fn list(&mut self, now: i64) -> Result<Option<Listing>, ReadError> {
        let listed = tree::list(&self.source.path, self.source.recursive);
        let problem = match &listed {
            Ok(listing) if listing.files.is_empty() && self.begun.is_some() => {
                "empty, with a set half read".to_string()
            }
            Ok(listing) => {
                if let Some((path, error)) = listing.problems.first() {
                    let problem = format!("{}: {error}", path.display());
                    self.complain(&problem, listing.problems.len());
                } else {
                    self.complained.clear();
                }
                return Ok(listed.ok());
            }
            Err(error) => error.to_string(),
        };
        self.complain(&problem, 1);
        if self.caught_up && !self.say(false, now) {
            return Err(ReadError::Stopped);
        }
        Ok(None)
    }

    fn complain(&mut self, problem: &str, count: usize) {
        if self.complained != problem {
            warn!(source = %self.source.name, path = %self.source.path.display(), problem, count, "cannot be looked at");
            self.complained = problem.to_string();
        }
    }

    fn resume(
        &mut self,
        begun: &Begun,
        listing: &Listing,
        now: i64,
        dead: &mut (dyn FnMut(Reject) + Send),
    ) -> Result<(), ReadError> {
        let (files, other) = begun.still(listing);
        for key in &other {
            warn!(source = %self.source.name, file = %key, "changed or gone in the middle of being read; left out of its set");
        }
        info!(source = %self.source.name, files = files.len(), "going on with the set that was being read");
        self.intake.waits(files.len() as u64);
        self.read(files, Some(begun), false, now, dead).map(|_| ())
    }

    /// Returns how many were read.
    fn read(
        &mut self,
        files: Vec<Found>,
        begun: Option<&Begun>,
        caught_up: bool,
        now: i64,
        dead: &mut (dyn FnMut(Reject) + Send),
    ) -> Result<usize, ReadError> {
        let source = self.source;
        let reader = Reader {
            source: source.name.clone(),
            settings: settings_at(&source.settings, now),
            jobs: source.jobs,
            format: Format::Records,
            memory: source.memory / 2,
            stop: self.intake.stop.clone(),
        };
        let sets = Sets {
            reader: &reader,
            spill: &source.spill,
            memory: source.memory / 2,
            load_records: self.load_records,
            intake: self.intake,
        };
        let report = sets.hand_over(files, begun, caught_up, dead)?;
        self.caught_up = caught_up;
        let read = report.read.len();
        for file in report.read {
            if self.follower.finished(&file.key, file.identity) {
                warn!(source = %source.name, file = %file.key, "changed after it was read; read again from its beginning");
            }
        }
        for (file, error) in report.unopened {
            if self.follower.refused(&file, now) {
                warn!(source = %source.name, file = %file.key, %error, "cannot be opened; tried again later");
            }
        }
        Ok(read)
    }

    /// Sends word of where the source stands, without records.
    fn say(&mut self, caught_up: bool, now: i64) -> bool {
        self.caught_up = caught_up;
        let tally = Tally::new(settings_at(&self.source.settings, now));
        let marks = std::mem::take(&mut self.forget).into_iter().map(|key| (key, Vec::new())).collect();
        let progress = Progress { source: self.source.name.clone(), caught_up, marks, ..Progress::default() };
        self.intake.send(Load { tally, progress: vec![progress], acknowledge: None, received: clock::instant() })
    }
}

#[cfg(test)]
mod tests;

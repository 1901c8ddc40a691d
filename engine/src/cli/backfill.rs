//! `backfill`: teach the baselines in a data directory from history, delivering nothing.
//!
//! What is found is kept in the history, so that `insights list` shows what would have been raised. A
//! backfill that was killed goes on where it stood when it is run again on the same files: the files are
//! counted again and minutes that the journal already has are passed over.

use std::path::Path;
use std::sync::Arc;

use trailsight_schemas::entry::Progress;
use trailsight_schemas::time::{Minute, format_rfc3339};

use super::args::BackfillArgs;
use super::exit::{Exit, Failure};
use super::reading::{self, Read, Reading, Stopwatch, Summary};
use super::replay::chunks;
use crate::clock::{Clock, instant};
use crate::config::{self, Config, SourceKind};
use crate::deliver::DeadLetters;
use crate::journal::{Detected, Journal as _};
use crate::service::State;
use crate::source::{Load, Stop};

/// Name under which a backfill's progress stands in the journal.
const SOURCE: &str = "backfill";
/// Mark: newest minute taken in of the unfinished set, little endian, and which set (a hash of its files).
const THROUGH: &str = "@through";

pub(super) fn run(args: &BackfillArgs) -> Result<Exit, Failure> {
    let config = config::load(&args.location.inputs())?;
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        paths.extend(config.sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Files { path, .. } => Some(path.clone()),
            _ => None,
        }));
    }
    if paths.is_empty() {
        return Err(Failure::Usage(
            "nothing to read: give files or directories, or configure a files source".to_owned(),
        ));
    }
    let reading = Reading {
        inputs: reading::open(&paths)?,
        settings: Arc::new(config.ingest_settings(Clock::System.now())),
        jobs: reading::jobs(args.jobs),
        format: reading::format(args.input_format),
        memory: usize::try_from(config.limits.tally_memory.0).unwrap_or(usize::MAX),
        spill: config.data_dir.join("spill"),
        quiet: args.quiet,
    };
    let mut read = reading.read(&Stop::default())?;
    let rejects = std::mem::take(&mut read.rejects);
    let mut incidents = [0u64; 3];
    let summary = teach(&config, read, &reading, &mut |detected| {
        if detected.told.is_none()
            && detected.event.details.state == trailsight_schemas::insight::State::Start
            && let Some(ours) = &detected.event.trailsight
        {
            incidents[ours.sensitivity as usize] += 1;
        }
    })?;
    let summary = Summary { rejects, incidents, ..summary };
    if !args.quiet {
        summary.print();
    }
    Ok(if summary.outcomes.dead_letter > 0 { Exit::DeadLetters } else { Exit::Done })
}

/// Takes what was read into the data directory of `config`.
pub(super) fn teach(
    config: &Config,
    mut read: Read,
    reading: &Reading,
    tell: &mut dyn FnMut(&Detected),
) -> Result<Summary, Failure> {
    let watch = Stopwatch::start();
    let mut summary = Summary { reading: read.took, ..Summary::default() };
    let mut state = State::open(config, None, &Clock::System)?;
    let now = Clock::System.now();
    state.spine.start(&config.detect_settings(), &[], env!("CARGO_PKG_VERSION"), now).map_err(failed)?;
    let dead = DeadLetters::open(&config.data_dir, config.limits.dead_letter_bytes.0);
    for reject in std::mem::take(&mut read.kept) {
        dead.record(&reject).map_err(|error| Failure::Failed(anyhow::Error::new(error)))?;
    }
    dead.sync().map_err(|error| Failure::Failed(anyhow::Error::new(error)))?;
    let set = fingerprint(reading);
    let resume = resume(&state, set)?;
    let before = state.spine.detect().open_from();
    let mut outcomes = Some(read.outcomes);
    for chunk in chunks(read.runs, config.limits.entry_records(), None)? {
        let (tally, first, last) = chunk?;
        summary.covered = Some((summary.covered.map_or(first, |covered| covered.0), last));
        if resume.is_some_and(|through| last <= through) {
            outcomes = None;
            continue;
        }
        warn_of_the_past(before, first, resume.is_none() && summary.covered.is_some_and(|covered| covered.0 == first));
        let mut mark = last.0.to_le_bytes().to_vec();
        mark.extend(set.to_le_bytes());
        let progress = Progress {
            source: SOURCE.to_owned(),
            marks: vec![(THROUGH.to_owned(), mark)],
            complete_through: Some(last),
            newest: Some(last.seconds() + 59),
            outcomes: outcomes.take().unwrap_or_default(),
            ..Progress::default()
        };
        take(
            &mut state,
            Load { tally, progress: vec![progress], acknowledge: None, received: instant() },
            &mut summary,
            tell,
        )?;
    }
    let done = Progress {
        source: SOURCE.to_owned(),
        marks: vec![(THROUGH.to_owned(), Vec::new())],
        caught_up: true,
        outcomes: outcomes.take().unwrap_or_default(),
        ..Progress::default()
    };
    let nothing = crate::ingest::Tally::new(reading.settings.clone());
    take(
        &mut state,
        Load { tally: nothing, progress: vec![done], acknowledge: None, received: instant() },
        &mut summary,
        tell,
    )?;
    state.snapshot_all()?;
    let sizes = state.spine.detect().sizes();
    (summary.series, summary.open) = (sizes.series, sizes.incidents);
    summary.accounts = state.spine.detect().learning().len();
    summary.learning = reading::still_learning(state.spine.detect());
    summary.judging = watch.elapsed();
    Ok(summary)
}

fn take(state: &mut State, load: Load, summary: &mut Summary, tell: &mut dyn FnMut(&Detected)) -> Result<(), Failure> {
    state.spine.take(vec![load], Clock::System.now());
    while state.spine.step().map_err(failed)? {}
    let taken = state.spine.taken();
    for (_, outcomes) in &taken.outcomes {
        summary.outcomes += *outcomes;
    }
    state.follow(&taken)?;
    taken.insights.iter().for_each(|addressed| tell(&addressed.detected));
    Ok(())
}

/// Up to which minute an interrupted backfill of the same files got.
fn resume(state: &State, set: u64) -> Result<Option<Minute>, Failure> {
    let marks = state.spine.journal().marks(SOURCE).map_err(failed)?;
    let Some(mark) = marks.get(THROUGH).filter(|mark| !mark.is_empty()) else { return Ok(None) };
    let through = mark.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    let of = mark.get(4..).and_then(|rest| rest.first_chunk::<8>()).map(|bytes| u64::from_le_bytes(*bytes));
    match (through, of) {
        (Some(through), Some(of)) if of == set => Ok(Some(Minute(through))),
        _ => Err(Failure::Usage(
            "an earlier backfill of other files was interrupted; run it again with the same files first".to_owned(),
        )),
    }
}

/// FNV-1a over names and sizes.
fn fingerprint(reading: &Reading) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for input in &reading.inputs.inputs {
        add(input.path.as_os_str().as_encoded_bytes());
        add(&[0]);
        add(&input.bytes.to_le_bytes());
    }
    hash
}

fn warn_of_the_past(open_from: Option<Minute>, first: Minute, beginning: bool) {
    if let Some(open_from) = open_from.filter(|open_from| beginning && first < *open_from) {
        eprintln!(
            "the data directory already knows event time up to {}: events before it count in history and are not learned from; \
             backfill an empty data directory before `run` reads anything",
            format_rfc3339(open_from.seconds())
        );
    }
}

/// Refuses a directory that already holds something.
pub(super) fn refuse_used(directory: &Path) -> Result<(), Failure> {
    let used = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        Err(Failure::Usage(format!("--write-state {}: the directory is not empty", directory.display())))
    } else {
        Ok(())
    }
}

fn failed(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Failed(error.into())
}

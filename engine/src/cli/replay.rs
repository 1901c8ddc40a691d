//! `replay`: what would have been raised.
//!
//! Everything is counted first, in any order; then complete minutes are judged in the order of event time.
//! So the same records give the same bytes, however they are cut into files and whoever reads them when.
//! `--from` and `--to` say which events are judged and told: earlier ones still teach.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufWriter, Write};
use std::sync::Arc;

use trailsight_schemas::entry::{Batch, Body, Entry, Outcomes, Progress};
use trailsight_schemas::insight::{InsightFormat, Sensitivity, State};
use trailsight_schemas::time::Minute;
use uuid::Uuid;

use super::args::{InsightFormatArg, OutputFormat, ReplayArgs};
use super::exit::{Exit, Failure, written};
use super::line::{line, told};
use super::reading::{self, Read, Reading, Stopwatch, Summary};
use crate::config::{self, AccountConfig, Config, Inputs as ConfigInputs};
use crate::detect::Detect;
use crate::ingest::Dedup;
use crate::journal::Detected;
use crate::source::Stop;

/// Newest event time that a replay believes, seconds since the epoch (2100): it has no wall clock to ask,
/// because the same input is to give the same output tomorrow.
const LATEST: i64 = 4_102_444_800;

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let mut config = config::load(&ConfigInputs::of_process(args.config.clone(), args.write_state.clone()))?;
    config.detection.assume_history |= args.assume_history;
    if args.from.zip(args.to).is_some_and(|(from, to)| from >= to) {
        return Err(Failure::Usage("--from must be before --to".to_owned()));
    }
    if let Some(directory) = &args.write_state {
        super::backfill::refuse_used(directory)?;
    }
    let reading = Reading {
        inputs: reading::open(&args.paths)?,
        settings: Arc::new(crate::ingest::Settings { latest: LATEST, ..config.ingest_settings(0) }),
        jobs: reading::jobs(args.jobs),
        format: reading::format(args.input_format),
        memory: usize::try_from(config.limits.tally_memory.0).unwrap_or(usize::MAX),
        spill: std::env::temp_dir(),
        quiet: args.quiet,
    };
    let mut read = reading.read(&Stop::default())?;
    let rejects = std::mem::take(&mut read.rejects);
    let mut printer = Printer::new(args, &config);
    let summary = match &args.write_state {
        Some(_) => super::backfill::teach(&config, read, &reading, &mut |detected| printer.print(detected))?,
        None => judge(&config, read, args.to, &mut |detected| printer.print(detected))?,
    };
    let summary = Summary { rejects, incidents: printer.incidents(), folded: printer.folded.len(), ..summary };
    let exit = printer.finish()?;
    if !args.quiet {
        summary.print();
    }
    Ok(if exit == Exit::Done && summary.outcomes.dead_letter > 0 { Exit::DeadLetters } else { exit })
}

/// Judges what was read, without a data directory.
fn judge(config: &Config, read: Read, to: Option<i64>, tell: &mut dyn FnMut(&Detected)) -> Result<Summary, Failure> {
    let watch = Stopwatch::start();
    let mut summary = Summary { outcomes: read.outcomes, reading: read.took, ..Summary::default() };
    let mut detect = Detect::new(config.detect_settings());
    let mut dedup = Dedup::new(1, config.limits.dedup_entries);
    let mut seq = 0;
    for chunk in chunks(read.runs, config.limits.entry_records(), to)? {
        let (tally, first, last) = chunk?;
        summary.covered = Some((summary.covered.map_or(first, |covered| covered.0), last));
        let progress = Progress { complete_through: Some(last), ..Progress::default() };
        let batch = dedup.batch(tally, vec![progress]);
        count(&batch, &mut summary.outcomes);
        let mut due = Some(Body::Batch(batch));
        while let Some(body) = due {
            seq += 1;
            detect.apply(seq, &Entry { taken_at: (last.seconds() + 60) * 1000, body }).iter().for_each(&mut *tell);
            due = detect.excess();
        }
    }
    let sizes = detect.sizes();
    (summary.series, summary.open) = (sizes.series, sizes.incidents);
    summary.accounts = detect.learning().len();
    summary.learning = reading::still_learning(&detect);
    summary.judging = watch.elapsed();
    Ok(summary)
}

/// Adds what a batch counted; what was passed over and not read is known already.
pub(super) fn count(batch: &Batch, outcomes: &mut Outcomes) {
    for progress in &batch.progress {
        outcomes.counted += progress.outcomes.counted;
        outcomes.duplicate += progress.outcomes.duplicate;
    }
}

/// A tally of whole minutes, and the first and last of them.
pub(super) type Chunk = (crate::ingest::Tally, Minute, Minute);

/// Minutes in order, put together until a chunk holds `records`, up to the time `to`.
pub(super) fn chunks(
    runs: crate::ingest::Runs,
    records: usize,
    to: Option<i64>,
) -> Result<impl Iterator<Item = Result<Chunk, Failure>>, Failure> {
    let spilled = |error: std::io::Error| Failure::Failed(anyhow::Error::new(error).context("temporary files"));
    let mut minutes = runs.into_minutes().map_err(spilled)?.peekable();
    Ok(std::iter::from_fn(move || {
        let mut chunk: Option<Chunk> = None;
        loop {
            match minutes.peek() {
                None => return chunk.map(Ok),
                Some(Err(_)) => return minutes.next().and_then(Result::err).map(|error| Err(spilled(error))),
                Some(Ok(tally)) => {
                    let minute = tally.newest().and_then(Minute::of_seconds).unwrap_or_default();
                    if to.is_some_and(|to| minute.seconds() >= to) {
                        return chunk.map(Ok);
                    }
                    let full = |held: &crate::ingest::Tally| held.len() + tally.len() > records || held.fills(records);
                    if chunk.as_ref().is_some_and(|(held, ..)| full(held)) {
                        return chunk.map(Ok);
                    }
                    let Some(Ok(tally)) = minutes.next() else { return chunk.map(Ok) };
                    match &mut chunk {
                        Some((held, _, last)) => {
                            held.merge(tally);
                            *last = minute;
                        }
                        None => chunk = Some((tally, minute, minute)),
                    }
                }
            }
        }
    }))
}

/// Writes insights to standard output.
struct Printer {
    out: BufWriter<std::io::Stdout>,
    format: OutputFormat,
    insight_format: InsightFormat,
    /// As it was asked for.
    loosest: Option<Sensitivity>,
    /// What the configuration calls accounts, and how loose they are.
    accounts: BTreeMap<String, AccountConfig>,
    from: Option<i64>,
    /// Of insights that speak for themselves.
    strictest: HashMap<Uuid, Sensitivity>,
    /// Insights that another one told.
    folded: std::collections::HashSet<Uuid>,
    /// Incidents whose Start was told: their End is told too.
    begun: std::collections::HashSet<Uuid>,
    result: std::io::Result<()>,
}

impl Printer {
    fn new(args: &ReplayArgs, config: &Config) -> Printer {
        Printer {
            out: BufWriter::new(std::io::stdout()),
            format: OutputFormat::or_suited(args.output_format),
            insight_format: match args.insight_format {
                InsightFormatArg::Full => InsightFormat::Full,
                InsightFormatArg::Aws => InsightFormat::Aws,
            },
            loosest: args.sensitivity.map(|level| crate::service::sensitivity(level.into())),
            accounts: config.accounts.clone(),
            from: args.from,
            strictest: HashMap::new(),
            folded: std::collections::HashSet::new(),
            begun: std::collections::HashSet::new(),
            result: Ok(()),
        }
    }

    fn print(&mut self, detected: &Detected) {
        let event = &detected.event;
        let incident = event.shared_event_id;
        match event.details.state {
            State::Start => {
                if self.from.is_some_and(|from| event.event_time < from) {
                    return;
                }
                if event.trailsight.as_ref().is_some_and(|ours| ours.leader.is_some()) {
                    self.folded.insert(incident);
                } else if let Some(ours) = &event.trailsight {
                    self.folded.remove(&incident);
                    let strictest = self.strictest.entry(incident).or_insert(ours.sensitivity);
                    *strictest = (*strictest).min(ours.sensitivity);
                }
                if !told(event, self.loosest_of(&event.recipient_account_id)) {
                    return;
                }
                self.begun.insert(incident);
            }
            State::End if !self.begun.contains(&incident) => return,
            State::End => {}
        }
        if self.result.is_err() || !self.insight_format.carries(event.details.insight_type) {
            return;
        }
        self.result = match self.format {
            OutputFormat::Human => {
                let alias = self.accounts.get(&event.recipient_account_id).and_then(|own| own.alias.as_deref());
                writeln!(self.out, "{}", line(event, alias))
            }
            OutputFormat::Ndjson => writeln!(self.out, "{}", event.to_json(self.insight_format)),
        };
    }

    fn loosest_of(&self, account: &str) -> Sensitivity {
        let own = self.accounts.get(account).and_then(|own| own.sensitivity);
        self.loosest.or(own.map(crate::service::sensitivity)).unwrap_or(Sensitivity::Medium)
    }

    fn incidents(&self) -> [u64; 3] {
        let mut levels = [0; 3];
        for sensitivity in self.strictest.values() {
            levels[*sensitivity as usize] += 1;
        }
        levels
    }

    fn finish(mut self) -> Result<Exit, Failure> {
        let flushed = self.out.flush();
        written(self.result.and(flushed))
    }
}

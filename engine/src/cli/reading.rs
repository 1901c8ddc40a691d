//! What `replay` and `backfill` share: opening inputs, reading them with a progress bar, and the summary.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trailsight_schemas::entry::Outcomes;
use trailsight_schemas::time::{Minute, format_rfc3339};

use super::args::InputFormat;
use super::exit::Failure;
use super::line::printable;
use crate::clock::instant;
use crate::ingest::{Reject, Runs, Settings};
use crate::source::Stop;
use crate::source::paths::{self, Inputs};
use crate::source::read::{Format, ReadError, Reader};

/// Dead-lettered records that are shown one by one; the rest is only counted.
const SHOWN_REJECTS: u64 = 100;

/// Inputs and how to read them.
pub(super) struct Reading {
    pub(super) inputs: Inputs,
    pub(super) settings: Arc<Settings>,
    pub(super) jobs: usize,
    pub(super) format: Format,
    pub(super) memory: usize,
    pub(super) spill: PathBuf,
    pub(super) quiet: bool,
}

/// What reading came to.
pub(super) struct Read {
    pub(super) runs: Runs,
    pub(super) outcomes: Outcomes,
    pub(super) rejects: BTreeMap<&'static str, u64>,
    pub(super) took: Duration,
    /// What could not be read, to be kept in the dead letter of a data directory.
    pub(super) kept: Vec<Reject>,
    _spill: tempfile::TempDir,
}

/// Files that the arguments stand for; nothing given is standard input.
pub(super) fn open(arguments: &[PathBuf]) -> Result<Inputs, Failure> {
    let mut arguments: Vec<String> = arguments.iter().map(|path| path.display().to_string()).collect();
    if arguments.is_empty() {
        arguments.push("-".to_owned());
    }
    paths::expand(&arguments).map_err(|bad| {
        let all: Vec<String> = bad.iter().map(|bad| format!("cannot open {bad}")).collect();
        Failure::Usage(all.join("\n"))
    })
}

pub(super) fn format(format: InputFormat) -> Format {
    match format {
        InputFormat::Auto => Format::Auto,
        InputFormat::Counts => Format::Counts,
    }
}

pub(super) fn jobs(asked: Option<u16>) -> usize {
    asked.map_or_else(crate::ingest::jobs, usize::from)
}

impl Reading {
    /// Reads everything; nothing is judged yet.
    pub(super) fn read(&self, stop: &Stop) -> Result<Read, Failure> {
        let began = instant();
        std::fs::create_dir_all(&self.spill).map_err(|error| failed(&self.spill, error))?;
        let spill = tempfile::Builder::new()
            .prefix("tallies-")
            .tempdir_in(&self.spill)
            .map_err(|error| failed(&self.spill, error))?;
        let mut runs = Runs::new(self.settings.clone(), spill.path(), self.memory);
        let bar = bar(self.inputs.bytes, self.quiet);
        let mut rejects: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut kept = Vec::new();
        let reader = Reader {
            source: "replay".to_owned(),
            settings: self.settings.clone(),
            jobs: self.jobs,
            format: self.format,
            memory: self.memory / 2,
            stop: stop.clone(),
        };
        let report = reader.read_all(
            &self.inputs.inputs,
            &mut runs,
            &|so_far| {
                bar.set_position(so_far.bytes);
                bar.set_message(format!("{} records", grouped(so_far.records)));
            },
            &mut |reject| {
                *rejects.entry(reject.reason).or_insert(0) += 1;
                if (kept.len() as u64) < SHOWN_REJECTS {
                    kept.push(reject);
                }
            },
        );
        bar.finish_and_clear();
        let report = report.map_err(|error| match error {
            ReadError::Table { .. } => Failure::Usage(error.to_string()),
            ReadError::Stopped | ReadError::Spill(_) => Failure::Failed(error.into()),
        })?;
        if !report.unopened.is_empty() {
            let names = report.unopened.iter().map(|(at, error)| {
                format!("cannot open {}: {error}", self.inputs.inputs.get(*at).map_or("?", |input| input.name.as_str()))
            });
            return Err(Failure::Usage(names.collect::<Vec<_>>().join("\n")));
        }
        kept.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
        if !self.quiet {
            show_rejects(&kept, rejects.values().sum());
        }
        Ok(Read { outcomes: runs.outcomes(), runs, rejects, took: began.elapsed(), kept, _spill: spill })
    }
}

fn failed(path: &Path, error: std::io::Error) -> Failure {
    Failure::Failed(anyhow::anyhow!("{}: {error}", path.display()))
}

fn show_rejects(rejects: &[Reject], all: u64) {
    for reject in rejects {
        eprintln!(
            "not read: {} at byte {}: {}: {}",
            printable(&reject.path),
            reject.offset,
            reject.reason,
            printable(&reject.excerpt)
        );
    }
    if all > rejects.len() as u64 {
        eprintln!("not read: {} more", grouped(all - rejects.len() as u64));
    }
}

/// A bar over bytes on a terminal; nothing elsewhere.
pub(super) fn bar(total: u64, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(total);
    let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// What a run came to, for a person.
#[derive(Default)]
pub(super) struct Summary {
    pub(super) outcomes: Outcomes,
    pub(super) accounts: usize,
    pub(super) series: usize,
    pub(super) covered: Option<(Minute, Minute)>,
    /// Insights that speak for themselves, by the strictest level reached: low, medium, high.
    pub(super) incidents: [u64; 3],
    /// Insights that others told.
    pub(super) folded: usize,
    pub(super) open: usize,
    pub(super) learning: Vec<String>,
    pub(super) reading: Duration,
    pub(super) judging: Duration,
    pub(super) rejects: BTreeMap<&'static str, u64>,
}

impl Summary {
    pub(super) fn print(&self) {
        let Outcomes { counted, duplicate, not_analysed, dead_letter } = self.outcomes;
        let rate = counted as f64 / (self.reading + self.judging).as_secs_f64().max(1e-9);
        eprintln!(
            "{} records counted, {} duplicates, {} not analysed, {} not read ({} records/s)",
            grouped(counted),
            grouped(duplicate),
            grouped(not_analysed),
            grouped(dead_letter),
            grouped(rate as u64)
        );
        for (reason, count) in &self.rejects {
            eprintln!("  not read, {reason}: {}", grouped(*count));
        }
        if let Some((first, last)) = self.covered {
            let minutes = u64::from(last.0 - first.0) + 1;
            eprintln!(
                "{} accounts, {} series over {} ({} to {})",
                self.accounts,
                grouped(self.series as u64),
                length(minutes),
                format_rfc3339(first.seconds()),
                format_rfc3339(last.seconds() + 60)
            );
        }
        let [low, medium, high] = self.incidents;
        eprintln!(
            "insights by the strictest sensitivity that they reach: {low} low, {medium} medium, {high} high, and {} folded into them; {} still open",
            self.folded, self.open
        );
        for account in &self.learning {
            eprintln!("{account}");
        }
        let (slow, took) =
            if self.reading >= self.judging { ("reading", self.reading) } else { ("judging", self.judging) };
        eprintln!(
            "slowest part: {slow}, {:.1} s of {:.1} s",
            took.as_secs_f64(),
            (self.reading + self.judging).as_secs_f64()
        );
    }
}

fn length(minutes: u64) -> String {
    match minutes {
        0..=119 => format!("{minutes} minutes"),
        120..=2879 => format!("{:.1} hours", minutes as f64 / 60.0),
        _ => format!("{:.1} days", minutes as f64 / 1440.0),
    }
}

/// `1,234,567`.
pub(super) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long a phase took and what is left of it: accumulates.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub(super) fn start() -> Stopwatch {
        Stopwatch(instant())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// One line for each account that is still learning.
pub(super) fn still_learning(detect: &crate::detect::Detect) -> Vec<String> {
    let accounts = detect.learning();
    let all = accounts.len();
    let mut lines: Vec<String> = accounts
        .iter()
        .filter(|account| !account.full)
        .take(10)
        .map(|account| {
            let stage = if account.provisional { "judged at low only" } else { "nothing judged yet" };
            format!(
                "account {}: {stage}, full sensitivity from {} (--assume-history judges from the first minute)",
                printable(&account.account),
                format_rfc3339(account.full_at)
            )
        })
        .collect();
    let hidden = accounts.iter().filter(|account| !account.full).count().saturating_sub(lines.len());
    if hidden > 0 {
        lines.push(format!("and {hidden} more accounts of {all} that are still learning"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts: Vec<String> = [0, 12, 123, 1234, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "12", "123", "1,234", "1,234,567"]);
        assert_eq!(
            (length(60), length(180), length(14_400)),
            ("60 minutes".into(), "3.0 hours".into(), "10.0 days".into())
        );
    }
}

//! The spine on a simulated disk, crashed after every step.
//!
//! A scripted source hands over one message after the other; the process is dropped after step k, brought
//! back from what the disk holds, and goes on. For every k the insights must be those of a run that was never
//! crashed, and every record must be counted once.

mod disk;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use disk::Disk;
use trailsight::detect::Settings;
use trailsight::ingest::{self, Dedup, Origin, Tally};
use trailsight::journal::{Addressed, Journal as _};
use trailsight::source::Load;
use trailsight::spine::{Address, Spine};
use trailsight_schemas::entry::{Outcomes, Progress};
use trailsight_schemas::time::{Minute, format_rfc3339};

const T0: u32 = 28_403_000;
const DEDUP: (u32, usize) = (24 * 60, 100_000);

/// What a source does after a crash.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Resumes {
    /// Behind the newest durable mark, as Kafka and files do.
    AtMark,
    /// With everything not acknowledged in this life of the process, as a queue does.
    AtAcknowledged,
}

/// The messages: background traffic of a few APIs, bursts, errors, repeats, records out of order.
fn script() -> Vec<(u32, Vec<u8>)> {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut messages = Vec::new();
    for message in 0..60u32 {
        let minute = T0 + message * 4;
        let mut lines = String::new();
        for _ in 0..1 + next() % 4 {
            let name = ["CreateUser", "DeleteUser", "PutRolePolicy"][next() as usize % 3];
            let late = (next() % 5) as u32;
            lines.push_str(&line(minute - late, name, "role/ci", "", next()));
        }
        if message % 17 == 11 {
            for _ in 0..150 {
                lines.push_str(&line(minute, "CreateAccessKey", "user/mallory", "", next()));
                lines.push_str(&line(minute + 1, "GetObject", "user/mallory", "AccessDenied", next()));
            }
        }
        if message > 17 && message % 17 == 5 {
            // After the End of the burst eleven messages ago was told.
            lines.push_str(&line(minute - 44, "CreateAccessKey", "user/eve", "", next()));
        }
        messages.push((minute + 2, lines.into_bytes()));
    }
    messages
}

fn line(minute: u32, name: &str, caller: &str, error: &str, id: u64) -> String {
    let error = if error.is_empty() { String::new() } else { format!(r#""errorCode":"{error}","#) };
    format!(
        "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"IAMUser\",\"arn\":\"arn:aws:iam::111122223333:{caller}\"}},\
         \"eventTime\":\"{}\",\"eventSource\":\"iam.amazonaws.com\",\"eventName\":\"{name}\",\"awsRegion\":\"us-east-1\",\
         \"userAgent\":\"aws-cli/2\",{error}\"eventID\":\"{id:032x}\",\"readOnly\":false,\"eventType\":\"AwsApiCall\",\
         \"managementEvent\":true,\"recipientAccountId\":\"111122223333\",\"eventCategory\":\"Management\"}}\n",
        format_rfc3339(Minute(minute).seconds() + (id % 60) as i64),
    )
}

fn counting() -> Arc<ingest::Settings> {
    Arc::new(ingest::Settings {
        data_events: Vec::new(),
        attribute_values: 16,
        error_codes: 16,
        object_bytes: 1 << 20,
        inflated_bytes: 1 << 24,
        record_bytes: 1 << 16,
        latest: i64::from(T0 + 1_000_000) * 60,
    })
}

fn settings() -> Settings {
    Settings { assume_history: true, partitions: 4, ..Settings::default() }
}

fn everywhere() -> Address {
    Box::new(|found, _| {
        let addressed = found.into_iter().map(|detected| Addressed {
            detected,
            sinks: vec!["all".to_owned()],
            not_before: Default::default(),
            muted_by: None,
        });
        Ok(addressed.collect())
    })
}

struct Process {
    spine: Spine<Disk>,
    /// Next message to read.
    next: usize,
    acknowledged: Arc<std::sync::atomic::AtomicUsize>,
}

impl Process {
    fn start(disk: &Disk, resumes: Resumes, acknowledged: usize, now: i64) -> Process {
        let (parts, dedup) = {
            let contents = disk.contents();
            let parts = (0..4).map(|at| contents.parts.get(&at).cloned()).collect();
            let dedup = match &contents.dedup {
                Some((seq, bytes)) => (*seq, Dedup::unpack(DEDUP.0, DEDUP.1, bytes).expect("a stored window")),
                None => (0, Dedup::new(DEDUP.0, DEDUP.1)),
            };
            (parts, dedup)
        };
        let (mut spine, _) = Spine::recover(disk.clone(), parts, dedup, settings(), everywhere()).expect("recovery");
        spine.start(&settings(), &["script".to_owned()], "test", now).expect("a start");
        let marks = disk.marks("script").expect("marks");
        let marked = marks
            .get("next")
            .map_or(0, |bytes| u32::from_le_bytes(bytes.as_slice().try_into().expect("four bytes")) as usize);
        let next = if resumes == Resumes::AtMark { marked } else { acknowledged };
        Process { spine, next, acknowledged: Arc::new(acknowledged.into()) }
    }

    /// Does one step; false when the script is over.
    fn step(&mut self, script: &[(u32, Vec<u8>)]) -> bool {
        if self.spine.busy() {
            // A full disk: the same step is due again.
            let _ = self.spine.step();
            return true;
        }
        let Some((minute, bytes)) = script.get(self.next) else {
            if self.next > script.len() {
                return false;
            }
            self.next += 1;
            let marks = vec![("next".to_owned(), (self.next as u32).to_le_bytes().to_vec())];
            let caught_up = Progress { source: "script".into(), caught_up: true, marks, ..Progress::default() };
            let load = Load {
                tally: Tally::new(counting()),
                progress: vec![caught_up],
                acknowledge: None,
                received: instant(),
            };
            self.spine.take(vec![load], i64::from(T0 + 100_000) * 60_000);
            return true;
        };
        let mut tally = Tally::new(counting());
        let mut dead = Vec::new();
        tally.read(bytes, Origin { source: "script", path: "message" }, &mut |reject| dead.push(reject));
        assert!(dead.is_empty(), "{dead:?}");
        self.next += 1;
        let position = (self.next as u32).to_le_bytes().to_vec();
        let progress = Progress {
            source: "script".into(),
            marks: vec![("next".to_owned(), position)],
            newest: tally.newest(),
            ..Progress::default()
        };
        let (acknowledged, reached) = (self.acknowledged.clone(), self.next);
        let load = Load {
            tally,
            progress: vec![progress],
            acknowledge: Some(Box::new(move |_| acknowledged.store(reached, std::sync::atomic::Ordering::SeqCst))),
            received: instant(),
        };
        self.spine.take(vec![load], i64::from(*minute) * 60_000);
        true
    }

    fn store(&self, disk: &Disk, part: usize) {
        let mut contents = disk.contents();
        if let Some(stored) = self.spine.detect().part(part) {
            contents.parts.insert(part, stored);
        } else {
            let seq = contents.dropped + contents.entries.len() as u64;
            contents.dedup = Some((seq, self.spine.dedup().pack()));
        }
    }
}

fn instant() -> Instant {
    trailsight::clock::instant()
}

struct Run {
    insights: Vec<Addressed>,
    totals: Outcomes,
    steps: usize,
}

/// Runs the script; the process is dropped after each of the steps in `crashes` (counted over all its lives).
/// Every `snapshots` steps one more part of the state is stored.
fn run(resumes: Resumes, crashes: &[usize], snapshots: usize, full: &[usize]) -> Run {
    let script = script();
    let disk = Disk::default();
    let acknowledged = Cell::new(0);
    let mut process = Process::start(&disk, resumes, 0, i64::from(T0) * 60_000);
    let mut steps = 0;
    let mut part = 0;
    while process.step(&script) {
        steps += 1;
        assert!(steps < 10_000, "the script must end");
        if full.contains(&steps) {
            disk.contents().full_for = 3;
        }
        if snapshots > 0 && steps % snapshots == 0 && !process.spine.busy() {
            process.store(&disk, part % 5);
            part += 1;
        }
        if crashes.contains(&steps) {
            acknowledged.set(process.acknowledged.load(std::sync::atomic::Ordering::SeqCst));
            let at = script.get(process.next.saturating_sub(1)).map_or(T0 + 100_000, |message| message.0);
            drop(process);
            disk.contents().full_for = 0;
            process = Process::start(&disk, resumes, acknowledged.get(), i64::from(at) * 60_000);
        }
    }
    let contents = disk.contents();
    let totals = contents.totals.get("script").copied().unwrap_or_default();
    Run { insights: contents.insights.clone(), totals, steps }
}

/// What must agree: everything that was said, but for the wall time at which it was said.
fn said(run: &Run) -> Vec<Addressed> {
    let mut insights = run.insights.clone();
    for addressed in &mut insights {
        if let Some(ours) = addressed.detected.event.trailsight.as_mut() {
            (ours.detected_at, ours.data_through) = (0, 0);
        }
    }
    insights
}

fn is_end(said: &Addressed) -> bool {
    said.detected.event.details.state == trailsight_schemas::insight::State::End
}

#[test]
fn crashing_after_any_step_changes_nothing() {
    let calm = run(Resumes::AtMark, &[], 0, &[]);
    assert!(
        calm.insights.iter().filter(|said| is_end(said)).count() >= 6,
        "the script must raise something: {}",
        calm.insights.len()
    );
    assert_eq!(calm.totals.duplicate, 0);
    let mut by_incident = std::collections::BTreeMap::<_, usize>::new();
    for said in calm.insights.iter().filter(|said| is_end(said)) {
        *by_incident.entry(said.detected.event.shared_event_id).or_default() += 1;
    }
    assert!(by_incident.values().any(|ends| *ends == 2), "an End must be corrected: {by_incident:?}");
    for step in 1..calm.steps {
        for snapshots in [0, 3] {
            let crashed = run(Resumes::AtMark, &[step], snapshots, &[]);
            assert_eq!(said(&calm), said(&crashed), "crashed after step {step}, snapshots every {snapshots}");
            assert_eq!(calm.totals, crashed.totals, "crashed after step {step}, snapshots every {snapshots}");
        }
    }
}

#[test]
fn a_queue_that_repeats_what_was_not_acknowledged_is_counted_once() {
    let calm = run(Resumes::AtMark, &[], 0, &[]);
    for step in 1..calm.steps {
        let crashed = run(Resumes::AtAcknowledged, &[step], 2, &[]);
        assert_eq!(calm.totals.counted, crashed.totals.counted, "crashed after step {step}");
        assert_eq!(said(&calm), said(&crashed), "crashed after step {step}");
    }
}

#[test]
fn crashing_again_and_again_changes_nothing() {
    let calm = run(Resumes::AtMark, &[], 0, &[]);
    for stride in [1, 2, 3, 5, 7, 11] {
        // A life of one step cannot get anywhere: crash in two of three steps at most.
        let crashes: Vec<usize> = (1..2000).map(|life| life * (stride + 4)).collect();
        let crashed = run(Resumes::AtMark, &crashes, stride, &[]);
        assert_eq!(said(&calm), said(&crashed), "stride {stride}");
        assert_eq!(calm.totals, crashed.totals, "stride {stride}");
    }
}

#[test]
fn a_full_disk_pauses_and_loses_nothing() {
    let calm = run(Resumes::AtMark, &[], 0, &[]);
    for step in 1..calm.steps {
        let paused = run(Resumes::AtMark, &[], 4, &[step]);
        assert_eq!(said(&calm), said(&paused), "full after step {step}");
        assert_eq!(calm.totals, paused.totals);
        let crashed = run(Resumes::AtMark, &[step + 2], 4, &[step]);
        assert_eq!(said(&calm), said(&crashed), "full after step {step}, crashed two later");
    }
}

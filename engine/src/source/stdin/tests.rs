//! Whatever comes through the pipe, in whatever pieces.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::super::testing::{Calls, MIDNIGHT, calls, intake, record, settings, standing};
use super::*;
use crate::source::files::{POLL, SETTLE};

/// A pipe that the test writes to.
struct Written(Receiver<Vec<u8>>);

impl Read for Written {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Ok(piece) = self.0.recv() else { return Ok(0) };
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

struct Running {
    pipe: Option<Sender<Vec<u8>>>,
    loads: Receiver<Load>,
    thread: std::thread::JoinHandle<Vec<Reject>>,
    stop: crate::source::Stop,
}

fn start() -> Running {
    let (pipe, written) = channel();
    let (intake, loads) = intake(100);
    let stop = intake.stop.clone();
    let thread = std::thread::spawn(move || {
        let source = FilesSource {
            load_records: 50_000,
            name: "pipe".into(),
            path: PathBuf::from("-"),
            recursive: false,
            settle: SETTLE,
            poll: POLL,
            jobs: 1,
            settings: settings(),
            spill: std::env::temp_dir(),
            memory: 1 << 20,
        };
        let mut rejects = Vec::new();
        run(&source, Written(written), &intake, &mut |reject| rejects.push(reject), &standing(MIDNIGHT * 1000));
        rejects
    });
    Running { pipe: Some(pipe), loads, thread, stop }
}

impl Running {
    fn write(&self, bytes: &[u8]) {
        for piece in bytes.chunks(CHUNK) {
            self.pipe.as_ref().unwrap().send(piece.to_vec()).unwrap();
        }
    }

    /// Closes the pipe; what was counted after that, and what was rejected.
    fn end(mut self) -> (Calls, Vec<Reject>) {
        self.pipe.take();
        let mut loads: Vec<Load> = self.loads.iter().collect();
        assert!(loads.last().is_some_and(|load| load.progress[0].caught_up));
        assert!(loads.iter().rev().skip(1).all(|load| !load.progress[0].caught_up));
        assert!(loads.iter().all(|load| load.progress[0].marks.is_empty()));
        (calls(&mut loads), self.thread.join().unwrap())
    }
}

fn lines(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| record(id, MIDNIGHT, "RunInstances")).collect()
}

#[test]
fn lines_are_handed_over_while_the_pipe_is_open() {
    let running = start();
    let text = lines(0..10);
    let (first, rest) = text.as_bytes().split_at(text.len() / 2 + 7);
    running.write(first);
    let mut load = [running.loads.recv().unwrap()];
    assert_eq!(calls(&mut load).values().sum::<u64>(), 5, "whole lines only");
    running.write(rest);
    let (rest, rejects) = running.end();
    assert_eq!(rest.values().sum::<u64>(), 5);
    assert!(rejects.is_empty());
}

#[test]
fn the_last_line_needs_no_line_feed_and_a_broken_one_harms_no_other() {
    let running = start();
    running.write(lines(0..3).as_bytes());
    running.write(b"{\"eventTime\": broken}\n");
    running.write(lines(3..5).trim_end().as_bytes());
    let (found, rejects) = running.end();
    assert_eq!(found.values().sum::<u64>(), 5);
    assert_eq!(rejects.len(), 1);
}

#[test]
fn an_endless_line_is_cut_and_what_follows_is_read() {
    let running = start();
    running.write(lines(0..2).as_bytes());
    running.write(b"{\"eventName\":\"");
    running.write(&vec![b'x'; 5 << 20]);
    running.write(b"\"}\n");
    running.write(lines(2..4).as_bytes());
    let (found, rejects) = running.end();
    assert_eq!(found.values().sum::<u64>(), 4);
    assert!(!rejects.is_empty());
}

#[test]
fn an_envelope_over_several_lines_is_read() {
    let running = start();
    let records: Vec<String> = (0..4).map(|id| record(id, MIDNIGHT, "RunInstances")).collect();
    running.write(format!("{{\"Records\":\n[{}]}}\n", records.join(",")).as_bytes());
    let (found, rejects) = running.end();
    assert_eq!(found.values().sum::<u64>(), 4);
    assert!(rejects.is_empty(), "{rejects:?}");
}

#[test]
fn a_request_to_stop_is_heard_while_the_pipe_is_silent() {
    let running = start();
    running.stop.request();
    assert!(running.thread.join().unwrap().is_empty());
    assert!(running.loads.iter().all(|load| !load.progress[0].caught_up), "the end of input was not seen");
}

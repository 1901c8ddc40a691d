//! Standard input as a source: what comes is handed over in batches bounded in time and size.
//!
//! Lines of JSON are handed over while the stream is open. Anything else (an envelope over several lines, a
//! compressed stream) is handed over as the reader of streams lets go of it. There are no resume marks: what
//! was read and not yet durable when the process dies is gone with the pipe.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use tracing::warn;
use trailsight_schemas::entry::Progress;

use super::files::FilesSource;
use super::read::UNREADABLE;
use super::{Intake, Load, settings_at};
use crate::clock::{self, Clock};
use crate::ingest::{Origin, Reject, Tally};

/// Bytes taken from the pipe at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for the tally; then the pipe is not read.
const CHUNKS: usize = 16;
/// Most bytes in one batch of lines.
const BATCH_BYTES: usize = 1 << 20;
/// Longest that a record waits for others.
const BATCH_TIME: Duration = Duration::from_millis(250);
/// Most records in one load of another shape.
const BATCH_RECORDS: usize = 50_000;
/// A first line beyond this many bytes is no line of a stream of lines.
const FIRST_LINE: usize = 1 << 20;

/// Reads until the end of input or until the process is to stop.
pub(super) fn run(
    source: &FilesSource,
    input: impl Read + Send + 'static,
    intake: &Intake,
    dead: &mut dyn FnMut(Reject),
    clock: &Clock,
) {
    let mut pipe = Pipe::open(input, intake);
    let mut batches = Batches { source, intake, clock, received: None };
    pipe.fill_first_line();
    let done = if is_lines(&pipe.held) { batches.lines(&mut pipe, dead) } else { batches.stream(&mut pipe, dead) };
    if let Some(error) = pipe.error.filter(|_| !intake.stop.requested()) {
        warn!(source = %source.name, %error, "standard input failed");
        dead(Reject {
            source: source.name.clone(),
            path: "-".into(),
            offset: pipe.taken,
            reason: UNREADABLE,
            excerpt: error.to_string(),
        });
    }
    if done {
        batches.send(Tally::new(settings_at(&source.settings, clock.now())), true);
    }
}

/// Whether the first line is a whole JSON object, so that those after it are likely to be as well.
fn is_lines(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    line.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

struct Batches<'a> {
    source: &'a FilesSource,
    intake: &'a Intake,
    clock: &'a Clock,
    /// When the oldest byte of the batch came.
    received: Option<Instant>,
}

impl Batches<'_> {
    /// True at the end of input, false when there is nobody to hand anything to.
    fn lines(&mut self, pipe: &mut Pipe, dead: &mut dyn FnMut(Reject)) -> bool {
        // A line that is longer than a record may be is cut; the rest of it is passed over.
        let mut in_long_line = false;
        loop {
            let came = pipe.wait(BATCH_TIME);
            let waited = self.received.get_or_insert_with(clock::instant).elapsed();
            if came == Came::More && pipe.held.len() < BATCH_BYTES && waited < BATCH_TIME {
                continue;
            }
            let whole = pipe.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let too_long = pipe.held.len() - whole > self.source.settings.record_bytes.max(BATCH_BYTES);
            let end = if too_long || came == Came::End { pipe.held.len() } else { whole };
            let mut lines = &pipe.held[..end];
            if in_long_line {
                let next = lines.iter().position(|byte| *byte == b'\n');
                lines = next.map_or(&[], |at| &lines[at + 1..]);
                in_long_line = next.is_none();
            }
            in_long_line |= too_long;
            if !self.batch(lines, dead) {
                return false;
            }
            pipe.held.drain(..end);
            match came {
                Came::End => return true,
                Came::Stopped => return false,
                Came::More | Came::Nothing => {}
            }
        }
    }

    fn batch(&mut self, lines: &[u8], dead: &mut dyn FnMut(Reject)) -> bool {
        if lines.is_empty() {
            self.received = None;
            return true;
        }
        let mut tally = Tally::new(settings_at(&self.source.settings, self.clock.now()));
        self.intake.read(lines.len() as u64);
        tally.read(lines, Origin { source: &self.source.name, path: "-" }, dead);
        self.send(tally, false)
    }

    fn stream(&mut self, pipe: &mut Pipe, dead: &mut dyn FnMut(Reject)) -> bool {
        let source = self.source;
        let settings = settings_at(&source.settings, self.clock.now());
        let mut tally = Tally::new(settings.clone());
        let mut began = clock::instant();
        self.received = Some(began);
        let mut between = |tally: &mut Tally, _: u64| {
            if tally.len() >= BATCH_RECORDS || (!tally.is_empty() && began.elapsed() >= BATCH_TIME) {
                began = clock::instant();
                let full = std::mem::replace(tally, Tally::new(settings.clone()));
                if !self.send(full, false) {
                    return Err(io::Error::other("stopped"));
                }
            }
            Ok(())
        };
        let origin = Origin { source: &source.name, path: "-" };
        if let Err(error) = tally.read_from(pipe, origin, dead, &mut between) {
            pipe.error.get_or_insert(error);
        }
        !self.intake.stop.requested() && self.send(tally, false)
    }

    fn send(&mut self, tally: Tally, caught_up: bool) -> bool {
        let received = self.received.take().unwrap_or_else(clock::instant);
        let progress =
            Progress { source: self.source.name.clone(), newest: tally.newest(), caught_up, ..Progress::default() };
        self.intake.send(Load { tally, progress: vec![progress], acknowledge: None, received })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    More,
    Nothing,
    End,
    Stopped,
}

/// A pipe that can be waited for with a bound: a thread of its own reads it.
struct Pipe {
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// What came and was not yet taken.
    held: Vec<u8>,
    taken: u64,
    error: Option<io::Error>,
    stop: super::Stop,
}

impl Pipe {
    fn open(mut input: impl Read + Send + 'static, intake: &Intake) -> Pipe {
        let (send, chunks) = sync_channel(CHUNKS);
        // The thread ends with the input, or at its next chunk once the pipe is dropped.
        std::thread::spawn(move || {
            let mut buffer = vec![0; CHUNK];
            loop {
                let read = match input.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => Ok(buffer.get(..count).unwrap_or_default().to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if send.send(read).is_err() || failed {
                    return;
                }
            }
        });
        Pipe { chunks, held: Vec::new(), taken: 0, error: None, stop: intake.stop.clone() }
    }

    /// Waits for one more chunk.
    fn wait(&mut self, timeout: Duration) -> Came {
        if self.stop.requested() {
            return Came::Stopped;
        }
        match self.chunks.recv_timeout(timeout) {
            Ok(Ok(chunk)) => {
                self.taken += chunk.len() as u64;
                self.held.extend_from_slice(&chunk);
                Came::More
            }
            Ok(Err(error)) => {
                self.error = Some(error);
                Came::End
            }
            Err(RecvTimeoutError::Timeout) => Came::Nothing,
            Err(RecvTimeoutError::Disconnected) => Came::End,
        }
    }

    fn fill_first_line(&mut self) {
        while self.held.len() < FIRST_LINE && !self.held.trim_ascii_start().contains(&b'\n') {
            if matches!(self.wait(BATCH_TIME), Came::End | Came::Stopped) {
                return;
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.held.is_empty() {
            match self.wait(BATCH_TIME) {
                Came::End => return Ok(0),
                Came::Stopped => return Err(io::Error::other("stopped")),
                Came::More | Came::Nothing => {}
            }
        }
        let count = self.held.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.held[..count]);
        self.held.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;

//! An append-only file of lines that keeps itself within a limit.
//!
//! When the file has grown to half the limit it becomes `NAME.1.ndjson`, in place of the one before, whose lines
//! are counted as rotated out. Lines gather in memory up to [`GATHERED`]; a write that fails keeps them for the
//! next call, up to [`HELD`], beyond which new ones are dropped and counted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Smallest limit, bytes; less is raised to this.
pub const MIN_LIMIT: u64 = 1 << 20;
/// Bytes that gather before they are written.
const GATHERED: usize = 64 << 10;
/// Bytes that are held while the file cannot be written.
const HELD: usize = 256 << 10;

/// Why a line is not (yet) in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadLetterError {
    /// The file cannot be written now; the line is held and tried again with the next.
    #[error("the dead-letter file cannot be written: {0}")]
    Unwritable(String),
    /// The file could not be written for so long that this line was dropped.
    #[error("the dead-letter file cannot be written and a line was dropped: {0}")]
    Dropped(String),
}

/// What became of lines, since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the operating system.
    pub written: u64,
    /// Deleted with the older file when its time came.
    pub rotated_out: u64,
    /// Never written: too long for the file, or too many while it could not be written.
    pub dropped: u64,
    /// Writes that failed.
    pub failures: u64,
}

#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    older: PathBuf,
    half: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Open>,
    held: Vec<u8>,
    held_lines: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    lines: u64,
    older_lines: u64,
}

impl Rotating {
    /// `NAME.ndjson` in a directory; nothing is touched before the first line.
    pub(super) fn open(directory: &Path, name: &str, limit: u64) -> Rotating {
        Rotating {
            path: directory.join(format!("{name}.ndjson")),
            older: directory.join(format!("{name}.1.ndjson")),
            half: limit.max(MIN_LIMIT) / 2,
            state: Mutex::default(),
        }
    }

    /// Adds a line, given without its end.
    pub(super) fn append(&self, line: &[u8]) -> Result<(), DeadLetterError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if line.len() >= HELD || state.held.len() + line.len() >= HELD {
            state.counts.dropped += 1;
            let why = if line.len() >= HELD { "the line is too long" } else { "too many wait" };
            return Err(DeadLetterError::Dropped(why.into()));
        }
        state.held.extend_from_slice(line);
        state.held.push(b'\n');
        state.held_lines += 1;
        if state.held.len() < GATHERED { Ok(()) } else { self.flush(&mut state) }
    }

    /// Writes what has gathered and puts it on disk.
    pub(super) fn sync(&self) -> Result<(), DeadLetterError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.held.is_empty() && state.file.is_none() {
            return Ok(());
        }
        self.flush(&mut state)?;
        let synced = state.file.as_ref().map_or(Ok(()), |open| open.file.sync_data());
        synced.map_err(|error| failed(&mut state, &error))
    }

    /// Adds a line and puts it on disk; on an error it is not held, so that whoever has it can try again.
    pub(super) fn append_durably(&self, line: &[u8]) -> Result<(), DeadLetterError> {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line = [line, b"\n"].concat();
        let written =
            self.write(state, &line, 1).and_then(|()| state.file.as_ref().map_or(Ok(()), |open| open.file.sync_data()));
        written.map_err(|error| failed(state, &error))?;
        state.counts.written += 1;
        Ok(())
    }

    pub(super) fn counts(&self) -> Counts {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).counts
    }

    fn flush(&self, state: &mut State) -> Result<(), DeadLetterError> {
        let held = std::mem::take(&mut state.held);
        let outcome = self.write(state, &held, state.held_lines);
        match outcome {
            Ok(()) => {
                state.counts.written += std::mem::take(&mut state.held_lines);
                Ok(())
            }
            Err(error) => {
                state.held = held;
                Err(failed(state, &error))
            }
        }
    }

    fn write(&self, state: &mut State, bytes: &[u8], lines: u64) -> io::Result<()> {
        let mut open = match state.file.take() {
            Some(open) => open,
            None => Open::at(&self.path, &self.older)?,
        };
        if open.length > 0 && open.length + bytes.len() as u64 > self.half {
            fs::rename(&self.path, &self.older)?;
            state.counts.rotated_out += open.older_lines;
            let older_lines = open.lines;
            open = Open { older_lines, ..Open::at(&self.path, &self.older)? };
        }
        if let Err(error) = open.file.write_all(bytes) {
            // Half a line must not stand before the next one. If even this fails, opening the file anew mends it.
            let _ = open.file.set_len(open.length);
            return Err(error);
        }
        open.length += bytes.len() as u64;
        open.lines += lines;
        state.file = Some(open);
        Ok(())
    }
}

impl Open {
    /// Opens or makes the file; the torn line that a crash may have left at its end is cut off.
    fn at(path: &Path, older: &Path) -> io::Result<Open> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let (length, lines) = whole_lines(path)?;
        if length < file.metadata()?.len() {
            file.set_len(length)?;
        }
        let older_lines = if older.exists() { whole_lines(older)?.1 } else { 0 };
        Ok(Open { file, length, lines, older_lines })
    }
}

/// Bytes up to and with the last line end, and how many line ends there are.
fn whole_lines(path: &Path) -> io::Result<(u64, u64)> {
    if !path.metadata()?.is_file() {
        return Ok((0, 0));
    }
    let mut reader = BufReader::new(File::open(path)?);
    let (mut whole, mut read, mut lines) = (0u64, 0u64, 0u64);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok((whole, lines));
        }
        for (at, _) in buffer.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            whole = read + at as u64 + 1;
            lines += 1;
        }
        let count = buffer.len();
        read += count as u64;
        reader.consume(count);
    }
}

fn failed(state: &mut State, error: &io::Error) -> DeadLetterError {
    state.counts.failures += 1;
    DeadLetterError::Unwritable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Vec<u8> {
        format!("{{\"n\":{number},\"text\":\"{}\"}}", "x".repeat(1000)).into_bytes()
    }

    fn lines_of(path: &Path) -> Vec<u64> {
        let text = fs::read_to_string(path).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'));
        let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("json")["n"].as_u64();
        text.lines().map(|line| number(line).expect("a number")).collect()
    }

    #[test]
    fn ten_times_its_limit_stay_within_it_and_what_is_forgotten_is_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Rotating::open(directory.path(), "x", MIN_LIMIT);
        for number in 0..12_000 {
            log.append(&line(number)).expect("room");
        }
        log.sync().expect("room");
        let sizes = [&log.path, &log.older].map(|path| path.metadata().expect("both exist").len());
        assert!(sizes.iter().sum::<u64>() <= MIN_LIMIT, "{sizes:?}");
        let kept: Vec<u64> = [lines_of(&log.older), lines_of(&log.path)].concat();
        let counts = log.counts();
        assert_eq!(kept, (counts.rotated_out..12_000).collect::<Vec<_>>(), "what is kept is the newest, without a gap");
        assert!(counts.rotated_out > 10_000);
        assert_eq!((counts.written, counts.dropped, counts.failures), (12_000, 0, 0));
    }

    #[test]
    fn it_goes_on_where_another_process_stopped_and_cuts_a_torn_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Rotating::open(directory.path(), "x", MIN_LIMIT);
        first.append(&line(1)).expect("room");
        first.sync().expect("room");
        OpenOptions::new().append(true).open(&first.path).expect("open").write_all(b"{\"n\":2,\"te").expect("room");
        let second = Rotating::open(directory.path(), "x", MIN_LIMIT);
        second.append(&line(3)).expect("room");
        second.sync().expect("room");
        assert_eq!(lines_of(&second.path), [1, 3]);
    }

    #[test]
    fn a_full_disk_is_reported_and_what_it_refused_is_written_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Rotating::open(directory.path(), "x", MIN_LIMIT);
        std::os::unix::fs::symlink("/dev/full", &log.path).expect("a link");
        log.append(&line(1)).expect("gathered");
        let error = log.sync().expect_err("no space");
        assert!(matches!(&error, DeadLetterError::Unwritable(why) if why.contains("No space")), "{error}");
        assert_eq!(log.counts().failures, 1);
        fs::remove_file(&log.path).expect("the link goes");
        log.append(&line(2)).expect("gathered");
        log.sync().expect("room");
        assert_eq!(lines_of(&log.path), [1, 2]);
        assert_eq!((log.counts().written, log.counts().dropped), (2, 0));
    }

    #[test]
    fn beyond_what_is_held_lines_are_dropped_and_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Rotating::open(&directory.path().join("file/in/the/way"), "x", MIN_LIMIT);
        fs::write(directory.path().join("file"), b"").expect("room");
        let outcomes: Vec<_> = (0..400).map(|number| log.append(&line(number))).collect();
        let dropped = outcomes.iter().filter(|one| matches!(one, Err(DeadLetterError::Dropped(_)))).count();
        assert!(dropped > 100, "{dropped}");
        assert_eq!(log.counts().dropped, dropped as u64);
        assert!(
            matches!(log.append(&vec![b'x'; HELD]), Err(DeadLetterError::Dropped(why)) if why.contains("too long"))
        );
    }
}

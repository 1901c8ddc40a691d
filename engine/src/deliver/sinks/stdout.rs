//! NDJSON on standard output, one insight a line.
//!
//! A reader that went away (`| head`) is a failure like any other: rows wait for their deadline, and are delivered
//! when the service is started again with a reader.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::deliver::retry::{Retry, SendError};

/// A stream that takes lines.
#[derive(Clone)]
pub struct Stdout(Arc<Mutex<Lines>>);

struct Lines {
    out: Box<dyn Write + Send>,
    /// A line may lie half written.
    torn: bool,
}

impl Stdout {
    /// The process's own standard output, past the buffer of `std::io::stdout`: what a failed write leaves in a
    /// buffer would come out a second time.
    pub fn open() -> io::Result<Stdout> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Stdout::to(Box::new(File::from(descriptor))))
    }

    /// Any other stream.
    pub fn to(out: Box<dyn Write + Send>) -> Stdout {
        Stdout(Arc::new(Mutex::new(Lines { out, torn: false })))
    }

    /// Writes a line as a whole; blocks a thread of its own while the reader is slow.
    pub(super) async fn write_line(&self, mut line: Vec<u8>) -> Result<(), SendError> {
        line.push(b'\n');
        let lines = self.0.clone();
        let written =
            tokio::task::spawn_blocking(move || lines.lock().unwrap_or_else(PoisonError::into_inner).write(&line));
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(SendError::new(Retry::Now, "nobody reads standard output any more"))
            }
            Ok(Err(error)) => Err(SendError::new(Retry::Now, &format!("standard output: {error}"))),
            Err(error) => Err(SendError::new(Retry::Now, &format!("standard output: {error}"))),
        }
    }
}

impl Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.out.write_all(b"\n")?;
        }
        self.torn = true;
        self.out.write_all(line)?;
        self.out.flush()?;
        self.torn = false;
        Ok(())
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stdout")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, fails once with `error`, then takes everything.
    struct Narrow {
        taken: Arc<Mutex<Vec<u8>>>,
        room: usize,
        error: Option<io::ErrorKind>,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = if self.error.is_some() { bytes.len().min(self.room) } else { bytes.len() };
            if count == 0 {
                return Err(self.error.take().unwrap_or(io::ErrorKind::Other).into());
            }
            self.room = self.room.saturating_sub(count);
            self.taken.lock().expect("not poisoned").extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_line_that_was_torn_is_ended_before_it_is_written_again() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let narrow = Narrow { taken: taken.clone(), room: 5, error: Some(io::ErrorKind::StorageFull) };
        let stdout = Stdout::to(Box::new(narrow));
        let error = stdout.write_line(b"{\"a\":1}".to_vec()).await.expect_err("no room");
        assert_eq!(error.retry, Retry::Now);
        stdout.write_line(b"{\"a\":1}".to_vec()).await.expect("room again");
        stdout.write_line(b"{\"b\":2}".to_vec()).await.expect("room");
        assert_eq!(&*taken.lock().expect("not poisoned"), b"{\"a\":\n{\"a\":1}\n{\"b\":2}\n");
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_an_error_to_be_tried_again() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let stdout = Stdout::to(Box::new(writer));
        for _ in 0..2 {
            let error = stdout.write_line(b"{}".to_vec()).await.expect_err("broken pipe");
            assert_eq!(error, SendError::new(Retry::Now, "nobody reads standard output any more"));
        }
    }
}

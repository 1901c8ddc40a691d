//! The data directory: one process at a time, and files that are there after a power failure.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use super::JournalError;

/// Name of the file whose lock says that a process works here. The file stays; the lock goes with its process,
/// however it ends.
pub(super) const LOCK_FILE: &str = "lock";
/// Ending of files that are being written. One that is found at the start was left by a process that died.
pub(super) const PARTIAL: &str = "partial";

/// The right to write in a data directory, held until dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Creates the directory where it is missing and takes its lock.
pub(super) fn lock(directory: &Path) -> Result<Lock, JournalError> {
    fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
    let path = directory.join(LOCK_FILE);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| unwritable(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(directory.display().to_string())),
        Err(TryLockError::Error(error)) => Err(unwritable(&path, &error)),
    }
}

/// Writes a file that is either there as a whole or not at all: a partial name, fsync, rename, fsync of the directory.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension(PARTIAL);
    let written = (|| {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes names in a directory survive a power failure.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A failed write as the caller's error: nothing was written, and it may work later.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> JournalError {
    JournalError::Unwritable(format!("{}: {error}", path.display()))
}

/// A failed read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> JournalError {
    JournalError::Store(format!("{} cannot be read: {error}", path.display()))
}

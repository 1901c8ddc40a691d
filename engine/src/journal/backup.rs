//! A consistent copy of a data directory, also while a service writes in it.
//!
//! What must fit together: from every snapshot that is copied, the copied journal's entries lead on without a gap, and
//! neither snapshots nor minute history are ahead of the journal. So the order is snapshots, minute history, journal:
//! entries that were appended meanwhile are then merely more to replay. Entries that were dropped meanwhile would be a
//! gap; the copy is checked for it and, if need be, made again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::directory::{LOCK_FILE, PARTIAL, sync_directory, unreadable, unwritable};
use super::snapshot::{Part, part_and_seq, paths_in};
use super::store::{self, Format};
use super::{JournalError, Seq, local, minutes, snapshot};

/// Copies that are tried before giving up because entries were dropped under each of them. Entries are dropped once a
/// round of snapshots is complete, minutes apart.
const TRIES: usize = 5;
/// Levels of directories that are copied; nothing of ours is deeper than one.
const DEPTH: usize = 4;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target is there and holds something. Nothing of it was touched.
    #[error("{0} exists and is not empty")]
    Occupied(PathBuf),
    /// The target lies in the data directory, and would become part of the next copy.
    #[error("{0} lies in the data directory")]
    Inside(PathBuf),
    /// Entries were dropped under every copy that was tried.
    #[error("the data directory changed faster than it could be copied, {TRIES} times")]
    Restless,
    /// Source or target did not do what was asked.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> BackupError {
        BackupError::Journal(error.into())
    }
}

/// Copies `data_directory` to `target`, which must not exist or be empty. The copy grows under a partial name beside
/// it and is renamed once it is whole and synced.
pub fn backup(data_directory: &Path, target: &Path) -> Result<(), BackupError> {
    if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) || target.is_file() {
        return Err(BackupError::Occupied(target.to_owned()));
    }
    let beside = target.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let (Ok(from), Ok(to)) = (data_directory.canonicalize(), beside.canonicalize())
        && to.starts_with(from)
    {
        return Err(BackupError::Inside(target.to_owned()));
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(PARTIAL);
    let partial = target.with_file_name(name);
    let copied = copy_until_whole(data_directory, &partial).and_then(|()| {
        fs::rename(&partial, target).map_err(|error| unwritable(target, &error))?;
        Ok(sync_directory(beside).map_err(|error| unwritable(beside, &error))?)
    });
    if copied.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    copied
}

fn copy_until_whole(from: &Path, to: &Path) -> Result<(), BackupError> {
    for _ in 0..TRIES {
        match fs::remove_dir_all(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(to, &error).into()),
            _ => {}
        }
        if copy(from, to)? {
            return Ok(());
        }
    }
    Err(BackupError::Restless)
}

/// One attempt. Whether it fits together.
fn copy(from: &Path, to: &Path) -> Result<bool, BackupError> {
    copy_files(from, to, DEPTH)?;
    let history = from.join(minutes::FILE);
    let through = if history.is_file() {
        let copied = copy_database(&history, &to.join(minutes::FILE), &minutes::FORMAT)?;
        Some(one(&copied, "SELECT ifnull((SELECT value FROM meta WHERE key = 'through'), 0)")?)
    } else {
        None
    };
    let journal = copy_database(&from.join(local::FILE), &to.join(local::FILE), &local::FORMAT)?;
    let dropped = one(&journal, "SELECT ifnull((SELECT value FROM meta WHERE key = 'dropped'), 0)")?;
    let newest = newest_snapshots(&to.join(snapshot::DIRECTORY))?;
    sync_directory(to).map_err(|error| unwritable(to, &error))?;
    Ok(newest.values().copied().chain(through).all(|reached| reached >= dropped))
}

fn one(connection: &Connection, sql: &str) -> Result<Seq, JournalError> {
    Ok(store::unsigned(connection.query_row(sql, [], |row| row.get(0))?))
}

/// In one step: a moment of the database, whatever is written meanwhile.
fn copy_database(from: &Path, to: &Path, format: &Format) -> Result<Connection, BackupError> {
    let source = store::open_read_only(from, format)?;
    let mut copied = Connection::open(to)?;
    if Backup::new(&source, &mut copied)?.step(-1)? != StepResult::Done {
        return Err(JournalError::Store(format!("{} could not be copied in one step", from.display())).into());
    }
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| unwritable(to, &error))?;
    Ok(copied)
}

fn newest_snapshots(directory: &Path) -> Result<BTreeMap<Part, Seq>, JournalError> {
    let mut newest = BTreeMap::new();
    if directory.is_dir() {
        for (part, seq) in paths_in(directory)?.iter().filter_map(|path| part_and_seq(path)) {
            let held = newest.entry(part).or_insert(seq);
            *held = seq.max(*held);
        }
    }
    Ok(newest)
}

/// Every plain file that is not a database, a lock or half written. One that goes while it is copied was superseded.
fn copy_files(from: &Path, to: &Path, depth: usize) -> Result<(), JournalError> {
    fs::create_dir_all(to).map_err(|error| unwritable(to, &error))?;
    for path in paths_in(from)? {
        let Some(name) = path.file_name() else { continue };
        let Ok(kind) = fs::symlink_metadata(&path).map(|metadata| metadata.file_type()) else { continue };
        let text = name.to_string_lossy();
        if kind.is_dir() && depth > 0 {
            copy_files(&path, &to.join(name), depth - 1)?;
        } else if kind.is_file() && text != LOCK_FILE && !text.contains(".db") && !text.ends_with(PARTIAL) {
            copy_file(&path, &to.join(name))?;
        }
    }
    sync_directory(to).map_err(|error| unwritable(to, &error))
}

fn copy_file(from: &Path, to: &Path) -> Result<(), JournalError> {
    let mut source = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| unreadable(from, &error))?,
    };
    let copied = File::create(to).and_then(|mut target| {
        io::copy(&mut source, &mut target)?;
        target.sync_all()
    });
    copied.map_err(|error| unwritable(to, &error))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use trailsight_schemas::entry::{Batch, Body};

    use super::*;
    use crate::journal::Journal;
    use crate::journal::local::fixtures::{Told, entry, open, tell};
    use crate::journal::minutes::{Limits, Minutes};
    use crate::journal::snapshot::Snapshots;

    /// What a service does, in small: append, apply, snapshot what was counted so far, drop what is covered.
    struct Service {
        journal: local::LocalJournal,
        snapshots: Snapshots,
        minutes: Minutes,
    }

    impl Service {
        fn open(directory: &Path) -> Service {
            let minutes = Minutes::open(directory, Limits::default()).unwrap();
            Service { journal: open(directory), snapshots: Snapshots::open(directory, 1).unwrap(), minutes }
        }

        fn step(&mut self) {
            let seq = self.journal.append(&[entry("a", ("k", b"v"), 1)]).unwrap();
            self.minutes.apply(seq, &Batch::default()).unwrap();
            for part in [Part::Partition(0), Part::Ingest] {
                self.snapshots.save(part, seq, 1, seq.to_string().as_bytes()).unwrap();
            }
            self.journal.drop_through(self.snapshots.covered()).unwrap();
        }

        /// The number of records counted, from the newest snapshot and the entries after it.
        fn counted(&mut self, part: Part) -> u64 {
            let (snapshot, skipped) = self.snapshots.load_newest(part, 1).unwrap();
            assert_eq!(skipped, []);
            let (seq, mut counted) =
                snapshot.map_or((0, 0), |s| (s.seq, String::from_utf8(s.state).unwrap().parse().unwrap()));
            assert!(self.journal.first() <= seq + 1, "{} leaves a gap after {seq}", self.journal.first());
            assert!(seq <= self.journal.last(), "a snapshot from the future");
            for (_, entry) in self.journal.read_after(seq, usize::MAX).unwrap() {
                let Body::Batch(batch) = entry.body else { continue };
                counted += batch.progress.iter().map(|progress| progress.outcomes.counted).sum::<u64>();
            }
            counted
        }
    }

    #[test]
    fn copies_made_while_a_service_runs_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let targets = tempfile::tempdir().unwrap();
        let mut service = Service::open(directory.path());
        service.step();
        let done = AtomicBool::new(false);
        let whole = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    service.step();
                }
            });
            let mut whole = 0;
            for attempt in 0..12 {
                let target = targets.path().join(attempt.to_string());
                match backup(directory.path(), &target) {
                    Ok(()) => whole += 1,
                    Err(BackupError::Restless) => assert!(!target.exists()),
                    Err(error) => {
                        done.store(true, Ordering::Release);
                        panic!("{error}");
                    }
                }
            }
            done.store(true, Ordering::Release);
            whole
        });
        // This service drops entries hundreds of times a second, which no real one does: some copies may give up.
        println!("{whole} of 12 copies");
        backup(directory.path(), &targets.path().join("at rest")).unwrap();
        for target in paths_in(targets.path()).unwrap() {
            let mut copy = Service::open(&target);
            let last = copy.journal.last();
            for part in [Part::Partition(0), Part::Ingest] {
                assert_eq!(copy.counted(part), last);
            }
            assert!(copy.minutes.through() <= last);
            copy.step();
        }
    }

    #[test]
    fn everything_of_ours_is_in_the_copy_and_nothing_else_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let targets = tempfile::tempdir().unwrap();
        let mut service = Service::open(directory.path());
        service.step();
        tell(&mut service.journal, vec![Told::start(1).to(&["chat"])]);
        fs::create_dir(directory.path().join("dead-letter")).unwrap();
        fs::write(directory.path().join("dead-letter/records.ndjson"), "{}\n").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", directory.path().join("link")).unwrap();
        let target = targets.path().join("copy");
        fs::create_dir(&target).unwrap();
        backup(directory.path(), &target).unwrap();
        assert_eq!(fs::read_to_string(target.join("dead-letter/records.ndjson")).unwrap(), "{}\n");
        assert!(!target.join(LOCK_FILE).exists());
        assert!(!target.join("link").exists());
        let history = crate::journal::history::History::open_read_only(&target).unwrap();
        assert_eq!(history.insights(&Default::default(), 10, None).unwrap().0.len(), 1);
        assert!(matches!(backup(directory.path(), &target), Err(BackupError::Occupied(_))));
        let inside = backup(directory.path(), &directory.path().join("dead-letter/copy"));
        assert!(matches!(inside, Err(BackupError::Inside(_))));
        assert!(backup(targets.path(), &targets.path().join("of nothing")).is_err());
        assert_eq!(paths_in(targets.path()).unwrap(), [target]);
    }
}

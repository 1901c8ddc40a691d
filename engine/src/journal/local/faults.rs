//! Disks, versions and bytes that are not as they should be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use trailsight_schemas::entry::Outcomes;

use super::fixtures::{Told, entry, large_entry, open, options_in, tell};
use super::{FILE, LocalJournal, Options};
use crate::journal::history::{Filter, History};
use crate::journal::{Journal, JournalError, Outputs};

/// A small file system of its own, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounting needs root. Without it the test fails and says so, rather than passing without having looked.
    fn of(megabytes: u32) -> Disk {
        let path = tempfile::tempdir().unwrap().keep();
        let disk = Disk(path);
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none"]);
        disk
    }

    fn mount(&self, arguments: &[&str]) {
        let status = Command::new("mount").args(arguments).arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "this test mounts a file system: run it as root");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// Appends until it fails; the error must be `Unwritable`, and nothing of the failed append may be there.
fn fill(journal: &mut LocalJournal, bytes: usize) {
    for _ in 0..10_000 {
        let (last, totals, marks) = (journal.last(), journal.totals().unwrap(), journal.marks("large").unwrap());
        match journal.append(&[entry("small", ("k", b"v"), 1), large_entry(bytes)]) {
            Ok(position) => assert_eq!(position, last + 2),
            Err(JournalError::Unwritable(_)) => {
                assert_eq!(journal.last(), last);
                assert_eq!(journal.read_after(last, 10).unwrap(), vec![]);
                assert_eq!((journal.totals().unwrap(), journal.marks("large").unwrap()), (totals, marks));
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("never full");
}

#[test]
fn a_full_disk_refuses_writes_and_works_again_once_there_is_space() {
    let disk = Disk::of(3);
    let mut journal = open(&disk.0);
    fill(&mut journal, 100_000);
    fill(&mut journal, 1000);
    let last = journal.last();
    let outputs = Outputs { through: last, insights: (0..500).map(|n| Told::start(n).to(&["chat"])).collect() };
    assert!(matches!(journal.commit(&outputs), Err(JournalError::Unwritable(_))));
    assert_eq!(journal.committed(), 0);
    disk.mount(&["-o", "remount,size=64m"]);
    journal.commit(&outputs).unwrap();
    assert_eq!(journal.append(&[large_entry(100_000)]).unwrap(), last + 1);
    drop(journal);
    let journal = open(&disk.0);
    assert_eq!((journal.last(), journal.committed()), (last + 1, last));
    assert_eq!(journal.read_after(0, usize::MAX).unwrap().len() as u64, last + 1);
    assert_eq!(journal.totals().unwrap()["small"].counted, last / 2);
}

#[test]
fn a_full_disk_at_the_start_is_unwritable_too() {
    let disk = Disk::of(1);
    fs::write(disk.0.join("ballast"), vec![1; 2 << 20]).unwrap_err();
    assert!(matches!(LocalJournal::open(&disk.0, options_in(0)), Err(JournalError::Unwritable(_))));
    // Cut rather than removed: a process that another test is just starting may hold the descriptor for a moment, and a
    // removed file keeps its space as long as anybody does.
    fs::File::create(disk.0.join("ballast")).unwrap();
    open(&disk.0);
}

#[test]
fn a_disk_that_turns_read_only_is_unwritable() {
    let disk = Disk::of(8);
    tell(&mut open(&disk.0), vec![]);
    disk.mount(&["-o", "remount,ro"]);
    assert!(matches!(LocalJournal::open(&disk.0, options_in(0)), Err(JournalError::Unwritable(_))));
    disk.mount(&["-o", "remount,rw"]);
    assert_eq!(open(&disk.0).last(), 1);
}

/// A backup on a read-only medium, where no file beside the database can be created.
#[test]
fn history_is_read_from_a_read_only_disk() {
    let disk = Disk::of(8);
    let directory = disk.0.join("50% of #1?");
    tell(&mut open(&directory), vec![Told::start(1).to(&[])]);
    disk.mount(&["-o", "remount,ro"]);
    let history = History::open_read_only(&directory).unwrap();
    assert_eq!(history.insights(&Filter::default(), 10, None).unwrap().0.len(), 1);
}

#[test]
fn the_size_limit_refuses_writes_like_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { journal_bytes: 1 << 20, ..options_in(0) };
    let mut journal = LocalJournal::open(directory.path(), options).unwrap();
    fill(&mut journal, 50_000);
    let last = journal.last();
    journal.drop_through(last).unwrap();
    assert_eq!(journal.append(&[large_entry(50_000)]).unwrap(), last + 1, "dropping made space");
}

/// A process that dies between writing and committing: its connection goes, its transaction was never there.
#[test]
fn what_was_not_committed_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    tell(&mut open(directory.path()), vec![Told::start(1).to(&["chat"])]);
    let before = tables(directory.path());
    {
        let journal = open(directory.path());
        let writer = journal.shared.writer.lock().unwrap();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let more = [entry("a", ("k", b"v"), 9), large_entry(10_000_000)];
        super::entries::append(&writer, 1, &super::entries::sealed(&more).unwrap(), &more).unwrap();
        let outputs = Outputs { through: 3, insights: vec![Told::end(1).to(&["chat"])] };
        super::outputs::commit(&writer, &outputs, 7).unwrap();
    }
    assert_eq!(tables(directory.path()), before);
    let journal = open(directory.path());
    assert_eq!((journal.last(), journal.committed()), (1, 1));
    assert_eq!(journal.totals().unwrap().get("a"), None::<&Outcomes>);
}

fn tables(directory: &Path) -> Vec<i64> {
    let connection = Connection::open(directory.join(FILE)).unwrap();
    let count = |table| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    ["entries", "marks", "totals", "incidents", "insights", "outbox"].map(count).to_vec()
}

#[test]
fn a_later_directory_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    tell(&mut open(directory.path()), vec![]);
    let path = directory.path().join(FILE);
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let before = fs::read(&path).unwrap();
    let refused = LocalJournal::open(directory.path(), options_in(0)).err().unwrap();
    assert!(matches!(refused, JournalError::Later { found: 99, known: 2 }));
    assert!(refused.to_string().contains("later version"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_database_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs(a)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(LocalJournal::open(directory.path(), options_in(0)), Err(JournalError::Damaged(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, [b'x'; 10_000]).unwrap();
    assert!(matches!(LocalJournal::open(directory.path(), options_in(0)), Err(JournalError::Damaged(_))));
}

#[test]
fn damaged_entries_are_named_by_their_position() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    journal.append(&vec![entry("a", ("k", b"v"), 1); 5]).unwrap();
    let change = |sql: &str| {
        Connection::open(directory.path().join(FILE)).unwrap().execute_batch(sql).unwrap();
    };
    change("UPDATE entries SET bytes = substr(bytes, 1, 30) WHERE seq = 3");
    assert_eq!(journal.read_after(0, 2).unwrap().len(), 2);
    let error = journal.read_after(0, 3).unwrap_err();
    assert!(matches!(&error, JournalError::Damaged(text) if text.contains("entry 3")), "{error}");
    change("UPDATE entries SET bytes = 7 WHERE seq = 3");
    assert!(matches!(journal.read_after(2, 1), Err(JournalError::Damaged(_))));
    change("DELETE FROM entries WHERE seq = 3");
    let error = journal.read_after(2, 1).unwrap_err();
    assert!(matches!(&error, JournalError::Damaged(text) if text.contains("entry 3 is missing")), "{error}");
    drop(journal);
    assert!(matches!(LocalJournal::open(directory.path(), options_in(0)), Err(JournalError::Damaged(_))));
}

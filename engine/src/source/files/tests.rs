//! Every file is read once, whatever happens in between.

use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::super::testing::{Calls, MIDNIGHT, calls, intake, record, remember, settings, standing};
use super::*;

/// The clock of these tests, milliseconds: a day after the records.
const NOW: i64 = (MIDNIGHT + 86_400) * 1000;

type Marks = BTreeMap<String, Vec<u8>>;

fn source(path: &Path) -> FilesSource {
    FilesSource {
        name: "inbox".into(),
        path: path.to_path_buf(),
        recursive: true,
        settle: SETTLE,
        poll: POLL,
        jobs: 2,
        settings: settings(),
        spill: std::env::temp_dir(),
        load_records: 50_000,
        memory: 1 << 20,
    }
}

/// Writes a file whose time is `age` milliseconds before [`NOW`].
fn write(root: &Path, name: &str, text: &str, age: i64) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    File::open(&path).unwrap().set_modified(at(NOW - age)).unwrap();
}

fn at(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds as u64)
}

/// Starts anew with the marks, reads all there is, and hands over what was sent.
fn restart(root: &Path, marks: &Marks, load_records: usize) -> Vec<Load> {
    let source = source(root);
    let (intake, loads) = intake(10_000);
    let mut following = Following::new(&source, &intake, marks);
    following.load_records = load_records;
    while following.look(&mut |_| {}, &standing(NOW)).unwrap() {}
    drop(following);
    drop(intake);
    loads.iter().collect()
}

fn sent(loads: &Receiver<Load>) -> Vec<Load> {
    loads.try_iter().collect()
}

fn expected(times: &[i64]) -> Calls {
    let mut calls = Calls::new();
    for time in times {
        *calls.entry((((MIDNIGHT + time) / 60) as u32, "RunInstances".to_string())).or_default() += 1;
    }
    calls
}

/// Spreads records over files by turns, so that each file holds all times.
fn spread(root: &Path, times: &[i64], files: usize) {
    let mut texts = vec![String::new(); files];
    for (id, time) in times.iter().enumerate() {
        texts[id % files].push_str(&record(id, MIDNIGHT + time, "RunInstances"));
    }
    for (nth, text) in texts.iter().enumerate() {
        write(root, &format!("{}/{nth}.json", nth % 2), text, 60_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// The invariant of a set: whenever the process dies, a minute that was durable is not handed over again
    /// and one that was not is. Breaks when the marks of a load do not tell exactly what it holds.
    #[test]
    fn crashes_after_any_loads_lose_nothing_and_repeat_nothing(
        times in proptest::collection::vec(0i64..1800, 1..120),
        files in 1usize..6,
        load_records in 1usize..40,
        crashes in proptest::collection::vec(0usize..6, 0..4),
    ) {
        let root = tempfile::tempdir().unwrap();
        spread(root.path(), &times, files);
        let (mut marks, mut durable) = (Marks::new(), Vec::new());
        for survive in crashes {
            let mut loads = restart(root.path(), &marks, load_records);
            loads.truncate(survive);
            remember(&mut marks, &loads);
            durable.extend(loads);
        }
        let rest = restart(root.path(), &marks, load_records);
        remember(&mut marks, &rest);
        durable.extend(rest);
        prop_assert_eq!(calls(&mut durable), expected(&times));
        prop_assert_eq!(marks.len(), files, "one mark for each file and none of a set");
        let again = restart(root.path(), &marks, load_records);
        prop_assert!(again.iter().all(|load| load.tally.is_empty() && load.progress[0].caught_up));
    }
}

#[test]
fn a_backlog_comes_in_the_order_of_event_time_and_ends_caught_up() {
    let root = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..400).map(|nth| (nth * 7919) % 3600).collect();
    spread(root.path(), &times, 5);
    let mut loads = restart(root.path(), &Marks::new(), 50);
    assert!(loads.len() > 4);
    let newest: Vec<_> = loads.iter().map(|load| load.tally.newest().unwrap()).collect();
    assert!(newest.windows(2).all(|pair| pair[0] / 60 < pair[1] / 60), "{newest:?}");
    let caught_up: Vec<bool> = loads.iter().map(|load| load.progress[0].caught_up).collect();
    assert_eq!(caught_up.iter().position(|caught_up| *caught_up), Some(loads.len() - 1));
    for load in &loads {
        assert_eq!(load.progress[0].newest, load.tally.newest());
    }
    assert_eq!(calls(&mut loads), expected(&times));
}

/// The files of one delivery are up to the allowed lateness older than those of the one before. Were a set
/// called complete, its minutes would be closed before the older records of the next set come.
#[test]
fn a_set_never_says_that_its_minutes_are_complete() {
    let root = tempfile::tempdir().unwrap();
    let source = source(root.path());
    let (intake, loads) = intake(100);
    let mut following = Following::new(&source, &intake, &Marks::new());
    write(root.path(), "first.json", &record(1, MIDNIGHT + 900, "RunInstances"), 9000);
    following.look(&mut |_| {}, &standing(NOW)).unwrap();
    write(root.path(), "second.json", &record(2, MIDNIGHT + 60, "RunInstances"), 9000);
    following.look(&mut |_| {}, &standing(NOW)).unwrap();
    let mut loads = sent(&loads);
    assert_eq!(loads.len(), 2);
    assert!(loads.iter().all(|load| load.progress[0].complete_through.is_none()));
    assert_eq!(calls(&mut loads), expected(&[900, 60]), "older records come in as they are");
}

#[test]
fn a_file_that_changed_in_the_middle_of_its_set_is_left_out_and_read_anew() {
    let root = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..40).map(|nth| nth * 60).collect();
    spread(root.path(), &times, 2);
    let mut loads = restart(root.path(), &Marks::new(), 10);
    loads.truncate(2);
    let mut marks = Marks::new();
    remember(&mut marks, &loads);
    write(root.path(), "1/1.json", &record(99, MIDNIGHT, "StopInstances"), 5000);
    let mut rest = restart(root.path(), &marks, 10);
    let found = calls(&mut rest);
    assert_eq!(found.get(&((MIDNIGHT / 60) as u32, "StopInstances".to_string())), Some(&1), "the new content");
    let minutes: Vec<u32> =
        found.keys().filter(|(_, name)| name == "RunInstances").map(|(minute, _)| *minute).collect();
    let left: Vec<u32> = (20..40).filter(|nth| nth % 2 == 0).map(|nth| (MIDNIGHT / 60) as u32 + nth).collect();
    assert_eq!(minutes, left, "what the other file still has to give");
}

/// A directory that went away looked like a quiet one, and every series seemed to have dropped.
#[test]
fn a_directory_that_vanishes_is_not_silence() {
    let above = tempfile::tempdir().unwrap();
    let (root, away) = (above.path().join("inbox"), above.path().join("away"));
    write(&root, "a.json", &record(1, MIDNIGHT, "RunInstances"), 9000);
    let source = source(&root);
    let (intake, loads) = intake(100);
    let mut following = Following::new(&source, &intake, &Marks::new());
    let mut look = || {
        assert!(!following.look(&mut |_| {}, &standing(NOW)).unwrap());
        sent(&loads).iter().map(|load| (load.tally.len(), load.progress[0].caught_up)).collect::<Vec<_>>()
    };
    assert_eq!(look(), [(1, true)]);
    assert_eq!(look(), [], "nothing new, nothing said");
    fs::rename(&root, &away).unwrap();
    assert_eq!(look(), [(0, false)]);
    assert_eq!(look(), []);
    fs::rename(&away, &root).unwrap();
    assert_eq!(look(), [(0, true)], "back, and not read again");
}

#[test]
fn a_half_read_set_waits_for_an_empty_directory_to_fill_again() {
    let above = tempfile::tempdir().unwrap();
    let (root, away) = (above.path().join("inbox"), above.path().join("away"));
    let times: Vec<i64> = (0..40).map(|nth| nth * 60).collect();
    spread(&root, &times, 2);
    let mut durable = restart(&root, &Marks::new(), 10);
    durable.truncate(2);
    let mut marks = Marks::new();
    remember(&mut marks, &durable);
    fs::rename(&root, &away).unwrap();
    fs::create_dir(&root).unwrap();
    assert!(restart(&root, &marks, 10).is_empty(), "not mounted: nothing is known");
    fs::remove_dir(&root).unwrap();
    fs::rename(&away, &root).unwrap();
    durable.extend(restart(&root, &marks, 10));
    assert_eq!(calls(&mut durable), expected(&times));
}

#[test]
fn a_file_that_cannot_be_opened_is_not_marked_as_read() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a.json", &record(1, MIDNIGHT, "RunInstances"), 9000);
    write(root.path(), "b.json", &record(2, MIDNIGHT, "RunInstances"), 9000);
    let listing = tree::list(root.path(), true).unwrap();
    fs::remove_file(root.path().join("b.json")).unwrap();
    let source = source(root.path());
    let (intake, loads) = intake(100);
    let mut following = Following::new(&source, &intake, &Marks::new());
    following.read(listing.files, None, true, NOW, &mut |_| {}).unwrap();
    let mut marks = Marks::new();
    remember(&mut marks, &sent(&loads));
    assert_eq!(marks.keys().collect::<Vec<_>>(), ["a.json"]);
}

#[test]
fn what_could_not_be_understood_is_counted_once_with_the_set() {
    let root = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..40).map(|nth| nth * 60).collect();
    spread(root.path(), &times, 1);
    write(root.path(), "broken.json", "{\"eventTime\": broken}\n", 9000);
    let loads = restart(root.path(), &Marks::new(), 10);
    let said: Vec<u64> = loads.iter().map(|load| load.progress[0].outcomes.dead_letter).collect();
    assert_eq!(said.iter().sum::<u64>(), 1);
    assert_eq!(said.last(), Some(&1), "with the load that ends the set, so that a crash does not count it twice");
    assert!(loads.iter().all(|load| load.tally.outcomes().dead_letter == 0));
}

#[test]
fn running_ends_when_asked() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a.json", &record(1, MIDNIGHT, "RunInstances"), 9000);
    let source = FilesSource { poll: Duration::from_secs(3600), ..source(root.path()) };
    let (intake, loads) = intake(100);
    let stop = intake.stop.clone();
    let running = std::thread::spawn(move || source.run(intake, Marks::new(), |_| {}, standing(NOW)));
    let first = loads.recv().unwrap();
    assert!(!first.progress[0].caught_up && first.tally.is_empty(), "behind until it has looked");
    let mut second = [loads.recv().unwrap()];
    assert!(second[0].progress[0].caught_up);
    assert_eq!(calls(&mut second), expected(&[0]));
    stop.request();
    running.join().unwrap();
    assert!(loads.recv().is_err());
}

#[test]
fn it_says_how_many_files_wait_and_when_it_waits_itself() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        write(root.path(), name, &record(1, MIDNIGHT, "RunInstances"), if name == "c" { 500 } else { 60_000 });
    }
    let source = source(root.path());
    let (intake, loads) = intake(1);
    let waiting = || intake.waiting.load(std::sync::atomic::Ordering::Relaxed);
    let blocked = intake.blocked.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut following = Following::new(&source, &intake, &Marks::new());
            assert!(following.say(false, NOW) && !following.look(&mut |_| {}, &standing(NOW)).unwrap());
        });
        let begun = clock::instant();
        while !blocked.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(begun.elapsed() < Duration::from_secs(60), "the second load finds no room");
            std::thread::yield_now();
        }
        assert_eq!(waiting(), 3, "those that are being handed over have not gone");
        assert_eq!(loads.iter().take(2).map(|load| load.tally.len()).sum::<usize>(), 2);
    });
    assert_eq!(
        (waiting(), blocked.load(std::sync::atomic::Ordering::Relaxed)),
        (1, false),
        "the youngest may yet grow"
    );
}

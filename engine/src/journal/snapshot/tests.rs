use proptest::prelude::*;

use super::*;

fn open(directory: &Path) -> Snapshots {
    Snapshots::open(directory, 2).unwrap()
}

fn files(directory: &Path) -> Vec<String> {
    let paths = paths_in(&directory.join(DIRECTORY)).unwrap();
    paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn newest(snapshots: &mut Snapshots, part: Part) -> (Option<Seq>, usize) {
    let (snapshot, skipped) = snapshots.load_newest(part, 3).unwrap();
    (snapshot.map(|snapshot| snapshot.seq), skipped.len())
}

const P0: Part = Part::Partition(0);
const P1: Part = Part::Partition(1);

#[test]
fn the_newest_is_given_and_two_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    assert_eq!(newest(&mut snapshots, P0), (None, 0));
    for seq in [9, 10, 200] {
        snapshots.save(P0, seq, 3, format!("state at {seq}").as_bytes()).unwrap();
        snapshots.save(Part::Ingest, seq, 1, b"ingest").unwrap();
    }
    let mut again = open(directory.path());
    let (snapshot, skipped) = again.load_newest(P0, 3).unwrap();
    assert_eq!(snapshot, Some(Snapshot { seq: 200, version: 3, state: b"state at 200".to_vec() }));
    assert_eq!(skipped, []);
    let kept = ["ingest-00000000000000000010.snap", "ingest-00000000000000000200.snap"];
    let kept = kept.into_iter().chain(["p000-00000000000000000010.snap", "p000-00000000000000000200.snap"]);
    assert_eq!(files(directory.path()), kept.collect::<Vec<_>>());
    assert!(matches!(snapshots.save(Part::Partition(7), 1, 1, b""), Err(JournalError::Store(_))));
}

#[test]
fn a_damaged_newest_gives_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    snapshots.save(P0, 1, 3, b"first").unwrap();
    snapshots.save(P0, 2, 3, b"second").unwrap();
    let path = path_of(&directory.path().join(DIRECTORY), P0, 2);
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() - 1], &whole[..3], b"", b"something else altogether"] {
        fs::write(&path, damaged).unwrap();
        let mut snapshots = open(directory.path());
        assert_eq!(newest(&mut snapshots, P0), (Some(1), 1));
        let skipped = snapshots.load_newest(P0, 3).unwrap().1;
        assert_eq!(skipped[0].path, path);
        // Recovery goes on from the older one, and its next snapshots make the damaged one superfluous.
        snapshots.save(P0, 3, 3, b"third").unwrap();
        assert_eq!(newest(&mut snapshots, P0), (Some(3), 0));
        assert!(path.exists());
        fs::remove_file(path_of(&directory.path().join(DIRECTORY), P0, 3)).unwrap();
    }
    fs::write(path_of(&directory.path().join(DIRECTORY), P0, 1), b"").unwrap();
    assert_eq!(newest(&mut open(directory.path()), P0), (None, 2), "from the first entry, never a crash");
}

#[test]
fn a_damaged_one_goes_when_two_good_ones_are_newer() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    snapshots.save(P0, 1, 1, b"1").unwrap();
    fs::write(path_of(&directory.path().join(DIRECTORY), P0, 2), b"damaged").unwrap();
    let mut snapshots = open(directory.path());
    assert_eq!(newest(&mut snapshots, P0), (Some(1), 1));
    snapshots.save(P0, 3, 1, b"3").unwrap();
    assert_eq!(files(directory.path()).len(), 3, "1 and 3 are the two good ones");
    snapshots.save(P0, 4, 1, b"4").unwrap();
    assert_eq!(files(directory.path()).len(), 2);
}

#[test]
fn a_later_snapshot_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    snapshots.save(P0, 1, 3, b"").unwrap();
    snapshots.save(P0, 2, 9, b"").unwrap();
    assert!(matches!(snapshots.load_newest(P0, 3), Err(JournalError::Later { found: 9, known: 3 })));
}

#[test]
fn a_state_that_is_not_understood_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    snapshots.save(P0, 1, 3, b"").unwrap();
    snapshots.save(P0, 2, 3, b"").unwrap();
    snapshots.reject(P0, 2, "not a table");
    assert_eq!(newest(&mut snapshots, P0), (Some(1), 0));
}

#[test]
fn covered_is_what_every_part_has_twice() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    for (part, seq) in [(P0, 5), (P0, 9), (P1, 6), (P1, 8), (Part::Ingest, 7)] {
        assert_eq!(snapshots.covered(), 0);
        snapshots.save(part, seq, 1, b"state").unwrap();
    }
    assert_eq!(snapshots.covered(), 0);
    snapshots.save(Part::Ingest, 10, 1, b"state").unwrap();
    assert_eq!(snapshots.covered(), 5);
    snapshots.save(P0, 12, 1, b"state").unwrap();
    assert_eq!(snapshots.covered(), 6);
    assert_eq!(open(directory.path()).covered(), 6, "found again");
    fs::write(path_of(&directory.path().join(DIRECTORY), P1, 8), b"damaged").unwrap();
    assert_eq!(open(directory.path()).covered(), 0, "a damaged one covers nothing");
}

#[test]
fn what_a_dying_process_left_is_cleared_and_what_is_not_ours_is_not() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).save(P0, 1, 1, b"state").unwrap();
    let place = directory.path().join(DIRECTORY);
    fs::write(place.join("p000-00000000000000000002.partial"), b"half").unwrap();
    for other in ["notes.txt", "p0-1.snap", "p000-x.snap", "p900-00000000000000000001.snap"] {
        fs::write(place.join(other), b"kept").unwrap();
    }
    assert_eq!(newest(&mut open(directory.path()), P0), (Some(1), 0));
    assert_eq!(files(directory.path()).len(), 5);
    assert!(!place.join("p000-00000000000000000002.partial").exists());
}

#[test]
fn a_directory_that_cannot_be_written_is_unwritable() {
    let directory = tempfile::tempdir().unwrap();
    let mut snapshots = open(directory.path());
    fs::remove_dir(directory.path().join(DIRECTORY)).unwrap();
    assert!(matches!(snapshots.save(P0, 1, 1, b"state"), Err(JournalError::Unwritable(_))));
    assert_eq!(snapshots.covered(), 0);
    fs::create_dir(directory.path().join(DIRECTORY)).unwrap();
    snapshots.save(P0, 1, 1, b"state").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever is saved, damaged and reopened: the newest undamaged file is found, and dropping what is covered
    /// leaves every part a good snapshot to start from.
    #[test]
    fn what_is_covered_can_be_recovered_without_it(
        steps in prop::collection::vec((0u32..3, prop_oneof![4 => Just(0u8), 1 => Just(1), 1 => Just(2)]), 1..30),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let part = |n| if n == 2 { Part::Ingest } else { Part::Partition(n) };
        let (mut snapshots, mut seq) = (open(directory.path()), 0);
        for (number, step) in steps {
            seq += 1;
            match step {
                0 => snapshots.save(part(number), seq, 1, b"state").unwrap(),
                1 => snapshots = open(directory.path()),
                _ => {
                    // One file of one part rots while the process is down.
                    let covered = open(directory.path()).covered();
                    let found = newest(&mut open(directory.path()), part(number)).0;
                    let Some(found) = found else { continue };
                    fs::write(path_of(&directory.path().join(DIRECTORY), part(number), found), b"rot").unwrap();
                    let mut after = open(directory.path());
                    for part in [P0, P1, Part::Ingest] {
                        let left = newest(&mut after, part).0.unwrap_or(0);
                        prop_assert!(left >= covered, "{} has {} of {}", part, left, covered);
                    }
                    snapshots = after;
                }
            }
        }
    }
}

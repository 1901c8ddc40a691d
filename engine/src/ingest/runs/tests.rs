use serde_json::json;

use super::super::tests::records::{at, record, second, settings, tally, with};
use super::*;

/// One minute of `count` records.
fn minute(minute: i64, count: usize) -> Tally {
    let start = second("2026-03-01T00:00:00Z") + minute * 60;
    let one = |id: usize| {
        let role = json!({ "userIdentity": { "arn": format!("role-{minute}-{id}") } });
        with(record(&format!("{minute}-{id}"), &at(start + id as i64 % 60)), role)
    };
    tally(&(0..count).map(one).collect::<Vec<_>>())
}

fn runs(memory: usize) -> (tempfile::TempDir, Runs) {
    let directory = tempfile::tempdir().unwrap();
    let runs = Runs::new(Arc::new(settings()), directory.path(), memory);
    (directory, runs)
}

#[test]
fn minutes_come_in_order_with_all_that_was_pushed() {
    let (_directory, mut runs) = runs(40_000);
    for pushed in [3, 1, 2, 3, 0, 2, 1] {
        runs.push(minute(pushed, 100)).unwrap();
    }
    assert!((2..7).contains(&runs.spilled()), "{} runs", runs.spilled());
    let minutes: Vec<(Option<i64>, usize)> =
        runs.into_minutes().unwrap().map(|tally| tally.unwrap()).map(|tally| (tally.newest(), tally.len())).collect();
    let start = second("2026-03-01T00:00:00Z") + 59;
    assert_eq!(minutes, [(0, 100), (1, 200), (2, 200), (3, 200)].map(|(at, count)| (Some(start + at * 60), count)));
}

#[test]
fn a_run_has_many_blocks() {
    let (_directory, mut runs) = runs(1 << 20);
    for at in 0..30 {
        runs.push(minute(at, 500)).unwrap();
    }
    runs.spill().unwrap();
    let counts: Vec<usize> = runs.into_minutes().unwrap().map(|tally| tally.unwrap().len()).collect();
    assert_eq!(counts, [500; 30]);
}

/// A minute larger than a block goes on in the next, records and rows alike.
#[test]
fn a_minute_may_be_larger_than_a_block() {
    let (_directory, mut runs) = runs(1 << 30);
    for _ in 0..2 {
        for at in [1, 0] {
            runs.push(minute(at, 3 * BLOCK / 2)).unwrap();
            let mut table = "minute\taccount\tregion\tsource\tname\tcalls\n".to_owned();
            (0..2 * BLOCK).for_each(|row| table += &format!("2026-03-01T00:0{at}:00Z\t1\tr\ts\tN{row}\t1\n"));
            let mut rows = Tally::new(Arc::new(settings()));
            let origin = crate::ingest::Origin { source: "s", path: "t" };
            rows.read_counts(&mut table.as_bytes(), origin, &mut |_| panic!("all is well"), &mut |_, _| Ok(()))
                .unwrap();
            runs.push(rows).unwrap();
        }
        runs.spill().unwrap();
    }
    let minutes: Vec<(usize, usize)> = runs
        .into_minutes()
        .unwrap()
        .map(|tally| tally.unwrap())
        .map(|tally| (tally.samples.len(), tally.rows.len()))
        .collect();
    assert_eq!(minutes, [(3 * BLOCK, 4 * BLOCK); 2]);
}

/// Memory for merging grew with the input: one block for each run ever written.
#[test]
fn any_number_of_runs_is_merged_from_a_few() {
    let (_directory, mut runs) = runs(0);
    for round in 0..5 * MOST_RUNS as i64 {
        runs.push(minute(round * 7 % 11, 2)).unwrap();
        assert!(runs.spilled() < MOST_RUNS);
    }
    let counts: Vec<usize> = runs.into_minutes().unwrap().map(|tally| tally.unwrap().len()).collect();
    assert_eq!(counts.len(), 11);
    assert_eq!(counts.iter().sum::<usize>(), 10 * MOST_RUNS);
    assert!(counts.is_sorted_by(|a, b| a.abs_diff(*b) <= 2), "{counts:?}");
}

#[test]
fn what_is_held_stays_within_the_limit() {
    let (_directory, mut runs) = runs(200_000);
    for at in 0..20 {
        runs.push(minute(at, 200)).unwrap();
        assert!(runs.held.memory() <= 200_000);
    }
    assert!(runs.spilled() >= 3);
}

#[test]
fn outcomes_are_said_once() {
    let (_directory, mut runs) = runs(0);
    let mut passed = minute(0, 1);
    passed.outcomes.not_analysed = 5;
    runs.push(passed).unwrap();
    assert_eq!(runs.outcomes().not_analysed, 5);
    let again: u64 = runs.into_minutes().unwrap().map(|tally| tally.unwrap().outcomes().not_analysed).sum();
    assert_eq!(again, 0);
}

/// A disk that cannot be written is an error upward, and nothing that was pushed is lost by it.
#[test]
fn what_cannot_be_spilled_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let mut runs = Runs::new(Arc::new(settings()), &blocked, 0);
    assert!(runs.push(minute(0, 3)).is_err());
    assert!(runs.push(minute(1, 4)).is_err());
    std::fs::remove_file(&blocked).unwrap();
    runs.push(minute(1, 5)).unwrap();
    assert_eq!(runs.spilled(), 1);
    let counts: Vec<usize> = runs.into_minutes().unwrap().map(|tally| tally.unwrap().len()).collect();
    assert_eq!(counts, [3, 9]);
}

#[test]
fn a_damaged_run_is_an_error_and_ends_there() {
    use std::os::unix::fs::FileExt;
    for at in [0, 5, 40] {
        let (_directory, mut runs) = runs(0);
        for number in 0..3 {
            runs.push(minute(number, 3)).unwrap();
        }
        let middle = runs.spans[1].from + at;
        let file = runs.file.as_ref().unwrap();
        let mut byte = [0];
        file.file.read_exact_at(&mut byte, middle).unwrap();
        file.file.write_all_at(&[byte[0] ^ 0x40], middle).unwrap();
        let error = runs.into_minutes().map(|mut minutes| minutes.find_map(Result::err));
        assert!(matches!(error, Err(_) | Ok(Some(_))), "byte {at}");
    }
}

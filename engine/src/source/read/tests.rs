//! What is read does not depend on who reads it when.

use std::collections::BTreeSet;

use proptest::prelude::*;
use trailsight_schemas::entry::Progress;

use super::super::testing::{Calls, MIDNIGHT, calls, record, settings};
use super::*;
use crate::source::Load;

fn reader(jobs: usize, memory: usize, format: Format) -> Reader {
    Reader { source: "test".into(), settings: settings(), jobs, format, memory, stop: Stop::default() }
}

fn write(directory: &std::path::Path, name: &str, text: &str) -> Input {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    Input { name: name.into(), path, bytes: text.len() as u64 }
}

fn read(reader: &Reader, inputs: &[Input], spill: usize) -> Result<(Calls, Report, Vec<Reject>), ReadError> {
    let directory = tempfile::tempdir().unwrap();
    let mut runs = Runs::new(reader.settings.clone(), directory.path(), spill);
    let mut rejects = Vec::new();
    let furthest = Mutex::new(ReadSoFar::default());
    let progress = |so_far: ReadSoFar| {
        let mut furthest = furthest.lock().unwrap();
        if so_far.bytes >= furthest.bytes {
            *furthest = so_far;
        }
    };
    let report = reader.read_all(inputs, &mut runs, &progress, &mut |reject| rejects.push(reject))?;
    let seen = furthest.into_inner().unwrap();
    assert!(seen.bytes <= seen.total.max(1) || inputs.iter().any(|input| input.bytes == 0));
    let mut loads: Vec<Load> = runs
        .into_minutes()
        .unwrap()
        .map(|tally| Load {
            tally: tally.unwrap(),
            progress: vec![Progress::default()],
            acknowledge: None,
            received: crate::clock::instant(),
        })
        .collect();
    let minutes: Vec<_> = loads.iter().map(|load| load.tally.newest().unwrap() / 60).collect();
    assert_eq!(minutes.iter().collect::<BTreeSet<_>>().len(), minutes.len());
    assert!(minutes.is_sorted());
    Ok((calls(&mut loads), report, rejects))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn jobs_order_and_memory_change_nothing(
        times in proptest::collection::vec((0i64..1200, 0usize..6), 1..200),
        jobs in 1usize..5,
        memory in prop_oneof![Just(0usize), Just(4096), Just(1 << 20)],
        turn in 0usize..6,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut files = vec![String::new(); 6];
        let mut expected = Calls::new();
        for (id, (time, file)) in times.iter().enumerate() {
            let name = ["RunInstances", "StopInstances"][id % 2];
            files[*file].push_str(&record(id, MIDNIGHT + time, name));
            *expected.entry((((MIDNIGHT + time) / 60) as u32, name.to_string())).or_default() += 1;
        }
        let mut inputs: Vec<Input> =
            files.iter().enumerate().map(|(nth, text)| write(directory.path(), &format!("{nth}.json"), text)).collect();
        inputs.rotate_left(turn);
        let (found, report, rejects) = read(&reader(jobs, memory, Format::Auto), &inputs, memory).unwrap();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(report.records, times.len() as u64);
        prop_assert_eq!(report.newest.map(|newest| newest / 60), times.iter().map(|(time, _)| (MIDNIGHT + time) / 60).max());
        prop_assert!(rejects.is_empty() && report.unopened.is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let good = write(directory.path(), "good.json", &record(1, MIDNIGHT, "RunInstances"));
    let half = write(
        directory.path(),
        "half.json",
        &format!("{}{{\"eventTime\": nonsense}}\n", record(2, MIDNIGHT, "RunInstances")),
    );
    let gone = Input { name: "gone".into(), path: directory.path().join("gone"), bytes: 3 };
    let folder = Input { name: "folder".into(), path: directory.path().to_path_buf(), bytes: 0 };
    let (found, report, rejects) =
        read(&reader(2, 1 << 20, Format::Auto), &[gone, good, folder, half], 1 << 20).unwrap();
    assert_eq!(found.values().sum::<u64>(), 2);
    assert_eq!(report.unopened.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].path, "half.json");
}

#[test]
fn a_counts_table_is_recognised_by_name_or_header() {
    let directory = tempfile::tempdir().unwrap();
    let table = "minute\taccount\tregion\tsource\tname\tcalls\n\
                 2026-03-02T00:00:00Z\t111122223333\teu-west-1\tec2.amazonaws.com\tRunInstances\t7\n";
    for name in ["a.tsv", "anything"] {
        let input = write(directory.path(), name, table);
        let (found, ..) = read(&reader(1, 1 << 20, Format::Auto), &[input], 1 << 20).unwrap();
        assert_eq!(found, Calls::from([((MIDNIGHT as u32 / 60, "RunInstances".to_string()), 7)]), "{name}");
    }
    let input = write(directory.path(), "bad.tsv", "minute\tname\n");
    let error = read(&reader(1, 1 << 20, Format::Auto), std::slice::from_ref(&input), 1 << 20).unwrap_err();
    assert!(matches!(&error, ReadError::Table { name, .. } if name == "bad.tsv"), "{error}");
    let (found, _, rejects) = read(&reader(1, 1 << 20, Format::Records), &[input], 1 << 20).unwrap();
    assert!(found.is_empty() && !rejects.is_empty(), "as records it is only unreadable");
}

#[test]
fn a_request_to_stop_ends_reading() {
    let directory = tempfile::tempdir().unwrap();
    let input = write(directory.path(), "a.json", &record(1, MIDNIGHT, "RunInstances"));
    let reader = reader(2, 1 << 20, Format::Auto);
    reader.stop.request();
    assert!(matches!(read(&reader, &[input], 1 << 20), Err(ReadError::Stopped)));
}

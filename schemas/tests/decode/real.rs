//! Over the public data set of 2,900 records, which lies beside the repository (in `../shared`, or where
//! `TRAILSIGHT_SHARED` says) and is no part of it.

use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

use super::found::{by_value, find, gzip};

fn files() -> Option<Vec<PathBuf>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("TRAILSIGHT_SHARED").map_or_else(beside, PathBuf::from);
    let listing = std::fs::read_dir(shared.join("data/invictus/CloudTrail")).ok()?;
    let mut files: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    Some(files)
}

#[test]
fn every_real_record_reads_as_value_reads_it() {
    let Some(files) = files() else {
        // Not by `eprintln!`, which the harness keeps to itself when a test passes.
        writeln!(std::io::stderr(), "ABSENT ../shared/data/invictus: 2,900 real records were not read").unwrap();
        return;
    };
    let mut count = 0;
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let expected: Vec<_> = value["Records"].as_array().unwrap().iter().map(by_value).collect();
        for bytes in [gzip(&bytes), bytes] {
            let found = find(&bytes);
            let read: Vec<_> = found.records.into_iter().map(|(_, record)| record).collect();
            assert_eq!(read, expected, "{}", path.display());
            assert_eq!(found.lines.len(), expected.len(), "{}", path.display());
        }
        count += expected.len();
    }
    assert_eq!((files.len(), count), (55, 2_900));
}

//! The seeds of the fuzz targets, on stable: the same checks, without the fuzzer.

use std::path::PathBuf;

#[allow(unreachable_pub)]
#[path = "../../fuzz/checks.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 3, "{target} has {count} seeds");
}

#[test]
fn every_seed_passes() {
    replay("decode", checks::decode);
    replay("inflate", checks::inflate);
    replay("counts", checks::counts);
    replay("object_key", checks::object_key);
    replay("insight", checks::insight);
    replay("stored", checks::stored);
}

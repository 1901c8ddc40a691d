//! The promise, on the release binary and a few fixed accounts.

use std::path::PathBuf;
use std::process::Command;

#[test]
fn the_promise_holds_on_the_slice() {
    let quality = PathBuf::from(env!("CARGO_BIN_EXE_trailsight-quality"));
    let product =
        std::env::var_os("TRAILSIGHT_BIN").map_or_else(|| quality.with_file_name("trailsight"), PathBuf::from);
    assert!(product.is_file(), "{} is missing: build the workspace's binaries first", product.display());
    let work = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(&quality);
    command.arg("slice").arg("--trailsight").arg(&product).arg("--work").arg(work.path());
    let done = command.output().expect("the benchmark can be started");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}");
    println!("report: {}", String::from_utf8_lossy(&done.stdout).replace('\n', "; "));
}

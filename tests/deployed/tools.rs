//! Programs that `tests/run` installs, and how the files in `deploy/` are read.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::product::{self, Finished};
use crate::scale::{Scale, not_run, repository, scale};

/// A program of a Debian package, or of the Python environment that `tests/run` makes. `--quick` does without
/// what is missing, and says so.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let environment = target().join("tools/deploy/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&path).chain([environment]).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert_eq!(scale(), Scale::Quick, "{name} is not installed; tests/run installs it");
        not_run(name, "it is not installed, and --quick installs nothing");
    }
    found
}

/// Where Cargo puts what it makes.
pub(crate) fn target() -> PathBuf {
    let test = env::current_exe().expect("this test has a path");
    test.ancestors().nth(3).expect("target/PROFILE/deps/all-HASH").to_owned()
}

/// A path below `deploy/`.
pub(super) fn deploy(path: &str) -> PathBuf {
    repository().join("deploy").join(path)
}

/// A file below `deploy/` as text.
pub(super) fn text(path: &str) -> String {
    read(&deploy(path))
}

/// A file as text.
pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder of `deploy/` with this ending, in order.
pub(super) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(deploy(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|each| each == ending))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "deploy/{folder} has no .{ending}");
    found
}

/// Runs a program to its end and fails unless it succeeds.
#[track_caller]
pub(super) fn succeeds<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Finished {
    let finished = run(program, arguments);
    let (name, status) = (program.display(), finished.status);
    assert_eq!(status, Some(0), "{name}:\n{}{}", finished.stdout, finished.stderr);
    finished
}

/// Runs a program to its end.
pub(super) fn run<A: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = A>) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments);
    product::run(command)
}

//! The PATH arguments of `replay` and `backfill`: files, directories and all below them, globs, `-`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::read::Input;
use super::tree;

/// What the arguments stand for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Sorted by path; a file that is named twice, or reached over two links, is here once.
    pub inputs: Vec<Input>,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// An argument, or a file that it stands for, that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct BadPath {
    /// As it was given, or as it was found.
    pub path: String,
    /// Why.
    pub error: io::Error,
}

/// Finds every file that the arguments stand for. Each is opened once to see that it can be; what cannot be
/// is returned, all of it, and then nothing should be read.
///
/// A file that is named itself is taken whatever it is called; a pipe or a device as well, unopened. In
/// directories hidden and unfinished files are passed over, and CloudTrail's Insights files and digests.
pub fn expand(arguments: &[String]) -> Result<Inputs, Vec<BadPath>> {
    let mut found = Vec::new();
    let mut bad = Vec::new();
    for argument in arguments {
        if let Err(error) = collect(argument, &mut found, &mut bad) {
            bad.push(BadPath { path: argument.clone(), error });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let mut seen = HashSet::new();
    let mut inputs = Inputs::default();
    for input in found {
        match same_file(&input.path) {
            Ok(file) if seen.insert(file.clone()) => {
                inputs.bytes = inputs.bytes.saturating_add(input.bytes);
                inputs.inputs.push(input);
            }
            Ok(_) => {}
            Err(error) => bad.push(BadPath { path: input.name, error }),
        }
    }
    if bad.is_empty() { Ok(inputs) } else { Err(bad) }
}

fn collect(argument: &str, found: &mut Vec<Input>, bad: &mut Vec<BadPath>) -> io::Result<()> {
    let path = Path::new(argument);
    let named = |bytes: u64| Input { name: argument.to_string(), path: path.to_path_buf(), bytes };
    if argument == "-" {
        found.push(named(0));
        return Ok(());
    }
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            found.push(named(if metadata.is_file() { metadata.len() } else { 0 }));
            return Ok(());
        }
        Err(error) if !tree::is_pattern(argument) => return Err(error),
        _ => {}
    }
    let listing = tree::list(path, true)?;
    if listing.files.is_empty() && listing.problems.is_empty() && tree::is_pattern(argument) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no file matches"));
    }
    let inputs = listing.files.into_iter().map(|file| Input {
        name: file.path.display().to_string(),
        path: file.path,
        bytes: file.identity.size,
    });
    found.extend(inputs);
    bad.extend(listing.problems.into_iter().map(|(path, error)| BadPath { path: path.display().to_string(), error }));
    Ok(())
}

/// What makes two names one file.
#[derive(Clone, PartialEq, Eq, Hash)]
enum SameFile {
    Regular(u64, u64),
    Named(PathBuf),
}

fn same_file(path: &Path) -> io::Result<SameFile> {
    // Opening a pipe would take the place of the one reader that its writer waits for.
    if path.as_os_str() == "-" || !fs::metadata(path)?.is_file() {
        return Ok(SameFile::Named(path.to_path_buf()));
    }
    let metadata = File::open(path)?.metadata()?;
    Ok(SameFile::Regular(metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(arguments: &[&str], root: &Path) -> Vec<String> {
        let arguments: Vec<String> = arguments.iter().map(|name| root.join(name).display().to_string()).collect();
        let inputs = expand(&arguments).unwrap();
        assert_eq!(inputs.bytes, inputs.inputs.iter().map(|input| input.bytes).sum::<u64>());
        let relative = |input: Input| input.path.strip_prefix(root).unwrap().display().to_string();
        inputs.inputs.into_iter().map(relative).collect()
    }

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("a/b")).unwrap();
        for name in ["a/1.json", "a/b/2.json", "a/.seen", "3.part", "z.json"] {
            fs::write(tree.path().join(name), name).unwrap();
        }
        tree
    }

    #[test]
    fn a_file_is_listed_once_however_it_is_named() {
        let tree = tree();
        symlink(tree.path().join("z.json"), tree.path().join("zz.json")).unwrap();
        fs::hard_link(tree.path().join("a/1.json"), tree.path().join("a/9.json")).unwrap();
        let all = ["a/1.json", "a/b/2.json", "z.json"];
        assert_eq!(names(&["", "a", "a/1.json", "*.json"], tree.path()), all);
        assert_eq!(names(&["*.json", "a/1.json", "a", "a/b"], tree.path()), all);
        assert_eq!(names(&["3.part", "a/.seen"], tree.path()), ["3.part", "a/.seen"], "named themselves");
        assert_eq!(names(&["a/*"], tree.path()), ["a/1.json", "a/b/2.json"], "a matched directory is entered");
    }

    #[test]
    fn every_bad_path_is_named() {
        let tree = tree();
        symlink("nowhere", tree.path().join("dangling.json")).unwrap();
        let arguments =
            ["missing", "a", "none*", "dangling.json"].map(|name| tree.path().join(name).display().to_string());
        let bad = expand(&arguments).unwrap_err();
        let mut named: Vec<&str> = bad.iter().map(|bad| bad.path.as_str()).collect();
        named.sort_unstable();
        let mut expected = [&arguments[0], &arguments[2], &arguments[3]];
        expected.sort_unstable();
        assert_eq!(named, expected);
    }

    #[test]
    fn standard_input_is_an_input() {
        let inputs = expand(&["-".to_string(), "-".to_string()]).unwrap();
        assert_eq!(inputs.inputs.len(), 1);
        assert!(expand(&[]).unwrap().inputs.is_empty());
    }
}

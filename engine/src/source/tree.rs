//! Which files there are: a directory and what is below it, a glob, or one file.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use trailsight_schemas::object_key::ObjectKey;

/// Directories below one another that are entered; deeper ones are passed over and reported.
pub(super) const DEPTH: usize = 64;

/// A regular file as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Name relative to the root, the same over restarts: bytes that are not printable ASCII, `%`, and a
    /// leading `@` are written `%XX`, so that no two names share a key and none looks like a key of ours.
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
}

/// What tells a file from its later self under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Bytes.
    pub(super) size: u64,
    /// Last modification, nanoseconds since the epoch.
    pub(super) modified: i64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        let modified = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Identity { size: metadata.len(), modified }
    }

    /// Size and time, little endian.
    pub(super) fn pack(self) -> [u8; 16] {
        (u128::from(self.size) | (u128::from(self.modified as u64) << 64)).to_le_bytes()
    }

    /// Reads [`Identity::pack`] back; `None` when the bytes are something else.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Identity> {
        let packed = u128::from_le_bytes(bytes.try_into().ok()?);
        Some(Identity { size: packed as u64, modified: (packed >> 64) as u64 as i64 })
    }
}

/// What a look at the tree found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Sorted by key, each key once.
    pub(super) files: Vec<Found>,
    /// What could not be looked at. Files below it may exist all the same.
    pub(super) problems: Vec<(PathBuf, io::Error)>,
}

/// Lists what `path` names: a directory (with all below it where `recursive`), one file, or a glob. A
/// directory that is reached twice over links is entered once, so a loop of links ends.
///
/// Passed over: names that begin with `.`, unfinished downloads, devices, pipes and sockets, and (by
/// name) CloudTrail's Insights files and digests. An error is one of the root itself.
pub(super) fn list(path: &Path, recursive: bool) -> io::Result<Listing> {
    let mut listing = Listing::default();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => walk(path, recursive, &mut listing)?,
        Ok(metadata) if metadata.is_file() => listing.take(path.to_path_buf(), path, &metadata),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a directory")),
        Err(error) => match path.to_str().filter(|text| is_pattern(text)) {
            Some(pattern) => matching(pattern, recursive, &mut listing)?,
            None => return Err(error),
        },
    }
    listing.files.sort_by(|a, b| a.key.cmp(&b.key));
    listing.files.dedup_by(|a, b| a.key == b.key);
    Ok(listing)
}

/// Whether this text can only be meant as a glob.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn matching(pattern: &str, recursive: bool, listing: &mut Listing) -> io::Result<()> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    for found in glob::glob(pattern).map_err(invalid)? {
        match found.map_err(|error| (error.path().to_path_buf(), io::Error::from(error))) {
            Ok(path) => match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() && recursive => {
                    let mut below = Listing::default();
                    walk(&path, true, &mut below)?;
                    listing.problems.append(&mut below.problems);
                    listing.files.extend(below.files.into_iter().map(|found| Found { key: key(&found.path), ..found }));
                }
                Ok(metadata) if metadata.is_file() && !passed_over(&path) => {
                    listing.take(path.clone(), &path, &metadata)
                }
                Ok(_) => {}
                Err(error) => listing.problems.push((path, error)),
            },
            Err(problem) => listing.problems.push(problem),
        }
    }
    Ok(())
}

impl Listing {
    fn take(&mut self, path: PathBuf, name: &Path, metadata: &Metadata) {
        self.files.push(Found { key: key(name), path, identity: Identity::of(metadata) });
    }
}

fn walk(root: &Path, recursive: bool, listing: &mut Listing) -> io::Result<()> {
    let mut entered = HashSet::new();
    // Linked directories wait until all real ones were entered, so that a directory keeps its own name.
    let (mut real, mut linked) = (vec![(root.to_path_buf(), 0)], Vec::new());
    while let Some((directory, depth)) = real.pop().or_else(|| linked.pop()) {
        let entries = fs::metadata(&directory).and_then(|metadata| Ok((metadata, fs::read_dir(&directory)?)));
        match entries {
            Ok((metadata, _)) if !entered.insert((metadata.dev(), metadata.ino())) => {}
            Ok((_, entries)) => {
                let mut below = below(root, &directory, entries, listing);
                if recursive && depth < DEPTH {
                    real.extend(below.directories.drain(..).map(|path| (path, depth + 1)));
                    linked.extend(below.links.drain(..).map(|path| (path, depth + 1)));
                    linked.sort_by(|a, b| b.cmp(a));
                } else if recursive {
                    let deep = || io::Error::other(format!("more than {DEPTH} directories deep"));
                    listing.problems.extend(below.directories.into_iter().map(|path| (path, deep())));
                }
            }
            Err(error) if directory == root => return Err(error),
            Err(error) => listing.problems.push((directory, error)),
        }
    }
    Ok(())
}

#[derive(Default)]
struct Below {
    directories: Vec<PathBuf>,
    links: Vec<PathBuf>,
}

/// Takes the files of one directory; what is to be entered is returned.
fn below(root: &Path, directory: &Path, entries: fs::ReadDir, listing: &mut Listing) -> Below {
    let mut below = Below::default();
    for entry in entries {
        let looked = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
        let (path, kind) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                listing.problems.push((directory.to_path_buf(), error));
                continue;
            }
        };
        if passed_over(&path) {
            continue;
        }
        if kind.is_dir() {
            below.directories.push(path);
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => below.links.push(path),
            Ok(metadata) if metadata.is_file() => {
                let name = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
                listing.take(path, &name, &metadata);
            }
            Ok(_) => {}
            // Gone between the listing and the look, or a link to nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => listing.problems.push((path, error)),
        }
    }
    below
}

/// Names that are not meant for us: hidden, unfinished, or of a kind that holds no records.
fn passed_over(path: &Path) -> bool {
    let Some(name) = path.file_name().map(OsStrExt::as_bytes) else { return false };
    let unfinished = [&b".tmp"[..], b".part", b".crdownload"];
    name.starts_with(b".")
        || unfinished.iter().any(|ending| name.ends_with(ending))
        || path.to_str().is_some_and(|key| ObjectKey::skip(key).is_some())
}

fn key(name: &Path) -> String {
    use std::fmt::Write;
    let bytes = name.as_os_str().as_bytes();
    let mut key = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if (0x20..0x7F).contains(byte) && *byte != b'%' && !(at == 0 && *byte == b'@') {
            key.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(key, "%{byte:02X}");
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        directory
    }

    fn keys(listing: &Listing) -> Vec<&str> {
        listing.files.iter().map(|found| found.key.as_str()).collect()
    }

    #[test]
    fn a_directory_is_listed_by_relative_names() {
        let insight = "a/111122223333_CloudTrail-Insight_eu-west-1_20260301T0000Z_x.json.gz";
        let digest = "a/111122223333_CloudTrail-Digest_eu-west-1_trail_eu-west-1_20260301T000000Z.json.gz";
        let tree = tree(&[
            "b.json",
            "a/c.json",
            ".hidden",
            ".git/x",
            "a/d.part",
            "e.tmp",
            "f.crdownload",
            "@g",
            insight,
            digest,
        ]);
        assert_eq!(keys(&list(tree.path(), true).unwrap()), ["%40g", "a/c.json", "b.json"]);
        assert_eq!(keys(&list(tree.path(), false).unwrap()), ["%40g", "b.json"]);
        let one = tree.path().join("b.json");
        assert_eq!(list(&one, false).unwrap().files.len(), 1);
        assert_eq!(list(&tree.path().join("*/*.json"), true).unwrap().files.len(), 1);
        assert_eq!(list(&tree.path().join("nothing*"), true).unwrap().files.len(), 0);
        assert!(list(&tree.path().join("missing"), true).is_err());
    }

    /// A tree with a link to its own root once made every file appear at 40 depths.
    #[test]
    fn loops_of_links_end_and_special_files_are_passed_over() {
        let tree = tree(&["real/one.json"]);
        symlink(tree.path(), tree.path().join("real/loop")).unwrap();
        symlink("nowhere", tree.path().join("dangling")).unwrap();
        symlink(tree.path().join("real"), tree.path().join("another")).unwrap();
        symlink(tree.path().join("real/one.json"), tree.path().join("two.json")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(tree.path().join("socket")).unwrap();
        let listing = list(tree.path(), true).unwrap();
        assert_eq!(keys(&listing), ["real/one.json", "two.json"]);
        assert!(listing.problems.is_empty());
    }

    #[test]
    fn too_deep_a_tree_is_cut_and_said_so() {
        let deep = "d/".repeat(DEPTH + 2) + "x.json";
        let tree = tree(&[deep.as_str(), "top.json"]);
        let listing = list(tree.path(), true).unwrap();
        assert_eq!(keys(&listing), ["top.json"]);
        assert_eq!(listing.problems.len(), 1);
    }

    #[test]
    fn names_of_any_bytes_have_keys_of_their_own() {
        let names: [&[u8]; 5] = [b"a%FF", b"a\xFF", b"a\n", b"@set", b"%40set"];
        let mut keys: Vec<String> = names.iter().map(|name| key(Path::new(OsStr::from_bytes(name)))).collect();
        assert!(keys.iter().all(|key| key.is_ascii() && !key.starts_with('@')));
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), names.len());
    }

    #[test]
    fn an_identity_survives_packing() {
        for (size, modified) in [(0, 0), (u64::MAX, i64::MIN), (7, -1), (1 << 40, 1_772_409_600_000_000_001)] {
            let identity = Identity { size, modified };
            assert_eq!(Identity::unpack(&identity.pack()), Some(identity));
        }
        assert_eq!(Identity::unpack(b"short"), None);
    }
}

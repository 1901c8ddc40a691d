//! What room the file system of the data directory has.

use std::path::Path;

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Left to this process: what is reserved for root does not count.
    pub free: u64,
    /// In all.
    pub size: u64,
}

impl Space {
    /// Of the file system that holds `path`; `None` where the system does not say.
    pub fn of(path: &Path) -> Option<Space> {
        let said = rustix::fs::statvfs(path).ok()?;
        Some(Space {
            free: said.f_bavail.saturating_mul(said.f_frsize),
            size: said.f_blocks.saturating_mul(said.f_frsize),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Space;

    #[test]
    fn a_file_takes_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::of(folder.path()).unwrap();
        assert!(space.size > 0 && space.free <= space.size, "{space:?}");
        assert_eq!(Space::of(&folder.path().join("nowhere")), None);
    }
}

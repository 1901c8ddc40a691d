//! Which of the files that there are should be read now. A value: what time it is and what was found are
//! arguments.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use trailsight_schemas::object_key::ObjectKey;

use super::tree::{Found, Identity, Listing};

/// Most files read as one set. What is beyond waits for the next; files are taken in the order of
/// their delivery, so that sets follow each other in time.
pub(super) const SET_FILES: usize = 100_000;
/// How long a file that was read must have been gone before it is forgotten, milliseconds: a directory that
/// was unmounted for an afternoon must not be read again.
pub(super) const FORGET_AFTER: i64 = 24 * 3_600_000;
/// First and longest pause before a file that could not be opened is tried again, milliseconds.
const RETRY: (i64, i64) = (1000, 300_000);

/// What was read, and what is waited for.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// How long a file must have been left alone, milliseconds.
    settle: i64,
    read: BTreeMap<String, Identity>,
    /// Files that may still be written to, and since when they look as they do.
    settling: HashMap<String, (Identity, i64)>,
    /// Files that were read and are gone, and since when.
    missing: HashMap<String, i64>,
    /// Files that could not be opened.
    refused: HashMap<String, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    identity: Identity,
    pause: i64,
    again: i64,
}

/// What to do now.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Files to read as one set.
    pub(super) files: Vec<Found>,
    /// More files are ready than one set holds.
    pub(super) more: bool,
    /// Files that are not read yet, these and those that are not ready included.
    pub(super) waiting: usize,
    /// Keys of files that are gone for good.
    pub(super) forget: Vec<String>,
}

impl Follower {
    /// Goes on from the marks of an earlier run; keys that begin with `@` are not files.
    pub(super) fn new(marks: &BTreeMap<String, Vec<u8>>, settle: i64) -> Follower {
        let files = marks.iter().filter(|(key, _)| !key.starts_with('@'));
        let read = files.filter_map(|(key, value)| Some((key.clone(), Identity::unpack(value)?))).collect();
        Follower { settle, read, ..Follower::default() }
    }

    /// Says what to read of `listing`, which was made at `now` (milliseconds since the epoch).
    pub(super) fn choose(&mut self, listing: Listing, now: i64) -> Choice {
        let forget = self.forget(&listing, now);
        let before = std::mem::take(&mut self.settling);
        let (mut files, mut waiting) = (Vec::new(), 0);
        for found in listing.files {
            if self.read.get(&found.key) == Some(&found.identity) {
                continue;
            }
            waiting += 1;
            if self.is_refused(&found, now) {
                continue;
            }
            let since = match before.get(&found.key) {
                Some((identity, since)) if *identity == found.identity => *since,
                // Seen for the first time like this: what its own time says counts, unless it lies ahead.
                _ => (found.identity.modified.div_euclid(1_000_000)).min(now),
            };
            if now - since >= self.settle {
                files.push(found);
            } else {
                self.settling.insert(found.key, (found.identity, since));
            }
        }
        let more = files.len() > SET_FILES;
        if more {
            files.sort_by_cached_key(|found| (delivered(found), found.key.clone()));
            files.truncate(SET_FILES);
        }
        Choice { files, more, waiting, forget }
    }

    /// Remembers that a file was read. True when an earlier state of it had been read before.
    pub(super) fn finished(&mut self, key: &str, identity: Identity) -> bool {
        self.refused.remove(key);
        self.read.insert(key.to_string(), identity).is_some_and(|earlier| earlier != identity)
    }

    /// Remembers that a file could not be opened and is to be tried again later, less and less often. True
    /// the first time, when it is to be told.
    pub(super) fn refused(&mut self, found: &Found, now: i64) -> bool {
        let earlier = self.refused.remove(&found.key).filter(|refusal| refusal.identity == found.identity);
        let pause = earlier.as_ref().map_or(RETRY.0, |refusal| (refusal.pause * 2).min(RETRY.1));
        let refusal = Refusal { identity: found.identity, pause, again: now.saturating_add(pause) };
        self.refused.insert(found.key.clone(), refusal);
        earlier.is_none()
    }

    fn is_refused(&self, found: &Found, now: i64) -> bool {
        let refusal = self.refused.get(&found.key).filter(|refusal| refusal.identity == found.identity);
        refusal.is_some_and(|refusal| now < refusal.again)
    }

    /// A look that found nothing, or could not see everything, forgets nothing: it looks like this when
    /// something is not mounted.
    fn forget(&mut self, listing: &Listing, now: i64) -> Vec<String> {
        if listing.files.is_empty() || !listing.problems.is_empty() {
            return Vec::new();
        }
        let present: BTreeSet<&str> = listing.files.iter().map(|found| found.key.as_str()).collect();
        self.refused.retain(|key, _| present.contains(key.as_str()));
        self.missing.retain(|key, _| !present.contains(key.as_str()));
        for key in self.read.keys().filter(|key| !present.contains(key.as_str())) {
            self.missing.entry(key.clone()).or_insert(now);
        }
        let gone = self.missing.iter().filter(|(_, since)| now - **since >= FORGET_AFTER);
        let mut gone: Vec<String> = gone.map(|(key, _)| key.clone()).collect();
        gone.sort();
        for key in &gone {
            self.missing.remove(key);
            self.read.remove(key);
        }
        gone
    }
}

/// When a file was delivered, seconds since the epoch: CloudTrail writes it in the name
/// (`…_20260301T1215Z_…`), which survives copying; otherwise the file's own time.
fn delivered(found: &Found) -> i64 {
    let stamp = ObjectKey::parse(&found.key).and_then(|key| key.delivered);
    stamp.unwrap_or(found.identity.modified.div_euclid(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_409_600_000;

    /// `age` is how long before [`NOW`] the file was written, milliseconds.
    fn found(key: &str, size: u64, age: i64) -> Found {
        let identity = Identity { size, modified: (NOW - age) * 1_000_000 };
        Found { key: key.into(), path: key.into(), identity }
    }

    fn listing(files: &[Found]) -> Listing {
        Listing { files: files.to_vec(), problems: Vec::new() }
    }

    fn keys(choice: &Choice) -> Vec<&str> {
        choice.files.iter().map(|found| found.key.as_str()).collect()
    }

    #[test]
    fn a_file_is_taken_once_it_was_left_alone() {
        let mut follower = Follower::new(&BTreeMap::new(), 2000);
        let (old, young) = (found("old", 1, 2000), found("young", 1, 500));
        let ahead = found("ahead", 1, -3_600_000);
        let all = listing(&[ahead.clone(), old.clone(), young.clone()]);
        let choice = follower.choose(all, NOW);
        assert_eq!((keys(&choice), choice.waiting), (vec!["old"], 3), "old files at once");
        follower.finished(&old.key, old.identity);
        let grown = found("young", 2, -900);
        assert!(keys(&follower.choose(listing(&[ahead.clone(), old.clone(), grown.clone()]), NOW + 1900)).is_empty());
        let later = follower.choose(listing(&[ahead.clone(), old.clone(), grown.clone()]), NOW + 2900);
        assert_eq!(keys(&later), ["ahead", "young"], "a time ahead of the clock is waited for like any other");
        assert_eq!(later.waiting, 2);
        for taken in later.files {
            assert!(!follower.finished(&taken.key, taken.identity));
        }
        assert!(keys(&follower.choose(listing(&[ahead, old, grown]), NOW + 90_000)).is_empty(), "each once");
    }

    #[test]
    fn a_changed_file_is_read_again_over_restarts_too() {
        let first = found("log", 10, 60_000);
        let marks =
            BTreeMap::from([("log".to_string(), first.identity.pack().to_vec()), ("@set".to_string(), vec![1; 16])]);
        let mut follower = Follower::new(&marks, 2000);
        assert!(follower.choose(listing(&[first]), NOW).files.is_empty());
        let second = found("log", 20, 30_000);
        assert_eq!(keys(&follower.choose(listing(std::slice::from_ref(&second)), NOW)), ["log"]);
        assert!(follower.finished("log", second.identity), "said to have changed");
        assert!(!follower.choose(listing(&[found("@set", 1, 9000)]), NOW).files.is_empty());
    }

    /// An archive that was unmounted over night came back and was counted twice.
    #[test]
    fn what_is_gone_is_forgotten_slowly_and_never_after_a_partial_look() {
        let (gone, stays) = (found("gone", 1, 9000), found("stays", 1, 9000));
        let marks = [&gone, &stays].map(|found| (found.key.clone(), found.identity.pack().to_vec())).into();
        let mut follower = Follower::new(&marks, 2000);
        let day = FORGET_AFTER;
        assert!(follower.choose(listing(&[]), NOW).forget.is_empty());
        assert!(follower.choose(listing(&[]), NOW + 2 * day).forget.is_empty(), "an empty root is no evidence");
        let problem = vec![("x".into(), std::io::Error::other("unreadable"))];
        let partial = Listing { files: vec![stays.clone()], problems: problem };
        assert!(follower.choose(partial, NOW + 3 * day).forget.is_empty());
        assert!(follower.choose(listing(std::slice::from_ref(&stays)), NOW + 3 * day).forget.is_empty());
        assert!(
            follower.choose(listing(&[gone.clone(), stays.clone()]), NOW + 4 * day - 1).files.is_empty(),
            "it came back"
        );
        assert!(follower.choose(listing(std::slice::from_ref(&stays)), NOW + 4 * day).forget.is_empty());
        assert_eq!(follower.choose(listing(std::slice::from_ref(&stays)), NOW + 5 * day).forget, ["gone"]);
        assert_eq!(keys(&follower.choose(listing(&[gone, stays]), NOW + 5 * day)), ["gone"]);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_tried_less_and_less_often() {
        let mut follower = Follower::new(&BTreeMap::new(), 0);
        let file = found("locked", 1, 9000);
        let (mut now, mut tries) = (NOW, 0);
        while now < NOW + 3_600_000 {
            if !follower.choose(listing(std::slice::from_ref(&file)), now).files.is_empty() {
                assert_eq!(follower.refused(&file, now), tries == 0, "told once");
                tries += 1;
            }
            now += 1000;
        }
        assert!((15..30).contains(&tries), "{tries} in an hour");
        let changed = found("locked", 2, 8000);
        assert_eq!(
            follower.choose(listing(std::slice::from_ref(&changed)), now).files.len(),
            1,
            "a new state is tried at once"
        );
        assert!(follower.refused(&changed, now));
    }

    #[test]
    fn more_files_than_a_set_holds_are_taken_in_the_order_of_delivery() {
        let name = |hour: usize, nth: usize| {
            format!("AWSLogs/{nth:06}/1_CloudTrail_eu-west-1_20260301T{hour:02}00Z_x.json.gz")
        };
        let files: Vec<Found> =
            (0..SET_FILES + 10).map(|nth| found(&name(if nth < 10 { 9 } else { 8 }, nth), 1, 9000)).collect();
        let choice = Follower::new(&BTreeMap::new(), 0).choose(listing(&files), NOW);
        assert!(choice.more && choice.files.len() == SET_FILES && choice.waiting == SET_FILES + 10);
        assert!(choice.files.iter().all(|found| found.key.contains("T0800Z")));
        assert_eq!(delivered(&found("plain.json", 1, 5000)), NOW / 1000 - 5);
    }
}

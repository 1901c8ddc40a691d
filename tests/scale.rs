//! How large a run is, and what it says about what it leaves out.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `TRAILSIGHT_TESTS`: set by `tests/run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The inner loop.
    Quick,
    /// What every change must pass.
    Default,
    /// Everything at full size.
    Long,
}

/// The scale of this run.
pub(crate) fn scale() -> Scale {
    match env::var("TRAILSIGHT_TESTS").as_deref() {
        Ok("quick") => Scale::Quick,
        Ok("long") => Scale::Long,
        Ok("default" | "") | Err(_) => Scale::Default,
        Ok(other) => panic!("TRAILSIGHT_TESTS is quick, default or long, not {other:?}"),
    }
}

/// One of three sizes.
pub(crate) fn sized<T>(quick: T, default: T, long: T) -> T {
    match scale() {
        Scale::Quick => quick,
        Scale::Default => default,
        Scale::Long => long,
    }
}

/// The seed of random instants and cuts: `TRAILSIGHT_SEED`, else this process's id, and shown either way.
pub(crate) fn seed(test: &str) -> u64 {
    let seed = match env::var("TRAILSIGHT_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("TRAILSIGHT_SEED is a whole number, not {text:?}")),
        Err(_) => trailsight::clock::Clock::System.now() as u64,
    };
    report(&format!("{test}: seed {seed}, to be repeated with TRAILSIGHT_SEED={seed}"));
    seed
}

/// A line for the closing report. Written past the test runner's capture, so that it shows for passing tests.
pub(crate) fn report(line: &str) {
    say(&format!("report: {line}"));
}

/// Names what this machine cannot show.
pub(crate) fn not_run(what: &str, why: &str) {
    say(&format!("not run here: {what} because {why}"));
}

fn say(line: &str) {
    // A run whose terminal went away is no reason for a test to fail.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// A small generator of numbers for tests: splitmix64, whose outputs pass for random and repeat by seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// In any order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}

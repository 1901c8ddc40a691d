//! An answer as the report shows it.

use std::fmt;

/// The answer to one question.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What is asked.
    pub(crate) question: &'static str,
    /// What was done.
    pub(crate) workload: String,
    /// What these figures do not say.
    pub(crate) non_goals: &'static str,
    /// What was measured, with units, and the target where there is one.
    pub(crate) figures: Vec<(String, String)>,
    /// Of what was computed, apart from how long it took.
    pub(crate) hash: u64,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n\nNot asked: {}\n", self.question, self.workload, self.non_goals)?;
        writeln!(f, "| | |\n|---|---|")?;
        for (what, figure) in &self.figures {
            writeln!(f, "| {what} | {figure} |")?;
        }
        writeln!(f, "\nanswer: {:016x}", self.hash)
    }
}

/// FNV-1a: small, stable over versions and machines, good enough to notice a change.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The middle of several measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

//! What is wrong with a configuration: all of it, at once.

use std::fmt;

/// Every problem of a configuration. Its `Display` is what a person reads before exit 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of keys; never empty.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Path of the key (`sinks.chat.url`); empty where it is the file as a whole.
    pub key: String,
    /// What was written, shortened; `[redacted]` for a secret, empty where nothing was.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right: a range, a list, a form; empty where the problem says it.
    pub allowed: String,
}

/// Something that works and is probably not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path of the key.
    pub key: String,
    /// Why it is probably not wanted.
    pub text: String,
}

/// Most characters of a value that are shown.
const SHOWN: usize = 80;

impl Problem {
    /// A problem of a value that may be shown.
    pub fn new(
        key: impl Into<String>,
        value: impl fmt::Display,
        problem: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Problem {
        Problem {
            key: key.into(),
            value: shorten(&value.to_string()),
            problem: problem.into(),
            allowed: allowed.into(),
        }
    }
}

/// One line, bounded, control characters escaped: a configuration may hold anything.
fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(escape).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let escaped = if character.is_control() { character.escape_default().collect() } else { vec![character] };
    escaped.into_iter()
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(formatter, "{}", self.key)?;
            if !self.value.is_empty() {
                write!(formatter, " = {}", self.value)?;
            }
            write!(formatter, ": ")?;
        }
        write!(formatter, "{}", self.problem)?;
        if !self.allowed.is_empty() {
            write!(formatter, " (allowed: {})", self.allowed)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(formatter, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.text)
    }
}

//! The data file.

use std::sync::OnceLock;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use trailsight_schemas::insight::InsightEvent;

const TEXT: &str = include_str!("families.toml");

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advice {
    pub(super) family: Vec<Family>,
    pub(super) first: Vec<Step>,
    pub(super) last: Vec<Step>,
}

/// What is done about some APIs. An empty list agrees with everything.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct Family {
    pub(super) name: String,
    source: Globs,
    api: Globs,
    error: Globs,
    r#type: Globs,
    pub(super) technique: Option<String>,
    pub(super) step: Vec<Step>,
}

/// Patterns, compiled once: an account that is flooded raises thousands of insights.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
struct Globs {
    written: Vec<String>,
    compiled: GlobSet,
}

impl TryFrom<Vec<String>> for Globs {
    type Error = globset::Error;

    fn try_from(written: Vec<String>) -> Result<Globs, globset::Error> {
        let mut compiled = GlobSetBuilder::new();
        for glob in &written {
            compiled.add(Glob::new(glob)?);
        }
        Ok(Globs { compiled: compiled.build()?, written })
    }
}

impl Globs {
    fn agree(&self, text: &str) -> bool {
        self.written.is_empty() || self.compiled.is_match(text)
    }
}

/// One thing to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) text: String,
    pub(super) command: Option<String>,
    pub(super) query: Option<String>,
    /// Whether it changes something.
    #[serde(default)]
    pub(super) contains: bool,
}

/// Read once; the file is ours, and a test reads it as strictly as can be.
pub(super) fn advice() -> &'static Advice {
    static ADVICE: OnceLock<Advice> = OnceLock::new();
    ADVICE.get_or_init(|| parse().unwrap_or_default())
}

pub(super) fn parse() -> Result<Advice, toml::de::Error> {
    toml::from_str(TEXT)
}

impl Advice {
    /// The first family that means this insight.
    pub(super) fn family(&self, event: &InsightEvent) -> Option<&Family> {
        self.family.iter().find(|family| family.means(event))
    }
}

impl Family {
    fn means(&self, event: &InsightEvent) -> bool {
        let details = &event.details;
        self.source.agree(&details.event_source)
            && self.api.agree(&details.event_name)
            && self.error.agree(details.error_code.as_deref().unwrap_or_default())
            && self.r#type.agree(details.insight_type.as_str())
    }

    /// Every glob of it.
    #[cfg(test)]
    pub(super) fn globs(&self) -> impl Iterator<Item = &String> {
        [&self.source, &self.api, &self.error, &self.r#type].into_iter().flat_map(|globs| &globs.written)
    }
}

//! The data file.

use std::sync::OnceLock;

use globset::GlobBuilder;
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
    source: Vec<String>,
    api: Vec<String>,
    error: Vec<String>,
    r#type: Vec<String>,
    pub(super) technique: Option<String>,
    pub(super) step: Vec<Step>,
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
        agrees(&self.source, &details.event_source)
            && agrees(&self.api, &details.event_name)
            && agrees(&self.error, details.error_code.as_deref().unwrap_or_default())
            && agrees(&self.r#type, details.insight_type.as_str())
    }

    /// Every glob of it.
    #[cfg(test)]
    pub(super) fn globs(&self) -> impl Iterator<Item = &String> {
        self.source.iter().chain(&self.api).chain(&self.error).chain(&self.r#type)
    }
}

fn agrees(globs: &[String], text: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| matches(glob, text))
}

/// Insights are rare: a pattern is compiled when it is asked.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let built = GlobBuilder::new(glob).literal_separator(false).build();
    built.is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

//! Configuration in two stages: what was written ([`written`]), then what it means ([`Config`]).
//!
//! The `config` crate lays the environment over the file; types and ranges are then held against the JSON Schema
//! of the written types, so that every problem is found at once, which deserializing alone cannot do.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

mod check;
mod error;
mod example;
mod later;
mod layer;
mod memory;
mod resolve;
pub mod secret;
pub mod units;
pub mod written;

pub use error::{ConfigError, Problem, Warning};
pub use example::{EXAMPLE, schema};
pub use layer::PREFIX;
pub use memory::{MemoryBound, Share};
pub use resolve::{
    AccountConfig, Config, Detection, HttpConfig, KafkaSinkConfig, KafkaSourceConfig, LogConfig, MatchConfig,
    MuteConfig, RouteConfig, SinkConfig, SinkKind, SourceConfig, SourceKind, Start, TokenConfig, WebhookConfig,
};

pub(crate) use check::nearest;

/// What configuration is made of.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file; defaults alone where there is none.
    pub file: Option<PathBuf>,
    /// The environment; variables that do not begin with [`PREFIX`] matter only to secrets.
    pub environment: BTreeMap<String, String>,
    /// `--data-dir`, over everything.
    pub data_dir: Option<PathBuf>,
}

impl Inputs {
    /// With the environment of this process.
    pub fn of_process(file: Option<PathBuf>, data_dir: Option<PathBuf>) -> Inputs {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Inputs { file, environment, data_dir }
    }
}

/// Reads, checks and resolves a configuration; every problem is in the error.
pub fn load(inputs: &Inputs) -> Result<Config, ConfigError> {
    let text = inputs.file.as_deref().map(read).transpose()?.unwrap_or_default();
    load_text(&text, inputs)
}

/// The same for a text already read; `inputs.file` is not looked at.
pub fn load_text(text: &str, inputs: &Inputs) -> Result<Config, ConfigError> {
    let layers = layer::layer(text, &inputs.environment).map_err(|problems| ConfigError { problems })?;
    let mut checker = check::Checker { environment: &layers.environment, problems: Vec::new() };
    let kept = checker.check("", &layers.tree, &schema()).unwrap_or_default();
    let mut problems = checker.problems;
    let mut written: written::Written = match serde_json::from_value(kept) {
        Ok(written) => written,
        Err(error) => {
            problems.push(Problem::new("", "", error.to_string(), ""));
            written::Written::default()
        }
    };
    if let Some(directory) = &inputs.data_dir {
        written.data_dir = directory.display().to_string();
    }
    let resolved = resolve::resolve(written, &layers, &inputs.environment, &mut problems);
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(resolved) } else { Err(ConfigError { problems }) }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let problem = |what: String| ConfigError {
        problems: vec![Problem {
            key: String::new(),
            value: String::new(),
            problem: format!("{}: {what}", path.display()),
            allowed: String::new(),
        }],
    };
    let file = std::fs::File::open(path).map_err(|error| problem(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(layer::FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| problem(error.to_string()))?;
    if bytes.len() as u64 > layer::FILE_BYTES {
        return Err(problem(format!("larger than {} bytes", layer::FILE_BYTES)));
    }
    String::from_utf8(bytes).map_err(|_| problem("is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests;

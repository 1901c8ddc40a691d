//! Environment over file over defaults: one tree of values, and which of them the environment gave.

use std::collections::BTreeMap;

use config::{Environment, File, FileFormat, Value, ValueKind};
use serde_json::{Map, Value as Json};

use super::error::Problem;

/// What every variable of the environment that is meant for the configuration begins with.
pub const PREFIX: &str = "TRAILSIGHT__";
/// Largest configuration file, bytes.
pub(super) const FILE_BYTES: u64 = 4 << 20;

/// The file and the environment, laid over each other.
#[derive(Debug)]
pub(super) struct Layers {
    /// What was written; a value of the environment is a string whatever its key wants.
    pub tree: Json,
    /// Key paths that the environment gave, each with the name of its variable.
    pub environment: BTreeMap<String, String>,
}

/// Lays `environment` over the TOML `text`.
pub(super) fn layer(text: &str, environment: &BTreeMap<String, String>) -> Result<Layers, Vec<Problem>> {
    // The toml crate's own parser first: its message shows the line.
    if let Err(error) = text.parse::<toml::Table>() {
        let problem = error.to_string();
        return Err(vec![Problem {
            key: String::new(),
            value: String::new(),
            problem: format!("the file is not TOML: {}", problem.trim_end()),
            allowed: String::new(),
        }]);
    }
    let variables = variables(environment)?;
    let mut builder = config::Config::builder().add_source(File::from_str(text, FileFormat::Toml));
    for (key, name) in &variables {
        let value = environment.get(name).cloned().unwrap_or_default();
        let one = std::iter::once((key.replace('.', "__"), value)).collect();
        builder = builder.add_source(Environment::default().separator("__").source(Some(one)));
    }
    let tree = builder
        .build()
        .map(|built| table(built.cache.kind))
        .map_err(|error| vec![Problem::new("", "", error.to_string(), "")])?;
    Ok(Layers { tree, environment: variables })
}

/// Key path and name of every variable that is meant for us. One that is a table for another is a problem: which
/// of them should win?
fn variables(environment: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut keys = BTreeMap::new();
    let mut problems = Vec::new();
    for name in environment.keys() {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let segments: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        let plain = |segment: &String| {
            !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if !segments.iter().all(plain) {
            problems.push(Problem::new(name, "", "is not the name of a key", "TRAILSIGHT__SECTION__KEY"));
            continue;
        }
        if let Some(other) = keys.insert(segments.join("."), name.clone()) {
            problems.push(Problem::new(name, "", format!("names the same key as {other}"), ""));
        }
    }
    for (key, name) in &keys {
        let below = format!("{key}.");
        if let Some((_, other)) = keys.range(below.clone()..).next().filter(|(other, _)| other.starts_with(&below)) {
            problems.push(Problem::new(name, "", format!("is the whole of what {other} is a part of"), "one of them"));
        }
    }
    if problems.is_empty() { Ok(keys) } else { Err(problems) }
}

fn table(kind: ValueKind) -> Json {
    match kind {
        ValueKind::Nil => Json::Object(Map::new()),
        other => json(Value::new(None, other)),
    }
}

fn json(value: Value) -> Json {
    match value.kind {
        ValueKind::Nil => Json::Null,
        ValueKind::Boolean(value) => value.into(),
        ValueKind::I64(value) => value.into(),
        ValueKind::I128(value) => i64::try_from(value).map_or_else(|_| value.to_string().into(), Json::from),
        ValueKind::U64(value) => value.into(),
        ValueKind::U128(value) => u64::try_from(value).map_or_else(|_| value.to_string().into(), Json::from),
        // Not a number of JSON: `inf` and `nan` stay what was written, and fail as strings do.
        ValueKind::Float(value) => {
            serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number)
        }
        ValueKind::String(value) => value.into(),
        ValueKind::Table(values) => Json::Object(values.into_iter().map(|(key, value)| (key, json(value))).collect()),
        ValueKind::Array(values) => values.into_iter().map(json).collect(),
    }
}

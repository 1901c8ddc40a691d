//! The commented example of every key, and the JSON Schema.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::written::Written;

/// The commented example: every key with its default. It is a valid configuration as it stands.
pub const EXAMPLE: &str = include_str!("example.toml");

/// The JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA
        .get_or_init(|| {
            let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
            let mut schema = settings.into_generator().into_root_schema_for::<Written>().to_value();
            schema["title"] = "Trailsight configuration".into();
            schema
        })
        .clone()
}

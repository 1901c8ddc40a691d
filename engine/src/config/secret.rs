//! Secrets: where one is, and what it is.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

/// Largest file a secret is read from, bytes.
pub const SECRET_BYTES: u64 = 64 * 1024;
/// What stands in place of a secret wherever configuration is shown.
pub const REDACTED: &str = "[redacted]";

/// A secret as it was written: where it is, or (with a warning) itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Secret {
    /// `{ env = "NAME" }`.
    Environment(EnvironmentName),
    /// `{ file = "PATH" }`.
    File(FilePath),
    /// The secret itself.
    Literal(SecretString),
}

/// `{ env = "NAME" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentName {
    /// Name of an environment variable.
    pub env: String,
}

/// `{ file = "PATH" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePath {
    /// Path of a file; white space at its end is not part of the secret.
    pub file: String,
}

/// Why a secret could not be had. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {reason}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
}

impl Secret {
    /// Reads it. `environment` looks a variable up.
    pub fn resolve(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<SecretString, SecretError> {
        let secret = match self {
            Secret::Literal(secret) => secret.clone(),
            Secret::Environment(EnvironmentName { env }) => {
                environment(env).ok_or_else(|| SecretError::NotSet(env.clone()))?.into()
            }
            Secret::File(FilePath { file }) => read(file)?.into(),
        };
        if secrecy::ExposeSecret::expose_secret(&secret).is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(secret)
    }
}

fn read(path: &str) -> Result<String, SecretError> {
    let mut text = read_regular(path, SECRET_BYTES)?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// A file of at most so many bytes as text.
pub(super) fn read_regular(path: &str, most: u64) -> Result<String, SecretError> {
    let unreadable = |reason: String| SecretError::Unreadable { path: path.to_owned(), reason };
    let mut text = String::new();
    // Only a regular file: opening a fifo would wait for its writer for ever.
    let kind = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !kind.is_file() {
        return Err(unreadable("not a regular file".to_owned()));
    }
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(most + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > most {
        return Err(unreadable(format!("larger than {most} bytes")));
    }
    Ok(text)
}

/// A place is shown, a literal never.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self {
            Secret::Environment(name) => ("env", &name.env),
            Secret::File(path) => ("file", &path.file),
            Secret::Literal(_) => return serializer.serialize_str(REDACTED),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, value)?;
        map.end()
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let place = |key: &str| {
            serde_json::json!({
                "type": "object",
                "properties": { key: { "type": "string" } },
                "required": [key],
                "additionalProperties": false
            })
        };
        json_schema!({ "anyOf": [place("env"), place("file"), { "type": "string" }], "x-kind": "secret" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn no_environment(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn where_a_secret_may_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "from a file\n").unwrap();
        let file = |path: &std::path::Path| Secret::File(FilePath { file: path.display().to_string() });
        let variable = Secret::Environment(EnvironmentName { env: "NAME".into() });

        assert_eq!(file(&path).resolve(&no_environment).unwrap().expose_secret(), "from a file");
        let found = variable.resolve(&|name| Some(format!("value of {name}"))).unwrap();
        assert_eq!(found.expose_secret(), "value of NAME");
        assert_eq!(variable.resolve(&no_environment).unwrap_err(), SecretError::NotSet("NAME".into()));
        assert!(matches!(file(directory.path()).resolve(&no_environment), Err(SecretError::Unreadable { .. })));

        std::fs::write(&path, "\n").unwrap();
        assert_eq!(file(&path).resolve(&no_environment).unwrap_err(), SecretError::Empty);
        std::fs::write(&path, vec![b'a'; SECRET_BYTES as usize + 1]).unwrap();
        assert!(matches!(file(&path).resolve(&no_environment), Err(SecretError::Unreadable { .. })));
    }

    #[test]
    fn a_literal_is_never_shown() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[redacted]\"");
    }
}

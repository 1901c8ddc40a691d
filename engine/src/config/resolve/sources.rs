//! `[sources.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::kafka::{self, KafkaSourceConfig};
use crate::config::written::{Files, Source};

/// A source and its name.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Label of metrics, key of positions.
    pub name: String,
    /// What it reads.
    pub kind: SourceKind,
}

/// What a source reads.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// Topics of a Kafka cluster.
    Kafka(Box<KafkaSourceConfig>),
    /// A directory that is followed, or a file.
    Files {
        /// Where.
        path: PathBuf,
        /// The directories below too.
        recursive: bool,
        /// How long a file must be unchanged.
        settle: Duration,
        /// Between two looks.
        poll: Duration,
    },
    /// Standard input.
    Stdin,
    /// Made-up traffic.
    Simulated {
        /// The same seed makes the same traffic.
        seed: u64,
    },
}

impl SourceKind {
    /// The word in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            SourceKind::Kafka(_) => "kafka",
            SourceKind::Files { .. } | SourceKind::Stdin => "files",
            SourceKind::Simulated { .. } => "simulated",
        }
    }
}

pub(super) fn resolve(context: &mut Context<'_>, sources: &BTreeMap<String, Source>) -> Vec<SourceConfig> {
    let mut stdin = None;
    let mut resolved = Vec::with_capacity(sources.len());
    for (name, source) in sources {
        context.name("sources", name);
        let kind = match source {
            Source::Simulated(simulated) => SourceKind::Simulated { seed: simulated.seed },
            Source::Files(files) => files_kind(files),
            Source::Kafka(source) => match kafka::source(context, &format!("sources.{name}"), source) {
                Some(source) => SourceKind::Kafka(Box::new(source)),
                // What is wrong with it has been said.
                None => continue,
            },
        };
        if matches!(kind, SourceKind::Stdin)
            && let Some(other) = stdin.replace(name)
        {
            let problem = format!("standard input is read by {other} already");
            context.problem(format!("sources.{name}.path"), "-", &problem, "one source");
        }
        resolved.push(SourceConfig { name: name.clone(), kind });
    }
    resolved
}

fn files_kind(files: &Files) -> SourceKind {
    if files.path == "-" {
        return SourceKind::Stdin;
    }
    SourceKind::Files {
        path: PathBuf::from(&files.path),
        recursive: files.recursive,
        settle: files.settle.duration(),
        poll: files.poll.duration(),
    }
}

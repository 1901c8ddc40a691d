//! `check`: is this configuration right, what does it come to, and does what it names answer?

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::args::CheckArgs;
use super::exit::{self, Exit, Failure};
use crate::config::{self, Config, KafkaSinkConfig, KafkaSourceConfig, SinkKind, SourceKind};
use crate::kafka::probe::{Wanted, probe};
use crate::kafka::{Cause, Trouble};

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let config = config::load(&args.location.inputs())?;
    let mut exit = exit::written(show(&config, out))?;
    if args.connect {
        for (key, tried) in connect(&config) {
            let line = match tried {
                Ok(said) => format!("# {key}: {said}"),
                Err(why) => {
                    exit = Exit::Failed;
                    format!("# {key}: FAILED: {why}")
                }
            };
            exit::written(writeln!(out, "{line}"))?;
        }
    }
    config.require_source()?;
    Ok(exit)
}

/// The effective configuration; all else as comments, so that the whole is TOML still.
fn show(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", config.effective())?;
    for warning in &config.warnings {
        writeln!(out, "# warning: {warning}")?;
    }
    writeln!(out, "# memory, at most:")?;
    config.memory_bound().to_string().lines().try_for_each(|line| writeln!(out, "#{line}"))
}

/// What each source and sink said.
fn connect(config: &Config) -> Vec<(String, Result<String, String>)> {
    let mut tried = Vec::new();
    for source in &config.sources {
        let said = match &source.kind {
            SourceKind::Kafka(source) => answers(source),
            SourceKind::Files { path, .. } => readable(path),
            SourceKind::Stdin => Ok("standard input".to_owned()),
            SourceKind::Simulated { .. } => Ok("simulated".to_owned()),
        };
        tried.push((format!("sources.{}", source.name), said));
    }
    for sink in &config.sinks {
        let said = match &sink.kind {
            SinkKind::Stdout => Ok("standard output".to_owned()),
            SinkKind::File(path) => Ok(format!("{} is made where it is missing", path.display())),
            SinkKind::Kafka(sink) => takes(sink),
            SinkKind::Webhook(webhook) => reachable(webhook.url.expose_secret()),
        };
        tried.push((format!("sinks.{}", sink.name), said));
    }
    tried
}

/// Whether the cluster lets us in and the topics may be read. Nothing is consumed and no group is joined.
fn answers(source: &KafkaSourceConfig) -> Result<String, String> {
    let wanted = Wanted { topics: &source.topics, group: Some(&source.group_id), read: true };
    let found = probe(&source.cluster, wanted, PATIENCE).map_err(|trouble| trouble.sentence)?;
    Ok(format!("{} answers: {found}", source.cluster.named()))
}

/// Whether the cluster lets us in and the topic is there, or would be made. Whether we may write to it only writing
/// shows, and nobody is alerted.
fn takes(sink: &KafkaSinkConfig) -> Result<String, String> {
    let (cluster, topics) = (&sink.topic.cluster, [sink.topic.name.clone()]);
    let wanted = Wanted { topics: &topics, group: sink.transactional_id.as_deref(), read: false };
    match probe(cluster, wanted, PATIENCE) {
        Ok(found) => Ok(format!("{} answers: {found}", cluster.named())),
        Err(Trouble { cause: Cause::UnknownTopic, .. }) if sink.topic.create.is_some() => {
            Ok(format!("{} answers: {} is not there yet and will be created", cluster.named(), sink.topic.name))
        }
        Err(trouble) => Err(trouble.sentence),
    }
}

fn readable(path: &Path) -> Result<String, String> {
    let kind = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let opened = if kind.is_dir() { std::fs::read_dir(path).map(drop) } else { std::fs::File::open(path).map(drop) };
    opened.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("{} can be read", path.display()))
}

/// Asks for the headers of the root: name, port and certificate are tried, the path (which is the secret of a chat
/// hook) is not sent, and nobody is alerted. Any answer will do.
fn reachable(url: &str) -> Result<String, String> {
    let mut root = reqwest::Url::parse(url).map_err(|_| "not a URL".to_owned())?;
    root.set_path("/");
    root.set_query(None);
    root.set_fragment(None);
    let host = root.host_str().unwrap_or_default().to_owned();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        match client.head(root).send().await {
            Ok(response) => Ok(format!("{host} answers ({})", response.status().as_u16())),
            Err(error) => Err(format!("{host}: {}", chain(&error.without_url()))),
        }
    })
}

/// An error and what caused it, outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

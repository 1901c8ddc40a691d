//! `[sinks.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::webhook::{WebhookConfig, webhook};
use crate::config::written::{CreateTopic, DeadLetter, InsightFormat, KafkaSink, Sink};
use crate::kafka;

/// A sink and its name.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// Label of metrics, key of the outbox.
    pub name: String,
    /// With or without the `trailsight` key.
    pub insight_format: InsightFormat,
    /// Where to.
    pub kind: SinkKind,
}

/// Where a sink writes.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// Standard output.
    Stdout,
    /// A directory in CloudTrail's layout.
    File(PathBuf),
    /// An HTTP receiver.
    Webhook(Box<WebhookConfig>),
    /// A Kafka topic.
    Kafka(Box<KafkaSinkConfig>),
}

impl SinkKind {
    /// Whether programs read it, and not people: what was folded into a lead is sent there too.
    pub fn is_for_machines(&self) -> bool {
        match self {
            SinkKind::Stdout => false,
            SinkKind::Webhook(hook) => hook.message.is_none(),
            SinkKind::Kafka(_) | SinkKind::File(_) => true,
        }
    }
}

/// A Kafka topic.
#[derive(Clone, Debug)]
pub struct KafkaSinkConfig {
    /// Where to.
    pub topic: kafka::Topic,
    /// `None`: one made of the data directory's identity and the sink's name.
    pub transactional_id: Option<String>,
    /// When the broker aborts what was left open.
    pub transaction_timeout: Duration,
    /// Largest message.
    pub message_bytes: usize,
    /// Most insights in a transaction.
    pub batch: usize,
    /// For all attempts of one insight.
    pub deadline: Duration,
}

impl SinkKind {
    /// The word in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            SinkKind::Stdout => "stdout",
            SinkKind::File(_) => "file",
            SinkKind::Webhook(_) => "webhook",
            SinkKind::Kafka(_) => "kafka",
        }
    }
}

pub(super) fn resolve(context: &mut Context<'_>, sinks: &BTreeMap<String, Sink>) -> Vec<SinkConfig> {
    let mut resolved = Vec::with_capacity(sinks.len());
    for (name, sink) in sinks {
        context.name("sinks", name);
        let (insight_format, kind) = match sink {
            Sink::Stdout(stdout) => (stdout.insight_format, Some(SinkKind::Stdout)),
            Sink::File(file) => (file.insight_format, Some(SinkKind::File(PathBuf::from(&file.path)))),
            Sink::Kafka(sink) => {
                let kind = kafka(context, &format!("sinks.{name}"), sink);
                (sink.insight_format, kind.map(|kind| SinkKind::Kafka(Box::new(kind))))
            }
            Sink::Webhook(hook) => {
                let kind = webhook(context, &format!("sinks.{name}"), hook);
                (hook.insight_format, kind.map(|kind| SinkKind::Webhook(Box::new(kind))))
            }
        };
        resolved.extend(kind.map(|kind| SinkConfig { name: name.clone(), insight_format, kind }));
    }
    resolved
}

fn kafka(context: &mut Context<'_>, key: &str, sink: &KafkaSink) -> Option<KafkaSinkConfig> {
    let cluster = super::kafka::cluster(context, key, &sink.brokers, sink.tls.as_ref(), sink.sasl.as_ref());
    Some(KafkaSinkConfig {
        topic: topic(context, key, cluster, &sink.topic, sink.create_topic)?,
        transactional_id: sink.transactional_id.clone(),
        transaction_timeout: sink.transaction_timeout.duration(),
        message_bytes: usize::try_from(sink.message_bytes.0).unwrap_or(usize::MAX),
        batch: sink.batch,
        deadline: sink.deadline.duration(),
    })
}

pub(super) fn dead_letter(context: &mut Context<'_>, written: &DeadLetter) -> Option<kafka::Topic> {
    let written = written.kafka.as_ref()?;
    let (key, tls, sasl) = ("dead_letter.kafka", written.tls.as_ref(), written.sasl.as_ref());
    let cluster = super::kafka::cluster(context, key, &written.brokers, tls, sasl);
    topic(context, key, cluster, &written.topic, written.create_topic)
}

/// A topic that is written to.
fn topic(
    context: &mut Context<'_>,
    key: &str,
    cluster: Option<kafka::Cluster>,
    name: &str,
    create: Option<CreateTopic>,
) -> Option<kafka::Topic> {
    let key = format!("{key}.topic");
    super::kafka::topic_name(context, &key, name);
    if name.starts_with('^') {
        context.problem(key, name, "is a pattern", "the name of one topic");
    }
    let create = create.map(|wanted| kafka::NewTopic {
        partitions: wanted.partitions,
        replication: wanted.replication,
        retention: wanted.retention.map(|span| span.duration()),
    });
    Some(kafka::Topic { cluster: cluster?, name: name.to_owned(), create })
}

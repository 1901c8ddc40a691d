//! Does the cluster let us in, and are the topics there? Answers within a bound and changes nothing: no group is
//! joined, no offset is committed.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use super::access::Access;
use super::cluster::Cluster;
use super::handshake::{self, Answers};
use super::trouble::{Cause, Trouble, diagnose};
use crate::clock::instant;

/// One request of several that fit into the whole.
const REQUEST: Duration = Duration::from_millis(1500);
/// Between two requests the client's events are served: tokens are asked for there.
const SERVE: Duration = Duration::from_millis(50);
/// How long a first fetch is waited for, to learn that it is not allowed.
const FETCH: Duration = Duration::from_millis(1500);

/// What is to be used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Topics; those that begin with `^` are patterns, which may match nothing yet.
    pub topics: &'a [String],
    /// The group that offsets are read for.
    pub group: Option<&'a str>,
    /// Whether the topics are to be read.
    pub read: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Brokers of the cluster.
    pub brokers: usize,
    /// Topics and how many partitions each has.
    pub topics: Vec<(String, usize)>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} broker(s)", self.brokers)?;
        self.topics.iter().try_for_each(|(name, partitions)| write!(formatter, ", {name} ({partitions} partitions)"))
    }
}

/// Tries for at most `patience`; the trouble says what is wrong in a sentence.
pub fn probe(cluster: &Cluster, wanted: Wanted<'_>, patience: Duration) -> Result<Found, Trouble> {
    let mut config = cluster.client("trailsight-check");
    config.set("group.id", wanted.group.unwrap_or("trailsight-check"));
    config.set("enable.auto.commit", "false");
    config.set("socket.timeout.ms", "3000");
    let consumer = create(&config, cluster)?;
    let metadata = metadata(&consumer, cluster, patience)?;
    let topics = topics(&consumer, cluster, wanted)?;
    if wanted.group.is_some() {
        offsets(&consumer, cluster, &topics)?;
    }
    if wanted.read {
        read(&consumer, cluster, &topics)?;
    }
    Ok(Found { brokers: metadata.brokers().len(), topics })
}

/// A consumer with the context of the cluster. Files that cannot be read are noticed here.
fn create(config: &ClientConfig, cluster: &Cluster) -> Result<BaseConsumer<Access>, Trouble> {
    config.create_with_context(Access::new(cluster.clone())).map_err(|error| refused(&error))
}

/// What librdkafka says when it does not even make a client. Its words for a property that it does not like hold
/// the value, which may be a secret.
pub fn refused(error: &KafkaError) -> Trouble {
    let why = match error {
        KafkaError::ClientConfig(_, what, key, _) => format!("{key}: {what}"),
        KafkaError::ClientCreation(why) => why.clone(),
        other => other.to_string(),
    };
    Trouble { cause: Cause::Other, sentence: format!("no client can be made: {why}") }
}

fn metadata(consumer: &BaseConsumer<Access>, cluster: &Cluster, patience: Duration) -> Result<Metadata, Trouble> {
    // What is left is for the look at the connection itself.
    let until = patience.saturating_sub(Duration::from_secs(4)).max(REQUEST);
    let began = instant();
    let mut last = None;
    loop {
        while consumer.poll(SERVE).is_some() {}
        match consumer.fetch_metadata(None, REQUEST) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => {
                while consumer.poll(Timeout::After(Duration::ZERO)).is_some() {}
                let said = consumer.context().take_trouble();
                let trouble = said.unwrap_or_else(|| diagnose(cluster, error.rdkafka_error_code(), "no answer"));
                last = Some(trouble.after(last));
            }
        }
        let final_word = last.as_ref().is_some_and(|trouble| trouble.cause == Cause::Authentication);
        if final_word || began.elapsed() >= until {
            break;
        }
    }
    Err(last.map_or_else(|| diagnose(cluster, None, "no answer"), |trouble| looked_at(cluster, trouble)))
}

/// Says more precisely what is wrong with the connection, where a look at it does.
pub fn looked_at(cluster: &Cluster, trouble: Trouble) -> Trouble {
    if !matches!(trouble.cause, Cause::Unreachable | Cause::Tls | Cause::Other) {
        return trouble;
    }
    let Some(broker) = cluster.brokers.first() else { return trouble };
    let said = |cause, sentence| Trouble { cause, sentence };
    match (handshake::look(broker, cluster.tls.as_ref()), &cluster.tls) {
        (Answers::Nobody(why), _) => said(Cause::Unreachable, format!("{broker} cannot be reached: {why}")),
        (Answers::NotTls, Some(_)) => {
            let advice = "remove [tls], or use the port that has it";
            said(Cause::Tls, format!("{broker} does not speak TLS and we do: {advice}"))
        }
        (Answers::Tls | Answers::Untrusted(_), None) => {
            said(Cause::Tls, format!("{broker} speaks TLS and we do not: add [tls]"))
        }
        (Answers::Untrusted(fault), Some(_)) => {
            said(Cause::Tls, format!("the certificate of {broker} is not accepted: {}", plain(&fault)))
        }
        (Answers::NotTls, None) | (Answers::Tls, Some(_)) => trouble,
    }
}

/// A fault of a certificate as rustls names it, in words.
fn plain(fault: &str) -> String {
    match fault {
        _ if fault.contains("xpired") => "it has expired".to_owned(),
        _ if fault.contains("UnknownIssuer") => "no authority that we trust (tls.ca_file) has signed it".to_owned(),
        _ if fault.contains("NotValidForName") || fault.contains("not valid for name") => {
            "it is for another host name (tls.verify_hostname = false takes it all the same)".to_owned()
        }
        other => other.to_owned(),
    }
}

fn topics(
    consumer: &BaseConsumer<Access>,
    cluster: &Cluster,
    wanted: Wanted<'_>,
) -> Result<Vec<(String, usize)>, Trouble> {
    let mut found = Vec::new();
    // What a pattern matches is decided by the client that subscribes to it, today and tomorrow.
    for topic in wanted.topics.iter().filter(|topic| !topic.starts_with('^')) {
        let metadata = consumer.fetch_metadata(Some(topic), REQUEST * 2);
        let metadata = metadata.map_err(|error| diagnose(cluster, error.rdkafka_error_code(), topic))?;
        let Some(one) = metadata.topics().iter().find(|one| one.name() == topic) else {
            return Err(diagnose(cluster, Some(Code::UnknownTopicOrPartition), topic));
        };
        if let Some(error) = one.error() {
            return Err(diagnose(cluster, Some(error.into()), topic));
        }
        found.push((topic.clone(), one.partitions().len()));
    }
    Ok(found)
}

fn offsets(consumer: &BaseConsumer<Access>, cluster: &Cluster, topics: &[(String, usize)]) -> Result<(), Trouble> {
    let list = every_partition(topics, None);
    if list.count() == 0 {
        return Ok(());
    }
    let began = instant();
    loop {
        let error = match consumer.committed_offsets(list.clone(), REQUEST) {
            Ok(_) => return Ok(()),
            Err(error) => error.rdkafka_error_code(),
        };
        // The first group ever of a cluster waits for its coordinator to be made.
        let waits = matches!(
            error,
            Some(Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress)
        );
        if !waits || began.elapsed() >= REQUEST * 2 {
            return Err(diagnose(cluster, error, "the offsets of the group"));
        }
        while consumer.poll(SERVE).is_some() {}
    }
}

/// Asks for what comes next in each topic, to learn whether it may be read. Nothing is committed.
fn read(consumer: &BaseConsumer<Access>, cluster: &Cluster, topics: &[(String, usize)]) -> Result<(), Trouble> {
    let list = every_partition(topics, Some(Offset::End));
    if list.count() == 0 {
        return Ok(());
    }
    consumer.assign(&list).map_err(|error| refused(&error))?;
    let began = instant();
    while began.elapsed() < FETCH {
        if let Some(Err(error)) = consumer.poll(SERVE)
            && let Some(code @ (Code::TopicAuthorizationFailed | Code::UnknownTopicOrPartition)) =
                error.rdkafka_error_code()
        {
            let names: Vec<&str> = topics.iter().map(|(name, _)| name.as_str()).collect();
            return Err(diagnose(cluster, Some(code), &names.join(", ")));
        }
    }
    Ok(())
}

fn every_partition(topics: &[(String, usize)], at: Option<Offset>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (name, partitions) in topics {
        for partition in 0..*partitions {
            let partition = i32::try_from(partition).unwrap_or(i32::MAX);
            let mut element = list.add_partition(name, partition);
            if let Some(at) = at {
                // Only an offset that is none cannot be set.
                let _ = element.set_offset(at);
            }
        }
    }
    list
}

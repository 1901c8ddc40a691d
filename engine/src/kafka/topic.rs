//! A topic that is written to: whether it is there, how it is made, how large a message it takes.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic as Wanted, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::cluster::Cluster;
use super::trouble::{Cause, Trouble, diagnose};

/// What the brokers' logs and quotas call us.
const CLIENT: &str = "trailsight-topic";
/// Longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks for a topic that was just made, at most, and the pause between two.
const LOOKS: (usize, Duration) = (20, Duration::from_millis(100));

/// A topic of a cluster.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Where.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
    /// How to make it where it is missing; `None`: it has to be there.
    pub create: Option<NewTopic>,
}

/// How a topic is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Partitions.
    pub partitions: u16,
    /// Brokers that hold each.
    pub replication: u16,
    /// How long messages are kept; `None`: what the broker thinks fit.
    pub retention: Option<Duration>,
}

impl Topic {
    /// Sees to it that the topic is there. A consumer asks, because it makes no topic by asking; `context` is for the
    /// client that makes one.
    pub fn ensure<C: ConsumerContext, A: ClientContext + 'static>(
        &self,
        reader: &BaseConsumer<C>,
        context: A,
    ) -> Result<(), Trouble> {
        if self.exists(reader)? {
            return Ok(());
        }
        let Some(wanted) = &self.create else {
            let advice = "create it, or say create_topic to have it created";
            return Err(self.missing(format!("does not exist at {}: {advice}", self.cluster.named())));
        };
        self.create(wanted, context)?;
        // The broker that answers next may not have heard of it yet.
        for _ in 0..LOOKS.0 {
            if self.exists(reader)? {
                return Ok(());
            }
            reader.poll(LOOKS.1);
        }
        Err(self.missing("was created and is not there yet".to_owned()))
    }

    /// `max.message.bytes` of the topic; `None` where we may not ask, or nobody answers.
    pub fn largest_message<A: ClientContext + 'static>(&self, context: A) -> Option<usize> {
        let admin = self.admin(context).ok()?;
        let topics = [ResourceSpecifier::Topic(&self.name)];
        let described = wait(admin.describe_configs(&topics, &options())).ok()?;
        let topic = described.into_iter().next()?.ok()?;
        topic.entries.iter().find(|entry| entry.name == "max.message.bytes")?.value.as_ref()?.parse().ok()
    }

    fn exists<C: ConsumerContext>(&self, reader: &BaseConsumer<C>) -> Result<bool, Trouble> {
        let metadata = reader.fetch_metadata(Some(&self.name), PATIENCE).map_err(|error| self.trouble(&error))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == self.name) else { return Ok(false) };
        match topic.error().map(Code::from) {
            None => Ok(!topic.partitions().is_empty()),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::LeaderNotAvailable) => Ok(false),
            code => Err(diagnose(&self.cluster, code, &self.name)),
        }
    }

    fn create<A: ClientContext + 'static>(&self, wanted: &NewTopic, context: A) -> Result<(), Trouble> {
        let admin = self.admin(context).map_err(|error| self.trouble(&error))?;
        let replication = TopicReplication::Fixed(i32::from(wanted.replication));
        let retention = wanted.retention.map(|time| time.as_millis().to_string());
        let mut topic = Wanted::new(&self.name, i32::from(wanted.partitions), replication);
        if let Some(retention) = &retention {
            topic = topic.set("retention.ms", retention);
        }
        let results = wait(admin.create_topics([&topic], &options())).map_err(|error| self.trouble(&error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(self.refused(wanted, code)),
            }
        }
        let (partitions, replication) = (wanted.partitions, wanted.replication);
        tracing::info!(topic = %self.name, partitions, replication, "topic created");
        Ok(())
    }

    fn refused(&self, wanted: &NewTopic, code: Code) -> Trouble {
        let (cause, why) = match code {
            Code::InvalidReplicationFactor => {
                let brokers = format!("it has fewer brokers than create_topic.replication = {}", wanted.replication);
                (Cause::Other, brokers)
            }
            Code::InvalidPartitions => {
                (Cause::Other, format!("it does not take create_topic.partitions = {}", wanted.partitions))
            }
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                (Cause::Authorization, "an ACL for Create is missing".to_owned())
            }
            Code::PolicyViolation => (Cause::Other, "a policy of the cluster forbids a topic like this".to_owned()),
            code => (Cause::Other, code.to_string()),
        };
        let sentence = format!("the topic {} is not created at {}: {why}", self.name, self.cluster.named());
        Trouble { cause, sentence }
    }

    fn missing(&self, what: String) -> Trouble {
        Trouble { cause: Cause::UnknownTopic, sentence: format!("the topic {} {what}", self.name) }
    }

    fn trouble(&self, error: &KafkaError) -> Trouble {
        diagnose(&self.cluster, error.rdkafka_error_code(), &error.to_string())
    }

    fn admin<A: ClientContext + 'static>(&self, context: A) -> Result<AdminClient<A>, KafkaError> {
        self.cluster.client(CLIENT).create_with_context(context)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// The admin client has a thread of its own that finishes what is waited for here.
fn wait<T>(answer: impl Future<Output = Result<T, KafkaError>>) -> Result<T, KafkaError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|_| KafkaError::Canceled)?;
    runtime.block_on(answer)
}

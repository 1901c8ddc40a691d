//! `[dead_letter]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kafka::{Sasl, Tls};
use super::sinks::CreateTopic;

/// Where dead letters go besides the files in the data directory, which `limits.dead_letter_bytes` bounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetter {
    /// A topic that gets a copy of every line.
    pub kafka: Option<DeadLetterTopic>,
}

/// A Kafka topic that gets a copy of every dead letter. It is never waited for: what finds no room in a bounded
/// memory is dropped and counted in `dead_letter_messages_total`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterTopic {
    /// `host:port` of the brokers that are asked first.
    #[schemars(length(min = 1, max = 64))]
    pub brokers: Vec<String>,
    /// The topic.
    #[schemars(length(min = 1, max = 249))]
    pub topic: String,
    /// Creates the topic where it is missing. Without it the topic has to be there.
    pub create_topic: Option<CreateTopic>,
    /// TLS; with it alone, even empty, the connection is encrypted.
    pub tls: Option<Tls>,
    /// Who we are.
    pub sasl: Option<Sasl>,
}

//! The context of clients that write, and of those that look around for them.

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::access::Access;

/// What became of a message: its partition and offset, or why it has none.
pub type Report = Result<(i32, i64), KafkaError>;

/// Forwards to the [`Access`] of a cluster, and tells what becomes of messages; cheap to clone.
#[derive(Clone)]
pub struct Producing {
    access: Arc<Access>,
    report: Arc<dyn Fn(Report) + Send + Sync>,
}

impl Producing {
    /// `report` is called on the thread that polls and must not block.
    pub fn new(access: &Arc<Access>, report: impl Fn(Report) + Send + Sync + 'static) -> Producing {
        Producing { access: access.clone(), report: Arc::new(report) }
    }
}

impl ClientContext for Producing {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = Access::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.access.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.access.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.access.generate_oauth_token(config)
    }
}

impl ConsumerContext for Producing {}

impl ProducerContext for Producing {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        (self.report)(match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

//! One message outside of any transaction: to try a sink without touching the position, or whoever is at work.

use std::sync::Arc;

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use super::message::{Length, Message};
use super::reports::Reports;
use super::{CLIENT, KafkaSpec, PATIENCE, session};
use crate::deliver::outbox::Row;
use crate::kafka::probe::{looked_at, refused};
use crate::kafka::{Access, Cause, Producing, Trouble, diagnose};

/// Sends one row with the further header `test: true`; says where it lies. Answers within a bound.
pub(crate) fn send_alone(spec: &KafkaSpec, row: &Row) -> Result<String, String> {
    let access = Arc::new(Access::new(spec.topic.cluster.clone()));
    sent(spec, row, &access).map_err(|trouble| {
        let said = access.take_trouble().filter(|_| trouble.cause == Cause::Unreachable).unwrap_or(trouble);
        looked_at(&spec.topic.cluster, said).sentence
    })
}

fn sent(spec: &KafkaSpec, row: &Row, access: &Arc<Access>) -> Result<String, Trouble> {
    let cluster = &spec.topic.cluster;
    let trouble = |error: KafkaError| diagnose(cluster, error.rdkafka_error_code(), &error.to_string());
    let reports = Reports::default();
    let reader = session::reader(spec, reports.context(access), "read_uncommitted").map_err(|error| refused(&error))?;
    spec.topic.ensure(&reader, reports.context(access))?;
    let message = Message::of(row, spec.format, Length::Whole, spec.message_bytes)
        .map_err(|sentence| Trouble { cause: Cause::Other, sentence })?;
    let mut config = cluster.client(CLIENT);
    config
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", (PATIENCE.as_millis() - 1000).to_string())
        .set("allow.auto.create.topics", "false");
    let producer: ThreadedProducer<Producing> =
        config.create_with_context(reports.context(access)).map_err(|error| refused(&error))?;
    let headers: OwnedHeaders = message.owned_headers().insert(Header { key: "test", value: Some("true") });
    let record = BaseRecord::to(&spec.topic.name).key(&message.key).payload(message.value.as_ref()).headers(headers);
    producer.send(record).map_err(|(error, _)| trouble(error))?;
    let flushed = producer.flush(PATIENCE);
    if let Some(error) = reports.take_undelivered() {
        return Err(trouble(error));
    }
    flushed.map_err(trouble)?;
    let place = reports
        .last_place()
        .map_or_else(String::new, |(partition, offset)| format!(", partition {partition}, offset {offset}"));
    Ok(format!("{} has it in {}{place}", cluster.named(), spec.topic.name))
}

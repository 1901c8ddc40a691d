//! `simulate`: the records of the demo, for others to read: on standard output, or in a Kafka topic.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use trailsight_schemas::time::Minute;

use super::args::SimulateArgs;
use super::exit::{Exit, Failure};
use super::run::heed_signals;
use crate::clock::Clock;
use crate::kafka::probe::{looked_at, refused};
use crate::kafka::{Access, Cluster, NewTopic, Producing, Topic, Trouble, diagnose};
use crate::source::Stop;
use crate::source::simulated::Simulation;

/// Seconds of event time until the first attack, minutes between attacks.
const ATTACKS: (i64, u32) = (60, 30);
/// How long a message may wait for its broker, and how long the end waits for what was sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks for a broker that is not there yet.
const RETRY: Duration = Duration::from_secs(2);
/// What the brokers' logs and quotas call us.
const CLIENT: &str = "trailsight-simulate";

/// Where records go, one a call.
trait Sink {
    fn record(&mut self, record: &[u8]) -> Result<(), Failure>;
    fn flush(&mut self) -> Result<(), Failure>;
}

pub(super) fn run(args: &SimulateArgs) -> Result<Exit, Failure> {
    let stop = Stop::default();
    heed_signals(&stop)?;
    let mut sink: Box<dyn Sink> = match &args.to {
        Some(topic) => Box::new(ToTopic::connect(topic, &stop)?),
        None => Box::new(ToStdout(std::io::stdout())),
    };
    let clock = Clock::scaled(Clock::System.now(), args.speed);
    let now = clock.now().div_euclid(1000);
    let history = i64::try_from(args.history.0 / 1000).unwrap_or(i64::MAX);
    let begin = now.saturating_sub(history).max(0);
    let end = args.length.map_or(i64::MAX, |length| now.saturating_add((length.0 / 1000).cast_signed()));
    let simulation = Simulation::new(args.seed, Minute::of_seconds(begin).unwrap_or_default())
        .with_attacks(now + ATTACKS.0, ATTACKS.1);
    let told = tell(&simulation, begin..end, &clock, &stop, &mut *sink)?;
    sink.flush()?;
    eprintln!("{told} records of simulated traffic, seed {}", args.seed);
    Ok(Exit::Done)
}

/// What is over by the clock, at most a minute at a time; returns how many records there were.
fn tell(
    simulation: &Simulation,
    span: std::ops::Range<i64>,
    clock: &Clock,
    stop: &Stop,
    sink: &mut dyn Sink,
) -> Result<u64, Failure> {
    let (mut told, mut bytes, mut next) = (0u64, Vec::new(), span.start);
    while next < span.end && !stop.requested() {
        let due = clock.now().div_euclid(1000).min(span.end);
        if due <= next {
            sink.flush()?;
            stop.wait(clock.machine_time(1000).clamp(Duration::from_millis(1), Duration::from_secs(1)));
            continue;
        }
        let Some(minute) = Minute::of_seconds(next) else { break };
        let until = due.min(minute.seconds() + 60);
        bytes.clear();
        let seconds = (next - minute.seconds()) as u8..(until - minute.seconds()) as u8;
        told += simulation.seconds(minute, seconds, &mut bytes) as u64;
        for record in bytes.split(|byte| *byte == b'\n').filter(|record| !record.is_empty()) {
            sink.record(record)?;
        }
        next = until;
    }
    Ok(told)
}

struct ToStdout(std::io::Stdout);

impl Sink for ToStdout {
    fn record(&mut self, record: &[u8]) -> Result<(), Failure> {
        let written = self.0.write_all(record).and_then(|()| self.0.write_all(b"\n"));
        written.map_err(|error| Failure::Failed(anyhow::Error::new(error).context("standard output")))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.0.flush().map_err(|error| Failure::Failed(anyhow::Error::new(error).context("standard output")))
    }
}

struct ToTopic {
    topic: Topic,
    producer: ThreadedProducer<Producing>,
    access: Arc<Access>,
}

impl ToTopic {
    /// Waits for the broker, and makes the topic where it is missing.
    fn connect(topic: &Topic, stop: &Stop) -> Result<ToTopic, Failure> {
        let access = Arc::new(Access::new(topic.cluster.clone()));
        let mut config = topic.cluster.client(CLIENT);
        let reader = config.create_with_context(Producing::new(&access, drop));
        let reader: rdkafka::consumer::BaseConsumer<Producing> = reader.map_err(|error| failed(refused(&error)))?;
        loop {
            match topic.ensure(&reader, Producing::new(&access, drop)) {
                Ok(()) => break,
                Err(trouble) => eprintln!("waiting: {}", looked_at(&topic.cluster, trouble)),
            }
            if stop.wait(RETRY) {
                return Err(Failure::Failed(anyhow::anyhow!("stopped before there was a broker")));
            }
        }
        config
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string());
        let producer = config.create_with_context(Producing::new(&access, |report| {
            if let Err(error) = report {
                eprintln!("a record was lost: {error}");
            }
        }));
        let producer = producer.map_err(|error| failed(refused(&error)))?;
        Ok(ToTopic { topic: topic.clone(), producer, access })
    }

    fn trouble(&self, error: &KafkaError) -> Failure {
        let said = diagnose(&self.topic.cluster, error.rdkafka_error_code(), &error.to_string());
        failed(self.access.take_trouble().unwrap_or(said))
    }
}

impl Sink for ToTopic {
    /// A full queue of the client is waited for.
    fn record(&mut self, record: &[u8]) -> Result<(), Failure> {
        let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic.name).payload(record);
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    message = back;
                    self.producer.poll(Duration::from_millis(50));
                }
                Err((error, _)) => return Err(self.trouble(&error)),
            }
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.producer.flush(PATIENCE).map_err(|error| self.trouble(&error))
    }
}

fn failed(trouble: Trouble) -> Failure {
    Failure::Failed(anyhow::anyhow!(trouble.sentence))
}

/// `kafka://HOST:PORT[,HOST:PORT]/TOPIC`, created with three partitions where it is missing.
pub(super) fn topic(text: &str) -> Result<Topic, String> {
    let form = "not kafka://HOST:PORT[,HOST:PORT]/TOPIC";
    let (brokers, name) = text.strip_prefix("kafka://").and_then(|rest| rest.split_once('/')).ok_or(form)?;
    let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if brokers.iter().any(|broker| !broker.contains(':')) || name.is_empty() || !name.bytes().all(plain) {
        return Err(form.to_owned());
    }
    let create = Some(NewTopic { partitions: 3, replication: 1, retention: None });
    Ok(Topic { cluster: Cluster { brokers, tls: None, sasl: None }, name: name.to_owned(), create })
}

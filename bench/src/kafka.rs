//! Kafka to insights: how fast, how soon, and how soon again after a crash.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tempfile::TempDir;
use trailsight::clock::{Clock, instant};
use trailsight_schemas::decode::{self, Limits, ObjectRef, Rejection, Skip, Visitor};
use trailsight_schemas::record::Record;
use trailsight_schemas::time::format_rfc3339;

use crate::Size;
use crate::answer::{Answer, hash};
use crate::broker::Broker;
use crate::process::{binary, own_cpu};
use crate::workload::each_record;

const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 6;
/// Records a second while Starts are timed.
const RATE: u64 = 10_000;

pub(crate) fn ask(size: Size) -> Result<Answer> {
    let broker = Broker::start()?;
    let records = size.of(20_000, 500_000);
    let filler = filler(&broker.address)?;
    each_record(records, |number, text| send(&filler, "trail", number, text.as_bytes()))?;
    filler.flush(PATIENCE)?;
    let bare = bare_loop(&broker.address, records)?;
    let engine = engine(&broker.address, records)?;
    let (mut starts, restart) = live(&broker.address, &filler, size)?;
    starts.sort_by(f64::total_cmp);
    let quantile = |part: f64| starts.get(((starts.len() - 1) as f64 * part).round() as usize).copied().unwrap_or(0.0);
    Ok(Answer {
        question: "How fast is Kafka read, and how soon is a spike told?",
        workload: format!(
            "{records} records of 1.7 kB, lz4, 6 partitions of a broker on this machine: the process from its start until \
             all is counted, against a bare loop of poll, scan and count on the same topic. Then {RATE} records a second \
             and {} bursts of 100 calls each of an account of its own: from handing the burst to the producer to its Start \
             on standard output. Then SIGKILL, and the time to the first record counted again.",
            starts.len()
        ),
        non_goals: "a network; several brokers; replication.",
        figures: vec![
            ("records/s end to end, start of the process included (target ≥ 120,000)".into(), format!("{:.0}", engine)),
            ("records/s of the bare loop, wall".into(), format!("{:.0}", bare.0)),
            ("records/s of the bare loop, per CPU second".into(), format!("{:.0}", bare.1)),
            ("share of the bare loop (target ≥ 0.7)".into(), format!("{:.2}", engine / bare.0)),
            ("milliseconds to a Start, p50 (target ≤ 250)".into(), format!("{:.0}", quantile(0.5))),
            ("milliseconds to a Start, p99 (target ≤ 1,000)".into(), format!("{:.0}", quantile(0.99))),
            ("seconds from a restart after SIGKILL to the first record (target < 10)".into(), format!("{restart:.2}")),
        ],
        hash: hash(&bare.2.to_le_bytes()),
    })
}

type Filler = ThreadedProducer<DefaultProducerContext>;

fn client(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    config
}

fn filler(broker: &str) -> Result<Filler> {
    Ok(client(broker).set("compression.type", "lz4").set("linger.ms", "5").create()?)
}

fn send(filler: &Filler, topic: &str, number: u64, text: &[u8]) -> Result<()> {
    let partition = (number % PARTITIONS as u64) as i32;
    let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).payload(text).partition(partition);
    while let Err((error, back)) = filler.send(record) {
        ensure!(error.to_string().contains("Queue full"), "{error}");
        record = back;
        let _ = filler.flush(Duration::from_millis(20));
    }
    Ok(())
}

/// Counts by API and minute, as plainly as it can be done.
#[derive(Default)]
struct Count(HashMap<(i64, u64), u64>);

impl Visitor for Count {
    fn record(&mut self, _: u64, record: &Record<'_>) {
        let name = hash(record.event_name.as_bytes()) ^ hash(record.event_source.as_bytes());
        *self.0.entry((record.event_time / 60, name)).or_default() += 1;
    }
    fn object(&mut self, _: u64, _: &ObjectRef<'_>) {}
    fn skipped(&mut self, _: u64, _: Skip) {}
    fn rejected(&mut self, _: Rejection) {}
}

/// Records a second of wall and of CPU, and a sum of what was counted.
fn bare_loop(broker: &str, records: u64) -> Result<(f64, f64, u64)> {
    let consumer: BaseConsumer = client(broker).set("group.id", "bare").set("enable.auto.commit", "false").create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset("trail", partition, Offset::Beginning)?;
    }
    let (began, cpu) = (instant(), own_cpu()?);
    consumer.assign(&list)?;
    let (mut count, mut scratch, mut read) = (Count::default(), Vec::new(), 0);
    while read < records {
        ensure!(began.elapsed() < PATIENCE, "the bare loop got {read} of {records}");
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            read += 1;
            decode::read(message.payload().unwrap_or_default(), &Limits::default(), &mut scratch, &mut count);
        }
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), own_cpu()? - cpu);
    Ok((records as f64 / wall, records as f64 / cpu, count.0.values().sum()))
}

/// A running engine; it is killed when dropped.
struct Engine {
    child: Child,
    port: u16,
    starts: Receiver<(Instant, String)>,
}

impl Engine {
    fn start(config: &Path) -> Result<Engine> {
        let mut command = Command::new(binary()?);
        command.arg("run").arg("--config").arg(config).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, starts) = channel();
        let stdout = child.stdout.take().context("piped")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _nobody_waits = sender.send((instant(), line));
            }
        });
        let (sender, said) = channel();
        let stderr = child.stderr.take().context("piped")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _nobody_waits = sender.send(line);
            }
        });
        let port = loop {
            let line = said.recv_timeout(PATIENCE).context("it never said where it listens")?;
            let digits = line.split_once("127.0.0.1:").map(|(_, rest)| rest);
            let digits = digits.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            if let Some(port) = digits.and_then(|digits| digits.parse().ok()).filter(|port: &u16| *port != 0) {
                break port;
            }
        };
        Ok(Engine { child, port, starts })
    }

    /// Records counted since the process began.
    fn counted(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let line = answer.lines().find(|line| {
            line.starts_with("trailsight_records_total{") && line.contains("\"trail\"") && line.contains("\"counted\"")
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).context("no count among the metrics")
    }

    fn until(&self, records: u64) -> Result<()> {
        let began = instant();
        while self.counted()? < records {
            ensure!(began.elapsed() < PATIENCE, "only {} of {records}", self.counted()?);
            // The answer itself takes a while; a little more keeps the question from being the work.
            let _ = self.starts.recv_timeout(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configured(folder: &TempDir, broker: &str, topic: &str) -> Result<PathBuf> {
    let text = format!(
        "data_dir = {:?}\n[sources.trail]\ntype = \"kafka\"\nbrokers = [{broker:?}]\ntopics = [{topic:?}]\ngroup_id = {topic:?}\n\
         instance_id = \"bench\"\n[detection]\nassume_history = true\nsensitivity = \"high\"\n[sinks.out]\ntype = \"stdout\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n",
        folder.path().join("data")
    );
    let file = folder.path().join("trailsight.toml");
    std::fs::write(&file, text)?;
    Ok(file)
}

fn engine(broker: &str, records: u64) -> Result<f64> {
    let folder = TempDir::new()?;
    let config = configured(&folder, broker, "trail")?;
    let began = instant();
    let engine = Engine::start(&config)?;
    engine.until(records)?;
    Ok(records as f64 / began.elapsed().as_secs_f64())
}

/// Milliseconds from each burst to its Start, and seconds from a restart to the first record.
fn live(broker: &str, filler: &Filler, size: Size) -> Result<(Vec<f64>, f64)> {
    let folder = TempDir::new()?;
    // The topic is there before it is subscribed to.
    send(filler, "live", 0, call(0, 0, "CreateTags").as_bytes())?;
    filler.flush(PATIENCE)?;
    let config = configured(&folder, broker, "live")?;
    let engine = Engine::start(&config)?;
    engine.until(1)?;
    let (mut took, mut number) = (Vec::new(), 1);
    for burst in 0..size.of(3, 40) {
        let (began, first) = (instant(), number);
        // A part of a second of ordinary traffic, at its rate.
        while began.elapsed() < Duration::from_millis(400) {
            let due = (began.elapsed().as_secs_f64() * RATE as f64) as u64;
            while number - first < due {
                send(filler, "live", number, call(number % 20, number, "CreateTags").as_bytes())?;
                number += 1;
            }
            let _ = engine.starts.recv_timeout(Duration::from_millis(10));
        }
        let account = 1_000 + burst;
        let sent = instant();
        for _ in 0..100 {
            send(filler, "live", number, call(account, number, "DeleteTrail").as_bytes())?;
            number += 1;
        }
        took.push(started(&engine, account, sent)?);
    }
    drop(engine);
    let began = instant();
    let again = Engine::start(&config)?;
    send(filler, "live", number, call(0, number, "CreateTags").as_bytes())?;
    filler.flush(PATIENCE)?;
    again.until(1)?;
    Ok((took, began.elapsed().as_secs_f64()))
}

/// Waits for the Start of an account's burst.
fn started(engine: &Engine, account: u64, sent: Instant) -> Result<f64> {
    let wanted = format!("\"recipientAccountId\":\"{account:012}\"");
    loop {
        let (at, line) = engine.starts.recv_timeout(PATIENCE).context("no Start came")?;
        if line.contains(&wanted) && line.contains("\"DeleteTrail\"") {
            return Ok(at.duration_since(sent).as_secs_f64() * 1000.0);
        }
    }
}

/// A call of now, of the size that real records have.
fn call(account: u64, number: u64, name: &str) -> String {
    let time = format_rfc3339(Clock::System.now() / 1000);
    let padding = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/management-events-0123456789 ".repeat(12);
    format!(
        "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"IAMUser\",\"arn\":\"arn:aws:iam::{account:012}:user/u\"}},\
         \"eventTime\":\"{time}\",\"eventSource\":\"cloudtrail.amazonaws.com\",\"eventName\":\"{name}\",\"awsRegion\":\"eu-west-1\",\
         \"requestParameters\":{{\"description\":\"{padding}\"}},\"eventID\":\"{number:08x}-0000-4000-8000-{account:012x}\",\
         \"readOnly\":false,\"eventType\":\"AwsApiCall\",\"managementEvent\":true,\"recipientAccountId\":\"{account:012}\",\
         \"eventCategory\":\"Management\"}}"
    )
}

//! Dead letters in a Kafka topic, beside the files.
//!
//! The files are what counts: they are on disk before a source forgets. The topic has a copy for whoever watches it,
//! given up rather than waited for: [`WAITING`] letters wait for the thread that sends, as
//! many (the newest) until the topic is found, and librdkafka holds up to [`HELD_BYTES`] while the broker is away. What
//! finds no room is dropped and counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::clock::instant;
use crate::kafka::probe::refused;
use crate::kafka::{Access, Producing, Report, Topic};

/// Letters that wait for the thread.
const WAITING: usize = 1024;
/// Bytes that wait for the broker.
const HELD_BYTES: usize = 16 << 20;
/// How long a letter waits for the broker.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two attempts to find the topic.
const RETRY: Duration = Duration::from_secs(10);
/// How long the end of the process waits for what is still to be sent.
const LAST: Duration = Duration::from_secs(3);
/// What the brokers' logs and quotas call us.
const CLIENT: &str = "trailsight-dead-letter";

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The topic has it.
    Sent,
    /// It found no room, or the broker did not take it.
    Dropped,
}

/// Hears what becomes of letters.
pub trait Postmaster: Send + Sync {
    /// One letter.
    fn posted(&self, outcome: Posted);

    /// Why nothing can be sent; `None` once it can.
    fn trouble(&self, why: Option<&str>);
}

/// A letter: a line of one of the files.
#[derive(Debug)]
pub(super) struct Letter {
    /// The source, or the incident.
    pub(super) key: String,
    /// What it says without being opened.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The line.
    pub(super) value: Vec<u8>,
}

/// The way to the topic.
pub struct Post {
    letters: Mutex<Option<SyncSender<Letter>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    master: Arc<dyn Postmaster>,
}

impl Post {
    /// Starts the thread; connects to nothing yet.
    pub fn open(topic: Topic, master: Arc<dyn Postmaster>) -> std::io::Result<Post> {
        let (sender, letters) = sync_channel(WAITING);
        let own = master.clone();
        let thread = std::thread::Builder::new()
            .name("dead letters".to_owned())
            .spawn(move || Sending { topic, master: own }.run(&letters))?;
        Ok(Post { letters: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), master })
    }

    /// Hands a letter over; never waits.
    pub(super) fn send(&self, letter: Letter) {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = letters.as_ref().map(|letters| letters.try_send(letter));
        if let None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) = taken {
            self.master.posted(Posted::Dropped);
        }
    }

    /// Sends what waits, for at most a few seconds, and ends.
    pub fn close(&self) {
        drop(self.letters.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the dead-letter topic panicked");
        }
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Post")
    }
}

struct Sending {
    topic: Topic,
    master: Arc<dyn Postmaster>,
}

impl Sending {
    fn run(&self, letters: &Receiver<Letter>) {
        let mut held = VecDeque::new();
        let Some(producer) = self.connect(letters, &mut held) else {
            held.iter().for_each(|_| self.master.posted(Posted::Dropped));
            return;
        };
        for letter in held.into_iter().chain(letters.iter()) {
            if !self.post(&producer, &letter) {
                self.master.posted(Posted::Dropped);
            }
        }
        let _what_is_left_is_counted_by_its_report = producer.flush(LAST);
    }

    /// Tries until the topic is there, and holds the newest letters meanwhile; `None` when the process ends before.
    fn connect(&self, letters: &Receiver<Letter>, held: &mut VecDeque<Letter>) -> Option<ThreadedProducer<Producing>> {
        loop {
            match self.producer() {
                Ok(producer) => {
                    self.master.trouble(None);
                    return Some(producer);
                }
                Err(why) => self.master.trouble(Some(&why)),
            }
            let began = instant();
            while let Some(left) = RETRY.checked_sub(began.elapsed()) {
                match letters.recv_timeout(left) {
                    Ok(letter) => {
                        held.push_back(letter);
                        if held.len() > WAITING && held.pop_front().is_some() {
                            self.master.posted(Posted::Dropped);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            }
        }
    }

    fn producer(&self) -> Result<ThreadedProducer<Producing>, String> {
        let access = Arc::new(Access::new(self.topic.cluster.clone()));
        let master = self.master.clone();
        let context = Producing::new(&access, move |told| report(&*master, &told));
        let client = |purpose: &str| {
            let mut config = self.topic.cluster.client(purpose);
            config.set("allow.auto.create.topics", "false");
            config
        };
        let reader: BaseConsumer<Producing> =
            client(CLIENT).create_with_context(context.clone()).map_err(|error| refused(&error).sentence)?;
        reader.poll(Duration::ZERO);
        let ensured = self.topic.ensure(&reader, context.clone());
        ensured.map_err(|trouble| access.take_trouble().unwrap_or(trouble).sentence)?;
        client(CLIENT)
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .set("queue.buffering.max.kbytes", (HELD_BYTES >> 10).to_string())
            .set("compression.type", "lz4")
            .set("linger.ms", "50")
            .create_with_context(context)
            .map_err(|error| refused(&error).sentence)
    }

    /// Whether librdkafka has room for it; what becomes of it then is told by its report.
    fn post(&self, producer: &ThreadedProducer<Producing>, letter: &Letter) -> bool {
        let empty = OwnedHeaders::new_with_capacity(letter.headers.len());
        let headers = letter
            .headers
            .iter()
            .fold(empty, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = BaseRecord::to(&self.topic.name).key(&letter.key).payload(&letter.value).headers(headers);
        producer.send(record).is_ok()
    }
}

/// What became of a letter that librdkafka had.
fn report(master: &dyn Postmaster, report: &Report) {
    match report {
        Ok(_) => {
            master.trouble(None);
            master.posted(Posted::Sent);
        }
        Err(error) => {
            master.trouble(Some(&error.to_string()));
            master.posted(Posted::Dropped);
        }
    }
}

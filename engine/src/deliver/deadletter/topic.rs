//! Dead letters in a Kafka topic, beside the files.
//!
//! The files are what counts: they are on disk before a source forgets. The topic has a copy for whoever watches it,
//! given up rather than waited for: letters of [`HELD_BYTES`] wait for the thread that
//! sends (and until the topic is found), and librdkafka holds as much while the broker is away. What finds no room is
//! dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::clock::instant;
use crate::kafka::probe::refused;
use crate::kafka::{Access, Producing, Report, Topic};

/// Letters that wait for the thread, whatever their size.
const WAITING: usize = 16_384;
/// Bytes that wait for the thread; as many again wait in the client for the broker.
pub const HELD_BYTES: usize = 16 << 20;
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
    waiting: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
    master: Arc<dyn Postmaster>,
}

impl Post {
    /// Starts the thread; connects to nothing yet.
    pub fn open(topic: Topic, master: Arc<dyn Postmaster>) -> std::io::Result<Post> {
        let (sender, letters) = sync_channel(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let sending = Sending { topic, master: master.clone(), waiting: waiting.clone() };
        let thread =
            std::thread::Builder::new().name("dead letters".to_owned()).spawn(move || sending.run(&letters))?;
        Ok(Post { letters: Mutex::new(Some(sender)), waiting, thread: Mutex::new(Some(thread)), master })
    }

    /// Hands a letter over; never waits.
    pub(super) fn send(&self, letter: Letter) {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = letter.bytes();
        let room = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes <= HELD_BYTES;
        if !room || letters.as_ref().is_none_or(|letters| letters.try_send(letter).is_err()) {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
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

impl Letter {
    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        std::mem::size_of::<Letter>() + self.key.len() + headers + self.value.len()
    }
}

struct Sending {
    topic: Topic,
    master: Arc<dyn Postmaster>,
    waiting: Arc<AtomicUsize>,
}

impl Sending {
    fn run(&self, letters: &Receiver<Letter>) {
        let mut held = Vec::new();
        let Some(producer) = self.connect(letters, &mut held) else {
            held.iter().for_each(|_| self.master.posted(Posted::Dropped));
            return;
        };
        for letter in held.into_iter().chain(letters.iter()) {
            self.waiting.fetch_sub(letter.bytes(), Ordering::Relaxed);
            if !self.post(&producer, &letter) {
                self.master.posted(Posted::Dropped);
            }
        }
        let _what_is_left_is_counted_by_its_report = producer.flush(LAST);
    }

    /// Tries until the topic is there, and holds what comes meanwhile; `None` when the process ends before.
    fn connect(&self, letters: &Receiver<Letter>, held: &mut Vec<Letter>) -> Option<ThreadedProducer<Producing>> {
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
                    Ok(letter) => held.push(letter),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Cluster;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Postmaster for Counted {
        fn posted(&self, outcome: Posted) {
            assert_eq!(outcome, Posted::Dropped, "there is no broker");
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn trouble(&self, _: Option<&str>) {}
    }

    #[test]
    fn without_a_broker_nobody_waits_memory_is_bounded_and_every_letter_is_counted() {
        let counted = Arc::new(Counted::default());
        // Nothing listens on port 1.
        let cluster = Cluster { brokers: vec!["127.0.0.1:1".into()], tls: None, sasl: None };
        let topic = Topic { cluster, name: "dead".into(), create: None };
        let post = Post::open(topic, counted.clone()).expect("a thread");
        let letter =
            || Letter { key: "inbox".into(), headers: vec![("reason", "json".into())], value: vec![b'x'; 65_536] };
        for _ in 0..1000 {
            post.send(letter());
            assert!(post.waiting.load(Ordering::Relaxed) <= HELD_BYTES);
        }
        let dropped = counted.0.load(Ordering::Relaxed);
        assert!((740..760).contains(&dropped), "{dropped} of 1000 found no room in 16 MiB");
        post.close();
        assert_eq!(counted.0.load(Ordering::Relaxed), 1000);
        post.send(letter());
        assert_eq!(counted.0.load(Ordering::Relaxed), 1001, "after the end there is no room at all");
    }
}

//! A stream of records with bursts in it, spread over the partitions of a topic by account.

use serde_json::Value;

use crate::brokers::Cluster;
use crate::records::{DAY_0, Made};
use crate::scale::Dice;

/// Accounts, each in one partition.
const ACCOUNTS: u64 = 6;
/// Hours of the stream.
const HOURS: i64 = 48;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Records, about.
    pub(crate) records: u64,
    /// Partitions of the topic.
    pub(crate) partitions: i32,
    /// One message in so many cannot be decoded; 0: all can.
    pub(crate) undecodable: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// Records, each once.
    pub(crate) counted: u64,
    /// Records that were written before.
    pub(crate) duplicate: u64,
    /// Messages that cannot be decoded.
    pub(crate) dead_letter: u64,
}

impl Written {
    /// As status has them.
    pub(crate) fn totals(&self) -> [u64; 3] {
        [self.counted, self.duplicate, self.dead_letter]
    }
}

/// Partition, key, value.
pub(crate) type Message = (i32, String, Vec<u8>);

impl Stream {
    /// Every message, in order. The same stream makes the same messages.
    pub(crate) fn messages(self) -> impl Iterator<Item = Message> {
        let mut dice = Dice(0xCAFE);
        (0..HOURS).flat_map(move |hour| self.hour(hour, &mut dice))
    }

    /// The messages of one hour.
    fn hour(&self, hour: i64, dice: &mut Dice) -> Vec<Message> {
        let each = self.records / (HOURS as u64 * 60 * ACCOUNTS);
        let mut messages = Vec::new();
        for minute in 0..60 {
            for account in 0..ACCOUNTS {
                for number in 0..each.max(1) {
                    let user = format!("u{}", number % 4);
                    let record = made(account, hour * 60 + minute, "CreateTags", &user, number);
                    self.put(&mut messages, account, record.json(), dice);
                }
            }
        }
        // The last hours are quiet, so that every incident has ended.
        if hour % 5 == 2 && hour + 6 < HOURS {
            let account = dice.below(ACCOUNTS);
            let minute = hour * 60 + 20 + dice.below(20) as i64;
            for number in 0..240 {
                let record = made(account, minute + number as i64 / 80, "DeleteUser", "mallory", 1_000_000 + number);
                self.put(&mut messages, account, record.json(), dice);
            }
        }
        messages.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        messages.into_iter().map(|(_, account, value)| self.message(account, value)).collect()
    }

    /// One record, sometimes twice, sometimes with something beside it that is none.
    fn put(&self, into: &mut Vec<(String, u64, Vec<u8>)>, account: u64, record: Value, dice: &mut Dice) {
        let time = record["eventTime"].as_str().unwrap_or_default().to_owned();
        let bytes = record.to_string().into_bytes();
        if dice.below(50) == 0 {
            into.push((time.clone(), account, bytes.clone()));
        }
        if self.undecodable > 0 && dice.below(self.undecodable) == 0 {
            into.push((time.clone(), account, b"{\"eventVersion\":".to_vec()));
        }
        into.push((time, account, bytes));
    }

    fn message(&self, account: u64, value: Vec<u8>) -> Message {
        ((account as i32) % self.partitions, format!("{account:012}"), value)
    }

    /// What all of it comes to.
    pub(crate) fn written(self) -> Written {
        let mut seen = std::collections::HashSet::new();
        let mut written = Written::default();
        for (_, _, value) in self.messages() {
            match serde_json::from_slice::<Value>(&value) {
                Ok(record) if seen.insert(record["eventID"].to_string()) => written.counted += 1,
                Ok(_) => written.duplicate += 1,
                Err(_) => written.dead_letter += 1,
            }
        }
        written
    }

    /// Writes all of it to a topic and waits until it is acknowledged.
    pub(crate) fn fill(self, cluster: &Cluster, topic: &str) -> Written {
        let filler = cluster.filler("lz4");
        for (partition, key, value) in self.messages() {
            crate::brokers::send(&filler, topic, partition, &key, &value);
        }
        crate::brokers::flush(&filler);
        self.written()
    }
}

fn made(account: u64, minute: i64, name: &str, user: &str, number: u64) -> Made {
    let mut made = Made::write(DAY_0 + minute, "iam", name, user, number);
    made.call.account = format!("{account:012}");
    made.id = crate::records::id(&[&account.to_string(), &made.id]);
    made
}

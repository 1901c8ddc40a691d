//! What the tests of the sources share: records to read, and a place that loads come to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use trailsight_schemas::time::format_rfc3339;

use super::{Intake, Load, Stop};
use crate::clock::Clock;
use crate::ingest::{Dedup, Settings};

/// 2026-03-02T00:00:00Z, seconds.
pub(super) const MIDNIGHT: i64 = 1_772_409_600;

pub(super) fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        data_events: Vec::new(),
        attribute_values: 20,
        error_codes: 20,
        object_bytes: 1 << 26,
        inflated_bytes: 1 << 28,
        record_bytes: 1 << 20,
        latest: i64::MAX,
    })
}

/// A clock that stands still, milliseconds since the epoch.
pub(super) fn standing(now: i64) -> Clock {
    Clock::scaled(now, 0.0)
}

/// An intake of so many loads, and where they come out.
pub(super) fn intake(loads: usize) -> (Intake, Receiver<Load>) {
    let (send, receive) = sync_channel(loads);
    let intake = Intake {
        loads: send,
        stop: Stop::default(),
        bytes: Default::default(),
        waiting: Default::default(),
        blocked: Default::default(),
    };
    (intake, receive)
}

/// A record, as one line.
pub(super) fn record(id: usize, seconds: i64, name: &str) -> String {
    let time = format_rfc3339(seconds);
    format!(
        "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"AWSService\",\"invokedBy\":\"ec2.amazonaws.com\"}},\
         \"eventTime\":\"{time}\",\"eventSource\":\"ec2.amazonaws.com\",\"eventName\":\"{name}\",\"awsRegion\":\"eu-west-1\",\
         \"eventID\":\"00000000-0000-4000-8000-{id:012x}\",\"readOnly\":false,\"eventType\":\"AwsApiCall\",\
         \"managementEvent\":true,\"recipientAccountId\":\"111122223333\",\"eventCategory\":\"Management\"}}\n"
    )
}

/// Calls by (minute, API).
pub(super) type Calls = BTreeMap<(u32, String), u64>;

/// What the loads say was called. Each load is counted for itself: a record that comes in two of them counts
/// twice.
pub(super) fn calls(loads: &mut [Load]) -> Calls {
    let mut calls = Calls::new();
    for load in loads {
        let settings = load.tally.settings().clone();
        let tally = std::mem::replace(&mut load.tally, crate::ingest::Tally::new(settings));
        let batch = Dedup::new(1_000_000, 1_000_000).batch(tally, load.progress.clone());
        for minute in &batch.minutes {
            let name = batch.strings[batch.apis[minute.api as usize].name as usize].clone();
            *calls.entry((minute.minute.0, name)).or_default() += minute.calls;
        }
    }
    calls
}

/// Applies the marks of durable loads.
pub(super) fn remember(marks: &mut BTreeMap<String, Vec<u8>>, loads: &[Load]) {
    for (key, value) in loads.iter().flat_map(|load| &load.progress).flat_map(|progress| &progress.marks) {
        if value.is_empty() {
            marks.remove(key);
        } else {
            marks.insert(key.clone(), value.clone());
        }
    }
}

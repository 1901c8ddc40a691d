//! Records to test with, as CloudTrail writes them.

use std::sync::Arc;

use serde_json::{Value, json};
use trailsight_schemas::entry::{Batch, Progress};
use trailsight_schemas::time::{format_rfc3339, parse_rfc3339};

use crate::ingest::{Dedup, Origin, Reject, Settings, Tally};

pub(crate) const ORIGIN: Origin<'static> = Origin { source: "test", path: "in.json" };

pub(crate) fn settings() -> Settings {
    Settings {
        data_events: Vec::new(),
        attribute_values: 8,
        error_codes: 4,
        object_bytes: 4 << 20,
        inflated_bytes: 64 << 20,
        record_bytes: 1 << 20,
        latest: second("2030-01-01T00:00:00Z"),
    }
}

pub(crate) fn second(time: &str) -> i64 {
    parse_rfc3339(time).unwrap()
}

/// A record of version 1.11; fields are changed by the caller.
pub(crate) fn record(id: &str, time: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:jane",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admin/jane",
            "accountId": "111122223333"
        },
        "eventTime": time,
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateUser",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.1",
        "userAgent": "aws-cli/2.15",
        "requestParameters": null,
        "eventID": id,
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management"
    })
}

pub(crate) fn with(mut record: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

pub(crate) fn at(second: i64) -> String {
    format_rfc3339(second)
}

/// Reads one message and returns the tally with what was rejected.
pub(crate) fn read(settings: Settings, bytes: &[u8]) -> (Tally, Vec<Reject>) {
    let mut tally = Tally::new(Arc::new(settings));
    let mut rejects = Vec::new();
    tally.read(bytes, ORIGIN, &mut |reject| rejects.push(reject));
    (tally, rejects)
}

pub(crate) fn tally(records: &[Value]) -> Tally {
    let document = serde_json::to_vec(&json!({ "Records": records })).unwrap();
    let (tally, rejects) = read(settings(), &document);
    assert_eq!(rejects, []);
    tally
}

pub(crate) fn batch(tally: Tally) -> Batch {
    Dedup::new(1440, 1_000_000).batch(tally, vec![Progress::default()])
}

pub(crate) fn bytes(batch: &Batch) -> Vec<u8> {
    postcard::to_stdvec(batch).unwrap()
}

/// A batch as lines that a person can read: what was counted, and to whom it is attributed.
pub(crate) fn show(batch: &Batch) -> String {
    use std::fmt::Write;
    use trailsight_schemas::entry::Attribution;

    let word = |id: u32| batch.strings[id as usize].as_str();
    let list = |attribution: &Attribution| {
        let mut values: Vec<String> =
            attribution.values.iter().map(|(value, calls)| format!("{} {calls}", word(*value))).collect();
        values.extend((attribution.other > 0).then(|| format!("+{}", attribution.other)));
        values.join(", ")
    };
    let mut out = String::new();
    for minute in &batch.minutes {
        let api = batch.apis[minute.api as usize];
        let names = [api.account, api.region, api.source, api.name].map(word).join("/");
        let time = format_rfc3339(minute.minute.seconds());
        let (who, with) = (list(&minute.identities), list(&minute.agents));
        writeln!(out, "{time} {names} {:?} {}: {who} | {with}", api.class, minute.calls).unwrap();
        for error in &minute.errors {
            let (who, with) = (list(&error.identities), list(&error.agents));
            writeln!(out, "  {} {}: {who} | {with}", word(error.code), error.calls).unwrap();
        }
    }
    out
}

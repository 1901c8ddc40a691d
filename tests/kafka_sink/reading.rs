//! What a topic holds, as its readers see it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::brokers::{Cluster, Received};

/// Everything that was committed.
pub(crate) fn committed(cluster: &Cluster, topic: &str) -> Vec<Received> {
    cluster.read(topic, "read_committed")
}

pub(crate) fn header<'a>(message: &'a Received, name: &str) -> Option<&'a str> {
    message.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The ids, each of which must be there once; key, headers and value must say the same.
#[track_caller]
pub(crate) fn ids(messages: &[Received]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for message in messages {
        let value: Value = serde_json::from_str(message.value.as_deref().unwrap_or_default()).expect("a record");
        let details = &value["insightDetails"];
        for (name, expected) in [
            ("insight-id", &value["eventID"]),
            ("insight-state", &details["state"]),
            ("insight-type", &details["insightType"]),
            ("sensitivity", &value["trailsight"]["sensitivity"]),
            ("account", &value["recipientAccountId"]),
            ("region", &value["awsRegion"]),
        ] {
            assert_eq!(header(message, name), expected.as_str(), "{name} of {message:?}");
        }
        assert_eq!(message.key.as_deref(), value["sharedEventID"].as_str(), "the key");
        let id = value["eventID"].as_str().expect("an id").to_owned();
        assert!(ids.insert(id.clone()), "{id} is there twice");
    }
    ids
}

/// Records of one incident lie in one partition, first Start first, End last.
#[track_caller]
pub(crate) fn in_order(messages: &[Received]) {
    let mut told: BTreeMap<&str, Vec<(i32, u64, bool)>> = BTreeMap::new();
    for message in messages {
        let value: Value = serde_json::from_str(message.value.as_deref().unwrap_or_default()).expect("a record");
        let revision = value["trailsight"]["revision"].as_u64().expect("a number");
        let end = value["insightDetails"]["state"] == "End";
        told.entry(message.key.as_deref().expect("a key")).or_default().push((message.partition, revision, end));
    }
    for (incident, records) in told {
        assert!(records.windows(2).all(|pair| pair[0].0 == pair[1].0), "{incident} lies in several partitions");
        assert!(records.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{incident} is out of order: {records:?}");
        let (_, before) = records.split_last().expect("not empty");
        assert!(before.iter().all(|(_, _, end)| !end), "{incident} goes on after its End: {records:?}");
    }
}

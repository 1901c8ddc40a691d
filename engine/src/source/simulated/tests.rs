//! The traffic is what it says it is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// 2026-03-02, a Monday, 00:00 UTC.
const MONDAY: u32 = 29_540_160;

fn records(simulation: &Simulation, minutes: Range<u32>) -> Vec<Value> {
    let mut bytes = Vec::new();
    let count: usize = minutes.map(|minute| simulation.minute(Minute(minute), &mut bytes)).sum();
    let records: Vec<Value> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(records.len(), count);
    records
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

proptest! {
    /// Breaks when anything but the seed and the minute decides: what was asked before, or how it was cut.
    #[test]
    fn a_minute_is_the_same_whenever_and_however_it_is_asked(seed: u64, minute in 0u32..60_000_000, cut in 0u8..=60) {
        let whole = |simulation: &Simulation| {
            let mut bytes = Vec::new();
            simulation.minute(Minute(minute), &mut bytes);
            bytes
        };
        let fresh = Simulation::new(seed, Minute(0)).with_attacks(i64::from(minute) * 60 + 20, 3);
        let used = Simulation::new(seed, Minute(0)).with_attacks(i64::from(minute) * 60 + 20, 3);
        used.minute(Minute(minute + 7), &mut Vec::new());
        let mut parts = Vec::new();
        used.seconds(Minute(minute), 0..cut, &mut parts);
        used.seconds(Minute(minute), cut..60, &mut parts);
        prop_assert_eq!(whole(&fresh), parts);
    }
}

#[test]
fn a_working_day_looks_like_cloudtrail() {
    let simulation = Simulation::new(1, Minute(MONDAY));
    let records = records(&simulation, MONDAY..MONDAY + 1440);
    let ids: BTreeSet<&str> = records.iter().map(|record| text(record, "/eventID")).collect();
    assert_eq!(ids.len(), records.len(), "every eventID once");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut series = BTreeSet::new();
    for record in &records {
        *kinds.entry(text(record, "/userIdentity/type")).or_default() += 1;
        let key =
            ["/recipientAccountId", "/awsRegion", "/eventSource", "/eventName"].map(|pointer| text(record, pointer));
        assert!(key.iter().all(|part| !part.is_empty()), "{record}");
        series.insert(key);
        assert_eq!(text(record, "/eventVersion"), "1.11");
        assert_eq!(text(record, "/eventCategory"), "Management");
        assert!(record["readOnly"].is_boolean() && record["managementEvent"] == true);
        let seconds = trailsight_schemas::time::parse_rfc3339(text(record, "/eventTime")).unwrap();
        assert!((MONDAY..MONDAY + 1440).contains(&Minute::of_seconds(seconds).unwrap().0));
        assert!(uuid::Uuid::parse_str(text(record, "/eventID")).is_ok_and(|id| id.get_version_num() == 4));
        if record["userIdentity"]["type"] == "AWSService" {
            assert!(record["userIdentity"].get("arn").is_none());
        }
    }
    for kind in ["AssumedRole", "IAMUser", "AWSService", ""] {
        assert!(kinds.contains_key(kind), "{kinds:?}");
    }
    assert!(series.len() > 150, "{} APIs", series.len());
    assert!((25_000..60_000).contains(&records.len()), "{} records", records.len());
    let failed = records.iter().filter(|record| record.get("errorCode").is_some()).count();
    assert!(failed * 100 > records.len() && failed * 10 < records.len(), "{failed} of {}", records.len());
}

#[test]
fn a_weekend_is_quieter_than_the_week() {
    let simulation = Simulation::new(1, Minute(MONDAY));
    let count = |day: u32| records(&simulation, MONDAY + day * 1440..MONDAY + (day + 1) * 1440).len();
    let (wednesday, sunday) = (count(2), count(6));
    assert!(sunday * 10 < wednesday * 8, "{sunday} against {wednesday}");
    assert!(sunday > 10_000, "machines do not rest");
}

/// Ground truth that the traffic does not bear out would make every measurement of recall a lie.
#[test]
fn a_planned_attack_is_carried_out_and_nothing_of_it_outside() {
    let first = i64::from(MONDAY) * 60 + 600 + 12;
    let simulation = Simulation::new(5, Minute(MONDAY)).with_attacks(first, 15);
    let quiet = Simulation::new(5, Minute(MONDAY));
    let range = MONDAY..MONDAY + 160;
    let planned = simulation.attacks(Minute(range.start).seconds(), Minute(range.end).seconds());
    assert!(planned.len() >= 9 && planned[0].start == first);
    let ids = |records: Vec<Value>| -> BTreeMap<String, Value> {
        records.into_iter().map(|record| (text(&record, "/eventID").to_string(), record)).collect()
    };
    let (with, without) = (ids(records(&simulation, range.clone())), ids(records(&quiet, range)));
    assert!(without.keys().all(|id| with.contains_key(id)), "attacks change nothing else");
    let mut carried_out = vec![0; planned.len()];
    for record in with.iter().filter(|(id, _)| !without.contains_key(*id)).map(|(_, record)| record) {
        let at = trailsight_schemas::time::parse_rfc3339(text(record, "/eventTime")).unwrap();
        let api = (text(record, "/eventSource"), text(record, "/eventName"));
        let place = planned.iter().position(|attack| {
            (attack.start..attack.start + i64::from(attack.minutes) * 60).contains(&at)
                && attack.account == text(record, "/recipientAccountId")
                && attack.apis.iter().any(|(source, name)| (source.as_str(), *name) == api)
        });
        carried_out[place.unwrap_or_else(|| panic!("not planned: {record}"))] += 1;
    }
    let last = planned.len() - 1;
    assert!(carried_out[..last].iter().all(|calls| *calls >= 40), "{carried_out:?}");
}

#[test]
fn seeds_differ() {
    let day = |seed| records(&Simulation::new(seed, Minute(MONDAY)), MONDAY + 600..MONDAY + 610);
    assert_ne!(day(1), day(2));
}

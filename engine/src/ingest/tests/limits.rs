//! Ten times every limit: what a caller of AWS can mint does not make batches grow.

use std::sync::Arc;

use serde_json::json;
use trailsight_schemas::entry::{Batch, Class};

use super::records::{batch, bytes, record, settings, with};
use crate::ingest::tally::Call;
use crate::ingest::{ATTRIBUTE_BYTES, Dedup, NAME_BYTES, NAMES, Settings, Tally};

const CALL: Call<'static> = Call {
    second: 1_772_323_200,
    account: "111122223333",
    region: "us-east-1",
    source: "iam.amazonaws.com",
    name: "CreateUser",
    class: Class::ManagementWrite,
    identity: "arn:aws:iam::111122223333:user/jane",
    agent: "aws-cli/2.15",
    error: "",
};

/// `count` calls, each made by `make` of its number.
fn minted(settings: &Settings, count: usize, make: impl Fn(&str) -> [String; 4]) -> Batch {
    let mut tally = Tally::new(Arc::new(settings.clone()));
    for number in 0..count {
        let [name, identity, agent, error] = make(&format!("{number:08}"));
        let call = Call { name: &name, identity: &identity, agent: &agent, error: &error, ..CALL };
        tally.sample(call, &number.to_string());
    }
    batch(tally)
}

/// Bytes of a batch without the fingerprints, which are one for each record.
fn size(batch: &Batch) -> usize {
    bytes(&Batch { fingerprints: Vec::new(), ..batch.clone() }).len()
}

/// The most that one API and minute may take: attribute lists and their strings, for itself and each code.
fn bound(settings: &Settings) -> usize {
    let lists = 2 * settings.attribute_values * (ATTRIBUTE_BYTES + 15) + 20;
    (settings.error_codes + 2) * (lists + NAME_BYTES + 40) + 200
}

#[test]
fn minted_roles_agents_and_error_codes_do_not_grow_a_batch() {
    let settings = settings();
    let fixed = |text: &str| text.to_owned();
    let long = |text: &str| text.repeat(8 << 10);
    for count in [10, 100] {
        let count = count * settings.attribute_values.max(settings.error_codes);
        let batch = minted(&settings, count, |number| [fixed("CreateUser"), long(number), long(number), long(number)]);
        let [minute] = &batch.minutes[..] else { panic!("one API, one minute") };
        assert_eq!((minute.calls, minute.errors.len()), (count as u64, settings.error_codes + 1));
        assert_eq!(minute.identities.values.len(), settings.attribute_values);
        assert!(size(&batch) <= bound(&settings), "{} bytes of {count} calls", size(&batch));
    }
}

#[test]
fn minted_api_names_do_not_grow_a_batch() {
    let settings = settings();
    let names = |number: &str| [format!("Create{number}"), "jane".into(), "cli".into(), String::new()];
    let full = minted(&settings, NAMES, names);
    assert_eq!(full.apis.len(), NAMES);
    let over = minted(&settings, 10 * NAMES, names);
    assert_eq!((over.apis.len(), over.minutes.len()), (NAMES + 1, NAMES + 1));
    assert!(size(&over) <= size(&full) + 100);
    let other =
        over.minutes.iter().find(|minute| over.strings[over.apis[minute.api as usize].name as usize] == "other");
    assert_eq!(other.map(|minute| minute.calls), Some(9 * NAMES as u64));
    assert!(!over.strings.iter().any(|name| name == &format!("Create{:08}", 10 * NAMES - 1)), "ties go by name");
}

/// A folded name keeps its class, and joins a real API of the name `other`.
#[test]
fn folded_names_join_the_one_that_is_called_other() {
    let mut tally = Tally::new(Arc::new(settings()));
    for number in 0..2 * NAMES {
        let class = if number % 2 == 0 { Class::ManagementWrite } else { Class::ManagementRead };
        let call = Call { name: &format!("N{:08}", number / 2 * 2), class, ..CALL };
        tally.row(call, 2);
    }
    tally.row(Call { name: "other", ..CALL }, 5);
    let batch = batch(tally);
    let others: Vec<_> = batch
        .minutes
        .iter()
        .filter(|minute| batch.strings[batch.apis[minute.api as usize].name as usize] == "other")
        .map(|minute| (batch.apis[minute.api as usize].class, minute.calls))
        .collect();
    assert_eq!(others, [(Class::ManagementWrite, 7), (Class::ManagementRead, 2)]);
}

#[test]
fn one_record_cannot_bring_its_64_kb() {
    let long = "x".repeat(64 << 10);
    let identity = json!({ "arn": long, "type": long });
    let changes = json!({
        "userAgent": long, "userIdentity": identity, "errorCode": long, "eventName": long, "eventSource": long,
        "awsRegion": long, "recipientAccountId": long,
    });
    let tally = super::records::tally(&[with(record("1", "2026-03-01T00:00:10Z"), changes)]);
    assert!(tally.memory() < 8 << 10, "{} bytes", tally.memory());
    let batch = batch(tally);
    assert!(size(&batch) < 4 << 10, "{} bytes", size(&batch));
}

/// `memory` is what decides when runs are spilled: it must not be less than what is held.
#[test]
fn memory_covers_what_is_held() {
    let mut tally = Tally::new(Arc::new(settings()));
    let (mut text, count) = (0, 20_000);
    for number in 0..count {
        let agent = format!("agent/{number:032}");
        text += agent.len();
        tally.sample(Call { agent: &agent, ..CALL }, &number.to_string());
    }
    let least = count * (24 + 2 * (12 + 12)) + text;
    assert!(tally.memory() >= least && tally.memory() < 6 * least, "{} of at least {least}", tally.memory());
}

#[test]
fn a_minute_of_more_calls_than_64_bits_hold_does_not_overflow() {
    let mut tally = Tally::new(Arc::new(settings()));
    for code in ["", "", "AccessDenied", "AccessDenied"] {
        tally.row(Call { error: code, ..CALL }, 1 << 63);
    }
    let batch = batch(tally);
    assert_eq!(batch.minutes[0].calls, u64::MAX);
    assert_eq!(batch.minutes[0].errors[0].calls, u64::MAX);
    assert_eq!(batch.progress[0].outcomes.counted, u64::MAX);
}

#[test]
fn the_window_never_holds_more_than_its_entries() {
    let mut dedup = Dedup::new(u32::MAX, 1000);
    for minute in 0..20u32 {
        let mut tally = Tally::new(Arc::new(settings()));
        for number in 0..200 {
            tally.sample(Call { second: CALL.second + minute * 60, ..CALL }, &format!("{minute}-{number}"));
        }
        dedup.batch(tally, Vec::new());
        assert!(dedup.stats().entries <= 1000);
    }
    let stats = dedup.stats();
    assert_eq!((stats.entries, stats.minutes, stats.forgotten), (1000, 5, 15 * 200));
}

//! Order, cuts, merges, spills and restarts: none of them shows in a batch.

use std::sync::Arc;

use proptest::prelude::*;
use trailsight_schemas::entry::{Batch, Outcomes, Progress};

use super::records::{at, batch, bytes, record, second, settings, tally, with};
use crate::ingest::{Dedup, Runs, Tally};
use serde_json::{Value, json};

/// Few of everything, so that records meet: the same eventID with other content, several values of an attribute
/// above its limit, several minutes.
fn any_record() -> impl Strategy<Value = Value> {
    (0..40u32, 0..5i64, 0..60i64, 0..3u8, 0..14u8, 0..3u8, 0..8u8, any::<bool>()).prop_map(
        |(id, minute, within, name, role, agent, code, has_id)| {
            let time = second("2026-03-01T00:00:00Z") + minute * 60 + within;
            let mut changes = json!({
                "eventName": format!("Create{name}"),
                "userAgent": format!("agent/{agent}"),
                "userIdentity": { "arn": format!("arn:aws:sts::111122223333:assumed-role/r{role}/s{within}") },
            });
            if code > 1 {
                changes["errorCode"] = format!("Error{code}").into();
            }
            if !has_id {
                changes["eventID"] = Value::Null;
            }
            with(record(&format!("id-{id}"), &at(time)), changes)
        },
    )
}

fn any_records() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(any_record(), 0..120)
}

/// One tally a group, merged in the order given.
fn merged(groups: &[Vec<Value>]) -> Tally {
    let mut all = Tally::new(Arc::new(settings()));
    groups.iter().for_each(|records| all.merge(tally(records)));
    all
}

/// The batches of a set that went through runs, and what was passed over.
fn through_runs(groups: &[Vec<Value>], memory: usize) -> (Vec<Batch>, usize, Outcomes) {
    let directory = tempfile::tempdir().unwrap();
    let mut runs = Runs::new(Arc::new(settings()), directory.path(), memory);
    groups.iter().for_each(|records| runs.push(tally(records)).unwrap());
    let (spilled, outcomes) = (runs.spilled(), runs.outcomes());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the file has no name");
    let mut dedup = Dedup::new(1440, 1_000_000);
    let batch = |tally: std::io::Result<Tally>| dedup.batch(tally.unwrap(), vec![Progress::default()]);
    (runs.into_minutes().unwrap().map(batch).collect(), spilled, outcomes)
}

fn cut(records: &[Value], pieces: usize) -> Vec<Vec<Value>> {
    records.chunks(records.len().div_ceil(pieces).max(1)).map(<[Value]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_order_cut_and_merge_gives_the_same_bytes(
        (records, shuffled) in any_records().prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        pieces in 1..9usize,
    ) {
        let expected = bytes(&batch(tally(&records)));
        let mut groups = cut(&shuffled, pieces);
        prop_assert_eq!(&bytes(&batch(merged(&groups))), &expected);
        groups.reverse();
        prop_assert_eq!(&bytes(&batch(merged(&groups))), &expected);
    }

    #[test]
    fn spilling_does_not_show(records in any_records(), pieces in 1..9usize) {
        let groups = cut(&records, pieces);
        let (in_memory, none, outcomes) = through_runs(&groups, usize::MAX);
        let (on_disk, some, spilled_outcomes) = through_runs(&groups, 0);
        prop_assert_eq!((none, some), (0, groups.len()));
        prop_assert_eq!(outcomes, spilled_outcomes);
        prop_assert_eq!(&in_memory, &on_disk);
        let whole = batch(tally(&records));
        let minutes = |batches: &[Batch]| batches.iter().map(|batch| batch.minutes.len()).sum::<usize>();
        prop_assert_eq!(minutes(&on_disk), whole.minutes.len());
        let shown: String = on_disk.iter().map(super::records::show).collect();
        prop_assert_eq!(shown, super::records::show(&whole));
        prop_assert!(on_disk.is_sorted_by(|a, b| a.minutes[0].minute < b.minutes[0].minute), "a minute is in one tally");
    }

    #[test]
    fn what_was_counted_once_is_not_counted_again(records in any_records()) {
        let mut dedup = Dedup::new(1440, 1_000_000);
        let first = dedup.batch(tally(&records), vec![Progress::default()]);
        let again = dedup.batch(tally(&records), vec![Progress::default()]);
        let without_id = records.iter().filter(|record| record["eventID"].is_null()).count() as u64;
        prop_assert_eq!(again.progress[0].outcomes.counted, without_id);
        prop_assert_eq!(again.fingerprints, vec![]);
        let outcomes = first.progress[0].outcomes;
        prop_assert_eq!(outcomes.counted + outcomes.duplicate, records.len() as u64);
    }

    /// A crash loses the process, not the journal.
    #[test]
    fn absorbing_the_batches_gives_the_window_back(
        groups in proptest::collection::vec(proptest::collection::vec(any_record(), 0..30), 0..6),
        minutes in 0..5u32,
        entries in 0..60usize,
    ) {
        let mut alive = Dedup::new(minutes, entries);
        let mut restarted = Dedup::new(minutes, entries);
        for records in &groups {
            let batch = alive.batch(tally(records), vec![Progress::default()]);
            restarted.absorb(&batch);
            prop_assert_eq!(alive.pack(), restarted.pack());
            prop_assert!(alive.stats().entries <= entries);
            let unpacked = Dedup::unpack(minutes, entries, &alive.pack()).unwrap();
            prop_assert_eq!(unpacked.pack(), alive.pack());
            restarted = unpacked;
        }
    }

    #[test]
    fn attributions_add_up(records in any_records()) {
        let batch = batch(tally(&records));
        let sum = |of: &trailsight_schemas::entry::Attribution| {
            of.values.iter().map(|(_, calls)| calls).sum::<u64>() + of.other
        };
        for minute in &batch.minutes {
            prop_assert_eq!((sum(&minute.identities), sum(&minute.agents)), (minute.calls, minute.calls));
            for error in &minute.errors {
                prop_assert_eq!((sum(&error.identities), sum(&error.agents)), (error.calls, error.calls));
            }
            prop_assert!(minute.errors.iter().map(|error| error.calls).sum::<u64>() <= minute.calls);
            prop_assert!(minute.errors.len() <= settings().error_codes + 1);
            prop_assert!(minute.identities.values.len() <= settings().attribute_values);
        }
        let total: u64 = batch.minutes.iter().map(|minute| minute.calls).sum();
        prop_assert_eq!(total, batch.progress[0].outcomes.counted);
        prop_assert!(batch.strings.is_sorted_by(|a, b| a < b));
        prop_assert!(batch.apis.is_sorted_by(|a, b| a < b));
        prop_assert!(batch.minutes.is_sorted_by(|a, b| (a.minute, a.api) < (b.minute, b.api)));
        prop_assert!(batch.fingerprints.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn no_bytes_are_a_window_by_accident(bytes: Vec<u8>) {
        if let Some(dedup) = Dedup::unpack(u32::MAX, usize::MAX, &bytes) {
            prop_assert_eq!(dedup.pack(), bytes);
        }
    }
}

/// Which of two contents counts must not depend on which was read first, even across merges.
#[test]
fn one_event_id_with_two_contents_has_one_winner() {
    let one = record("same", "2026-03-01T00:00:10Z");
    let other = with(record("same", "2026-03-01T00:00:20Z"), json!({ "eventName": "AttachUserPolicy" }));
    let both = bytes(&batch(tally(&[one.clone(), other.clone()])));
    assert_eq!(bytes(&batch(merged(&[vec![other.clone()], vec![one.clone()]]))), both);
    assert_eq!(bytes(&batch(tally(&[other, one]))), both);
}

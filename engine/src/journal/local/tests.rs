//! What the local journal promises, one by one.

use trailsight_schemas::entry::{Body, Entry, Epoch, MuteChange, Outcomes};
use trailsight_schemas::insight::Sensitivity;
use uuid::Uuid;

use super::fixtures::{NOW, Told, entry, large_entry, open, options_in, tell};
use super::{FILE, LocalJournal, Options, Retention, entries};
use crate::journal::outbox::Outbox;
use crate::journal::{Addressed, Journal, JournalError, Outputs};

fn rows(journal: &LocalJournal, query: &str) -> i64 {
    journal.shared.reader().query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn what_was_appended_is_there_after_the_process_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let epoch = Entry { taken_at: 5, body: Body::Epoch(Epoch { version: "0.1.0".into(), settings: "{}".into() }) };
    let all = [epoch, entry("a", ("k", b"1"), 10), entry("a", ("k", b"2"), 20), entry("b", ("gone", b""), 1)];
    {
        let mut journal = open(directory.path());
        assert_eq!((journal.first(), journal.last(), journal.committed()), (1, 0, 0));
        assert_eq!(journal.append(&all[..2]).unwrap(), 2);
        assert_eq!(journal.append(&all[2..]).unwrap(), 4);
    }
    let mut journal = open(directory.path());
    assert_eq!((journal.first(), journal.last()), (1, 4));
    let read: Vec<_> = journal.read_after(0, 3).unwrap();
    assert_eq!(read, (1..=3).zip(all[..3].iter().cloned()).collect::<Vec<_>>());
    assert_eq!(journal.read_after(3, 100).unwrap(), vec![(4, all[3].clone())]);
    assert_eq!(journal.read_after(4, 100).unwrap(), vec![]);
    assert_eq!(journal.marks("a").unwrap(), [("k".to_string(), b"2".to_vec())].into());
    assert_eq!(journal.marks("b").unwrap(), [].into());
    assert_eq!(journal.totals().unwrap()["a"], Outcomes { counted: 30, duplicate: 2, ..Outcomes::default() });
    journal.append(&[entry("a", ("k", b""), u64::MAX)]).unwrap();
    assert_eq!(journal.marks("a").unwrap(), [].into());
    assert_eq!(journal.totals().unwrap()["a"].counted, i64::MAX as u64, "held, not wrapped");
}

#[test]
fn a_mute_made_by_hand_outlives_its_entry_and_is_kept_when_it_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let change = |taken_at, mute: Option<&str>| {
        let change = MuteChange { key: "by-hand-1".into(), mute: mute.map(str::to_owned), by: "operator".into() };
        Entry { taken_at, body: Body::Mute(change) }
    };
    let mut journal = open(directory.path());
    journal.append(&[change(5, Some("{}")), change(6, Some("another of the same name changes nothing"))]).unwrap();
    journal.drop_through(2).unwrap();
    drop(journal);
    let mut journal = open(directory.path());
    let [mute] = journal.mutes().unwrap().try_into().unwrap();
    assert_eq!((mute.key.as_str(), mute.mute.as_str(), mute.made, mute.ended), ("by-hand-1", "{}", 5, None));
    assert_eq!(mute.made_by, "operator");
    journal.append(&[change(9, None), change(10, None)]).unwrap();
    assert_eq!(journal.mutes().unwrap()[0].ended, Some(9), "it ends once");
}

#[test]
fn a_directory_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let journal = open(directory.path());
    let second = LocalJournal::open(directory.path(), Options::default());
    assert!(matches!(second, Err(JournalError::Locked(_))));
    let outbox = journal.outbox();
    drop(journal);
    let third = LocalJournal::open(directory.path(), Options::default());
    assert!(matches!(third, Err(JournalError::Locked(_))), "a worker still writes");
    drop(outbox);
    open(directory.path());
}

#[test]
fn partitions_are_fixed_at_creation() {
    let directory = tempfile::tempdir().unwrap();
    let with = |partitions| Options { partitions, ..options_in(0) };
    assert_eq!(LocalJournal::open(directory.path(), with(16)).unwrap().partitions(), 16);
    assert_eq!(LocalJournal::open(directory.path(), with(64)).unwrap().partitions(), 16);
}

#[test]
fn outputs_are_committed_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let first = tell(&mut journal, vec![Told::start(1).to(&["chat", "topic"])]);
    let again = Outputs { through: first, insights: vec![Told::start(2).to(&["chat"])] };
    journal.commit(&again).unwrap();
    assert_eq!(journal.committed(), first);
    drop(journal);
    let mut journal = open(directory.path());
    journal.commit(&again).unwrap();
    assert_eq!((rows(&journal, "SELECT count(*) FROM insights"), journal.committed()), (1, first));
    // Under a later position an id that is known is still a repeat, and brings no further deliveries.
    tell(&mut journal, vec![Told::start(1).to(&["chat"]), Told::end(1).to(&["chat"])]);
    assert_eq!(rows(&journal, "SELECT count(*) FROM insights"), 2);
    assert_eq!(rows(&journal, "SELECT count(*) FROM outbox"), 3);
    let beyond = Outputs { through: journal.last() + 1, insights: vec![] };
    assert!(matches!(journal.commit(&beyond), Err(JournalError::Store(_))));
}

#[test]
fn a_muted_insight_is_in_the_history_and_goes_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    tell(&mut journal, vec![Addressed { muted_by: Some("ci".into()), ..Told::start(1).to(&[]) }]);
    assert_eq!(rows(&journal, "SELECT count(*) FROM insights WHERE muted_by = 'ci'"), 1);
    assert_eq!(journal.outbox().depth("chat").unwrap(), (0, None));
}

#[test]
fn an_incident_has_the_strictest_level_of_its_records() {
    use Sensitivity::{High, Low, Medium};
    for (levels, strictest) in [([High, Low, Medium], "low"), ([High, High, Medium], "medium"), ([High; 3], "high")] {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open(directory.path());
        for (revision, sensitivity) in levels.into_iter().enumerate() {
            tell(&mut journal, vec![Told { revision: revision as u32, sensitivity, ..Told::start(1) }.to(&[])]);
        }
        assert_eq!(rows(&journal, &format!("SELECT sensitivity = '{strictest}' FROM incidents")), 1, "{levels:?}");
    }
}

#[test]
fn rows_of_one_incident_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let outbox = journal.outbox();
    tell(&mut journal, vec![Told::start(1).to(&["chat", "topic"]), Told::start(2).to(&["chat"])]);
    tell(&mut journal, vec![Told::end(1).to(&["chat", "topic"])]);
    let due = |sink: &str, now| -> Vec<(u128, &'static str)> {
        let rows = outbox.due(sink, now, 10).unwrap();
        rows.iter().map(|row| (row.shared_event_id.as_u128(), row.state.as_str())).collect()
    };
    assert_eq!(due("chat", NOW), [(1, "Start"), (2, "Start")]);
    assert_eq!(due("chat", NOW - 1), []);
    let start = outbox.due("chat", NOW, 1).unwrap().remove(0);
    outbox.postpone(start.id, NOW + 1000, "503").unwrap();
    assert_eq!(due("chat", NOW + 999), [(2, "Start")], "its End is due and waits all the same");
    assert_eq!(due("chat", NOW + 1000), [(1, "Start"), (2, "Start")]);
    assert_eq!(due("topic", NOW), [(1, "Start")], "the other sink is not held back");
    outbox.delivered(start.id, NOW + 1001).unwrap();
    assert_eq!(due("chat", NOW + 1001), [(2, "Start"), (1, "End")]);
    let end = outbox.due("chat", NOW + 1001, 10).unwrap().remove(1);
    assert!(!end.start_died);
    assert_eq!(end.attempts, 0);
    let start = outbox.due("topic", NOW, 1).unwrap().remove(0);
    outbox.dead(start.id, NOW, &"é".repeat(600)).unwrap();
    let end = outbox.due("topic", NOW, 1).unwrap().remove(0);
    assert!(end.start_died);
    assert!(String::from_utf8(end.insight_json).unwrap().contains(r#""state":"End""#));
    assert_eq!(outbox.depth("topic").unwrap(), (1, Some(NOW)));
    assert_eq!(outbox.told(&Uuid::from_u128(1)).unwrap(), ["chat", "topic"]);
    assert_eq!(outbox.told(&Uuid::from_u128(9)).unwrap(), [""; 0]);
    // A second answer for a closed row changes nothing.
    outbox.postpone(start.id, NOW, "late").unwrap();
    assert_eq!(rows(&journal, &format!("SELECT status = 'dead' FROM outbox WHERE id = {}", start.id)), 1);
}

#[tokio::test]
async fn a_commit_with_rows_wakes_every_worker() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let (left, right) = (journal.outbox().wake(), journal.outbox().wake());
    let (left, right) = (left.notified(), right.notified());
    tokio::pin!(left, right);
    left.as_mut().enable();
    right.as_mut().enable();
    tell(&mut journal, vec![Told::start(1).to(&["chat"])]);
    left.await;
    right.await;
}

#[test]
fn entries_are_dropped_a_bounded_number_a_call() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let many = vec![entry("a", ("k", b"1"), 1); entries::DROP_MOST as usize + 10];
    let last = journal.append(&many).unwrap();
    journal.drop_through(last - 3).unwrap();
    assert_eq!(journal.first(), entries::DROP_MOST + 1);
    journal.drop_through(last - 3).unwrap();
    assert_eq!(journal.first(), last - 2);
    assert_eq!(journal.read_after(0, 100).unwrap().len(), 3);
    journal.drop_through(u64::MAX).unwrap();
    drop(journal);
    let mut journal = open(directory.path());
    assert_eq!((journal.first(), journal.last()), (last + 1, last), "positions are not given twice");
    assert_eq!(journal.append(&many[..1]).unwrap(), last + 1);
}

/// 400 entries of 100 kB pass through a journal that keeps 20: the file stays near what those 20 take.
#[test]
fn the_file_does_not_grow_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let mut largest = 0;
    for _ in 0..400 {
        let last = journal.append(&[large_entry(100_000)]).unwrap();
        journal.drop_through(last.saturating_sub(20)).unwrap();
        largest = largest.max(std::fs::metadata(directory.path().join(FILE)).unwrap().len());
    }
    println!("largest {largest} bytes");
    assert!(largest < 4_000_000, "{largest}");
    journal.drop_through(u64::MAX).unwrap();
    journal.shared.writer.lock().unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let left = std::fs::metadata(directory.path().join(FILE)).unwrap().len();
    assert!(left < 400_000, "given back to the file system: {left}");
}

#[test]
fn history_is_forgotten_by_age_but_never_what_is_open_or_undelivered() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let outbox = journal.outbox();
    tell(&mut journal, vec![Told::start(1).to(&[]), Told::end(1).to(&[])]);
    tell(&mut journal, vec![Told::start(2).to(&["chat"]), Told::end(2).to(&[])]);
    tell(&mut journal, vec![Told::start(3).to(&["chat"])]);
    outbox.delivered(outbox.due("chat", NOW, 9).unwrap()[1].id, NOW).unwrap();
    drop((journal, outbox));
    let mut journal = LocalJournal::open(directory.path(), options_in(399)).unwrap();
    journal.drop_through(1).unwrap();
    assert_eq!(rows(&journal, "SELECT count(*) FROM incidents"), 3);
    drop(journal);
    let mut journal = LocalJournal::open(directory.path(), options_in(401)).unwrap();
    journal.drop_through(1).unwrap();
    assert_eq!(rows(&journal, "SELECT count(*) FROM incidents"), 2, "2 waits for delivery, 3 is open");
    assert_eq!(rows(&journal, "SELECT count(*) FROM insights"), 3);
    assert_eq!(journal.outbox().told(&Uuid::from_u128(3)).unwrap(), ["chat"], "its End must still know");
}

/// Records of 2024 that were read in 2026 raised insights that the next snapshot forgot, because their age was
/// counted from the event: what is found is kept from when it is found.
#[test]
fn an_incident_of_long_ago_is_kept_from_when_it_was_found() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = LocalJournal::open(directory.path(), options_in(1000)).unwrap();
    tell(&mut journal, vec![Told::start(1).to(&[]), Told::end(1).to(&[])]);
    journal.drop_through(1).unwrap();
    assert_eq!(rows(&journal, "SELECT count(*) FROM incidents"), 1);
    drop(journal);
    let mut journal = LocalJournal::open(directory.path(), options_in(1401)).unwrap();
    journal.drop_through(1).unwrap();
    assert_eq!(rows(&journal, "SELECT count(*) FROM incidents"), 0);
}

#[test]
fn history_and_deliveries_are_forgotten_by_number_oldest_first() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { history_incidents: 4, deliveries: 3, ..Retention::default() };
    let mut journal = LocalJournal::open(directory.path(), Options { retention, ..options_in(0) }).unwrap();
    let outbox = journal.outbox();
    for incident in 1..=10 {
        tell(&mut journal, vec![Told::start(incident).to(&["chat"]), Told::end(incident).to(&["chat"])]);
        for step in 0..2 {
            let row = outbox.due("chat", NOW, 1).unwrap().remove(0);
            outbox.delivered(row.id, NOW + incident as i64 * 2 + step).unwrap();
        }
    }
    journal.drop_through(1).unwrap();
    assert_eq!(rows(&journal, "SELECT count(*) FROM incidents"), 4);
    let oldest = NOW / 60_000 * 60 + 7 * 60;
    assert_eq!(rows(&journal, "SELECT min(started) FROM incidents"), oldest);
    assert_eq!(rows(&journal, "SELECT count(*) FROM outbox"), 3);
}

/// Two workers a sink empty the outbox while the spine goes on: every row is delivered, none out of order.
#[test]
fn workers_mark_rows_while_the_spine_appends() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    let (outbox, done) = (journal.outbox(), std::sync::atomic::AtomicBool::new(false));
    let empty = &|sink: &str| {
        loop {
            // Asked before looking: what was committed before the end is then seen.
            let last = done.load(std::sync::atomic::Ordering::Acquire);
            let rows = outbox.due(sink, NOW, 7).unwrap();
            if rows.is_empty() && last {
                return;
            }
            rows.iter().for_each(|row| outbox.delivered(row.id, NOW).unwrap());
        }
    };
    std::thread::scope(|scope| {
        for sink in ["chat", "topic", "chat", "topic"] {
            scope.spawn(move || empty(sink));
        }
        for incident in 0..50 {
            tell(&mut journal, vec![Told::start(incident).to(&["chat", "topic"])]);
            tell(&mut journal, vec![Told::end(incident).to(&["chat", "topic"])]);
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
    assert_eq!(rows(&journal, "SELECT count(*) FROM outbox WHERE status = 'delivered' AND attempts = 1"), 200);
    assert_eq!((journal.last(), journal.committed()), (100, 100));
}

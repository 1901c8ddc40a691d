use super::super::tests::records::{record, tally};
use super::*;

fn counted(dedup: &mut Dedup, records: &[(&str, &str)]) -> (u64, u64) {
    let records: Vec<_> = records.iter().map(|(id, time)| record(id, &format!("2026-03-01T{time}Z"))).collect();
    let batch = dedup.batch(tally(&records), vec![Progress::default()]);
    let outcomes = batch.progress[0].outcomes;
    (outcomes.counted, outcomes.duplicate)
}

#[test]
fn a_duplicate_is_one_in_its_event_minute() {
    let mut dedup = Dedup::new(60, 1000);
    assert_eq!(counted(&mut dedup, &[("a", "10:00:00"), ("a", "10:00:59"), ("a", "10:01:00")]), (2, 1));
    assert_eq!(counted(&mut dedup, &[("a", "10:00:30"), ("b", "10:00:30"), ("a", "10:01:30")]), (1, 2));
}

#[test]
fn what_is_older_than_the_window_is_counted_and_said() {
    let mut dedup = Dedup::new(10, 1000);
    counted(&mut dedup, &[("a", "10:00:00"), ("b", "10:10:00")]);
    assert_eq!(counted(&mut dedup, &[("a", "10:00:00")]), (0, 1), "ten minutes before the newest is within");
    assert_eq!(counted(&mut dedup, &[("c", "10:11:00")]), (1, 0));
    assert_eq!(dedup.stats().unchecked, 0);
    assert_eq!(counted(&mut dedup, &[("a", "10:00:00"), ("a", "10:00:00")]), (1, 1), "within a batch it is known");
    assert_eq!(counted(&mut dedup, &[("a", "10:00:00")]), (1, 0));
    let stats = dedup.stats();
    assert_eq!((stats.unchecked, stats.entries, stats.minutes, stats.forgotten), (2, 2, 2, 0));
}

#[test]
fn at_the_limit_the_oldest_minute_goes_first() {
    let mut dedup = Dedup::new(60, 3);
    counted(&mut dedup, &[("a", "10:00:00"), ("b", "10:00:00"), ("c", "10:01:00")]);
    assert_eq!(counted(&mut dedup, &[("d", "10:02:00")]), (1, 0));
    assert_eq!(dedup.stats().forgotten, 2);
    assert_eq!(counted(&mut dedup, &[("c", "10:01:00"), ("d", "10:02:00")]), (0, 2));
    assert_eq!(counted(&mut dedup, &[("a", "10:00:00")]), (1, 0), "forgotten");
    assert_eq!(counted(&mut Dedup::new(60, 0), &[("a", "10:00:00")]), (1, 0));
}

#[test]
fn progress_is_sorted_and_the_first_given_gains_the_outcomes() {
    let progress = |source: &str| Progress { source: source.into(), ..Progress::default() };
    let batch =
        Dedup::new(60, 10).batch(tally(&[record("a", "2026-03-01T10:00:00Z")]), vec![progress("z"), progress("a")]);
    let shown: Vec<_> = batch.progress.iter().map(|of| (of.source.as_str(), of.outcomes.counted)).collect();
    assert_eq!(shown, [("a", 0), ("z", 1)]);
}

#[test]
fn only_a_window_unpacks() {
    let mut dedup = Dedup::new(60, 1000);
    counted(&mut dedup, &[("a", "10:00:00"), ("b", "10:00:00"), ("c", "10:01:00")]);
    let bytes = dedup.pack();
    assert_eq!(bytes.len(), 4 + 2 * 8 + 3 * 8);
    let read = |bytes: &[u8]| Dedup::unpack(60, 1000, bytes).map(|dedup| dedup.pack());
    assert_eq!(read(&bytes), Some(bytes.clone()));
    for length in 0..bytes.len() {
        // What ends with a whole minute is a window too; its checksum is the snapshot's.
        let is_whole = [4, 28].contains(&length);
        assert_eq!(read(&bytes[..length]).is_some(), is_whole, "{length}");
    }
    let swap = |a: usize, b: usize, length: usize| {
        let mut other = bytes.clone();
        for at in 0..length {
            other.swap(a + at, b + at);
        }
        other
    };
    assert_eq!(read(&swap(12, 20, 8)), None, "fingerprints out of order");
    assert_eq!(read(&swap(4, 28, 4)), None, "minutes out of order");
    assert_eq!(read(&[&bytes[..], &[0, 0, 0, 0, 0, 0, 0, 0]].concat()), None, "an empty minute");
    let smaller = Dedup::unpack(0, 1000, &bytes).unwrap();
    assert_eq!(smaller.stats().entries, 1, "a smaller window keeps what it would have kept");
    assert_eq!(Dedup::unpack(60, 1, &bytes).unwrap().stats().entries, 1);
}

#[test]
fn an_entry_takes_at_most_21_bytes() {
    let mut dedup = Dedup::new(60, 10_000_000);
    for size in [1000u64, 1800, 10_000, 28_673, 100_000] {
        let first = dedup.held as u64;
        for hash in first..size {
            dedup.remember(Fingerprint { minute: Minute(0), hash: hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) });
        }
        let bytes = dedup.stats().memory as f64 / size as f64;
        assert!((9.0..21.0).contains(&bytes), "{bytes} bytes an entry of {size}");
    }
}

//! What earlier versions stored is still read.

use super::*;

/// A partition as version 1 stored it: two APIs of one account, ten days, one burst.
const PARTITION_V1: &[u8] = include_bytes!("../formats/partition-v1.bin");

#[test]
fn a_partition_that_version_1_stored_is_still_read() {
    use trailsight_schemas::sealed::{self, Kind};
    let (version, state) = sealed::open(Kind::PartitionSnapshot, snapshot::VERSION, PARTITION_V1).unwrap();
    assert_eq!(version, 1);
    let part = snapshot::decode(version, &state).unwrap();
    let settings = Settings::default();
    let mut parts: Vec<_> = (1..settings.partitions).map(|_| None).collect();
    parts.push(Some(part.clone()));
    let detect = Detect::restore(parts, settings).unwrap();
    assert_eq!((detect.sizes().call_series, detect.sizes().incidents), (2, 0));
    // Series are stored in a layout of their own version; what they are of and what they counted is as it was.
    let again = detect.part(detect.partitions() - 1).unwrap();
    let counted = |part: &super::super::Part| {
        part.series.iter().map(|slot| slot.as_ref().map(|one| (one.key, one.ledger.clone()))).collect::<Vec<_>>()
    };
    assert_eq!(counted(&again), counted(&part));
    let parts = (1..detect.partitions()).map(|_| None).chain([Some(again.clone())]).collect();
    let twice = Detect::restore(parts, Settings::default()).unwrap();
    assert_eq!(twice.part(twice.partitions() - 1).unwrap(), again, "stored again as it is read");
    let learning = detect.learning();
    assert_eq!((learning[0].account.as_str(), learning[0].full, learning[0].active_series), ("111122223333", true, 2));
}

/// A partition as version 2 stored it, before Ends were corrected: three APIs and an error of one account, ten days, a
/// first burst that is over, and a burst that is open.
const PARTITION_V2: &[u8] = include_bytes!("../formats/partition-v2.bin");

#[test]
fn a_partition_that_version_2_stored_goes_on() {
    use trailsight_schemas::sealed::{self, Kind};
    let (version, state) = sealed::open(Kind::PartitionSnapshot, snapshot::VERSION, PARTITION_V2).unwrap();
    assert_eq!(version, 2);
    let part = snapshot::decode(version, &state).unwrap();
    let detect = Detect::restore(vec![Some(part)], Settings::default()).unwrap();
    assert_eq!((detect.sizes().call_series, detect.sizes().incidents), (3, 1));
    let mut bench = Bench { seq: detect.applied(), detect };
    let at = T0 + DAY * 10;
    let told = bench.complete(&[], at + 120);
    assert_eq!(told.len(), 1, "the burst that was open ends: {told:?}");
    assert_eq!((told[0].details.state, told[0].event_time), (State::End, i64::from(at + 1) * 60));
    assert_eq!(told[0].details.statistics.insight, 300.0);
}

/// Constants of the tests and priors change with every version; what a series learned is read and judged all the same.
#[test]
fn learned_under_other_budgets_and_settings_it_is_read_under_these() {
    use trailsight_schemas::sealed::{self, Kind};
    let (version, state) = sealed::open(Kind::PartitionSnapshot, snapshot::VERSION, PARTITION_V2).unwrap();
    let part = snapshot::decode(version, &state).unwrap();
    let mut detect = Detect::restore(vec![Some(part)], Settings::default()).unwrap();
    let settings = Settings {
        budgets: [0.001, 0.001, 0.001],
        account_budgets: BTreeMap::from([("111122223333".to_owned(), [0.3, 3.0, 30.0])]),
        allowed_lateness: 3,
        ..Settings::default()
    };
    let seq = detect.applied() + 1;
    let settings = serde_json::to_string(&settings).unwrap();
    let body = Body::Epoch(trailsight_schemas::entry::Epoch { version: "test".into(), settings });
    detect.apply(seq, &Entry { taken_at: 0, body });
    let mut bench = Bench { detect, seq };
    let at = T0 + DAY * 10 + 300;
    let told = bench.complete(&[(at, "DeleteUser", 400, "user/mallory", "")], at);
    let found =
        told.iter().any(|event| event.details.event_name == "DeleteUser" && event.details.state == State::Start);
    assert!(found, "{told:?}");
}

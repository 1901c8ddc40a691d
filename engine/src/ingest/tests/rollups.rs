//! What becomes of a record: by whom, where, as what.

use std::sync::Arc;

use serde_json::{Value, json};
use trailsight_schemas::entry::Outcomes;

use super::records::{ORIGIN, batch, read, record, second, settings, show, tally, with};
use crate::ingest::{Origin, Settings, TIME_OUT_OF_RANGE, Tally};

const TIME: &str = "2026-03-01T00:00:10Z";

#[track_caller]
fn check(records: &[Value], expected: &str) {
    assert_eq!(show(&batch(tally(records))), expected);
}

#[test]
fn calls_errors_and_who_made_them() {
    let failed = json!({ "errorCode": "AccessDenied", "userAgent": "console.amazonaws.com" });
    check(
        &[
            record("1", TIME),
            record("2", "2026-03-01T00:00:59Z"),
            with(record("3", TIME), failed),
            with(record("4", TIME), json!({ "errorCode": "", "userAgent": "", "userIdentity": null })),
            record("5", "2026-03-01T00:01:00Z"),
            with(record("6", TIME), json!({ "eventName": "GetUser", "readOnly": true })),
        ],
        "\
2026-03-01T00:00:00Z 111122223333/us-east-1/iam.amazonaws.com/CreateUser ManagementWrite 4: \
arn:aws:sts::111122223333:assumed-role/Admin 3, null 1 | aws-cli/2.15 2, console.amazonaws.com 1, null 1
  AccessDenied 1: arn:aws:sts::111122223333:assumed-role/Admin 1 | console.amazonaws.com 1
2026-03-01T00:00:00Z 111122223333/us-east-1/iam.amazonaws.com/GetUser ManagementRead 1: \
arn:aws:sts::111122223333:assumed-role/Admin 1 | aws-cli/2.15 1
2026-03-01T00:01:00Z 111122223333/us-east-1/iam.amazonaws.com/CreateUser ManagementWrite 1: \
arn:aws:sts::111122223333:assumed-role/Admin 1 | aws-cli/2.15 1
",
    );
}

#[test]
fn the_most_called_are_kept_and_ties_go_by_name() {
    let by = |id: u32, role: &str| {
        with(record(&id.to_string(), TIME), json!({ "userIdentity": { "arn": role }, "errorCode": role }))
    };
    let settings = Settings { attribute_values: 2, error_codes: 2, ..settings() };
    let records = [by(1, "c"), by(2, "b"), by(3, "a"), by(4, "d"), by(5, "d"), by(6, "d"), by(7, "other")];
    let (tally, _) = read(settings, &serde_json::to_vec(&records).unwrap());
    assert_eq!(
        show(&batch(tally)),
        "\
2026-03-01T00:00:00Z 111122223333/us-east-1/iam.amazonaws.com/CreateUser ManagementWrite 7: \
d 3, a 1, +3 | aws-cli/2.15 7
  a 1: a 1 | aws-cli/2.15 1
  d 3: d 3 | aws-cli/2.15 3
  other 3: b 1, c 1, +1 | aws-cli/2.15 3
"
    );
}

/// Per-account counting: the same call is delivered to the caller's and to the owner's account.
#[test]
fn the_account_is_the_recipients_and_the_region_the_records() {
    let key = "p/AWSLogs/999988887777/CloudTrail/eu-west-1/2026/03/01/\
               999988887777_CloudTrail_eu-west-1_20260301T0005Z_abcdefgh01234567.json.gz";
    for (changes, path, expected) in [
        (json!({}), key, "111122223333/us-east-1"),
        (json!({ "recipientAccountId": "444455556666" }), key, "444455556666/us-east-1"),
        (json!({ "recipientAccountId": null }), key, "111122223333/us-east-1"),
        (json!({ "recipientAccountId": "", "userIdentity": {} }), key, "999988887777/us-east-1"),
        (json!({ "awsRegion": null }), key, "111122223333/eu-west-1"),
        (json!({ "recipientAccountId": null, "userIdentity": null, "awsRegion": "" }), "x.json", "unknown/unknown"),
    ] {
        let mut tally = Tally::new(Arc::new(settings()));
        let bytes = serde_json::to_vec(&with(record("1", TIME), changes.clone())).unwrap();
        tally.read(&bytes, Origin { source: "test", path }, &mut |reject| panic!("{reject:?}"));
        let shown = show(&batch(tally));
        assert!(shown.starts_with(&format!("2026-03-01T00:00:00Z {expected}/")), "{changes}: {shown}");
    }
}

#[test]
fn what_is_not_analysed_is_counted_as_that() {
    let data = json!({ "eventCategory": "Data", "eventSource": "s3.amazonaws.com", "managementEvent": false });
    let records = [
        record("1", TIME),
        with(record("2", TIME), data),
        with(record("3", TIME), json!({ "eventCategory": "NetworkActivity" })),
        with(record("4", TIME), json!({ "eventCategory": "Insight" })),
        with(record("5", TIME), json!({ "eventCategory": "Tomorrow" })),
    ];
    let document = serde_json::to_vec(&records).unwrap();
    let (tally, _) = read(settings(), &document);
    assert_eq!(tally.outcomes(), Outcomes { not_analysed: 4, ..Outcomes::default() });
    let outcomes = batch(tally).progress[0].outcomes;
    assert_eq!(outcomes, Outcomes { counted: 1, not_analysed: 4, ..Outcomes::default() });
    let (tally, _) = read(Settings { data_events: vec!["s3.amazonaws.com".into()], ..settings() }, &document);
    assert_eq!(tally.outcomes().not_analysed, 3);
    assert!(show(&batch(tally)).contains("s3.amazonaws.com/CreateUser Data 1:"));
}

#[test]
fn records_without_an_event_id_are_never_duplicates() {
    let anonymous = with(record("", TIME), json!({ "eventID": null }));
    let batch = batch(tally(&[anonymous.clone(), anonymous, record("1", TIME), record("1", TIME)]));
    assert_eq!(batch.progress[0].outcomes, Outcomes { counted: 3, duplicate: 1, ..Outcomes::default() });
    assert_eq!(batch.fingerprints.len(), 1);
    assert_eq!(batch.minutes[0].calls, 3);
}

#[test]
fn times_that_cannot_be_true_go_to_the_dead_letter() {
    let latest = second("2026-03-01T00:00:00Z");
    for (time, is_counted) in [
        ("2026-03-01T00:00:00Z", true),
        ("2026-03-01T00:00:01Z", false),
        ("9999-12-31T23:59:59Z", false),
        ("1970-01-01T00:00:00Z", false),
        ("0000-01-01T00:00:00Z", false),
        ("2013-11-12T23:59:59Z", false),
        ("2013-11-13T00:00:00Z", true),
    ] {
        let bytes = serde_json::to_vec(&record("an-id", time)).unwrap();
        let (tally, rejects) = read(Settings { latest, ..settings() }, &bytes);
        assert_eq!((tally.len() == 1, tally.newest().is_some()), (is_counted, is_counted), "{time}");
        let reasons: Vec<_> = rejects.iter().map(|reject| reject.reason).collect();
        assert_eq!(reasons, if is_counted { vec![] } else { vec![TIME_OUT_OF_RANGE] }, "{time}");
        assert_eq!(tally.outcomes().dead_letter, u64::from(!is_counted));
        assert!(rejects.iter().all(|reject| reject.excerpt.ends_with("iam.amazonaws.com CreateUser an-id")));
    }
    // The largest number of seconds that is kept, whatever the settings say.
    let bytes = serde_json::to_vec(&record("1", "2106-02-07T06:28:16Z")).unwrap();
    let (tally, rejects) = read(Settings { latest: i64::MAX, ..settings() }, &bytes);
    assert_eq!((tally.len(), rejects.len()), (0, 1));
}

#[test]
fn a_message_over_the_limit_is_one_reject() {
    let bytes = vec![b' '; 1025];
    let (tally, rejects) = read(Settings { object_bytes: 1024, ..settings() }, &bytes);
    assert_eq!((tally.outcomes().dead_letter, rejects.len()), (1, 1));
    assert_eq!((rejects[0].reason, rejects[0].path.as_str()), ("object_too_large", ORIGIN.path));
    let (_, rejects) = read(Settings { object_bytes: 1025, ..settings() }, &bytes);
    assert_eq!(rejects, []);
}

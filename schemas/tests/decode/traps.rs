//! What real records and notifications do that documentation does not promise.

use serde_json::{Value, json};

use super::found::{by_value, check, find, record};
use super::shapes::{event_bridge, sns};

/// A record with these members changed; null removes one.
fn changed(changes: Value) -> Value {
    let mut value = record("GetUser");
    for (key, change) in changes.as_object().unwrap() {
        if change.is_null() {
            value.as_object_mut().unwrap().remove(key);
        } else {
            value[key] = change.clone();
        }
    }
    value
}

#[test]
fn optional_fields_may_be_missing_or_null() {
    let cases = [
        ("version 1.05 and before", json!({"eventCategory": null, "readOnly": null, "managementEvent": null})),
        ("version 1.0", json!({"eventID": null, "eventType": null, "recipientAccountId": null})),
        ("no caller at all", json!({"userIdentity": null})),
        ("service event, no type", json!({"userIdentity": {"accountId": "1", "invokedBy": "AWS Internal"}})),
        ("service, no arn", json!({"userIdentity": {"type": "AWSService", "invokedBy": "cloudtrail.amazonaws.com"}})),
        (
            "another account, no arn",
            json!({"userIdentity": {"type": "AWSAccount", "principalId": "A", "accountId": "2"}}),
        ),
        ("unknown", json!({"userIdentity": {"type": "Unknown"}})),
        (
            "empty objects",
            json!({"userIdentity": {"type": "IAMUser", "sessionContext": {"sessionIssuer": {}, "webIdFederationData": {}}}}),
        ),
        ("error code without a message", json!({"errorCode": "Client.UnauthorizedOperation"})),
        ("success", json!({"errorCode": null, "userAgent": null})),
        ("bracketed agent", json!({"userAgent": "[S3Console/0.4]", "requestID": "x"})),
        ("no Region", json!({"awsRegion": null})),
    ];
    for (what, changes) in cases {
        let value = changed(changes);
        let found = find(value.to_string().as_bytes());
        assert_eq!(found.records, [(0, by_value(&value))], "{what}");
    }
    let nulls = r#"{"eventTime":"2023-07-10T12:17:46Z","eventSource":"s","eventName":"n","userIdentity":null,
        "userAgent":null,"readOnly":null,"eventID":null,"sessionContext":null}"#;
    assert_eq!(find(nulls.as_bytes()).records, [(0, by_value(&serde_json::from_str(nulls).unwrap()))]);
}

#[test]
fn booleans_may_be_written_as_strings() {
    let found = find(changed(json!({"readOnly": "true", "managementEvent": "false"})).to_string().as_bytes());
    assert_eq!((found.records[0].1.read_only, found.records[0].1.management_event), (Some(true), Some(false)));
}

#[test]
fn the_last_of_duplicate_keys_wins() {
    let text = r#"{"eventTime":"2023-07-10T12:17:46Z","eventName":"A","eventSource":"s","eventName":"B",
        "userIdentity":{"arn":"first","type":"x"},"userIdentity":{"arn":"second"}}"#;
    let found = find(text.as_bytes());
    assert_eq!(found.records, [(0, by_value(&serde_json::from_str(text).unwrap()))]);
    assert_eq!(found.records[0].1.event_name, "B");
}

#[test]
fn keys_written_with_escapes_are_the_same_keys() {
    let text = r#"{"eventTime":"2023-07-10T12:17:46Z","event\u004eame":"A","eventSource":"s\/t","\ud800":1}"#;
    let found = find(text.as_bytes());
    assert_eq!((&*found.records[0].1.event_name, &*found.records[0].1.event_source), ("A", "s/t"));
}

/// A user agent is cut off at 1 KB, and whoever sends it chooses where: half a surrogate pair must not be a
/// way to keep a call out of the count.
#[test]
fn half_a_surrogate_pair_does_not_hide_a_record() {
    let text = record("GetUser").to_string().replace("aws-cli/2.13", "x\\ud83d");
    let found = find(format!("[{text},{}]", record("B")).as_bytes());
    assert_eq!(found.lines, ["record GetUser", "record B"]);
    assert!(found.records[0].1.user_agent.as_ref().unwrap().starts_with("x\u{fffd}"));
    check(sns(&text.replace("GetUser", "Wrapped")), &["record Wrapped"]);
    check(sns("x").replace("\"x\"", "\"\\ud83d\""), &["reject 11 not_json"]);
}

/// Parameters nest as deep as the caller likes; serde_json's own limit of 128 would drop such a record.
#[test]
fn deep_parameters_do_not_hide_a_record() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let text =
        record("GetUser").to_string().replace("\"responseElements\":null", &format!("\"responseElements\":{deep}"));
    check(format!("{{\"Records\":[{text}]}}"), &["record GetUser"]);
    check(
        event_bridge(&record("X")).to_string().replace("\"resources\":[]", &format!("\"resources\":{deep}")),
        &["record X"],
    );
}

#[test]
fn events_of_other_kinds_are_passed_over() {
    for (what, text, line) in [
        (
            "Insights event",
            json!({"eventVersion": "1.08", "eventTime": "2023-07-10T12:17:00Z", "eventType": "AwsCloudTrailInsight",
                "sharedEventID": "1", "insightDetails": {"state": "Start"}, "eventCategory": "Insight"}),
            "skip 0 insight",
        ),
        (
            "Insights file",
            json!({"Records": [{"eventVersion": "1.09", "eventTime": "2023-07-10T12:17:00Z", "eventType": "AwsCloudTrailInsight"}]}),
            "skip 12 insight",
        ),
        ("Insights event by EventBridge", event_bridge(&json!({"eventCategory": "Insight"})), "skip 35 insight"),
        ("network activity", changed(json!({"eventCategory": "NetworkActivity"})), "skip 0 network_activity"),
        (
            "network activity of the table's spelling",
            changed(json!({"eventCategory": null, "eventType": "AwsVpceEvents"})),
            "skip 0 network_activity",
        ),
        (
            "… of the examples' spelling",
            changed(json!({"eventCategory": null, "eventType": "AwsVpceEvent"})),
            "skip 0 network_activity",
        ),
        (
            "aggregated event",
            json!({"eventVersion": "1.0", "accountId": "1", "eventId": "1", "eventCategory": "Aggregated",
                "eventType": "AwsAggregatedEvent", "timeWindow": {}, "summary": {}}),
            "skip 0 aggregated",
        ),
        (
            "digest",
            json!({"awsAccountId": "1", "digestStartTime": "2023-07-10T12:00:00Z", "digestS3Bucket": "b",
                "digestS3Object": "k", "logFiles": [{"s3Bucket": "b", "s3Object": "k"}]}),
            "skip 0 digest",
        ),
        ("test event", json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}), "skip 0 test_event"),
        (
            "subscription",
            json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "SubscribeURL": "https://x"}),
            "skip 0 subscription",
        ),
        (
            "control message",
            json!({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE: Checking health"}]}),
            // serde_json sorts the keys: the events come first.
            "skip 25 control_message",
        ),
        (
            "removal",
            json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "s3": {}}]}),
            "skip 12 other_notification",
        ),
        (
            "another event",
            json!({"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "detail": {}}),
            "skip 0 other_event",
        ),
        (
            "another event of S3",
            json!({"detail-type": "Object Deleted", "source": "aws.s3", "detail": {}}),
            "skip 0 other_event",
        ),
    ] {
        let found = find(text.to_string().as_bytes());
        assert_eq!(found.lines, [line], "{what}: {text}");
    }
    let text = r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"CWL CONTROL MESSAGE: x"}]}"#;
    check(text, &["skip 0 control_message"]);
    check("CloudTrail validation message.", &["skip 0 validation_message"]);
    check(sns("CloudTrail validation message."), &["skip 11 validation_message"]);
    check(sns(r#"{"Event":"s3:TestEvent"}"#), &["skip 11 test_event"]);
}

#[test]
fn nothing_is_no_error() {
    check("", &["skip 0 empty"]);
    check(" \r\n\t", &["skip 0 empty"]);
    check("\u{feff}", &["skip 0 empty"]);
    check(super::found::gzip(b""), &["skip 0 empty"]);
    check(r#"{"Records":[]}"#, &[]);
    check("[]", &[]);
}

/// A notification's own `eventTime` and `eventName` make it look like a record.
#[test]
fn a_notification_is_no_record_of_an_api() {
    let text = r#"{"Records":[{"eventTime":"1970-01-01T00:00:00.000Z","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#;
    check(text, &["reject 12 not_a_record"]);
}

#[test]
fn keys_of_a_record_may_come_behind_others() {
    let text = format!(r#"{{"@timestamp":"x","message":"a b",{}"#, &record("GetUser").to_string()[1..]);
    check(text, &["record GetUser"]);
}

//! Every wrapping times every compression gives the same records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::found::{by_value, check, find, gzip, record, zstd};

/// A way to wrap records, and its name.
pub(crate) type Shape = (&'static str, fn(&[Value]) -> Vec<u8>);

/// A way to compress, and its name.
type Compression = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Wrappings of any number of records.
pub(crate) const SHAPES: &[Shape] = &[
    ("log file", |records| json!({ "Records": records }).to_string().into_bytes()),
    ("log file, indented", |records| serde_json::to_vec_pretty(&json!({ "Records": records })).unwrap()),
    ("log file with other keys first", |records| {
        format!(r#"{{"note":{{"Records":[1]}}, "Records":{},"count":3}}"#, json!(records)).into_bytes()
    }),
    ("array", |records| json!(records).to_string().into_bytes()),
    ("array of strings", |records| json!(texts(records)).to_string().into_bytes()),
    ("ndjson", |records| texts(records).join("\n").into_bytes()),
    ("ndjson, crlf and blank lines", |records| format!("\r\n{}\r\n\r\n", texts(records).join("\r\n\r\n")).into_bytes()),
    ("concatenated", |records| texts(records).concat().into_bytes()),
    ("concatenated, indented", |records| {
        records.iter().map(|record| serde_json::to_string_pretty(record).unwrap()).collect::<String>().into_bytes()
    }),
    ("byte order mark", |records| format!("\u{feff}{}", json!({ "Records": records })).into_bytes()),
    ("json string", |records| json!(json!({ "Records": records }).to_string()).to_string().into_bytes()),
    ("log file in SNS", |records| sns(&json!({ "Records": records }).to_string()).into_bytes()),
    ("EventBridge, a line each", |records| {
        records.iter().map(|record| event_bridge(record).to_string() + "\n").collect::<String>().into_bytes()
    }),
    ("EventBridge through SNS through SQS through Lambda", |records| {
        let bodies: Vec<Value> = records
            .iter()
            .map(|record| {
                json!({
                    "messageId": "1", "receiptHandle": "x", "eventSource": "aws:sqs", "awsRegion": "eu-west-1",
                    "body": sns(&event_bridge(record).to_string()),
                })
            })
            .collect();
        json!({ "Records": bodies }).to_string().into_bytes()
    }),
    ("SNS through Lambda", |records| {
        let messages: Vec<Value> = records
            .iter()
            .map(|record| {
                json!({"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Type": "Notification", "Message": record.to_string()}})
            })
            .collect();
        json!({ "Records": messages }).to_string().into_bytes()
    }),
    ("Kinesis through Lambda", |records| {
        let data: Vec<Value> =
            texts(records).iter().map(|text| json!({"kinesis": {"data": STANDARD.encode(text)}})).collect();
        json!({ "Records": data }).to_string().into_bytes()
    }),
    ("CloudWatch Logs", |records| log_events(records).into_bytes()),
    ("CloudWatch Logs, base64 of gzip", |records| STANDARD.encode(gzip(log_events(records).as_bytes())).into_bytes()),
    ("CloudWatch Logs, awslogs", |records| {
        json!({"awslogs": {"data": STANDARD.encode(gzip(log_events(records).as_bytes()))}}).to_string().into_bytes()
    }),
    ("LookupEvents", |records| {
        let events: Vec<Value> = texts(records)
            .iter()
            .map(|text| json!({"EventId": "1", "EventName": "x", "CloudTrailEvent": text}))
            .collect();
        json!({"Events": events, "NextToken": "x"}).to_string().into_bytes()
    }),
];

const COMPRESSIONS: &[Compression] = &[
    ("plain", <[u8]>::to_vec),
    ("gzip", gzip),
    ("gzip of two members", |bytes| {
        let (first, second) = bytes.split_at(bytes.len() / 3);
        [gzip(first), gzip(second)].concat()
    }),
    ("gzip with padding", |bytes| [gzip(bytes), vec![0; 512]].concat()),
    ("gzip of gzip", |bytes| gzip(&gzip(bytes))),
    ("zstd", zstd),
    ("zstd of two frames", |bytes| {
        let (first, second) = bytes.split_at(bytes.len() / 3);
        [zstd(first), zstd(second)].concat()
    }),
];

fn texts(records: &[Value]) -> Vec<String> {
    records.iter().map(Value::to_string).collect()
}

pub(crate) fn sns(message: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:trail",
        "Message": message, "Timestamp": "2023-07-10T12:20:00.000Z", "SignatureVersion": "1",
    })
    .to_string()
}

pub(crate) fn event_bridge(record: &Value) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam",
        "account": "444455556666", "time": "2023-07-10T12:17:46Z", "region": "eu-west-1", "resources": [],
        "detail": record,
    })
}

fn log_events(records: &[Value]) -> String {
    let events: Vec<Value> = texts(records)
        .iter()
        .map(|text| json!({"id": "3", "timestamp": 1_688_991_466_000_u64, "message": text}))
        .collect();
    json!({
        "messageType": "DATA_MESSAGE", "owner": "444455556666", "logGroup": "trail",
        "logStream": "444455556666_CloudTrail_eu-west-1", "subscriptionFilters": ["all"], "logEvents": events,
    })
    .to_string()
}

#[test]
fn every_shape_in_every_compression_gives_the_same_records() {
    let records = [record("GetUser"), record("DeleteTrail"), record("StopLogging")];
    let expected: Vec<_> = records.iter().map(by_value).collect();
    for (shape, wrap) in SHAPES {
        for (compression, compress) in COMPRESSIONS {
            let found = find(&compress(&wrap(&records)));
            let read: Vec<_> = found.records.into_iter().map(|(_, record)| record).collect();
            assert_eq!(read, expected, "{shape}, {compression}");
            assert_eq!(found.lines.len(), expected.len(), "{shape}, {compression}: {:?}", found.lines);
        }
    }
}

#[test]
fn offsets_say_where_a_record_stands() {
    let text = format!("{{\"Records\":[{}, {}]}}", record("A"), record("B"));
    let found = find(text.as_bytes());
    for ((offset, _), name) in found.records.iter().zip(["A", "B"]) {
        let at = usize::try_from(*offset).unwrap();
        assert!(text[at..].starts_with(&record(name).to_string()), "{name}");
    }
    let wrapped = sns(&record("C").to_string());
    assert_eq!(usize::try_from(find(wrapped.as_bytes()).records[0].0).ok(), wrapped.find("\"{\\\"").to_owned());
}

#[test]
fn notifications_name_objects() {
    let s3 = json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventTime": "1970-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "x"},
        "s3": {
            "s3SchemaVersion": "1.0", "bucket": {"name": "trail", "arn": "arn:aws:s3:::trail"},
            "object": {"key": "my+logs/AWSLogs/x%3D1.json.gz", "size": 1024, "eTag": "d41d", "versionId": "v1", "sequencer": "0"},
        },
    }]});
    let expected = ["object trail my logs/AWSLogs/x=1.json.gz d41d v1 1024"];
    check(s3.to_string(), &expected);
    check(gzip(s3.to_string().as_bytes()), &expected);
    check(sns(&s3.to_string()), &expected);
    check(json!({"Records": [{"eventSource": "aws:sqs", "body": sns(&s3.to_string())}]}).to_string(), &expected);

    let event = json!({
        "version": "0", "detail-type": "Object Created", "source": "aws.s3", "resources": ["arn:aws:s3:::trail"],
        "detail": {
            "version": "0", "bucket": {"name": "trail"}, "reason": "PutObject",
            "object": {"key": "plain+x%3D1", "size": 7, "etag": "\"d41d\"", "version-id": "v1", "sequencer": "0"},
        },
    });
    check(event.to_string(), &["object trail plain+x%3D1 d41d v1 7"]);
    check(sns(&event.to_string()), &["object trail plain+x%3D1 d41d v1 7"]);

    let notice = json!({"s3Bucket": "trail", "s3ObjectKey": ["AWSLogs/a+b.json.gz", "AWSLogs/c.json.gz"]});
    let expected = ["object trail AWSLogs/a+b.json.gz", "object trail AWSLogs/c.json.gz"];
    check(notice.to_string(), &expected);
    check(sns(&notice.to_string()), &expected);
    check(json!({"s3ObjectKey": "one", "s3Bucket": "trail"}).to_string(), &["object trail one"]);
}

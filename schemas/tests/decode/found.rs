//! What the decoder finds, as values and as lines of text.

use std::borrow::Cow;
use std::io::Write;

use serde_json::{Value, json};
use trailsight_schemas::decode::{Limits, ObjectRef, Rejection, Skip, Visitor, read};
use trailsight_schemas::record::{Identity, Record};

/// Everything found, in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) records: Vec<(u64, Record<'static>)>,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) skips: Vec<Skip>,
    pub(crate) lines: Vec<String>,
}

impl Visitor for Found {
    fn record(&mut self, offset: u64, record: &Record<'_>) {
        self.lines.push(format!("record {}", record.event_name));
        self.records.push((offset, owned(record)));
    }

    fn object(&mut self, _: u64, object: &ObjectRef<'_>) {
        let mut line = format!("object {} {}", object.bucket, object.key);
        for more in [object.etag.as_deref(), object.version.as_deref()].into_iter().flatten() {
            line = format!("{line} {more}");
        }
        self.lines.push(object.size.map_or(line.clone(), |size| format!("{line} {size}")));
    }

    fn skipped(&mut self, offset: u64, skip: Skip) {
        self.lines.push(format!("skip {offset} {}", skip.name()));
        self.skips.push(skip);
    }

    fn rejected(&mut self, rejection: Rejection) {
        self.lines.push(format!("reject {} {}", rejection.offset, rejection.reason.name()));
        self.rejections.push(rejection);
    }
}

pub(crate) fn find(bytes: &[u8]) -> Found {
    find_within(bytes, &Limits::default())
}

pub(crate) fn find_within(bytes: &[u8], limits: &Limits) -> Found {
    let mut found = Found::default();
    read(bytes, limits, &mut Vec::new(), &mut found);
    found
}

/// The one check: input in, lines out.
#[track_caller]
pub(crate) fn check(input: impl AsRef<[u8]>, lines: &[&str]) {
    let found = find(input.as_ref());
    assert_eq!(found.lines, lines, "{:#?}\n{}", found.rejections, String::from_utf8_lossy(input.as_ref()));
}

/// A record with every field that the engine reads; `name` is its `eventName`.
pub(crate) fn record(name: &str) -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:session",
            "arn": "arn:aws:sts::111122223333:assumed-role/deployer/session",
            "accountId": "111122223333",
            "userName": "deployer",
            "invokedBy": "cloudformation.amazonaws.com",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111122223333:role/deployer"},
                "webIdFederationData": {},
            },
        },
        "eventTime": "2023-07-10T12:17:46Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.13 \"quoted\" \\ ünï",
        "errorCode": "AccessDenied",
        "requestParameters": {"tags": [{"key": "}],{\"", "value": [1, 2.5e3, true, null]}]},
        "responseElements": null,
        "eventID": format!("00000000-0000-4000-8000-{:012x}", name.len()),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "444455556666",
        "eventCategory": "Management",
    })
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// What `serde_json::Value` says of a record: the slow and obvious reading.
pub(crate) fn by_value(value: &Value) -> Record<'static> {
    let text = |value: &Value| value.as_str().map(|text| Cow::Owned(text.to_owned()));
    let needed = |key: &str| text(&value[key]).unwrap_or_default();
    let identity = &value["userIdentity"];
    Record {
        event_time: trailsight_schemas::time::parse_rfc3339(&needed("eventTime")).unwrap(),
        event_id: text(&value["eventID"]),
        event_source: needed("eventSource"),
        event_name: needed("eventName"),
        aws_region: needed("awsRegion"),
        recipient_account_id: text(&value["recipientAccountId"]),
        identity: Identity {
            kind: text(&identity["type"]),
            arn: text(&identity["arn"]),
            principal_id: text(&identity["principalId"]),
            account_id: text(&identity["accountId"]),
            user_name: text(&identity["userName"]),
            invoked_by: text(&identity["invokedBy"]),
            issuer_arn: text(&identity["sessionContext"]["sessionIssuer"]["arn"]),
        },
        user_agent: text(&value["userAgent"]),
        error_code: text(&value["errorCode"]),
        event_type: text(&value["eventType"]),
        event_category: text(&value["eventCategory"]),
        read_only: value["readOnly"].as_bool(),
        management_event: value["managementEvent"].as_bool(),
    }
}

fn owned(record: &Record<'_>) -> Record<'static> {
    let cow = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    let maybe = |text: &Option<Cow<'_, str>>| text.as_ref().map(|text| Cow::Owned(text.clone().into_owned()));
    let identity = &record.identity;
    Record {
        event_time: record.event_time,
        event_id: maybe(&record.event_id),
        event_source: cow(&record.event_source),
        event_name: cow(&record.event_name),
        aws_region: cow(&record.aws_region),
        recipient_account_id: maybe(&record.recipient_account_id),
        identity: Identity {
            kind: maybe(&identity.kind),
            arn: maybe(&identity.arn),
            principal_id: maybe(&identity.principal_id),
            account_id: maybe(&identity.account_id),
            user_name: maybe(&identity.user_name),
            invoked_by: maybe(&identity.invoked_by),
            issuer_arn: maybe(&identity.issuer_arn),
        },
        user_agent: maybe(&record.user_agent),
        error_code: maybe(&record.error_code),
        event_type: maybe(&record.event_type),
        event_category: maybe(&record.event_category),
        read_only: record.read_only,
        management_event: record.management_event,
    }
}

//! CloudTrail records of our own making, and the wrappings they travel in.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use trailsight_tests::reference::{Call, Kind, stamp};

/// The account of tests that need only one.
pub(crate) const ACCOUNT: &str = "111122223333";

/// Midnight UTC of Monday, 4 March 2024, in minutes since the epoch: day 0 of all made-up traffic.
pub(crate) const DAY_0: i64 = 28_491_840;

/// One record to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    /// What the slow reference is to know of it.
    pub(crate) call: Call,
    /// Second in its minute.
    pub(crate) second: i64,
    /// Session name of an assumed role.
    pub(crate) session: String,
    /// `eventID`; two records of one id are one call.
    pub(crate) id: String,
}

impl Made {
    /// A write call of `name` by a user; `number` tells its id and second.
    pub(crate) fn write(minute: i64, source: &str, name: &str, user: &str, number: u64) -> Made {
        Made {
            call: Call {
                calls: 1,
                minute,
                account: ACCOUNT.to_owned(),
                region: "eu-west-1".to_owned(),
                source: format!("{source}.amazonaws.com"),
                name: name.to_owned(),
                kind: Kind::Write,
                error: None,
                identity: Some(format!("arn:aws:iam::{ACCOUNT}:user/{user}")),
                agent: Some("aws-cli/2.15".to_owned()),
            },
            second: (number % 60) as i64,
            session: String::new(),
            id: id(&[&minute.to_string(), source, name, user, &number.to_string()]),
        }
    }

    /// The record as CloudTrail writes it.
    pub(crate) fn json(&self) -> Value {
        let call = &self.call;
        let data = call.kind == Kind::Data;
        let mut record = json!({
            "eventVersion": "1.11", "userIdentity": self.identity(), "eventTime": stamp(call.minute, self.second),
            "eventSource": call.source, "eventName": call.name, "awsRegion": call.region,
            "sourceIPAddress": "192.0.2.7", "userAgent": call.agent,
            "requestParameters": {"name": "a \"quoted\" \\ [name]", "count": 1.5e3}, "responseElements": null,
            "requestID": id(&["request", &self.id]), "eventID": self.id, "readOnly": call.kind == Kind::Read,
            "eventType": "AwsApiCall", "managementEvent": !data, "recipientAccountId": call.account,
            "eventCategory": if data { "Data" } else { "Management" },
        });
        if let Some(code) = &call.error {
            record["errorCode"] = json!(code);
            record["errorMessage"] = json!(format!("{code}: not today"));
        }
        record
    }

    fn identity(&self) -> Value {
        let arn = self.call.identity.clone().unwrap_or_default();
        let account = &self.call.account;
        if let Some((_, role)) = arn.split_once(":assumed-role/") {
            return json!({"type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{}", self.session),
                "arn": format!("{arn}/{}", self.session), "accountId": account,
                "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE",
                    "arn": format!("arn:aws:iam::{account}:role/{role}"), "accountId": account, "userName": role},
                    "attributes": {"mfaAuthenticated": "false"}}});
        }
        if arn.ends_with(":root") {
            return json!({"type": "Root", "principalId": account, "arn": arn, "accountId": account});
        }
        let user = arn.rsplit_once('/').map_or("", |(_, user)| user);
        json!({"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": arn, "accountId": account, "userName": user})
    }
}

/// A UUID that depends on these words alone.
pub(crate) fn id(words: &[&str]) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, words.join("\u{1f}").as_bytes()).to_string()
}

/// How records are put into one file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Envelope {
    /// `{"Records":[…]}`, as CloudTrail delivers.
    Delivered,
    /// One a line.
    Lines,
    /// A JSON array.
    Array,
    /// One EventBridge event a line.
    EventBridge,
    /// A CloudWatch Logs subscription payload, inflated.
    LogEvents,
    /// The same in base64 and gzip, as Lambda gets it.
    LogData,
}

/// Every envelope there is.
pub(crate) const ENVELOPES: [Envelope; 6] = [
    Envelope::Delivered,
    Envelope::Lines,
    Envelope::Array,
    Envelope::EventBridge,
    Envelope::LogEvents,
    Envelope::LogData,
];

/// Records in one envelope.
pub(crate) fn wrapped(envelope: Envelope, records: &[Value]) -> Vec<u8> {
    let lines = |each: &mut dyn Iterator<Item = Value>| {
        each.map(|value| value.to_string()).collect::<Vec<_>>().join("\n").into_bytes()
    };
    match envelope {
        Envelope::Delivered => json!({"Records": records}).to_string().into_bytes(),
        Envelope::Lines => lines(&mut records.iter().cloned()),
        Envelope::Array => Value::from(records).to_string().into_bytes(),
        Envelope::EventBridge => lines(&mut records.iter().map(|record| {
            json!({"version": "0", "id": id(&["event", &record["eventID"].to_string()]),
                "detail-type": "AWS API Call via CloudTrail", "source": "aws.example", "account": ACCOUNT,
                "time": record["eventTime"], "region": record["awsRegion"], "resources": [], "detail": record})
        })),
        Envelope::LogEvents => log_events(records),
        Envelope::LogData => {
            let data = STANDARD.encode(gzip(&log_events(records)));
            json!({"awslogs": {"data": data}}).to_string().into_bytes()
        }
    }
}

fn log_events(records: &[Value]) -> Vec<u8> {
    let events: Vec<Value> = records
        .iter()
        .enumerate()
        .map(|(index, record)| json!({"id": index.to_string(), "timestamp": 0, "message": record.to_string()}))
        .collect();
    json!({"messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": "trail", "logStream": "a_CloudTrail_eu-west-1",
        "subscriptionFilters": ["all"], "logEvents": events})
    .to_string()
    .into_bytes()
}

/// One gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// How a file is packed: name ending and bytes. `which` picks: plain, gzip, gzip in two members, zstd, and
/// gzip under a name that says nothing.
pub(crate) fn packed(which: u64, bytes: &[u8]) -> (&'static str, Vec<u8>) {
    match which % 5 {
        0 => ("json", bytes.to_vec()),
        1 => ("json.gz", gzip(bytes)),
        2 => {
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            ("json.gz", [gzip(head), gzip(tail)].concat())
        }
        3 => ("json.zst", zstd::encode_all(bytes, 1).expect("writing to memory")),
        _ => ("log", gzip(bytes)),
    }
}

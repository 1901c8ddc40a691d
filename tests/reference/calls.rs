//! Records to calls: one `serde_json::Value` each, looked at field by field.

use std::collections::HashSet;

use serde_json::{Deserializer, Value};

use super::time::minute_of;

/// Which calls these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A management event that changes something.
    Write,
    /// A management event that only reads.
    Read,
    /// A data event.
    Data,
}

/// One record, as far as figures need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// How many calls these are: 1 for a record, more for a row of a counts table.
    pub calls: u64,
    /// Minute of `eventTime` since the epoch.
    pub minute: i64,
    /// `recipientAccountId`, else the caller's.
    pub account: String,
    /// `awsRegion`.
    pub region: String,
    /// `eventSource`.
    pub source: String,
    /// `eventName`.
    pub name: String,
    /// Write, read or data.
    pub kind: Kind,
    /// `errorCode`.
    pub error: Option<String>,
    /// Who called, session name stripped; `None` where the record has no ARN.
    pub identity: Option<String>,
    /// `userAgent`.
    pub agent: Option<String>,
}

/// All records of some files, each once.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    /// In the order in which they were read.
    pub calls: Vec<Call>,
    /// Records that were seen before, by `eventID`.
    pub duplicates: usize,
    seen: HashSet<String>,
}

impl Calls {
    /// Adds every record of an inflated file: `{"Records":[…]}`, an array, one record, or one a line.
    ///
    /// # Panics
    /// On anything else: the reference reads fixtures, which are well-formed.
    pub fn add(&mut self, text: &[u8]) {
        for value in Deserializer::from_slice(text).into_iter::<Value>() {
            self.add_value(&value.expect("a fixture holds JSON"));
        }
    }

    fn add_value(&mut self, value: &Value) {
        if let Some(list) = value.as_array().or_else(|| value["Records"].as_array()) {
            list.iter().for_each(|each| self.add_value(each));
        } else if let Some(detail) = value.get("detail") {
            self.add_value(detail);
        } else if value["eventType"] != "AwsCloudTrailInsight" {
            self.add_record(value);
        }
    }

    fn add_record(&mut self, record: &Value) {
        if let Some(id) = record["eventID"].as_str()
            && !self.seen.insert(id.to_owned())
        {
            self.duplicates += 1;
            return;
        }
        self.calls.push(call(record).expect("a fixture's record has a time, a source and a name"));
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn call(record: &Value) -> Option<Call> {
    let identity = &record["userIdentity"];
    Some(Call {
        calls: 1,
        minute: minute_of(record["eventTime"].as_str()?)?,
        account: text(&record["recipientAccountId"]).or_else(|| text(&identity["accountId"]))?,
        region: text(&record["awsRegion"])?,
        source: text(&record["eventSource"])?,
        name: text(&record["eventName"])?,
        kind: kind(record),
        error: text(&record["errorCode"]),
        identity: identity["arn"].as_str().map(without_session),
        agent: text(&record["userAgent"]),
    })
}

fn kind(record: &Value) -> Kind {
    if record["eventCategory"] == "Data" || record["managementEvent"] == false {
        return Kind::Data;
    }
    let name = record["eventName"].as_str().unwrap_or_default();
    let by_name = ["Get", "List", "Describe", "Lookup", "Head"].iter().any(|verb| name.starts_with(verb));
    if record["readOnly"].as_bool().unwrap_or(by_name) { Kind::Read } else { Kind::Write }
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` loses `/SESSION`; every other ARN is as it is.
fn without_session(arn: &str) -> String {
    match arn.split_once(":assumed-role/") {
        Some((head, rest)) => {
            let role = rest.rsplit_once('/').map_or(rest, |(role, _session)| role);
            format!("{head}:assumed-role/{role}")
        }
        None => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Calls, Kind, without_session};

    #[test]
    fn every_wrapping_gives_the_same_calls_and_each_record_counts_once() {
        let record = r#"{"eventTime":"2026-03-02T00:01:30Z","eventID":"a","eventSource":"iam.amazonaws.com",
            "eventName":"CreateUser","awsRegion":"us-east-1","recipientAccountId":"111122223333",
            "userIdentity":{"arn":"arn:aws:iam::111122223333:user/ann"},"readOnly":false}"#;
        for wrapped in [
            record.to_owned(),
            format!("{record}\n{record}"),
            format!("[{record}]"),
            format!(r#"{{"Records":[{record}]}}"#),
            format!(r#"{{"detail-type":"AWS API Call via CloudTrail","detail":{record}}}"#),
        ] {
            let mut calls = Calls::default();
            calls.add(wrapped.as_bytes());
            assert_eq!(calls.calls.len(), 1, "{wrapped}");
            assert_eq!(calls.calls[0].kind, Kind::Write);
            assert_eq!(calls.calls[0].identity.as_deref(), Some("arn:aws:iam::111122223333:user/ann"));
        }
    }

    #[test]
    fn the_session_name_goes_and_the_path_of_a_role_stays() {
        assert_eq!(without_session("arn:aws:sts::1:assumed-role/Admin/ann"), "arn:aws:sts::1:assumed-role/Admin");
        assert_eq!(without_session("arn:aws:iam::1:user/x/y"), "arn:aws:iam::1:user/x/y");
    }
}

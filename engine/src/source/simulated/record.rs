//! Writes one CloudTrail record of event version 1.11.

use std::io::Write;

use trailsight_schemas::time::{Minute, format_rfc3339};

use super::caller::Caller;
use super::catalog::Api;
use super::random::Dice;

/// One call that was made.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) api: &'a Api,
    /// Second within the minute.
    pub(super) second: u8,
    /// `errorCode` and `errorMessage`; an empty message is left out, as some services do.
    pub(super) error: Option<(&'a str, &'a str)>,
    /// Decides the ids and the names of what was called upon; unique to the call.
    pub(super) dice: Dice,
}

/// The texts that all records of one minute share.
pub(super) struct Stamp {
    /// `eventTime` up to the seconds.
    minute: String,
    /// When the sessions of this hour began.
    hour: String,
}

impl Stamp {
    pub(super) fn of(minute: Minute) -> Stamp {
        let mut text = format_rfc3339(minute.seconds());
        text.truncate(text.len() - ":00Z".len());
        Stamp { minute: text, hour: format_rfc3339(minute.seconds() / 3600 * 3600) }
    }
}

impl Call<'_> {
    /// Appends the record and a line feed. Every text that goes in is our own and free of quotes.
    pub(super) fn write(&self, stamp: &Stamp, out: &mut Vec<u8>) {
        // Writing to a vector does not fail.
        let _ = self.fields(stamp, out);
        out.push(b'\n');
    }

    fn fields(&self, stamp: &Stamp, out: &mut Vec<u8>) -> std::io::Result<()> {
        let mut dice = self.dice.clone();
        let Call { caller, api, second, .. } = self;
        let console = api.service == "signin";
        write!(out, r#"{{"eventVersion":"1.11","userIdentity":{}"#, caller.identity.0)?;
        if !caller.identity.1.is_empty() {
            write!(out, "{}{}", stamp.hour, caller.identity.1)?;
        }
        let region = if api.is_global() { "us-east-1" } else { caller.region };
        write!(
            out,
            r#","eventTime":"{}:{second:02}Z","eventSource":"{}.amazonaws.com","eventName":"{}","awsRegion":"{region}","sourceIPAddress":"{}","userAgent":"{}""#,
            stamp.minute, api.service, api.name, caller.address, caller.agent
        )?;
        if let Some((code, message)) = self.error {
            write!(out, r#","errorCode":"{code}""#)?;
            if !message.is_empty() {
                write!(out, r#","errorMessage":"{message}""#)?;
            }
        }
        out.extend_from_slice(br#","requestParameters":"#);
        request_parameters(api, caller.region, &mut dice, out)?;
        let response = if console { r#"{"ConsoleLogin":"Success"}"# } else { "null" };
        let (request_id, event_id) = (uuid(&mut dice), uuid(&mut dice));
        let event_type = if console { "AwsConsoleSignIn" } else { caller.event_type };
        write!(
            out,
            r#","responseElements":{response},"requestID":"{}","eventID":"{}","readOnly":{},"eventType":"{event_type}","managementEvent":true,"recipientAccountId":"{}","eventCategory":"Management""#,
            request_id.hyphenated(),
            event_id.hyphenated(),
            api.read_only,
            caller.account
        )?;
        if caller.agent.contains('/') {
            write!(
                out,
                r#","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{}.{region}.amazonaws.com"}}"#,
                api.service
            )?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn request_parameters(api: &Api, region: &str, dice: &mut Dice, out: &mut Vec<u8>) -> std::io::Result<()> {
    let lists = ["List", "Describe"].iter().any(|verb| api.name.starts_with(verb));
    if lists && dice.chance(0.3) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    let id = dice.bits();
    match api.service {
        "ec2" if api.name == "RunInstances" => {
            let kind = ["m7g.large", "c7i.xlarge", "p4d.24xlarge"][dice.below(3) as usize];
            write!(
                out,
                r#"{{"instancesSet":{{"items":[{{"imageId":"ami-{id:016x}","minCount":1,"maxCount":1}}]}},"instanceType":"{kind}","monitoring":{{"enabled":false}},"disableApiTermination":false}}"#
            )
        }
        "ec2" if api.name.ends_with("Snapshot") => write!(out, r#"{{"snapshotId":"snap-{id:016x}","force":false}}"#),
        "ec2" => write!(out, r#"{{"maxResults":100,"filterSet":{{}},"resourceId":"i-{id:016x}"}}"#),
        "iam" => write!(out, r#"{{"roleName":"service-{:03}"}}"#, id % 200),
        "sts" => {
            write!(
                out,
                r#"{{"roleArn":"arn:aws:iam::111122223333:role/service-{:03}","roleSessionName":"session-{id:08x}","durationSeconds":3600}}"#,
                id % 40
            )
        }
        "s3" => write!(out, r#"{{"bucketName":"example-{:02}","Host":"s3.{region}.amazonaws.com"}}"#, id % 60),
        "kms" => write!(
            out,
            r#"{{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:{region}:111122223333:alias/data-{:02}"}}"#,
            id % 12
        ),
        "secretsmanager" => write!(out, r#"{{"secretId":"service/{:03}/password"}}"#, id % 90),
        "logs" => write!(out, r#"{{"logGroupName":"/aws/lambda/service-{:03}","logStreamName":"{id:016x}"}}"#, id % 80),
        _ if lists => out.write_all(br#"{"maxResults":50}"#),
        _ => write!(out, r#"{{"resource":"service-{:03}"}}"#, id % 150),
    }
}

/// A random (version 4) UUID.
fn uuid(dice: &mut Dice) -> uuid::Uuid {
    let bits = (u128::from(dice.bits()) << 64) | u128::from(dice.bits());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

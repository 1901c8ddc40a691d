//! Who makes a call, as `userIdentity`, `userAgent` and `sourceIPAddress` say it.

use super::random::Dice;

/// What kind of principal.
#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// A role, assumed under a session name.
    Role(String, String),
    /// An IAM user.
    User(String),
    /// The account's root user.
    Root,
    /// A service acting for itself, for instance `autoscaling.amazonaws.com`; it has no ARN.
    Service(&'static str),
    /// What `AwsServiceEvent` records carry: neither type nor ARN.
    Internal,
}

/// A principal in an account, with its figures rendered once.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: &'static str,
    pub(super) region: &'static str,
    /// `userIdentity` up to the session's creation date and from there on; the latter is empty where there
    /// is no session.
    pub(super) identity: (String, String),
    /// The identity as Insights attribute it: session name dropped, empty without an ARN.
    pub(super) arn: String,
    pub(super) agent: String,
    pub(super) address: String,
    pub(super) event_type: &'static str,
}

impl Caller {
    /// Renders a principal; `agent` and the address are replaced by the service's name where a service calls.
    pub(super) fn new(principal: &Principal, account: &'static str, region: &'static str, agent: &str) -> Caller {
        let mut dice = Dice::of(&[hash(account), hash(&format!("{principal:?}"))]);
        let (identity, arn) = render(principal, account, &mut dice);
        let (agent, address) = match principal {
            Principal::Service(name) => ((*name).to_string(), (*name).to_string()),
            Principal::Internal => ("AWS Internal".to_string(), "AWS Internal".to_string()),
            // 198.51.100.0/24 and 203.0.113.0/24 are reserved for documentation (RFC 5737).
            _ => (
                agent.to_string(),
                format!("{}.{}", ["198.51.100", "203.0.113"][dice.below(2) as usize], 1 + dice.below(254)),
            ),
        };
        let event_type = if matches!(principal, Principal::Internal) { "AwsServiceEvent" } else { "AwsApiCall" };
        Caller { account, region, identity, arn, agent, address, event_type }
    }
}

fn render(principal: &Principal, account: &str, dice: &mut Dice) -> ((String, String), String) {
    match principal {
        Principal::Role(role, session) => {
            let id = unique_id("AROA", dice);
            let key = unique_id("ASIA", dice);
            let before = format!(
                r#"{{"type":"AssumedRole","principalId":"{id}:{session}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{session}","accountId":"{account}","accessKeyId":"{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{id}","arn":"arn:aws:iam::{account}:role/{role}","accountId":"{account}","userName":"{role}"}},"attributes":{{"creationDate":""#
            );
            (
                (before, r#"","mfaAuthenticated":"false"}}}"#.to_string()),
                format!("arn:aws:sts::{account}:assumed-role/{role}"),
            )
        }
        Principal::User(name) => {
            let (id, key) = (unique_id("AIDA", dice), unique_id("AKIA", dice));
            let arn = format!("arn:aws:iam::{account}:user/{name}");
            let whole = format!(
                r#"{{"type":"IAMUser","principalId":"{id}","arn":"{arn}","accountId":"{account}","accessKeyId":"{key}","userName":"{name}"}}"#
            );
            ((whole, String::new()), arn)
        }
        Principal::Root => {
            let arn = format!("arn:aws:iam::{account}:root");
            let whole = format!(
                r#"{{"type":"Root","principalId":"{account}","arn":"{arn}","accountId":"{account}","accessKeyId":""}}"#
            );
            ((whole, String::new()), arn)
        }
        Principal::Service(name) => {
            ((format!(r#"{{"type":"AWSService","invokedBy":"{name}"}}"#), String::new()), String::new())
        }
        Principal::Internal => {
            ((format!(r#"{{"accountId":"{account}","invokedBy":"AWS Internal"}}"#), String::new()), String::new())
        }
    }
}

/// An identifier of IAM's form: four letters of kind and seventeen more.
fn unique_id(kind: &str, dice: &mut Dice) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut id = kind.to_string();
    id.extend((0..17).map(|_| char::from(ALPHABET[dice.below(32) as usize])));
    id
}

/// FNV-1a; it only has to tell names apart the same way everywhere.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

//! Which records are counted, and as what.
//!
//! | `eventCategory` | `managementEvent` | counted as |
//! |---|---|---|
//! | `Management` | any | management |
//! | `Data` | any | data, where the event source is listed in `detection.data_events`; else not analysed |
//! | any other | any | not analysed |
//! | absent (before version 1.07) | `false` | data, as above |
//! | absent | `true` or absent (before version 1.06) | management |
//!
//! Calls of every event type count, console sign-ins and service events (which carry no `userIdentity.type`)
//! too: whether AWS counts those is not documented, and leaving them out would hide a password-guessing run.
//!
//! Management events are reads or writes by `readOnly`. Records of version 1.05 and before often lack it; then
//! the name decides, see [`is_read`].

use trailsight_schemas::entry::Class;

/// First words of the names of reading APIs. The source of truth is `readOnly` of the records that have it:
/// measured over a public data set of 2,900 records of 262 APIs, all of which carry it, the words and
/// [`READS`] together agree with every one of them.
const READ_VERBS: [&str; 12] = [
    "Get",
    "List",
    "Describe",
    "BatchGet",
    "BatchDescribe",
    "Lookup",
    "Search",
    "Query",
    "Scan",
    "Select",
    "Head",
    "View",
];

/// APIs that CloudTrail records with `readOnly: true` though their names do not begin like it. KMS's by the
/// CloudTrail user guide ("logging management events"), STS's by the same data set.
const READS: [(&str, &[&str]); 2] = [
    (
        "kms.amazonaws.com",
        &[
            "Decrypt",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
            "GenerateDataKeyWithoutPlaintext",
            "GenerateMac",
            "GenerateRandom",
            "ReEncrypt",
            "Sign",
            "Verify",
            "VerifyMac",
        ],
    ),
    ("sts.amazonaws.com", &["AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"]),
];

/// What decides the class of a record or row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind<'a> {
    /// `eventCategory`.
    pub(super) category: Option<&'a str>,
    /// `managementEvent`.
    pub(super) management: Option<bool>,
    /// `readOnly`.
    pub(super) read_only: Option<bool>,
    /// `eventSource`.
    pub(super) source: &'a str,
    /// `eventName`.
    pub(super) name: &'a str,
}

/// What a call counts as; `None` when it is not analysed.
pub(super) fn class(kind: Kind<'_>, data_events: &[String]) -> Option<Class> {
    let is_management = match kind.category.filter(|category| !category.is_empty()) {
        Some("Management") => true,
        Some("Data") => false,
        Some(_) => return None,
        None => kind.management != Some(false),
    };
    if !is_management {
        return data_events.iter().any(|source| source == kind.source).then_some(Class::Data);
    }
    let is_read = kind.read_only.unwrap_or_else(|| is_read(kind.source, kind.name));
    Some(if is_read { Class::ManagementRead } else { Class::ManagementWrite })
}

/// Whether an API reads, by its name alone: its first word is one of [`READ_VERBS`], or it is one of [`READS`].
fn is_read(source: &str, name: &str) -> bool {
    let verb = |verb: &&str| {
        name.strip_prefix(*verb).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_lowercase()))
    };
    READ_VERBS.iter().any(verb) || READS.iter().any(|(reader, names)| *reader == source && names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(category: Option<&str>, management: Option<bool>, read_only: Option<bool>, expected: Option<Class>) {
        let kind = Kind { category, management, read_only, source: "s3.amazonaws.com", name: "PutObject" };
        assert_eq!(class(kind, &["s3.amazonaws.com".to_owned()]), expected, "{kind:?}");
    }

    #[test]
    fn categories() {
        use Class::{Data, ManagementRead, ManagementWrite};
        check(Some("Management"), Some(true), Some(false), Some(ManagementWrite));
        check(Some("Management"), None, Some(true), Some(ManagementRead));
        check(Some("Management"), None, None, Some(ManagementWrite));
        check(Some("Management"), Some(false), Some(false), Some(ManagementWrite));
        check(Some("Data"), None, Some(true), Some(Data));
        check(Some("Data"), None, Some(false), Some(Data));
        check(None, Some(false), None, Some(Data));
        check(None, Some(true), None, Some(ManagementWrite));
        check(None, None, Some(true), Some(ManagementRead));
        check(Some(""), None, Some(true), Some(ManagementRead));
        for category in ["NetworkActivity", "Insight", "Aggregated", "management", "New"] {
            check(Some(category), Some(true), Some(false), None);
        }
    }

    #[test]
    fn data_events_only_of_the_sources_asked_for() {
        let kind = Kind {
            category: Some("Data"),
            management: None,
            read_only: None,
            source: "lambda.amazonaws.com",
            name: "Invoke",
        };
        assert_eq!(class(kind, &[]), None);
        assert_eq!(class(kind, &["s3.amazonaws.com".into()]), None);
        assert_eq!(class(kind, &["s3.amazonaws.com".into(), "lambda.amazonaws.com".into()]), Some(Class::Data));
    }

    #[test]
    fn names_decide_where_read_only_is_missing() {
        for (source, name, expected) in [
            ("ec2", "DescribeInstances", true),
            ("iam", "GetUser", true),
            ("s3", "ListBuckets", true),
            ("s3", "HeadBucket", true),
            ("ecr", "BatchGetImage", true),
            ("cloudtrail", "LookupEvents", true),
            ("signin", "ConsoleLogin", false),
            ("signin", "CheckMfa", false),
            ("ec2", "RunInstances", false),
            ("x", "Getaway", false),
            ("x", "get", false),
            ("kms.amazonaws.com", "Decrypt", true),
            ("kms.amazonaws.com", "CreateKey", false),
            ("ec2", "Decrypt", false),
            ("sts.amazonaws.com", "AssumeRole", true),
        ] {
            assert_eq!(is_read(source, name), expected, "{source} {name}");
        }
    }
}

//! Who called: one string for the attribution of a record.
//!
//! AWS's Insights name roles without the role session name, so that a thousand sessions of one role are one
//! caller. What AWS says where a record has no ARN is not documented; here the first of these that is not
//! empty counts:
//!
//! | field | for instance |
//! |---|---|
//! | `userIdentity.arn`, without the session name | `arn:aws:sts::111122223333:assumed-role/Admin` |
//! | `userIdentity.sessionContext.sessionIssuer.arn` | `arn:aws:iam::111122223333:role/Admin` |
//! | `userIdentity.invokedBy` | `rds.amazonaws.com`, `AWS Internal` |
//! | `userIdentity.principalId`, without the session name | `AROAEXAMPLE`, `AIDAEXAMPLE` |
//! | `userIdentity.userName` | |
//! | `userIdentity.accountId` | `ANONYMOUS_PRINCIPAL` |
//! | `userIdentity.type` | `Unknown` |
//! | nothing | `null`, as AWS writes a missing error code |
//!
//! A federated user (`arn:aws:sts::111122223333:federated-user/Bob`) keeps the name: it is all there is to say
//! who it was.

use trailsight_schemas::record::Identity;

/// What AWS writes where there is no value: a string.
pub(super) const NULL: &str = "null";

/// The caller of a record. Total: every record has one, and never an empty one.
pub(super) fn caller<'r>(identity: &'r Identity<'_>) -> &'r str {
    let fields = [
        &identity.arn,
        &identity.issuer_arn,
        &identity.invoked_by,
        &identity.principal_id,
        &identity.user_name,
        &identity.account_id,
        &identity.kind,
    ];
    let first = fields.into_iter().flatten().find(|text| !text.is_empty());
    first.map_or(NULL, |text| without_session(text))
}

/// Drops the role session name from an assumed role's ARN or principal id; everything else stays as it is.
pub(super) fn without_session(principal: &str) -> &str {
    if let Some(resource) = principal.find(":assumed-role/") {
        let role = resource + ":assumed-role/".len();
        return match principal[role..].find('/') {
            Some(session) if principal.starts_with("arn:") => &principal[..role + session],
            _ => principal,
        };
    }
    // The unique id of a role begins with AROA, and the session name follows a colon.
    match principal.split_once(':') {
        Some((role, _)) if role.starts_with("AROA") => role,
        _ => principal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_are_dropped() {
        for (principal, expected) in [
            (
                "arn:aws:sts::111122223333:assumed-role/Admin/jane@example.com",
                "arn:aws:sts::111122223333:assumed-role/Admin",
            ),
            ("arn:aws-cn:sts::111122223333:assumed-role/Admin/a/b", "arn:aws-cn:sts::111122223333:assumed-role/Admin"),
            ("arn:aws:sts::111122223333:assumed-role/Admin", "arn:aws:sts::111122223333:assumed-role/Admin"),
            ("arn:aws:sts::111122223333:federated-user/Bob", "arn:aws:sts::111122223333:federated-user/Bob"),
            ("arn:aws:iam::111122223333:user/path/to/Bob", "arn:aws:iam::111122223333:user/path/to/Bob"),
            ("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
            ("AROAEXAMPLE:i-0123456789", "AROAEXAMPLE"),
            ("111122223333:Bob", "111122223333:Bob"),
            ("x:assumed-role/Admin/session", "x:assumed-role/Admin/session"),
            ("", ""),
        ] {
            assert_eq!(without_session(principal), expected, "{principal}");
        }
    }

    #[test]
    fn the_first_field_that_says_something_wins() {
        let mut identity = Identity {
            kind: Some("AssumedRole".into()),
            arn: Some("arn:aws:sts::1:assumed-role/R/s".into()),
            principal_id: Some("AROAX:s".into()),
            account_id: Some("1".into()),
            user_name: Some("bob".into()),
            invoked_by: Some("ec2.amazonaws.com".into()),
            issuer_arn: Some("arn:aws:iam::1:role/R".into()),
        };
        let mut seen = vec![caller(&identity).to_owned()];
        let clears: [fn(&mut Identity<'_>); 7] = [
            |identity| identity.arn = Some("".into()),
            |identity| identity.issuer_arn = None,
            |identity| identity.invoked_by = None,
            |identity| identity.principal_id = None,
            |identity| identity.user_name = None,
            |identity| identity.account_id = None,
            |identity| identity.kind = None,
        ];
        for clear in clears {
            clear(&mut identity);
            seen.push(caller(&identity).to_owned());
        }
        assert_eq!(
            seen,
            [
                "arn:aws:sts::1:assumed-role/R",
                "arn:aws:iam::1:role/R",
                "ec2.amazonaws.com",
                "AROAX",
                "bob",
                "1",
                "AssumedRole",
                "null"
            ]
        );
    }
}

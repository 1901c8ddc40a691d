//! Keys of the objects that CloudTrail writes to S3, and names of files copied from there.
//!
//! ```text
//! [prefix/]AWSLogs/[o-ID/]ACCOUNT/KIND/REGION/YYYY/MM/DD/ACCOUNT_KIND_REGION_YYYYMMDDTHHmmZ_UNIQUE.json.gz
//! ```
//!
//! The prefix may itself be an organization's id. The time is that of delivery. Digests name a trail and its
//! home Region between Region and time, and give the time with seconds. The Region is the one that delivered,
//! which is not always the one that a record happened in.

use std::borrow::Cow;

use crate::decode::Skip;
use crate::time::parse_rfc3339;

/// What an object holds, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Management and data events.
    CloudTrail,
    /// Insights events.
    Insight,
    /// Digests of log-file validation.
    Digest,
    /// Network activity events.
    NetworkActivity,
    /// Aggregated data events.
    Aggregated,
    /// A kind that AWS added since.
    Other,
}

impl Kind {
    fn of(name: &str) -> Option<Kind> {
        Some(match name {
            "CloudTrail" => Kind::CloudTrail,
            "CloudTrail-Insight" => Kind::Insight,
            "CloudTrail-Digest" => Kind::Digest,
            "CloudTrail-NetworkActivity" => Kind::NetworkActivity,
            "CloudTrail-Aggregated" => Kind::Aggregated,
            _ if name.starts_with("CloudTrail-") => Kind::Other,
            _ => return None,
        })
    }
}

/// What a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKey<'a> {
    /// What stands before `AWSLogs/`, without the slash between them; or all directories before a bare file name.
    pub prefix: &'a str,
    /// Organization id, for instance `o-exampleorgid`.
    pub organization: Option<&'a str>,
    /// Account id: the recipient's.
    pub account: &'a str,
    /// What the object holds.
    pub kind: Kind,
    /// Region that delivered it.
    pub region: &'a str,
    /// Time of delivery, seconds since the epoch.
    pub delivered: Option<i64>,
}

impl<'a> ObjectKey<'a> {
    /// Reads a decoded key, or the path of a file that has kept its name. `None`: not one of CloudTrail's.
    pub fn parse(key: &'a str) -> Option<ObjectKey<'a>> {
        ObjectKey::from_path(key).or_else(|| ObjectKey::from_name(key))
    }

    fn from_path(key: &'a str) -> Option<ObjectKey<'a>> {
        // The last one, since a prefix may hold the word too.
        let (prefix, rest) = match key.rfind("/AWSLogs/") {
            Some(at) => (&key[..at], &key[at + "/AWSLogs/".len()..]),
            None => ("", key.strip_prefix("AWSLogs/")?),
        };
        let mut parts = rest.split('/');
        let mut account = parts.next()?;
        let organization = account.starts_with("o-").then_some(account);
        if organization.is_some() {
            account = parts.next()?;
        }
        let kind = Kind::of(parts.next()?)?;
        let region = parts.next()?;
        let delivered = rest.rsplit('/').next().and_then(delivered);
        (!account.is_empty() && !region.is_empty()).then_some(ObjectKey {
            prefix,
            organization,
            account,
            kind,
            region,
            delivered,
        })
    }

    fn from_name(path: &'a str) -> Option<ObjectKey<'a>> {
        let (prefix, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parts = name.split('_');
        let account = parts.next()?;
        let kind = Kind::of(parts.next()?)?;
        let region = parts.next()?;
        let delivered = Some(delivered(name)?);
        (!account.is_empty()).then_some(ObjectKey { prefix, organization: None, account, kind, region, delivered })
    }

    /// Why the object is to be passed over without being fetched; `None` when it is to be read. An unknown key
    /// is read: what it holds is sniffed.
    pub fn skip(key: &str) -> Option<Skip> {
        if key.ends_with('/') {
            return Some(Skip::Empty);
        }
        match ObjectKey::parse(key)?.kind {
            Kind::CloudTrail => None,
            Kind::Insight => Some(Skip::Insight),
            Kind::Digest => Some(Skip::Digest),
            Kind::NetworkActivity => Some(Skip::NetworkActivity),
            Kind::Aggregated => Some(Skip::Aggregated),
            Kind::Other => Some(Skip::OtherEvent),
        }
    }
}

/// The time in a file name: the last part that has the form `YYYYMMDDTHHmmZ` or `YYYYMMDDTHHmmssZ`.
fn delivered(name: &str) -> Option<i64> {
    let stem = name.split('.').next()?;
    stem.rsplit('_').find_map(instant)
}

fn instant(part: &str) -> Option<i64> {
    if !part.is_ascii() || !matches!(part.len(), 14 | 16) || part.as_bytes()[8] != b'T' || !part.ends_with('Z') {
        return None;
    }
    let seconds = if part.len() == 16 { &part[13..15] } else { "00" };
    let (date, clock) = (&part[..8], &part[9..13]);
    parse_rfc3339(&format!("{}-{}-{}T{}:{}:{seconds}Z", &date[..4], &date[4..6], &date[6..], &clock[..2], &clock[2..]))
}

/// Undoes the form-URL-encoding that S3 notifications give to keys: `+` is a space, `%XX` a byte. `None` when
/// a percent sign is followed by anything else, or the bytes are not UTF-8.
pub fn url_decode(key: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if !key.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Some(key);
    }
    let mut decoded = Vec::with_capacity(key.len());
    let mut bytes = key.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "2023/07/10/111122223333_CloudTrail_eu-west-1_20230710T1205Z_abcdEFGH01234567.json.gz";

    fn check(key: &str, expected: Option<(&str, Option<&str>, &str, Kind, &str, Option<&str>)>) {
        let read = ObjectKey::parse(key)
            .map(|key| (key.prefix, key.organization, key.account, key.kind, key.region, key.delivered));
        let expected = expected.map(|(prefix, organization, account, kind, region, delivered)| {
            (prefix, organization, account, kind, region, delivered.and_then(parse_rfc3339))
        });
        assert_eq!(read, expected, "{key}");
    }

    #[test]
    fn layouts() {
        let (account, region, time) = ("111122223333", "eu-west-1", Some("2023-07-10T12:05:00Z"));
        let trail = |prefix, organization| Some((prefix, organization, account, Kind::CloudTrail, region, time));
        check(&format!("AWSLogs/{account}/CloudTrail/{region}/{NAME}"), trail("", None));
        check(&format!("a/b c/AWSLogs/{account}/CloudTrail/{region}/{NAME}"), trail("a/b c", None));
        check(&format!("AWSLogs/o-x1/{account}/CloudTrail/{region}/{NAME}"), trail("", Some("o-x1")));
        check(&format!("o-x1/AWSLogs/o-x1/{account}/CloudTrail/{region}/{NAME}"), trail("o-x1", Some("o-x1")));
        check(&format!("o-x1/AWSLogs/{account}/CloudTrail/{region}/{NAME}"), trail("o-x1", None));
        check(&format!("x/AWSLogs/y/AWSLogs/{account}/CloudTrail/{region}/{NAME}"), trail("x/AWSLogs/y", None));
        check(NAME, trail("2023/07/10", None));
        check("111122223333_CloudTrail_eu-west-1_20230710T1205Z_x.json", trail("", None));
    }

    #[test]
    fn kinds_and_what_is_passed_over() {
        for (kind, expected, skip) in [
            ("CloudTrail", Kind::CloudTrail, None),
            ("CloudTrail-Insight", Kind::Insight, Some(Skip::Insight)),
            ("CloudTrail-Digest", Kind::Digest, Some(Skip::Digest)),
            ("CloudTrail-NetworkActivity", Kind::NetworkActivity, Some(Skip::NetworkActivity)),
            ("CloudTrail-Aggregated", Kind::Aggregated, Some(Skip::Aggregated)),
            ("CloudTrail-Tomorrow", Kind::Other, Some(Skip::OtherEvent)),
        ] {
            for key in [
                format!("AWSLogs/1/{kind}/eu-west-1/2023/07/10/1_{kind}_eu-west-1_20230710T1205Z_x.json.gz"),
                format!("copied/1_{kind}_eu-west-1_20230710T1205Z_x.json.gz"),
            ] {
                assert_eq!(ObjectKey::parse(&key).map(|key| key.kind), Some(expected), "{key}");
                assert_eq!(ObjectKey::skip(&key), skip, "{key}");
            }
        }
        let digest = "AWSLogs/1/CloudTrail-Digest/eu-west-1/2023/07/10/\
                      1_CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20230710T120530Z_backfill.json.gz";
        check(digest, Some(("", None, "1", Kind::Digest, "eu-west-1", Some("2023-07-10T12:05:30Z"))));
        assert_eq!(ObjectKey::skip("AWSLogs/1/CloudTrail/"), Some(Skip::Empty));
    }

    #[test]
    fn what_is_not_cloudtrails_is_read_and_sniffed() {
        for key in
            ["", "x", "my/own/export.ndjson", "AWSLogs/1/elasticloadbalancing/eu-west-1/x.log.gz", "_CloudTrail_"]
        {
            assert_eq!(ObjectKey::parse(key), None, "{key}");
            assert_eq!(ObjectKey::skip(key), None, "{key}");
        }
    }

    #[test]
    fn keys_of_notifications_are_decoded() {
        for (encoded, decoded) in [
            ("AWSLogs/1/x.json.gz", Some("AWSLogs/1/x.json.gz")),
            ("my+prefix/a%2Bb%3D%C3%A4", Some("my prefix/a+b=ä")),
            ("100%25", Some("100%")),
            ("100%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(url_decode(encoded.into()).as_deref(), decoded, "{encoded}");
        }
    }
}

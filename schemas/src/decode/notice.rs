//! Notifications that name objects: S3's own in two spellings, and CloudTrail's.

use std::borrow::Cow;

use serde::Deserialize;

use crate::object_key;

use super::envelope::{Key, Members};
use super::walk::Walk;
use super::{ObjectRef, Reason, Skip};

/// `s3` of a notification record, and `detail` of an EventBridge event: the two differ in three names.
#[derive(Deserialize)]
struct S3<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    size: Option<u64>,
    #[serde(borrow, alias = "eTag")]
    etag: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "versionId", rename = "version-id")]
    version: Option<Cow<'a, str>>,
}

impl Walk<'_> {
    /// An element of `Records` with `s3`. Its key is form-URL-encoded.
    pub(super) fn s3_notification(&mut self, members: &Members<'_>, at: usize, end: usize) {
        let event = members.raw(Key::EventName).unwrap_or_default().trim_matches('"');
        if !event.trim_start_matches("s3:").starts_with("ObjectCreated:") {
            return self.skipped(at, Skip::OtherNotification);
        }
        self.named(members, Key::S3, (at, end), object_key::url_decode);
    }

    /// An EventBridge event of S3. Its key is plain.
    pub(super) fn s3_event(&mut self, members: &Members<'_>, at: usize, end: usize) {
        self.named(members, Key::Detail, (at, end), Some);
    }

    fn named<'a>(
        &mut self,
        members: &Members<'a>,
        key: Key,
        (at, end): (usize, usize),
        decode: impl FnOnce(Cow<'a, str>) -> Option<Cow<'a, str>>,
    ) {
        let raw = members.raw(key).unwrap_or_default();
        let object = serde_json::from_str::<S3<'_>>(raw).ok().and_then(|s3| {
            Some(ObjectRef {
                bucket: s3.bucket.name,
                key: decode(s3.object.key)?,
                etag: s3.object.etag.map(without_quotes),
                version: s3.object.version,
                size: s3.object.size,
            })
        });
        match object {
            Some(object) if !object.bucket.is_empty() && !object.key.is_empty() => {
                self.visitor.object(self.offset(at), &object);
            }
            _ => self.reject(members.text(), at, end, Reason::InvalidNotification),
        }
    }

    /// CloudTrail's own: a bucket and a list of plain keys.
    pub(super) fn trail_notice(&mut self, members: &Members<'_>, at: usize, end: usize) {
        let bucket = members.raw(Key::S3Bucket).and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw).ok());
        let keys = members.raw(Key::S3ObjectKey).and_then(keys);
        match (bucket, keys) {
            (Some(bucket), Some(keys)) if !bucket.is_empty() && !keys.iter().any(String::is_empty) => {
                for key in keys {
                    let object = ObjectRef { bucket: Cow::Borrowed(&bucket), key: key.into(), ..ObjectRef::default() };
                    self.visitor.object(self.offset(at), &object);
                }
            }
            _ => self.reject(members.text(), at, end, Reason::InvalidNotification),
        }
    }
}

/// A list of keys, or one key.
fn keys(raw: &str) -> Option<Vec<String>> {
    serde_json::from_str(raw).ok().or_else(|| serde_json::from_str(raw).ok().map(|key| vec![key]))
}

fn without_quotes(etag: Cow<'_, str>) -> Cow<'_, str> {
    match etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(bare) => Cow::Owned(bare.to_owned()),
        None => etag,
    }
}

//! Objects that records travel in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::text::unescape;
use super::walk::{Broken, Place, Walk};
use super::{Reason, Skip, scan};

/// Members of wrappers that say what they are or what they hold. Their order has no meaning.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// `Records`, `Events`, `logEvents`: wrapped things, one an element.
    Elements,
    Detail,
    DetailType,
    Source,
    Type,
    /// `Message`, `body`, `message`, `CloudTrailEvent`: something wrapped in a string.
    Wrapped,
    /// `Sns`, `awslogs`, `kinesis`: something wrapped in an object.
    Inner,
    Data,
    MessageType,
    Event,
    S3,
    NoticeBucket,
    NoticeKeys,
    EventTime,
    EventSource,
    EventName,
    Digest,
}

impl Key {
    const COUNT: usize = Key::Digest as usize + 1;

    fn of(name: &str) -> Option<Key> {
        Some(match name {
            "Records" | "Events" | "logEvents" => Key::Elements,
            "detail" => Key::Detail,
            "detail-type" => Key::DetailType,
            "source" => Key::Source,
            "Type" => Key::Type,
            "Message" | "body" | "message" | "CloudTrailEvent" => Key::Wrapped,
            "Sns" | "awslogs" | "kinesis" => Key::Inner,
            "data" => Key::Data,
            "messageType" => Key::MessageType,
            "Event" => Key::Event,
            "s3" => Key::S3,
            "s3Bucket" => Key::NoticeBucket,
            "s3ObjectKey" => Key::NoticeKeys,
            "eventTime" => Key::EventTime,
            "eventSource" => Key::EventSource,
            "eventName" => Key::EventName,
            "digestStartTime" | "digestS3Object" => Key::Digest,
            _ => return None,
        })
    }
}

/// The members of one wrapper: where their values stand in the text.
pub(super) struct Members<'t> {
    text: &'t str,
    spans: [Option<(usize, usize)>; Key::COUNT],
}

impl<'t> Members<'t> {
    /// The value as written.
    pub(super) fn raw(&self, key: Key) -> Option<&'t str> {
        self.spans[key as usize].map(|(at, end)| &self.text[at..end])
    }

    /// The text that the wrapper stands in.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Whether the value is this string, written without escapes.
    fn is(&self, key: Key, text: &str) -> bool {
        self.raw(key).and_then(|raw| raw.strip_prefix('"')?.strip_suffix('"')) == Some(text)
    }

    fn starts_with(&self, key: Key, text: &str) -> bool {
        self.raw(key).and_then(|raw| raw.strip_prefix('"')).is_some_and(|raw| raw.starts_with(text))
    }

    /// Where the value stands, when it opens like this.
    fn opening(&self, key: Key, open: u8) -> Option<(usize, usize)> {
        self.spans[key as usize].filter(|(at, _)| self.text.as_bytes().get(*at) == Some(&open))
    }

    fn has(&self, key: Key) -> bool {
        self.spans[key as usize].is_some()
    }
}

/// Text that AWS sends where JSON is expected.
pub(super) fn plain_text(text: &str) -> Option<Skip> {
    if text.starts_with("CloudTrail validation message") {
        Some(Skip::ValidationMessage)
    } else if text.starts_with("CWL CONTROL MESSAGE") {
        Some(Skip::ControlMessage)
    } else {
        None
    }
}

/// Whether the base64 of a gzip stream begins here.
pub(super) fn is_base64_of_gzip(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(b"H4sI"))
}

impl Walk<'_> {
    /// Opens the wrapper at `at`; returns where it ends. Lists are read as they come, since their end may be
    /// missing; the rest once all members are known, since they come in any order.
    pub(super) fn wrapper(&mut self, text: &str, at: usize) -> Result<usize, Broken> {
        let bytes = text.as_bytes();
        let mut members = Members { text, spans: [None; Key::COUNT] };
        let mut opened = false;
        let mut cursor = at + 1;
        loop {
            cursor = scan::skip_space(bytes, cursor);
            let lost = |reason, seen| Broken { reason, at: if opened { cursor } else { at }, seen };
            match bytes.get(cursor) {
                Some(b'}') => break,
                Some(b',') => {
                    cursor += 1;
                    continue;
                }
                Some(b'"') => {}
                Some(_) => return Err(lost(Reason::InvalidJson, cursor)),
                None => return Err(lost(Reason::TruncatedJson, cursor)),
            }
            let (name, value) = member(text, cursor).map_err(|reason| lost(reason, text.len()))?;
            let key = Key::of(name);
            if matches!(key, Some(Key::Elements)) && bytes[value] == b'[' && !members.is(Key::MessageType, CONTROL) {
                opened = true;
                cursor = self.array(text, value, Place::Wrapped);
                continue;
            }
            let end = scan::value_end(bytes, value).ok_or_else(|| lost(Reason::TruncatedJson, text.len()))?;
            if end == value {
                return Err(lost(Reason::InvalidJson, value));
            }
            if let Some(key) = key {
                members.spans[key as usize] = Some((value, end));
            }
            cursor = end;
        }
        let end = cursor + 1;
        if !opened {
            self.open(&members, at, end)?;
        }
        Ok(end)
    }

    fn open(&mut self, members: &Members<'_>, at: usize, end: usize) -> Result<(), Broken> {
        let text = members.text;
        let is_record = members.has(Key::EventTime) && members.has(Key::EventSource) && members.has(Key::EventName);
        if is_record && !members.starts_with(Key::EventSource, "aws:") && self.record(text, at)?.is_some() {
            return Ok(());
        }
        if members.has(Key::Digest) {
            self.skipped(at, Skip::Digest);
        } else if members.is(Key::Event, "s3:TestEvent") {
            self.skipped(at, Skip::TestEvent);
        } else if members.is(Key::MessageType, CONTROL) {
            self.skipped(at, Skip::ControlMessage);
        } else if members.is(Key::Type, "SubscriptionConfirmation") || members.is(Key::Type, "UnsubscribeConfirmation")
        {
            self.skipped(at, Skip::Subscription);
        } else if members.has(Key::S3) {
            self.s3_notification(members, at, end);
        } else if members.has(Key::NoticeBucket) || members.has(Key::NoticeKeys) {
            self.trail_notice(members, at, end);
        } else if members.opening(Key::Detail, b'{').is_some() {
            self.event_bridge(members, at, end);
        } else if let Some((value, value_end)) = members.opening(Key::Wrapped, b'"') {
            self.wrapped(text, value, value_end);
        } else if let Some((value, value_end)) = members.opening(Key::Inner, b'{') {
            self.inner(text, value, value_end);
        } else if let Some(encoded) = members.raw(Key::Data).and_then(unescape) {
            self.base64(&encoded, at);
        } else if self.record(text, at)?.is_none() {
            self.reject(text, at, end, Reason::NotARecord);
        }
        Ok(())
    }

    fn event_bridge(&mut self, members: &Members<'_>, at: usize, end: usize) {
        let kind = members.raw(Key::DetailType);
        if members.is(Key::DetailType, "Object Created") && members.is(Key::Source, "aws.s3") {
            self.s3_event(members, at, end);
        } else if kind.is_none_or(|kind| kind.trim_end_matches('"').ends_with("via CloudTrail")) {
            let Some((value, value_end)) = members.opening(Key::Detail, b'{') else { return };
            self.inner(members.text, value, value_end);
        } else {
            self.skipped(at, Skip::OtherEvent);
        }
    }

    /// A string that wraps something.
    fn wrapped(&mut self, text: &str, at: usize, end: usize) {
        let literal = &text[at..end];
        match unescape(literal) {
            Some(inner) => self.nested(inner.as_bytes(), literal, at),
            None => self.reject(text, at, end, Reason::InvalidJson),
        }
    }

    /// An object that wraps something or is a record.
    fn inner(&mut self, text: &str, at: usize, end: usize) {
        self.deeper(&text[at..end], at, |walk| {
            if let Err(broken) = walk.object(text, at) {
                walk.reject(text, broken.at, end, broken.reason);
            }
        });
    }

    /// Base64 of something, usually gzip.
    pub(super) fn base64(&mut self, encoded: &str, at: usize) {
        match STANDARD.decode(encoded) {
            Ok(bytes) => self.nested(&bytes, encoded, at),
            Err(_) => self.report(at, Reason::InvalidBase64, encoded),
        }
    }
}

const CONTROL: &str = "CONTROL_MESSAGE";

/// The name of the member whose key opens at `at`, and where its value begins.
fn member(text: &str, at: usize) -> Result<(&str, usize), Reason> {
    let bytes = text.as_bytes();
    let name_end = scan::string_end(bytes, at).ok_or(Reason::TruncatedJson)?;
    let colon = scan::skip_space(bytes, name_end);
    match bytes.get(colon) {
        Some(b':') => {}
        Some(_) => return Err(Reason::InvalidJson),
        None => return Err(Reason::TruncatedJson),
    }
    let value = scan::skip_space(bytes, colon + 1);
    if value == bytes.len() {
        return Err(Reason::TruncatedJson);
    }
    Ok((&text[at + 1..name_end - 1], value))
}

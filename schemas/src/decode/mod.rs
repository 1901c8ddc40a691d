//! One decoder for every shape that CloudTrail records travel in. It sniffs; nobody tells it.
//!
//! | what | recognised by |
//! |---|---|
//! | gzip, zstd | their magic numbers, in any number of members or frames |
//! | a record, NDJSON, concatenated records | an object whose first key is a record's |
//! | log file | `Records` |
//! | JSON array | `[` |
//! | EventBridge | `detail`; an S3 "Object Created" is an object to fetch |
//! | SNS | `Type` and `Message` |
//! | S3 notification | elements of `Records` with `s3`; the key is URL-decoded |
//! | CloudTrail's own notice | `s3Bucket` and `s3ObjectKey`, a list |
//! | Lambda's SQS, SNS and Kinesis events | elements of `Records` with `body`, `Sns` or `kinesis` |
//! | CloudWatch Logs | `awslogs.data` (base64 of gzip), `logEvents`, or that base64 alone |
//! | LookupEvents | elements of `Events` with `CloudTrailEvent` |
//! | any of them as a JSON string | a quote |
//!
//! They nest, up to [`Limits::wrappings`]. What is understood and of no use is [`Skip`]ped; what is not
//! understood is [`Rejection`], once, with its position, and its neighbours are read all the same.
//!
//! Text is validated as UTF-8 once and then borrowed; records are read field by field without building what
//! nobody asks for. No input recurses deeper than `wrappings`.

mod outcome;
mod inflate;
mod scan;
mod fields;
mod text;
mod walk;
mod envelope;
mod notice;

use std::borrow::Cow;

use crate::record::Record;

pub use inflate::{Inflated, inflate, is_compressed};
pub use outcome::{Reason, Rejection, Skip, excerpt};

/// What one message or object may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that one input may inflate to, all its wrappings together. Beyond them it is cut off, what came
    /// before is read, and the rest is one [`Reason::InflatedTooLarge`].
    pub inflated_bytes: u64,
    /// How many times its own size an input may inflate to, judged beyond 16 MiB. Then the same, with
    /// [`Reason::ExpansionTooLarge`].
    pub expansion: u32,
    /// Bytes of one record. A longer one is [`Reason::RecordTooLarge`].
    pub record_bytes: usize,
    /// Strings, arrays and compressions that a record may be wrapped in, one in the other. What is wrapped
    /// deeper is [`Reason::TooManyWrappings`].
    pub wrappings: u32,
    /// Bytes of [`Rejection::excerpt`]; it is cut there.
    pub excerpt: usize,
}

impl Default for Limits {
    /// 256 MiB inflated, 400 to 1, records of 2 MiB (AWS allows 256 KiB, or 1 MB in Lake), 8 wrappings (S3
    /// through SNS through SQS through Lambda has 4), excerpts of 256 bytes.
    fn default() -> Limits {
        Limits { inflated_bytes: 256 << 20, expansion: 400, record_bytes: 2 << 20, wrappings: 8, excerpt: 256 }
    }
}

/// Receives what is found, in the order of the input.
///
/// `offset` counts bytes in the (inflated) text; what was inside a string or a compression of its own carries
/// the offset of that string.
pub trait Visitor {
    /// A record to be counted.
    fn record(&mut self, offset: u64, record: &Record<'_>);
    /// An object that may hold records and is to be fetched.
    fn object(&mut self, offset: u64, object: &ObjectRef<'_>);
    /// Something understood and passed over.
    fn skipped(&mut self, offset: u64, skip: Skip);
    /// Something not understood.
    fn rejected(&mut self, rejection: Rejection);
}

/// An S3 object that a notification names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef<'a> {
    /// Bucket name.
    pub bucket: Cow<'a, str>,
    /// Key, decoded.
    pub key: Cow<'a, str>,
    /// ETag, without quotes; not in CloudTrail's own notice.
    pub etag: Option<Cow<'a, str>>,
    /// Version id, in versioned buckets.
    pub version: Option<Cow<'a, str>>,
    /// Size, bytes as stored; not in CloudTrail's own notice.
    pub size: Option<u64>,
}

/// Reads one message or object as it came: inflates it where it is compressed, and decodes it. `scratch` as
/// in [`inflate`].
pub fn read(bytes: &[u8], limits: &Limits, scratch: &mut Vec<u8>, visitor: &mut dyn Visitor) {
    let inflated = inflate(bytes, limits, scratch);
    decode(inflated, limits, visitor);
}

/// Decodes text, which [`inflate`] returned or which was never compressed: see [`Inflated::from`].
///
/// Damage of the stream is reported where the text ends, once: as the reason of the record that it cut in two,
/// or by itself.
pub fn decode(inflated: Inflated<'_>, limits: &Limits, visitor: &mut dyn Visitor) {
    walk::Walk::new(limits, inflated, visitor).top(inflated.text);
}

impl<'a> From<&'a [u8]> for Inflated<'a> {
    fn from(text: &'a [u8]) -> Inflated<'a> {
        Inflated { text, damage: None }
    }
}

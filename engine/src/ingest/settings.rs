//! What decides which records are counted, where they came from, and what could not be read.

use trailsight_schemas::decode::{Limits, excerpt};
use trailsight_schemas::time::format_rfc3339;

/// Longest account, Region, event source, API name or error code that is kept, bytes; AWS's own are at most 256.
/// A longer one is cut and told apart by a hash, see [`super::fingerprint::bounded`].
pub const NAME_BYTES: usize = 256;
/// Longest identity or user agent that is kept, bytes. A longer one is cut and told apart by a hash.
pub const ATTRIBUTE_BYTES: usize = 512;
/// Most API names kept for one event source, account, Region and minute, the most called first. The rest is
/// counted under the name [`OTHER`]. EC2, the largest, has about 800.
pub const NAMES: usize = 1024;
/// The API name and the error code under which the rest is counted.
pub const OTHER: &str = "other";

/// 2013-11-13T00:00:00Z, the day CloudTrail was launched: no record is older.
pub const EARLIEST: i64 = 1_384_300_800;

/// [`Reject::reason`] of a record or row before [`EARLIEST`] or after [`Settings::latest`].
pub const TIME_OUT_OF_RANGE: &str = "time_out_of_range";
/// [`Reject::reason`] of a message over [`Settings::object_bytes`].
pub const OBJECT_TOO_LARGE: &str = "object_too_large";
/// [`Reject::reason`] of a line over [`Settings::object_bytes`] in something read as a stream.
pub const LINE_TOO_LARGE: &str = "line_too_large";

/// What decides which records are counted, and the limits of counting.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Event sources whose data events are analysed.
    pub data_events: Vec<String>,
    /// Most values of one attribute kept for one API and minute; the rest is `other`.
    pub attribute_values: usize,
    /// Most error codes kept for one API and minute; the rest is the code `other`.
    pub error_codes: usize,
    /// Largest message or line, bytes as received. A larger one is dead-lettered. What is read as a stream
    /// may be larger.
    pub object_bytes: u64,
    /// Largest object once inflated, bytes. The rest of a larger one is dead-lettered, unless it is lines,
    /// which are read as a stream.
    pub inflated_bytes: u64,
    /// Largest single record, bytes.
    pub record_bytes: usize,
    /// Newest acceptable event time, seconds since the epoch; later ones go to the dead letter.
    pub latest: i64,
}

impl Settings {
    /// The decoder's limits.
    pub(super) fn limits(&self) -> Limits {
        Limits { inflated_bytes: self.inflated_bytes, record_bytes: self.record_bytes, ..Limits::default() }
    }

    /// The event time as it is kept, seconds since the epoch; `None` when it cannot be true.
    pub(super) fn event_second(&self, seconds: i64) -> Option<u32> {
        if seconds < EARLIEST || seconds > self.latest { None } else { u32::try_from(seconds).ok() }
    }

    /// Bytes of the longest line held in memory.
    pub(super) fn line_bytes(&self) -> usize {
        usize::try_from(self.object_bytes).unwrap_or(usize::MAX)
    }
}

/// Where bytes came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Name of the source in the configuration.
    pub source: &'a str,
    /// File path, object key, or `topic/partition@offset`.
    pub path: &'a str,
}

impl Origin<'_> {
    /// A reject from here. `text` is the beginning of what could not be read, of any length.
    pub(super) fn reject(&self, offset: u64, reason: &'static str, text: &[u8], limits: &Limits) -> Reject {
        // An escaped character is longer than a plain one, so this is always enough.
        let beginning = String::from_utf8_lossy(&text[..text.len().min(limits.excerpt)]);
        self.rejected(offset, reason, excerpt(&beginning, limits))
    }

    /// A reject whose excerpt is safe to print already.
    pub(super) fn rejected(&self, offset: u64, reason: &'static str, excerpt: String) -> Reject {
        Reject { source: self.source.to_owned(), path: self.path.to_owned(), offset, reason, excerpt }
    }

    /// A reject of something whose event time cannot be true.
    pub(super) fn out_of_range(&self, offset: u64, seconds: i64, what: &str, limits: &Limits) -> Reject {
        // Years that RFC 3339 cannot write are given as seconds.
        let time = if (0..253_402_300_800).contains(&seconds) { format_rfc3339(seconds) } else { seconds.to_string() };
        self.rejected(offset, TIME_OUT_OF_RANGE, excerpt(&format!("{time} {what}"), limits))
    }
}

/// Something that could not be read: it goes to the dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Name of the source in the configuration.
    pub source: String,
    /// File path, object key, or `topic/partition@offset`.
    pub path: String,
    /// Byte offset in the inflated content.
    pub offset: u64,
    /// One word of a closed list; the label of the counter.
    pub reason: &'static str,
    /// The beginning of what could not be read, bounded, control characters escaped.
    pub excerpt: String,
}

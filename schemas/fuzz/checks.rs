//! What must hold for any input: shared by the fuzz targets and by the test that replays their seeds.

use trailsight_schemas::counts::{Header, ROW_CALLS};
use trailsight_schemas::decode::{self, Limits, ObjectRef, Rejection, Skip, Visitor};
use trailsight_schemas::insight::{InsightEvent, InsightFormat};
use trailsight_schemas::object_key::{ObjectKey, url_decode};
use trailsight_schemas::record::Record;
use trailsight_schemas::sealed::{self, Kind};
use trailsight_schemas::snapshot;

/// Small, so that a fuzzer reaches them.
const LIMITS: Limits =
    Limits { inflated_bytes: 1 << 20, expansion: 100, record_bytes: 4096, wrappings: 4, excerpt: 32 };

struct Checker {
    end: u64,
}

impl Visitor for Checker {
    fn record(&mut self, offset: u64, record: &Record<'_>) {
        assert!(offset < self.end && !record.event_source.is_empty() && !record.event_name.is_empty());
    }

    fn object(&mut self, offset: u64, object: &ObjectRef<'_>) {
        assert!(offset < self.end && !object.bucket.is_empty() && !object.key.is_empty());
    }

    fn skipped(&mut self, offset: u64, _: Skip) {
        assert!(offset <= self.end);
    }

    fn rejected(&mut self, rejection: Rejection) {
        assert!(rejection.offset <= self.end && rejection.excerpt.len() <= LIMITS.excerpt);
        assert!(!rejection.excerpt.chars().any(char::is_control));
    }
}

/// Offsets lie within the text, fields that must be there are there, excerpts are bounded and printable.
pub fn decode(bytes: &[u8]) {
    decode::decode(bytes.into(), &LIMITS, &mut Checker { end: bytes.len() as u64 });
}

/// No stream inflates beyond the limit, and what it inflates to decodes like the stream itself.
pub fn inflate(bytes: &[u8]) {
    let mut scratch = Vec::new();
    let inflated = decode::inflate(bytes, &LIMITS, &mut scratch);
    assert!(!decode::is_compressed(bytes) || inflated.text.len() as u64 <= LIMITS.inflated_bytes);
    decode::decode(inflated, &LIMITS, &mut Checker { end: inflated.text.len() as u64 });
}

/// The first line is the header, the others are rows.
pub fn counts(bytes: &[u8]) {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let Some(Ok(header)) = lines.next().and_then(|line| std::str::from_utf8(line).ok()).map(Header::parse) else {
        return;
    };
    for row in lines.filter_map(|line| header.row(line)).flatten() {
        assert!(row.calls <= ROW_CALLS && !row.account.is_empty() && !row.name.is_empty());
    }
}

/// What is read out of a key stands in it.
pub fn object_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(key) = url_decode(text.into()) else { return };
    if let Some(read) = ObjectKey::parse(&key) {
        assert!(key.contains(read.account) && key.contains(read.region) && key.starts_with(read.prefix));
    }
    let _ = ObjectKey::skip(&key);
}

/// What is read as an Insights event and written is read as the same event.
pub fn insight(bytes: &[u8]) {
    if let Ok(event) = InsightEvent::parse(bytes) {
        let written = event.to_json(InsightFormat::Full);
        let again = InsightEvent::parse(written.as_bytes()).expect("what was written is read");
        assert_eq!(again.to_json(InsightFormat::Full), written);
    }
}

/// Whatever stands in a whole envelope, and whatever stands where an envelope should be. What is read as an entry
/// and written is read as the same entry.
pub fn stored(bytes: &[u8]) {
    let _ = sealed::decode_entry(bytes);
    for version in 0..=snapshot::VERSION + 1 {
        let _ = snapshot::decode(version, bytes);
    }
    let Ok(whole) = sealed::seal(Kind::Entry, sealed::ENTRY_VERSION, bytes) else { return };
    if let Ok(entry) = sealed::decode_entry(&whole) {
        let written = sealed::encode_entry(&entry).expect("small enough");
        assert_eq!(sealed::decode_entry(&written), Ok(entry));
    }
}

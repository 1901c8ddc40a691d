//! What can become of a piece of input other than a record: two closed lists and their stable names.

use super::Limits;

/// Understood, and passed over on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// An Insights event, AWS's or our own.
    Insight,
    /// A digest file of log-file validation.
    Digest,
    /// A network activity event.
    NetworkActivity,
    /// An aggregated data event.
    Aggregated,
    /// CloudTrail's first message on a new topic, plain text.
    ValidationMessage,
    /// `s3:TestEvent`.
    TestEvent,
    /// A health probe of CloudWatch Logs.
    ControlMessage,
    /// SNS asks for a subscription to be confirmed, or tells of its end.
    Subscription,
    /// A notification that names no new object: a removal, a restore, a tag.
    OtherNotification,
    /// An EventBridge event that no CloudTrail record travels in.
    OtherEvent,
    /// Nothing at all: an empty object, a directory marker.
    Empty,
}

impl Skip {
    /// Every value, for tables and tests.
    pub const ALL: [Skip; 11] = [
        Skip::Insight,
        Skip::Digest,
        Skip::NetworkActivity,
        Skip::Aggregated,
        Skip::ValidationMessage,
        Skip::TestEvent,
        Skip::ControlMessage,
        Skip::Subscription,
        Skip::OtherNotification,
        Skip::OtherEvent,
        Skip::Empty,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Skip::Insight => "insight",
            Skip::Digest => "digest",
            Skip::NetworkActivity => "network_activity",
            Skip::Aggregated => "aggregated",
            Skip::ValidationMessage => "validation_message",
            Skip::TestEvent => "test_event",
            Skip::ControlMessage => "control_message",
            Skip::Subscription => "subscription",
            Skip::OtherNotification => "other_notification",
            Skip::OtherEvent => "other_event",
            Skip::Empty => "empty",
        }
    }
}

/// Why something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Text where JSON was expected.
    NotJson,
    /// Broken JSON syntax inside a value.
    InvalidJson,
    /// The input ends inside a value.
    TruncatedJson,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// NUL bytes, as an unclean shutdown leaves them in a file.
    NulBytes,
    /// Well-formed JSON that is neither a record nor anything one travels in.
    NotARecord,
    /// A field that the engine needs has another JSON type.
    WrongType,
    /// No `eventTime`.
    MissingEventTime,
    /// No `eventSource`.
    MissingEventSource,
    /// No `eventName`.
    MissingEventName,
    /// `eventTime` is not an RFC 3339 instant.
    InvalidEventTime,
    /// A record longer than [`Limits::record_bytes`].
    RecordTooLarge,
    /// Wrapped more often than [`Limits::wrappings`].
    TooManyWrappings,
    /// A notification without the bucket or the key it should name.
    InvalidNotification,
    /// A payload that should be base64 and is not.
    InvalidBase64,
    /// A gzip or zstd stream that ends early.
    TruncatedCompression,
    /// A gzip or zstd stream that is damaged, or followed by something else.
    CorruptCompression,
    /// More than [`Limits::inflated_bytes`] once inflated.
    InflatedTooLarge,
    /// Inflates beyond [`Limits::expansion`].
    ExpansionTooLarge,
}

impl Reason {
    /// Every value, for tables and tests.
    pub const ALL: [Reason; 19] = [
        Reason::NotJson,
        Reason::InvalidJson,
        Reason::TruncatedJson,
        Reason::InvalidUtf8,
        Reason::NulBytes,
        Reason::NotARecord,
        Reason::WrongType,
        Reason::MissingEventTime,
        Reason::MissingEventSource,
        Reason::MissingEventName,
        Reason::InvalidEventTime,
        Reason::RecordTooLarge,
        Reason::TooManyWrappings,
        Reason::InvalidNotification,
        Reason::InvalidBase64,
        Reason::TruncatedCompression,
        Reason::CorruptCompression,
        Reason::InflatedTooLarge,
        Reason::ExpansionTooLarge,
    ];

    /// The stable name: the `reason` of a dead letter and of its counter.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotJson => "not_json",
            Reason::InvalidJson => "invalid_json",
            Reason::TruncatedJson => "truncated_json",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::NulBytes => "nul_bytes",
            Reason::NotARecord => "not_a_record",
            Reason::WrongType => "wrong_type",
            Reason::MissingEventTime => "missing_event_time",
            Reason::MissingEventSource => "missing_event_source",
            Reason::MissingEventName => "missing_event_name",
            Reason::InvalidEventTime => "invalid_event_time",
            Reason::RecordTooLarge => "record_too_large",
            Reason::TooManyWrappings => "too_many_wrappings",
            Reason::InvalidNotification => "invalid_notification",
            Reason::InvalidBase64 => "invalid_base64",
            Reason::TruncatedCompression => "truncated_compression",
            Reason::CorruptCompression => "corrupt_compression",
            Reason::InflatedTooLarge => "inflated_too_large",
            Reason::ExpansionTooLarge => "expansion_too_large",
        }
    }
}

/// One thing that could not be read, once, however many bytes it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Byte offset in the inflated text; what was inside a string carries the offset of that string.
    pub offset: u64,
    /// Why.
    pub reason: Reason,
    /// How it begins: at most [`Limits::excerpt`] bytes, on one line, without control characters.
    pub excerpt: String,
}

/// The beginning of `text`, safe to print on a terminal and in a log line.
///
/// Control characters and the invisible marks that turn the direction of writing are escaped, so that whoever
/// chose the text cannot forge a second line or hide part of this one.
pub fn excerpt(text: &str, limits: &Limits) -> String {
    let mut out = String::with_capacity(text.len().min(limits.excerpt));
    for character in text.chars() {
        let room = limits.excerpt.saturating_sub(out.len());
        if is_deceptive(character) {
            let escaped = character.escape_unicode();
            if escaped.len() > room {
                break;
            }
            out.extend(escaped);
        } else if character.len_utf8() > room {
            break;
        } else {
            out.push(character);
        }
    }
    out
}

fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case_and_distinct() {
        let names: Vec<&str> =
            Reason::ALL.iter().map(|reason| reason.name()).chain(Skip::ALL.iter().map(|skip| skip.name())).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{name}"
            );
            assert!(!names[..index].contains(name), "{name} twice");
        }
    }

    #[test]
    fn excerpts_are_bounded_and_printable() {
        let limits = Limits { excerpt: 8, ..Limits::default() };
        for (text, expected) in [
            ("abc", "abc"),
            ("abcdefghij", "abcdefgh"),
            ("a\nb", "a\\u{a}b"),
            ("abcdef\n", "abcdef"),
            ("\u{202e}ab", "\\u{202e}"),
            ("äääää", "ääää"),
            ("aäääää", "aäää"),
        ] {
            assert_eq!(excerpt(text, &limits), expected, "{text:?}");
        }
    }
}

//! Bytes to `&str`: validated once, and repaired in place of being refused when one record of many is damaged.

use std::borrow::Cow;

/// Stands for every byte that is not UTF-8. JSON allows it nowhere, neither in strings nor between values, so
/// that exactly the value that held the byte is broken; and it is one byte, so that offsets stay.
pub(super) const DAMAGED: u8 = 0x1a;

/// Text, and whether it had to be repaired.
pub(super) struct Text<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) repaired: bool,
}

/// Valid bytes are borrowed.
pub(super) fn validate(bytes: &[u8]) -> Text<'_> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => Text { text: Cow::Borrowed(text), repaired: false },
        Err(_) => Text { text: Cow::Owned(repair(bytes)), repaired: true },
    }
}

fn repair(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::from(DAMAGED)));
    }
    text
}

/// The text of a JSON string literal, quotes included; `None` when it is not one. Halves of surrogate pairs
/// become U+FFFD.
pub(super) fn unescape(literal: &str) -> Option<Cow<'_, str>> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.bytes().any(|byte| byte == b'\\' || byte < 0x20) {
        return Some(Cow::Borrowed(inner));
    }
    if let Ok(text) = serde_json::from_str::<String>(literal) {
        return Some(Cow::Owned(text));
    }
    let bytes: Bytes = serde_json::from_str(literal).ok()?;
    Some(Cow::Owned(String::from_utf8_lossy(&bytes.0).into_owned()))
}

/// serde_json checks surrogates in strings and not in bytes.
struct Bytes(Vec<u8>);

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repair_keeps_every_offset() {
        let bytes = b"{\"a\":\"\xff\xfe\"}\n{\"b\":\"\xc3\xa4\xe2\x82\"}";
        let Text { text, repaired } = validate(bytes);
        assert!(repaired);
        assert_eq!(text.len(), bytes.len());
        assert_eq!(text, "{\"a\":\"\u{1a}\u{1a}\"}\n{\"b\":\"ä\u{1a}\u{1a}\"}");
    }

    #[test]
    fn strings_are_unescaped() {
        for (literal, text) in [
            (r#""a""#, Some("a")),
            (r#""a\"\u00e4\ud83d\ude00""#, Some("a\"ä😀")),
            (r#""a\ud83d""#, Some("a\u{fffd}\u{fffd}\u{fffd}")),
            (r#""a"#, None),
            ("null", None),
            ("\"", None),
        ] {
            assert_eq!(unescape(literal).as_deref(), text, "{literal}");
        }
    }
}

//! Durations and sizes as people write them: `"15m"`, `"64MiB"`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds of each unit of time, largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
/// Bytes of each unit of size, largest first.
const SIZES: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A length of time, milliseconds: `"15m"`, `"1h30m"`, `"250ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

/// A number of bytes: `"64MiB"`, `"512KiB"`, `"100B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Span {
    /// Whole minutes.
    pub const fn minutes(count: u64) -> Span {
        Span(count * 60_000)
    }

    /// Whole seconds.
    pub const fn seconds(count: u64) -> Span {
        Span(count * 1000)
    }

    /// Reads `"1h30m"`; `None` for anything that is not one or more of a whole number and a unit.
    pub fn parse(text: &str) -> Option<Span> {
        parse(text, &TIMES).map(Span)
    }

    /// The same as the standard library says it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Size {
    /// Whole mebibytes.
    pub const fn mebibytes(count: u64) -> Size {
        Size(count << 20)
    }

    /// Reads `"64MiB"`; `None` for anything that is not one or more of a whole number and a unit.
    pub fn parse(text: &str) -> Option<Size> {
        parse(text, &SIZES).map(Size)
    }
}

/// A sequence of (whole number, unit), without spaces, added up; `None` on overflow too.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let factor = units.iter().find(|(name, _)| *name == unit)?.1;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    Some(sum)
}

/// The largest units first, nothing left out: what is printed reads back as the same value.
fn print(value: u64, units: &[(&str, u64)], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value == 0 {
        let smallest = if units[0].0 == "d" { "s" } else { "B" };
        return write!(formatter, "0{smallest}");
    }
    let mut rest = value;
    for (name, factor) in units {
        if rest / factor > 0 {
            write!(formatter, "{}{name}", rest / factor)?;
            rest %= factor;
        }
    }
    Ok(())
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, &TIMES, formatter)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, &SIZES, formatter)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Span::parse(&text).ok_or_else(|| de::Error::custom("not a duration"))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Size::parse(&text).ok_or_else(|| de::Error::custom("not a size"))
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(d|h|m|s|ms))+$", "x-kind": "duration" })
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(TiB|GiB|MiB|KiB|B))+$", "x-kind": "size" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_forms() {
        for (text, milliseconds) in [
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("0s", Some(0)),
            ("15", None),
            ("", None),
            ("m", None),
            ("-1s", None),
            ("1.5h", None),
            ("15 m", None),
            ("1w", None),
            ("99999999999999999999d", None),
            ("18446744073709551615d", None),
            ("１m", None),
        ] {
            assert_eq!(Span::parse(text), milliseconds.map(Span), "{text}");
        }
        for (text, bytes) in [
            ("64MiB", Some(64 << 20)),
            ("1GiB512MiB", Some(1536 << 20)),
            ("64MB", None),
            ("64", None),
            ("64mib", None),
            ("999999999TiB", None),
        ] {
            assert_eq!(Size::parse(text), bytes.map(Size), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in any::<u64>()) {
            prop_assert_eq!(Span::parse(&Span(value).to_string()), Some(Span(value)));
            prop_assert_eq!(Size::parse(&Size(value).to_string()), Some(Size(value)));
        }

        #[test]
        fn nothing_panics(text in ".{0,20}") {
            let _ = (Span::parse(&text), Size::parse(&text));
        }
    }
}

//! Over generated input.

use proptest::prelude::*;
use serde_json::{Value, json};
use trailsight_schemas::decode::Limits;

use super::found::{by_value, find, find_within, gzip, record, zstd};
use super::shapes::SHAPES;

/// JSON of any kind, a few levels deep, for the members that are passed over.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

prop_compose! {
    fn any_record()(
        name in ".{1,12}",
        source in "[a-z0-9-]{1,12}\\.amazonaws\\.com",
        texts in prop::collection::vec(prop::option::of(".{0,12}"), 10),
        flags in prop::collection::vec(prop::option::of(any::<bool>()), 2),
        seconds in 0i64..253_402_300_799,
        ignored in any_json(),
    ) -> Value {
        let mut value = record("x");
        value["eventName"] = json!(name);
        value["eventSource"] = json!(source);
        value["eventTime"] = json!(trailsight_schemas::time::format_rfc3339(seconds));
        value["requestParameters"] = ignored;
        for (key, text) in ["eventID", "awsRegion", "userAgent", "errorCode", "recipientAccountId"].iter().zip(&texts) {
            value[*key] = json!(text);
        }
        for (key, text) in ["type", "arn", "principalId", "accountId", "userName"].iter().zip(&texts[5..]) {
            value["userIdentity"][*key] = json!(text);
        }
        value["readOnly"] = json!(flags[0]);
        value["managementEvent"] = json!(flags[1]);
        value
    }
}

/// One change to some bytes.
fn mutate(bytes: &mut Vec<u8>, kind: u8, place: prop::sample::Index, byte: u8) {
    if bytes.is_empty() {
        return;
    }
    let at = place.index(bytes.len());
    match kind % 4 {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => {
            bytes.remove(at);
        }
        _ => bytes.truncate(at),
    }
}

proptest! {
    #[test]
    fn any_shape_gives_what_values_give(records in prop::collection::vec(any_record(), 1..5), shape in 0..SHAPES.len()) {
        let (name, wrap) = SHAPES[shape];
        let found = find(&wrap(&records));
        let read: Vec<_> = found.records.into_iter().map(|(_, record)| record).collect();
        let expected: Vec<_> = records.iter().map(by_value).collect();
        prop_assert_eq!(read, expected, "{}", name);
        prop_assert!(found.rejections.is_empty() && found.skips.is_empty());
    }

    #[test]
    fn no_mutation_panics_or_leaves_bounds(
        shape in 0..SHAPES.len(),
        compression in 0..3,
        changes in prop::collection::vec((any::<u8>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = SHAPES[shape].1(&[record("A"), record("B")]);
        let length = bytes.len() as u64;
        bytes = match compression { 0 => bytes, 1 => gzip(&bytes), _ => zstd(&bytes) };
        for (kind, place, byte) in changes {
            mutate(&mut bytes, kind, place, byte);
        }
        let limits = Limits { excerpt: 40, ..Limits::default() };
        let found = find_within(&bytes, &limits);
        for rejection in &found.rejections {
            prop_assert!(rejection.excerpt.len() <= 40 && !rejection.excerpt.chars().any(char::is_control));
            prop_assert!(compression != 0 || rejection.offset <= length + 5);
        }
    }

    /// Of one changed byte in a file of records, at most the changed record and its two neighbours suffer.
    #[test]
    fn one_changed_byte_costs_little(place in any::<prop::sample::Index>(), byte: u8, lines: bool) {
        let records: Vec<_> = (0..20).map(|index| record(&format!("Call{index}"))).collect();
        let mut bytes = if lines { SHAPES[5].1(&records) } else { SHAPES[0].1(&records) };
        let at = place.index(bytes.len() - 16) + 12;
        bytes[at] = byte;
        let found = find(&bytes);
        prop_assert!(found.records.len() >= 17, "{} of 20 at {}: {:?}", found.records.len(), at, found.lines);
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        find(&bytes);
    }

    #[test]
    fn any_json_at_all(value in any_json()) {
        find(value.to_string().as_bytes());
    }
}

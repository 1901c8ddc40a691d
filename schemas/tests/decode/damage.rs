//! Broken input costs itself and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::found::{check, find, gzip, record, zstd};
use super::shapes::sns;

/// Values that are broken in one way each, and the reason.
const BROKEN: &[(&str, &str)] = &[
    (r#"{"eventVersion":"1.08",}"#, "invalid_json"),
    (r#"{"eventVersion" "1.08"}"#, "invalid_json"),
    (r#"{"eventVersion":tru}"#, "invalid_json"),
    (r#"{"eventVersion":"\x"}"#, "invalid_json"),
    (r#"{"eventVersion":"1.08","userAgent":"\u12"}"#, "invalid_json"),
    ("{\"eventVersion\":\"a\u{1}b\"}", "invalid_json"),
    ("{\"eventVersion\":\"a\u{0}b\"}", "nul_bytes"),
    (r#"{"eventTime":5}"#, "wrong_type"),
    (r#"{"eventTime":[[[[]]]]}"#, "wrong_type"),
    (r#"{"eventName":{"a":"}"}}"#, "wrong_type"),
    (r#"{"userIdentity":"me"}"#, "wrong_type"),
    (r#"{"eventName":"n","readOnly":"perhaps"}"#, "wrong_type"),
    (r#"{"eventSource":"s","eventName":"n"}"#, "missing_event_time"),
    (r#"{"eventTime":null,"eventSource":"s","eventName":"n"}"#, "missing_event_time"),
    (r#"{"eventTime":"2023-07-10T12:17:46Z","eventName":"n"}"#, "missing_event_source"),
    (r#"{"eventTime":"2023-07-10T12:17:46Z","eventSource":"s","eventName":""}"#, "missing_event_name"),
    (r#"{"eventTime":"yesterday","eventSource":"s","eventName":"n"}"#, "invalid_event_time"),
    (r#"{"eventTime":"2023-02-30T12:17:46Z","eventSource":"s","eventName":"n"}"#, "invalid_event_time"),
    (r#"{"hello":"world"}"#, "not_a_record"),
    ("{}", "not_a_record"),
    (r#"{"eventVersion":"1.08"}"#, "not_a_record"),
    (r#"{"Message":5}"#, "not_a_record"),
    (r#"{"detail":5}"#, "not_a_record"),
    (r#"{"s3":{"bucket":{}},"eventName":"ObjectCreated:Put"}"#, "invalid_notification"),
    (
        r#"{"s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}},"eventName":"ObjectCreated:Put"}"#,
        "invalid_notification",
    ),
    (r#"{"s3":{"bucket":{"name":"b"},"object":{"key":""}},"eventName":"ObjectCreated:Put"}"#, "invalid_notification"),
    (r#"{"s3Bucket":"b"}"#, "invalid_notification"),
    (r#"{"s3Bucket":"b","s3ObjectKey":[7]}"#, "invalid_notification"),
];

#[test]
fn a_broken_value_leaves_its_neighbours_alone() {
    for (broken, reason) in BROKEN {
        let (before, behind) = (record("Before").to_string(), record("Behind").to_string());
        for (open, separator, close) in [
            ("", "\n", "\n"),
            ("", "", ""),
            ("[", ",", "]"),
            ("{\"Records\":[", ",", "]}"),
            ("{\"Records\": [\n", ",\n", "\n]\n}"),
        ] {
            let text = format!("{open}{before}{separator}{broken}{separator}{behind}{close}");
            let at = open.len() + before.len() + separator.len();
            check(&text, &["record Before", &format!("reject {at} {reason}"), "record Behind"]);
            assert!(find(text.as_bytes()).rejections[0].excerpt.starts_with(&broken[..2]));
        }
    }
}

/// Where quotes or brackets do not pair up, counting them does not find the end.
#[test]
fn unbalanced_values_leave_their_neighbours_alone() {
    let (before, behind) = (record("Before").to_string(), record("Behind").to_string());
    for broken in [
        r#"{"eventVersion":"1.08"#,
        r#"{"eventVersion":"1.08,"eventID":"x"}"#,
        r#"{"eventVersion":{"a":1}"#,
        r#"{"eventVersion":[{"a":1},{"b":2}}"#,
        r#"{"eventVersion":"1.08"}}"#,
        r#"{"eventVersion":"1.08"]"#,
        "{\"eventVersion\":\"1.\n08\"}",
        "{\"eventVersion\":\"1.08\n",
    ] {
        for (open, separator, close) in [("[", ",", "]"), ("{\"Records\":[", ",\n", "]}"), ("", "\n", "\n")] {
            let text = format!("{open}{before}{separator}{broken}{separator}{behind}{close}");
            let found = find(text.as_bytes());
            let names: Vec<_> = found.records.iter().map(|(_, record)| &*record.event_name).collect();
            assert!(names.contains(&"Before") && names.contains(&"Behind"), "{:?}\n{text}", found.lines);
            assert!(!found.rejections.is_empty(), "{text}");
        }
    }
}

#[test]
fn an_input_that_ends_early_keeps_what_came_before() {
    let text = format!("{{\"Records\":[{},{}]}}", record("A"), record("B"));
    let second = 13 + record("A").to_string().len();
    for end in 0..text.len() {
        let found = find(&text.as_bytes()[..end]);
        let whole = usize::from(end >= second - 1) + usize::from(end >= text.len() - 2);
        assert_eq!(found.records.len(), whole, "cut at {end}: {:?}", found.lines);
        let expected = if end == 0 { "skip 0 empty" } else { "truncated_json" };
        assert!(found.lines.last().unwrap().ends_with(expected), "cut at {end}: {:?}", found.lines);
        assert_eq!(found.lines.len(), whole + 1, "cut at {end}: {:?}", found.lines);
    }
}

#[test]
fn bytes_that_are_no_text_break_the_record_that_holds_them() {
    let mut text = format!("{{\"Records\":[{},{},{}]}}", record("A"), record("XXXX"), record("C")).into_bytes();
    let at = 13 + record("A").to_string().len();
    let bad = text.windows(4).position(|window| window == b"XXXX").unwrap();
    text[bad] = 0xff;
    check(
        [record("A").to_string().as_bytes(), b"\xc3"].concat(),
        &["record A", &format!("reject {} invalid_utf8", at - 13)],
    );
    check(&text, &["record A", &format!("reject {at} invalid_utf8"), "record C"]);
    let ignored = text.windows(5).rposition(|window| window == b"192.0").unwrap();
    text[ignored] = 0xc3;
    let found = find(&text);
    assert_eq!(found.records.len(), 1);
    assert!(found.rejections.iter().all(|rejection| rejection.reason.name() == "invalid_utf8"));
    check(
        [b"\xff\xfe{\0}\0\n".as_slice(), record("A").to_string().as_bytes()].concat(),
        &["reject 0 invalid_utf8", "record A"],
    );
}

#[test]
fn text_between_records_is_rejected_as_one_piece() {
    let text = format!("hello\nworld {{\n{}\n# note\n{}", record("A"), record("B"));
    let note = text.find('#').unwrap();
    check(&text, &["reject 0 not_json", "record A", &format!("reject {note} not_json"), "record B"]);
    check("plain text", &["reject 0 not_json"]);
    check("H4sI, said nobody", &["reject 0 invalid_base64"]);
    check(
        format!("\0\0\0{}\0\0", record("A")),
        &["reject 0 nul_bytes", "record A", &format!("reject {} nul_bytes", 3 + record("A").to_string().len())],
    );
    check(
        "[1,null,[{}],\"x\"]",
        &["reject 1 not_a_record", "reject 3 not_a_record", "reject 8 not_a_record", "reject 13 not_json"],
    );
}

#[test]
fn what_was_inflated_before_the_damage_is_read() {
    let records: Vec<_> = (0..400).map(|index| record(&format!("Call{index}{}", "x".repeat(index % 7)))).collect();
    let text = json!({ "Records": records }).to_string();
    for (what, compressed, cut, corrupt) in [
        ("gzip", gzip(text.as_bytes()), "truncated_compression", "corrupt_compression"),
        ("zstd", zstd(text.as_bytes()), "truncated_compression", "corrupt_compression"),
    ] {
        let found = find(&compressed[..compressed.len() - 1]);
        assert!(found.records.len() >= 399 || what == "zstd", "{what}: {}", found.records.len());
        assert_eq!(found.rejections.len(), 1, "{what}: {:?}", found.rejections);
        assert_eq!(found.rejections[0].reason.name(), cut, "{what}");

        let mut damaged = compressed.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 0x55;
        let found = find(&damaged);
        assert!(
            found.rejections.iter().any(|rejection| rejection.reason.name() == corrupt),
            "{what}: {:?}",
            found.lines.last()
        );
    }
    let half = gzip(text.as_bytes());
    let found = find(&half[..half.len() / 2]);
    assert!(found.records.len() > 50 && found.records.len() < 400, "{}", found.records.len());
    assert_eq!(found.rejections.len(), 1, "the damage and the record it cut are one rejection");
    assert!(found.rejections[0].offset > 10_000 && found.rejections[0].excerpt.starts_with("{\"awsRegion\""));

    let mut garbage = gzip(text.as_bytes());
    garbage.extend_from_slice(b"garbage");
    let found = find(&garbage);
    assert_eq!(
        (found.records.len(), found.lines.last().unwrap().split(' ').next_back()),
        (400, Some("corrupt_compression"))
    );
}

/// Two streams, one in the other: the damage of either is reported, and damage of both is one.
#[test]
fn damage_of_nested_streams() {
    let inner = gzip(record("A").to_string().as_bytes());
    let cut = &inner[..inner.len() - 1];
    let outer = gzip(&inner);
    check([&outer, b"x".as_slice()].concat(), &["record A", &format!("reject {} corrupt_compression", inner.len())]);
    check(gzip(cut), &["record A", "reject 0 truncated_compression"]);
    check([&gzip(cut), b"x".as_slice()].concat(), &["record A", "reject 0 corrupt_compression"]);
}

#[test]
fn damage_inside_a_wrapping_stays_there() {
    let mut payload = gzip(record("A").to_string().as_bytes());
    payload.truncate(payload.len() - 9);
    let text = format!(
        "{}\n{}\n{}",
        json!({"awslogs": {"data": STANDARD.encode(payload)}}),
        json!({"awslogs": {"data": "%%%"}}),
        record("B")
    );
    let found = find(text.as_bytes());
    assert_eq!(found.records.last().unwrap().1.event_name, "B");
    let reasons: Vec<_> = found.rejections.iter().map(|rejection| rejection.reason.name()).collect();
    assert_eq!(reasons, ["truncated_compression", "invalid_base64"]);
    check(sns("{\"eventVersion\":") + &record("B").to_string(), &["reject 11 truncated_json", "record B"]);
}

#[test]
fn excerpts_forge_no_lines() {
    let found = find("{\"eventVersion\":\"a\u{1b}[2J\u{202e}\n".as_bytes());
    assert_eq!(found.rejections[0].excerpt, r#"{"eventVersion":"a\u{1b}[2J\u{202e}"#);
}

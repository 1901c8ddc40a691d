//! Lines that are hostile rather than broken by accident: each costs itself, in every shape it may come in.

use serde_json::{Value, json};

use super::found::{Found, check, find, gzip, record};

fn changed(key: &str, value: &str) -> Vec<u8> {
    let mut record = record("Bad");
    record[key] = json!(value);
    record.to_string().into_bytes()
}

/// Bad values: alone on a line each is one rejection for this reason (none: a record for others to judge).
fn bad_values() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
    let no_utf8 = changed("userAgent", "#").into_iter().map(|byte| if byte == b'#' { 0xff } else { byte }).collect();
    vec![
        ("brackets", vec![b'['; 10_000], Some("invalid_json")),
        ("two brackets", b"[[".to_vec(), Some("invalid_json")),
        ("brackets, half closed", ["[".repeat(10_000), "]".repeat(5_000)].concat().into(), Some("invalid_json")),
        ("objects", br#"{"a":"#.repeat(10_000), Some("truncated_json")),
        ("objects in arrays", br#"[{"a":"#.repeat(10_000), Some("truncated_json")),
        ("arrays in objects", br#"{"a":["#.repeat(10_000), Some("truncated_json")),
        ("no UTF-8", no_utf8, Some("invalid_utf8")),
        ("the year 9999", changed("eventTime", "9999-12-31T23:59:59Z"), None),
        ("the year 1970", changed("eventTime", "1970-01-01T00:00:00Z"), None),
        ("no time", changed("eventTime", ""), Some("missing_event_time")),
        ("half a record", br#"{"eventVersion":"1.11","eventTime":"#.to_vec(), Some("wrong_type")),
        ("no JSON", b"GET / HTTP/1.1".to_vec(), Some("not_json")),
        ("a NUL", b"\0".to_vec(), Some("nul_bytes")),
    ]
}

/// `bad` between thirty values and thirty more, and where it begins.
fn between(bad: &[u8], value: fn(&str) -> Value, open: &str, separator: &str, close: &str) -> (Vec<u8>, usize) {
    let joined = |names: std::ops::Range<usize>| {
        names.map(|index| value(&format!("Good{index}")).to_string()).collect::<Vec<_>>().join(separator)
    };
    let before = format!("{open}{}{separator}", joined(0..30));
    let behind = format!("{separator}{}{close}", joined(30..60));
    ([before.as_bytes(), bad, behind.as_bytes()].concat(), before.len())
}

fn assert_all_good_are_read(found: &Found, context: &str) {
    let names: Vec<_> = found.records.iter().map(|(_, record)| &*record.event_name).collect();
    let good: Vec<_> = names.into_iter().filter(|name| name.starts_with("Good")).collect();
    let expected: Vec<_> = (0..60).map(|index| format!("Good{index}")).collect();
    assert_eq!(good, expected, "{context}: {:?}", found.rejections);
}

fn event_bridge(name: &str) -> Value {
    json!({"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "detail": record(name)})
}

fn envelope(name: &str) -> Value {
    json!({ "Records": [record(name)] })
}

#[test]
fn a_line_costs_itself() {
    // Its quotes do not pair up: among the elements of an array, nobody knows where it ends.
    let cut = ("a record in an array, cut", br#"[{"eventVersion":"1.0"#.to_vec(), Some("invalid_json"));
    for (name, bad, reason) in bad_values().into_iter().chain([cut]) {
        for (separator, close) in [("\n", ""), ("\n", "\n"), ("\r\n", "\r\n"), ("\n\n", "")] {
            for value in [record, event_bridge, envelope] {
                let (text, at) = between(&bad, value, "", separator, close);
                for bytes in [&text, &gzip(&text)] {
                    let found = find(bytes);
                    let context = format!("{name} {separator:?} {}", value("x"));
                    assert_all_good_are_read(&found, &context);
                    let reasons: Vec<_> = found.rejections.iter().map(|rejection| rejection.reason.name()).collect();
                    assert_eq!(reasons, Vec::from_iter(reason), "{context}");
                    for rejection in &found.rejections {
                        // What is lost of an array is its first element.
                        assert!((at..at + 2).contains(&(rejection.offset as usize)), "{context}: {rejection:?}");
                        assert!(!rejection.excerpt.is_empty() && !rejection.excerpt.contains("Good"), "{context}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_element_costs_itself() {
    let arrays =
        [("[", ",", "]"), ("[\n", ",\n", "\n]"), ("{\"Records\":[", ",", "]}"), ("{\"Records\":[\n", ",\n", "\n]\n}")];
    for (name, bad, reason) in bad_values() {
        for (open, separator, close) in arrays {
            let (text, at) = between(&bad, record, open, separator, close);
            for bytes in [&text, &gzip(&text)] {
                let found = find(bytes);
                let context = format!("{name} {open:?} {separator:?}");
                assert_all_good_are_read(&found, &context);
                assert_eq!(found.rejections.is_empty(), reason.is_none(), "{context}");
                let lost = at as u64..(at + bad.len()) as u64;
                assert!(
                    found.rejections.iter().all(|rejection| lost.contains(&rejection.offset)),
                    "{context}: {:?}",
                    found.rejections
                );
            }
        }
    }
}

#[test]
fn a_last_line_of_brackets_is_one_rejection() {
    for (end, bad) in [("", "[[[["), ("\n", "[[[["), ("\n", "[[[{\"a\":")] {
        let before = record("Before").to_string();
        let text = format!("{before}\n{bad}{end}");
        check(text, &["record Before", &format!("reject {} truncated_json", before.len() + 2)]);
    }
}

/// Every other line is bad. None of them makes the decoder look further than its own end.
#[test]
fn many_lines_cost_themselves() {
    let good = record("Good").to_string();
    let text = format!("{}\n{good}\n", "[".repeat(100)).repeat(5_000);
    let found = find(text.as_bytes());
    assert_eq!((found.records.len(), found.rejections.len()), (5_000, 5_000));
}

/// Seeing that a value never closes takes one look at all of the text, however long that is.
#[test]
fn a_line_costs_itself_in_a_long_text() {
    let good = record("Good");
    let text = format!("{good}\n{{\"a\":[\n{good}\n{}{good}\n", " ".repeat(65 << 20));
    let at = good.to_string().len() + 1;
    let lines = find(text.as_bytes()).lines;
    assert_eq!(lines, ["record Good", &format!("reject {at} truncated_json"), "record Good", "record Good"]);
}

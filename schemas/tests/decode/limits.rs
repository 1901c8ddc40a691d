//! What happens at each limit, and one short of it.

use serde_json::json;
use trailsight_schemas::decode::{Limits, inflate};

use super::found::{find, find_within, gzip, record, zstd};

fn lines(text: &[u8], limits: Limits) -> Vec<String> {
    find_within(text, &limits).lines
}

#[test]
fn record_bytes() {
    let text = format!("[{},{},{}]", record("A"), record("Longer"), record("C"));
    let at = 2 + record("A").to_string().len();
    let length = record("Longer").to_string().len();
    let limits = |record_bytes| Limits { record_bytes, ..Limits::default() };
    assert_eq!(lines(text.as_bytes(), limits(length)), ["record A", "record Longer", "record C"]);
    let expected = ["record A", &format!("reject {at} record_too_large"), "record C"];
    assert_eq!(lines(text.as_bytes(), limits(length - 1)), expected);
    for limit in 0..64 {
        // The limit may fall inside a character.
        assert_eq!(
            find_within("{\"eventName\":\"ääääääääääääääääääääääää\"}".as_bytes(), &limits(limit)).rejections.len(),
            1
        );
    }
}

#[test]
fn a_line_of_many_megabytes_is_one_rejection() {
    let text = format!("{{\"eventVersion\":\"{}\"}}\n{}", "x".repeat(32 << 20), record("B"));
    let found = find(text.as_bytes());
    assert_eq!(found.lines, ["reject 0 record_too_large", "record B"]);
    assert!(found.rejections[0].excerpt.len() <= Limits::default().excerpt);
}

#[test]
fn inflated_bytes() {
    let text = json!({"Records": [record("A"), record("B")]}).to_string();
    let limits = |inflated_bytes| Limits { inflated_bytes, ..Limits::default() };
    let length = text.len() as u64;
    for compressed in [
        gzip(text.as_bytes()),
        zstd(text.as_bytes()),
        [gzip(&text.as_bytes()[..9]), gzip(&text.as_bytes()[9..])].concat(),
    ] {
        assert_eq!(lines(&compressed, limits(length)), ["record A", "record B"]);
        let found = lines(&compressed, limits(length - 3));
        let at = 13 + record("A").to_string().len();
        assert_eq!(found, ["record A", &format!("reject {at} inflated_too_large")]);
        assert_eq!(lines(&compressed, limits(0)), ["reject 0 inflated_too_large"]);
    }
    // All wrappings together, so that many small bombs are no way around it.
    let nested = gzip(&gzip(text.as_bytes()));
    assert_eq!(lines(&nested, limits(length)).last().unwrap().split(' ').next_back(), Some("inflated_too_large"));
}

#[test]
fn a_bomb_is_cut_off_and_what_came_before_is_read() {
    let limits = Limits { expansion: 50, ..Limits::default() };
    let text = [record("A").to_string().as_bytes(), &vec![b' '; 40 << 20]].concat();
    for (bomb, reason) in [(gzip(&text), "expansion_too_large"), (zstd(&text), "expansion_too_large")] {
        let found = lines(&bomb, limits);
        assert_eq!(found, ["record A", &format!("reject {} {reason}", 16 << 20)]);
    }
    let mut scratch = Vec::new();
    inflate(&gzip(&text), &limits, &mut scratch);
    assert!(scratch.capacity() <= 40 << 20, "{}", scratch.capacity());
    // Its trailer lies about its size.
    let mut liar = gzip(record("A").to_string().as_bytes());
    let trailer = liar.len() - 4;
    liar[trailer..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(lines(&liar, Limits::default())[0], "record A");
}

#[test]
fn wrappings() {
    let mut text = record("A").to_string();
    for depth in 1..=10 {
        text = json!({ "Message": text }).to_string();
        let found = find(text.as_bytes()).lines;
        assert_eq!(found == ["record A"], depth <= 8, "{depth}: {found:?}");
        assert_eq!(found.len(), 1);
        assert!(found[0] == "record A" || found[0].ends_with("too_many_wrappings"), "{found:?}");
    }
    for open in ["{\"Records\":[", "[", "{\"detail\":", "{\"Sns\":"] {
        let deep = open.repeat(20_000);
        assert!(!find(deep.as_bytes()).rejections.is_empty());
    }
}

/// Looking for what stands behind broken values may mean looking at the same bytes again and again: 64 MiB of
/// that, and the rest of the text is one rejection. Without the limit this test does not end.
#[test]
fn second_looks() {
    for (what, piece, close) in [
        ("objects that never close", r#"{"eventVersion":[{},"#, ""),
        ("… with a mistake at the end", r#"{"eventVersion":[{},"#, "!"),
        ("… one a line", "{\"eventVersion\":[\n", "!"),
        ("wrappers that never close, one a line", "{\"x\":[\n", "!"),
        ("strings that never close", "{\"eventVersion\":\"x,{\"eventTime\":5", ""),
        ("junk before objects", r#"x,{"eventTime":"#, ""),
        ("junk and quotes", r#"x "#, "\""),
        ("escapes", r#"{"eventVersion":"\u","#, ""),
        ("closing brackets", r#"{"eventTime":{]}"#, ""),
    ] {
        for (open, tail) in [("", ""), ("{\"Records\":[", "]}")] {
            let text = format!("{open}{}{close}{tail}", piece.repeat((4 << 20) / piece.len()));
            assert!(!find(text.as_bytes()).rejections.is_empty(), "{what}");
        }
    }
    let broken = "{\"eventVersion\":\"1.08\",";
    let text = format!("[{}{}]", format!("{broken},").repeat(1_000), record("Last"));
    assert_eq!(find(text.as_bytes()).lines.last().unwrap(), "record Last");
}

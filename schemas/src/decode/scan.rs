//! Finding where JSON values end without reading them: iterative, so that no nesting can exhaust the stack.
//!
//! These functions check brackets and strings only. They serve the walk over wrappers, whose members are read
//! properly afterwards, and the search for the end of something broken.

use memchr::{memchr, memchr2};

/// The index of the first byte at or after `at` that is not JSON white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the string that opens at `at`, one past its closing quote; `None` when it does not close.
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The end of the value that begins at `at`; `None` when the text ends first.
///
/// Brackets are counted, not matched by kind: `[1}` ends at the brace.
pub(super) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => bracket_end(bytes, at),
        _ => Some(scalar_end(bytes, at)),
    }
}

fn bracket_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn scalar_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = rest
        .iter()
        .position(|byte| matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(rest.len());
    at + length
}

/// The end of a broken value that stands alone: where its brackets close, or sooner where a raw newline stands
/// inside a string (which JSON forbids) or a new line opens with a bracket, as the next record of NDJSON does.
pub(super) fn broken_line_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth, mut in_string) = (start, 0usize, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' if in_string || matches!(bytes.get(at + 1), Some(b'{' | b'[')) => return at,
            b'\\' if in_string => at += usize::from(bytes.get(at + 1) != Some(&b'\n')),
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                if depth <= 1 {
                    return at + 1;
                }
                depth -= 1;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The end of text that is no JSON at all: where a new line opens with a bracket or a quote.
pub(super) fn junk_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(newline) = bytes.get(at..).and_then(|rest| memchr(b'\n', rest)) {
        at += newline + 1;
        if matches!(bytes.get(at), Some(b'{' | b'[' | b'"')) {
            return at;
        }
    }
    bytes.len()
}

/// Whether a value of its own line opens at `at`, as every record of NDJSON does: unlike an element of an array,
/// no comma comes before it.
fn opens_line(bytes: &[u8], at: usize) -> bool {
    let is_first = at.checked_sub(1).is_some_and(|before| bytes.get(before) == Some(&b'\n'));
    is_first && matches!(bytes.get(at), Some(b'{' | b'[')) && last_before(bytes, at) != Some(b',')
}

/// The last byte before `at` that is not white space.
fn last_before(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(..at)?.iter().rev().find(|byte| !byte.is_ascii_whitespace()).copied()
}

/// Where the line of the array that opens at `open` ends, when it is a line of NDJSON: the next one opens with a
/// value of its own. Otherwise the end of the text.
pub(super) fn array_line_end(bytes: &[u8], open: usize) -> usize {
    let newline = bytes.get(open..).and_then(|rest| memchr(b'\n', rest)).map(|length| open + length);
    newline.filter(|newline| opens_line(bytes, skip_space(bytes, *newline))).unwrap_or(bytes.len())
}

/// The end of an element of an array that is broken or a stranger there, when its brackets close in their kinds,
/// no raw newline stands in a string, no line of NDJSON opens in it, and the array goes on behind it. Otherwise
/// nobody knows where it ends, and the error is how far was looked.
pub(super) fn element_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut open = Vec::new();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at).ok_or(bytes.len())?;
                if memchr(b'\n', &bytes[at..end]).is_some() {
                    return Err(end);
                }
                at = end - 1;
            }
            b'{' | b'[' if at > start && opens_line(bytes, at) => return Err(at),
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            close @ (b'}' | b']') if open.pop() != Some(*close) => return Err(at),
            _ => {}
        }
        at += 1;
        if open.is_empty() {
            let behind = skip_space(bytes, at);
            return if matches!(bytes.get(behind), Some(b',' | b']')) { Ok(at) } else { Err(behind) };
        }
    }
    Err(at)
}

/// The next place at or after `from` where an element opens whose first key `is_known`: how the neighbours of
/// an element with unbalanced quotes or brackets are found again. It follows a `,` or a `}` or begins a line,
/// and it is an object.
pub(super) fn next_element(bytes: &[u8], mut from: usize, is_known: fn(&[u8]) -> bool) -> Option<usize> {
    loop {
        from += memchr(b'{', bytes.get(from..)?)?;
        let is_placed = matches!(last_before(bytes, from), Some(b',' | b'}')) || opens_line(bytes, from);
        if is_placed && first_key(bytes, from).is_some_and(is_known) {
            return Some(from);
        }
        from += 1;
    }
}

/// The first key of the object that opens at `at`, as written, when a colon follows it.
pub(super) fn first_key(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let open = skip_space(bytes, at + 1);
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    // No key of the field is longer; the bound keeps a search over many candidates linear.
    let window = bytes.get(open + 1..bytes.len().min(open + 1 + 64))?;
    let close = memchr(b'"', window)?;
    let colon = skip_space(bytes, open + 1 + close + 1);
    (bytes.get(colon) == Some(&b':')).then(|| &window[..close])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_values() {
        for (text, end) in [
            (r#"{"a":"}"} x"#, Some(9)),
            (r#"[1,[2,{"a":"\"]"}]],"#, Some(19)),
            (r#""a\\" "#, Some(5)),
            ("12,", Some(2)),
            ("null", Some(4)),
            ("{", None),
            (r#"{"a":"b}"#, None),
            (r#""a\"#, None),
            ("", None),
        ] {
            assert_eq!(value_end(text.as_bytes(), 0), end, "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(value_end(deep.as_bytes(), 0), Some(deep.len()));
    }

    #[test]
    fn ends_of_broken_lines() {
        for (text, end) in [
            ("{\"a\":\"b\n{\"c\":1}", 7),
            ("{\"a\":1,\n{\"c\":1}", 7),
            ("{\"a\":,\n \"b\":1}\n{}", 14),
            ("{\"a\":\"b\\\n{}", 8),
            ("{\"a\"", 4),
            ("]", 1),
        ] {
            assert_eq!(broken_line_end(text.as_bytes(), 0), end, "{text}");
        }
    }

    #[test]
    fn neighbours_are_found_behind_unbalanced_quotes() {
        let text = br#"{"eventTime":"x},{"ARN":1},{"eventTime":"y"}]"#;
        assert_eq!(next_element(text, 1, |key| key == b"eventTime"), Some(27));
        assert_eq!(element_end(text, 0), Err(text.len()));
        assert_eq!(element_end(b"{\"a\":tru},1]", 0), Ok(9));
        assert_eq!(element_end(b"{\"a\":\"x\n\"},1]", 0), Err(9));
        assert_eq!(element_end(b"[[],[{}]],1]", 0), Ok(9));
        assert_eq!(element_end(b"[[]},1]", 0), Err(3));
        assert_eq!(element_end(b"[[1,\n[2]]],1]", 0), Ok(10));
        assert_eq!(element_end(b"[[\n{}]],1]", 0), Err(3));
        assert_eq!(next_element(b"[[\n{\"eventTime\":1}", 1, |key| key == b"eventTime"), Some(3));
    }

    #[test]
    fn ends_of_lines_that_are_arrays() {
        for (text, end) in [
            ("[[\n{}", 2),
            ("[[\n[", 2),
            ("[[ \r\n\n{}", 4),
            ("[[\n {}", 6),
            ("[[,\n{}", 6),
            ("[[\n]]", 5),
            ("[[\n", 3),
            ("[[", 2),
        ] {
            assert_eq!(array_line_end(text.as_bytes(), 0), end, "{text:?}");
        }
    }
}

use std::io::{Cursor, Write};
use std::sync::Arc;

use serde_json::json;
use trailsight_schemas::entry::Outcomes;

use super::super::Settings;
use super::super::tests::records::{ORIGIN, batch, bytes, record, settings, with};
use super::*;

/// Inflated beyond this, compressed input is read as a stream.
const SMALL: u64 = 64 << 10;

fn streaming() -> Settings {
    Settings { inflated_bytes: SMALL, ..settings() }
}

fn line(id: usize, padding: usize) -> String {
    let changes = json!({ "requestParameters": "x".repeat(padding), "userAgent": format!("agent/{}", id % 5) });
    with(record(&format!("id-{id}"), "2026-03-01T00:00:10Z"), changes).to_string() + "\n"
}

/// Lines of a kilobyte and more.
fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|id| line(id, 1000).into_bytes()).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

/// What came of a stream: the tally that is left, those that were taken out on the way, rejects, bytes told.
struct Read {
    tally: Tally,
    rejects: Vec<Reject>,
    told: Vec<u64>,
    result: io::Result<()>,
}

fn stream_from(settings: Settings, input: &mut dyn io::Read) -> Read {
    let settings = Arc::new(settings);
    let mut tally = Tally::new(settings.clone());
    let mut taken = Tally::new(settings.clone());
    let (mut rejects, mut told) = (Vec::new(), Vec::new());
    let mut between = |tally: &mut Tally, read: u64| {
        told.push(read);
        taken.merge(std::mem::replace(tally, Tally::new(settings.clone())));
        Ok(())
    };
    let result = tally.read_from(input, ORIGIN, &mut |reject| rejects.push(reject), &mut between);
    taken.merge(tally);
    Read { tally: taken, rejects, told, result }
}

fn stream(settings: Settings, input: &[u8]) -> Read {
    let read = stream_from(settings, &mut Cursor::new(input));
    assert_eq!(read.told.last(), Some(&(input.len() as u64)), "all of it was read");
    read.result.as_ref().unwrap();
    read
}

fn reasons(read: &Read) -> Vec<&'static str> {
    read.rejects.iter().map(|reject| reject.reason).collect()
}

#[test]
fn every_form_and_compression_counts_the_same() {
    let text = lines(200);
    let records: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let document = [&b"{\"Records\":[\n"[..], &records.join(&b",\n"[..]), b"\n]}"].concat();
    let expected = bytes(&batch(stream(settings(), &text).tally));
    let halves = text.split_at(text.len() / 2);
    let members = [gzip(halves.0), gzip(halves.1), vec![0; 700]].concat();
    let frames = [halves.0, halves.1].map(|half| zstd::encode_all(half, 3).unwrap()).concat();
    let over = Settings { inflated_bytes: 1 << 20, ..settings() };
    for (name, settings, input) in [
        ("document", settings(), document.clone()),
        ("document in gzip", settings(), gzip(&document)),
        ("lines in gzip", settings(), gzip(&text)),
        ("lines in gzip, streamed", streaming(), gzip(&text)),
        ("lines in two padded members, streamed", streaming(), members),
        ("lines in two zstd frames, streamed", streaming(), frames),
        ("without the last line end, streamed", streaming(), gzip(text.trim_ascii_end())),
        ("behind a byte order mark, streamed", streaming(), gzip(&[b"\xef\xbb\xbf", &text[..]].concat())),
        ("behind blank lines, streamed", streaming(), gzip(&[b"\n \r\n\n", &text[..]].concat())),
        ("a document just within the limit", over, gzip(&document)),
    ] {
        let read = stream(settings, &input);
        assert_eq!(reasons(&read), [""; 0], "{name}");
        assert_eq!(read.tally.outcomes(), Outcomes::default(), "{name}");
        assert_eq!(bytes(&batch(read.tally)), expected, "{name}");
    }
}

#[test]
fn plain_lines_beyond_what_is_read_whole() {
    let text: Vec<u8> = (0..150).flat_map(|id| line(id, 64 << 10).into_bytes()).collect();
    assert!(text.len() > WHOLE);
    let read = stream(settings(), &text);
    assert_eq!((read.tally.len(), read.rejects.len()), (150, 0));
    assert!(read.told.len() > 5, "the tally may be taken out on the way: {:?}", read.told);
    let document = [&b"["[..], &text.trim_ascii_end().replace(b"\n", b",\n"), b"]"].concat();
    let read = stream(settings(), &document);
    assert_eq!((read.tally.len(), read.rejects.len()), (150, 0));
}

trait Replace {
    fn replace(&self, what: &[u8], with: &[u8]) -> Vec<u8>;
}

impl Replace for [u8] {
    fn replace(&self, what: &[u8], with: &[u8]) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.split(|byte| [*byte] == what).collect();
        parts.join(with)
    }
}

#[test]
fn a_stream_cut_off_counts_up_to_there() {
    let text = lines(400);
    for (name, settings) in [("whole", settings()), ("streamed", streaming())] {
        let compressed = gzip(&text);
        let cut = &compressed[..compressed.len() * 3 / 4];
        let read = stream(settings.clone(), cut);
        assert_eq!(reasons(&read), ["truncated_compression"], "{name}");
        assert!((200..400).contains(&read.tally.len()), "{name}: {}", read.tally.len());
        assert_eq!(read.tally.outcomes().dead_letter, 1, "{name}");
        assert!(read.rejects[0].offset > 200_000, "{name}: {}", read.rejects[0].offset);

        let trailing = [&compressed[..], b"garbage"].concat();
        let read = stream(settings, &trailing);
        assert_eq!((reasons(&read), read.tally.len()), (vec!["corrupt_compression"], 400), "{name}");
    }
}

/// What inflates without end is cut off, although lines are read as a stream.
#[test]
fn a_bomb_of_lines_is_cut_off() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b'\n'; 64 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let read = stream_from(streaming(), &mut Cursor::new(&bomb));
    assert_eq!(reasons(&read), ["expansion_too_large"]);
    let allowed = bomb.len() as u64 * 400;
    assert!((allowed - (1 << 20)..=allowed).contains(&read.rejects[0].offset), "{}", read.rejects[0].offset);
}

#[test]
fn a_document_beyond_the_limit_is_cut_off() {
    let text = lines(100);
    let records: Vec<&[u8]> = text.trim_ascii_end().split(|byte| *byte == b'\n').collect();
    let document = [&b"["[..], &records.join(&b",\n"[..]), b"]"].concat();
    let read = stream_from(streaming(), &mut Cursor::new(gzip(&document)));
    assert_eq!(reasons(&read), ["inflated_too_large"]);
    assert!((30..60).contains(&read.tally.len()), "{}", read.tally.len());
}

#[test]
fn a_line_beyond_the_limit_is_passed_over() {
    let settings = Settings { object_bytes: 100 << 10, record_bytes: 64 << 10, ..streaming() };
    let endless = [b"{\"eventTime\":\"", &vec![b'x'; 5 << 20][..], b"\n"].concat();
    let large = line(1000, 80 << 10);
    let text = [&lines(80)[..], &endless, large.as_bytes(), &lines(81)].concat();
    let read = stream(settings, &gzip(&text));
    assert_eq!(reasons(&read), ["line_too_large", "record_too_large"]);
    assert_eq!(read.rejects[0].offset, lines(80).len() as u64);
    assert_eq!(read.rejects[1].offset, (lines(80).len() + endless.len()) as u64);
    assert!(read.rejects[0].excerpt.starts_with("{\"eventTime\":\"xxx") && read.rejects[0].excerpt.len() <= 256);
    assert_eq!(read.tally.outcomes(), Outcomes { dead_letter: 2, ..Outcomes::default() });
    assert_eq!(
        batch(read.tally).progress[0].outcomes,
        Outcomes { counted: 81, duplicate: 80, dead_letter: 2, ..Outcomes::default() }
    );
}

/// Gives some bytes and then fails.
struct Failing<'a>(&'a [u8]);

impl io::Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::Error::other("the disk is gone")) } else { self.0.read(buffer) }
    }
}

#[test]
fn an_input_that_fails_is_no_damage_and_what_came_before_counts() {
    let text = lines(400);
    let long: Vec<u8> = (0..150).flat_map(|id| line(id, 64 << 10).into_bytes()).collect();
    let compressed = gzip(&text);
    for (name, input, least) in [
        ("whole", &text[..text.len() / 2], 199),
        ("streamed", &long[..WHOLE + (1 << 20)], 120),
        ("compressed", &compressed[..compressed.len() / 2], 100),
    ] {
        let read = stream_from(settings(), &mut Failing(input));
        assert_eq!(read.result.unwrap_err().to_string(), "the disk is gone", "{name}");
        assert!(read.tally.len() >= least, "{name}: {}", read.tally.len());
    }
}

#[test]
fn an_error_of_the_caller_ends_the_reading() {
    let mut tally = Tally::new(Arc::new(streaming()));
    let text = gzip(&lines(5000));
    let mut calls = 0;
    let result = tally.read_from(&mut Cursor::new(text), ORIGIN, &mut |_| {}, &mut |_, _| {
        calls += 1;
        Err(io::Error::other("stop"))
    });
    assert_eq!((result.unwrap_err().to_string().as_str(), calls), ("stop", 1));
}

#[test]
fn nothing_is_nothing() {
    for input in [&b""[..], b"\n", &gzip(b"")] {
        let read = stream(settings(), input);
        assert!(read.tally.is_empty() && read.rejects.is_empty());
        assert_eq!(read.tally.outcomes(), Outcomes::default());
    }
}

#[test]
fn what_is_lines() {
    let whole = line(1, 0);
    for (text, expected) in [
        (format!("{whole}{whole}"), true),
        (format!("garbage\n{whole}"), true),
        (format!("{{\"eventTime\":\"cut off\n{whole}{whole}"), true),
        ("{\"Records\":[\n{},\n{},\n{}]}\n".to_owned(), false),
        (format!("{{\"Records\":[\n{whole},{whole}]}}"), false),
        ("[\n{},\n{}\n]".to_owned(), false),
        ("{\n  \"eventTime\": \"x\"\n}\n".to_owned(), false),
        ("{}".to_owned(), false),
        (String::new(), true),
        ("H4sIAAAA\n".to_owned(), true),
    ] {
        assert_eq!(is_lines(text.as_bytes()), expected, "{text}");
    }
}

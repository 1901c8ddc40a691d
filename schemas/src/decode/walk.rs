//! Walking over text by hand, value by value, so that a broken one never takes its neighbours down.

use serde_json::Deserializer;
use serde_json::error::Category;

use crate::record::Record;

use super::fields::{Fields, NoRecord, is_record_key};
use super::text::{DAMAGED, Text, unescape, validate};
use super::{Inflated, Limits, Reason, Rejection, Skip, Visitor, envelope, excerpt, inflate, is_compressed, scan};

/// Bytes of one input that may be looked at a second time in search of what stands behind broken values. Past
/// it, the next broken value and all of the text behind it are one rejection; the look that goes past it still
/// counts. No input takes more than linear time.
const SECOND_LOOKS: usize = 64 << 20;

/// Whether an object that begins with this key is an element worth going on with.
fn opens_element(key: &[u8]) -> bool {
    is_record_key(key) || key == b"Records"
}

/// Where in the text the parser gave up.
fn position(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |newline| newline + 1),
    };
    text.len().min(line_start + error.column())
}

/// One input on its way through the decoder.
pub(super) struct Walk<'v> {
    pub(super) limits: &'v Limits,
    pub(super) visitor: &'v mut dyn Visitor,
    /// Wrappings around the text at hand.
    depth: u32,
    /// Bytes that may still be inflated.
    inflatable: u64,
    /// Of [`SECOND_LOOKS`], what is left.
    second_looks: usize,
    frame: Frame,
}

/// What holds for one text: the input itself, or one that a string of it held.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Offset in the input of the string that the text came out of.
    base: Option<u64>,
    /// Damage of the stream that ends the text, until it is reported.
    damage: Option<Reason>,
    /// It held bytes that were no UTF-8.
    repaired: bool,
    /// What the text's end cut off is reported.
    cut: bool,
}

/// A value whose syntax is broken: its end is to be searched for.
pub(super) struct Broken {
    pub(super) reason: Reason,
    /// From where on it is lost; before that, parts of it may have been read.
    pub(super) at: usize,
    /// How far it was looked at.
    pub(super) seen: usize,
}

/// Where an array stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// By itself: it may be a line of NDJSON.
    Alone,
    /// In a wrapper, as its list.
    Wrapped,
}

impl<'v> Walk<'v> {
    pub(super) fn new(limits: &'v Limits, inflated: Inflated<'_>, visitor: &'v mut dyn Visitor) -> Walk<'v> {
        let inflatable = limits.inflated_bytes.saturating_sub(inflated.text.len() as u64);
        let frame = Frame { damage: inflated.damage, ..Frame::default() };
        Walk { limits, visitor, depth: 0, inflatable, second_looks: SECOND_LOOKS, frame }
    }

    /// The whole of a text, or of a compression that stands in its place.
    pub(super) fn top(&mut self, bytes: &[u8]) {
        if is_compressed(bytes) {
            self.deeper("", 0, |walk| walk.compressed(bytes));
        } else {
            self.text(bytes);
        }
        if let Some(damage) = self.frame.damage.take() {
            self.report(bytes.len(), damage, "");
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        let Text { text, repaired, incomplete } = validate(bytes);
        self.frame.repaired |= repaired;
        self.values(&text);
        if incomplete && !self.frame.cut && self.frame.damage.is_none() {
            self.report(text.len(), Reason::InvalidUtf8, "");
        }
    }

    /// Text that came out of a string which began at `at`.
    pub(super) fn nested(&mut self, bytes: &[u8], span: &str, at: usize) {
        self.deeper(span, at, |walk| walk.framed(bytes, at, None));
    }

    /// Text with offsets and damage of its own, in the place of something at `at`.
    fn framed(&mut self, bytes: &[u8], at: usize, damage: Option<Reason>) {
        let base = Some(self.offset(at));
        let frame = Frame { base, damage, repaired: self.frame.repaired, cut: false };
        let outer = std::mem::replace(&mut self.frame, frame);
        self.top(bytes);
        self.frame = outer;
    }

    /// One wrapping further in, unless that is one too many.
    pub(super) fn deeper(&mut self, span: &str, at: usize, inside: impl FnOnce(&mut Self)) {
        if self.depth >= self.limits.wrappings {
            return self.report(at, Reason::TooManyWrappings, span);
        }
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    fn compressed(&mut self, bytes: &[u8]) {
        let limits = Limits { inflated_bytes: self.inflatable, ..*self.limits };
        let mut content = Vec::new();
        let Inflated { text, damage } = inflate(bytes, &limits, &mut content);
        self.inflatable -= (text.len() as u64).min(self.inflatable);
        // Where the outer stream was cut, so was this one: that is one damage.
        let damage = damage.map(|inner| self.frame.damage.take().unwrap_or(inner));
        self.framed(text, 0, damage);
    }

    fn values(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mark = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let mut at = scan::skip_space(bytes, mark);
        if at == bytes.len() && self.frame.damage.is_none() {
            return self.skipped(0, Skip::Empty);
        }
        if let Some(skip) = envelope::plain_text(&text[at..]) {
            return self.skipped(at, skip);
        }
        if envelope::is_base64_of_gzip(bytes, at) {
            return self.base64(text[at..].trim_end(), at);
        }
        while at < bytes.len() {
            at = if bytes[at] == b',' { at + 1 } else { self.value(text, at) };
            at = scan::skip_space(bytes, at);
        }
    }

    /// A value that stands alone; returns where it ends.
    fn value(&mut self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let read = match bytes[at] {
            b'{' => self.object(text, at),
            b'[' => return self.array(text, at, Place::Alone),
            b'"' => self.string(text, at),
            0 => {
                let end = bytes[at..].iter().position(|byte| *byte != 0).map_or(bytes.len(), |length| at + length);
                self.reject(text, at, end, Reason::NulBytes);
                return end;
            }
            _ => Err(Broken { reason: Reason::NotJson, at, seen: at }),
        };
        read.unwrap_or_else(|broken| {
            let line_end = match broken.reason {
                Reason::NotJson => scan::junk_end(bytes, at),
                _ => scan::broken_line_end(bytes, broken.at),
            };
            let next = scan::next_element(&bytes[..line_end], broken.at.max(at + 1), opens_element);
            self.go_on(text, &broken, next.unwrap_or(line_end), line_end)
        })
    }

    /// Rejects what is broken and returns where to go on: at `end`, having looked as far as `seen`.
    fn go_on(&mut self, text: &str, broken: &Broken, end: usize, seen: usize) -> usize {
        let looks = seen.max(broken.seen).saturating_sub(end);
        let end = if looks > 0 && self.second_looks == 0 { text.len() } else { end };
        self.second_looks = self.second_looks.saturating_sub(looks);
        let end = end.max(broken.at);
        self.reject(text, broken.at, end, broken.reason);
        end
    }

    /// The array that opens at `at`, element by element; returns where it ends. Commas are passed over and not
    /// insisted on.
    pub(super) fn array(&mut self, text: &str, at: usize, place: Place) -> usize {
        let bytes = text.as_bytes();
        if self.depth >= self.limits.wrappings {
            let end = scan::value_end(bytes, at).unwrap_or(bytes.len());
            self.report(at, Reason::TooManyWrappings, &text[at..end]);
            return end;
        }
        self.depth += 1;
        let end = self.elements(text, at, place);
        self.depth -= 1;
        end
    }

    fn elements(&mut self, text: &str, open: usize, place: Place) -> usize {
        let bytes = text.as_bytes();
        let mut at = open + 1;
        let mut suspect = false;
        // Where the line ends that the array is, once something in it is broken.
        let mut line_end = None;
        loop {
            at = scan::skip_space(bytes, at);
            let read = match bytes.get(at) {
                None => {
                    self.reject(text, at, at, Reason::TruncatedJson);
                    return at;
                }
                Some(b']') => match self.behind_bracket(text, at, suspect) {
                    Some(next) => Ok(next),
                    None => return at + 1,
                },
                Some(b',') => Ok(at + 1),
                Some(b'{') => self.object(text, at),
                Some(b'"') => self.string(text, at),
                Some(_) => self.stranger(text, at),
            };
            at = match read {
                Ok(end) => end,
                Err(broken) => {
                    let limit = match place {
                        Place::Alone => *line_end.get_or_insert_with(|| scan::array_line_end(bytes, open)),
                        Place::Wrapped => bytes.len(),
                    };
                    // What is broken inside of an element may lie on a later line: then the line is not the array.
                    let limit = if broken.at < limit { limit } else { bytes.len() };
                    let (end, is_closed) = self.behind_element(text, at, limit, &broken);
                    if end == limit && !is_closed {
                        return end;
                    }
                    suspect |= !is_closed;
                    end
                }
            };
        }
    }

    /// Where an array goes on behind a closing bracket that may belong to something inside of what was lost.
    fn behind_bracket(&mut self, text: &str, at: usize, suspect: bool) -> Option<usize> {
        let rest = text.len() - at;
        if !suspect || rest > self.second_looks {
            return None;
        }
        let next = scan::next_element(text.as_bytes(), at + 1, opens_element);
        if next.is_none() {
            self.second_looks -= rest;
        }
        next
    }

    /// An element that is neither an object nor a string.
    fn stranger(&mut self, text: &str, at: usize) -> Result<usize, Broken> {
        let bytes = text.as_bytes();
        // An array is not taken at its word that it ends where its brackets balance: one bracket too many, and
        // those of the array around it close this one.
        let end = match bytes.get(at) {
            Some(b'[') => scan::element_end(bytes, at),
            _ => scan::value_end(bytes, at).filter(|end| *end > at).ok_or(at),
        };
        match end {
            Ok(end) => {
                self.reject(text, at, end, Reason::NotARecord);
                Ok(end)
            }
            Err(seen) if seen >= bytes.len() => Err(Broken { reason: Reason::TruncatedJson, at, seen }),
            Err(seen) => Err(Broken { reason: Reason::InvalidJson, at, seen }),
        }
    }

    /// Rejects the broken element that opened at `start` and ends before `limit`. Returns where the array goes on: at the next thing
    /// that looks like an element, since where quotes do not pair up, brackets inside of strings count; or
    /// behind the element, where its brackets close. And whether it was the latter.
    fn behind_element(&mut self, text: &str, start: usize, limit: usize, broken: &Broken) -> (usize, bool) {
        let bytes = &text.as_bytes()[..limit];
        let close = scan::element_end(bytes, start);
        let closed = close.ok().filter(|end| *end > broken.at);
        let limit = closed.unwrap_or(limit);
        let next = scan::next_element(&bytes[..limit], broken.at.max(start + 1), opens_element);
        let seen = close.unwrap_or_else(|seen| seen);
        let end = self.go_on(text, broken, next.unwrap_or(limit), seen);
        (end, next.is_none() && closed == Some(end))
    }

    /// The string that opens at `at` and what it wraps; returns where it ends.
    fn string(&mut self, text: &str, at: usize) -> Result<usize, Broken> {
        let broken = |reason, seen| Broken { reason, at, seen };
        let end = scan::string_end(text.as_bytes(), at).ok_or(broken(Reason::TruncatedJson, text.len()))?;
        let literal = &text[at..end];
        let inner = unescape(literal).ok_or(broken(Reason::InvalidJson, end))?;
        self.nested(inner.as_bytes(), literal, at);
        Ok(end)
    }

    /// The object that opens at `at`, record or wrapper; returns where it ends.
    pub(super) fn object(&mut self, text: &str, at: usize) -> Result<usize, Broken> {
        if scan::first_key(text.as_bytes(), at).is_some_and(is_record_key)
            && let Some(end) = self.record(text, at)?
        {
            return Ok(end);
        }
        self.wrapper(text, at)
    }

    /// Reads the object that opens at `at` as a record; `None` when it has nothing of one.
    pub(super) fn record(&mut self, text: &str, at: usize) -> Result<Option<usize>, Broken> {
        let rest = &text[at..];
        let window = &rest[..rest.floor_char_boundary(self.limits.record_bytes)];
        let mut stream = Deserializer::from_str(window).into_iter::<Fields<'_, false>>();
        let error = match stream.next() {
            Some(Ok(fields)) => {
                let end = at + stream.byte_offset();
                return Ok(self.settle(fields.judge(), text, at, end));
            }
            Some(Err(error)) => error,
            None => return Err(Broken { reason: Reason::TruncatedJson, at, seen: at }),
        };
        let gave_up = position(window, &error);
        // Within a number, the parser calls the end of the text a mistake in the number.
        let is_early = error.is_eof()
            || error.is_syntax() && gave_up == window.len() && scan::value_end(window.as_bytes(), 0).is_none();
        let reason = match error.classify() {
            _ if is_early && window.len() < rest.len() => Reason::RecordTooLarge,
            _ if is_early => Reason::TruncatedJson,
            Category::Data => Reason::WrongType,
            Category::Syntax | Category::Eof | Category::Io => return self.record_lossily(text, at, at + gave_up),
        };
        Err(Broken { reason, at, seen: at + gave_up })
    }

    /// The second attempt, for halves of surrogate pairs; the first gave up at `seen`.
    fn record_lossily(&mut self, text: &str, at: usize, seen: usize) -> Result<Option<usize>, Broken> {
        let broken = |seen| Broken { reason: Reason::InvalidJson, at, seen };
        // Few broken records hold one, and looking for their end is not free.
        let is_escape = memchr::memmem::find(&text.as_bytes()[at..seen], b"\\u").is_some();
        if !is_escape {
            return Err(broken(seen));
        }
        let Some(end) = scan::value_end(text.as_bytes(), at) else { return Err(broken(text.len())) };
        let span = &text[at..end];
        // Read as bytes, strings may also hold raw control characters: such a record is as broken as before.
        if span.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
            return Err(broken(end));
        }
        match serde_json::from_str::<Fields<'_, true>>(span) {
            Ok(fields) => Ok(self.settle(fields.judge(), text, at, end)),
            Err(_) => Err(broken(end)),
        }
    }

    fn settle(&mut self, reading: Result<Record<'_>, NoRecord>, text: &str, at: usize, end: usize) -> Option<usize> {
        match reading {
            Ok(record) => self.visitor.record(self.offset(at), &record),
            Err(NoRecord::Skipped(skip)) => self.skipped(at, skip),
            Err(NoRecord::Rejected(reason)) => self.reject(text, at, end, reason),
            Err(NoRecord::Notification | NoRecord::Nothing) => return None,
        }
        Some(end)
    }

    /// Rejects `text[at..end]`, with the truest reason: what broke the syntax may be bytes that no text holds,
    /// and what ends early may be a stream that was cut.
    pub(super) fn reject(&mut self, text: &str, at: usize, end: usize, reason: Reason) {
        let span = &text[at..end];
        let reaches_end = end == text.len();
        let is_syntax = matches!(reason, Reason::InvalidJson | Reason::TruncatedJson | Reason::NotJson);
        let reason = match reason {
            _ if is_syntax && self.frame.repaired && memchr::memchr(DAMAGED, span.as_bytes()).is_some() => {
                Reason::InvalidUtf8
            }
            _ if is_syntax && memchr::memchr(0, span.as_bytes()).is_some() => Reason::NulBytes,
            Reason::TruncatedJson if self.frame.cut => return,
            Reason::TruncatedJson if reaches_end => self.frame.damage.take().unwrap_or(reason),
            other => other,
        };
        self.frame.cut |= reaches_end;
        self.report(at, reason, span);
    }

    pub(super) fn report(&mut self, at: usize, reason: Reason, span: &str) {
        let rejection = Rejection { offset: self.offset(at), reason, excerpt: excerpt(span, self.limits) };
        self.visitor.rejected(rejection);
    }

    pub(super) fn skipped(&mut self, at: usize, skip: Skip) {
        self.visitor.skipped(self.offset(at), skip);
    }

    pub(super) fn offset(&self, at: usize) -> u64 {
        self.frame.base.unwrap_or(at as u64)
    }
}

//! Walking over text by hand, value by value, so that a broken one never takes its neighbours down.

use serde_json::Deserializer;
use serde_json::error::Category;

use super::fields::{Fields, Reading, is_record_key};
use super::text::{DAMAGED, Text, unescape, validate};
use super::{Inflated, Limits, Reason, Rejection, Skip, Visitor, envelope, excerpt, inflate, is_compressed, scan};

/// How often the elements of one array are searched for behind unbalanced quotes or brackets. Each search may
/// run to the end of the text; past the limit the rest of the array is one rejection.
const SEARCHES: u32 = 64;

/// One input on its way through the decoder.
pub(super) struct Walk<'v> {
    pub(super) limits: &'v Limits,
    pub(super) visitor: &'v mut dyn Visitor,
    /// Wrappings around the text at hand.
    depth: u32,
    /// Bytes that may still be inflated.
    inflatable: u64,
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
}

impl<'v> Walk<'v> {
    pub(super) fn new(limits: &'v Limits, inflated: Inflated<'_>, visitor: &'v mut dyn Visitor) -> Walk<'v> {
        let inflatable = limits.inflated_bytes.saturating_sub(inflated.text.len() as u64);
        let frame = Frame { damage: inflated.damage, ..Frame::default() };
        Walk { limits, visitor, depth: 0, inflatable, frame }
    }

    /// The whole of a text.
    pub(super) fn top(&mut self, bytes: &[u8]) {
        if is_compressed(bytes) {
            return self.deeper("", 0, |walk| walk.compressed(bytes));
        }
        let Text { text, repaired } = validate(bytes);
        self.frame.repaired |= repaired;
        self.values(&text);
        if let Some(damage) = self.frame.damage.take() {
            self.report(text.len(), damage, "");
        }
    }

    /// Text that came out of a string which began at `at`.
    pub(super) fn nested(&mut self, bytes: &[u8], span: &str, at: usize) {
        let base = self.offset(at);
        self.deeper(span, at, |walk| {
            let frame = Frame { base: Some(base), repaired: walk.frame.repaired, ..Frame::default() };
            let outer = std::mem::replace(&mut walk.frame, frame);
            walk.top(bytes);
            walk.frame = outer;
        });
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
        self.frame.damage = self.frame.damage.or(damage);
        self.top(text);
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
            at = scan::skip_space(bytes, self.value(text, at));
        }
    }

    /// A value that stands alone; returns where it ends.
    fn value(&mut self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        let read = match bytes[at] {
            b'{' => self.object(text, at),
            b'[' => return self.array(text, at),
            b'"' => self.string(text, at),
            0 => {
                let end = bytes[at..].iter().position(|byte| *byte != 0).map_or(bytes.len(), |length| at + length);
                self.reject(text, at, end, Reason::NulBytes);
                return end;
            }
            _ => {
                let end = scan::junk_end(bytes, at);
                self.reject(text, at, end, Reason::NotJson);
                return end;
            }
        };
        read.unwrap_or_else(|broken| {
            let end = scan::broken_line_end(bytes, broken.at);
            self.reject(text, broken.at, end, broken.reason);
            end
        })
    }

    /// The array that opens at `at`, element by element; returns where it ends. Commas are passed over and not
    /// insisted on.
    pub(super) fn array(&mut self, text: &str, at: usize) -> usize {
        let bytes = text.as_bytes();
        if self.depth >= self.limits.wrappings {
            let end = scan::value_end(bytes, at).unwrap_or(bytes.len());
            self.report(at, Reason::TooManyWrappings, &text[at..end]);
            return end;
        }
        self.depth += 1;
        let end = self.elements(text, at + 1);
        self.depth -= 1;
        end
    }

    fn elements(&mut self, text: &str, mut at: usize) -> usize {
        let bytes = text.as_bytes();
        let mut searches = 0;
        loop {
            at = scan::skip_space(bytes, at);
            at = match bytes.get(at) {
                None => {
                    self.reject(text, at, at, Reason::TruncatedJson);
                    return at;
                }
                Some(b']') => return at + 1,
                Some(b',') => at + 1,
                Some(b'{') => {
                    self.object(text, at).unwrap_or_else(|broken| self.resume(text, at, broken, &mut searches))
                }
                Some(b'"') => {
                    self.string(text, at).unwrap_or_else(|broken| self.resume(text, at, broken, &mut searches))
                }
                Some(_) => self.stranger(text, at, &mut searches),
            };
        }
    }

    /// An element that is neither an object nor a string.
    fn stranger(&mut self, text: &str, at: usize, searches: &mut u32) -> usize {
        match scan::value_end(text.as_bytes(), at).filter(|end| *end > at) {
            Some(end) => {
                self.reject(text, at, end, Reason::NotARecord);
                end
            }
            None => self.resume(text, at, Broken { reason: Reason::InvalidJson, at }, searches),
        }
    }

    /// Rejects the broken element that opened at `start` and returns where the array goes on.
    fn resume(&mut self, text: &str, start: usize, broken: Broken, searches: &mut u32) -> usize {
        let bytes = text.as_bytes();
        let closed = scan::broken_element_end(bytes, start).filter(|end| *end > broken.at);
        let end = closed.unwrap_or_else(|| {
            *searches += 1;
            let next =
                (*searches <= SEARCHES).then(|| scan::next_element(bytes, broken.at + 1, is_record_key)).flatten();
            next.unwrap_or(bytes.len())
        });
        self.reject(text, broken.at, end, broken.reason);
        end
    }

    /// The string that opens at `at` and what it wraps; returns where it ends.
    fn string(&mut self, text: &str, at: usize) -> Result<usize, Broken> {
        let end = scan::string_end(text.as_bytes(), at).ok_or(Broken { reason: Reason::TruncatedJson, at })?;
        let literal = &text[at..end];
        let inner = unescape(literal).ok_or(Broken { reason: Reason::InvalidJson, at })?;
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
        let reason = match stream.next() {
            Some(Ok(fields)) => {
                let end = at + stream.byte_offset();
                return Ok(self.settle(fields.judge(), text, at, end));
            }
            Some(Err(error)) => match error.classify() {
                Category::Eof | Category::Io if window.len() < rest.len() => Reason::RecordTooLarge,
                Category::Eof | Category::Io => Reason::TruncatedJson,
                Category::Data => Reason::WrongType,
                Category::Syntax => return self.record_lossily(text, at),
            },
            None => Reason::TruncatedJson,
        };
        Err(Broken { reason, at })
    }

    /// The second attempt, for halves of surrogate pairs.
    fn record_lossily(&mut self, text: &str, at: usize) -> Result<Option<usize>, Broken> {
        let broken = Broken { reason: Reason::InvalidJson, at };
        let Some(end) = scan::value_end(text.as_bytes(), at) else { return Err(broken) };
        let span = &text[at..end];
        // Read as bytes, strings may also hold raw control characters: such a record is as broken as before.
        if span.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
            return Err(broken);
        }
        match serde_json::from_str::<Fields<'_, true>>(span) {
            Ok(fields) => Ok(self.settle(fields.judge(), text, at, end)),
            Err(_) => Err(broken),
        }
    }

    fn settle(&mut self, reading: Reading<'_>, text: &str, at: usize, end: usize) -> Option<usize> {
        match reading {
            Reading::Record(record) => self.visitor.record(self.offset(at), &record),
            Reading::Skipped(skip) => self.skipped(at, skip),
            Reading::Rejected(reason) => self.reject(text, at, end, reason),
            Reading::Notification | Reading::Nothing => return None,
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

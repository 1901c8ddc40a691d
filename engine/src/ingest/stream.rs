//! Files of any size into a tally.
//!
//! | what | how it is read |
//! |---|---|
//! | up to 8 MiB as received, 64 MiB inflated | whole, whatever its shape |
//! | lines (NDJSON) of any size | in pieces of whole lines, in bounded memory |
//! | any other document | whole, up to [`super::Settings::inflated_bytes`]; the rest is one reject |
//!
//! A stream that is damaged counts up to the damage, and the rest is one reject.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use serde::de::IgnoredAny;
use trailsight_schemas::decode::{self, Inflated, Limits, Reason};

use super::inflating::{End, Tap, Text, Watch};
use super::lines::{Piece, each_piece};
use super::read::with_scratch;
use super::settings::{LINE_TOO_LARGE, Origin, Reject};
use super::tally::Tally;

/// What is this small, bytes as received, is read whole.
const WHOLE: usize = 8 << 20;
/// … unless it inflates beyond this, bytes.
const WHOLE_TEXT: u64 = LARGE_DOCUMENT as u64;
/// A document that is not lines is held whole; of those that are larger than this, bytes, one at a time.
pub const LARGE_DOCUMENT: usize = 64 << 20;
/// Held by the thread that reads a large document: memory is the process's, and so is this.
static LARGE: Mutex<()> = Mutex::new(());
/// Text that decides whether the rest is lines, bytes.
const HEAD: usize = 1 << 20;
/// How many of the first lines are looked at.
const HEAD_LINES: usize = 8;

impl Tally {
    /// Adds what a stream holds (a file of any size). `between` is called at points where the tally may be
    /// taken out and replaced, with the bytes read so far as received; it is called at the end, too. An error
    /// that it returns ends the reading, as does one of the input; what came before counts.
    pub fn read_from(
        &mut self,
        input: &mut dyn Read,
        origin: Origin<'_>,
        dead: &mut dyn FnMut(Reject),
        between: &mut dyn FnMut(&mut Tally, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let limits = self.settings.limits();
        let watch = Watch::default();
        let mut tap = Tap::new(input, &watch);
        let (head, read) = tap.head(WHOLE);
        if head.len() < WHOLE && self.read_whole(&head, &limits, origin, dead) {
            between(self, watch.read())?;
            return read.map(drop);
        }
        read?;
        let mut text = Text::new(head, tap, &limits);
        let mut beginning = Vec::new();
        let end = text.append(&mut beginning, HEAD);
        if !is_lines(&beginning) {
            let read = self.read_document(text, beginning, end, &limits, origin, dead);
            between(self, watch.read())?;
            return read;
        }
        let longest = self.settings.line_bytes();
        each_piece(text, beginning, end, longest, &mut |offset, piece| {
            match piece {
                Piece::Lines(lines) => self.read_text(lines.into(), offset, &limits, origin, dead),
                Piece::Broken(line, reason) => {
                    let text = Inflated { text: line, damage: Some(reason) };
                    self.read_text(text, offset, &limits, origin, dead);
                }
                Piece::TooLong(line) => {
                    self.outcomes.dead_letter += 1;
                    dead(origin.reject(offset, LINE_TOO_LARGE, line, &limits));
                }
            }
            between(self, watch.read())
        })?;
        between(self, watch.read())
    }

    /// Reads all of a small input at once, which is faster. `false`: it inflates too far for that.
    fn read_whole(&mut self, bytes: &[u8], limits: &Limits, origin: Origin<'_>, dead: &mut dyn FnMut(Reject)) -> bool {
        let small = Limits { inflated_bytes: limits.inflated_bytes.min(WHOLE_TEXT), ..*limits };
        with_scratch(|scratch| {
            let text = decode::inflate(bytes, &small, scratch);
            let fits = text.damage != Some(Reason::InflatedTooLarge);
            if fits {
                self.read_text(text, 0, limits, origin, dead);
            }
            fits
        })
    }

    /// Reads a document that is not lines.
    fn read_document(
        &mut self,
        mut text: Text<'_>,
        mut held: Vec<u8>,
        end: Option<End>,
        limits: &Limits,
        origin: Origin<'_>,
        dead: &mut dyn FnMut(Reject),
    ) -> io::Result<()> {
        let most = usize::try_from(limits.inflated_bytes).unwrap_or(usize::MAX);
        let mut end = end;
        let mut alone = None;
        while end.is_none() && held.len() <= most {
            if held.len() > LARGE_DOCUMENT && alone.is_none() {
                alone = Some(LARGE.lock().unwrap_or_else(PoisonError::into_inner));
            }
            // One byte more than allowed tells a full document from an overfull one.
            let room = (most - held.len()).saturating_add(1);
            end = text.append(&mut held, HEAD.min(room));
        }
        let damage = match &end {
            _ if held.len() > most => Some(Reason::InflatedTooLarge),
            Some(End::Damaged(reason)) => Some(*reason),
            _ => None,
        };
        held.truncate(most);
        self.read_text(Inflated { text: &held, damage }, 0, limits, origin, dead);
        if let Some(End::Failed(error)) = end { Err(error) } else { Ok(()) }
    }
}

/// Whether the text goes on in lines that can be read one by one: the first is a whole JSON value, or no JSON
/// at all, or at least two of the first few are whole.
fn is_lines(beginning: &[u8]) -> bool {
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    if decode::is_compressed(beginning) {
        return false;
    }
    let blank = |line: &&[u8]| !line.trim_ascii().is_empty();
    let lines: Vec<&[u8]> = beginning.split_inclusive(|byte| *byte == b'\n').filter(blank).take(HEAD_LINES).collect();
    let is_value = |line: &[u8]| line.ends_with(b"\n") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    let Some(first) = lines.first() else { return true };
    let is_json = matches!(first.trim_ascii().first(), Some(b'{' | b'[' | b'"'));
    !is_json || is_value(first) || lines.iter().filter(|line| is_value(line)).count() >= 2
}

#[cfg(test)]
mod tests;

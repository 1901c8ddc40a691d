//! Text cut into pieces of whole lines, with bounded memory.

use std::io;

use memchr::{memchr, memrchr};
use trailsight_schemas::decode::Reason;

use super::inflating::{End, Text};

/// Text read at a time, bytes.
const STEP: usize = 1 << 20;

/// What [`each_piece`] finds.
#[derive(Debug)]
pub(super) enum Piece<'b> {
    /// Whole lines; the last of the text may lack its line end.
    Lines(&'b [u8]),
    /// The beginning of a line that is longer than allowed. The rest of the line is passed over.
    TooLong(&'b [u8]),
    /// Where the text broke off, and the line that it broke off in, possibly empty.
    Broken(&'b [u8], Reason),
}

/// Cuts what `held` begins and `text` goes on with into pieces. `on` is given the offset of each in the text.
/// A line of more than `longest` bytes is not held; nor is anything longer than that and one step.
pub(super) fn each_piece(
    mut text: Text<'_>,
    mut held: Vec<u8>,
    mut end: Option<End>,
    longest: usize,
    on: &mut dyn FnMut(u64, Piece<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut offset = 0;
    let mut searched = 0;
    let mut skipping = false;
    loop {
        if skipping && let Some(line_end) = memchr(b'\n', &held) {
            offset += drop_front(&mut held, line_end + 1);
            (searched, skipping) = (0, false);
        } else if skipping {
            let length = held.len();
            offset += drop_front(&mut held, length);
        }
        if !skipping && let Some(line_end) = memrchr(b'\n', &held[searched..]) {
            let lines = searched + line_end + 1;
            each_within(&held[..lines], longest, offset, on)?;
            offset += drop_front(&mut held, lines);
        }
        searched = held.len();
        if !skipping && held.len() > longest {
            on(offset, Piece::TooLong(&held))?;
            skipping = true;
            continue;
        }
        match end.take() {
            None => end = text.append(&mut held, STEP),
            Some(End::Done) if held.is_empty() || skipping => return Ok(()),
            Some(End::Done) => return on(offset, Piece::Lines(&held)),
            Some(End::Damaged(reason)) => return on(offset, Piece::Broken(&held, reason)),
            Some(End::Failed(error)) => return Err(error),
        }
    }
}

/// Gives whole lines on, those that are too long by themselves.
fn each_within(
    lines: &[u8],
    longest: usize,
    offset: u64,
    on: &mut dyn FnMut(u64, Piece<'_>) -> io::Result<()>,
) -> io::Result<()> {
    if lines.len() <= longest {
        return on(offset, Piece::Lines(lines));
    }
    let mut from = 0;
    let mut at = 0;
    while at < lines.len() {
        let line_end = at + memchr(b'\n', &lines[at..]).map_or(lines.len() - at, |length| length + 1);
        if line_end - at > longest.saturating_add(1) {
            if from < at {
                on(offset + from as u64, Piece::Lines(&lines[from..at]))?;
            }
            on(offset + at as u64, Piece::TooLong(&lines[at..line_end]))?;
            from = line_end;
        }
        at = line_end;
    }
    if from < lines.len() { on(offset + from as u64, Piece::Lines(&lines[from..])) } else { Ok(()) }
}

fn drop_front(held: &mut Vec<u8>, length: usize) -> u64 {
    held.drain(..length);
    length as u64
}

#[cfg(test)]
mod tests;

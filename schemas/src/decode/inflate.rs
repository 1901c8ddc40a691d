//! Compressed bytes to text, sniffed by their magic numbers: names and headers lie, since some clients inflate
//! a `.gz` object on the way.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;

use super::{Limits, Reason};

/// What begins a gzip member: magic and the only compression method there is.
const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
/// What begins a zstd frame.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Inflated bytes below which the expansion ratio is not judged: a few repetitive records are no bomb.
const EXPANSION_FREE: u64 = 16 << 20;
/// Largest zstd window accepted, as a power of two: 128 MiB, the most that `zstd --ultra` uses unasked.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Inflated bytes are written in steps of this size.
const STEP: usize = 128 << 10;
/// … and of this one once a stream is known to be damaged, since the step in which damage shows is lost.
const CAREFUL_STEP: usize = 512;
/// Shortest whole gzip member: header, an empty block, trailer.
const GZIP_MINIMUM: usize = 10 + 2 + 8;

/// Text, and what was wrong with the stream that it came out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inflated<'a> {
    /// The content; when there was damage, all that came before it.
    pub text: &'a [u8],
    /// Why there is not more of it.
    pub damage: Option<Reason>,
}

/// Whether the bytes begin like a gzip or zstd stream.
pub fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(GZIP) || bytes.starts_with(ZSTD)
}

/// Inflates gzip (of any number of members) and zstd (of any number of frames); anything else is text already
/// and is borrowed as it is.
///
/// `into` is scratch memory, worth keeping from call to call: what it held is overwritten, and it grows to the
/// size of the content, at most [`Limits::inflated_bytes`].
pub fn inflate<'a>(bytes: &'a [u8], limits: &Limits, into: &'a mut Vec<u8>) -> Inflated<'a> {
    if bytes.starts_with(GZIP) {
        if let Some(length) = whole_gzip(bytes, limits, into) {
            return Inflated { text: &into[..length], damage: None };
        }
        let mut damage = gzip(bytes, limits, STEP, into).err();
        if damage == Some(Reason::CorruptCompression) {
            damage = gzip(bytes, limits, CAREFUL_STEP, into).err();
        }
        Inflated { text: into, damage }
    } else if bytes.starts_with(ZSTD) {
        let damage = zstd(bytes, limits, into).err();
        Inflated { text: into, damage }
    } else {
        Inflated { text: bytes, damage: None }
    }
}

/// The fast way, for one sound member whose trailer tells its size truly. `None` is no verdict: the slow way
/// finds out.
fn whole_gzip(bytes: &[u8], limits: &Limits, into: &mut Vec<u8>) -> Option<usize> {
    if bytes.len() < GZIP_MINIMUM || memmem::find(&bytes[1..], GZIP).is_some() {
        return None;
    }
    let size = u32::from_le_bytes(*bytes.last_chunk()?);
    if u64::from(size) > cap(bytes.len(), limits).0 {
        return None;
    }
    let size = size as usize;
    if into.len() < size {
        into.resize(size, 0);
    }
    let written = Decompressor::new().gzip_decompress(bytes, &mut into[..size]).ok()?;
    (written == size).then_some(size)
}

fn gzip(mut bytes: &[u8], limits: &Limits, step: usize, into: &mut Vec<u8>) -> Result<(), Reason> {
    into.clear();
    let (most, beyond) = cap(bytes.len(), limits);
    while !bytes.is_empty() {
        if !bytes.starts_with(GZIP) {
            return trailer(bytes);
        }
        let mut member = GzDecoder::new(bytes);
        pump(&mut member, most, beyond, step, into)?;
        bytes = member.into_inner();
    }
    Ok(())
}

/// What may follow the last member: nothing but padding, or a member cut off within its magic.
fn trailer(bytes: &[u8]) -> Result<(), Reason> {
    if bytes.iter().all(|byte| *byte == 0) {
        Ok(())
    } else if GZIP.starts_with(bytes) {
        Err(Reason::TruncatedCompression)
    } else {
        Err(Reason::CorruptCompression)
    }
}

fn zstd(bytes: &[u8], limits: &Limits, into: &mut Vec<u8>) -> Result<(), Reason> {
    into.clear();
    let (most, beyond) = cap(bytes.len(), limits);
    let mut frames = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|_| Reason::CorruptCompression)?;
    frames.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| Reason::CorruptCompression)?;
    pump(&mut frames, most, beyond, STEP, into)
}

/// The most bytes that this much input may inflate to, and what to say beyond it.
fn cap(compressed: usize, limits: &Limits) -> (u64, Reason) {
    let by_ratio = (compressed as u64).saturating_mul(u64::from(limits.expansion)).max(EXPANSION_FREE);
    if by_ratio < limits.inflated_bytes {
        (by_ratio, Reason::ExpansionTooLarge)
    } else {
        (limits.inflated_bytes, Reason::InflatedTooLarge)
    }
}

/// Reads to the end, or until `into` holds `most` bytes and there is more.
fn pump(from: &mut dyn Read, most: u64, beyond: Reason, step: usize, into: &mut Vec<u8>) -> Result<(), Reason> {
    loop {
        let filled = into.len();
        let room = usize::try_from(most.saturating_sub(filled as u64)).unwrap_or(usize::MAX);
        // One byte more than allowed tells a full buffer from an overfull one.
        into.resize(filled + room.saturating_add(1).min(step), 0);
        let read = loop {
            match from.read(&mut into[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        into.truncate(filled + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return Ok(()),
            Ok(_) if into.len() as u64 > most => {
                into.truncate(filled + room);
                return Err(beyond);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Reason::TruncatedCompression),
            Err(_) => return Err(Reason::CorruptCompression),
        }
    }
}

//! Question: how does a series survive outside memory, without losing a bit and without trusting what comes back?
//!
//! Layout: one byte of version, then every field in the order of [`walk`], little-endian, with each run of zero bytes
//! written as a zero and the run's length (1 to 255). One walk serves both directions, so they cannot disagree.
//! A value that no series could hold is an error; a sound one behaves bit for bit as before it was packed.
//! Cost: about one pass over 800 bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::calendar::LAST_MINUTE;
use crate::episode::Episode;
use crate::finding::Level;
use crate::series::{Burst, NEVER, Series};

/// The first byte. A later layout takes the next number and still reads this one.
const VERSION: u8 = 1;
/// No stored number is larger; sums of such stay finite in the arithmetic on them.
const MOST: f64 = 1e30;

/// Why bytes are not a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpackError {
    /// Written by a layout this version does not know.
    Version(u8),
    /// The bytes end too early.
    Truncated,
    /// Bytes are left over.
    Trailing,
    /// A field holds what no series could.
    Invalid,
}

impl core::fmt::Display for UnpackError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Version(version) => write!(f, "series layout {version} is not known, this version reads {VERSION}"),
            Self::Truncated => f.write_str("series state ends too early"),
            Self::Trailing => f.write_str("series state has bytes left over"),
            Self::Invalid => f.write_str("series state holds an impossible value"),
        }
    }
}

impl core::error::Error for UnpackError {}

/// One direction of the walk.
trait Codec {
    fn bytes<const N: usize>(&mut self, bytes: &mut [u8; N]) -> Result<(), UnpackError>;

    fn u8(&mut self, value: &mut u8) -> Result<(), UnpackError> {
        self.bytes(core::array::from_mut(value))
    }

    fn u16(&mut self, value: &mut u16) -> Result<(), UnpackError> {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = u16::from_le_bytes(bytes);
        Ok(())
    }

    fn u32(&mut self, value: &mut u32) -> Result<(), UnpackError> {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = u32::from_le_bytes(bytes);
        Ok(())
    }

    fn u64(&mut self, value: &mut u64) -> Result<(), UnpackError> {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = u64::from_le_bytes(bytes);
        Ok(())
    }

    /// A number between `least` and [`MOST`].
    fn f32(&mut self, value: &mut f32, least: f64) -> Result<(), UnpackError> {
        let mut bits = value.to_bits();
        self.u32(&mut bits)?;
        *value = f32::from_bits(bits);
        within(f64::from(*value), least)
    }

    /// A number between 0 and [`MOST`].
    fn f64(&mut self, value: &mut f64) -> Result<(), UnpackError> {
        let mut bits = value.to_bits();
        self.u64(&mut bits)?;
        *value = f64::from_bits(bits);
        within(*value, 0.0)
    }
}

fn within(value: f64, least: f64) -> Result<(), UnpackError> {
    if (least..=MOST).contains(&value) { Ok(()) } else { Err(UnpackError::Invalid) }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    zeros: u8,
}

impl Writer<'_> {
    fn end_run(&mut self) {
        if self.zeros > 0 {
            self.out.extend_from_slice(&[0, self.zeros]);
            self.zeros = 0;
        }
    }
}

impl Codec for Writer<'_> {
    fn bytes<const N: usize>(&mut self, bytes: &mut [u8; N]) -> Result<(), UnpackError> {
        for byte in bytes {
            if *byte != 0 {
                self.end_run();
                self.out.push(*byte);
                continue;
            }
            self.zeros += 1;
            if self.zeros == u8::MAX {
                self.end_run();
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    zeros: u8,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, UnpackError> {
        if self.zeros > 0 {
            self.zeros -= 1;
            return Ok(0);
        }
        let (byte, rest) = self.rest.split_first().ok_or(UnpackError::Truncated)?;
        self.rest = rest;
        if *byte == 0 {
            let (run, rest) = self.rest.split_first().ok_or(UnpackError::Truncated)?;
            self.zeros = run.checked_sub(1).ok_or(UnpackError::Invalid)?;
            self.rest = rest;
        }
        Ok(*byte)
    }
}

impl Codec for Reader<'_> {
    fn bytes<const N: usize>(&mut self, bytes: &mut [u8; N]) -> Result<(), UnpackError> {
        for byte in bytes {
            *byte = self.byte()?;
        }
        Ok(())
    }
}

impl Series {
    /// Appends the state's bytes: less than 900 for a dense series, a hundred or two for a sparse one.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let mut writer = Writer { out, zeros: 0 };
        // The writer refuses nothing, but a value out of range would be refused when read: it is kept out by design.
        let written = walk(&mut self.clone(), &mut writer);
        writer.end_run();
        debug_assert_eq!(written, Ok(()), "{self:?}");
    }

    /// Reads what [`Self::pack`] wrote: the same series to the bit, or an error.
    pub fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let (version, rest) = bytes.split_first().ok_or(UnpackError::Truncated)?;
        if *version != VERSION {
            return Err(UnpackError::Version(*version));
        }
        let mut series = Self::new(0, 0);
        let mut reader = Reader { rest, zeros: 0 };
        walk(&mut series, &mut reader)?;
        if !reader.rest.is_empty() || reader.zeros > 0 {
            return Err(UnpackError::Trailing);
        }
        if series.has_sound_times() { Ok(series) } else { Err(UnpackError::Invalid) }
    }

    fn has_sound_times(&self) -> bool {
        let calls = self.last_calls.iter().all(|call| *call == NEVER || *call < self.next);
        let burst = self.burst.as_ref().is_none_or(|burst| burst.start < self.next);
        let episode = self.episode.as_ref().is_none_or(|episode| episode.start <= LAST_MINUTE);
        self.since <= self.next && self.next <= LAST_MINUTE + 1 && calls && burst && episode
    }
}

fn walk(series: &mut Series, codec: &mut impl Codec) -> Result<(), UnpackError> {
    codec.u32(&mut series.since)?;
    codec.u32(&mut series.next)?;
    walk_model(series, codec)?;
    walk_tails(series, codec)?;
    for slot in &mut series.recurrence.0 {
        codec.u16(&mut slot.hits_and_minute)?;
        codec.u16(&mut slot.day)?;
        codec.u16(&mut slot.magnitude)?;
    }
    series.maxima.0.iter_mut().try_for_each(|day| codec.u16(day))?;
    series.ring.iter_mut().try_for_each(|calls| codec.u32(calls))?;
    series.last_calls.iter_mut().try_for_each(|minute| codec.u32(minute))?;
    walk_option(&mut series.burst, Burst { start: 0, size: 0, told: None }, codec, walk_burst)?;
    walk_option(&mut series.episode, Episode::blank(), codec, walk_episode)
}

fn walk_model(series: &mut Series, codec: &mut impl Codec) -> Result<(), UnpackError> {
    let model = &mut series.model;
    model.profile.totals.iter_mut().try_for_each(|total| codec.u16(total))?;
    model.template.totals.iter_mut().try_for_each(|total| codec.u16(total))?;
    model.template.previous.iter_mut().try_for_each(|count| codec.u8(count))?;
    codec.f32(&mut model.template.mean, 0.0)?;
    codec.f32(&mut model.level.calls, 0.0)?;
    codec.f32(&mut model.level.expected, 0.0)?;
    model.moments.0.iter_mut().try_for_each(|moment| codec.f32(moment, 0.0))?;
    model.outlook.cells.iter_mut().try_for_each(|cell| codec.f32(cell, 0.0))?;
    codec.f32(&mut model.outlook.evidence, 0.0)?;
    model.outlook.sums.iter_mut().try_for_each(|sum| codec.f32(sum, 0.0))?;
    codec.u8(&mut model.outlook.bucket)?;
    codec.f32(&mut model.hour.calls, 0.0)?;
    codec.f32(&mut model.hour.clipped, 0.0)?;
    codec.f32(&mut model.hour.d2, -MOST)?;
    codec.f32(&mut model.hour.d2m, -MOST)
}

fn walk_tails(series: &mut Series, codec: &mut impl Codec) -> Result<(), UnpackError> {
    for tail in &mut series.calibration.tails {
        codec.f32(&mut tail.peaks, 0.0)?;
        codec.f32(&mut tail.excess, 0.0)?;
        tail.odds.iter_mut().try_for_each(|odds| codec.f32(odds, -MOST))?;
        if tail.odds.iter().any(|odds| odds.abs() > 300.0) {
            return Err(UnpackError::Invalid);
        }
        codec.f32(&mut tail.cluster, 0.0)?;
    }
    series.calibration.quiet.iter_mut().try_for_each(|minutes| codec.u8(minutes))
}

fn walk_option<T: Clone, C: Codec>(
    option: &mut Option<Box<T>>,
    blank: T,
    codec: &mut C,
    walk: impl Fn(&mut T, &mut C) -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let mut present = u8::from(option.is_some());
    codec.u8(&mut present)?;
    match present {
        0 => Ok(()),
        1 => walk(option.get_or_insert_with(|| Box::new(blank)), codec),
        _ => Err(UnpackError::Invalid),
    }
}

fn walk_burst(burst: &mut Burst, codec: &mut impl Codec) -> Result<(), UnpackError> {
    codec.u32(&mut burst.start)?;
    codec.u64(&mut burst.size)?;
    let mut told = burst.told.map_or(3, |level| level as u8);
    codec.u8(&mut told)?;
    burst.told = if told == 3 { None } else { Some(level(told)?) };
    Ok(())
}

fn walk_episode(episode: &mut Episode, codec: &mut impl Codec) -> Result<(), UnpackError> {
    codec.u32(&mut episode.start)?;
    codec.u32(&mut episode.decided)?;
    let mut told = episode.level as u8;
    codec.u8(&mut told)?;
    episode.level = level(told)?;
    codec.f64(&mut episode.calls)?;
    codec.f64(&mut episode.expected)?;
    codec.f64(&mut episode.quiet)?;
    codec.u32(&mut episode.quiet_since)?;
    episode.hour.iter_mut().try_for_each(|sum| codec.f64(sum))?;
    episode.ratios.iter_mut().try_for_each(|ratio| codec.f64(ratio))
}

fn level(code: u8) -> Result<Level, UnpackError> {
    Level::ALL.get(usize::from(code)).copied().ok_or(UnpackError::Invalid)
}

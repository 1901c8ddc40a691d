//! Question: how does a series survive outside memory, without losing a bit and without trusting what comes back?
//!
//! Layout: one byte of version, then every field in the order of [`walk`], little-endian, with each run of zero bytes
//! written as a zero and the run's length (1 to 255). One walk serves both directions, so they cannot disagree.
//! A value that no series could hold is an error; a sound one behaves bit for bit as before it was packed.
//! Cost: about one pass over 800 bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::burst::Burst;
use crate::calendar::{HOUR, LAST_MINUTE};
use crate::calibration::Calibration;
use crate::dense::{Dense, NEVER};
use crate::episode::Episode;
use crate::finding::{Direction, Level};
use crate::hourly::Hourly;
use crate::model::{Model, Outlook};

/// The first byte. A later layout takes the next number and still reads those before it.
const VERSION: u8 = 2;
/// Three statistics, no CUSUMs, no hours, no drops.
const FIRST: u8 = 1;
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

    fn i16(&mut self, value: &mut i16) -> Result<(), UnpackError> {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = i16::from_le_bytes(bytes);
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

impl Dense {
    /// Appends the state's bytes: less than 900 for a dense series, a hundred or two for a sparse one.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        let mut writer = Writer { out, zeros: 0 };
        // The writer refuses nothing, but a value out of range would be refused when read: it is kept out by design.
        let written = walk(&mut self.clone(), &mut writer, VERSION);
        writer.end_run();
        debug_assert_eq!(written, Ok(()), "{self:?}");
    }

    /// Reads what [`Self::pack`] wrote: the same series to the bit, or an error.
    pub(crate) fn unpack(bytes: &[u8]) -> Result<Self, UnpackError> {
        let (version, rest) = bytes.split_first().ok_or(UnpackError::Truncated)?;
        if !(FIRST..=VERSION).contains(version) {
            return Err(UnpackError::Version(*version));
        }
        let mut series = Self::new(0, 0);
        let mut reader = Reader { rest, zeros: 0 };
        walk(&mut series, &mut reader, *version)?;
        if !reader.rest.is_empty() || reader.zeros > 0 {
            return Err(UnpackError::Trailing);
        }
        if !series.has_sound_times() {
            return Err(UnpackError::Invalid);
        }
        let hour = series.next / HOUR;
        if *version == FIRST && series.model.outlook.cells[1] > 0.0 {
            series.model.wake(series.since, hour);
        } else if series.model.is_awake() {
            series.model.restore(series.since, hour);
        }
        Ok(series)
    }

    fn has_sound_times(&self) -> bool {
        let calls = self.last_calls.iter().all(|call| *call == NEVER || *call < self.next);
        let burst = self.burst.as_ref().is_none_or(|burst| burst.start < self.next);
        let episode = self.episode.as_ref().is_none_or(|episode| episode.start <= LAST_MINUTE);
        let cycles = self.cusums.iter().all(|cusum| cusum.start < self.next.max(1));
        let times = cycles && self.hourly.rise.start < self.next.max(1);
        self.since <= self.next && self.next <= LAST_MINUTE + 1 && calls && burst && episode && times
    }
}

fn walk(series: &mut Dense, codec: &mut impl Codec, version: u8) -> Result<(), UnpackError> {
    codec.u32(&mut series.since)?;
    codec.u32(&mut series.next)?;
    walk_model(series, codec, version)?;
    if version == FIRST {
        walk_first_tails(series, codec)?;
    } else {
        walk_tails(series, codec)?;
        walk_changes(series, codec)?;
    }
    for slot in &mut series.recurrence.0 {
        codec.u16(&mut slot.hits_and_minute)?;
        codec.u16(&mut slot.day)?;
        codec.u16(&mut slot.magnitude)?;
    }
    series.maxima.0.iter_mut().try_for_each(|day| codec.u16(day))?;
    series.ring.iter_mut().try_for_each(|calls| codec.u32(calls))?;
    series.last_calls.iter_mut().try_for_each(|minute| codec.u32(minute))?;
    walk_option(&mut series.burst, Burst { start: 0, size: 0, told: None }, codec, walk_burst)?;
    walk_option(&mut series.episode, Episode::blank(), codec, |episode, codec| walk_episode(episode, codec, version))
}

fn walk_model(series: &mut Dense, codec: &mut impl Codec, version: u8) -> Result<(), UnpackError> {
    let model = &mut series.model;
    model.profile.totals.iter_mut().try_for_each(|total| codec.u16(total))?;
    model.template.totals.iter_mut().try_for_each(|total| codec.u16(total))?;
    model.template.previous.iter_mut().try_for_each(|count| codec.u8(count))?;
    codec.f32(&mut model.template.mean, 0.0)?;
    codec.f32(&mut model.level.calls, 0.0)?;
    codec.f32(&mut model.level.expected, 0.0)?;
    model.moments.0.iter_mut().try_for_each(|moment| codec.f32(moment, 0.0))?;
    if version == FIRST {
        walk_first_outlook(&mut model.outlook, codec)?;
    } else {
        walk_outlook(model, codec)?;
    }
    codec.f32(&mut model.hour.calls, 0.0)?;
    codec.f32(&mut model.hour.clipped, 0.0)?;
    codec.f32(&mut model.hour.d2, -MOST)?;
    codec.f32(&mut model.hour.d2m, -MOST)
}

/// The coarse profile, and the sums if a template is in them: the rest
/// of the outlook follows.
fn walk_outlook(model: &mut Model, codec: &mut impl Codec) -> Result<(), UnpackError> {
    codec.f32(&mut model.coarse.mean, 0.0)?;
    codec.f32(&mut model.coarse.variance, 0.0)?;
    model.coarse.by_hour.iter_mut().chain(&mut model.coarse.by_day).try_for_each(|rate| codec.u16(rate))?;
    if model.template.mean == 0.0 {
        return Ok(());
    }
    model.outlook.sums.iter_mut().try_for_each(|sum| codec.f32(sum, 0.0))
}

fn walk_first_outlook(outlook: &mut Outlook, codec: &mut impl Codec) -> Result<(), UnpackError> {
    outlook.cells.iter_mut().try_for_each(|cell| codec.f32(cell, 0.0))?;
    codec.f32(&mut outlook.evidence, 0.0)?;
    outlook.sums.iter_mut().try_for_each(|sum| codec.f32(sum, 0.0))?;
    codec.u8(&mut outlook.bucket)
}

fn walk_flag(flag: &mut bool, codec: &mut impl Codec) -> Result<(), UnpackError> {
    let mut code = u8::from(*flag);
    codec.u8(&mut code)?;
    *flag = code == 1;
    if code > 1 { Err(UnpackError::Invalid) } else { Ok(()) }
}

/// Tails of the first layout were of other shapes: their odds begin anew.
fn walk_first_tails(series: &mut Dense, codec: &mut impl Codec) -> Result<(), UnpackError> {
    let kept = &mut series.calibration;
    for at in 0..kept.clusters.len() {
        let [mut peaks, mut first, mut last] = [0.0_f32; 3];
        codec.f32(&mut peaks, 0.0)?;
        codec.f32(&mut kept.excess[at], 0.0)?;
        [&mut first, &mut last].into_iter().try_for_each(|odds| codec.f32(odds, -MOST))?;
        codec.f32(&mut kept.clusters[at], 0.0)?;
        kept.peaks[at] = (peaks * 16.0) as u16;
    }
    kept.quiet.iter_mut().try_for_each(|minutes| codec.u8(minutes))
}

fn walk_tails(series: &mut Dense, codec: &mut impl Codec) -> Result<(), UnpackError> {
    let Calibration { peaks, excess, odds, clusters, quiet } = &mut series.calibration;
    peaks.iter_mut().try_for_each(|peaks| codec.u16(peaks))?;
    excess.iter_mut().try_for_each(|excess| codec.f32(excess, 0.0))?;
    odds.iter_mut().flatten().try_for_each(|odds| codec.i16(odds))?;
    clusters.iter_mut().try_for_each(|cluster| codec.f32(cluster, 0.0))?;
    quiet.iter_mut().try_for_each(|minutes| codec.u8(minutes))
}

fn walk_changes(series: &mut Dense, codec: &mut impl Codec) -> Result<(), UnpackError> {
    for cusum in &mut series.cusums {
        codec.u32(&mut cusum.sum)?;
        codec.u32(&mut cusum.peak)?;
        codec.u32(&mut cusum.start)?;
        codec.u32(&mut cusum.calls)?;
    }
    let Hourly { moments, calls, expected, rise, missing } = &mut series.hourly;
    moments.0.iter_mut().try_for_each(|moment| codec.f32(moment, 0.0))?;
    [calls, expected].into_iter().try_for_each(|sum| codec.f32(sum, 0.0))?;
    [&mut rise.sum, &mut rise.peak, &mut rise.calls, &mut rise.expected]
        .into_iter()
        .try_for_each(|sum| codec.f32(sum, 0.0))?;
    codec.u32(&mut rise.start)?;
    codec.u8(missing)
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

fn walk_episode(episode: &mut Episode, codec: &mut impl Codec, version: u8) -> Result<(), UnpackError> {
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
    episode.ratios.iter_mut().try_for_each(|ratio| codec.f64(ratio))?;
    if version == FIRST {
        return Ok(());
    }
    let mut below = episode.direction == Direction::Below;
    walk_flag(&mut below, codec)?;
    episode.direction = if below { Direction::Below } else { Direction::Above };
    codec.u32(&mut episode.held)
}

fn level(code: u8) -> Result<Level, UnpackError> {
    Level::ALL.get(usize::from(code)).copied().ok_or(UnpackError::Invalid)
}

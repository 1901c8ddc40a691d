//! Sorted runs in one temporary file.
//!
//! A run is a sequence of blocks in the order of event time; a block has the tables that name what it holds, so
//! that it can be read alone. A minute may go on in the next block.
//!
//! ```text
//! length of what follows the checksum, u32 LE │ CRC-32C of it, u32 LE │ zstd(postcard(Block))
//! ```
//!
//! The file has no name: it is gone with the process, however that ends. Its checksum guards against a disk
//! that does not keep what it was given, nothing else.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trailsight_schemas::entry::Api;

use super::intern::{Attributes, Remap, Tables};
use super::settings::Settings;
use super::tally::{Row, Sample, Tally};

/// Samples and rows of a block, at most. While runs are merged each of them has one block in memory, and somebody
/// who mints names makes every record of it bring strings of its own: about 200 bytes then.
pub(super) const BLOCK: usize = 512;
/// zstd's fastest ordinary level: fingerprints do not compress, the rest does at any.
const LEVEL: i32 = 1;
const FRAME: usize = 8;

/// Samples and rows, sorted by minute.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Block {
    strings: Vec<String>,
    apis: Vec<Api>,
    attributes: Vec<Attributes>,
    samples: Vec<Sample>,
    rows: Vec<Row>,
}

/// The temporary file.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) file: File,
    length: u64,
}

/// Where a run lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: u64,
    to: u64,
}

impl RunFile {
    /// An empty file in `directory`, which is made where there is none.
    pub(super) fn new(directory: &Path) -> io::Result<RunFile> {
        std::fs::create_dir_all(directory)?;
        Ok(RunFile { file: tempfile::tempfile_in(directory)?, length: 0 })
    }

    /// Begins a run. What a run that was not ended left behind is written over by the next.
    pub(super) fn begin(&mut self) -> io::Result<Writing<'_>> {
        self.file.seek(SeekFrom::Start(self.length))?;
        let (from, length) = (self.length, &mut self.length);
        Ok(Writing {
            out: BufWriter::new(&self.file),
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            span: Span { from, to: from },
            length,
        })
    }

    /// The next block of a run; `None` at its end.
    pub(super) fn next(&self, span: &mut Span, settings: &Arc<Settings>) -> io::Result<Option<Sorted>> {
        if span.from >= span.to {
            return Ok(None);
        }
        let mut frame = [0; FRAME];
        self.file.read_exact_at(&mut frame, span.from)?;
        let [a, b, c, d, e, f, g, h] = frame;
        let (length, checksum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let next = span.from + FRAME as u64 + u64::from(length);
        if next > span.to {
            return Err(damaged());
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, span.from + FRAME as u64)?;
        if crc32c::crc32c(&bytes) != checksum {
            return Err(damaged());
        }
        span.from = next;
        let bytes = zstd::stream::decode_all(bytes.as_slice())?;
        let block: Block = postcard::from_bytes(&bytes).map_err(|_| damaged())?;
        block.sorted(settings).map(Some).ok_or_else(damaged)
    }
}

/// A run on its way into the file.
pub(super) struct Writing<'a> {
    out: BufWriter<&'a File>,
    compressor: zstd::bulk::Compressor<'static>,
    span: Span,
    length: &'a mut u64,
}

impl Writing<'_> {
    /// Adds what is not before anything added so far.
    pub(super) fn add(&mut self, sorted: &Sorted) -> io::Result<()> {
        let mut position = Position::default();
        while let Some(block) = sorted.block(&mut position) {
            let bytes = postcard::to_stdvec(&block).map_err(io::Error::other)?;
            let bytes = self.compressor.compress(&bytes)?;
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            self.out.write_all(&length.to_le_bytes())?;
            self.out.write_all(&crc32c::crc32c(&bytes).to_le_bytes())?;
            self.out.write_all(&bytes)?;
            self.span.to += FRAME as u64 + u64::from(length);
        }
        Ok(())
    }

    pub(super) fn end(mut self) -> io::Result<Span> {
        self.out.flush()?;
        *self.length = self.span.to;
        Ok(self.span)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a temporary file does not hold what was written to it")
}

impl Block {
    /// `None` when a number names nothing.
    fn sorted(self, settings: &Arc<Settings>) -> Option<Sorted> {
        let mut tables = Tables::default();
        let mut tally = Tally::new(settings.clone());
        for string in &self.strings {
            tables.string(string);
        }
        let strings = tables.strings().len() as u32;
        let is_api = |api: &Api| [api.account, api.region, api.source, api.name].iter().all(|id| *id < strings);
        let is_call = |call: &Attributes| {
            call.identity < strings && call.agent < strings && call.error.is_none_or(|code| code < strings)
        };
        if !self.apis.iter().all(is_api) || !self.attributes.iter().all(is_call) {
            return None;
        }
        for api in &self.apis {
            tables.api(*api);
        }
        for call in &self.attributes {
            tables.attributes(*call);
        }
        let (apis, attributes) = (tables.apis().len() as u32, tables.all_attributes().len() as u32);
        let is_known = |api, call| api < apis && call < attributes;
        let are_known = self.samples.iter().all(|sample| is_known(sample.api, sample.attributes))
            && self.rows.iter().all(|row| is_known(row.api, row.attributes));
        tally.tables = tables;
        tally.samples = self.samples;
        tally.rows = self.rows;
        are_known.then_some(Sorted(tally))
    }
}

/// A tally whose samples and rows are sorted by minute.
pub(super) struct Sorted(pub(super) Tally);

/// How far something sorted was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    pub(super) sample: usize,
    pub(super) row: usize,
}

impl Sorted {
    pub(super) fn new(mut tally: Tally) -> Sorted {
        tally.samples.sort_unstable_by_key(Sample::minute);
        tally.rows.sort_unstable_by_key(Row::minute);
        Sorted(tally)
    }

    /// What the first minute at or behind `position` holds, at most so many; moves behind them.
    pub(super) fn minute(&self, position: &mut Position, most: usize) -> Option<(&[Sample], &[Row])> {
        let (samples, rows) = (&self.0.samples[position.sample..], &self.0.rows[position.row..]);
        let minute = self.peek(*position)?;
        let samples = &samples[..samples.partition_point(|sample| sample.minute() <= minute)];
        let samples = &samples[..samples.len().min(most)];
        let rows = &rows[..rows.partition_point(|row| row.minute() <= minute)];
        let rows = &rows[..rows.len().min(most - samples.len())];
        position.sample += samples.len();
        position.row += rows.len();
        Some((samples, rows))
    }

    /// The first minute at or behind `position`.
    pub(super) fn peek(&self, position: Position) -> Option<trailsight_schemas::time::Minute> {
        let sample = self.0.samples.get(position.sample).map(Sample::minute);
        let row = self.0.rows.get(position.row).map(Row::minute);
        sample.into_iter().chain(row).min()
    }

    /// What comes next, with tables of its own.
    fn block(&self, position: &mut Position) -> Option<Block> {
        let mut block = Tally::new(self.0.settings.clone());
        let mut remap = Remap::default();
        while block.len() < BLOCK
            && let Some((samples, rows)) = self.minute(position, BLOCK - block.len())
        {
            block.extend(&self.0.tables, samples, rows, &mut remap);
        }
        let strings = block.tables.strings().iter().map(|text| text.to_string()).collect();
        let apis = block.tables.apis().to_vec();
        let attributes = block.tables.all_attributes().to_vec();
        (!block.is_empty()).then_some(Block { strings, apis, attributes, samples: block.samples, rows: block.rows })
    }
}

//! Text out of a stream of any length: plain, gzip or zstd, sniffed.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use trailsight_schemas::decode::{Limits, Reason};

const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Inflated bytes below which the expansion ratio is not judged, as in the decoder.
const EXPANSION_FREE: u64 = 16 << 20;
/// Largest zstd window accepted, as a power of two: 128 MiB, as in the decoder.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Bytes read from the input at a time.
const BUFFER: usize = 64 << 10;

/// Why there is no more text.
#[derive(Debug)]
pub(super) enum End {
    /// It was all.
    Done,
    /// The stream is damaged, or goes too far.
    Damaged(Reason),
    /// The input failed.
    Failed(io::Error),
}

/// What is known of the input, whoever reads it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    read: Cell<u64>,
    failed: RefCell<Option<io::Error>>,
}

impl Watch {
    /// Bytes read so far, as they came.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }
}

/// Reads the input, so that its own failures can be told from damage that a decoder finds.
pub(super) struct Tap<'a> {
    input: &'a mut dyn Read,
    watch: &'a Watch,
}

impl<'a> Tap<'a> {
    pub(super) fn new(input: &'a mut dyn Read, watch: &'a Watch) -> Tap<'a> {
        Tap { input, watch }
    }

    /// Reads until `most` bytes are there, or the input's end, or it fails.
    pub(super) fn head(&mut self, most: usize) -> (Vec<u8>, io::Result<usize>) {
        let mut head = Vec::new();
        let read = Read::take(&mut *self, most as u64).read_to_end(&mut head);
        (head, read.map_err(|error| self.watch.failed.take().unwrap_or(error)))
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.watch.read.set(self.watch.read.get() + count as u64);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.watch.failed.replace(Some(error));
                    return Err(kind.into());
                }
            }
        }
    }
}

/// The input, what was read of it already put back.
type Rest<'a> = BufReader<io::Chain<io::Cursor<Vec<u8>>, Tap<'a>>>;

/// A stream of text.
pub(super) struct Text<'a> {
    form: Form<'a>,
    watch: &'a Watch,
    expansion: u64,
    written: u64,
}

enum Form<'a> {
    Plain(Rest<'a>),
    Gzip(Box<GzDecoder<Rest<'a>>>),
    Zstd(Box<zstd::stream::read::Decoder<'a, Rest<'a>>>),
    Over(Option<Reason>),
}

impl<'a> Text<'a> {
    /// The text of what begins with `head` and goes on in `tap`.
    pub(super) fn new(head: Vec<u8>, tap: Tap<'a>, limits: &Limits) -> Text<'a> {
        let watch = tap.watch;
        let (is_gzip, is_zstd) = (head.starts_with(GZIP), head.starts_with(ZSTD));
        let rest = BufReader::with_capacity(BUFFER, io::Cursor::new(head).chain(tap));
        let form = if is_gzip {
            Form::Gzip(Box::new(GzDecoder::new(rest)))
        } else if is_zstd {
            zstd_frames(rest).unwrap_or(Form::Over(Some(Reason::CorruptCompression)))
        } else {
            Form::Plain(rest)
        };
        Text { form, watch, expansion: u64::from(limits.expansion), written: 0 }
    }

    /// Appends up to `most` bytes of text, fewer only at the end. Returns why there is no more, or `None`.
    pub(super) fn append(&mut self, into: &mut Vec<u8>, most: usize) -> Option<End> {
        let (from, goal) = (into.len(), into.len().saturating_add(most));
        into.resize(goal, 0);
        let mut filled = from;
        let end = loop {
            if filled == goal {
                break None;
            }
            match self.some(&mut into[filled..]) {
                Ok(count) => filled += count,
                Err(end) => break Some(end),
            }
        };
        into.truncate(filled);
        end
    }

    fn some(&mut self, buffer: &mut [u8]) -> Result<usize, End> {
        let read = match &mut self.form {
            Form::Plain(text) => text.read(buffer),
            Form::Gzip(member) => member.read(buffer),
            Form::Zstd(frames) => frames.read(buffer),
            Form::Over(None) => return Err(End::Done),
            Form::Over(Some(reason)) => return Err(End::Damaged(*reason)),
        };
        match read {
            Ok(0) => self.next_member().map(|()| 0),
            Ok(count) => self.within_ratio(count),
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Goes on behind a gzip member: with the next, or nothing but padding.
    fn next_member(&mut self) -> Result<(), End> {
        let Form::Gzip(member) = std::mem::replace(&mut self.form, Form::Over(None)) else { return Err(End::Done) };
        let mut rest = member.into_inner();
        match rest.fill_buf() {
            Ok([]) => Err(End::Done),
            Ok([0x1f, ..]) => {
                self.form = Form::Gzip(Box::new(GzDecoder::new(rest)));
                Ok(())
            }
            Ok(_) => self.padding(rest),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn padding(&mut self, mut rest: Rest<'_>) -> Result<(), End> {
        loop {
            let length = match rest.fill_buf() {
                Ok([]) => return Err(End::Done),
                Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => bytes.len(),
                Ok(_) => return Err(self.damaged(Reason::CorruptCompression)),
                Err(error) => return Err(self.broken(&error)),
            };
            rest.consume(length);
        }
    }

    fn within_ratio(&mut self, count: usize) -> Result<usize, End> {
        self.written = self.written.saturating_add(count as u64);
        let most = self.watch.read().saturating_mul(self.expansion).max(EXPANSION_FREE);
        let is_plain = matches!(self.form, Form::Plain(_));
        if is_plain || self.written <= most { Ok(count) } else { Err(self.damaged(Reason::ExpansionTooLarge)) }
    }

    fn broken(&mut self, error: &io::Error) -> End {
        if let Some(failed) = self.watch.failed.take() {
            return End::Failed(failed);
        }
        self.damaged(match error.kind() {
            io::ErrorKind::UnexpectedEof => Reason::TruncatedCompression,
            _ => Reason::CorruptCompression,
        })
    }

    fn damaged(&mut self, reason: Reason) -> End {
        self.form = Form::Over(Some(reason));
        End::Damaged(reason)
    }
}

fn zstd_frames(rest: Rest<'_>) -> io::Result<Form<'_>> {
    let mut frames = zstd::stream::read::Decoder::with_buffer(rest)?;
    frames.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(Form::Zstd(Box::new(frames)))
}

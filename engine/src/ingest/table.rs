//! Counts tables into a tally: they go the same way as records from then on.

use std::io::{self, Read};

use trailsight_schemas::counts::{Header, HeaderError, Row};
use trailsight_schemas::decode::{Limits, Reason};

use super::classify::{Kind, class};
use super::identity::{NULL, without_session};
use super::inflating::{Tap, Text, Watch};
use super::lines::{Piece, each_piece};
use super::settings::{LINE_TOO_LARGE, Origin, Reject};
use super::tally::{Call, Tally};

impl Tally {
    /// Adds a counts table (TSV or CSV; plain, gzip or zstd).
    ///
    /// Rows of one series and minute add up; nothing in a table is a duplicate. `calls` of 0 is no call, as is a
    /// row that is not there. A table without a header that can be read is an error of the kind `InvalidData`,
    /// whose text names the missing columns; a row that cannot be read goes to the dead letter. `between` as in
    /// [`Tally::read_from`].
    pub fn read_counts(
        &mut self,
        input: &mut dyn Read,
        origin: Origin<'_>,
        dead: &mut dyn FnMut(Reject),
        between: &mut dyn FnMut(&mut Tally, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let limits = self.settings.limits();
        let watch = Watch::default();
        let mut tap = Tap::new(input, &watch);
        let (head, read) = tap.head(8);
        read?;
        let text = Text::new(head, tap, &limits);
        let mut table = Table { header: None, origin, limits };
        each_piece(text, Vec::new(), None, self.settings.record_bytes, &mut |offset, piece| {
            table.piece(self, offset, piece, dead)?;
            between(self, watch.read())
        })?;
        if table.header.is_none() {
            // Not one line: all columns are missing, which is what an empty header says.
            table.header = Some(header(b"")?);
        }
        between(self, watch.read())
    }

    fn count(&mut self, row: &Row<'_>, offset: u64, origin: Origin<'_>, dead: &mut dyn FnMut(Reject), limits: &Limits) {
        let Some(second) = self.settings.event_second(row.minute.seconds()) else {
            self.outcomes.dead_letter += 1;
            let what = format!("{} {} {} calls", row.source, row.name, row.calls);
            return dead(origin.out_of_range(offset, row.minute.seconds(), &what, limits));
        };
        let kind = Kind {
            category: row.category.as_deref(),
            management: None,
            read_only: row.read_only,
            source: &row.source,
            name: &row.name,
        };
        let Some(class) = class(kind, &self.settings.data_events) else {
            self.outcomes.not_analysed = self.outcomes.not_analysed.saturating_add(row.calls);
            return;
        };
        let call = Call {
            second,
            account: &row.account,
            region: &row.region,
            source: &row.source,
            name: &row.name,
            class,
            identity: row.principal.as_deref().map_or(NULL, without_session),
            agent: row.user_agent.as_deref().unwrap_or(NULL),
            error: row.error_code.as_deref().unwrap_or_default(),
        };
        self.row(call, row.calls);
    }
}

/// A table on its way into a tally.
struct Table<'a> {
    header: Option<Header>,
    origin: Origin<'a>,
    limits: Limits,
}

impl Table<'_> {
    fn piece(
        &mut self,
        tally: &mut Tally,
        offset: u64,
        piece: Piece<'_>,
        dead: &mut dyn FnMut(Reject),
    ) -> io::Result<()> {
        let (text, reason) = match piece {
            Piece::Lines(lines) => return self.lines(tally, offset, lines, dead),
            Piece::TooLong(line) => (line, LINE_TOO_LARGE),
            Piece::Broken(line, reason) => (line, reason.name()),
        };
        if self.header.is_none() {
            return Err(invalid(&format!("the header cannot be read: {reason}")));
        }
        tally.outcomes.dead_letter += 1;
        dead(self.origin.reject(offset, reason, text, &self.limits));
        Ok(())
    }

    fn lines(
        &mut self,
        tally: &mut Tally,
        mut offset: u64,
        lines: &[u8],
        dead: &mut dyn FnMut(Reject),
    ) -> io::Result<()> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match &self.header {
                None if line.trim_ascii().is_empty() => {}
                None => self.header = Some(header(line)?),
                Some(columns) => match columns.row(line) {
                    None => {}
                    Some(Ok(row)) => tally.count(&row, offset, self.origin, dead, &self.limits),
                    Some(Err(error)) => {
                        tally.outcomes.dead_letter += 1;
                        dead(self.origin.reject(offset, error.name(), line, &self.limits));
                    }
                },
            }
            offset += line.len() as u64;
        }
        Ok(())
    }
}

fn header(line: &[u8]) -> io::Result<Header> {
    let text = std::str::from_utf8(line).map_err(|_| invalid(Reason::InvalidUtf8.name()))?;
    Header::parse(text).map_err(|error: HeaderError| invalid(&error.to_string()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests;

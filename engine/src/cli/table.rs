//! Tables for a terminal: columns that fit, and text that a terminal does not obey.

use std::fmt::Write as _;
use std::io;

/// A table whose last column takes what room is left.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cells: Vec<String>,
    /// A line of its own under the cells.
    below: Option<String>,
}

/// Between two columns.
const GAP: &str = "  ";
/// Narrowest that the last column is made.
const NARROW: usize = 16;

impl Table {
    pub(super) fn new(head: &[&str]) -> Table {
        let cells = head.iter().map(|title| (*title).to_owned()).collect();
        Table { rows: vec![Row { cells, below: None }] }
    }

    /// Adds a row; every cell is made plain.
    pub(super) fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        self.rows.push(Row { cells: cells.into_iter().map(plain).collect(), below: None });
    }

    /// Adds a line under the last row.
    pub(super) fn below(&mut self, text: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.below = Some(plain(text));
        }
    }

    /// Columns of a terminal that it fits on with the last column at its narrowest.
    pub(super) fn least(&self) -> usize {
        self.widths(Some(0)).iter().map(|width| width + GAP.len()).sum::<usize>().saturating_sub(GAP.len())
    }

    /// Writes it for a terminal of `width` columns; `None`: as wide as it is.
    pub(super) fn write(&self, width: Option<usize>, out: &mut dyn io::Write) -> io::Result<()> {
        let widths = self.widths(width);
        for row in &self.rows {
            let mut line = String::new();
            for (position, (cell, width)) in row.cells.iter().zip(&widths).enumerate() {
                let gap = if position == 0 { "" } else { GAP };
                let _ = write!(line, "{gap}{:<width$}", cut(cell, *width));
            }
            writeln!(out, "{}", line.trim_end())?;
            if let Some(below) = &row.below {
                writeln!(
                    out,
                    "{GAP}{}",
                    width.map_or_else(|| below.clone(), |width| cut(below, width.saturating_sub(GAP.len())))
                )?;
            }
        }
        Ok(())
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let columns = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let widest =
            |column: usize| self.rows.iter().filter_map(|row| Some(row.cells.get(column)?.len())).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..columns).map(widest).collect();
        if let (Some(width), Some((last, others))) = (width, widths.split_last_mut()) {
            let taken: usize = others.iter().map(|other| other + GAP.len()).sum();
            *last = (*last).min(width.saturating_sub(taken).max(NARROW));
        }
        widths
    }
}

/// Only ASCII that can be seen: length is width then, and nothing moves the cursor.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for found in text.chars() {
        if found == ' ' || found.is_ascii_graphic() {
            shown.push(found);
        } else {
            shown.extend(found.escape_default());
        }
    }
    shown
}

/// The beginning of ASCII text, marked where it was cut.
fn cut(text: &str, width: usize) -> String {
    if text.len() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept + "~"
}

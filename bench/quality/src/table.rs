//! Counts tables: the rows of an account as `trailsight replay --input-format counts` and the comparators read them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::account::World;
use crate::catalog::{Api, CODES};
use crate::traffic::{AGENTS, REGIONS};

/// The columns, in the order that the comparators expect.
pub(crate) const HEADER: &str =
    "minute\taccount\tregion\tsource\tname\tcategory\treadOnly\terrorCode\tprincipal\tuserAgent\tcalls";

/// Writes a gzip-compressed TSV; returns how many rows it has.
pub(crate) fn write(world: &World, path: &Path) -> Result<usize> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut gzip = GzEncoder::new(BufWriter::new(file), Compression::fast());
    rows(world, &mut gzip)?;
    gzip.finish()?.flush()?;
    Ok(world.traffic.rows().len())
}

/// The table itself.
pub(crate) fn rows(world: &World, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{HEADER}")?;
    let stamps = world.calendar.stamps();
    let names: Vec<String> =
        Api::all().map(|api| format!("{}\t{}\tManagement\t{}", api.source(), api.name(), api.reads())).collect();
    for row in world.traffic.rows() {
        let cell = &row.cell;
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            stamps[row.minute as usize],
            world.id,
            REGIONS[usize::from(cell.region)],
            names[usize::from(cell.api.0)],
            CODES[usize::from(cell.code)],
            world.principals()[usize::from(cell.principal)],
            AGENTS[usize::from(cell.agent)],
            row.calls
        )?;
    }
    Ok(())
}

//! Who is measured: Trailsight, and what it is compared with, on the same tables.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::account::World;
use crate::insight::{self, DecidedBy, Incident};
use crate::sigma;

/// How the product is asked for everything it would have said.
const REPLAY: [&str; 10] = [
    "replay",
    "--input-format",
    "counts",
    "--sensitivity",
    "high",
    "--jobs",
    "1",
    "--output-format",
    "ndjson",
    "--quiet",
];

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Engine {
    /// The product: `trailsight replay`.
    Trailsight,
    /// Mean + 3σ.
    Sigma,
    /// The record ratio.
    R1,
    /// The published prototype with its four amendments.
    Amended,
    /// The published prototype.
    Prototype,
}

/// Where the engines that are not in this process lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) trailsight: PathBuf,
    /// Its configuration, where it is not to run with its defaults.
    pub(crate) config: Option<PathBuf>,
    /// A Python with numpy and numba, and the folder of the comparators written in it.
    pub(crate) python: PathBuf,
    pub(crate) comparators: PathBuf,
}

impl Engine {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Engine::Trailsight => "trailsight",
            Engine::Sigma => "mean + 3σ",
            Engine::R1 => "R1",
            Engine::Amended => "amended",
            Engine::Prototype => "prototype",
        }
    }

    /// How its file beside a table is called.
    const fn file(self) -> &'static str {
        match self {
            Engine::Trailsight => "trailsight",
            Engine::Sigma => "sigma",
            Engine::R1 => "r1",
            Engine::Amended => "amended",
            Engine::Prototype => "prototype",
        }
    }

    /// Whether it takes so long that it is run on a sample of the accounts without anomalies.
    pub(crate) const fn slow(self) -> bool {
        matches!(self, Engine::R1 | Engine::Amended | Engine::Prototype)
    }

    pub(crate) const fn decided_by(self) -> DecidedBy {
        match self {
            Engine::Trailsight => DecidedBy::End,
            _ => DecidedBy::Beginning,
        }
    }

    /// Why it cannot run here; none where it can.
    pub(crate) fn missing(self, places: &Places) -> Option<String> {
        let needs: &[&Path] = match self {
            Engine::Trailsight => &[&places.trailsight],
            Engine::Sigma => &[],
            Engine::R1 | Engine::Amended | Engine::Prototype => &[&places.python, &places.comparators],
        };
        needs.iter().find(|path| !path.exists()).map(|path| format!("{} is absent", path.display()))
    }

    /// What it tells of an account, whose table lies at `table`.
    pub(crate) fn told(self, places: &Places, world: &World, table: &Path) -> Result<Vec<Incident>> {
        if self == Engine::Sigma {
            return Ok(sigma::told(world));
        }
        let printed = self.beside(world, table);
        self.print(places, table, &printed)?;
        insight::read_file(&printed, self.decided_by())
    }

    /// Where its insights about an account are kept.
    pub(crate) fn beside(self, world: &World, table: &Path) -> PathBuf {
        table.with_file_name(format!("{}.{}.ndjson", world.id, self.file()))
    }

    /// Lets it print its insights about a table into a file.
    pub(crate) fn print(self, places: &Places, table: &Path, into: &Path) -> Result<()> {
        let (program, script, arguments): (_, _, &[&str]) = match self {
            Engine::Sigma => bail!("{} prints nothing: it runs in this process", self.name()),
            Engine::Trailsight => (&places.trailsight, None, &REPLAY),
            Engine::R1 => (&places.python, Some("baseline.py"), &[]),
            Engine::Prototype => (&places.python, Some("prototype.py"), &["--jobs", "1"]),
            Engine::Amended => (&places.python, Some("prototype.py"), &["--jobs", "1", "--amended"]),
        };
        let mut command = Command::new(program);
        command.args(script.map(|script| places.comparators.join(script))).args(arguments);
        if let Some(config) = places.config.as_ref().filter(|_| self == Engine::Trailsight) {
            command.arg("--config").arg(config);
        }
        let out = std::fs::File::create(into).with_context(|| into.display().to_string())?;
        let done = command.arg(table).stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).output();
        let done = done.with_context(|| format!("{} cannot be started", self.name()))?;
        ensure!(
            done.status.success(),
            "{} on {}: {}: {}",
            self.name(),
            table.display(),
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(())
    }
}

//! `config example`, `config schema`.

use std::io::Write;

use super::args::{ConfigAction, ConfigArgs};
use super::exit::{self, Exit, Failure};
use crate::config::{EXAMPLE, schema};

pub(super) fn run(args: &ConfigArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    exit::written(match args.action {
        ConfigAction::Example => out.write_all(EXAMPLE.as_bytes()),
        ConfigAction::Schema => writeln!(out, "{:#}", schema()),
    })
}

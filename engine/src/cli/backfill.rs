//! `backfill`.

use super::args::BackfillArgs;
use super::exit::{Exit, Failure};

pub(super) fn run(args: &BackfillArgs) -> Result<Exit, Failure> {
    let _ = args;
    Err(Failure::Failed(anyhow::anyhow!("the spine is not joined to this command yet")))
}

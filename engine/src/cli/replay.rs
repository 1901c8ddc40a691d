//! `replay`.

use super::args::ReplayArgs;
use super::exit::{Exit, Failure};

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let _ = args;
    Err(Failure::Failed(anyhow::anyhow!("the spine is not joined to this command yet")))
}

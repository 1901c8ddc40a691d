//! `demo`.

use super::args::DemoArgs;
use super::exit::{Exit, Failure};

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let _ = args;
    Err(Failure::Failed(anyhow::anyhow!("the spine is not joined to this command yet")))
}

//! Where `insights` reads the history of a data directory.

use std::path::Path;

use super::exit::Failure;
use crate::http::InsightReader;

pub(super) fn open(data_dir: &Path) -> Result<Box<dyn InsightReader>, Failure> {
    Err(Failure::Failed(anyhow::anyhow!("{}: the journal is not joined to this command yet", data_dir.display())))
}

//! Where `insights` reads the history of a data directory.

use std::path::Path;

use super::exit::Failure;
use crate::http::InsightReader;
use crate::service::History;

pub(super) fn open(data_dir: &Path) -> Result<Box<dyn InsightReader>, Failure> {
    let history =
        History::open(data_dir).map_err(|error| Failure::Usage(format!("{}: {error}", data_dir.display())))?;
    Ok(Box::new(history))
}

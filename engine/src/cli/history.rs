//! Where `insights` reads the history of a data directory.

use super::exit::Failure;
use crate::config::Config;
use crate::http::InsightReader;
use crate::service::History;

pub(super) fn open(config: &Config) -> Result<Box<dyn InsightReader>, Failure> {
    let history =
        History::open(config).map_err(|error| Failure::Usage(format!("{}: {error}", config.data_dir.display())))?;
    Ok(Box::new(history))
}

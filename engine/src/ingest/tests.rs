//! What holds for all of ingest: the same records give the same batch, however they come.

pub(super) mod records;
mod same_batch;
mod rollups;
mod limits;

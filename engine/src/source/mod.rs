//! How bytes arrive and how they are acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use trailsight_schemas::entry::Progress;

use crate::ingest::Tally;
use crate::journal::Seq;

/// What a source hands to the spine: records already tallied, and the progress that they mean.
pub struct Load {
    /// What was read; empty when only the progress moved.
    pub tally: Tally,
    /// One element for each partition that moved. Outcomes `counted` and `duplicate` are filled in by the spine.
    pub progress: Vec<Progress>,
    /// Called once the entry that covers this load is durable.
    pub acknowledge: Option<Box<dyn FnOnce(Seq) + Send>>,
    /// When the oldest byte in it was received, for latency.
    pub received: std::time::Instant,
}

/// Where sources put their loads. Sending blocks while the spine is behind: that is the back-pressure.
#[derive(Clone)]
pub struct Intake {
    /// Bounded.
    pub loads: SyncSender<Load>,
    /// Set when the process is to stop: sources finish what they hold and return.
    pub stop: Stop,
}

/// A request to stop, shared by all sources.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks everybody to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

//! How bytes arrive and how they are acknowledged.
//!
//! Every source is a value with a `run` that blocks its own thread until [`Stop`] is requested: [`files`]
//! follows a directory, [`kafka`] reads topics, [`simulated`] makes traffic up. `replay` and `backfill` read [`paths`] instead.

pub mod paths;
pub mod read;
pub mod files;
pub mod kafka;
pub mod simulated;
mod tree;
mod follow;
mod set;
mod stdin;
#[cfg(test)]
mod testing;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use trailsight_schemas::entry::Progress;

use crate::ingest::{Settings, Tally};
use crate::journal::Seq;

/// A source that lives in the present takes event times up to this far ahead of the wall, seconds; later ones
/// go to the dead letter. Clocks are wrong by minutes, an hour is somebody's time zone.
pub const AHEAD: i64 = 86_400;

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
    /// Bytes read by the source, as received.
    pub bytes: Arc<AtomicU64>,
    /// Files or messages that are known to wait.
    pub waiting: Arc<AtomicU64>,
    /// Whether the source waits for the spine.
    pub blocked: Arc<AtomicBool>,
}

impl Intake {
    /// Counts bytes as received.
    pub fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says how many files or messages wait.
    pub fn waits(&self, count: u64) {
        self.waiting.store(count, Ordering::Relaxed);
    }

    /// Hands a load over, waiting while the spine is behind; false once there is nobody to take it.
    pub fn send(&self, load: Load) -> bool {
        match self.loads.try_send(load) {
            Ok(()) => true,
            Err(TrySendError::Disconnected(_)) => false,
            Err(TrySendError::Full(load)) => {
                self.blocked.store(true, Ordering::Relaxed);
                let sent = self.loads.send(load).is_ok();
                self.blocked.store(false, Ordering::Relaxed);
                sent
            }
        }
    }
}

/// A request to stop, shared by all sources.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    /// Asks everybody to stop, and wakes those who wait.
    pub fn request(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody asks, at most for `timeout`; whether somebody did.
    pub fn wait(&self, timeout: Duration) -> bool {
        let asked = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(asked, timeout, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The settings of counting at `now` (milliseconds since the epoch): event times up to [`AHEAD`] are believed.
fn settings_at(settings: &Arc<Settings>, now: i64) -> Arc<Settings> {
    Arc::new(Settings { latest: now.div_euclid(1000).saturating_add(AHEAD), ..Settings::clone(settings) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_stop_ends_a_long_wait() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::from_millis(1)) && !stop.requested());
        let other = stop.clone();
        let asking = std::thread::spawn(move || other.request());
        assert!(stop.wait(Duration::from_secs(3600)));
        assert!(asking.join().is_ok() && stop.requested());
    }
}

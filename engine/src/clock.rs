//! The only file that reads a clock.

#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where "now" comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// Runs `speed` times as fast as the machine's, from `origin` on.
    Scaled {
        /// Milliseconds since the epoch at `started`.
        origin: i64,
        /// When the scaled clock was started.
        started: Instant,
        /// Scaled seconds in a second.
        speed: f64,
    },
}

impl Clock {
    /// A clock that reads `origin` (milliseconds since the epoch) now and runs at `speed`.
    pub fn scaled(origin: i64, speed: f64) -> Clock {
        Clock::Scaled { origin, started: Instant::now(), speed }
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Clock::Scaled { origin, started, speed } => {
                origin + (started.elapsed().as_secs_f64() * 1000.0 * speed) as i64
            }
        }
    }

    /// How long the machine takes until this clock has moved by `milliseconds`.
    pub fn machine_time(&self, milliseconds: i64) -> Duration {
        let speed = if let Clock::Scaled { speed, .. } = self { *speed } else { 1.0 };
        Duration::from_secs_f64((milliseconds.max(0) as f64 / 1000.0 / speed).min(1e9))
    }
}

/// A point of the machine's monotonic clock, for durations.
pub fn instant() -> Instant {
    Instant::now()
}

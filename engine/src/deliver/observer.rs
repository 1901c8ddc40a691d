//! What delivery tells whoever counts.

use std::time::Duration;

/// How one attempt, or one row, ended; the label `outcome` of `deliveries_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The attempt failed; there will be another.
    Retried,
    /// The row was given up and stands in the dead letter.
    Dead,
}

impl Outcome {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Retried => "retried",
            Outcome::Dead => "dead",
        }
    }
}

/// Hears of deliveries as they happen; called from several threads, must not block.
pub trait Observer: Send + Sync {
    /// An attempt, or a row given up. `age` is the time since the row was committed.
    fn settled(&self, sink: &str, outcome: Outcome, age: Duration);

    /// What is pending, and how long the oldest has been; also the last error, until something was delivered.
    fn depth(&self, sink: &str, rows: u64, oldest: Option<Duration>, last_error: Option<&str>);

    /// The receiver takes nothing, for this reason.
    fn down(&self, sink: &str, error: &str);

    /// The receiver takes what it is given (again).
    fn up(&self, sink: &str);

    /// Another process delivers in our place, and this one must end.
    fn superseded(&self, sink: &str, why: &str);

    /// The outbox or the dead-letter file could not be read or written: delivery waits and tries again.
    fn store_failed(&self, sink: &str, error: &str);
}

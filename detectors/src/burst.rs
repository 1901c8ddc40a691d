//! The first hour of a series that was silent: what [`crate::FirstUsePool`] judges by its size.

use alloc::boxed::Box;

use crate::calendar::{HOUR, Minute, WEEK};
use crate::dense::{Dense, NEVER};
use crate::finding::{Level, Step};

/// A first burst whose hour is running.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Burst {
    pub(crate) start: Minute,
    pub(crate) size: u64,
    /// The strictest level told of it.
    pub(crate) told: Option<Level>,
}

impl Dense {
    /// At most two calls in the week before, in an account watched for that long.
    pub(crate) fn is_rare(&self, minute: Minute) -> bool {
        let [.., third_last] = self.last_calls;
        let silent = third_last == NEVER || minute.saturating_sub(third_last) > WEEK;
        silent && minute.saturating_sub(self.since) >= WEEK
    }

    pub(crate) fn grow_burst(&mut self, minute: Minute, calls: u32) {
        if self.burst.is_none() && self.is_rare(minute) {
            self.burst = Some(Box::new(Burst { start: minute, size: 0, told: None }));
        }
        if let Some(burst) = &mut self.burst {
            burst.size = burst.size.saturating_add(u64::from(calls));
        }
    }

    pub(crate) fn end_burst(&mut self, step: &mut Step) {
        if let Some(burst) = self.burst.take_if(|burst| burst.start.saturating_add(HOUR) <= self.next) {
            step.first_burst = Some(burst.size);
        }
    }
}

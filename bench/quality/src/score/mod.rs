//! The scorer: what was told against what is true.
//!
//! The unit is the incident (one `sharedEventID`), not the minute. An incident finds an anomaly when its Start lies
//! within `[start, end + 5 minutes]` of it, in its direction, on one of its series; it is explained by one when it
//! lies on a companion series (calls beside errors). Whatever is neither is false; only *leads* are counted as
//! false: what was folded into another insight was not told to anybody.

mod matching;
mod account;
mod figures;
mod bootstrap;

#[cfg(test)]
mod tests;

pub(crate) use account::Scored;
pub(crate) use bootstrap::{Interval, interval};
pub(crate) use figures::{Cells, Figures, cells, changes, figures, macro_recall, quantile, rate_at};

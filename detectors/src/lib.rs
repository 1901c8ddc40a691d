#![no_std]
#![doc = "The mathematics of one series: calls per minute in, and when they are unusual out."]
//!
//! [`Series::close`] takes minutes in order and learns; [`Series::probe`] judges a minute that is still open. Nothing
//! here reads a clock, draws a number at random or allocates per minute; the same minutes give the same bits on every
//! machine. Modules stand in reading order: numbers, what is usual, what is unusual, the series.
//!
//! Places for what comes: a statistic is a variant of `calibration::Statistic` with its share and priors, an answer in
//! `judge`, and a new layout version in `pack`.

extern crate alloc;

pub mod numerics;
pub mod budget;
mod calendar;
mod minifloat;
mod profile;
mod template;
mod level;
mod dispersion;
mod cusum;
mod hourly;
mod model;
mod recurrence;
mod record;
mod priors;
mod tailpool;
mod calibration;
mod firstuse;
mod burstpool;
mod finding;
mod context;
mod exposure;
mod answer;
mod judge;
mod clockhour;
mod episode;
mod dense;
mod burst;
mod cycles;
mod telling;
mod probe;
mod asked;
mod pack;
mod series;
#[cfg(test)]
mod tests;

pub use burstpool::{BurstPool, BurstPoolUnpackError, BurstPrior};
pub use calendar::{LAST_MINUTE, Minute, WEEK};
pub use context::{Context, Exposure, Judge, Kind, Novelty, Tails};
pub use finding::{Direction, EndReason, Finding, Level, Step, Test, Transition};
pub use firstuse::{FirstUsePool, PoolUnpackError};
pub use pack::UnpackError;
pub use series::{FORGET, MOST_CALLS, Series};
pub use tailpool::{Peak, Peaks, TailPool, TailPoolUnpackError};

//! The decoder from outside.
//!
//! - [`shapes`]: every wrapping times every compression gives the same records.
//! - [`traps`]: what real records and notifications do that documentation does not promise.
//! - [`damage`]: broken input costs itself and nothing else.
//! - [`hostile`]: lines and elements made to do harm cost themselves and nothing else.
//! - [`limits`]: what happens at each limit.
//! - [`properties`]: over generated input.
//! - [`real`]: over the public data set, where it is at hand.
//! - [`corpus`]: the seeds of the fuzz targets, on stable.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod found;
mod shapes;
mod traps;
mod damage;
mod hostile;
mod limits;
mod properties;
mod real;
mod corpus;

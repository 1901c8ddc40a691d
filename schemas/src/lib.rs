//! Bytes on the outside of the process.
//!
//! In reading order: a CloudTrail [`record`], the [`decode`]r that finds records in every wrapping they
//! travel in, the [`object_key`]s and the [`counts`] table they may come from, the journal [`entry`] that
//! their rollups become, the [`sealed`] envelope of everything stored, and the [`insight`] that leaves.
//!
//! This crate knows formats. It has no behaviour, no clock, and does no I/O.

pub mod time;
pub mod record;
pub mod decode;
pub mod object_key;
pub mod counts;
pub mod entry;
pub mod snapshot;
pub mod sealed;
pub mod insight;

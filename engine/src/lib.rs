//! The engine of Trailsight. Data walks one way:
//!
//! ```text
//! source ──► ingest ──► journal ──► detect ──► deliver
//! ```
//!
//! The modules stand in that order. [`spine`] is the main path: the one loop that takes a load, appends it
//! to the journal, applies it, commits what follows from it and acknowledges it.

pub mod clock;
pub mod explain;
pub mod advice;
pub mod kafka;
pub mod config;
pub mod telemetry;
pub mod source;
pub mod ingest;
pub mod journal;
pub mod detect;
pub mod deliver;
pub mod spine;
pub mod service;
pub mod http;
pub mod cli;

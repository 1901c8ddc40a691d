//! The series table, the clock of event time, incidents: what the journal's entries mean.

pub mod settings;

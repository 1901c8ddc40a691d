//! The rows that workers empty: the journal commits them together with the insights they hold.

pub use crate::journal::outbox::{Outbox, Row};

//! From an insight to the people and programs that hear of it.
//!
//! In reading order: [`matching`] says which insights a rule means, [`mutes`] and [`routes`] decide who is told,
//! the journal commits the answer as rows of the [`outbox`], and one [`worker`] a sink empties it. What a worker
//! does next is decided by its [`scheduler`], which is a value without clock or I/O; how a failure is classified
//! stands in [`retry`]; what people read is composed as a [`message`]; the [`sinks`] speak to the outside; what cannot be delivered or read ends in the
//! [`deadletter`]. A sink that can keep our position beside its output is emptied by [`ordered`] instead of a worker.
//!
//! Guarantee: at least once, in order per incident and sink; exactly once where the position is kept with the output. A row is given up after its deadline or when its
//! receiver refuses it for good, and then stands in the dead-letter file: never silence.

mod callers;
pub mod automation;
pub mod matching;
pub mod calendar;
pub mod mutes;
pub mod routes;
pub mod trace;
pub mod outbox;
pub mod message;
pub mod retry;
pub mod scheduler;
pub mod sinks;
pub mod deadletter;
pub mod observer;
pub mod sample;
pub mod worker;
pub mod ordered;

pub use deadletter::DeadLetters;
pub use observer::{Observer, Outcome};
pub use ordered::Ordered;
pub use outbox::{Outbox, Row};
pub use routes::Router;
pub use worker::Worker;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod receiver;

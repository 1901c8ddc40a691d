//! Kafka, against real brokers.
//!
//! | module | question |
//! |---|---|
//! | [`connect`] | is everybody let in who should be, and is it said in a sentence why somebody is not? |
//! | [`home`], [`stream`] | a data directory that reads topics; a stream of records with bursts in it |
//! | [`source`] | is everything read, from where it should be, and is it said what is missing? |
//! | [`crash`] | are totals and incidents those of an undisturbed run, wherever it is killed or rebalanced? |
//! | [`faults`] | brokers, disks and processes that fail |

mod connect;
mod crash;
mod faults;
mod home;
mod source;
mod stream;

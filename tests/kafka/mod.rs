//! Kafka, against real brokers.
//!
//! | module | question |
//! |---|---|
//! | [`connect`] | is everybody let in who should be, and is it said in a sentence why somebody is not? |

mod connect;

//! The sink `kafka` against a real broker: everything once for who reads what was committed, whatever dies.

mod bench;
mod reading;
mod outages;
mod lives;
mod answers;
mod whole;

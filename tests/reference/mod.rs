//! The independent reference: every record kept, every figure counted again from all of them.
//!
//! It knows nothing of detection. Given an insight that somebody says is so, it says what the Start and End
//! counts, the baseline and the attributions over these records are.

mod calls;
mod figures;
mod time;

pub use calls::{Call, Calls, Kind};
pub use figures::{Key, disagreements, key_of};
pub use time::{minute_of, stamp};

//! Special functions and tail probabilities, bit-identical on every machine.
//!
//! All transcendental functions come from `libm`; sums run in a fixed order; nothing depends on the target.

pub mod gamma;
pub mod tail;

pub use gamma::{ln_gamma, stirling_error};
pub use tail::{ln_pmf, surprise, surprise_lower_bound};

//! What an insight's figures must be, computed the slow way.
//!
//! This library depends on `serde_json` and on nothing of the product: Cargo itself keeps the reference
//! independent of what it is compared with.

pub mod reference;

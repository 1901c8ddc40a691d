//! How right Trailsight is. Question: does a sensitivity keep its promise of false insights in an account in a week,
//! and what is found at it? Workload: made-up labelled accounts. Not asked: speed, and whether real accounts are
//! like the made-up ones.

mod dice;
mod calendar;
mod catalog;
mod traffic;
mod seeds;
mod account;
mod change;
mod anomaly;
mod label;
mod table;
mod insight;
mod series;
mod sigma;
mod engine;
mod score;
mod report;
mod bars;
mod planted;
mod measure;
mod fit;
mod slice;
mod command;

pub use command::run;

//! The one test binary: the system from outside. In reading order:
//!
//! | module | question |
//! |---|---|
//! | [`scale`] | how large is this run, and what cannot run here? |
//! | [`product`] | how is the binary started, fed, waited for and stopped? |
//! | [`service`] | the same for `run` and `demo`: a process that answers HTTP |
//! | [`brokers`] | real Kafka brokers: how are they started, filled, killed, asked? |
//! | [`relations`] | does what must hold for every insight hold for every insight that any test prints? |
//! | [`records`] | how are CloudTrail records made and wrapped? |
//! | [`rooms`] | do the rooms of the code depend on each other in the one direction that was meant? |
//! | [`scenario`] | traffic in, insights out: does every text under `scenarios/` come true? |
//! | [`figures`] | do all figures agree with the slow reference, on our own records and on real ones? |
//! | [`replay`] | the same bytes out for any jobs, order, cut, envelope and compression? |
//! | [`faults`] | does bad input, a full disk, a damaged file, a wrong configuration end as documented? |
//! | [`simulation`] | does crashing the spine after any step, on a simulated disk, change anything? |
//! | [`crash`] | are totals and incidents those of an undisturbed run, wherever the process is killed? |
//! | [`api`] | do `run` and `demo` say over HTTP what the reference of the interface promises? |
//! | [`secrets`] | is anything said that is secret? |
//! | [`hostile`] | does HTTP answer while somebody wants it not to? |
//! | [`page`] | what do people see and do in a browser, and what do hostile names not do there? |
//! | [`kafka`] | is Kafka read exactly once, and are those who cannot be let in told why? |
//! | [`deployed`] | do rules, dashboards, alerts and packages work on the programs they are for? |
//! | [`kafka_sink`] | are insights in a Kafka topic once and in order, whatever dies, and who says why if not? |
//! | [`bench`] | do the benchmarks run, and give the same answer twice? |
//!
//! Every test here needs the binary: `cargo build --release --bin trailsight`, or `TRAILSIGHT_BIN`.

mod scale;
mod product;
mod service;
mod brokers;
mod relations;
mod records;
mod rooms;
mod scenario;
mod figures;
mod replay;
mod faults;
mod simulation;
mod crash;
mod api;
mod secrets;
mod hostile;
mod page;
mod kafka;
mod deployed;
mod kafka_sink;
mod bench;

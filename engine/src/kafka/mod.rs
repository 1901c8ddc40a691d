//! What every client of a Kafka cluster needs, whether it reads or writes: where the cluster is and how to be
//! let in ([`Cluster`]), the context that renews tokens and remembers what went wrong ([`Access`]), what that
//! means in a sentence ([`Trouble`]), and whether the cluster lets us in at all ([`probe`]).

mod cluster;
mod access;
mod trouble;
mod token;
mod handshake;
pub mod probe;
mod topic;
mod producing;

pub use access::Access;
pub use cluster::{Cluster, Password, Sasl, ScramHash, Tls};
pub use producing::{Producing, Report};
pub use token::{Oidc, Token, TokenError};
pub use topic::{NewTopic, Topic};
pub use trouble::{Cause, Trouble, diagnose};

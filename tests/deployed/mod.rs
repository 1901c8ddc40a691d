//! What lies in `deploy/`, on the programs it is for. In reading order: the [`tools`]; alert [`rules`] and the runbook;
//! [`dashboards`] and the rules on a real Prometheus that scrapes a real demo; an alert's whole way in [`alerting`]; insights as
//! [`messages`] for the programs that show them; the image
//! as a [`container`]; containers as a whole in [`compose`]; Kubernetes [`manifests`]; the unit and the package for a [`host`].

mod tools;
mod rules;
mod dashboards;
mod alerting;
mod messages;
mod container;
mod compose;
mod manifests;
mod host;

pub(crate) use tools::{target, tool};

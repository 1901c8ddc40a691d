//! `demo`: the service on simulated traffic in a directory that is thrown away.
//!
//! Nothing is scripted but the traffic: two simulated weeks teach the baselines, then traffic goes on second by
//! second, and now and then somebody in it does what an attacker would. What is printed is what the detector
//! found.

use std::collections::BTreeMap;

use super::args::DemoArgs;
use super::exit::{Exit, Failure};
use super::line::line;
use super::run::heed_signals;
use crate::clock::Clock;
use crate::config::{self, Inputs};
use crate::service::Service;
use crate::source::Stop;
use crate::telemetry;

/// Series whose gauges are on: those that a dashboard of single APIs draws.
const SERIES_SHOWN: usize = 50;

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let directory = tempfile::Builder::new().prefix("trailsight-demo-").tempdir().map_err(anyhow::Error::new)?;
    let seed = args.seed.unwrap_or_else(|| Clock::System.now().unsigned_abs() % 1_000_000);
    let text = format!(
        "snapshot_interval = \"30s\"\n[sources.demo]\ntype = \"simulated\"\nseed = {seed}\n\
         [http]\nlisten = \"{}\"\n[metrics]\nseries_limit = {SERIES_SHOWN}\n[log]\nlevel = \"warn\"\n",
        args.listen
    );
    let inputs = Inputs { file: None, environment: BTreeMap::new(), data_dir: Some(directory.path().to_owned()) };
    let config = config::load_text(&text, &inputs)?;
    telemetry::init_logging(&config.log).map_err(|error| Failure::Failed(error.into()))?;
    let stop = Stop::default();
    heed_signals(&stop)?;
    let clock = Clock::scaled(Clock::System.now(), args.speed);
    let service = Service::start(&config, clock, stop.clone())?;
    eprintln!(
        "simulated traffic, seed {seed} (--seed {seed} shows the same again), {} times as fast as the clock",
        args.speed
    );
    eprintln!("page     http://{}/", service.address);
    eprintln!("metrics  http://{}/metrics", service.address);
    eprintln!("learning from two simulated weeks; insights appear here as they are found, Ctrl-C ends it");
    let insights = service.shared.listen();
    let printing = std::thread::Builder::new().name("printer".to_owned()).spawn(move || {
        for event in insights {
            println!("{}", line(&event, None));
        }
    });
    service.finish()?;
    drop(printing);
    Ok(Exit::Done)
}

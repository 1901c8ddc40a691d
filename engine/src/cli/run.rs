//! `run`: the service.

use super::args::RunArgs;
use super::exit::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::service::Service;
use crate::source::Stop;
use crate::telemetry;

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let config = config::load(&args.location.inputs())?;
    config.require_source()?;
    start_logging(&config)?;
    let stop = Stop::default();
    heed_signals(&stop)?;
    let service = Service::start(&config, Clock::System, stop)?;
    tracing::info!(page = %format!("http://{}/", service.address), data_dir = %config.data_dir.display(), "running");
    service.finish()?;
    Ok(Exit::Done)
}

/// The log, the warnings of the configuration, the memory bound.
pub(super) fn start_logging(config: &Config) -> Result<(), Failure> {
    telemetry::init_logging(&config.log).map_err(|error| Failure::Failed(error.into()))?;
    for warning in &config.warnings {
        tracing::warn!(key = %warning.key, "{}", warning.text);
    }
    tracing::info!(bytes = config.memory_bound().total(), "memory that this configuration can come to need");
    Ok(())
}

/// SIGTERM and SIGINT ask to stop; a second one ends the process at once.
pub(super) fn heed_signals(stop: &Stop) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::new)?;
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        let terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::new)?;
        (terminate, signal(SignalKind::interrupt()).map_err(anyhow::Error::new)?)
    };
    let stop = stop.clone();
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread
        .spawn(move || {
            runtime.block_on(async {
                for asked in 1.. {
                    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                    if asked > 1 {
                        std::process::exit(1);
                    }
                    stop.request();
                }
            });
        })
        .map_err(anyhow::Error::new)?;
    Ok(())
}

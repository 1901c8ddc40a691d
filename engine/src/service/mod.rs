//! The service: sources, the spine's thread, delivery and HTTP, started and stopped together.

mod driver;
mod history;
mod kafka;
mod muting;
mod questions;
mod watching;
mod shared;
mod state;
mod wiring;

pub use history::History;
pub use shared::Shared;
pub use state::State;
pub(crate) use wiring::{account_names, sensitivity, shown, try_sink};

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::clock::{Clock, instant};
use crate::config::{Config, SourceConfig, SourceKind};
use crate::deliver::deadletter::Post;
use crate::deliver::{DeadLetters, Ordered, Router, Worker};
use crate::http;
use crate::ingest::Reject;
use crate::journal::Journal as _;
use crate::source::files::FilesSource;
use crate::source::simulated::{SimulatedSource, Simulation};
use crate::source::{Intake, Load, Stop};
use crate::telemetry::{Metrics, Names};
use driver::Driver;
use wiring::Outlet;

/// A source that the caller brings, for instance the demo's.
pub type Extra = Box<dyn FnOnce(Intake, Clock) + Send>;

/// A service that has been started.
pub struct Service {
    /// Where HTTP listens.
    pub address: std::net::SocketAddr,
    /// Asks the sources to stop; everything else follows.
    pub stop: Stop,
    /// Status and metrics.
    pub shared: Arc<Shared>,
    driver: JoinHandle<anyhow::Result<State>>,
    sources: Vec<JoinHandle<()>>,
    delivery: Delivery,
    dead: Arc<DeadLetters>,
    server: http::Server,
    clock: Clock,
    grace: Duration,
}

struct Delivery {
    runtime: tokio::runtime::Runtime,
    workers: Vec<tokio::task::JoinHandle<()>>,
    shutdown: watch::Sender<Option<i64>>,
}

impl Service {
    /// Opens the data directory, brings its state back, and starts everything.
    pub fn start(config: &Config, clock: Clock, stop: Stop) -> anyhow::Result<Service> {
        let router = Arc::new(wiring::router(config)?);
        let began = instant();
        let mut state = State::open(config, Some(router), &clock)?;
        tracing::info!(
            replayed = state.recovered.replayed,
            insights = state.recovered.insights,
            series = state.spine.detect().sizes().series,
            milliseconds = driver::took(began),
            "state is back"
        );
        if state.recovered.missing > 0 {
            let missing =
                format!("{} entries that damaged snapshots would have needed are gone", state.recovered.missing);
            tracing::error!(problem = %missing, "baselines are incomplete");
            state.damaged.push(missing);
        }
        let metrics = Arc::new(Metrics::new(&names(config))?);
        let history = History::open(config)?;
        let shared = Arc::new(Shared::new(config, metrics.clone(), &clock, history, stop.clone()));
        shared.by_hand.changed(state.mutes()?);
        shared.baseline(state.spine.detect());
        let configured: Vec<String> = config.sources.iter().map(|source| source.name.clone()).collect();
        state.spine.start(&config.detect_settings(), &configured, env!("CARGO_PKG_VERSION"), clock.now())?;

        let dead = DeadLetters::open(&config.data_dir, config.limits.dead_letter_bytes.0);
        let post = config.dead_letter_topic.clone().map(|topic| Post::open(topic, shared.clone())).transpose()?;
        let dead = Arc::new(dead.with_post(post));
        let delivery = Delivery::start(config, &state, &dead, &shared, &clock)?;
        // The first answer is true too: it is asked for as soon as the address is known.
        shared.publish(&state, clock.now());
        let server = http::Server::start(&http::Settings::from(config), shared.clone(), metrics)?;
        let address = server.address();

        let (sender, loads) = sync_channel(config.limits.intake_loads);
        let sources = start_sources(config, &state, &sender, &stop, &dead, &shared, &clock)?;
        drop(sender);
        let mut driver = Driver {
            state,
            loads,
            stop: stop.clone(),
            clock: clock.clone(),
            shared: shared.clone(),
            dead: dead.clone(),
            snapshot_interval: config.snapshot_interval,
            group_records: config.limits.entry_records(),
        };
        let ended = stop.clone();
        let driver = std::thread::Builder::new().name("spine".to_owned()).spawn(move || {
            let result = driver.run();
            ended.request();
            // With the driver goes the end of the channel that a source may still be waiting to send to.
            result.map(|()| driver.state)
        })?;
        Ok(Service {
            address,
            stop,
            shared,
            driver,
            sources,
            delivery,
            dead,
            server,
            clock,
            grace: config.shutdown_grace,
        })
    }

    /// Waits until somebody asks to stop (or the spine cannot go on), then ends in order: sources, journal,
    /// snapshots, delivery of what is due for the grace period, HTTP.
    pub fn finish(self) -> anyhow::Result<()> {
        while !self.stop.wait(Duration::from_secs(3600)) {}
        tracing::info!("stopping: reading ends, what was read is committed");
        let driven = self.driver.join().map_err(|_| anyhow::anyhow!("the spine's thread panicked"))?;
        for source in self.sources {
            if source.join().is_err() {
                tracing::error!("a source's thread panicked");
            }
        }
        let stored =
            driven.and_then(|mut state| state.snapshot_all().context("the last snapshots could not be stored"));
        let grace = i64::try_from(self.grace.as_millis()).unwrap_or(i64::MAX);
        self.delivery.finish(self.clock.now().saturating_add(grace), self.grace);
        self.dead.close();
        self.server.stop();
        stored?;
        match self.shared.superseded() {
            Some(why) => Err(anyhow::anyhow!("{why}")),
            None => Ok(()),
        }
    }
}

impl Delivery {
    fn start(
        config: &Config,
        state: &State,
        dead: &Arc<DeadLetters>,
        shared: &Arc<Shared>,
        clock: &Clock,
    ) -> anyhow::Result<Delivery> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("delivery")
            .enable_all()
            .build()?;
        let (shutdown, asked) = watch::channel(None);
        let mut workers = Vec::new();
        let (identity, owner) = (state.spine.journal().identity(), drawn());
        for (outlet, limits) in wiring::outlets(config, identity, shared)? {
            let (outbox, dead_letters) = (Arc::new(state.outbox.clone()), dead.clone());
            let (clock, observer, shutdown) = (clock.clone(), shared.clone(), asked.clone());
            workers.push(match outlet {
                Outlet::Worker(sink) => {
                    let worker = Worker { sink, limits, outbox, dead_letters, clock, observer, shutdown };
                    runtime.spawn(worker.run())
                }
                Outlet::Ordered(name, output) => {
                    let ordered =
                        Ordered { name, output, owner, outbox, dead_letters, clock, observer, limits, shutdown };
                    let handle = runtime.handle().clone();
                    runtime.spawn_blocking(move || ordered.run(&handle))
                }
            });
        }
        Ok(Delivery { runtime, workers, shutdown })
    }

    fn finish(self, until: i64, grace: Duration) {
        let _ = self.shutdown.send(Some(until));
        let workers = self.workers;
        self.runtime.block_on(async {
            let all = async {
                for worker in workers {
                    let _ = worker.await;
                }
            };
            let _ = tokio::time::timeout(grace + Duration::from_secs(1), all).await;
        });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// The rules of a configuration, without mutes made by hand.
pub(crate) fn router_of(config: &Config) -> anyhow::Result<Router> {
    wiring::router(config)
}

/// Names this process among all that ever write in its place. No state follows from it.
fn drawn() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn start_sources(
    config: &Config,
    state: &State,
    sender: &SyncSender<Load>,
    stop: &Stop,
    dead: &Arc<DeadLetters>,
    shared: &Arc<Shared>,
    clock: &Clock,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    for source in &config.sources {
        let intake = Intake {
            loads: sender.clone(),
            stop: stop.clone(),
            bytes: shared.bytes_of(&source.name),
            waiting: shared.waiting_of(&source.name),
            blocked: shared.blocked_of(&source.name),
        };
        let marks = state.spine.journal().marks(&source.name)?;
        let run = source_runner(config, source, clock, shared)?;
        let (dead, shared, clock) = (dead.clone(), shared.clone(), clock.clone());
        let reject = move |reject: Reject| {
            shared.dead(&reject.source, reject.reason);
            if let Err(error) = dead.record(&reject) {
                shared.problem("dead letter", &error.to_string());
            }
        };
        let thread = std::thread::Builder::new().name(format!("source {}", source.name));
        threads.push(thread.spawn(move || run(intake, marks, Box::new(reject), clock))?);
    }
    Ok(threads)
}

type Run = Box<dyn FnOnce(Intake, driver::Marks, Box<dyn FnMut(Reject) + Send>, Clock) + Send>;

fn source_runner(config: &Config, source: &SourceConfig, clock: &Clock, shared: &Arc<Shared>) -> anyhow::Result<Run> {
    let settings = Arc::new(config.ingest_settings(clock.now()));
    let name = source.name.clone();
    Ok(match source.kind.clone() {
        SourceKind::Simulated { seed } => {
            let simulation = simulation(seed, clock);
            let source = SimulatedSource { name, simulation, settings, history: HISTORY };
            Box::new(move |intake, marks, _, clock| source.run(intake, marks, clock))
        }
        SourceKind::Kafka(of) => {
            let source = kafka::source(config, name, *of, settings);
            let shared = shared.clone();
            Box::new(move |intake, marks, dead, clock| source.run(intake, marks, dead, shared.as_ref(), &clock))
        }
        kind => {
            let spill = config.data_dir.join("spill");
            std::fs::create_dir_all(&spill)?;
            let (path, recursive, settle, poll) = match kind {
                SourceKind::Files { path, recursive, settle, poll } => (path, recursive, settle, poll),
                _ => ("-".into(), false, Duration::ZERO, Duration::from_secs(1)),
            };
            let jobs = crate::ingest::jobs();
            let load_records = config.limits.entry_records();
            let memory = usize::try_from(config.limits.tally_memory.0).unwrap_or(usize::MAX);
            let source =
                FilesSource { name, path, recursive, settle, poll, jobs, settings, spill, load_records, memory };
            Box::new(move |intake, marks, dead, clock| source.run(intake, marks, dead, clock))
        }
    })
}

/// History that simulated sources bring, minutes.
const HISTORY: u32 = 14 * 24 * 60;

/// Simulated traffic whose first attack after the history comes a few seconds after now.
fn simulation(seed: u64, clock: &Clock) -> Simulation {
    let now = clock.now().div_euclid(1000);
    let start = trailsight_schemas::time::Minute::of_seconds(now - i64::from(HISTORY) * 60).unwrap_or_default();
    Simulation::new(seed, start).with_attacks(now + 12, 240)
}

fn names(config: &Config) -> Names {
    Names {
        sources: config.sources.iter().map(|source| source.name.clone()).collect(),
        sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
        mutes: config.mutes.iter().map(|mute| mute.name.clone()).collect(),
        series_limit: config.metrics_series_limit,
    }
}

//! Real Kafka brokers: started, filled, killed, asked.
//!
//! A [`Cluster`] is one broker or three (KRaft, each broker its own controller) on ports that the kernel chose. A
//! broker lives on a [`leash`]: however the test process ends, its brokers end with it and their folders go.
//! [`shared`] is one broker that all tests without a fault of their own use, each with its own topics.

mod leash;
mod listeners;
mod certificates;
mod tools;
mod topics;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

pub(crate) use certificates::Certificates;
use leash::Leash;
pub(crate) use listeners::free_port;
use listeners::{Listeners, properties};
pub(crate) use topics::{Filler, Received, flush, send, send_tombstone};

/// No wait for a broker is longer. A first start takes 5 s on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// What a broker logs once it serves.
const SERVES: &str = "Kafka Server started";

/// Who may do everything, and who may do nothing; both may log in, with [`PASSWORD`].
pub(crate) const ENGINE: &str = "engine";
pub(crate) const STRANGER: &str = "stranger";
pub(crate) const PASSWORD: &str = "an open secret of the tests";

/// Brokers that form one cluster.
pub(crate) struct Cluster {
    /// Certificates and logs; goes with the last broker.
    folder: PathBuf,
    /// Of the TLS listeners and of clients.
    pub(crate) certificates: Certificates,
    brokers: Vec<Mutex<Broker>>,
}

struct Broker {
    listeners: Listeners,
    properties: PathBuf,
    process: Option<Leash>,
}

/// The broker that tests share. It is started by the first that asks, and ends when nobody holds it.
pub(crate) fn shared() -> Arc<Cluster> {
    static SHARED: OnceLock<Mutex<Weak<Cluster>>> = OnceLock::new();
    let mut shared = SHARED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::start(1));
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}

impl Cluster {
    /// Starts a cluster of so many brokers and waits until all of them serve.
    pub(crate) fn start(brokers: usize) -> Cluster {
        let folder = tempfile::Builder::new().prefix("trailsight-kafka-").tempdir().expect("a folder").keep();
        let certificates = Certificates::make(&folder);
        let listeners: Vec<Listeners> = (0..brokers).map(|_| Listeners::choose()).collect();
        let brokers = (0..brokers)
            .map(|index| {
                let text = properties(&folder, &certificates, &listeners, index);
                let path = folder.join(format!("broker-{index}.properties"));
                std::fs::write(&path, text).expect("the folder can be written");
                tools::format(&path);
                Mutex::new(Broker { listeners: listeners[index].clone(), properties: path, process: None })
            })
            .collect();
        let cluster = Cluster { folder, certificates, brokers };
        let starting: Vec<usize> = (0..cluster.brokers.len()).collect();
        cluster.launch(&starting);
        cluster
    }

    /// Starts brokers that are down, all at once, and waits until they serve: a quorum has to form.
    pub(crate) fn launch(&self, which: &[usize]) {
        for index in which {
            let mut broker = self.broker(*index);
            assert!(broker.process.is_none(), "broker {index} runs already");
            broker.process = Some(Leash::java("kafka.Kafka", &[&broker.properties], &self.log_of(*index)));
        }
        for index in which {
            let mut broker = self.broker(*index);
            let process = broker.process.as_mut().expect("just started");
            assert!(process.line(SERVES, LIMIT), "broker {index} does not serve:\n{}", self.log(*index));
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&self, index: usize) {
        self.end(index, "KILL");
    }

    /// SIGTERM, and the wait until it has ended.
    pub(crate) fn stop(&self, index: usize) {
        self.end(index, "TERM");
    }

    /// SIGSTOP: it is there and says nothing.
    pub(crate) fn freeze(&self, index: usize) {
        self.broker(index).process.as_ref().expect("it runs").signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self, index: usize) {
        self.broker(index).process.as_ref().expect("it runs").signal("CONT");
    }

    fn end(&self, index: usize, signal: &str) {
        let process = self.broker(index).process.take().expect("it runs");
        process.signal(signal);
        assert!(process.ended(LIMIT), "broker {index} did not end after SIG{signal}:\n{}", self.log(index));
    }

    fn broker(&self, index: usize) -> std::sync::MutexGuard<'_, Broker> {
        self.brokers[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `host:port` of every broker without TLS, for `bootstrap.servers`.
    pub(crate) fn bootstrap(&self) -> String {
        let ports = (0..self.brokers.len()).map(|index| self.broker(index).listeners.plain);
        ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    /// The same as a TOML list.
    pub(crate) fn brokers_toml(&self) -> String {
        let each: Vec<String> = self.bootstrap().split(',').map(|broker| format!("{broker:?}")).collect();
        format!("[{}]", each.join(", "))
    }

    /// Address of the first broker's listener with TLS and SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512).
    pub(crate) fn sasl_tls(&self) -> String {
        format!("127.0.0.1:{}", self.broker(0).listeners.sasl_tls)
    }

    /// Address of the first broker's listener that asks for client certificates.
    pub(crate) fn mutual_tls(&self) -> String {
        format!("127.0.0.1:{}", self.broker(0).listeners.mutual_tls)
    }

    /// Address of the first broker's listener that takes tokens (OAUTHBEARER, unsigned JWT), without TLS.
    pub(crate) fn tokens(&self) -> String {
        format!("127.0.0.1:{}", self.broker(0).listeners.tokens)
    }

    /// Address of the first broker's listener whose certificate has expired.
    pub(crate) fn expired_tls(&self) -> String {
        format!("127.0.0.1:{}", self.broker(0).listeners.expired_tls)
    }

    fn log_of(&self, index: usize) -> PathBuf {
        self.folder.join(format!("broker-{index}.log"))
    }

    fn log(&self, index: usize) -> String {
        tail(&self.log_of(index))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for broker in &self.brokers {
            broker.lock().unwrap_or_else(PoisonError::into_inner).process = None;
        }
        // A broker that is on its way out may still hold files; the leash removes what is left.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The last lines of a log, for a failure's message.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

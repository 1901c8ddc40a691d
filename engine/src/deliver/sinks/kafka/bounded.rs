//! Calls of the client library that do not keep their own time limit.
//!
//! `rd_kafka_send_offsets_to_transaction` does not look at its timeout while it waits for the group's coordinator
//! (librdkafka issues 5456 and 5511): after a broker had been stopped and started it waited for longer than two minutes,
//! and the sink with it. Such a call is made on a thread of its own. When its time is over it is left to itself, with
//! the producer that it belongs to: the next one that joins shuts that producer out, so whatever it still does comes to
//! nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Calls that were left to themselves and have not ended, at the most: each holds a producer with its threads. Beyond,
/// no call is made, and the sink says that its broker does not answer.
const MOST_LEFT: usize = 4;

/// Makes calls and knows how many have not ended.
#[derive(Clone, Default)]
pub(super) struct Bounded(Arc<AtomicUsize>);

impl Bounded {
    /// What the call returned; `None` where it took longer than `time`, or too many others have not ended yet.
    pub(super) fn call<T: Send + 'static>(
        &self,
        time: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.0.load(Ordering::SeqCst) >= MOST_LEFT {
            return None;
        }
        let (sender, answer) = channel();
        let running = self.0.clone();
        running.fetch_add(1, Ordering::SeqCst);
        let thread = std::thread::Builder::new().name("kafka waits".to_owned()).spawn(move || {
            let returned = call();
            running.fetch_sub(1, Ordering::SeqCst);
            // Nobody waits for it any more where it came too late.
            let _ = sender.send(returned);
        });
        if thread.is_err() {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
        answer.recv_timeout(time).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink waited for minutes in a call that was given ten seconds.
    #[test]
    fn a_call_that_hangs_is_left_to_itself_and_only_so_many_are() {
        let bounded = Bounded::default();
        assert_eq!(bounded.call(Duration::from_secs(60), || 7), Some(7));
        let hanging: Vec<_> = (0..MOST_LEFT)
            .map(|_| {
                let (end, ended) = channel::<()>();
                assert_eq!(bounded.call(Duration::from_millis(1), move || ended.recv().is_ok()), None);
                end
            })
            .collect();
        assert_eq!(bounded.call(Duration::from_secs(60), || 7), None, "no further one is begun");
        drop(hanging);
        let began = crate::clock::instant();
        while bounded.0.load(Ordering::SeqCst) > 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "they do not end");
            std::thread::yield_now();
        }
        assert_eq!(bounded.call(Duration::from_secs(60), || 7), Some(7));
    }
}

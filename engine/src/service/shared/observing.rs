//! What delivery tells: attempts, depth of the outbox, sinks that are down, dead letters on their way.

use super::*;

impl deliver::Observer for Shared {
    fn settled(&self, sink: &str, outcome: deliver::Outcome, age: Duration) {
        let metrics = self.metrics.sink(sink);
        let label = match outcome {
            deliver::Outcome::Delivered => DeliveryOutcome::Delivered,
            deliver::Outcome::Retried => DeliveryOutcome::Retried,
            deliver::Outcome::Dead => DeliveryOutcome::DeadLetter,
        };
        metrics.deliveries(label).inc();
        metrics.seconds.record(age);
    }

    fn depth(&self, sink: &str, rows: u64, oldest: Option<Duration>, last_error: Option<&str>) {
        let age = oldest.map(|oldest| oldest.as_secs_f64());
        let metrics = self.metrics.sink(sink);
        metrics.outbox_rows.set(rows as i64);
        metrics.outbox_oldest.set(age.unwrap_or(0.0));
        metrics.down.set(i64::from(last_error.is_some()));
        let status = SinkStatus {
            name: sink.to_owned(),
            outbox_rows: rows,
            oldest_seconds: age,
            last_error: last_error.map(str::to_owned),
        };
        self.sinks.insert(sink.to_owned(), status);
    }

    fn down(&self, sink: &str, error: &str) {
        self.problem(&sink_problem(sink), error);
    }

    fn up(&self, sink: &str) {
        self.mended(&sink_problem(sink));
    }

    /// Two processes with one journal's past must not both tell what follows from it.
    fn superseded(&self, sink: &str, why: &str) {
        let why = format!("sinks.{sink}: {why}");
        tracing::error!(%why, "stopping");
        let _first_reason_stands = self.superseded.set(why);
        self.stop.request();
    }

    fn store_failed(&self, sink: &str, error: &str) {
        self.problem(&format!("outbox of {sink}"), error);
    }
}

impl deliver::deadletter::Postmaster for Shared {
    fn posted(&self, outcome: deliver::deadletter::Posted) {
        self.metrics.dead_letter_messages(outcome == deliver::deadletter::Posted::Sent).inc();
    }

    fn trouble(&self, why: Option<&str>) {
        match why {
            Some(why) => self.problem("dead_letter.kafka", why),
            None => self.mended("dead_letter.kafka"),
        }
    }
}

/// Key of the problem of a sink that takes nothing.
fn sink_problem(sink: &str) -> String {
    format!("{SINK}{sink}")
}

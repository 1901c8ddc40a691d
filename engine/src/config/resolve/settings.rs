//! `[detection]` and `[limits]`, and what the engine's rooms make of them.

use super::{Config, Context};
use crate::config::written::{self, Limits};
use crate::{detect, ingest};

/// Furthest that an event time may be ahead of the wall, seconds. Later ones go to the dead letter.
const AHEAD: i64 = 24 * 3600;

pub(super) fn detection(context: &mut Context<'_>, written: &written::Detection) -> super::Detection {
    let written::Budgets { low, medium, high } = written.budgets;
    in_order(context, "detection.budgets", [low, medium, high]);
    for (position, source) in written.data_events.iter().enumerate() {
        if !source.contains('.') || source.chars().any(|character| character.is_whitespace() || character == '*') {
            let key = format!("detection.data_events[{position}]");
            context.problem(key, source, "is not an event source", "such as s3.amazonaws.com");
        }
    }
    super::Detection {
        sensitivity: written.sensitivity,
        allowed_lateness: context.minutes("detection.allowed_lateness", written.allowed_lateness),
        assume_history: written.assume_history,
        read_call_rate: written.read_call_rate,
        data_events: written.data_events.clone(),
        partitions: written.partitions,
        budgets: [low, medium, high],
    }
}

/// A looser level has no smaller budget than a stricter one.
pub(super) fn in_order(context: &mut Context<'_>, key: &str, [low, medium, high]: [f64; 3]) {
    for (level, value, least) in [("medium", medium, low), ("high", high, medium)] {
        if value < least {
            let key = format!("{key}.{level}");
            context.problem(key, value, "is below the budget of the stricter level", &format!("{least} or more"));
        }
    }
}

pub(super) fn limits(context: &mut Context<'_>, limits: &Limits) {
    context.minutes("limits.dedup_window", limits.dedup_window);
    if limits.record_bytes > limits.object_bytes {
        let allowed = format!("at most limits.object_bytes, {}", limits.object_bytes);
        context.problem("limits.record_bytes", limits.record_bytes, "is more than an object may hold", &allowed);
    }
    if limits.inflated_bytes < limits.object_bytes {
        let allowed = format!("limits.object_bytes or more, {}", limits.object_bytes);
        context.problem(
            "limits.inflated_bytes",
            limits.inflated_bytes,
            "is less than a plain object may have",
            &allowed,
        );
    }
}

impl Config {
    /// What decides which insights follow from the journal; it is written there as an epoch.
    pub fn detect_settings(&self) -> detect::settings::Settings {
        let own = self.accounts.iter().filter_map(|(id, account)| Some((id.clone(), account.budgets?)));
        let teachers = self.mutes.iter().filter(|mute| !mute.learn);
        detect::settings::Settings {
            allowed_lateness: self.detection.allowed_lateness,
            assume_history: self.detection.assume_history,
            read_call_rate: self.detection.read_call_rate,
            data_events: self.detection.data_events.clone(),
            budgets: self.detection.budgets,
            series: self.limits.series,
            open_bytes: usize::try_from(self.limits.open_minutes.0).unwrap_or(usize::MAX),
            partitions: self.detection.partitions,
            unlearned: teachers.map(unlearned).collect(),
            public_url: self.http.public_url.clone(),
            account_budgets: own.collect(),
        }
    }

    /// What decides which records are counted. `now`: milliseconds since the epoch.
    pub fn ingest_settings(&self, now: i64) -> ingest::Settings {
        ingest::Settings {
            data_events: self.detection.data_events.clone(),
            attribute_values: self.limits.attribute_values,
            error_codes: self.limits.error_codes,
            object_bytes: self.limits.object_bytes.0,
            inflated_bytes: self.limits.inflated_bytes.0,
            record_bytes: usize::try_from(self.limits.record_bytes.0).unwrap_or(usize::MAX),
            latest: now.div_euclid(1000) + AHEAD,
        }
    }

    /// The de-duplication window, whole minutes.
    pub fn dedup_minutes(&self) -> u32 {
        u32::try_from(self.limits.dedup_window.0 / 60_000).unwrap_or(u32::MAX)
    }
}

fn unlearned(mute: &super::MuteConfig) -> detect::settings::Unlearned {
    detect::settings::Unlearned {
        account: mute.matches.account.clone(),
        region: mute.matches.region.clone(),
        source: mute.matches.source.clone(),
        name: mute.matches.name.clone(),
        until: mute.until,
    }
}

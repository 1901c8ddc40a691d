//! Mutes made by hand: asked for by HTTP, entered into the journal by the thread that owns it, in force behind that.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use trailsight_schemas::entry::MuteChange;
use trailsight_schemas::time::{format_rfc3339, parse_rfc3339};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::written::Role;
use crate::config::{Config, MatchConfig};
use crate::deliver::matching::{MatchSpec, RuleError};
use crate::deliver::mutes::MuteSpec;
use crate::deliver::routes::{Levels, Router};
use crate::http::{LONGEST, MUTES, MuteMatch, MuteView, Mutes, NewMute, QueryError};
use crate::journal::local::MuteRow;

use super::shared::Shared;

/// How long somebody waits for a change to be durable.
const PATIENCE: Duration = Duration::from_secs(5);
/// Changes that may wait.
const WAITING: usize = 8;

/// What keys of mutes made by hand begin with.
const BY_HAND: &str = "by-hand-";

/// Changes that wait for the thread that owns the journal, each with whom to tell.
#[derive(Default)]
pub(super) struct Changes(Mutex<VecDeque<(MuteChange, SyncSender<()>)>>);

impl Changes {
    /// The next, where one waits.
    pub(super) fn next(&self) -> Option<(MuteChange, SyncSender<()>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn ask(&self, change: MuteChange) -> Result<(), QueryError> {
        let (sender, done) = sync_channel(1);
        {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= WAITING {
                return Err(QueryError::Busy);
            }
            waiting.push_back((change, sender));
        }
        done.recv_timeout(PATIENCE).map_err(|_| QueryError::Busy)
    }
}

/// Mutes as HTTP asks for them.
pub(super) struct ByHand {
    pub(super) changes: Changes,
    /// Newest first, those that have ended among them.
    rows: RwLock<Vec<MuteRow>>,
    configured: Vec<MuteView>,
    clock: Clock,
}

impl ByHand {
    pub(super) fn new(config: &Config, clock: &Clock) -> ByHand {
        ByHand {
            changes: Changes::default(),
            rows: RwLock::default(),
            configured: configured(config),
            clock: clock.clone(),
        }
    }

    /// They have changed.
    pub(super) fn changed(&self, rows: Vec<MuteRow>) {
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

impl Mutes for Shared {
    fn mutes(&self) -> Result<Vec<MuteView>, QueryError> {
        let by_hand = self.by_hand.rows.read().unwrap_or_else(PoisonError::into_inner);
        let holding = by_hand.iter().filter(|row| holds(row, self.by_hand.clock.now())).filter_map(shown);
        Ok(holding.chain(self.by_hand.configured.iter().cloned()).collect())
    }

    fn mute(&self, mute: NewMute, by: Role) -> Result<MuteView, QueryError> {
        let now = self.by_hand.clock.now();
        let until = parse_rfc3339(&mute.until).filter(|until| (1..=LONGEST).contains(&(until - now / 1000)));
        if until.is_none() {
            return Err(QueryError::Refused("`until` must be a time of RFC 3339, at most a year ahead".to_owned()));
        }
        if self.mutes()?.iter().filter(|mute| !mute.configured).count() >= MUTES {
            return Err(QueryError::Refused(format!("there are {MUTES} mutes made by hand, as many as there may be")));
        }
        let json = serde_json::to_string(&mute).map_err(|error| QueryError::Store(error.to_string()))?;
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{now}{json}").as_bytes()).simple().to_string();
        let row = MuteRow {
            key: format!("{BY_HAND}{}", &name[..12]),
            mute: json,
            made: now,
            made_by: String::new(),
            ended: None,
        };
        // Patterns are tried on a router of nothing first: what is in the journal must be usable.
        let tried = spec(&row).ok_or_else(Vec::new).and_then(|spec| compiles(&spec));
        if let Err(problems) = tried {
            let said =
                problems.first().map_or_else(String::new, |problem| problem.to_string().replacen("mutes[0]: ", "", 1));
            return Err(QueryError::Refused(said));
        }
        let change = MuteChange { key: row.key.clone(), mute: Some(row.mute.clone()), by: by.as_str().to_owned() };
        self.by_hand.changes.ask(change)?;
        tracing::info!(mute = %row.key, by = by.as_str(), "muted by hand");
        shown(&row).ok_or_else(|| QueryError::Store("a mute that was just written cannot be read".to_owned()))
    }

    fn unmute(&self, key: &str, by: Role) -> Result<bool, QueryError> {
        if !self.mutes()?.iter().any(|mute| mute.key == key && !mute.configured) {
            return Ok(false);
        }
        self.by_hand.changes.ask(MuteChange { key: key.to_owned(), mute: None, by: by.as_str().to_owned() })?;
        tracing::info!(mute = %key, by = by.as_str(), "a mute was ended by hand");
        Ok(true)
    }
}

/// Puts the mutes of the journal in force. One that a later version wrote and this one does not understand keeps
/// nothing from anybody, and is said.
pub(super) fn enforce(router: &Router, rows: &[MuteRow]) {
    let usable = |spec: &MuteSpec| compiles(spec).is_ok();
    let specs: Vec<MuteSpec> = rows
        .iter()
        .filter_map(|row| {
            let spec = spec(row).filter(usable);
            if spec.is_none() {
                tracing::error!(mute = %row.key, "a mute made by hand is not understood and not in force");
            }
            spec
        })
        .collect();
    if let Err(problems) = router.mute_by_hand(&specs) {
        tracing::error!(problems = problems.len(), "mutes made by hand are not in force");
    }
}

/// Mutes of the configuration, as they are shown.
fn configured(config: &Config) -> Vec<MuteView> {
    let view = |mute: &crate::config::MuteConfig| MuteView {
        key: mute.name.clone(),
        configured: true,
        r#match: of_config(&mute.matches),
        reason: mute.reason.clone(),
        owner: mute.owner.clone(),
        until: mute.until.map(|until| format_rfc3339(until.div_euclid(1000))),
        made: None,
    };
    config.mutes.iter().map(view).collect()
}

fn compiles(spec: &MuteSpec) -> Result<(), Vec<RuleError>> {
    let levels = Levels { usual: trailsight_schemas::insight::Sensitivity::High, of_accounts: Default::default() };
    Router::new(&[], std::slice::from_ref(spec), &[], levels).map(drop)
}

fn spec(row: &MuteRow) -> Option<MuteSpec> {
    let written: NewMute = serde_json::from_str(&row.mute).ok()?;
    let until = parse_rfc3339(&written.until)? * 1000;
    let MuteMatch { account, region, source, name, r#type, principal } = written.r#match;
    let matches = MatchSpec { account, region, source, name, insight_type: r#type, principal, ..MatchSpec::default() };
    Some(MuteSpec {
        key: row.key.clone(),
        matches,
        reason: written.reason,
        owner: written.owner,
        since: Some(row.made),
        until: Some(row.ended.map_or(until, |ended| ended.min(until))),
        during: None,
        learn: true,
        alert: false,
    })
}

fn holds(row: &MuteRow, now: i64) -> bool {
    spec(row).is_some_and(|spec| spec.until.is_none_or(|until| now < until))
}

fn shown(row: &MuteRow) -> Option<MuteView> {
    let written: NewMute = serde_json::from_str(&row.mute).ok()?;
    Some(MuteView {
        key: row.key.clone(),
        configured: false,
        r#match: written.r#match,
        reason: written.reason,
        owner: written.owner,
        until: Some(written.until),
        made: Some(format_rfc3339(row.made.div_euclid(1000))),
    })
}

fn of_config(matches: &MatchConfig) -> MuteMatch {
    let matches = matches.clone();
    MuteMatch {
        account: matches.account,
        region: matches.region,
        source: matches.source,
        name: matches.name,
        r#type: matches.r#type,
        principal: matches.principal,
    }
}

//! Anomalies: what should be found. Fifteen kinds at four strengths, from what no count can show to what anybody
//! sees; each account has every kind that fits it once.

mod host;
mod burst;
mod change;
mod lasting;

use serde::{Deserialize, Serialize};

use crate::account::World;
use crate::calendar::{DAY, HOUR, LENGTH, SCORED};
use crate::change::ChangeKind;
use crate::dice::Dice;
use crate::label::Direction;
use crate::traffic::{Principal, Series};

use host::Hosts;

/// What kind of anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// +3, 10, 30, 100 AccessDenied a minute of one API for 10 to 60 minutes.
    DeniedBurst,
    /// 3, 10, 40, 200 calls a minute of one API, most of them errors, for 5 to 30 minutes.
    Enumeration,
    /// 10, 30, 60, 120 APIs, 1 to 4 calls each, by one principal within ten minutes.
    Sweep,
    /// 10, 30, 100, 300 RunInstances in 1 to 5 minutes.
    RunInstances,
    /// +1, 3, 10, 30 deletions a minute for 30 to 120 minutes.
    MassDelete,
    /// +2, 5, 20, 60 throttled calls a minute, on and off, for 10 to 60 minutes.
    Throttling,
    /// To ×1.3, 1.6, 2, 3 within 12 to 48 hours.
    Ramp,
    /// To 50 %, to 20 %, to 0 where there are few calls, to 0 where there are at least two a minute; 30 to 240 minutes.
    Outage,
    /// At the time of a job, the job's size ×1.3, 2, 4, 10.
    CronHidden,
    /// To ×1.5, 2, 4, 8 over ten days.
    Poisoning,
    /// Share of errors ×5, ×20; ×5, ×20 with five times the calls.
    ErrorRatio,
    /// ×2, 3, 5, 10 calls with the usual share of errors: its error insights are repetitions.
    Surge,
    /// 2, 5, 10, 30 calls of an API that others use, by someone new.
    NewPrincipal,
    /// 1, 3, 10, 100 calls of an API that the account never used.
    FirstUse,
    /// ×1.5, 3, 10, 30 of the largest minute of the last week, on a series that bursts anyway.
    BurstyHost,
}

impl Kind {
    pub(crate) const ALL: [Kind; 15] = [
        Kind::DeniedBurst,
        Kind::Enumeration,
        Kind::Sweep,
        Kind::RunInstances,
        Kind::MassDelete,
        Kind::Throttling,
        Kind::Ramp,
        Kind::Outage,
        Kind::CronHidden,
        Kind::Poisoning,
        Kind::ErrorRatio,
        Kind::Surge,
        Kind::NewPrincipal,
        Kind::FirstUse,
        Kind::BurstyHost,
    ];

    /// Whether anybody who looks at the picture sees it: at least a hundred calls, and ten times what the week held.
    pub(crate) fn obvious(self, strength: u8) -> bool {
        strength == 4
            && matches!(
                self,
                Kind::DeniedBurst
                    | Kind::Enumeration
                    | Kind::RunInstances
                    | Kind::MassDelete
                    | Kind::Throttling
                    | Kind::FirstUse
                    | Kind::BurstyHost
            )
    }

    pub(crate) fn direction(self) -> Direction {
        if self == Kind::Outage { Direction::Below } else { Direction::Above }
    }

    /// Minutes that its place in the account's life has to be free of other anomalies.
    fn longest(self) -> i64 {
        match self {
            Kind::Ramp => 48 * HOUR,
            Kind::Poisoning => 10 * DAY,
            _ => 4 * HOUR,
        }
    }

    fn lasts_for_days(self) -> bool {
        matches!(self, Kind::Ramp | Kind::Poisoning)
    }

    pub(crate) fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// An anomaly that was put into the traffic. Minutes of the table; `end` is the first behind it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) strength: u8,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) principal: Principal,
    pub(crate) series: Vec<Series>,
    pub(crate) companions: Vec<Series>,
    pub(crate) usual: f64,
    pub(crate) peak: u32,
}

/// What one anomaly needs to know: when, how strong, by whom.
#[derive(Clone, Copy, Debug)]
struct Plan {
    kind: Kind,
    strength: u8,
    at: i64,
    principal: Principal,
}

impl Plan {
    /// What the strength means, of four figures.
    fn of<T: Copy>(&self, figures: [T; 4]) -> T {
        figures[usize::from(self.strength - 1)]
    }
}

/// Puts every kind that fits into an account, at strengths that rotate with its number, and labels it.
pub(crate) fn place(world: &mut World, number: u32, dice: &mut Dice) -> Vec<Draft> {
    let mut hosts = Hosts::of(&world.traffic);
    let turn = number + number / 6;
    let kinds: Vec<(usize, Kind)> = Kind::ALL.into_iter().enumerate().collect();
    let mut drafts = Vec::new();
    let mut order = dice.sample(&kinds, kinds.len());
    // What needs a busy series chooses first.
    order.sort_by_key(|(_, kind)| *kind != Kind::Outage);
    for (place, kind) in order {
        let Some(at) = free_moment(world, kind, dice) else { continue };
        let strength = ((place as u32 + turn) % 4 + 1) as u8;
        let principal = attacker(world, kind, place, dice);
        let plan = Plan { kind, strength, at, principal };
        let Some(draft) = put(world, &mut hosts, plan, &mut dice.fork("anomaly")) else { continue };
        if !kind.lasts_for_days() {
            world.occupied.push((draft.start - 6 * HOUR, draft.end + 6 * HOUR));
        }
        drafts.push(draft);
    }
    drafts
}

fn put(world: &mut World, hosts: &mut Hosts, plan: Plan, dice: &mut Dice) -> Option<Draft> {
    match plan.kind {
        Kind::DeniedBurst => burst::denied(world, hosts, plan, dice),
        Kind::Enumeration => burst::enumeration(world, hosts, plan, dice),
        Kind::Sweep => burst::sweep(world, plan, dice),
        Kind::RunInstances => burst::run_instances(world, hosts, plan, dice),
        Kind::MassDelete => burst::mass_delete(world, hosts, plan, dice),
        Kind::Throttling => burst::throttling(world, hosts, plan, dice),
        Kind::NewPrincipal => burst::new_principal(world, hosts, plan, dice),
        Kind::FirstUse => burst::first_use(world, hosts, plan, dice),
        Kind::BurstyHost => burst::bursty_host(world, hosts, plan, dice),
        Kind::CronHidden => burst::cron_hidden(world, hosts, plan, dice),
        Kind::Outage => change::outage(world, hosts, plan, dice),
        Kind::ErrorRatio => change::error_ratio(world, hosts, plan, dice),
        Kind::Surge => change::surge(world, hosts, plan, dice),
        Kind::Ramp => lasting::ramp(world, hosts, plan, dice),
        Kind::Poisoning => lasting::poisoning(world, hosts, plan, dice),
    }
}

/// A stolen identity of the account, or one that was never seen.
fn attacker(world: &mut World, kind: Kind, place: usize, dice: &mut Dice) -> Principal {
    let known = world.principals().len() as i64 - 1;
    if kind != Kind::NewPrincipal && dice.chance(0.5) {
        return dice.between(1, known.max(1)).min(known) as Principal;
    }
    world.role(&format!("support-{place}"))
}

/// A time at which nothing else that would make it ambiguous goes on; none where there is none.
fn free_moment(world: &World, kind: Kind, dice: &mut Dice) -> Option<i64> {
    let latest = LENGTH - DAY - kind.longest();
    // Half of them come while people work, when it is easiest to hide.
    let draw = |dice: &mut Dice| {
        let at = dice.between(SCORED + DAY, latest);
        let busy = world.calendar.local(at / DAY, dice.between(9 * HOUR, 18 * HOUR));
        if dice.chance(0.5) { busy.clamp(SCORED + DAY, latest) } else { at }
    };
    let fits = |at: &i64| kind.lasts_for_days() || world.free(at - HOUR, at + kind.longest());
    (0..60).map(|_| draw(dice)).find(fits)
}

impl World {
    /// Whether no anomaly and no fail-over lies between two minutes.
    pub(crate) fn free(&self, from: i64, to: i64) -> bool {
        let apart = |&(start, end): &(i64, i64)| end <= from || start >= to;
        let failover = self.changes.iter().filter(|change| change.kind == ChangeKind::RegionFailover);
        self.occupied.iter().all(apart)
            && failover.map(|change| (change.start - HOUR, change.end + HOUR)).all(|span| apart(&span))
    }
}

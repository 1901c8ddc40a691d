//! Made-up accounts. Question answered: would a detector keep its promise where traffic is as unkind as in reality?
//!
//! Actors (people, pipelines, schedules, autoscalers, scanners, services) each drive many series at once; how many
//! there are of each and how busy they are is drawn from heavy-tailed priors around a personality. What changes in
//! an account without being an attack ([`crate::change`]) and what is one ([`crate::anomaly`]) is put on top and
//! labelled. Nothing here was fitted to a detector; the spread of first bursts of quiet accounts follows published
//! base rates of small real accounts.

mod personality;
mod person;
mod pipeline;
mod schedule;
mod autoscaler;
mod scanner;
mod service;

#[cfg(test)]
mod tests;

use anyhow::Result;

use crate::anomaly;
use crate::calendar::{Calendar, LENGTH, SCORED};
use crate::catalog::{Api, CODES};
use crate::change;
use crate::dice::Dice;
use crate::label::{Change, Labels, Name, Truth};
use crate::seeds::Member;
use crate::traffic::{Cell, Principal, REGIONS, Series, Traffic};

pub(crate) use personality::{Cast, Personality};

/// A benign change, before its series have names.
#[derive(Clone, Debug)]
pub(crate) struct Drafted {
    pub(crate) kind: change::ChangeKind,
    /// Minutes of the table.
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) series: Vec<Series>,
}

/// An account while it is being made up.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) id: String,
    pub(crate) personality: Personality,
    pub(crate) calendar: Calendar,
    /// Regions it works in, the first of them most.
    pub(crate) regions: Vec<u8>,
    /// Services it has adopted, by place in the catalog.
    pub(crate) services: Vec<usize>,
    principals: Vec<String>,
    pub(crate) traffic: Traffic,
    pub(crate) changes: Vec<Drafted>,
    /// Series that follow local clocks to the minute.
    pub(crate) local_jobs: Vec<Series>,
    /// Times that an anomaly needs for itself.
    pub(crate) occupied: Vec<(i64, i64)>,
}

impl World {
    /// A caller of its own.
    pub(crate) fn role(&mut self, name: &str) -> Principal {
        self.principals.push(format!("arn:aws:sts::{}:assumed-role/{name}", self.id));
        (self.principals.len() - 1) as Principal
    }

    pub(crate) fn user(&mut self, name: &str) -> Principal {
        self.principals.push(format!("arn:aws:iam::{}:user/{name}", self.id));
        (self.principals.len() - 1) as Principal
    }

    pub(crate) fn principals(&self) -> &[String] {
        &self.principals
    }

    /// Where most of its work is done, sometimes elsewhere.
    pub(crate) fn region(&self, dice: &mut Dice) -> u8 {
        if self.regions.len() > 1 && dice.chance(0.12) { *dice.pick(&self.regions[1..]) } else { self.regions[0] }
    }

    /// All APIs of the services that it has adopted.
    pub(crate) fn adopted(&self) -> Vec<Api> {
        self.services.iter().flat_map(|service| Api::of_service(*service)).collect()
    }

    pub(crate) fn note(&mut self, kind: change::ChangeKind, start: i64, end: i64, series: Vec<Series>) {
        self.changes.push(Drafted { kind, start, end, series });
    }

    /// A series by its names.
    pub(crate) fn name(&self, series: &Series) -> Name {
        Name {
            region: REGIONS[usize::from(series.region)].to_owned(),
            source: series.api.source(),
            name: series.api.name(),
            code: CODES[usize::from(series.code)].to_owned(),
        }
    }

    fn labels(&self, drafts: Vec<anomaly::Draft>, attacked: bool) -> Labels {
        let first = self.calendar.first;
        let names = |series: &[Series]| series.iter().map(|each| self.name(each)).collect();
        let truth = |draft: anomaly::Draft| Truth {
            kind: draft.kind,
            strength: draft.strength,
            obvious: draft.kind.obvious(draft.strength),
            direction: draft.kind.direction(),
            start: first + draft.start,
            end: first + draft.end,
            principal: self.principals[usize::from(draft.principal)].clone(),
            series: names(&draft.series),
            companions: names(&draft.companions),
            usual: draft.usual,
            peak: draft.peak,
        };
        let change = |drafted: &Drafted| Change {
            kind: drafted.kind,
            start: first + drafted.start,
            end: first + drafted.end,
            series: names(&drafted.series),
        };
        let mut truths: Vec<Truth> = drafts.into_iter().map(truth).collect();
        truths.sort_by_key(|truth| truth.start);
        Labels {
            account: self.id.clone(),
            personality: self.personality,
            zone: self.calendar.zone().to_owned(),
            attacked,
            first,
            scored: first + SCORED,
            end: first + LENGTH,
            series: self.count_series(),
            truths,
            changes: self.changes.iter().map(change).collect(),
        }
    }

    /// Series as a detector sees them: calls of writing APIs and errors.
    fn count_series(&self) -> usize {
        let judged = |cell: &Cell| {
            let calls = (!cell.api.reads()).then(|| cell.calls());
            calls.into_iter().chain((cell.code != 0).then(|| cell.series()))
        };
        let mut all: Vec<Series> = self.traffic.rows().iter().flat_map(|row| judged(&row.cell)).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }
}

/// A finished account: its table's rows and what is known of it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) world: World,
    pub(crate) labels: Labels,
}

impl Account {
    /// What the member's name decides, and nothing else.
    pub(crate) fn generate(member: &Member) -> Result<Account> {
        let mut dice = Dice::named(&member.seed());
        let personality = Personality::of(member.number);
        let calendar = Calendar::draw(&mut dice.fork("calendar"))?;
        let cast = Cast::draw(personality, &mut dice.fork("cast"));
        let mut world = World {
            id: member.account(),
            personality,
            calendar,
            regions: dice.sample(&[0, 1, 2, 3], cast.regions),
            services: dice.sample(&(0..Api::services()).collect::<Vec<_>>(), cast.services),
            principals: Vec::new(),
            traffic: Traffic::default(),
            changes: Vec::new(),
            local_jobs: Vec::new(),
            occupied: Vec::new(),
        };
        perform(&mut world, &cast, &mut dice);
        change::happen(&mut world, &cast, &mut dice.fork("changes"));
        world.traffic.settle();
        let drafts = if member.attacked() {
            anomaly::place(&mut world, member.number, &mut dice.fork("anomalies"))
        } else {
            Vec::new()
        };
        change::lose(&mut world, &mut dice.fork("losses"));
        world.traffic.settle();
        let labels = world.labels(drafts, member.attacked());
        Ok(Account { world, labels })
    }
}

fn perform(world: &mut World, cast: &Cast, dice: &mut Dice) {
    heartbeat(world);
    for number in 0..cast.people {
        person::live(world, cast, number, &mut dice.fork("person"));
    }
    for number in 0..cast.pipelines {
        pipeline::run(world, cast, number, &mut dice.fork("pipeline"));
    }
    for number in 0..cast.schedules {
        schedule::run(world, cast, number, &mut dice.fork("schedule"));
    }
    for number in 0..cast.autoscalers {
        autoscaler::run(world, cast, number, &mut dice.fork("autoscaler"));
    }
    for number in 0..cast.scanners {
        scanner::run(world, number, &mut dice.fork("scanner"));
    }
    for number in 0..cast.agents {
        service::run(world, cast, number, &mut dice.fork("service"));
    }
}

/// Every account is watched by something that asks who it is every five minutes: a read that no rate is judged of,
/// without which a table could not tell a night from a loss.
fn heartbeat(world: &mut World) {
    let principal = world.role("uptime-monitor");
    let cell = Cell { region: world.regions[0], api: Api::special("GetCallerIdentity"), code: 0, principal, agent: 4 };
    for minute in (0..LENGTH).step_by(5) {
        world.traffic.push(minute, cell, 1);
    }
    world.traffic.push(LENGTH - 1, cell, 1);
}

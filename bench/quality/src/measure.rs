//! Generates accounts, lets engines judge them, and scores: at most two at a time.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};

use crate::account::Account;
use crate::engine::{Engine, Places};
use crate::report::Column;
use crate::score::Scored;
use crate::seeds::Member;
use crate::table;

/// Accounts that are in work at once.
const WORKERS: usize = 2;

/// Which accounts and engines.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) members: Vec<Member>,
    pub(crate) engines: Vec<Engine>,
    /// Accounts without anomalies that slow engines are run on.
    pub(crate) sample: u32,
}

impl Plan {
    fn wants(&self, engine: Engine, member: &Member) -> bool {
        !engine.slow() || member.attacked() || member.number < self.sample
    }
}

/// Runs a plan in `folder`, and keeps tables there where `keep` says so.
pub(crate) fn columns(plan: &Plan, places: &Places, folder: &Path, keep: bool) -> Result<Vec<Column>> {
    let queue = Mutex::new(plan.members.iter());
    let found = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = queue.lock().map_err(|_| anyhow!("a worker died"))?.next();
            let Some(member) = next else { return Ok(()) };
            let scored = judge(plan, member, places, folder, keep).with_context(|| member.seed())?;
            eprintln!("{} done", member.seed());
            found.lock().map_err(|_| anyhow!("a worker died"))?.extend(scored);
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker died"))?)
    })?;
    let mut found: Vec<(Engine, Scored)> = found.into_inner().map_err(|_| anyhow!("a worker died"))?;
    found.sort_by(|a, b| a.1.labels.account.cmp(&b.1.labels.account));
    let of = |engine: &Engine| Column {
        name: engine.name().to_owned(),
        accounts: found.iter().filter(|each| each.0 == *engine).map(|each| each.1.clone()).collect(),
    };
    Ok(plan.engines.iter().map(of).collect())
}

fn judge(plan: &Plan, member: &Member, places: &Places, folder: &Path, keep: bool) -> Result<Vec<(Engine, Scored)>> {
    let account = Account::generate(member)?;
    let path = folder.join(format!("{}.tsv.gz", account.world.id));
    table::write(&account.world, &path)?;
    let mut scored = Vec::new();
    for engine in plan.engines.iter().copied().filter(|engine| plan.wants(*engine, member)) {
        let told = engine.told(places, &account.world, &path)?;
        scored.push((engine, Scored::new(account.labels.clone(), told)));
        let printed = engine.beside(&account.world, &path);
        if !keep && printed.exists() {
            std::fs::remove_file(&printed).with_context(|| printed.display().to_string())?;
        }
    }
    if keep {
        account.labels.write(&folder.join(format!("{}.labels.json", account.world.id)))?;
    } else {
        std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
    }
    Ok(scored)
}

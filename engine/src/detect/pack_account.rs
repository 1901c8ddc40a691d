//! An account to and from what a snapshot stores. Empty bytes stand for a pool that was never stored.

use trailsight_detectors::{BurstPool, FirstUsePool, TailPool};
use trailsight_schemas::snapshot::{AccountState, HushState, LeadState, WakeState, WakingState};
use uuid::Uuid;

use super::account::{Account, ActiveSeries};
use super::folding::{Lead, Leads};
use super::hush::{Hush, MOST_GAPS};
use super::pack::{PackError, level};
use super::pairs::Pairs;
use super::settings::Settings;
use super::strings::Strings;
use super::waking::{Burst, Wake, Waking};

const DAMAGED: PackError = PackError::Inconsistent("an account");

pub(super) fn pack(id: u32, account: &Account) -> AccountState {
    let (active_day, active_by_day) = account.active.to_parts();
    let leads = account.leads.as_slice().iter().map(|lead| LeadState {
        shared: lead.shared.as_u128(),
        series: lead.series,
        start: lead.start,
        level: lead.level as u8,
        folded: lead.folded,
    });
    AccountState {
        account: id,
        since: account.since,
        seen: account.seen,
        active_day,
        active_by_day,
        pools: [0, 1].map(|at: usize| bytes(|out| account.pools[at].pack(out))),
        leads: leads.collect(),
        source: account.source.clone(),
        tails: bytes(|out| account.tails.pack(out)),
        silences: bytes(|out| account.silences.pack(out)),
        novel: account.novel,
        hush: pack_hush(&account.hush),
        regions: account.regions.iter().map(|(id, hush)| (*id, pack_hush(hush))).collect(),
        waking: pack_waking(&account.waking),
    }
}

pub(super) fn unpack(state: AccountState, settings: &Settings, strings: &Strings) -> Result<(u32, Account), PackError> {
    let [calls, errors] = state.pools.map(|bytes| FirstUsePool::unpack(&bytes));
    let mut account = Account::new(state.since, strings.text(state.account), settings);
    account.seen = state.seen;
    account.active = ActiveSeries::from_parts(state.active_day, state.active_by_day);
    account.pools = [calls.map_err(|_| DAMAGED)?, errors.map_err(|_| DAMAGED)?];
    account.leads = unpack_leads(state.leads)?;
    (account.source, account.novel) = (state.source, state.novel);
    account.tails = tails(&state.tails)?;
    if !state.silences.is_empty() {
        account.silences = BurstPool::unpack(&state.silences).map_err(|_| DAMAGED)?;
    }
    unpack_hush(state.hush, &mut account.hush)?;
    for (id, stored) in state.regions {
        let mut hush = Hush::new(state.since);
        unpack_hush(stored, &mut hush)?;
        account.regions.insert(id, hush);
    }
    account.waking = unpack_waking(state.waking, account.waking)?;
    Ok((state.account, account))
}

/// A pool of tails; what is shipped where none was stored.
pub(super) fn tails(bytes: &[u8]) -> Result<TailPool, PackError> {
    if bytes.is_empty() { Ok(TailPool::SHIPPED) } else { TailPool::unpack(bytes).map_err(|_| DAMAGED) }
}

fn unpack_leads(leads: Vec<LeadState>) -> Result<Leads, PackError> {
    let lead = |lead: LeadState| {
        let (shared, level) = (Uuid::from_u128(lead.shared), level(lead.level)?);
        Ok(Lead { shared, series: lead.series, start: lead.start, level, folded: lead.folded })
    };
    Ok(Leads::from_vec(leads.into_iter().map(lead).collect::<Result<_, PackError>>()?))
}

fn pack_hush(hush: &Hush) -> HushState {
    HushState {
        since: hush.since,
        figures: [hush.expected, hush.rate, hush.others],
        gaps: hush.gaps.iter().map(|gap| (gap.start, gap.end)).collect(),
        past: bytes(|out| hush.past.pack(out)),
    }
}

fn unpack_hush(state: HushState, hush: &mut Hush) -> Result<(), PackError> {
    let apart = state.gaps.windows(2).all(|pair| pair[0].1 < pair[1].0) && state.gaps.iter().all(|gap| gap.0 < gap.1);
    if !apart || state.gaps.len() > MOST_GAPS || state.figures.iter().any(|figure| !(0.0..1e18).contains(figure)) {
        return Err(DAMAGED);
    }
    hush.since = state.since;
    [hush.expected, hush.rate, hush.others] = state.figures;
    hush.gaps = state.gaps.into_iter().map(|(from, to)| from..to).collect();
    if !state.past.is_empty() {
        hush.past = BurstPool::unpack(&state.past).map_err(|_| DAMAGED)?;
    }
    Ok(())
}

fn pack_waking(waking: &Waking) -> WakingState {
    let (pairs, swept, refused) = waking.pairs.to_parts();
    let wake = |wake: &Wake| WakeState {
        minute: wake.minute,
        print: wake.print,
        ids: [wake.api[0], wake.api[1], wake.api[2], wake.api[3], wake.principal],
        of_principal: wake.of_principal,
    };
    let burst = |burst: &Burst| [burst.start, burst.last, burst.peak];
    WakingState {
        pairs,
        swept,
        refused,
        wakes: [
            waking.open.values().flat_map(|of_minute| of_minute.values()).map(wake).collect(),
            waking.recent.iter().map(wake).collect(),
        ],
        burst: waking.burst.as_ref().map(burst),
        of_principals: waking.of_principals.iter().map(|(id, one)| (*id, burst(one))).collect(),
        pools: [0, 1].map(|at: usize| bytes(|out| waking.pools[at].pack(out))),
        told: waking.told.map(|(level, whose)| (level as u8, whose)),
    }
}

fn unpack_waking(state: WakingState, fresh: Waking) -> Result<Waking, PackError> {
    let wake = |state: WakeState| {
        let [region, source, name, code, principal] = state.ids;
        let WakeState { minute, print, of_principal, .. } = state;
        Wake { minute, print, api: [region, source, name, code], principal, of_principal }
    };
    let burst = |[start, last, peak]: [u32; 3]| Burst { start, last, peak };
    let mut waking = fresh;
    waking.pairs = Pairs::from_parts(state.pairs, state.swept, state.refused).ok_or(DAMAGED)?;
    let [open, recent] = state.wakes.map(|wakes| wakes.into_iter().map(wake));
    for wake in open {
        waking.open.entry(wake.minute).or_default().insert((wake.of_principal, wake.print), wake);
    }
    waking.recent = recent.collect();
    waking.burst = state.burst.map(burst);
    waking.of_principals = state.of_principals.into_iter().map(|(id, one)| (id, burst(one))).collect();
    for (pool, bytes) in waking.pools.iter_mut().zip(state.pools).filter(|(_, bytes)| !bytes.is_empty()) {
        *pool = BurstPool::unpack(&bytes).map_err(|_| DAMAGED)?;
    }
    waking.told = state.told.map(|(told, whose)| Ok((level(told)?, whose))).transpose()?;
    Ok(waking.restored())
}

fn bytes(pack: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    pack(&mut out);
    out
}

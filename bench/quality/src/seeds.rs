//! Which accounts there are. Three sets that share nothing, because the name of the set is part of the seed.

use clap::ValueEnum;

/// What accounts are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum Set {
    /// For work and for the gate; look at it as often as you like, fit constants on its quiet accounts.
    Development,
    /// Frozen: opened when the work is believed to be done. Every opening is written down.
    Test,
    /// For the figures of a release.
    Release,
}

impl Set {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Set::Development => "development",
            Set::Test => "test",
            Set::Release => "release",
        }
    }
}

/// Version of the generator: part of every seed, so that figures of different generators are never of one set.
const GENERATION: u32 = 1;

/// Whether an account is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Population {
    /// With anomalies.
    Attacked,
    /// Without: what is told of it is false.
    Peaceful,
}

/// One account of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) set: Set,
    pub(crate) population: Population,
    pub(crate) number: u32,
}

impl Member {
    /// `attacked` accounts with anomalies and `peaceful` ones without, from number 0 on.
    pub(crate) fn of(set: Set, attacked: u32, peaceful: u32) -> Vec<Member> {
        let members = |population, count| (0..count).map(move |number| Member { set, population, number });
        members(Population::Attacked, attacked).chain(members(Population::Peaceful, peaceful)).collect()
    }

    pub(crate) fn attacked(&self) -> bool {
        self.population == Population::Attacked
    }

    /// The name that decides everything about the account.
    pub(crate) fn seed(&self) -> String {
        format!("trailsight-quality/{GENERATION}/{}/{:?}/{}", self.set.name(), self.population, self.number)
    }

    /// Twelve digits.
    pub(crate) fn account(&self) -> String {
        let set = 1 + self.set as u32;
        format!("{set}{}{:010}", 1 + self.population as u32, self.number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Member, Set};

    #[test]
    fn sets_share_no_seed_and_no_account() {
        let all: Vec<Member> =
            [Set::Development, Set::Test, Set::Release].into_iter().flat_map(|set| Member::of(set, 300, 300)).collect();
        assert_eq!(all.iter().map(Member::seed).collect::<BTreeSet<_>>().len(), 1800);
        let accounts: BTreeSet<String> = all.iter().map(Member::account).collect();
        assert_eq!(accounts.len(), 1800);
        assert!(accounts.iter().all(|account| account.len() == 12));
    }
}

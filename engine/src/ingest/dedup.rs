//! What was counted lately, so that it is not counted again.
//!
//! A window of event time: fingerprints by minute, in hash sets whose order is never looked at. It is a
//! function of the fingerprints in the journal's batches, in order, and of nothing else: [`Dedup::batch`]
//! remembers exactly what [`Dedup::absorb`] would remember of the batch that it returns.
//!
//! A fingerprint takes 10 to 21 bytes (nine a slot, and a set is between 7/16 and 7/8 full).

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use trailsight_schemas::entry::{Batch, Fingerprint, Outcomes, Progress};
use trailsight_schemas::time::Minute;

use super::rollup::Canonical;
use super::tally::{Row, Sample, Tally};

/// The fingerprints of what was counted lately, over all batches.
#[derive(Clone, Debug)]
pub struct Dedup {
    minutes: u32,
    entries: usize,
    window: BTreeMap<Minute, HashSet<u64, BuildHasherDefault<Identity>>>,
    newest: Minute,
    held: usize,
    forgotten: u64,
    unchecked: u64,
}

/// How full the window is, and what it could not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DedupStats {
    /// Fingerprints held.
    pub entries: usize,
    /// Event minutes that have any.
    pub minutes: usize,
    /// Bytes held.
    pub memory: usize,
    /// Fingerprints that the limit of entries pushed out before their time, since the process began.
    pub forgotten: u64,
    /// Records older than the window, which were counted unchecked, since the process began.
    pub unchecked: u64,
}

impl Dedup {
    /// Remembers `minutes` of event time before the newest, at most `entries` fingerprints. At either limit the
    /// oldest minutes go first.
    pub fn new(minutes: u32, entries: usize) -> Dedup {
        Dedup { minutes, entries, window: BTreeMap::new(), newest: Minute(0), held: 0, forgotten: 0, unchecked: 0 }
    }

    /// Turns a tally into a journal batch: drops what was counted before, rolls up the rest, remembers it.
    /// The outcomes of `progress[0]` gain `counted`, `duplicate` and the tally's own outcomes; where there is
    /// no progress nobody learns them.
    pub fn batch(&mut self, tally: Tally, mut progress: Vec<Progress>) -> Batch {
        let Tally { settings, tables, mut samples, mut rows, mut outcomes, .. } = tally;
        let canonical = Canonical::order(tables, &mut samples, &mut rows);
        let read = samples.len();
        self.drop_duplicates(&mut samples);
        outcomes.duplicate = outcomes.duplicate.saturating_add((read - samples.len()) as u64);
        outcomes.counted = rows.iter().fold(samples.len() as u64, |sum, row| sum.saturating_add(row.calls));
        let fingerprints: Vec<Fingerprint> =
            samples.iter().map(|sample| Fingerprint { minute: sample.minute(), hash: sample.fingerprint }).collect();
        rows.extend(samples.into_iter().map(|Sample { second, api, attributes, .. }| Row {
            calls: 1,
            second,
            api,
            attributes,
        }));
        add_outcomes(&mut progress, outcomes);
        let batch = Batch { fingerprints, progress, ..canonical.roll_up(rows, &settings) };
        self.absorb(&batch);
        batch
    }

    /// Remembers what a batch of the journal counted (recovery).
    pub fn absorb(&mut self, batch: &Batch) {
        let newest = batch.fingerprints.iter().map(|fingerprint| fingerprint.minute).max();
        self.newest = self.newest.max(newest.unwrap_or_default());
        self.forget_before(self.floor());
        for fingerprint in &batch.fingerprints {
            self.remember(*fingerprint);
        }
    }

    /// How full the window is.
    pub fn stats(&self) -> DedupStats {
        // One byte of control for each slot, and one slot in eight stays free.
        let slots: usize = self.window.values().map(|hashes| hashes.capacity() / 7 * 8).sum();
        DedupStats {
            entries: self.held,
            minutes: self.window.len(),
            memory: slots * (size_of::<u64>() + 1) + self.window.len() * 64,
            forgotten: self.forgotten,
            unchecked: self.unchecked,
        }
    }

    /// Leaves one sample of each eventID and minute, and none that was counted before, sorted. Where samples of
    /// one eventID differ, the least one stays, whichever came first: numbers are in canonical order.
    fn drop_duplicates(&mut self, samples: &mut Vec<Sample>) {
        samples.sort_unstable_by_key(|sample| {
            (sample.minute(), sample.fingerprint, sample.api, sample.attributes, sample.second)
        });
        samples.dedup_by_key(|sample| (sample.minute(), sample.fingerprint));
        let floor = self.floor();
        let unchecked = samples.iter().take_while(|sample| sample.minute() < floor).count();
        self.unchecked = self.unchecked.saturating_add(unchecked as u64);
        samples.retain(|sample| {
            self.window.get(&sample.minute()).is_none_or(|hashes| !hashes.contains(&sample.fingerprint))
        });
    }

    /// The oldest minute that is remembered.
    fn floor(&self) -> Minute {
        Minute(self.newest.0.saturating_sub(self.minutes))
    }

    fn remember(&mut self, fingerprint: Fingerprint) {
        let Fingerprint { minute, hash } = fingerprint;
        if minute < self.floor() || self.window.get(&minute).is_some_and(|hashes| hashes.contains(&hash)) {
            return;
        }
        while self.held >= self.entries {
            match self.window.first_key_value() {
                Some((oldest, _)) if *oldest < minute => {
                    let after = Minute(oldest.0.saturating_add(1));
                    self.forgotten = self.forgotten.saturating_add(self.forget_before(after));
                }
                // Nothing held is older: this one is the oldest, and goes first.
                _ => {
                    self.forgotten = self.forgotten.saturating_add(1);
                    return;
                }
            }
        }
        self.held += 1;
        self.window.entry(minute).or_default().insert(hash);
    }

    fn forget_before(&mut self, floor: Minute) -> u64 {
        let kept = self.window.split_off(&floor);
        let gone: usize = std::mem::replace(&mut self.window, kept).values().map(HashSet::len).sum();
        self.held -= gone;
        gone as u64
    }

    /// The whole window as bytes, for the snapshot: the newest minute, then for each minute its number, how many
    /// fingerprints it has, and those in order; all little endian. The same window gives the same bytes.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.window.len() * 8 + self.held * 8);
        bytes.extend(self.newest.0.to_le_bytes());
        for (minute, hashes) in &self.window {
            let mut hashes: Vec<u64> = hashes.iter().copied().collect();
            hashes.sort_unstable();
            bytes.extend(minute.0.to_le_bytes());
            // Over 32 GiB of fingerprints in one minute would not fit into memory twice, as here.
            bytes.extend((hashes.len() as u32).to_le_bytes());
            hashes.iter().for_each(|hash| bytes.extend(hash.to_le_bytes()));
        }
        bytes
    }

    /// Reads [`Dedup::pack`] back; `None` when the bytes are not a window. A smaller window than the one that
    /// was packed keeps what it would have kept.
    pub fn unpack(minutes: u32, entries: usize, bytes: &[u8]) -> Option<Dedup> {
        let mut dedup = Dedup::new(minutes, entries);
        let (newest, mut rest) = word(bytes)?;
        dedup.newest = Minute(newest);
        let mut last = None;
        while !rest.is_empty() {
            let (minute, behind) = word(rest)?;
            let (count, behind) = word(behind)?;
            let (hashes, behind) = behind.split_at_checked((count as usize).checked_mul(8)?)?;
            if minute > newest || last.is_some_and(|last| minute <= last) || count == 0 {
                return None;
            }
            let (hashes, _) = hashes.as_chunks::<8>();
            let hashes: Vec<u64> = hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect();
            if !hashes.is_sorted_by(|a, b| a < b) {
                return None;
            }
            for hash in hashes {
                dedup.remember(Fingerprint { minute: Minute(minute), hash });
            }
            last = Some(minute);
            rest = behind;
        }
        dedup.forgotten = 0;
        Some(dedup)
    }
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*word), rest))
}

fn add_outcomes(progress: &mut [Progress], outcomes: Outcomes) {
    if let Some(first) = progress.first_mut() {
        first.outcomes += outcomes;
    }
    progress.sort_by(|a, b| (&a.source, &a.partition).cmp(&(&b.source, &b.partition)));
}

/// Fingerprints are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        // Not reached: a u64 is written as one. Kept lawful all the same.
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;

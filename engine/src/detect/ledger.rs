//! The figures AWS reports: plain counts by UTC day for the baseline window, of calls and of each attribute.
//!
//! The window of a Start opens at midnight UTC seven days before the day of the Start and closes at the
//! Start (`cloudtrail-insights` facts, section 1.3), so it touches eight days; nine are kept because a Start
//! may be dated back over midnight.
//!
//! Today is a short list; a day that is over is packed into bytes: a series has few callers, so a day costs
//! some ten bytes.

use super::cell::{ATTRIBUTES, Cell};
use super::strings::Id;

/// Days before the current one that are kept.
const PAST_DAYS: u32 = 8;
/// Most (attribute, value) pairs of one day; calls of further ones are counted in the total only.
const DAY_VALUES: usize = 96;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ledger {
    day: u32,
    today: Day,
    /// Packed days, oldest first: day, length of the rest, calls, (attribute and value, calls)….
    past: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Day {
    calls: u64,
    /// (attribute + [`ATTRIBUTES`] × value, calls), sorted.
    values: Vec<(u64, u64)>,
}

impl Ledger {
    /// Adds a minute's cell to its day. Days older than the window are forgotten.
    pub(super) fn add(&mut self, day: u32, cell: &Cell) {
        if day > self.day {
            self.roll(day);
        }
        if day == self.day {
            self.today.add(cell);
        } else if self.day - day <= PAST_DAYS {
            let mut days = self.unpack();
            match days.binary_search_by_key(&day, |entry| entry.0) {
                Ok(at) => days[at].1.add(cell),
                Err(at) => {
                    let mut fresh = Day::default();
                    fresh.add(cell);
                    days.insert(at, (day, fresh));
                }
            }
            self.pack(&days);
        }
    }

    /// Everything counted on the days `from..=through`.
    pub(super) fn sum(&self, from: u32, through: u32) -> Cell {
        let mut sum = Cell::default();
        for (day, counts) in self.unpack().iter().map(|(day, counts)| (*day, counts)).chain([(self.day, &self.today)]) {
            if day < from || day > through {
                continue;
            }
            sum.calls = sum.calls.saturating_add(counts.calls);
            for &(key, calls) in &counts.values {
                sum.values[(key % ATTRIBUTES as u64) as usize].add_unbounded((key / ATTRIBUTES as u64) as Id, calls);
            }
        }
        sum
    }

    fn roll(&mut self, day: u32) {
        let over = std::mem::take(&mut self.today);
        let mut days = self.unpack();
        if over.calls > 0 {
            days.push((self.day, over));
        }
        days.retain(|(old, _)| day - old <= PAST_DAYS);
        self.day = day;
        self.pack(&days);
    }

    fn pack(&mut self, days: &[(u32, Day)]) {
        self.past.clear();
        for (day, counts) in days {
            put(&mut self.past, u64::from(*day));
            put(&mut self.past, counts.calls);
            put(&mut self.past, counts.values.len() as u64);
            for &(key, calls) in &counts.values {
                put(&mut self.past, key);
                put(&mut self.past, calls);
            }
        }
        self.past.shrink_to_fit();
    }

    fn unpack(&self) -> Vec<(u32, Day)> {
        let mut rest = self.past.as_slice();
        let mut days = Vec::new();
        while let Some(day) = take_day(&mut rest) {
            days.push(day);
        }
        days
    }

    /// Calls `visit` with every string id in use.
    pub(super) fn strings(&self, visit: &mut dyn FnMut(Id)) {
        for (key, _) in self.unpack().iter().flat_map(|(_, day)| &day.values).chain(&self.today.values) {
            visit((key / ATTRIBUTES as u64) as Id);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Ledger>() + self.past.capacity() + self.today.values.capacity() * size_of::<(u64, u64)>()
    }

    /// All as (day, calls, values): today last.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut all = self.clone();
        let mut days = self.unpack();
        days.push((self.day, self.today.clone()));
        all.pack(&days);
        all.past
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Ledger> {
        let mut ledger = Ledger { past: bytes, ..Ledger::default() };
        let mut days = ledger.unpack();
        let written: u64 = ledger.past.len() as u64;
        let (day, today) = days.pop()?;
        (ledger.day, ledger.today) = (day, today);
        ledger.pack(&days);
        (ledger.to_bytes().len() as u64 == written).then_some(ledger)
    }
}

impl Day {
    fn add(&mut self, cell: &Cell) {
        self.calls = self.calls.saturating_add(cell.calls);
        for (attribute, values) in cell.values.iter().enumerate() {
            for (id, calls) in values.iter() {
                let key = u64::from(id) * ATTRIBUTES as u64 + attribute as u64;
                match self.values.binary_search_by_key(&key, |entry| entry.0) {
                    Ok(at) => self.values[at].1 = self.values[at].1.saturating_add(calls),
                    Err(at) if self.values.len() < DAY_VALUES => self.values.insert(at, (key, calls)),
                    Err(_) => {}
                }
            }
        }
    }
}

fn take_day(rest: &mut &[u8]) -> Option<(u32, Day)> {
    let day = take(rest)? as u32;
    let calls = take(rest)?;
    let length = take(rest)?;
    let mut values = Vec::new();
    for _ in 0..length {
        values.push((take(rest)?, take(rest)?));
    }
    Some((day, Day { calls, values }))
}

/// LEB128.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(calls: u64, identity: Id) -> Cell {
        let mut cell = Cell { calls, ..Cell::default() };
        cell.values[0].add(identity, calls);
        cell
    }

    #[test]
    fn days_add_up_over_any_window() {
        let mut ledger = Ledger::default();
        for day in 100..120u32 {
            ledger.add(day, &cell(u64::from(day), 7));
            ledger.add(day, &cell(1, 8));
        }
        let week = ledger.sum(112, 119);
        assert_eq!(week.calls, (112..120).sum::<u64>() + 8);
        assert_eq!((week.values[0].get(7), week.values[0].get(8)), ((112..120).sum::<u64>(), 8));
        assert_eq!(ledger.sum(100, 110).calls, 0, "older than nine days is forgotten");
        assert_eq!(ledger.sum(111, 111).calls, 112);
    }

    #[test]
    fn a_late_minute_finds_its_day() {
        let mut ledger = Ledger::default();
        ledger.add(100, &cell(5, 1));
        ledger.add(103, &cell(5, 1));
        ledger.add(101, &cell(2, 2));
        ledger.add(100, &cell(1, 1));
        ledger.add(90, &cell(1000, 1));
        assert_eq!((ledger.sum(95, 103).calls, ledger.sum(100, 100).calls, ledger.sum(101, 101).calls), (13, 6, 2));
    }

    #[test]
    fn bytes_survive_a_round_trip_and_damage_is_seen() {
        let mut ledger = Ledger::default();
        for day in 100..107u32 {
            ledger.add(day, &cell(u64::from(day) << 20, day));
        }
        let bytes = ledger.to_bytes();
        assert_eq!(Ledger::from_bytes(bytes.clone()), Some(ledger));
        for cut in 0..bytes.len() {
            let _ = Ledger::from_bytes(bytes[..cut].to_vec());
        }
    }
}

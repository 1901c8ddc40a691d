//! Question: is a minute unusual already, while its records are still coming in?
//!
//! The same tests on the window so far: closed minutes as they were learned, open ones as they are. Counts only grow,
//! and with them what is found, so an answer given here cannot be taken back by more records. Assumes that the caller
//! knows the last five minutes; of a first burst, open minutes older than those are missing until they close.
//! Cost: about 100 ns where nothing is near.

use alloc::boxed::Box;

use crate::calendar::{HOUR, LAST_MINUTE, Minute, WEEK};
use crate::context::Context;
use crate::dense::Dense;
use crate::episode::Episode;
use crate::finding::Finding;
use crate::judge::WINDOW;
use crate::series::MOST_CALLS;

impl Dense {
    /// Judges a minute that is still open: `recent` holds the calls so far of the five minutes that end with it. Its
    /// counts can only grow, and with them the severity of what is found. None where an incident is open and nothing
    /// stricter is found, and for closed minutes.
    pub(crate) fn probe(&self, minute: Minute, recent: &[u64; WINDOW], context: &Context<'_>) -> Option<Finding> {
        let recent = recent.map(|calls| calls.min(MOST_CALLS));
        let total: u64 = recent.iter().sum();
        let [.., calls] = recent;
        let burst = self.burst_so_far(minute, &recent);
        if minute < self.next || minute > LAST_MINUTE || calls == 0 || (total < 3 && burst.is_none()) {
            return None;
        }
        let window = self.window_so_far(minute, recent);
        let open = window[..WINDOW - 1].iter().copied().fold(0.0, f64::max);
        let case = self.case_of(minute, window, self.maxima.week().max(open), burst, context);
        self.untold(case.find(case.statistics(), context, |level, test| self.is_untold(level, test))?)
    }

    /// What is known of a first burst, with the open minutes of the window.
    fn burst_so_far(&self, minute: Minute, recent: &[u64; WINDOW]) -> Option<(Minute, u64)> {
        let open = (0..).zip(recent.iter().rev()).filter_map(|(ago, calls)| {
            let at = minute.checked_sub(ago)?;
            (at >= self.next && *calls > 0).then_some((at, *calls))
        });
        let begun = match &self.burst {
            Some(burst) => (burst.start, burst.size),
            None => (open.clone().last()?.0, 0),
        };
        let within = |(at, _): &(Minute, u64)| (begun.0..begun.0.saturating_add(HOUR)).contains(at);
        if !within(&(minute, 0)) || (self.burst.is_none() && !self.is_rare(begun.0)) {
            return None;
        }
        let size = open.filter(within).fold(begun.1, |size, (_, calls)| size.saturating_add(calls));
        Some((begun.0, size))
    }

    /// The window with closed minutes as they were learned (explained ones are zero) and open ones as they are.
    fn window_so_far(&self, minute: Minute, recent: [u64; WINDOW]) -> [f64; WINDOW] {
        let mut window = recent.map(|calls| calls as f64);
        for (value, ago) in window.iter_mut().zip((0..WINDOW as u32).rev()) {
            let behind = self.next.saturating_sub(minute.saturating_sub(ago));
            if behind > 0 {
                let closed = (WINDOW as u32 - 1).checked_sub(behind).and_then(|at| self.ring.get(at as usize));
                *value = f64::from(closed.copied().unwrap_or(0));
            }
        }
        window
    }

    /// The caller told of what [`Self::probe`] found: an incident is open from `finding.start` on. Minutes before it
    /// that close later still teach; a later minute may raise it.
    pub(crate) fn open_early(&mut self, finding: &Finding) {
        if let Some(episode) = &mut self.episode {
            episode.extend(finding);
        } else {
            if !self.model.is_awake() {
                // Silence up to here changed nothing; a week is more than any lateness.
                self.next = self.next.max(finding.start.min(LAST_MINUTE).saturating_sub(WEEK));
            }
            self.wake();
            self.episode = Some(Box::new(Episode::early(finding)));
        }
        if let Some(burst) = &mut self.burst {
            burst.told = Some(burst.told.map_or(finding.level, |told| told.min(finding.level)));
        }
    }
}

//! From what is found in a minute to what is said of it: incidents open, rise and end here.

use alloc::boxed::Box;

use crate::calendar::{HOUR, Minute};
use crate::context::Context;
use crate::dense::{Dense, NEVER};
use crate::episode::{Ending, Episode};
use crate::finding::{Direction, EndReason, Finding, Level, Step, Test, Transition};
use crate::judge::{Case, WINDOW};
use crate::model::Forecast;

impl Dense {
    /// `minute` with `calls`, after the four minutes of the ring.
    pub(crate) fn case<'a>(
        &'a self,
        minute: Minute,
        calls: u32,
        week_maximum: f64,
        burst: Option<(Minute, u64)>,
        raised: [bool; 4],
        context: &'a Context<'_>,
    ) -> Case<'a> {
        let [a, b, c, d] = self.ring;
        let case = self.case_of(minute, [a, b, c, d, calls].map(f64::from), week_maximum, burst, context);
        Case { cusums: &self.cusums, raised, ..case }
    }

    pub(crate) fn case_of<'a>(
        &'a self,
        minute: Minute,
        calls: [f64; WINDOW],
        week_maximum: f64,
        burst: Option<(Minute, u64)>,
        context: &'a Context<'_>,
    ) -> Case<'a> {
        let (hour, outlook) = self.outlook(minute);
        let mut case = Case {
            reading: self.reading(outlook.bucket, minute, context),
            model: &self.model,
            outlook: (hour, outlook),
            forecast: self.model.forecast(&outlook, hour, minute),
            minute,
            calls,
            week_maximum,
            explained: false,
            burst,
            cusums: &[],
            raised: [false; 4],
        };
        // At a job's time every count up to the job's tolerance is explained, also one too small to need it: so that
        // more calls are never less severe.
        if self.recurrence.explains(minute, calls[WINDOW - 1]) {
            case.explained = true;
            case.calls[WINDOW - 1] = 0.0;
        }
        case
    }

    pub(crate) fn tell(&mut self, finding: Option<Finding>, step: &mut Step) {
        if step.is_full() {
            return;
        }
        let told = self.decide(finding);
        step.put(told);
    }

    /// Opens, raises, or neither.
    pub(crate) fn decide(&mut self, finding: Option<Finding>) -> Option<Transition> {
        let finding = finding?;
        let (side, start) = (finding.test.direction(), finding.start);
        let again =
            |episode: &&mut Box<Episode>| episode.held != NEVER && episode.direction == side && start >= episode.held;
        if let Some(episode) = self.episode.as_mut().filter(again) {
            episode.resume();
        }
        let finding = self.untold(finding)?;
        if let Some(burst) = &mut self.burst {
            burst.told = Some(finding.level);
        }
        if let Some(episode) = &mut self.episode {
            episode.level = finding.level;
            return Some(Transition::Raised(Finding { start: episode.start, ..finding }));
        }
        self.episode = Some(Box::new(Episode::opened(&finding)));
        Some(Transition::Opened(finding))
    }

    /// The finding, if it is stricter than what was told of this incident and of this first burst.
    pub(crate) fn untold(&self, finding: Finding) -> Option<Finding> {
        self.is_untold(finding.level, finding.test).then_some(finding)
    }

    pub(crate) fn is_untold(&self, level: Level, test: Test) -> bool {
        let told = match (&self.episode, &self.burst) {
            (Some(episode), _) if episode.direction != test.direction() => return false,
            (Some(episode), _) => Some(episode.level),
            (None, Some(burst)) if test == Test::FirstUse => burst.told,
            _ => None,
        };
        told.is_none_or(|told| level < told)
    }

    pub(crate) fn observe_episode(
        &mut self,
        minute: Minute,
        calls: u32,
        forecast: &Forecast,
        context: &Context<'_>,
        step: &mut Step,
    ) -> Option<Transition> {
        let episode = self.episode.as_mut()?;
        let start = episode.start;
        let mu = if episode.direction == Direction::Below { self.model.lower(minute) } else { forecast.upper };
        let Ending { end, reason, ratio } = episode.observe(minute, calls, mu, forecast, context.merge)?;
        self.episode = None;
        self.end_cycles(step);
        if reason == EndReason::Accepted && context.learn {
            self.model.accept(self.since, self.next, ratio);
            self.hourly.missing = HOUR as u8;
            self.hourly.forget_level();
        }
        Some(Transition::Ended { start, end, reason })
    }
}

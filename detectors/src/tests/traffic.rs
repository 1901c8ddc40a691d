//! Deterministic traffic and a runner for it.

use alloc::vec::Vec;

use crate::{Context, FirstUsePool, Judge, Kind, Level, Minute, Series, Step, Tails, Transition, WEEK};

/// A midnight on the first day of a week as the epoch counts them.
pub(super) const BEGIN: Minute = 2800 * WEEK;

/// Splitmix: the same numbers on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform on (0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = (libm::exp(-mean), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    pub(super) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        radius * libm::cos(core::f64::consts::TAU * self.uniform())
    }
}

/// The budgets of section 2.4 an account-week, split over `active` series; a quarter goes to first use, half of it to
/// calls.
pub(super) struct Budget {
    pub(super) alpha: [f64; 3],
    pub(super) pool_alpha: [f64; 3],
    pub(super) pool: FirstUsePool,
}

impl Budget {
    pub(super) fn new(active: f64) -> Self {
        let weekly = [0.2, 1.0, 5.0].map(|budget| budget / f64::from(WEEK));
        Self {
            alpha: weekly.map(|budget| budget / active),
            pool_alpha: weekly.map(|budget| budget * 0.125),
            pool: FirstUsePool::new(BEGIN),
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            kind: Kind::Api,
            alpha: self.alpha,
            pool: &self.pool,
            pool_alpha: self.pool_alpha,
            tails: Tails::SHIPPED,
            judge: Judge::Full,
            learn: true,
            gaps: &[],
            merge: 15,
            exposure: None,
            novelty: None,
        }
    }

    pub(super) fn learning(&self) -> Context<'_> {
        Context { judge: Judge::Nothing, ..self.context() }
    }
}

/// A series and everything it said.
pub(super) struct Run {
    pub(super) series: Series,
    pub(super) said: Vec<(Minute, Transition)>,
    pub(super) bursts: Vec<u64>,
    pub(super) awake: bool,
}

impl Run {
    pub(super) fn new() -> Self {
        Self::since(BEGIN, BEGIN)
    }

    pub(super) fn since(since: Minute, first: Minute) -> Self {
        Self { series: Series::new(since, first), said: Vec::new(), bursts: Vec::new(), awake: false }
    }

    pub(super) fn close(&mut self, minute: Minute, calls: u64, context: &Context<'_>) -> Step {
        let step = self.series.close(minute, calls, context);
        self.said.extend(step.before.iter().chain(&step.transition).map(|said| (minute, *said)));
        self.bursts.extend(step.first_burst);
        self.awake = step.awake;
        step
    }

    /// Closes `minutes` minutes from `from` on with what `calls` says.
    pub(super) fn feed(
        &mut self,
        from: Minute,
        minutes: u32,
        context: &Context<'_>,
        mut calls: impl FnMut(Minute) -> u64,
    ) {
        (from..from + minutes).for_each(|minute| {
            self.close(minute, calls(minute), context);
        });
    }

    /// Starts of incidents that reached `level` or stricter.
    pub(super) fn alarms(&self, level: Level) -> usize {
        let reached = |said: &Transition| match said {
            Transition::Opened(finding) | Transition::Raised(finding) => finding.level <= level,
            Transition::Ended { .. } => false,
        };
        self.said.iter().filter(|(_, said)| reached(said)).count()
    }
}

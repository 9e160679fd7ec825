//! How closely the monitor looks, so that it stays within its budget of CPU
//! time: a pure function of what it used so far.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};

/// Over what time the monitor's own use is taken.
const WINDOW_USEC: u64 = 30_000_000;

/// A shorter time says nothing yet.
const WINDOW_MIN_USEC: u64 = 8_000_000;

/// How long a level must have been cheap enough before a closer look is tried;
/// it doubles with each try that was too dear, up to the last.
const PATIENCE_USEC: u64 = 60_000_000;
const PATIENCE_MAX_USEC: u64 = 3_600_000_000;

/// A closer look is tried at no more than this share of the budget.
const CHEAP_SHARE: f64 = 0.5;

/// How closely the monitor looks at processes; the machine's own counters are
/// read with every sample at every level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Every process, with arguments, open files and proportional memory, and
    /// every process that ended.
    Full,
    /// Without what takes a read of its own for each process.
    Lean,
    /// Processes with every fifth sample only.
    Sparse,
    /// No processes at all.
    Bare,
}

impl Detail {
    const ALL: [Self; 4] = [Self::Full, Self::Lean, Self::Sparse, Self::Bare];

    /// 0 is everything.
    pub(crate) const fn level(self) -> u8 {
        self as u8
    }

    /// What people are told.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "everything is read",
            Self::Lean => "arguments, open files and proportional memory of processes are not read",
            Self::Sparse => "processes are read with every fifth sample only",
            Self::Bare => "processes are not read",
        }
    }

    fn lower(self) -> Option<Self> {
        Self::ALL.into_iter().find(|other| *other > self)
    }

    fn closer(self) -> Option<Self> {
        Self::ALL.into_iter().rfind(|other| *other < self)
    }
}

/// The level that holds now, for whoever reads.
#[derive(Debug, Default)]
pub(crate) struct SharedDetail(AtomicU8);

impl SharedDetail {
    pub(crate) fn get(&self) -> Detail {
        let level = self.0.load(Ordering::Relaxed);
        let known = Detail::ALL.into_iter();
        let mut known = known.filter(|detail| detail.level() == level);
        known.next().unwrap_or(Detail::Full)
    }

    pub(crate) fn set(&self, detail: Detail) {
        self.0.store(detail.level(), Ordering::Relaxed);
    }
}

/// The budget and what was used of it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Share of one core.
    budget_ratio: f64,
    detail: Detail,
    /// Monotonic time and CPU time so far, of the newest samples.
    used: VecDeque<(u64, u64)>,
    since_usec: u64,
    patience_usec: u64,
    /// The last change was a try of a closer look.
    tried: bool,
}

/// A change of the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Changed {
    pub(crate) detail: Detail,
    /// Share of one core that the monitor used before.
    pub(crate) used_ratio: f64,
}

impl Budget {
    pub(crate) fn new(budget_ratio: f64) -> Self {
        Self {
            budget_ratio,
            detail: Detail::Full,
            used: VecDeque::new(),
            since_usec: 0,
            patience_usec: PATIENCE_USEC,
            tried: false,
        }
    }

    /// Takes in how much CPU time was used up to a sample; the change that
    /// follows from it, if any.
    pub(crate) fn step(&mut self, monotonic_usec: u64, cpu_usec: u64) -> Option<Changed> {
        self.used.push_back((monotonic_usec, cpu_usec));
        while self
            .used
            .get(1)
            .is_some_and(|second| monotonic_usec.saturating_sub(second.0) >= WINDOW_USEC)
        {
            self.used.pop_front();
        }
        let (from_usec, cpu_from_usec) = *self.used.front()?;
        let window_usec = monotonic_usec.saturating_sub(from_usec);
        if self.used.len() == 1 && self.since_usec == 0 {
            self.since_usec = monotonic_usec;
        }
        if window_usec < WINDOW_MIN_USEC {
            return None;
        }
        let used_ratio = cpu_usec.saturating_sub(cpu_from_usec) as f64 / window_usec as f64;
        let stayed_usec = monotonic_usec.saturating_sub(self.since_usec);
        let detail = self.choose(used_ratio, stayed_usec)?;
        self.detail = detail;
        self.since_usec = monotonic_usec;
        // What was used before says nothing of the new level.
        self.used.clear();
        Some(Changed { detail, used_ratio })
    }

    fn choose(&mut self, used_ratio: f64, stayed_usec: u64) -> Option<Detail> {
        if used_ratio > self.budget_ratio {
            let lower = self.detail.lower()?;
            if self.tried && stayed_usec < self.patience_usec {
                // A level that did not hold is not tried again so soon.
                self.patience_usec = (self.patience_usec * 2).min(PATIENCE_MAX_USEC);
            } else if self.tried {
                self.patience_usec = PATIENCE_USEC;
            }
            self.tried = false;
            return Some(lower);
        }
        let is_cheap = used_ratio <= self.budget_ratio * CHEAP_SHARE;
        let closer = self.detail.closer()?;
        let is_time = is_cheap && stayed_usec >= self.patience_usec;
        self.tried |= is_time;
        is_time.then_some(closer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds and per cent of a core used by then, at each change.
    fn changes(
        budget: &mut Budget,
        seconds: u64,
        cost: impl Fn(Detail, u64) -> u64,
    ) -> Vec<(u64, Detail)> {
        let (mut cpu_usec, mut found) = (0, Vec::new());
        for second in 1..=seconds {
            cpu_usec += cost(budget.detail, second);
            if let Some(changed) = budget.step(second * 1_000_000, cpu_usec) {
                found.push((second, changed.detail));
            }
        }
        found
    }

    #[test]
    fn a_cheap_monitor_looks_at_everything() {
        let mut budget = Budget::new(0.02);
        assert_eq!(changes(&mut budget, 3600, |_, _| 15_000), []);
    }

    #[test]
    fn a_dear_one_looks_less_closely_within_ten_seconds_each_level() {
        let mut budget = Budget::new(0.02);
        let found = changes(&mut budget, 60, |_, _| 50_000);
        let expected = [(9, Detail::Lean), (18, Detail::Sparse), (27, Detail::Bare)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_short_burst_changes_nothing() {
        let mut budget = Budget::new(0.02);
        // 200 ms in one second of thirty.
        let cost = |_, second| if second == 100 { 200_000 } else { 5_000 };
        assert_eq!(changes(&mut budget, 600, cost), []);
    }

    #[test]
    fn a_closer_look_returns_when_it_is_cheap_again_and_is_tried_ever_less_often() {
        let mut budget = Budget::new(0.02);
        let busy_until_100 = |_, second| if second < 100 { 30_000 } else { 1_000 };
        let found = changes(&mut budget, 1200, busy_until_100);
        assert_eq!(found.last().map(|last| last.1), Some(Detail::Full));

        let mut budget = Budget::new(0.02);
        // Only the full look is too dear: it is given up again after each try.
        let cost = |detail, _| {
            if detail == Detail::Full {
                40_000
            } else {
                1_000
            }
        };
        let tries =
            |found: &[(u64, Detail)]| found.iter().filter(|one| one.1 == Detail::Full).count();
        let found = changes(&mut budget, 24 * 3600, cost);
        assert!((3..=30).contains(&tries(&found)), "{found:?}");
    }
}

//! What a query may use at most.

use std::time::{Duration, Instant};

use super::error::{LimitHit, QueryError};

/// What a query may use at most, and what it assumes where it says nothing.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How far an instant vector looks back for a sample.
    pub lookback_msec: i64,
    /// The step of a subquery that names none.
    pub subquery_step_msec: i64,
    /// Samples that are read in all, and values that are held at once.
    pub samples_max: usize,
    /// Series that a selector may choose or a step may make.
    pub series_max: usize,
    /// Steps of a range query, from its first moment to its last.
    pub points_max: usize,
    /// Bytes of an answer as JSON, about.
    pub answer_bytes_max: usize,
    /// Bytes of a query's text.
    pub text_max: usize,
    /// How deep a query may be nested; a chain of operators counts as nested.
    pub depth_max: usize,
    /// How long it may take.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lookback_msec: 5 * 60 * 1000,
            subquery_step_msec: 60 * 1000,
            samples_max: 20_000_000,
            series_max: 50_000,
            points_max: 11_000,
            answer_bytes_max: 64 << 20,
            text_max: 64 * 1024,
            depth_max: 128,
            timeout: Duration::from_secs(60),
        }
    }
}

/// What a point of an answer is written with, in bytes: a time of ten digits and
/// a value of one at least.
const POINT_BYTES: usize = 16;

impl Limits {
    /// Whether an answer of so many points may be made.
    pub(super) fn check_points(&self, points: usize) -> Result<(), QueryError> {
        self.check_answer(points.saturating_mul(POINT_BYTES))
    }

    /// Whether an answer may be so long.
    pub(super) fn check_answer(&self, bytes: usize) -> Result<(), QueryError> {
        if bytes > self.answer_bytes_max {
            let limit = self.answer_bytes_max;
            return Err(LimitHit::Answer { limit }.into());
        }
        Ok(())
    }
}

/// When a query must be done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    started: Instant,
    timeout: Duration,
}

impl Deadline {
    /// The time that `limits` give, from now on.
    pub(super) fn from_now(limits: &Limits) -> Self {
        Self {
            started: Instant::now(),
            timeout: limits.timeout,
        }
    }

    /// When to give up; `None` where that is beyond the clock's end.
    pub(super) fn at(&self) -> Option<Instant> {
        self.started.checked_add(self.timeout)
    }

    /// Whether there is time left.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        if self.started.elapsed() < self.timeout {
            return Ok(());
        }
        Err(QueryError::TimedOut {
            limit_msec: self.timeout.as_millis(),
        })
    }
}

/// What one evaluation has used of its limits.
pub(super) struct Budget {
    samples_max: usize,
    series_max: usize,
    loaded: usize,
    held: usize,
    deadline: Deadline,
    since_look: usize,
}

/// How much work is done between two looks at the clock.
const WORK_PER_LOOK: usize = 8192;

impl Budget {
    pub(super) fn new(limits: &Limits, deadline: Deadline) -> Self {
        Self {
            samples_max: limits.samples_max,
            series_max: limits.series_max,
            loaded: 0,
            held: 0,
            deadline,
            since_look: 0,
        }
    }

    /// When to give up; `None` where that is beyond the clock's end.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.at()
    }

    /// `work` units were done, a unit being about one sample.
    pub(super) fn work(&mut self, work: usize) -> Result<(), QueryError> {
        self.since_look = self.since_look.saturating_add(work).saturating_add(1);
        if self.since_look < WORK_PER_LOOK {
            return Ok(());
        }
        self.since_look = 0;
        self.deadline.check()
    }

    /// `count` samples were read.
    pub(super) fn load(&mut self, count: usize) -> Result<(), QueryError> {
        self.loaded = self.loaded.saturating_add(count);
        self.check(self.loaded)?;
        self.work(count)
    }

    /// `count` values are about to be held.
    pub(super) fn hold(&mut self, count: usize) -> Result<(), QueryError> {
        self.held = self.held.saturating_add(count);
        self.check(self.held)?;
        self.work(count / 8)
    }

    /// So many values beside what is held: nothing more than looked at.
    pub(super) fn hold_at_least(&mut self, count: usize) -> Result<(), QueryError> {
        self.check(self.held.saturating_add(count))
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Only so many are still held.
    pub(super) fn release_to(&mut self, held: usize) {
        self.held = held;
    }

    /// Whether `count` series are still allowed.
    pub(super) fn series(&self, count: usize) -> Result<(), QueryError> {
        if count > self.series_max {
            let limit = self.series_max;
            return Err(LimitHit::Series { limit }.into());
        }
        Ok(())
    }

    fn check(&self, count: usize) -> Result<(), QueryError> {
        if count > self.samples_max {
            let limit = self.samples_max;
            return Err(LimitHit::Samples { limit }.into());
        }
        Ok(())
    }
}

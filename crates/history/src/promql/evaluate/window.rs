//! The samples of one series within a range that moves on.

use std::collections::VecDeque;

use lfs_wrapper_model::TimeMsec;

use super::super::error::QueryError;
use super::super::limits::Budget;
use super::feed::Feed;
use crate::source::is_stale;

/// How many samples may lie unused before the window before they are moved away.
const UNUSED_MAX: usize = 4096;

/// The samples of one series after one moment and up to another, without
/// staleness markers.
#[derive(Default)]
pub(super) struct Window {
    times: Vec<TimeMsec>,
    values: Vec<f64>,
    start: usize,
    /// How many samples were moved away since the beginning.
    moved: usize,
    /// Where, counted from the beginning, a value is less than the one before,
    /// and the one before.
    resets: VecDeque<(usize, f64)>,
}

impl Window {
    pub(super) fn times(&self) -> &[TimeMsec] {
        &self.times[self.start..]
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values[self.start..]
    }

    /// The values before each fall within the window.
    pub(super) fn resets(&self) -> impl Iterator<Item = f64> {
        let first = self.moved + self.start;
        let inside = self.resets.iter().filter(move |(at, _)| *at > first);
        inside.map(|(_, before)| *before)
    }

    /// Moves on to the samples after `from_msec` and up to `to_msec`; neither is
    /// earlier than before.
    pub(super) fn slide(
        &mut self,
        feed: &mut Feed,
        from_msec: TimeMsec,
        to_msec: TimeMsec,
        budget: &mut Budget,
    ) -> Result<(), QueryError> {
        let passed = self.times().partition_point(|time| *time <= from_msec);
        self.start += passed;
        if self.start == self.times.len() {
            // Nothing of what comes before the window is copied.
            feed.skip_to(from_msec, budget)?;
        }
        let before = self.times.len();
        while let Some((times, values)) = feed.until(to_msec, budget)? {
            self.push(times, values);
        }
        budget.work(self.times.len() - before)?;
        self.move_away();
        let first = self.moved + self.start;
        while self.resets.front().is_some_and(|(at, _)| *at <= first) {
            self.resets.pop_front();
        }
        Ok(())
    }

    fn push(&mut self, times: &[TimeMsec], values: &[f64]) {
        for (time, value) in times.iter().zip(values) {
            if is_stale(*value) {
                continue;
            }
            if let Some(before) = self.values.last()
                && value < before
            {
                self.resets
                    .push_back((self.moved + self.values.len(), *before));
            }
            self.times.push(*time);
            self.values.push(*value);
        }
    }

    fn move_away(&mut self) {
        if self.start > UNUSED_MAX && self.start * 2 > self.times.len() {
            self.times.drain(..self.start);
            self.values.drain(..self.start);
            self.moved += self.start;
            self.start = 0;
        }
    }
}

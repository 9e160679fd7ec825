//! A series' samples in order of time, a stretch at a time.

use lfs_wrapper_model::TimeMsec;

use super::super::error::QueryError;
use super::super::limits::Budget;
use crate::source::{Cursor, Stretch};

/// Times and as many values.
pub(super) type Piece<'feed> = (&'feed [TimeMsec], &'feed [f64]);

/// A series' samples in order of time.
pub(super) struct Feed {
    cursor: Option<Box<dyn Cursor>>,
    stretch: Stretch,
    next: usize,
}

impl Feed {
    pub(super) fn new(cursor: Box<dyn Cursor>) -> Self {
        Self {
            cursor: Some(cursor),
            stretch: Stretch::default(),
            next: 0,
        }
    }

    /// Samples that are all there already.
    pub(super) fn of(stretch: Stretch) -> Self {
        Self {
            cursor: None,
            stretch,
            next: 0,
        }
    }

    /// Makes each sample that is there a 1.
    pub(super) fn count_each_as_one(&mut self) {
        self.stretch.values.fill(1.0);
    }

    /// Steps over the samples up to `time_msec`; what was decoded is not looked at.
    pub(super) fn skip_to(
        &mut self,
        time_msec: TimeMsec,
        budget: &mut Budget,
    ) -> Result<(), QueryError> {
        while self.until(time_msec, budget)?.is_some() {}
        Ok(())
    }

    /// The next samples that are not later than `time_msec`: some of them, more
    /// follow. `None` when there are no more.
    pub(super) fn until(
        &mut self,
        time_msec: TimeMsec,
        budget: &mut Budget,
    ) -> Result<Option<Piece<'_>>, QueryError> {
        if self.next >= self.stretch.times.len() && !self.refill(budget)? {
            return Ok(None);
        }
        let times = &self.stretch.times[self.next..];
        let count = leading(times, time_msec);
        if count == 0 {
            return Ok(None);
        }
        let from = self.next;
        self.next += count;
        let times = &self.stretch.times[from..self.next];
        Ok(Some((times, &self.stretch.values[from..self.next])))
    }

    fn refill(&mut self, budget: &mut Budget) -> Result<bool, QueryError> {
        let Some(cursor) = &mut self.cursor else {
            return Ok(false);
        };
        self.next = 0;
        loop {
            if !cursor.next(&mut self.stretch)? {
                self.cursor = None;
                self.stretch.clear();
                return Ok(false);
            }
            let count = self.stretch.times.len().min(self.stretch.values.len());
            self.stretch.times.truncate(count);
            self.stretch.values.truncate(count);
            budget.load(count)?;
            if count > 0 {
                return Ok(true);
            }
        }
    }
}

/// How many of the rising `times` are not later than `time_msec`: looked for
/// near the beginning first.
fn leading(times: &[TimeMsec], time_msec: TimeMsec) -> usize {
    let mut reach = 8;
    while reach < times.len() && times[reach] <= time_msec {
        reach *= 4;
    }
    let near = &times[..reach.min(times.len())];
    let near = near.partition_point(|time| *time <= time_msec);
    if near < reach || near == times.len() {
        near
    } else {
        reach + times[reach..].partition_point(|time| *time <= time_msec)
    }
}

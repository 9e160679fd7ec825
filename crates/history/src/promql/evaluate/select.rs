//! Selectors: series read from the source.

use super::super::error::QueryError;
use super::super::node::{Node, Selector};
use super::super::number::from_msec;
use super::feed::Feed;
use super::rows::{Row, Table};
use super::window::Window;
use super::{Evaluator, Steps};
use crate::labels::Labels;
use crate::source::{Channel, Selected, Selection, Stretch, is_stale};

impl Evaluator<'_> {
    /// The series of a selector with what `moments`, looked at over `reach_msec`, need.
    pub(super) fn select(
        &mut self,
        selector: &Selector,
        moments: &Steps,
        reach_msec: i64,
        range_msec: i64,
        channel: Channel,
    ) -> Result<Vec<Selected>, QueryError> {
        if moments.count == 0 {
            return Ok(Vec::new());
        }
        let last_msec = moments.time(moments.count - 1);
        let is_one = moments.count == 1 || moments.step_msec == 0;
        let from_msec = moments.first_msec.saturating_sub(reach_msec);
        let selection = Selection {
            matchers: &selector.matchers,
            from_msec: from_msec.saturating_add(1),
            to_msec: last_msec,
            first_msec: moments.first_msec,
            step_msec: if is_one { 0 } else { moments.step_msec },
            range_msec,
            channel,
            deadline: self.budget.deadline(),
        };
        let selected = self.source.select(&selection)?;
        self.budget.series(selected.len())?;
        self.budget.work(selected.len())?;
        Ok(selected)
    }

    /// An instant vector: the newest sample of each series, or when it was.
    pub(super) fn vector(
        &mut self,
        selector: &Selector,
        steps: &Steps,
        as_time: bool,
    ) -> Result<Vec<Row>, QueryError> {
        let mut moments = self.shifted(selector.shift, steps);
        let is_fixed = selector.shift.at.is_some();
        if is_fixed {
            moments.count = moments.count.min(1);
        }
        let lookback_msec = self.limits.lookback_msec;
        let selected = self.select(selector, &moments, lookback_msec, 0, Channel::Last)?;
        let mut rows = Vec::new();
        for series in selected {
            let row = self.newest(series, &moments, as_time)?;
            if !row.values.is_empty() {
                rows.push(row);
            }
        }
        if is_fixed && steps.count > 1 {
            self.budget.hold(rows.len().saturating_mul(steps.count))?;
            if let Table::Rows(repeated) = Table::Rows(rows).repeat(steps.count) {
                return Ok(repeated);
            }
            return Ok(Vec::new());
        }
        Ok(rows)
    }

    fn newest(
        &mut self,
        series: Selected,
        moments: &Steps,
        as_time: bool,
    ) -> Result<Row, QueryError> {
        let mut feed = Feed::new(series.samples);
        let mut row = Row::new(series.labels);
        let mut newest = None;
        for step in 0..moments.count {
            let moment = moments.time(step);
            while let Some((times, values)) = feed.until(moment, &mut self.budget)? {
                newest = times.last().copied().zip(values.last().copied());
            }
            let Some((time, value)) = newest else {
                continue;
            };
            if time <= moment.saturating_sub(self.limits.lookback_msec) || is_stale(value) {
                continue;
            }
            let value = if as_time {
                from_msec(time) / 1000.0
            } else {
                value
            };
            row.push(step, value);
        }
        self.budget.hold(row.values.len())?;
        self.budget.work(moments.count)?;
        Ok(row)
    }

    /// The samples of a range vector at one moment.
    pub(super) fn raw(
        &mut self,
        node: &Node,
        steps: &Steps,
    ) -> Result<Vec<(Labels, Stretch)>, QueryError> {
        let (feeds, moments, range_msec) = match node {
            Node::Range(selector, range_msec) => {
                let moments = self.shifted(selector.shift, steps);
                let selected =
                    self.select(selector, &moments, *range_msec, *range_msec, Channel::Last)?;
                let feeds = selected
                    .into_iter()
                    .map(|series| (series.labels, Feed::new(series.samples)))
                    .collect();
                (feeds, moments, *range_msec)
            }
            Node::Subquery(subquery) => {
                let moments = self.shifted(subquery.shift, steps);
                (
                    self.subquery(subquery, &moments)?,
                    moments,
                    subquery.range_msec,
                )
            }
            _ => return Ok(Vec::new()),
        };
        let mut series: Vec<(Labels, Stretch)> = Vec::new();
        for (labels, mut feed) in feeds {
            let mut window = Window::default();
            let to_msec = moments.first_msec;
            let from_msec = to_msec.saturating_sub(range_msec);
            window.slide(&mut feed, from_msec, to_msec, &mut self.budget)?;
            if !window.times().is_empty() {
                self.budget.hold(window.times().len().saturating_mul(2))?;
                let times = window.times().to_vec();
                let values = window.values().to_vec();
                series.push((labels, Stretch { times, values }));
            }
        }
        Ok(series)
    }
}

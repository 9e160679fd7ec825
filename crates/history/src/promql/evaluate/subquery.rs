//! Subqueries: a vector evaluated at steps of its own, as if it had been sampled.

use super::super::error::{LimitHit, QueryError};
use super::super::node::Subquery;
use super::feed::Feed;
use super::rows::Row;
use super::{Evaluator, Steps, to_series};
use crate::labels::Labels;

impl Evaluator<'_> {
    /// The series of a subquery over all that `moments` need.
    pub(super) fn subquery(
        &mut self,
        subquery: &Subquery,
        moments: &Steps,
    ) -> Result<Vec<(Labels, Feed)>, QueryError> {
        if moments.count == 0 {
            return Ok(Vec::new());
        }
        let step_msec = subquery
            .step_msec
            .unwrap_or(self.limits.subquery_step_msec)
            .max(1);
        let after_msec = moments.first_msec.saturating_sub(subquery.range_msec);
        // The first multiple of the step that is later.
        let first_msec = after_msec
            .div_euclid(step_msec)
            .saturating_add(1)
            .saturating_mul(step_msec);
        let last_msec = moments.time(moments.count - 1);
        let steps = Steps::between(first_msec, last_msec, step_msec);
        if steps.count > self.limits.samples_max {
            let limit = self.limits.samples_max;
            return Err(LimitHit::Samples { limit }.into());
        }
        if steps.count == 0 {
            return Ok(Vec::new());
        }
        let rows = self.rows(&subquery.node, &steps)?;
        let size: usize = rows.iter().map(|row| row.values.len()).sum();
        self.budget.hold(size)?;
        let to_feed = |row: Row| {
            let (labels, stretch) = to_series(row, &steps);
            (labels, Feed::of(stretch))
        };
        Ok(rows.into_iter().map(to_feed).collect())
    }
}

//! A tree evaluated over a source: each node for all moments at once, one
//! series after another.

mod aggregate;
mod binary;
mod call;
mod feed;
mod histogram;
mod labelled;
mod matching;
mod over;
mod rate;
mod reduce;
mod rows;
mod select;
mod subquery;
mod template;
mod top;
mod window;

use std::collections::BTreeSet;

use lfs_wrapper_model::TimeMsec;

use super::error::{LimitHit, QueryError};
use super::limits::{Budget, Deadline, Limits};
use super::node::{At, Kind, Node, Shift};
use super::value::{Answer, Value, VectorSample};
use crate::labels::Labels;
use crate::pattern::Patterns;
use crate::source::{Source, Stretch, is_stale};
use rows::{Row, Table};

/// The moments of an evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    first_msec: TimeMsec,
    step_msec: i64,
    count: usize,
}

impl Steps {
    fn one(time_msec: TimeMsec) -> Self {
        Self {
            first_msec: time_msec,
            step_msec: 0,
            count: 1,
        }
    }

    /// From `first_msec` to `last_msec` at most; none where that is before.
    fn between(first_msec: TimeMsec, last_msec: TimeMsec, step_msec: i64) -> Self {
        let length = last_msec.saturating_sub(first_msec);
        let count = if length < 0 || step_msec <= 0 {
            0
        } else {
            usize::try_from(length / step_msec)
                .unwrap_or(usize::MAX)
                .saturating_add(1)
        };
        Self {
            first_msec,
            step_msec,
            count,
        }
    }

    fn time(&self, step: usize) -> TimeMsec {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.first_msec
            .saturating_add(self.step_msec.saturating_mul(step))
    }
}

/// One evaluation.
struct Evaluator<'query> {
    source: &'query dyn Source,
    limits: &'query Limits,
    budget: Budget,
    patterns: Patterns,
    start_msec: TimeMsec,
    end_msec: TimeMsec,
    warnings: BTreeSet<String>,
    infos: BTreeSet<String>,
}

impl<'query> Evaluator<'query> {
    fn new(
        source: &'query dyn Source,
        (limits, deadline): (&'query Limits, Deadline),
        start: TimeMsec,
        end: TimeMsec,
    ) -> Self {
        Self {
            source,
            limits,
            budget: Budget::new(limits, deadline),
            patterns: Patterns::default(),
            start_msec: start,
            end_msec: end,
            warnings: BTreeSet::new(),
            infos: BTreeSet::new(),
        }
    }

    /// What `node` gives at the moments `steps`.
    fn evaluate(&mut self, node: &Node, steps: &Steps) -> Result<Table, QueryError> {
        let held = self.budget.held();
        let table = self.evaluate_node(node, steps)?;
        self.budget.release_to(held);
        self.budget.hold(table.size())?;
        Ok(table)
    }

    fn evaluate_node(&mut self, node: &Node, steps: &Steps) -> Result<Table, QueryError> {
        match node {
            Node::Number(number) => {
                self.budget.hold(steps.count)?;
                Ok(Table::Scalar(vec![*number; steps.count]))
            }
            Node::Text(text) => Ok(Table::Text(text.clone())),
            Node::Vector(selector) => self.vector(selector, steps, false).map(Table::Rows),
            Node::Call(call) => self.call(call, steps),
            Node::Aggregation(aggregation) => self.aggregation(aggregation, steps).map(Table::Rows),
            Node::Binary(binary) => self.binary(binary, steps),
            Node::Negation(inner) => self.negation(inner, steps),
            Node::Fixed(inner) => self.fixed(inner, steps),
            // The parser allows them only where they are looked at otherwise.
            Node::Range(..) | Node::Subquery(_) => Err(QueryError::Execution(
                "a range vector cannot stand here".to_owned(),
            )),
        }
    }

    /// Evaluated once, the same at each moment.
    fn fixed(&mut self, inner: &Node, steps: &Steps) -> Result<Table, QueryError> {
        if steps.count <= 1 {
            return self.evaluate(inner, steps);
        }
        let table = self.evaluate(inner, &Steps::one(steps.first_msec))?;
        self.budget.hold(table.repeated_size(steps.count))?;
        Ok(table.repeat(steps.count))
    }

    fn negation(&mut self, inner: &Node, steps: &Steps) -> Result<Table, QueryError> {
        match self.evaluate(inner, steps)? {
            Table::Scalar(values) => Ok(Table::Scalar(values.iter().map(|value| -value).collect())),
            Table::Rows(mut rows) => {
                for row in &mut rows {
                    row.map(|value| -value);
                    row.drop_name();
                }
                rows::require_distinct(&rows)?;
                Ok(Table::Rows(rows))
            }
            text @ Table::Text(_) => Ok(text),
        }
    }

    fn rows(&mut self, node: &Node, steps: &Steps) -> Result<Vec<Row>, QueryError> {
        match self.evaluate(node, steps)? {
            Table::Rows(rows) => Ok(rows),
            _ => Err(QueryError::Execution(
                "expected an instant vector".to_owned(),
            )),
        }
    }

    fn scalar(&mut self, node: &Node, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        match self.evaluate(node, steps)? {
            Table::Scalar(values) => Ok(values),
            _ => Err(QueryError::Execution("expected a scalar".to_owned())),
        }
    }

    fn text(&mut self, node: &Node, steps: &Steps) -> Result<String, QueryError> {
        match self.evaluate(node, steps)? {
            Table::Text(text) => Ok(text),
            _ => Err(QueryError::Execution("expected a string".to_owned())),
        }
    }

    /// The moments that a selector looks at when `steps` are evaluated.
    fn shifted(&self, shift: Shift, steps: &Steps) -> Steps {
        let fixed = match shift.at {
            None => None,
            Some(At::Start) => Some(self.start_msec),
            Some(At::End) => Some(self.end_msec),
            Some(At::Time(time_msec)) => Some(time_msec),
        };
        let (first, step_msec) = match fixed {
            None => (steps.first_msec, steps.step_msec),
            Some(time_msec) => (time_msec, 0),
        };
        Steps {
            first_msec: first.saturating_sub(shift.offset_msec),
            step_msec,
            count: steps.count,
        }
    }

    fn answer(self, value: Value) -> Answer {
        Answer {
            value,
            warnings: self.warnings.into_iter().collect(),
            infos: self.infos.into_iter().collect(),
        }
    }
}

/// The answer at one moment.
pub(super) fn instant(
    node: &Node,
    source: &dyn Source,
    time_msec: TimeMsec,
    within: (&Limits, Deadline),
) -> Result<Answer, QueryError> {
    let mut evaluator = Evaluator::new(source, within, time_msec, time_msec);
    let steps = Steps::one(time_msec);
    if node.kind() == Kind::Matrix {
        let mut series = evaluator.raw(node, &steps)?;
        let points = series.iter().map(|(_, stretch)| stretch.times.len());
        within.0.check_points(points.sum())?;
        series.sort_by(|one, other| one.0.cmp(&other.0));
        return Ok(evaluator.answer(Value::Matrix(series)));
    }
    let value = match evaluator.evaluate(node, &steps)? {
        Table::Scalar(values) => Value::Scalar {
            time_msec,
            value: values.first().copied().unwrap_or(f64::NAN),
        },
        Table::Text(value) => Value::Text { time_msec, value },
        Table::Rows(rows) => Value::Vector {
            time_msec,
            samples: rows.into_iter().filter_map(to_sample).collect(),
        },
    };
    Ok(evaluator.answer(value))
}

fn to_sample(row: Row) -> Option<VectorSample> {
    let value = row.at(0)?;
    let labels = row.labels;
    Some(VectorSample { labels, value })
}

/// The answer from a first moment to a last, each `step_msec`.
pub(super) fn range(
    node: &Node,
    source: &dyn Source,
    (start_msec, end_msec, step_msec): (TimeMsec, TimeMsec, i64),
    within: (&Limits, Deadline),
) -> Result<Answer, QueryError> {
    let limits = within.0;
    let steps = Steps::between(start_msec, end_msec, step_msec);
    // As Prometheus counts: the steps between the moments.
    if steps.count.saturating_sub(1) > limits.points_max {
        let limit = limits.points_max;
        return Err(LimitHit::Points { limit }.into());
    }
    let mut evaluator = Evaluator::new(source, within, start_msec, end_msec);
    let table = evaluator.evaluate(node, &steps)?;
    limits.check_points(table.points())?;
    let mut series: Vec<(Labels, Stretch)> = match table {
        Table::Scalar(values) => vec![(
            Labels::default(),
            Stretch {
                times: (0..steps.count).map(|step| steps.time(step)).collect(),
                values,
            },
        )],
        Table::Rows(rows) => rows
            .into_iter()
            .map(|row| to_series(row, &steps))
            .filter(|(_, stretch)| !stretch.times.is_empty())
            .collect(),
        Table::Text(_) => Vec::new(),
    };
    series.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(evaluator.answer(Value::Matrix(series)))
}

/// A row as what is there of it.
fn to_series(row: Row, steps: &Steps) -> (Labels, Stretch) {
    let mut times: Vec<TimeMsec> = Vec::with_capacity(row.values.len());
    let mut values = row.values;
    for (at, value) in values.iter().enumerate() {
        if !is_stale(*value) {
            times.push(steps.time(row.first + at));
        }
    }
    values.retain(|value| !is_stale(*value));
    (row.labels, Stretch { times, values })
}

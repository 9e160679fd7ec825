//! Aggregations: many series become one for each group.

use std::collections::HashMap;

use super::super::error::QueryError;
use super::super::node::{Aggregation, Aggregator, Grouping};
use super::super::number::{Mean, Sum, quantile};
use super::rows::Row;
use super::{Evaluator, Steps};
use crate::labels::{Labels, METRIC_NAME};

/// The series of a group.
pub(super) struct Group {
    pub(super) labels: Labels,
    pub(super) rows: Vec<Row>,
}

impl Group {
    /// The steps at which any of its series may have a value.
    pub(super) fn steps(&self) -> std::ops::Range<usize> {
        let first = self.rows.iter().map(|row| row.first).min().unwrap_or(0);
        let end = self.rows.iter().map(Row::end).max().unwrap_or(0);
        first..end.max(first)
    }
}

impl Evaluator<'_> {
    pub(super) fn aggregation(
        &mut self,
        aggregation: &Aggregation,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let aggregator = aggregation.aggregator;
        let grouping = &aggregation.grouping;
        match (aggregator, aggregation.parameter.as_deref()) {
            (Aggregator::CountValues, Some(parameter)) => {
                let label = self.text(parameter, steps)?;
                let rows = self.rows(&aggregation.node, steps)?;
                self.count_values(&label, grouping, rows)
            }
            (Aggregator::TopK | Aggregator::BottomK, Some(parameter)) => {
                let counts = self.scalar(parameter, steps)?;
                let rows = self.rows(&aggregation.node, steps)?;
                self.top(
                    aggregator == Aggregator::TopK,
                    &counts,
                    group(grouping, rows),
                    steps,
                )
            }
            (Aggregator::Quantile, Some(parameter)) => {
                let portions = self.scalar(parameter, steps)?;
                let rows = self.rows(&aggregation.node, steps)?;
                self.warn_of_quantiles(&portions);
                let groups = group(grouping, rows);
                groups
                    .into_iter()
                    .map(|group| self.quantiles(&portions, &group))
                    .collect()
            }
            _ => {
                let rows = self.rows(&aggregation.node, steps)?;
                let groups = group(grouping, rows);
                groups
                    .into_iter()
                    .map(|group| self.gather(aggregator, group))
                    .collect()
            }
        }
    }

    fn gather(&mut self, aggregator: Aggregator, group: Group) -> Result<Row, QueryError> {
        match aggregator {
            Aggregator::Average => self.gather_as::<Mean>(group),
            Aggregator::Max => self.gather_as::<Greatest>(group),
            Aggregator::Min => self.gather_as::<Least>(group),
            Aggregator::StandardDeviation => self.gather_as::<Deviation>(group),
            Aggregator::StandardVariance => self.gather_as::<Variance>(group),
            Aggregator::Sum => self.gather_as::<Sum>(group),
            Aggregator::Count => self.gather_as::<Count>(group),
            Aggregator::Group
            | Aggregator::BottomK
            | Aggregator::CountValues
            | Aggregator::Quantile
            | Aggregator::TopK => self.gather_as::<One>(group),
        }
    }

    fn gather_as<G: Gather>(&mut self, group: Group) -> Result<Row, QueryError> {
        let steps = group.steps();
        self.budget.hold(steps.len().saturating_mul(5))?;
        let mut cells: Vec<Option<G>> = vec![None; steps.len()];
        for row in &group.rows {
            for (step, value) in row.present() {
                let cell = &mut cells[step - steps.start];
                match cell {
                    Some(gathered) => gathered.add(value),
                    None => *cell = Some(G::first(value)),
                }
            }
            self.budget.work(row.values.len())?;
        }
        let mut made = Row::new(group.labels);
        for (at, cell) in cells.into_iter().enumerate() {
            if let Some(gathered) = cell {
                made.push(steps.start + at, gathered.value());
            }
        }
        Ok(made)
    }

    fn quantiles(&mut self, portions: &[f64], group: &Group) -> Result<Row, QueryError> {
        let mut made = Row::new(group.labels.clone());
        let mut values = Vec::with_capacity(group.rows.len());
        for step in group.steps() {
            values.clear();
            values.extend(group.rows.iter().filter_map(|row| row.at(step)));
            self.budget.work(values.len())?;
            if !values.is_empty() {
                let portion = portions.get(step).copied().unwrap_or(f64::NAN);
                made.push(step, quantile(portion, &mut values));
            }
        }
        self.budget.hold(made.values.len())?;
        Ok(made)
    }
}

/// The groups, in the order of their first series.
pub(super) fn group(grouping: &Grouping, rows: Vec<Row>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for row in rows {
        let labels = group_labels(grouping, &row.labels);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push(Group {
                labels,
                rows: Vec::new(),
            });
            groups.len() - 1
        });
        groups[place].rows.push(row);
    }
    groups
}

/// The labels of the group of a series.
pub(super) fn group_labels(grouping: &Grouping, labels: &Labels) -> Labels {
    let is_named = |name: &str| grouping.names.iter().any(|named| named == name);
    if grouping.only {
        labels.filter(is_named)
    } else {
        labels.filter(|name| !is_named(name) && name != METRIC_NAME)
    }
}

/// What is made of values, one after another.
trait Gather: Clone {
    fn first(value: f64) -> Self;
    fn add(&mut self, value: f64);
    fn value(self) -> f64;
}

impl Gather for Sum {
    fn first(value: f64) -> Self {
        Self::of(value)
    }
    fn add(&mut self, value: f64) {
        *self = self.plus(value);
    }
    fn value(self) -> f64 {
        self.total()
    }
}

impl Gather for Mean {
    fn first(value: f64) -> Self {
        let mut mean = Self::default();
        mean.add(value);
        mean
    }
    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }
    fn value(self) -> f64 {
        self.mean()
    }
}

#[derive(Clone)]
struct Greatest(f64);

impl Gather for Greatest {
    fn first(value: f64) -> Self {
        Self(value)
    }
    fn add(&mut self, value: f64) {
        if self.0 < value || self.0.is_nan() {
            self.0 = value;
        }
    }
    fn value(self) -> f64 {
        self.0
    }
}

#[derive(Clone)]
struct Least(f64);

impl Gather for Least {
    fn first(value: f64) -> Self {
        Self(value)
    }
    fn add(&mut self, value: f64) {
        if self.0 > value || self.0.is_nan() {
            self.0 = value;
        }
    }
    fn value(self) -> f64 {
        self.0
    }
}

#[derive(Clone)]
struct Count(f64);

impl Gather for Count {
    fn first(_: f64) -> Self {
        Self(1.0)
    }
    fn add(&mut self, _: f64) {
        self.0 += 1.0;
    }
    fn value(self) -> f64 {
        self.0
    }
}

#[derive(Clone)]
struct One;

impl Gather for One {
    fn first(_: f64) -> Self {
        Self
    }
    fn add(&mut self, _: f64) {}
    fn value(self) -> f64 {
        1.0
    }
}

/// Welford's way.
#[derive(Clone)]
struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Gather for Variance {
    fn first(value: f64) -> Self {
        Self {
            count: 1.0,
            mean: value,
            squares: if value.is_finite() { 0.0 } else { f64::NAN },
        }
    }
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }
    fn value(self) -> f64 {
        self.squares / self.count
    }
}

#[derive(Clone)]
struct Deviation(Variance);

impl Gather for Deviation {
    fn first(value: f64) -> Self {
        Self(Variance::first(value))
    }
    fn add(&mut self, value: f64) {
        self.0.add(value);
    }
    fn value(self) -> f64 {
        self.0.value().sqrt()
    }
}

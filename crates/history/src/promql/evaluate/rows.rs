//! Values of series at the moments of an evaluation.

use std::collections::HashMap;
use std::collections::HashSet;

use super::super::error::QueryError;
use crate::labels::{Labels, METRIC_NAME};
use crate::source::{STALE, is_stale};

/// What a node gives.
pub(super) enum Table {
    /// A number for each moment.
    Scalar(Vec<f64>),
    /// Series.
    Rows(Vec<Row>),
    /// A text.
    Text(String),
}

impl Table {
    /// What is held, in values of eight bytes.
    pub(super) fn size(&self) -> usize {
        self.repeated_size(1)
    }

    /// What is held when each value is there `count` times.
    pub(super) fn repeated_size(&self, count: usize) -> usize {
        let of_row = |row: &Row| {
            let values = row.values.len().saturating_mul(count);
            values.saturating_add(label_size(row.labels.bytes()))
        };
        match self {
            Self::Scalar(values) => values.len().saturating_mul(count),
            Self::Rows(rows) => rows.iter().map(of_row).fold(0, usize::saturating_add),
            Self::Text(_) => 0,
        }
    }

    /// How many values are there.
    pub(super) fn points(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Rows(rows) => rows.iter().map(|row| row.present().count()).sum(),
            Self::Text(_) => 1,
        }
    }

    /// What it has for one moment, for `count` moments.
    pub(super) fn repeat(self, count: usize) -> Self {
        match self {
            Self::Scalar(values) => Self::Scalar(repeat_first(&values, count)),
            Self::Rows(rows) => {
                let repeat = |row: Row| Row {
                    values: repeat_first(&row.values, count),
                    ..row
                };
                Self::Rows(rows.into_iter().map(repeat).collect())
            }
            text @ Self::Text(_) => text,
        }
    }
}

/// Labels of so many bytes count as nothing: the limit of series bounds them.
const LABEL_BYTES_FREE: usize = 1024;

/// What the labels of a series, with so many bytes, count for in values of eight.
pub(super) fn label_size(bytes: usize) -> usize {
    bytes.saturating_sub(LABEL_BYTES_FREE) / 8
}

fn repeat_first(values: &[f64], count: usize) -> Vec<f64> {
    match values.first() {
        Some(value) => vec![*value; count],
        None => Vec::new(),
    }
}

/// One series: its values from the first moment that has one to the last.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) labels: Labels,
    /// The moment of the first value.
    pub(super) first: usize,
    /// [`STALE`] where there is none.
    pub(super) values: Vec<f64>,
}

impl Row {
    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels,
            first: 0,
            values: Vec::new(),
        }
    }

    /// Sets the value at `step`, which is after all that were set.
    pub(super) fn push(&mut self, step: usize, value: f64) {
        if self.values.is_empty() {
            self.first = step;
        }
        let position = step.saturating_sub(self.first);
        self.values.resize(position, STALE);
        self.values.push(value);
    }

    /// What it holds, in values of eight bytes.
    pub(super) fn size(&self) -> usize {
        self.values.len() + label_size(self.labels.bytes())
    }

    /// By how many values it grows when there is one at `step`.
    pub(super) fn growth(&self, step: usize) -> usize {
        if self.values.is_empty() {
            1
        } else if step < self.first {
            self.first - step
        } else {
            (step + 1).saturating_sub(self.end())
        }
    }

    /// Adds 1 at `step`, wherever that is.
    pub(super) fn count(&mut self, step: usize) {
        if self.values.is_empty() {
            self.first = step;
        }
        if step < self.first {
            let missing = self.first - step;
            self.values
                .splice(0..0, std::iter::repeat_n(STALE, missing));
            self.first = step;
        }
        let position = step - self.first;
        if position >= self.values.len() {
            self.values.resize(position + 1, STALE);
        }
        let value = &mut self.values[position];
        *value = if is_stale(*value) { 1.0 } else { *value + 1.0 };
    }

    /// The value at `step`.
    pub(super) fn at(&self, step: usize) -> Option<f64> {
        let value = *self.values.get(step.checked_sub(self.first)?)?;
        (!is_stale(value)).then_some(value)
    }

    /// The step after the last value.
    pub(super) fn end(&self) -> usize {
        self.first + self.values.len()
    }

    /// What is there, with its step.
    pub(super) fn present(&self) -> impl Iterator<Item = (usize, f64)> {
        let first = self.first;
        let values = self.values.iter().copied().enumerate();
        let present = values.filter(|(_, value)| !is_stale(*value));
        present.map(move |(position, value)| (first + position, value))
    }

    /// Replaces each value.
    pub(super) fn map(&mut self, function: impl Fn(f64) -> f64) {
        for value in &mut self.values {
            if !is_stale(*value) {
                *value = function(*value);
            }
        }
    }

    /// Replaces each value by what its step and it give; `None` removes it.
    pub(super) fn filter_map(&mut self, function: impl Fn(usize, f64) -> Option<f64>) {
        for (position, value) in self.values.iter_mut().enumerate() {
            if !is_stale(*value) {
                *value = function(self.first + position, *value).unwrap_or(STALE);
            }
        }
    }

    /// Takes the metric's name away.
    pub(super) fn drop_name(&mut self) {
        self.labels = without_name(&self.labels);
    }

    /// Whether nothing is there.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| is_stale(*value))
    }

    /// Takes over what `other` has; `false` where both have something.
    pub(super) fn take_over(&mut self, other: &Self) -> bool {
        let first = self.first.min(other.first);
        let end = self.end().max(other.end());
        if first < self.first {
            let missing = self.first - first;
            self.values
                .splice(0..0, std::iter::repeat_n(STALE, missing));
            self.first = first;
        }
        self.values.resize(end - first, STALE);
        other.present().all(|(step, value)| {
            let place = &mut self.values[step - first];
            let is_free = is_stale(*place);
            *place = value;
            is_free
        })
    }
}

/// The same labels without the metric's name.
pub(super) fn without_name(labels: &Labels) -> Labels {
    if labels.name().is_empty() {
        return labels.clone();
    }
    labels.filter(|name| name != METRIC_NAME)
}

/// Series that are not distinct.
pub(super) fn same_labelset() -> QueryError {
    QueryError::Execution("vector cannot contain metrics with the same labelset".to_owned())
}

/// Every row that has something must have labels of its own.
pub(super) fn require_distinct(rows: &[Row]) -> Result<(), QueryError> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut filled = rows.iter().filter(|row| !row.is_empty());
    if filled.all(|row| seen.insert(&row.labels)) {
        Ok(())
    } else {
        Err(same_labelset())
    }
}

/// Rows joined by labels: what has the same labels at different moments is one series.
#[derive(Default)]
pub(super) struct Collector {
    rows: Vec<Row>,
    places: HashMap<Labels, usize>,
}

impl Collector {
    /// Adds a row. Two with the same labels must not be there at the same moment.
    pub(super) fn add(&mut self, row: Row) -> Result<(), QueryError> {
        if row.is_empty() {
            return Ok(());
        }
        match self.places.get(&row.labels) {
            Some(place) if self.rows[*place].take_over(&row) => Ok(()),
            Some(_) => Err(same_labelset()),
            None => {
                self.places.insert(row.labels.clone(), self.rows.len());
                self.rows.push(row);
                Ok(())
            }
        }
    }

    pub(super) fn rows(self) -> Vec<Row> {
        self.rows
    }
}

/// Joins rows by labels.
pub(super) fn collect(rows: impl IntoIterator<Item = Row>) -> Result<Vec<Row>, QueryError> {
    let mut collector = Collector::default();
    for row in rows {
        collector.add(row)?;
    }
    Ok(collector.rows())
}

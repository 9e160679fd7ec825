//! Aggregations that choose series, or make series of values.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::error::QueryError;
use super::super::limits::Budget;
use super::super::node::Grouping;
use super::super::number::{compare, render_plain, to_whole};
use super::aggregate::{Group, group_labels};
use super::rows::{Row, label_size};
use super::{Evaluator, Steps};
use crate::labels::Labels;

/// Beyond this, a number is no whole one of 64 bits.
const WHOLE_MAX: f64 = 9_223_372_036_854_774_784.0;

impl Evaluator<'_> {
    /// The greatest or the least of each group; a NaN only where there is nothing else.
    pub(super) fn top(
        &mut self,
        greatest: bool,
        counts: &[f64],
        groups: Vec<Group>,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let counts: Result<Vec<usize>, QueryError> = counts.iter().copied().map(to_count).collect();
        let counts = counts?;
        let mut made = Vec::new();
        for group in groups {
            let mut chosen: Vec<Row> = group
                .rows
                .iter()
                .map(|row| Row::new(row.labels.clone()))
                .collect();
            let mut order: Vec<(f64, usize)> = Vec::with_capacity(group.rows.len());
            for step in group.steps() {
                let values = group.rows.iter().enumerate();
                order.clear();
                order.extend(values.filter_map(|(at, row)| Some((row.at(step)?, at))));
                order.sort_by(|one, other| rank(greatest, one.0, other.0));
                order.truncate(counts.get(step).copied().unwrap_or(0));
                for (value, at) in &order {
                    chosen[*at].push(step, *value);
                }
                self.budget.work(group.rows.len())?;
            }
            self.budget
                .hold(chosen.iter().map(|row| row.values.len()).sum())?;
            if steps.count == 1 {
                // At one moment they come in their order.
                let mut chosen: Vec<Option<Row>> = chosen.into_iter().map(Some).collect();
                made.extend(order.iter().filter_map(|(_, at)| chosen[*at].take()));
            } else {
                made.extend(chosen.into_iter().filter(|row| !row.values.is_empty()));
            }
        }
        Ok(made)
    }

    /// For each value, how many series of the group have it.
    pub(super) fn count_values(
        &mut self,
        label: &str,
        grouping: &Grouping,
        rows: Vec<Row>,
    ) -> Result<Vec<Row>, QueryError> {
        if label.is_empty() {
            return Err(QueryError::Execution(format!(
                "invalid label name {label:?}"
            )));
        }
        let mut grouping = grouping.clone();
        if grouping.only {
            grouping.names.push(label.to_owned());
        }
        let mut counted = Counted::default();
        for row in rows {
            let mut known: HashMap<u64, usize> = HashMap::new();
            for (step, value) in row.present() {
                let place = match known.get(&value.to_bits()) {
                    Some(place) => *place,
                    None => {
                        let labels = row.labels.with(label, &render_plain(value));
                        let labels = group_labels(&grouping, &labels);
                        let place = counted.place(labels, &mut self.budget)?;
                        known.insert(value.to_bits(), place);
                        place
                    }
                };
                counted.count(place, step, &mut self.budget)?;
            }
        }
        Ok(counted.rows)
    }
}

/// Series of counts, which never grow beyond what the budget has.
#[derive(Default)]
struct Counted {
    rows: Vec<Row>,
    places: HashMap<Labels, usize>,
    size: usize,
}

impl Counted {
    /// The place of the series with these labels.
    fn place(&mut self, labels: Labels, budget: &mut Budget) -> Result<usize, QueryError> {
        let bytes = labels.bytes();
        budget.work(bytes / 8)?;
        if let Some(place) = self.places.get(&labels) {
            return Ok(*place);
        }
        let place = self.rows.len();
        budget.series(place + 1)?;
        self.size = self.size.saturating_add(label_size(bytes));
        budget.hold_at_least(self.size)?;
        self.places.insert(labels.clone(), place);
        self.rows.push(Row::new(labels));
        Ok(place)
    }

    /// Adds 1 at a step.
    fn count(&mut self, place: usize, step: usize, budget: &mut Budget) -> Result<(), QueryError> {
        let row = &mut self.rows[place];
        let growth = row.growth(step);
        // What is put before the others moves them.
        let moved = if step < row.first {
            row.values.len()
        } else {
            0
        };
        self.size = self.size.saturating_add(growth);
        budget.hold_at_least(self.size)?;
        budget.work((growth + moved) / 8)?;
        row.count(step);
        Ok(())
    }
}

fn rank(greatest: bool, one: f64, other: f64) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (false, false) if greatest => compare(other, one),
        (false, false) => compare(one, other),
        (one, other) => one.cmp(&other),
    }
}

fn to_count(count: f64) -> Result<usize, QueryError> {
    if count.is_nan() {
        return Err(QueryError::Execution("Parameter value is NaN".to_owned()));
    }
    if count.abs() > WHOLE_MAX {
        let count = render_plain(count);
        let message = format!("Scalar value {count} overflows int64");
        return Err(QueryError::Execution(message));
    }
    Ok(usize::try_from(to_whole(count)).unwrap_or(0))
}

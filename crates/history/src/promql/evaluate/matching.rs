//! Operators between two vectors: which series of one side belongs to which of
//! the other.

use std::collections::HashMap;

use super::super::error::QueryError;
use super::super::node::{Binary, Cardinality, Grouping, Operator};
use super::aggregate::group_labels;
use super::binary::{Applied, apply};
use super::rows::{Collector, Row, same_labelset};
use super::{Evaluator, Steps};
use crate::labels::{Labels, METRIC_NAME};

/// Series by the labels that must be the same on both sides.
struct Sides {
    left: Vec<usize>,
    right: Vec<Vec<usize>>,
}

/// What an operation between vectors knows of its two sides: the one with
/// possibly many series for one of the other is `many`.
struct Pairing<'operation> {
    binary: &'operation Binary,
    many: Vec<Row>,
    one: Vec<Row>,
    is_swapped: bool,
    extra: Option<&'operation [String]>,
}

impl Evaluator<'_> {
    /// Arithmetic and comparisons.
    pub(super) fn matched(
        &mut self,
        binary: &Binary,
        left: Vec<Row>,
        right: Vec<Row>,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let (is_swapped, extra) = match &binary.cardinality {
            Cardinality::OneToOne => (false, None),
            Cardinality::ManyToOne(extra) => (false, Some(extra.as_slice())),
            Cardinality::OneToMany(extra) => (true, Some(extra.as_slice())),
        };
        let (many, one) = if is_swapped {
            (right, left)
        } else {
            (left, right)
        };
        let sides = sides(&binary.matching, &many, &one);
        let pairing = Pairing {
            binary,
            many,
            one,
            is_swapped,
            extra,
        };
        self.require_one(&pairing, &sides, steps)?;
        let mut made: Vec<(Row, usize)> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut matched: HashMap<usize, Vec<bool>> = HashMap::new();
        let mut held = 0_usize;
        for (at, signature) in sides.left.iter().enumerate() {
            for partner in &sides.right[*signature] {
                let row = pairing.pair(at, *partner);
                self.budget.work(row.values.len())?;
                if row.is_empty() {
                    continue;
                }
                if extra.is_none() {
                    // A byte for each moment and signature beside the rows.
                    let marks = (matched.len() + 1).saturating_mul(steps.count) / 8;
                    self.budget.hold_at_least(held.saturating_add(marks))?;
                    let matched = matched
                        .entry(*signature)
                        .or_insert_with(|| vec![false; steps.count]);
                    require_first(matched, &row)?;
                }
                held = held.saturating_add(row.size());
                self.budget.hold_at_least(held)?;
                match places.get(&row.labels) {
                    None => {
                        places.insert(row.labels.clone(), made.len());
                        made.push((row, *signature));
                    }
                    Some(place) => {
                        let (known, of) = &mut made[*place];
                        if !known.take_over(&row) {
                            return Err(not_unique(extra.is_some() && of == signature));
                        }
                    }
                }
            }
        }
        Ok(made.into_iter().map(|(row, _)| row).collect())
    }

    /// At no moment at which both sides have something may the side of one
    /// series have two with the same labels to match by.
    fn require_one(
        &mut self,
        pairing: &Pairing<'_>,
        sides: &Sides,
        steps: &Steps,
    ) -> Result<(), QueryError> {
        let groups = sides.right.iter().filter(|group| group.len() > 1);
        let mut any_many: Option<Vec<bool>> = None;
        for group in groups {
            let any_many = any_many.get_or_insert_with(|| {
                let mut any = vec![false; steps.count];
                for (step, _) in pairing.many.iter().flat_map(Row::present) {
                    any[step] = true;
                }
                any
            });
            self.budget.hold_at_least(steps.count.saturating_mul(2))?;
            self.budget.work(steps.count / 8)?;
            let mut taken: Vec<Option<usize>> = vec![None; steps.count];
            for at in group {
                let row = &pairing.one[*at];
                self.budget.work(row.values.len())?;
                for (step, _) in row.present().filter(|(step, _)| any_many[*step]) {
                    if let Some(other) = taken[step].replace(*at) {
                        return Err(pairing.duplicate(*at, other));
                    }
                }
            }
        }
        Ok(())
    }

    /// `and`, `or` and `unless`.
    pub(super) fn set_operation(
        &mut self,
        binary: &Binary,
        left: Vec<Row>,
        right: &[Row],
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let mut collector = Collector::default();
        let is_or = binary.operator == Operator::Or;
        // What decides, and what is filtered by it.
        let (filter, filtered) = if is_or {
            (left.as_slice(), right)
        } else {
            (right, left.as_slice())
        };
        let sides = sides(&binary.matching, filtered, filter);
        let mut presence: HashMap<usize, Vec<bool>> = HashMap::new();
        let mut kept = Vec::new();
        for (row, signature) in filtered.iter().zip(&sides.left) {
            let marks = (presence.len() + 1).saturating_mul(steps.count) / 8;
            self.budget.hold_at_least(marks)?;
            let there = presence.entry(*signature).or_insert_with(|| {
                let mut there = vec![false; steps.count];
                let rows = sides.right[*signature].iter().map(|at| &filter[*at]);
                for (step, _) in rows.flat_map(Row::present) {
                    there[step] = true;
                }
                there
            });
            let mut row = row.clone();
            let wanted = binary.operator == Operator::And;
            row.filter_map(|step, value| (there[step] == wanted).then_some(value));
            self.budget.hold(row.values.len())?;
            kept.push(row);
        }
        if is_or {
            for row in left {
                collector.add(row)?;
            }
        }
        for row in kept {
            collector.add(row)?;
        }
        Ok(collector.rows())
    }
}

impl Pairing<'_> {
    /// What the operator gives for two series.
    fn pair(&self, many: usize, one: usize) -> Row {
        let (many, one) = (&self.many[many], &self.one[one]);
        let mut row = Row::new(Labels::default());
        let operator = self.binary.operator;
        for step in many.first.max(one.first)..many.end().min(one.end()) {
            let (Some(of_many), Some(of_one)) = (many.at(step), one.at(step)) else {
                continue;
            };
            let (left, right) = if self.is_swapped {
                (of_one, of_many)
            } else {
                (of_many, of_one)
            };
            match apply(operator, left, right) {
                Applied::Value(value) => row.push(step, value),
                Applied::Holds(holds) if self.binary.is_bool => {
                    row.push(step, f64::from(u8::from(holds)));
                }
                Applied::Holds(true) => row.push(step, left),
                Applied::Holds(false) => {}
            }
        }
        if !row.values.is_empty() {
            row.labels = self.labels(&many.labels, &one.labels);
        }
        row
    }

    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let is_unnamed = !self.binary.operator.is_comparison() || self.binary.is_bool;
        let matching = &self.binary.matching;
        let labels = many.filter(|name| {
            let is_named = || matching.names.iter().any(|named| named == name);
            let is_kept = self.extra.is_some() || is_named() == matching.only;
            is_kept && !(is_unnamed && name == METRIC_NAME)
        });
        let extra = self.extra.unwrap_or_default().iter();
        extra.fold(labels, |labels, name| labels.with(name, one.get(name)))
    }

    fn duplicate(&self, one: usize, other: usize) -> QueryError {
        let side = if self.is_swapped { "left" } else { "right" };
        let group = group_labels(&self.binary.matching, &self.one[one].labels);
        let (one, other) = (&self.one[one].labels, &self.one[other].labels);
        QueryError::Execution(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }
}

fn require_first(matched: &mut [bool], row: &Row) -> Result<(), QueryError> {
    for (step, _) in row.present() {
        if std::mem::replace(&mut matched[step], true) {
            return Err(QueryError::Execution(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".to_owned(),
            ));
        }
    }
    Ok(())
}

fn not_unique(is_of_same_group: bool) -> QueryError {
    if is_of_same_group {
        let message = "multiple matches for labels: grouping labels must ensure unique matches";
        QueryError::Execution(message.to_owned())
    } else {
        same_labelset()
    }
}

/// Numbers the combinations of labels to match by: for each left row its number,
/// for each number the right rows.
fn sides(matching: &Grouping, left: &[Row], right: &[Row]) -> Sides {
    let mut numbers: HashMap<Labels, usize> = HashMap::new();
    let mut number = |row: &Row| {
        let next = numbers.len();
        *numbers
            .entry(group_labels(matching, &row.labels))
            .or_insert(next)
    };
    let left: Vec<usize> = left.iter().map(&mut number).collect();
    let of_right: Vec<usize> = right.iter().map(&mut number).collect();
    let mut groups = vec![Vec::new(); numbers.len()];
    for (at, number) in of_right.iter().enumerate() {
        groups[*number].push(at);
    }
    Sides {
        left,
        right: groups,
    }
}

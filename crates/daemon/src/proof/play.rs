//! Plays rules over a stretch of time, as if the monitor had looked.

use std::collections::BTreeMap;

use lfs_wrapper_alert::rule::{Labels, Rule};
use lfs_wrapper_history::{Query, QueryError, QueryLimits, Source, Stretch, Value};
use lfs_wrapper_model::TimeMsec;

use crate::alerts::{Alerts, Change, Told};
use crate::rulebook::{Look, to_labels};

/// Looks that are evaluated at once; a query answers no more (Prometheus).
const LOOKS_MAX: i64 = 10_000;

/// A change of an alert, and the rule's place among those that were played.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// The place of the rule.
    pub rule: usize,
    /// What happened.
    pub told: Told,
}

/// A rule that cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("rule '{rule}': {source}")]
pub struct PlayError {
    /// The rule.
    pub rule: String,
    /// Why.
    #[source]
    pub source: QueryError,
}

/// Looks at `source` with each rule from `from_msec` to `to_msec`, each
/// `step_msec` or as seldom as the rule says; what happened, in order of time.
/// At the beginning nothing is remembered.
pub fn play(
    rules: &[Rule],
    source: &dyn Source,
    (from_msec, to_msec): (TimeMsec, TimeMsec),
    step_msec: i64,
    limits: &QueryLimits,
) -> Result<Vec<Happened>, PlayError> {
    let mut happened = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let wrong = |source| PlayError {
            rule: rule.name.clone(),
            source,
        };
        let query = Query::parse(&rule.expr).map_err(wrong)?;
        let step_msec = rule.every_msec.unwrap_or(0).max(step_msec).max(1);
        let mut alerts = Alerts::default();
        let mut from = from_msec;
        while from <= to_msec {
            let to = to_msec.min(from + (LOOKS_MAX - 1) * step_msec);
            let answer = query.range(source, from, to, step_msec, limits);
            let value = answer.map_err(wrong)?.value;
            let looks = Looks::of(rule, value, (from, to), step_msec).map_err(wrong)?;
            for (time_msec, values) in looks {
                let look = Look {
                    rule: std::sync::Arc::new(rule.clone()),
                    values,
                };
                let changes = alerts.take(vec![look], time_msec, time_msec - from_msec);
                happened.extend(changes.into_iter().filter_map(|change| match change {
                    Change::Tell(told) => Some(Happened { rule: place, told }),
                    Change::Remember { .. } => None,
                }));
            }
            from = to + step_msec;
        }
    }
    happened.sort_by_key(|one| (one.told.time_msec, one.rule));
    Ok(happened)
}

/// What each look sees, one after the other.
struct Looks {
    series: BTreeMap<Labels, (Stretch, usize)>,
    next_msec: TimeMsec,
    to_msec: TimeMsec,
    step_msec: i64,
}

impl Looks {
    fn of(
        rule: &Rule,
        value: Value,
        (from_msec, to_msec): (TimeMsec, TimeMsec),
        step_msec: i64,
    ) -> Result<Self, QueryError> {
        let mut series = BTreeMap::new();
        if let Value::Matrix(matrix) = value {
            for (labels, stretch) in matrix {
                let labels = to_labels(rule, &labels);
                let text = format!("two of its series have the labels {labels:?}");
                if series.insert(labels, (stretch, 0)).is_some() {
                    return Err(QueryError::Execution(text));
                }
            }
        }
        Ok(Self {
            series,
            next_msec: from_msec,
            to_msec,
            step_msec,
        })
    }
}

impl Iterator for Looks {
    type Item = (TimeMsec, Vec<(Labels, f64)>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next_msec > self.to_msec {
            return None;
        }
        let time_msec = self.next_msec;
        self.next_msec += self.step_msec;
        let mut values = Vec::new();
        for (labels, (stretch, at)) in &mut self.series {
            if stretch.times.get(*at) == Some(&time_msec) {
                values.push((labels.clone(), stretch.values[*at]));
                *at += 1;
            }
        }
        Some((time_msec, values))
    }
}

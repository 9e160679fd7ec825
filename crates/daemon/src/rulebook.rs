//! The rules with their expressions parsed, and what they see in the history.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lfs_wrapper_alert::document::{ExprCheck, ExprError};
use lfs_wrapper_alert::rule::{Labels, Origin, Rule};
use lfs_wrapper_history::{
    Labels as SeriesLabels, METRIC_NAME, Query, QueryError, QueryLimits, Source, Value,
    VectorSample,
};
use lfs_wrapper_model::TimeMsec;

/// What one look of one rule may take.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// What all looks with one sample may take; rules that were not reached come
/// first with the next one.
const LOOKS_MAX: Duration = Duration::from_millis(250);

/// A rule that is slow rests for so many times as long as its look took.
const REST: u32 = 20;

/// A look that takes less is not slow.
const SLOW: Duration = Duration::from_millis(50);

/// Series that one look may choose or make.
const SERIES_MAX: usize = 10_000;

/// Samples that one look may read.
const SAMPLES_MAX: usize = 2_000_000;

/// Rules, ready to be looked at.
#[derive(Debug, Default)]
pub struct Rulebook {
    entries: Vec<Entry>,
    /// The rule that is looked at first.
    first: usize,
    limits: QueryLimits,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<Rule>,
    query: Query,
    /// When it was looked at, by the alert clock.
    looked: Option<i64>,
    /// How long it rests after that.
    rest_msec: i64,
    failures: u64,
    error: Option<String>,
}

/// What a rule saw.
#[derive(Clone, Debug)]
pub struct Look {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Each series' labels with those of the rule, without the name, and value.
    pub values: Vec<(Labels, f64)>,
}

/// A rule whose expression is none.
#[derive(Debug, thiserror::Error)]
#[error("rule '{rule}': its expression: {source}")]
pub struct CompileError {
    /// The rule.
    pub rule: String,
    /// What is wrong.
    #[source]
    pub source: QueryError,
}

/// PromQL, for those who read rules.
#[derive(Clone, Copy, Debug)]
pub struct PromQl;

impl ExprCheck for PromQl {
    fn check(&self, expr: &str) -> Result<(), ExprError> {
        Query::parse(expr).map(|_| ()).map_err(|error| match error {
            QueryError::Parse {
                line,
                column,
                message,
                ..
            } => ExprError {
                line,
                column,
                message,
            },
            other => ExprError {
                line: 1,
                column: 1,
                message: other.to_string(),
            },
        })
    }
}

impl Rulebook {
    /// Parses the rules' expressions.
    pub fn compile(rules: Vec<Rule>) -> Result<Self, CompileError> {
        let compile = |rule: Rule| {
            let query = Query::parse(&rule.expr).map_err(|source| CompileError {
                rule: rule.name.clone(),
                source,
            })?;
            Ok(Entry {
                rule: Arc::new(rule),
                query,
                looked: None,
                rest_msec: 0,
                failures: 0,
                error: None,
            })
        };
        Ok(Self {
            entries: rules.into_iter().map(compile).collect::<Result<_, _>>()?,
            first: 0,
            limits: QueryLimits {
                samples_max: SAMPLES_MAX,
                series_max: SERIES_MAX,
                timeout: LOOK_MAX,
                ..QueryLimits::default()
            },
        })
    }

    /// The rules, in their order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.entries.iter().map(|entry| &*entry.rule)
    }

    /// How often a look of each rule failed, and why it did the last time, if
    /// it did.
    pub fn failures(&self) -> impl Iterator<Item = (&str, u64, Option<&str>)> {
        let entries = self.entries.iter();
        entries.map(|entry| {
            let error = entry.error.as_deref();
            (entry.rule.name.as_str(), entry.failures, error)
        })
    }

    /// Metrics that a rule of a file names and `known` does not have, with the
    /// rule. Built-in rules also look for what few machines have.
    pub fn unknown_metrics(&self, known: &dyn Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let mut unknown = Vec::new();
        let written = |entry: &&Entry| entry.rule.origin != Origin::BuiltIn;
        for entry in self.entries.iter().filter(written) {
            let names = entry.query.metric_names().into_iter();
            let missing = names.filter(|name| !known(name));
            unknown.extend(missing.map(|name| (entry.rule.name.as_str(), name)));
        }
        unknown
    }

    /// Looks at every rule whose turn it is at `now` by the alert clock, as far as
    /// time allows. A look that fails says nothing, and not that all is well.
    pub fn look(&mut self, source: &dyn Source, time_msec: TimeMsec, now: i64) -> Vec<Look> {
        let mut looks = Vec::new();
        let begun = Instant::now();
        let count = self.entries.len();
        for index in 0..count {
            let place = (self.first + index) % count;
            if begun.elapsed() > LOOKS_MAX {
                self.first = place;
                break;
            }
            let entry = &mut self.entries[place];
            let every = entry.rule.every_msec.unwrap_or(0).max(entry.rest_msec);
            let is_resting = |looked: i64| now.saturating_sub(looked) < every;
            if entry.looked.is_some_and(is_resting) {
                continue;
            }
            entry.looked = Some(now);
            looks.extend(entry.look(source, time_msec, &self.limits));
        }
        looks
    }
}

impl Entry {
    fn look(
        &mut self,
        source: &dyn Source,
        time_msec: TimeMsec,
        limits: &QueryLimits,
    ) -> Option<Look> {
        let begun = Instant::now();
        let values = read_values(&self.rule, &self.query, source, time_msec, limits);
        let took = begun.elapsed();
        let rest = if took > SLOW {
            took * REST
        } else {
            Duration::ZERO
        };
        self.rest_msec = i64::try_from(rest.as_millis()).unwrap_or(i64::MAX);
        match values {
            Ok(values) => {
                self.error = None;
                Some(Look {
                    rule: Arc::clone(&self.rule),
                    values,
                })
            }
            Err(error) => {
                self.failures += 1;
                self.error = Some(error.to_string());
                None
            }
        }
    }
}

/// Why a look failed.
#[derive(Debug)]
enum LookError {
    Query(QueryError),
    /// Two of its values have the same labels once the name is gone and those of
    /// the rule are there.
    Twice(String),
    /// It is no value and no values.
    Text,
}

impl fmt::Display for LookError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(error) => error.fmt(formatter),
            Self::Twice(labels) => write!(
                formatter,
                "two of its values have the labels {labels}: they differ in the metric's name, or \
                 in a label that the rule sets; aggregate, name one metric, or let that label be"
            ),
            Self::Text => formatter.write_str("it gives a text or a range, and no value"),
        }
    }
}

fn read_values(
    rule: &Rule,
    query: &Query,
    source: &dyn Source,
    time_msec: TimeMsec,
    limits: &QueryLimits,
) -> Result<Vec<(Labels, f64)>, LookError> {
    let answer = query.instant(source, time_msec, limits);
    let samples = match answer.map_err(LookError::Query)?.value {
        Value::Scalar { value, .. } => return Ok(vec![(rule.labels.clone(), value)]),
        Value::Vector { samples, .. } => samples,
        Value::Text { .. } | Value::Matrix(_) => return Err(LookError::Text),
    };
    let to_value = |sample: &VectorSample| (to_labels(rule, &sample.labels), sample.value);
    let values: Vec<(Labels, f64)> = samples.iter().map(to_value).collect();
    let mut seen = HashSet::new();
    for (labels, _) in &values {
        if !seen.insert(labels) {
            return Err(LookError::Twice(format!("{labels:?}")));
        }
    }
    Ok(values)
}

/// The labels of the alert that a series is: without its name, and with those of
/// the rule, which win.
pub(crate) fn to_labels(rule: &Rule, series: &SeriesLabels) -> Labels {
    let labels = series.iter().filter(|(name, _)| *name != METRIC_NAME);
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = rule
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    labels.chain(own).collect()
}

//! The rules with their expressions parsed, and what they see in the history.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lfs_wrapper_alert::document::{ExprCheck, ExprError};
use lfs_wrapper_alert::rule::{Labels, Origin, Rule};
use lfs_wrapper_history::{
    METRIC_NAME, Query, QueryError, QueryLimits, Source, Value, VectorSample,
};
use lfs_wrapper_model::TimeMsec;

/// What one look of one rule may take; it is taken with each sample.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Samples that one look may read.
const SAMPLES_MAX: usize = 2_000_000;

/// Values that one rule looks at; what is more is not looked at and counted.
pub const VALUES_MAX: usize = 1_000;

/// Rules, ready to be looked at.
#[derive(Debug, Default)]
pub struct Rulebook {
    entries: Vec<Entry>,
    limits: QueryLimits,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<Rule>,
    query: Query,
    /// When it was looked at, by the alert clock.
    looked: Option<i64>,
    failures: u64,
    error: Option<String>,
}

/// What a rule saw.
#[derive(Clone, Debug)]
pub struct Look {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Each series' labels, without its name, and value.
    pub values: Vec<(Labels, f64)>,
    /// Values that were too many to look at.
    pub dropped: usize,
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
                failures: 0,
                error: None,
            })
        };
        Ok(Self {
            entries: rules.into_iter().map(compile).collect::<Result<_, _>>()?,
            limits: QueryLimits {
                samples_max: SAMPLES_MAX,
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

    /// Looks at every rule whose turn it is at `now` by the alert clock. A look
    /// that fails says nothing, and not that all is well.
    pub fn look(&mut self, source: &dyn Source, time_msec: TimeMsec, now: i64) -> Vec<Look> {
        let mut looks = Vec::new();
        for entry in &mut self.entries {
            let every = entry.rule.every_msec.unwrap_or(0);
            if entry
                .looked
                .is_some_and(|looked| now.saturating_sub(looked) < every)
            {
                continue;
            }
            entry.looked = Some(now);
            match read_values(&entry.query, source, time_msec, &self.limits) {
                Ok((values, dropped)) => {
                    entry.error = None;
                    looks.push(Look {
                        rule: Arc::clone(&entry.rule),
                        values,
                        dropped,
                    });
                }
                Err(error) => {
                    entry.failures += 1;
                    entry.error = Some(error.to_string());
                }
            }
        }
        looks
    }
}

/// Why a look failed.
#[derive(Debug)]
enum LookError {
    Query(QueryError),
    /// Two of its values have the same labels once the name is gone.
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
                "two of its values have the labels {labels}: they differ in the metric's name \
                 only; aggregate, or name one metric"
            ),
            Self::Text => formatter.write_str("it gives a text or a range, and no value"),
        }
    }
}

fn read_values(
    query: &Query,
    source: &dyn Source,
    time_msec: TimeMsec,
    limits: &QueryLimits,
) -> Result<(Vec<(Labels, f64)>, usize), LookError> {
    let answer = query.instant(source, time_msec, limits);
    let samples = match answer.map_err(LookError::Query)?.value {
        Value::Scalar { value, .. } => return Ok((vec![(Labels::new(), value)], 0)),
        Value::Vector { samples, .. } => samples,
        Value::Text { .. } | Value::Matrix(_) => return Err(LookError::Text),
    };
    let dropped = samples.len().saturating_sub(VALUES_MAX);
    let samples = samples.iter().take(VALUES_MAX);
    let values: Vec<(Labels, f64)> = samples.map(to_value).collect();
    let mut seen = HashMap::new();
    for (labels, _) in &values {
        if seen.insert(labels, ()).is_some() {
            return Err(LookError::Twice(format!("{labels:?}")));
        }
    }
    Ok((values, dropped))
}

fn to_value(sample: &VectorSample) -> (Labels, f64) {
    let labels = sample.labels.iter();
    let labels = labels.filter(|(name, _)| *name != METRIC_NAME);
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (labels.collect(), sample.value)
}

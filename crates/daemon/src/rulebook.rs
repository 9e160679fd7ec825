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
    /// Nobody was told of this error yet.
    is_news: bool,
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
                is_news: false,
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

    /// How often looks have failed.
    pub fn failures(&self) -> u64 {
        self.entries.iter().map(|entry| entry.failures).sum()
    }

    /// Rules whose looks began to fail, or fail in another way, since this was
    /// asked, and why.
    pub fn take_errors(&mut self) -> Vec<String> {
        let news = self.entries.iter_mut().filter_map(|entry| {
            let is_news = std::mem::take(&mut entry.is_news);
            let error = entry.error.as_ref().filter(|_| is_news)?;
            Some(format!("looking at rule '{}': {error}", entry.rule.name))
        });
        news.collect()
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
                let error = Some(error.to_string());
                self.is_news = self.is_news || self.error != error;
                self.error = error;
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

#[cfg(test)]
mod tests {
    use lfs_wrapper_alert::document::parse_rules;
    use lfs_wrapper_history::{MemorySource, parse_series};

    use super::*;

    fn book(text: &str) -> Rulebook {
        let rules = parse_rules(std::path::Path::new("rules.toml"), text, &PromQl);
        Rulebook::compile(rules.unwrap()).unwrap()
    }

    fn source(series: &[(&str, f64)]) -> MemorySource {
        let mut source = MemorySource::default();
        for (text, value) in series {
            source.push(parse_series(text).unwrap().0, 1_000, *value);
        }
        source
    }

    const TEMPERATURE: &str = "[[rule]]\nname = \"hot\"\nexpr = '{__name__=~\"t.\"}'\n\
        [rule.levels]\nerror = { above = 50 }\n[rule.labels]\nplace = \"here\"\n";

    #[test]
    fn what_cannot_be_told_apart_is_an_error_that_is_told_once_and_no_value() {
        let mut book = book(TEMPERATURE);
        // Alike but for the name, and but for a label that the rule sets.
        // So seldom that no look rests after one that a busy machine made slow.
        let mut hours = (0..).map(|hour| hour * 3_600_000);
        for other in ["tb{sensor=\"1\"}", "ta{sensor=\"1\",place=\"there\"}"] {
            let two = source(&[("ta{sensor=\"1\"}", 90.0), (other, 10.0)]);
            assert!(book.look(&two, 1_000, hours.next().unwrap()).is_empty());
            assert!(book.look(&two, 1_000, hours.next().unwrap()).is_empty());
        }
        assert_eq!(book.failures(), 4);
        let told = book.take_errors();
        assert!(
            told.len() == 1 && told[0].contains("'hot': two of its values"),
            "{told:?}"
        );
        assert!(book.take_errors().is_empty());
        let one = source(&[("ta{sensor=\"1\"}", 90.0)]);
        let looks = book.look(&one, 1_000, hours.next().unwrap());
        assert_eq!(looks[0].values.len(), 1);
        assert_eq!(looks[0].values[0].0["place"], "here");
    }

    #[test]
    fn a_rule_is_looked_at_as_seldom_as_it_says() {
        let mut book = book(&TEMPERATURE.replace("expr", "every = \"10h\"\nexpr"));
        let one = source(&[("ta", 1.0)]);
        let looks = (0..21).map(|hour| book.look(&one, 1_000, hour * 3_600_000).len());
        assert_eq!(looks.sum::<usize>(), 3);
    }

    #[test]
    fn metrics_that_nobody_has_are_told_of_rules_in_files_only() {
        let text =
            "[[rule]]\nname = \"a\"\nexpr = \"rate(gone[1m]) > known\"\nseverity = \"info\"\n";
        let unknown = book(text);
        assert_eq!(
            unknown.unknown_metrics(&|name| name == "known"),
            [("a", "gone")]
        );
        let built_in = lfs_wrapper_alert::defaults::built_in(&PromQl).unwrap();
        let built_in = Rulebook::compile(built_in).unwrap();
        assert!(built_in.unknown_metrics(&|_| false).is_empty());
    }
}

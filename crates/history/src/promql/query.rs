//! A query that was parsed and can be asked again and again.

use std::collections::BTreeSet;

use lfs_wrapper_model::TimeMsec;

use super::error::QueryError;
use super::evaluate;
use super::limits::{Deadline, Limits};
use super::node::{Kind, Node, Shift};
use super::plan::plan;
use super::text;
use super::value::Answer;
use crate::labels::METRIC_NAME;
use crate::source::{Condition, Matcher, Source};

/// A query that was parsed and can be asked again and again.
#[derive(Debug)]
pub struct Query {
    node: Node,
}

impl Query {
    /// Parses `text` within the limits there are by default.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Self::parse_within(text, &Limits::default())
    }

    /// Parses `text`, not longer and not nested deeper than `limits` allow, within
    /// the time they give.
    pub fn parse_within(text: &str, limits: &Limits) -> Result<Self, QueryError> {
        Self::parse_until(text, limits, Deadline::from_now(limits))
    }

    /// Parses `text`, of whose time some may have passed.
    pub(super) fn parse_until(
        text: &str,
        limits: &Limits,
        deadline: Deadline,
    ) -> Result<Self, QueryError> {
        let parsed = text::parse(text, limits)?;
        let node = plan(text, &parsed, limits.depth_max, deadline)?;
        Ok(Self { node })
    }

    /// The answer at one moment.
    pub fn instant(
        &self,
        source: &dyn Source,
        time_msec: TimeMsec,
        limits: &Limits,
    ) -> Result<Answer, QueryError> {
        self.instant_until(source, time_msec, limits, Deadline::from_now(limits))
    }

    /// The answer at one moment, when some of the time has passed.
    pub(super) fn instant_until(
        &self,
        source: &dyn Source,
        time_msec: TimeMsec,
        limits: &Limits,
        deadline: Deadline,
    ) -> Result<Answer, QueryError> {
        evaluate::instant(&self.node, source, time_msec, (limits, deadline))
    }

    /// The answer from `start_msec` to `end_msec`, each `step_msec`.
    pub fn range(
        &self,
        source: &dyn Source,
        start_msec: TimeMsec,
        end_msec: TimeMsec,
        step_msec: i64,
        limits: &Limits,
    ) -> Result<Answer, QueryError> {
        let range = (start_msec, end_msec, step_msec);
        self.range_until(source, range, limits, Deadline::from_now(limits))
    }

    /// The answer over a start, an end and a step, when some of the time has passed.
    pub(super) fn range_until(
        &self,
        source: &dyn Source,
        (start_msec, end_msec, step_msec): (TimeMsec, TimeMsec, i64),
        limits: &Limits,
        deadline: Deadline,
    ) -> Result<Answer, QueryError> {
        let wrong = |name: &str, message: &str| QueryError::Parameter {
            name: name.to_owned(),
            message: message.to_owned(),
        };
        let kind = match self.node.kind() {
            Kind::Scalar | Kind::Vector => None,
            Kind::Matrix => Some("range vector"),
            Kind::Text => Some("string"),
        };
        if let Some(kind) = kind {
            let message = format!(
                "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
            );
            return Err(wrong("query", &message));
        }
        if step_msec <= 0 {
            let message = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(wrong("step", message));
        }
        if end_msec < start_msec {
            return Err(wrong("end", "end timestamp must not be before start time"));
        }
        evaluate::range(
            &self.node,
            source,
            (start_msec, end_msec, step_msec),
            (limits, deadline),
        )
    }
}

impl Query {
    /// The metrics that it names in full, sorted, each once.
    pub fn metric_names(&self) -> Vec<&str> {
        let mut names = BTreeSet::new();
        self.node.visit_selectors(&mut |selector| {
            let of_name = selector.matchers.iter();
            names.extend(of_name.filter_map(|matcher| match &matcher.condition {
                Condition::Equal(name) if matcher.name == METRIC_NAME => Some(name.as_str()),
                _ => None,
            }));
        });
        names.into_iter().collect()
    }
}

/// The matchers of a text that is a selector and nothing else:
/// `node_cpu_seconds_total{mode="idle"}`.
pub fn parse_selector(text: &str, limits: &Limits) -> Result<Vec<Matcher>, QueryError> {
    parse_selector_until(text, limits, Deadline::from_now(limits))
}

/// The matchers of a selector, when some of the time has passed.
pub(super) fn parse_selector_until(
    text: &str,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Vec<Matcher>, QueryError> {
    match Query::parse_until(text, limits, deadline)?.node {
        Node::Vector(selector) if selector.shift == Shift::default() => Ok(selector.matchers),
        _ => Err(QueryError::Execution(format!(
            "expected a selector of series, found {text:?}"
        ))),
    }
}

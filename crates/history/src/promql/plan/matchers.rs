//! The matchers of a selector.

use super::super::error::{LimitHit, QueryError};
use super::super::text::{Condition as Written, WrittenMatcher, error_at};
use crate::labels::{Labels, METRIC_NAME};
use crate::pattern::{PatternError, Patterns};
use crate::source::{Condition, Matcher};

/// The matchers of a selector with the name before the braces, if there is one.
pub(super) fn plan(
    text: &str,
    name: Option<&str>,
    written: &[WrittenMatcher],
    patterns: &mut Patterns,
) -> Result<Vec<Matcher>, QueryError> {
    let mut matchers: Vec<Matcher> = name
        .iter()
        .map(|name| Matcher::equal(METRIC_NAME, name))
        .collect();
    for matcher in written {
        if let (METRIC_NAME, Some(name)) = (matcher.name.as_str(), name) {
            let other = &matcher.value;
            let message = format!("metric name must not be set twice: {name:?} or {other:?}");
            return Err(error_at(text, matcher.place.0, matcher.place.1, message));
        }
        matchers.push(plan_matcher(text, matcher, patterns)?);
    }
    let nothing = Labels::default();
    if matchers.iter().all(|matcher| matcher.matches(&nothing)) {
        let message = "vector selector must contain at least one non-empty matcher";
        return Err(error_at(text, 0, 0, message));
    }
    Ok(matchers)
}

fn plan_matcher(
    text: &str,
    written: &WrittenMatcher,
    patterns: &mut Patterns,
) -> Result<Matcher, QueryError> {
    let mut pattern = || {
        patterns
            .compile(&written.value)
            .map_err(|error| match error {
                PatternError::TooLarge { limit } => LimitHit::Patterns { limit }.into(),
                PatternError::Wrong(error) => {
                    let message = format!("invalid regular expression: {error}");
                    error_at(text, written.place.0, written.place.1, message)
                }
            })
    };
    let condition = match written.condition {
        Written::Equal => Condition::Equal(written.value.clone()),
        Written::NotEqual => Condition::NotEqual(written.value.clone()),
        Written::Match => Condition::Match(pattern()?),
        Written::NoMatch => Condition::NoMatch(pattern()?),
    };
    Ok(Matcher {
        name: written.name.clone(),
        condition,
    })
}

/// The labels of the one series that `absent` makes.
pub(super) fn absent_labels(matchers: &[Matcher]) -> Labels {
    let mut labels = Labels::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers
        .iter()
        .filter(|matcher| matcher.name != METRIC_NAME)
    {
        match &matcher.condition {
            Condition::Equal(value) if !seen.contains(&matcher.name.as_str()) => {
                labels = labels.with(&matcher.name, value);
                seen.push(&matcher.name);
            }
            _ => labels = labels.with(&matcher.name, ""),
        }
    }
    labels
}

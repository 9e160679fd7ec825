//! The matchers of a selector.

use regex::{Regex, RegexBuilder};

use super::super::error::QueryError;
use super::super::text::{Condition as Written, WrittenMatcher, error_at};
use crate::labels::{Labels, METRIC_NAME};
use crate::source::{Condition, Matcher};

/// How large a compiled pattern may be.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The matchers of a selector with the name before the braces, if there is one.
pub(super) fn plan(
    text: &str,
    name: Option<&str>,
    written: &[WrittenMatcher],
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
        matchers.push(plan_matcher(text, matcher)?);
    }
    let nothing = Labels::default();
    if matchers.iter().all(|matcher| matcher.matches(&nothing)) {
        let message = "vector selector must contain at least one non-empty matcher";
        return Err(error_at(text, 0, 0, message));
    }
    Ok(matchers)
}

fn plan_matcher(text: &str, written: &WrittenMatcher) -> Result<Matcher, QueryError> {
    let pattern = || {
        compile(&written.value).map_err(|error| {
            let message = format!("invalid regular expression: {error}");
            error_at(text, written.place.0, written.place.1, message)
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

/// A pattern, anchored at both ends; `.` is a line feed too.
pub(in super::super) fn compile(pattern: &str) -> Result<Regex, String> {
    let build = |pattern: &str| {
        RegexBuilder::new(&format!("^(?s:{pattern})$"))
            .size_limit(PATTERN_BYTES_MAX)
            .build()
    };
    let first = build(pattern).map_err(|error| error.to_string());
    // Where Prometheus takes a brace that begins no repetition as itself, this engine does not.
    first.or_else(|error| build(&escape_braces(pattern)).map_err(|_| last_line(&error)))
}

/// The engine draws the pattern over several lines; the last one says what is wrong.
fn last_line(error: &str) -> String {
    let line = error.lines().last().unwrap_or(error);
    line.trim_start_matches("error: ").to_owned()
}

fn escape_braces(pattern: &str) -> String {
    let mut escaped = String::with_capacity(pattern.len() + 8);
    let mut characters = pattern.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                escaped.push(character);
                if let Some((_, next)) = characters.next() {
                    escaped.push(next);
                    // `\p{Greek}`, `\x{10FFFF}`: the braces belong to the escape.
                    if matches!(next, 'p' | 'P' | 'x')
                        && pattern
                            .get(at + 2..)
                            .is_some_and(|rest| rest.starts_with('{'))
                        && characters.next().is_some()
                    {
                        escaped.push('{');
                    }
                }
            }
            '{' if !is_repetition(pattern.get(at + 1..).unwrap_or("")) => escaped.push_str("\\{"),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn is_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else {
        return false;
    };
    let (first, second) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !first.is_empty() && digits(first) && digits(second)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_a_dot_is_a_line_feed_and_a_lone_brace_itself() {
        let pattern = compile("a.b|c").unwrap();
        assert!(pattern.is_match("a\nb") && pattern.is_match("c"));
        assert!(!pattern.is_match("xa.b") && !pattern.is_match("cc"));
        assert!(compile("a{b}c").unwrap().is_match("a{b}c"));
        assert!(compile("a{2}{x}\\p{Greek}").unwrap().is_match("aa{x}α"));
        assert!(compile("(").is_err());
    }
}

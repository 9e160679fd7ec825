//! Runs one test of rules.

use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_history::QueryLimits;

use super::document::{Expect, START_MSEC, Test};
use super::play::{Happened, PlayError, play};

/// What came of a test.
#[derive(Debug)]
pub struct Outcome {
    /// What is not as expected, a line each; empty where all is.
    pub wrong: Vec<String>,
    /// All that happened, a line each.
    pub happened: Vec<String>,
}

/// Runs a test over those of `rules` that it asks for.
pub fn run(test: &Test, rules: &[Rule]) -> Result<Outcome, PlayError> {
    let wanted = |rule: &&Rule| test.rules.is_empty() || test.rules.contains(&rule.name);
    let rules: Vec<Rule> = rules.iter().filter(wanted).cloned().collect();
    let mut wrong: Vec<String> = Vec::new();
    for name in &test.rules {
        if !rules.iter().any(|rule| rule.name == *name) {
            wrong.push(format!("there is no rule '{name}'"));
        }
    }
    let span = (START_MSEC, START_MSEC + test.lasts_msec);
    let limits = QueryLimits::default();
    let happened = play(&rules, &test.source, span, test.interval_msec, &limits)?;
    compare(&test.expect, &happened, &mut wrong);
    Ok(Outcome {
        wrong,
        happened: happened.iter().map(render_happened).collect(),
    })
}

/// Both are in order of time; what is at one time may be in any order.
fn compare(expect: &[Expect], happened: &[Happened], wrong: &mut Vec<String>) {
    let mut left: Vec<&Happened> = happened.iter().collect();
    for expected in expect {
        match left.iter().position(|one| is_met(expected, one)) {
            Some(place) => drop(left.remove(place)),
            None => wrong.push(format!("missing: {}", render_expect(expected))),
        }
    }
    wrong.extend(left.into_iter().map(|one| format!("not expected: {}", render_happened(one))));
}

fn is_met(expected: &Expect, happened: &Happened) -> bool {
    let told = &happened.told;
    let is_severity = |severity: &String| severity == told.severity.as_str();
    let labels = expected.labels.iter();
    expected.at_msec == told.time_msec - START_MSEC
        && expected.rule == told.rule
        && expected.kind == told.kind.as_str()
        && expected.severity.as_ref().is_none_or(is_severity)
        && expected.message.as_ref().is_none_or(|message| *message == told.message)
        && labels.clone().all(|(name, value)| told.labels.get(name) == Some(value))
}

fn render_expect(expected: &Expect) -> String {
    let severity = expected.severity.as_deref().unwrap_or("at any severity");
    let mut text = format!(
        "{} {} {} {severity}",
        render_time(expected.at_msec),
        expected.rule,
        expected.kind
    );
    if !expected.labels.is_empty() {
        text.push_str(&format!(" {:?}", expected.labels));
    }
    if let Some(message) = &expected.message {
        text.push_str(&format!(": {message}"));
    }
    text
}

fn render_happened(happened: &Happened) -> String {
    let told = &happened.told;
    format!(
        "{} {} {} {} {:?}: {}",
        render_time(told.time_msec - START_MSEC),
        told.rule,
        told.kind.as_str(),
        told.severity,
        told.labels,
        told.message
    )
}

fn render_time(msec: i64) -> String {
    format!("{:#}", jiff::SignedDuration::from_millis(msec))
}

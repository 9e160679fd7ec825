//! Runs one test of rules.

use jiff::tz::TimeZone;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_history::QueryLimits;
use lfs_wrapper_state::DatabaseError;

use super::document::{Expect, Notify, START_MSEC, Test};
use super::play::{Happened, PlayError, play};
use super::telling::{Sent, tell};

/// How often the monitor looks what time alone makes due, at most.
const LOOK_MSEC: i64 = 1_000;

/// What came of a test.
#[derive(Debug)]
pub struct Outcome {
    /// What is not as expected, a line each; empty where all is.
    pub wrong: Vec<String>,
    /// All that happened, a line each.
    pub happened: Vec<String>,
    /// All that was told, a line each message.
    pub told: Vec<String>,
}

/// Why a test cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// A rule cannot be played.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// SQLite reports something.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Runs a test over those of `rules` that it asks for; `routing` says who is
/// told.
pub fn run(test: &Test, rules: &[Rule], routing: &Routing) -> Result<Outcome, TestError> {
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
    let sent = tell(
        &happened,
        routing,
        (span.1, test.interval_msec.max(LOOK_MSEC)),
        &TimeZone::UTC,
    )?;
    if let Some(notify) = &test.notify {
        compare_told(notify, &sent, &mut wrong);
    }
    Ok(Outcome {
        told: sent.iter().map(render_sent).collect(),
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
    wrong.extend(
        left.into_iter()
            .map(|one| format!("not expected: {}", render_happened(one))),
    );
}

fn is_met(expected: &Expect, happened: &Happened) -> bool {
    let told = &happened.told;
    let is_severity = |severity: &String| severity == told.severity.as_str();
    let labels = expected.labels.iter();
    expected.at_msec == told.time_msec - START_MSEC
        && expected.rule == told.rule
        && expected.kind == told.kind.as_str()
        && expected.severity.as_ref().is_none_or(is_severity)
        && expected
            .message
            .as_ref()
            .is_none_or(|message| *message == told.message)
        && labels
            .clone()
            .all(|(name, value)| told.labels.get(name) == Some(value))
}

fn compare_told(expect: &[Notify], sent: &[Sent], wrong: &mut Vec<String>) {
    let mut left: Vec<&Sent> = sent.iter().collect();
    for expected in expect {
        match left.iter().position(|one| is_told(expected, one)) {
            Some(place) => drop(left.remove(place)),
            None => wrong.push(format!(
                "not told: {} {} {} {}",
                render_time(expected.at_msec),
                expected.channel,
                expected.rule,
                expected.kind.as_deref().unwrap_or_default()
            )),
        }
    }
    wrong.extend(
        left.into_iter()
            .map(|one| format!("told unexpectedly: {}", render_sent(one))),
    );
}

fn is_told(expected: &Notify, sent: &Sent) -> bool {
    let mut notifications = sent.notifications.iter();
    expected.at_msec == sent.time_msec - START_MSEC
        && expected.channel == sent.channel
        && notifications.any(|one| {
            let kind = expected.kind.as_deref();
            expected.rule == one.rule && kind.is_none_or(|kind| kind == one.kind.as_str())
        })
}

fn render_sent(sent: &Sent) -> String {
    let what = sent.notifications.iter().map(|one| {
        let again = if one.is_reminder { " again" } else { "" };
        format!("{} {}{again} {}", one.rule, one.kind.as_str(), one.severity)
    });
    format!(
        "{} {}: {}",
        render_time(sent.time_msec - START_MSEC),
        sent.channel,
        what.collect::<Vec<_>>().join(", ")
    )
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

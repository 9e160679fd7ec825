//! Tests of rules, as TOML: docs/alert-rules.md describes them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use jiff::SignedDuration;
use lfs_wrapper_alert::rule::Labels;
use lfs_wrapper_history::{MemorySource, parse_series};
use lfs_wrapper_model::document::{self, DocumentError};
use serde::Deserialize;
use toml::Spanned;

use super::notation::parse_values;

/// When the first sample of every test is: a round time far from 0.
pub(super) const START_MSEC: i64 = 1_700_000_000_000;

/// Looks in one test.
const LOOKS_MAX: i64 = 1_000_000;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "test")]
    tests: Vec<TestTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestTable {
    name: Spanned<String>,
    rules: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    interval: Option<Spanned<String>>,
    #[serde(default)]
    lasts: Option<Spanned<String>>,
    series: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    expect: Vec<ExpectTable>,
    #[serde(default)]
    notify: Option<Vec<NotifyTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectTable {
    at: Spanned<String>,
    rule: String,
    kind: Spanned<String>,
    severity: Option<String>,
    #[serde(default)]
    labels: Labels,
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotifyTable {
    at: Spanned<String>,
    channel: String,
    rule: String,
    kind: Option<String>,
}

/// All tests of a file.
#[derive(Debug)]
pub struct Document {
    /// In their order.
    pub tests: Vec<Test>,
}

/// Series, and what must come of them.
#[derive(Debug)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Only these rules are looked at; all where there are none.
    pub rules: Vec<String>,
    /// From one sample, and look, to the next.
    pub interval_msec: i64,
    /// How long it lasts.
    pub lasts_msec: i64,
    /// The series.
    pub source: MemorySource,
    /// Every change of an alert there is, in order.
    pub expect: Vec<Expect>,
    /// Every message there is, in order; not looked at where there are none.
    pub notify: Option<Vec<Notify>>,
}

/// A change of an alert that must come.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Since the first sample.
    pub at_msec: i64,
    /// The rule.
    pub rule: String,
    /// `raised`, `resolved`, ….
    pub kind: String,
    /// The severity, if it matters.
    pub severity: Option<String>,
    /// Labels that the alert must have among others.
    pub labels: Labels,
    /// The message, if it matters.
    pub message: Option<String>,
}

/// A message that must be sent.
#[derive(Clone, Debug)]
pub struct Notify {
    /// Since the first sample.
    pub at_msec: i64,
    /// Where to.
    pub channel: String,
    /// The rule.
    pub rule: String,
    /// What happened, if it matters.
    pub kind: Option<String>,
}

type Wrong = (Range<usize>, String, &'static str);

/// Reads the tests in `text`, which is from `path`.
pub fn parse_tests(path: &Path, text: &str) -> Result<Document, DocumentError> {
    let file: File = document::parse(path, text)?;
    let wrong =
        |(span, message, help): Wrong| DocumentError::at(path, text, span, message).with_help(help);
    let tests = file.tests.into_iter().map(read_test);
    let tests: Result<Vec<Test>, Wrong> = tests.collect();
    Ok(Document {
        tests: tests.map_err(wrong)?,
    })
}

fn read_test(table: TestTable) -> Result<Test, Wrong> {
    let interval_msec = match &table.interval {
        Some(text) => parse_duration(text)?,
        None => 1_000,
    };
    if interval_msec < 1 {
        let span = table
            .interval
            .as_ref()
            .map_or(table.name.span(), Spanned::span);
        let message = "an interval of no time".to_owned();
        return Err((span, message, "give at least 1ms"));
    }
    let (source, samples) = read_series(&table.series, interval_msec)?;
    let lasts_msec = match &table.lasts {
        Some(text) => parse_duration(text)?,
        None => samples.saturating_sub(1).saturating_mul(interval_msec),
    };
    if lasts_msec / interval_msec > LOOKS_MAX {
        let message = format!("more than {LOOKS_MAX} looks");
        return Err((
            table.name.span(),
            message,
            "give a longer interval or less time",
        ));
    }
    let expect = table.expect.into_iter().map(read_expect);
    let notify = table
        .notify
        .map(|all| all.into_iter().map(read_notify).collect());
    Ok(Test {
        name: table.name.into_inner(),
        rules: table
            .rules
            .into_iter()
            .flatten()
            .map(Spanned::into_inner)
            .collect(),
        interval_msec,
        lasts_msec,
        source,
        expect: expect.collect::<Result<_, _>>()?,
        notify: notify.transpose()?,
    })
}

/// The series, and how many samples the longest has.
fn read_series(
    texts: &BTreeMap<Spanned<String>, Spanned<String>>,
    interval_msec: i64,
) -> Result<(MemorySource, i64), Wrong> {
    let mut source = MemorySource::default();
    let mut longest = 0;
    for (series, samples) in texts {
        let labels = match parse_series(series.get_ref()) {
            Some((labels, "")) if !labels.is_empty() => labels,
            _ => {
                let message = format!("'{}' is no series", series.get_ref());
                let help = "write name{label=\"value\",…} and nothing else";
                return Err((series.span(), message, help));
            }
        };
        let values = parse_values(samples.get_ref()).map_err(|message| {
            let help = "as in Prometheus' unit tests: docs/alert-rules.md";
            (samples.span(), message, help)
        })?;
        let mut time_msec = START_MSEC;
        for value in &values {
            if let Some(value) = value {
                source.push(labels.clone(), time_msec, *value);
            }
            time_msec += interval_msec;
        }
        longest = longest.max(i64::try_from(values.len()).unwrap_or(i64::MAX));
    }
    Ok((source, longest))
}

fn read_expect(table: ExpectTable) -> Result<Expect, Wrong> {
    const KINDS: [&str; 7] = [
        "raised",
        "repeated",
        "escalated",
        "deescalated",
        "nodata",
        "returned",
        "resolved",
    ];
    if !KINDS.contains(&table.kind.get_ref().as_str()) {
        let message = format!("nothing is called '{}'", table.kind.get_ref());
        let help = "raised, repeated, escalated, deescalated, nodata, returned or resolved";
        return Err((table.kind.span(), message, help));
    }
    Ok(Expect {
        at_msec: parse_duration(&table.at)?,
        rule: table.rule,
        kind: table.kind.into_inner(),
        severity: table.severity,
        labels: table.labels,
        message: table.message,
    })
}

fn read_notify(table: NotifyTable) -> Result<Notify, Wrong> {
    Ok(Notify {
        at_msec: parse_duration(&table.at)?,
        channel: table.channel,
        rule: table.rule,
        kind: table.kind,
    })
}

fn parse_duration(text: &Spanned<String>) -> Result<i64, Wrong> {
    let parsed: Result<SignedDuration, _> = text.get_ref().parse();
    let msec = parsed
        .ok()
        .and_then(|time| i64::try_from(time.as_millis()).ok());
    msec.filter(|msec| *msec >= 0).ok_or_else(|| {
        let message = format!("'{}' is no time", text.get_ref());
        (text.span(), message, "write 500ms, 90s, 2m, 1h30m")
    })
}

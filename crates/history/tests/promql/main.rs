//! What queries are answered with.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod aggregations;
mod api;
mod errors;
mod functions;
mod kept;
mod limits;
mod operators;
mod properties;
mod selectors;
mod windows;

use lfs_wrapper_history::{
    Answer, MemorySource, Query, QueryError, QueryLimits as Limits, STALE, Value,
};

/// Samples from time 0 on, one a minute; `_` is none, `stale` the end of a series.
fn source(lines: &[&str]) -> MemorySource {
    let mut source = MemorySource::default();
    for line in lines {
        let (labels, values) = lfs_wrapper_history::parse_series(line).unwrap();
        for (minute, value) in values.split_whitespace().enumerate() {
            let value = match value {
                "_" => continue,
                "stale" => STALE,
                value => value.parse().unwrap(),
            };
            let time_msec = i64::try_from(minute).unwrap() * 60_000;
            source.push(labels.clone(), time_msec, value);
        }
    }
    source
}

fn limits() -> Limits {
    Limits::default()
}

fn ask(source: &MemorySource, query: &str, second: i64) -> Result<Answer, QueryError> {
    Query::parse(query)?.instant(source, second * 1000, &limits())
}

/// The answer at a time, a line for each series.
fn at(source: &MemorySource, query: &str, second: i64) -> Vec<String> {
    match ask(source, query, second) {
        Ok(answer) => lines(&answer),
        Err(error) => vec![format!("error: {error}")],
    }
}

fn lines(answer: &Answer) -> Vec<String> {
    match &answer.value {
        Value::Scalar { value, .. } => vec![format!("{value}")],
        Value::Text { value, .. } => vec![value.clone()],
        Value::Vector { samples, .. } => samples
            .iter()
            .map(|sample| format!("{} {}", sample.labels, sample.value))
            .collect(),
        Value::Matrix(series) => series
            .iter()
            .map(|(labels, stretch)| {
                let times = stretch.times.iter().map(|time| time / 1000);
                let points: Vec<String> = times
                    .zip(&stretch.values)
                    .map(|(second, value)| format!("{value}@{second}"))
                    .collect();
                format!("{labels} {}", points.join(" "))
            })
            .collect(),
    }
}

/// The answer over a range in seconds.
fn over(source: &MemorySource, query: &str, from: i64, to: i64, step: i64) -> Vec<String> {
    let parsed = Query::parse(query).unwrap();
    match parsed.range(source, from * 1000, to * 1000, step * 1000, &limits()) {
        Ok(answer) => lines(&answer),
        Err(error) => vec![format!("error: {error}")],
    }
}

/// Each query has these lines at that second.
#[track_caller]
fn expect(source: &MemorySource, second: i64, cases: &[(&str, &[&str])]) {
    for (query, wanted) in cases {
        assert_eq!(at(source, query, second), *wanted, "{query}");
    }
}

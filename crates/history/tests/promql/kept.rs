//! What is asked of a history on disk, where roll-ups may answer.

use std::sync::Arc;
use std::time::Instant;

use lfs_wrapper_history::{
    Entry, Frame, Group, History, Labels, Limits, METRIC_NAME, Part, Query, QueryLimits, ReadError,
    Source,
};
use lfs_wrapper_model::metric::{FoundMetric, MetricKind};
use tempfile::TempDir;

use lfs_wrapper_history::MemorySource;

/// A multiple of all intervals of roll-ups.
const START_MSEC: i64 = 1_699_920_000_000;

fn gauge(name: &str) -> Entry {
    let metric = FoundMetric {
        name: name.to_owned(),
        kind: MetricKind::Gauge,
        help: String::new(),
    };
    Entry {
        labels: Labels::new([(METRIC_NAME.to_owned(), name.to_owned())]),
        metric: metric.into(),
    }
}

/// Seven hours of samples, rolled up, and the same in memory.
fn fill(history: &History) -> MemorySource {
    let entries: Arc<[Entry]> = [gauge("mixed"), gauge("big")].into();
    let mut memory = MemorySource::default();
    for number in 0..7 * 240_u32 {
        let mixed = [1e9, 0.123_456_789, -1e9, 1.0 / 3.0, 2.5e-7];
        let mixed = mixed[usize::try_from(number % 5).unwrap()] * f64::from(number % 7 + 1);
        let values = vec![mixed, 1.6e308 + f64::from(number % 3) * 1e306];
        let time_msec = START_MSEC + i64::from(number) * 15_000 + 137;
        for (entry, value) in entries.iter().zip(&values) {
            memory.push(entry.labels.clone(), time_msec, *value);
        }
        history.append(&Frame {
            time_msec,
            monotonic_usec: u64::from(number) * 15_000_000,
            parts: vec![Part {
                group: Group::Machine,
                entries: Arc::clone(&entries),
                values,
            }],
        });
        if number % 40 == 0 {
            history.flush().unwrap();
        }
    }
    history.flush().unwrap();
    history.maintain().unwrap();
    memory
}

fn open(folder: &TempDir) -> History {
    let limits = Limits {
        disk_free_min: 0,
        // The samples are of 2023.
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    };
    History::open(&folder.path().join("history.db"), limits)
        .unwrap()
        .0
}

#[test]
fn sums_and_averages_are_those_of_the_samples_while_there_are_any() {
    let folder = TempDir::new().unwrap();
    let history = open(&folder);
    let memory = fill(&history);
    for text in [
        "sum_over_time(mixed[10m])",
        "avg_over_time(mixed[10m])",
        "sum_over_time(mixed[1h]) - sum_over_time(mixed[1h] offset 1m)",
        "avg_over_time(big[10m])",
        "count_over_time(mixed[1h])",
    ] {
        let query = Query::parse(text).unwrap();
        let ask = |source: &dyn Source| {
            let (first, last) = (START_MSEC + 7_200_000, START_MSEC + 5 * 3_600_000);
            query
                .range(source, first, last, 600_000, &QueryLimits::default())
                .unwrap()
        };
        let (got, wanted) = (ask(&history.reader()), ask(&memory));
        assert!(!super::lines(&got)[0].contains("inf"), "{text}");
        assert_eq!(super::lines(&got), super::lines(&wanted), "{text}");
    }
}

#[test]
fn series_are_not_looked_for_when_the_time_is_over() {
    let folder = TempDir::new().unwrap();
    let history = open(&folder);
    fill(&history);
    let find = |deadline| history.reader().series(&[], 0, i64::MAX / 4, deadline);
    assert_eq!(find(None).unwrap().len(), 2);
    assert_eq!(find(Some(Instant::now())), Err(ReadError::TimedOut));
}

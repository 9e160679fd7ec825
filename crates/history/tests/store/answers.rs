//! What is asked of a history that is old, damaged or large.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::{collect, entry, everything, frame_of, select};
use lfs_wrapper_history::{
    Channel, Entry, History, Limits, ReadError, Reader, Selection, Source, Stretch,
};
use lfs_wrapper_model::metric::MetricKind;
use tempfile::TempDir;

const HOUR: i64 = 3_600_000;
/// The start of a window of each tier.
const START: i64 = 1_700_000_400_000 / (120 * HOUR) * (120 * HOUR);
const MINUTES: i64 = 120 * 60;

fn scratch() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    (folder, path)
}

fn open(path: &Path) -> History {
    let limits = Limits {
        disk_free_min: 0,
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    };
    History::open(path, limits).unwrap().0
}

/// Five days of gauges, a value a minute; one more in the first ten minutes.
fn fill(history: &History) {
    let long: Arc<[Entry]> = [entry("long", MetricKind::Gauge)].into();
    let both: Arc<[Entry]> = [long[0].clone(), entry("short", MetricKind::Gauge)].into();
    for minute in 1..=MINUTES + 1 {
        let entries = if minute <= 10 { &both } else { &long };
        let values = vec![f64::from(i32::try_from(minute).unwrap()); entries.len()];
        history.append(&frame_of(START + minute * 60_000, entries, values));
        if minute % 20 == 0 {
            history.flush().unwrap();
        }
    }
    history.flush().unwrap();
    history.maintain().unwrap();
}

/// How many samples there are, asked hour by hour.
fn count_hourly(source: &dyn Source) -> f64 {
    let hourly = Selection {
        matchers: &[],
        from_msec: START + 1,
        to_msec: START + MINUTES * 60_000,
        first_msec: START + HOUR,
        step_msec: HOUR,
        range_msec: HOUR,
        channel: Channel::Count,
        deadline: None,
    };
    let found = collect(source, &hourly);
    let long = found.iter().find(|(name, _)| name == "long").unwrap();
    long.1.values.iter().filter(|value| !value.is_nan()).sum()
}

fn series(source: &dyn Source, from_msec: i64, to_msec: i64) -> Vec<String> {
    let found = source.series(&[], from_msec, to_msec, None).unwrap();
    found.iter().map(ToString::to_string).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
#[test]
fn an_hourly_roll_up_loses_nothing_next_to_memory() {
    let (_folder, path) = scratch();
    let history = open(&path);
    fill(&history);
    let rolled = history.reader().info().unwrap().tiers[3].values;
    assert!(rolled >= 120, "{rolled}");
    assert_eq!(count_hourly(&history.reader()), MINUTES as f64);
}

#[test]
fn the_series_of_a_few_minutes_long_ago_are_those_that_were_there_then() {
    let (_folder, path) = scratch();
    let history = open(&path);
    fill(&history);
    let newest = START + (MINUTES + 1) * 60_000;
    let spans: [(i64, i64, &[&str]); 5] = [
        (START + 300_000, START + 360_000, &["long", "short"]),
        (
            START + 3 * HOUR + 300_000,
            START + 3 * HOUR + 360_000,
            &["long"],
        ),
        (START + 3 * HOUR, START + 3 * HOUR, &["long"]),
        (newest, newest, &["long"]),
        (newest + 1, newest + HOUR, &[]),
    ];
    for (from, to, expected) in spans {
        assert_eq!(series(&history.reader(), from, to), expected, "{from} {to}");
        assert_eq!(series(&Reader::open(&path).unwrap(), from, to), expected);
    }
    // Only the coarsest roll-up is left.
    history
        .with_connection(|connection| {
            connection.execute_batch("DELETE FROM block WHERE id >> 58 < 3")
        })
        .unwrap();
    let (from, to, _) = spans[1];
    assert_eq!(series(&history.reader(), from, to), ["long"]);
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
#[test]
fn what_a_damaged_roll_up_was_made_of_answers_for_it_and_it_is_made_again() {
    for tiers in ["3", "2, 3", "1, 2, 3"] {
        let (_folder, path) = scratch();
        let history = open(&path);
        fill(&history);
        let sql = format!("UPDATE block SET data = zeroblob(100) WHERE id >> 58 IN ({tiers})");
        history
            .with_connection(|connection| connection.execute_batch(&sql))
            .unwrap();
        let reader = history.reader();
        assert_eq!(count_hourly(&reader), MINUTES as f64, "{tiers}");
        assert!(history.counts().damaged.get() > 0);
        // Those that were not asked for yet are found when the next is made of them.
        for _ in 0..3 {
            history.maintain().unwrap();
            assert_eq!(count_hourly(&reader), MINUTES as f64, "{tiers}");
        }
        let info = reader.info().unwrap();
        let damaged = sql.replace(
            "UPDATE block SET data = zeroblob(100)",
            "SELECT count(*) FROM block",
        );
        let left: i64 = history
            .with_connection(|connection| {
                connection.query_row(
                    &format!("{damaged} AND length(data) = 100 AND id >> 58 = 3"),
                    [],
                    |row| row.get(0),
                )
            })
            .unwrap();
        assert_eq!(left, 0, "{tiers}");
        assert!(info.tiers[3].values >= 120, "{tiers}: {info:?}");
    }
}

#[test]
fn series_that_ended_long_ago_are_in_nobodys_way() {
    let (_folder, path) = scratch();
    let history = open(&path);
    for part in 0..2 {
        let ended = (0..50_005).map(|number| {
            let mut made = entry("many", MetricKind::Gauge);
            made.labels = made.labels.with("number", &format!("{part} {number}"));
            let stretch = Stretch {
                times: vec![START],
                values: vec![1.0],
            };
            (made, stretch)
        });
        history.import(&ended.collect::<Vec<_>>()).unwrap();
    }
    let entries: Arc<[Entry]> = [entry("many", MetricKind::Gauge)].into();
    let now = START + 72 * HOUR;
    history.append(&frame_of(now, &entries, vec![1.0]));
    history.flush().unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(select(&reader, now - HOUR, now).len(), 1);
    assert_eq!(series(&reader, now - HOUR, now), ["many"]);
    // Those that are asked for count.
    let all = Selection {
        matchers: &[],
        from_msec: START - HOUR,
        to_msec: now,
        first_msec: START,
        step_msec: 0,
        range_msec: 0,
        channel: Channel::Last,
        deadline: None,
    };
    let found = reader.select(&all).map(|found| found.len());
    assert!(
        matches!(found, Err(ReadError::TooManySeries { .. })),
        "{found:?}"
    );
}

#[test]
fn a_query_of_what_is_in_memory_ends_at_its_deadline_too() {
    let (_folder, path) = scratch();
    let history = open(&path);
    let entries: Arc<[Entry]> = [entry("a", MetricKind::Gauge)].into();
    history.append(&frame_of(START + 1000, &entries, vec![1.0]));
    let over = Selection {
        matchers: &[],
        from_msec: START + 1000,
        to_msec: START + 1000,
        first_msec: START + 1000,
        step_msec: 0,
        range_msec: 0,
        channel: Channel::Last,
        deadline: Instant::now().checked_sub(Duration::from_secs(1)),
    };
    let found = history.reader().select(&over).map(|found| found.len());
    assert_eq!(found, Err(ReadError::TimedOut));
}

#[test]
fn maintenance_is_done_in_steps_that_each_bring_it_on() {
    let (_folder, path) = scratch();
    let history = open(&path);
    // Three clusters.
    let entries: Arc<[Entry]> = (0..600)
        .map(|number| entry(&format!("series_{number}"), MetricKind::Gauge))
        .collect();
    for minute in 1..=75 {
        history.append(&frame_of(START + minute * 60_000, &entries, vec![1.0; 600]));
        history.flush().unwrap();
    }
    let waiting = || history.reader().info().unwrap().waiting_windows;
    assert!(waiting() > 0);
    let before = waiting();
    let mut steps = 0;
    while !history.maintain_for(Duration::ZERO).unwrap() {
        steps += 1;
        assert!(steps < 20);
    }
    // One for each cluster, and one that says that the hour is done.
    assert_eq!((steps, before - waiting()), (4, 1));
    assert_eq!(everything(&history.reader()).len(), 600);
}

#[test]
fn series_that_there_is_no_number_for_are_counted_with_their_samples() {
    let (_folder, path) = scratch();
    drop(open(&path));
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "INSERT INTO metric VALUES (1, 'known', 'gauge', 'known', '');
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
             INSERT INTO series SELECT i, 1, 1, i / 256 + 1, 1000000, 0, CAST(i AS BLOB) FROM n",
        )
        .unwrap();
    let history = open(&path);
    let entries: Arc<[Entry]> = [entry("a", MetricKind::Gauge)].into();
    for (second, flushed) in [(1, true), (2, false), (3, true), (4, false), (700, true)] {
        history.append(&frame_of(START + second * 1000, &entries, vec![1.0]));
        if flushed {
            history.flush().unwrap();
        }
    }
    let counts = history.counts();
    assert_eq!(counts.dropped_samples.get(), 5);
    // Once in each window.
    assert_eq!(counts.dropped_series(), [("a".to_owned(), 2)]);
    assert_eq!(counts.dropped_series_count(), 2);
}

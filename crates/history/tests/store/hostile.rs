//! What nobody should hand to the history, or do to its file, and somebody will.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::common::{entry, everything, frame, frame_of};
use lfs_wrapper_history::{Entry, Frame, History, HistoryError, Limits, Reader, Stretch, is_stale};
use lfs_wrapper_model::metric::MetricKind;
use tempfile::TempDir;

const START: i64 = 1_700_000_400_000;

fn limits() -> Limits {
    Limits {
        disk_free_min: 0,
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    }
}

fn open(path: &Path) -> History {
    History::open(path, limits()).unwrap().0
}

fn labelled(name: &str, value: &str) -> Entry {
    let mut made = entry(name, MetricKind::Gauge);
    made.labels = made.labels.with("value", value);
    made
}

fn samples(history: &History) -> usize {
    let all = everything(&history.reader());
    let values = all.iter().flat_map(|(_, stretch)| &stretch.values);
    values.filter(|value| !is_stale(**value)).count()
}

#[test]
fn labels_of_any_text_come_back_as_they_were() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let texts = [
        "\0",
        "a\0b",
        "\n",
        "\r\n\t",
        "\u{10ffff}\u{feff}",
        "größe \"'\\",
        "%s",
        " ",
    ];
    let entries: Arc<[Entry]> = texts
        .iter()
        .map(|text| labelled("a", text))
        .chain(texts.iter().map(|text| {
            let mut made = entry(text, MetricKind::Gauge);
            made.labels = made.labels.with(text, text);
            made
        }))
        .collect();
    let expected = {
        let mut labels: Vec<String> = entries
            .iter()
            .map(|entry| entry.labels.to_string())
            .collect();
        labels.sort();
        labels
    };
    let names = |history: &History| {
        let mut names: Vec<String> = everything(&history.reader())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names
    };
    let history = open(&path);
    let values = vec![1.0; entries.len()];
    history.append(&frame_of(START + 1000, &entries, values.clone()));
    history.flush().unwrap();
    drop(history);
    let history = open(&path);
    assert_eq!(names(&history), expected);
    history.append(&frame_of(START + 601_000, &entries, values));
    history.flush().unwrap();
    drop(history);
    let history = open(&path);
    assert_eq!(names(&history), expected);
    assert_eq!(samples(&history), 2 * expected.len());
}

#[test]
fn a_label_of_many_megabytes_is_dropped_and_counted_and_the_rest_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let huge = labelled("huge", &"x".repeat(10 << 20));
    let entries: Arc<[Entry]> = [huge.clone(), labelled("a", "b")].into();
    history.append(&frame_of(START + 1000, &entries, vec![1.0, 2.0]));
    history.flush().unwrap();
    let stretch = Stretch {
        times: vec![START],
        values: vec![1.0],
    };
    let imported = history.import(&[(huge, stretch)]).unwrap();
    assert_eq!(
        (imported.samples, imported.too_long, imported.dropped),
        (0, 1, 0)
    );
    assert_eq!(history.counts().dropped_series(), [("huge".to_owned(), 1)]);
    assert_eq!(samples(&history), 1);
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 1 << 20, "{size}");
}

#[test]
fn many_series_at_once_are_taken_as_far_as_the_limits_go_and_the_rest_is_counted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let entries: Arc<[Entry]> = (0..100_000)
        .map(|number| labelled(&format!("many_{}", number % 20), &number.to_string()))
        .collect();
    for second in 1..=2 {
        let values = vec![f64::from(u32::try_from(second).unwrap()); entries.len()];
        history.append(&frame_of(START + second * 1000, &entries, values));
    }
    history.flush().unwrap();
    let counts = history.counts();
    assert_eq!(counts.open_series.get(), 50_000);
    assert_eq!(counts.dropped_samples.get(), 100_000);
    let dropped: u64 = counts.dropped_series().iter().map(|(_, count)| count).sum();
    assert_eq!(dropped, 50_000);
    // They count in the window in which they end, and not in the next.
    history.append(&frame(START + 700_000, &[("a", 1.0)]));
    history.append(&frame(START + 1_400_000, &[("a", 1.0)]));
    history.flush().unwrap();
    assert_eq!(samples(&history), 100_001);
}

#[test]
fn one_metric_with_a_million_label_values_stays_within_its_limit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    for part in 0..20_i64 {
        let entries: Arc<[Entry]> = (0..50_000)
            .map(|number| labelled("many", &format!("{part} {number}")))
            .collect();
        let values = vec![1.0; entries.len()];
        history.append(&frame_of(START + part * 1000 + 1, &entries, values));
    }
    history.flush().unwrap();
    let counts = history.counts();
    assert_eq!(counts.open_series.get(), 8192);
    assert_eq!(
        counts.dropped_series(),
        [("many".to_owned(), 1_000_000 - 8192)]
    );
}

#[test]
#[ignore = "takes a minute"]
fn an_import_of_a_million_series_is_bounded_and_counted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let (mut taken, mut dropped) = (0, 0);
    for part in 0..20 {
        let batch: Vec<(Entry, Stretch)> = (0..50_000)
            .map(|number| {
                let stretch = Stretch {
                    times: vec![START],
                    values: vec![1.0],
                };
                (labelled("many", &format!("{part} {number}")), stretch)
            })
            .collect();
        let outcome = history.import(&batch).unwrap();
        taken += outcome.samples;
        dropped += outcome.dropped;
    }
    assert_eq!((taken, dropped), (500_000, 500_000));
}

#[test]
fn a_clock_that_steps_back_and_forth_costs_nothing_that_was_flushed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let mut expected = std::collections::BTreeSet::new();
    for number in 0..1000_i64 {
        let time = START
            + number * 1000
            + [0, 3_600_000, -7_200_000][usize::try_from(number % 3).unwrap()];
        history.append(&frame(time, &[("a", 1.0)]));
        expected.insert(time);
        history.flush().unwrap();
    }
    history.maintain().unwrap();
    assert_eq!(history.counts().lost_frames.get(), 0);
    drop(history);
    let history = open(&path);
    let found = everything(&history.reader());
    let times: Vec<i64> = found[0].1.times.clone();
    assert_eq!(times, expected.into_iter().collect::<Vec<i64>>());
}

/// As a clock does that is set back by a second each second.
#[test]
fn a_clock_that_stands_still_for_hours_does_not_end_the_writing() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap());
    let path = folder.path().join("history.db");
    let history = open(&path);
    for number in 0..9000_i64 {
        let time = START + 300_000 + number * 7 % 1000 - number % 2 * 2000;
        history.append(&frame(time, &[("a", 1.0)]));
        let result = history.flush();
        assert!(result.is_ok(), "{number}: {result:?}");
    }
    history.append(&frame(START + 9_000_000, &[("a", 2.0)]));
    history.flush().unwrap();
    history.maintain().unwrap();
    let found = everything(&history.reader());
    assert_eq!(found[0].1.times.last(), Some(&(START + 9_000_000)));
}

#[test]
fn times_of_no_clock_do_no_harm() {
    let year_3000 = 32_503_680_000_000;
    let times = [
        -5_000_000,
        -1,
        0,
        1,
        1000,
        700_000,
        START,
        year_3000,
        i64::MAX / 2,
        i64::MIN / 2,
        START + 7_200_000,
    ];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    for (number, time) in times.iter().enumerate() {
        history.append(&frame(
            *time,
            &[("a", f64::from(u32::try_from(number).unwrap()))],
        ));
        history.flush().unwrap();
    }
    history.maintain().unwrap();
    let check = |history: &History| {
        let found = everything(&history.reader());
        for (time, value) in found[0].1.times.iter().zip(&found[0].1.values) {
            let number = times.iter().position(|other| other == time);
            assert_eq!(
                number.map(|number| number.to_string()),
                Some(value.to_string()),
                "{time}"
            );
        }
        for time in [1, 1000, 700_000, START, year_3000, START + 7_200_000] {
            assert!(found[0].1.times.contains(&time), "{time}");
        }
    };
    check(&history);
    assert_eq!(history.counts().lost_frames.get(), 5);
    drop(history);
    check(&open(&path));
}

#[test]
fn the_bits_of_any_number_come_back_but_the_end_marker() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let bits = [
        0x7ff8_0000_0000_0000,
        0x7ff0_0000_0000_0001,
        0xfff8_dead_beef_0001,
        0x7fff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
        0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000,
        0x8000_0000_0000_0000,
        1,
        0,
    ];
    for second in 0..700_i64 {
        let value = f64::from_bits(bits[usize::try_from(second).unwrap() % bits.len()]);
        history.append(&frame(START + 1000 + second * 1000, &[("a", value)]));
    }
    history.flush().unwrap();
    drop(history);
    let found = everything(&open(&path).reader());
    let found: Vec<u64> = found[0]
        .1
        .values
        .iter()
        .map(|value| value.to_bits())
        .collect();
    let expected: Vec<u64> = (0..700).map(|second| bits[second % bits.len()]).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_moment_without_anything_is_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let history = open(&path);
    let empty = |time_msec| Frame {
        time_msec,
        monotonic_usec: 0,
        parts: Vec::new(),
    };
    for time in [START, START + 1, START + 700_000, START] {
        history.append(&empty(time));
        history.flush().unwrap();
    }
    history.append(&frame(START + 2_000_000, &[]));
    history.append(&frame(START + 2_001_000, &[("a", 1.0)]));
    history.flush().unwrap();
    history.maintain().unwrap();
    assert_eq!(samples(&history), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    // Not even root writes there.
    let opened = History::open(Path::new("/proc/history.db"), limits());
    assert!(matches!(opened, Err(HistoryError::Io { .. })), "{opened:?}");
    let missing = TempDir::new().unwrap().path().join("no/history.db");
    let opened = History::open(&missing, limits());
    assert!(matches!(opened, Err(HistoryError::Io { .. })), "{opened:?}");
    assert!(Reader::open(&missing).is_err());
}

#[test]
fn a_folder_in_the_place_of_the_file_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    fs::create_dir(&path).unwrap();
    let opened = History::open(&path, limits());
    assert!(
        matches!(opened, Err(HistoryError::Sqlite { .. })),
        "{opened:?}"
    );
    assert!(path.is_dir());
}

//! What must hold of the history.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::sync::Arc;

use lfs_wrapper_history::{Frame, History, Samples};
use tempfile::TempDir;

const PLENTY: u64 = 1 << 30;

fn frame(second: i64, series: &[&str], value: f64) -> Frame {
    Frame {
        time_msec: second * 1000,
        monotonic_usec: u64::try_from(second).unwrap() * 1_000_000,
        machine: samples(series, value),
        processes: Samples::default(),
    }
}

fn samples(series: &[&str], value: f64) -> Samples {
    let names = series.iter().map(|name| (*name).to_owned());
    Samples {
        series: names.collect::<Arc<[String]>>(),
        values: vec![value; series.len()],
    }
}

#[test]
fn what_was_flushed_is_there_after_opening_again_and_what_is_held_can_be_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let frames: Vec<Frame> = (0..7)
        .map(|second| match second {
            0..=3 => frame(second, &["a", "b{x=\"1\"}"], 0.1),
            _ => Frame {
                processes: samples(&["p{comm=\"cc1\"}"], 2.0),
                ..frame(second, &["a"], f64::INFINITY)
            },
        })
        .collect();
    let (mut history, note) = History::open(&path, PLENTY).unwrap();
    assert_eq!(note, None);
    for frame in &frames {
        history.append(frame.clone()).unwrap();
    }
    assert_eq!(history.read(0).unwrap(), frames);
    assert_eq!(history.read(5000).unwrap(), frames[5..]);
    drop(history);

    // As after a crash: five were written, two were only held.
    let (history, _) = History::open(&path, PLENTY).unwrap();
    assert_eq!(history.read(0).unwrap(), frames[..5]);
}

#[test]
fn the_file_stays_below_its_cap_and_the_newest_frames_stay() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    let cap = 512 * 1024;
    let names: Vec<String> = (0..500).map(|number| format!("series_{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut history, _) = History::open(&path, cap).unwrap();
    for second in 0..1000 {
        // Every tenth second another device comes and goes.
        let name = format!("device_{}", second / 10);
        let names: Vec<&str> = names.iter().copied().chain([name.as_str()]).collect();
        history.append(frame(second, &names, 1.0)).unwrap();
    }
    history.flush().unwrap();
    let kept = history.read(0).unwrap();
    assert_eq!(kept.last().unwrap().time_msec, 999_000);
    assert!(kept.len() > 50, "{}", kept.len());
    drop(history);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let count = |table| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    // Ten frames had the same device.
    let devices = i64::try_from(kept.len() / 10).unwrap() + 2;
    assert!(count("layout") <= devices, "{}", count("layout"));
    assert!(count("series") <= 500 + devices, "{}", count("series"));
    // One batch may be written above the cap before room is made.
    assert!(fs::metadata(&path).unwrap().len() < cap + 64 * 1024);
}

#[test]
fn a_damaged_file_is_kept_aside_and_an_empty_one_begun() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    fs::write(
        &path,
        "this is no database, though it is long enough to be taken for one",
    )
    .unwrap();
    let (mut history, note) = History::open(&path, PLENTY).unwrap();
    let note = note.expect("it says so");
    assert!(
        note.contains("damaged") && note.contains(".damaged-"),
        "{note}"
    );
    history.append(frame(1, &["a"], 1.0)).unwrap();
    history.flush().unwrap();
    let kept = fs::read_dir(folder.path()).unwrap().flatten();
    let kept = kept.filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-"));
    assert_eq!(kept.count(), 1);
}

#[test]
fn a_file_of_the_first_form_is_read_and_written_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "PRAGMA application_id = 1279677256;
             CREATE TABLE layout (id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE) STRICT;
             CREATE TABLE frame (time_msec INTEGER PRIMARY KEY, monotonic_usec INTEGER NOT NULL,
                 layout INTEGER NOT NULL REFERENCES layout (id), samples BLOB NOT NULL) STRICT;
             INSERT INTO layout VALUES (7, 'a' || char(10) || 'b');
             INSERT INTO frame VALUES (1000, 1000000, 7, zeroblob(16));",
        )
        .unwrap();
    let (mut history, note) = History::open(&path, PLENTY).unwrap();
    assert_eq!(note, None);
    let old = frame(1, &["a", "b"], 0.0);
    let new = frame(2, &["b", "c"], 1.0);
    history.append(new.clone()).unwrap();
    history.flush().unwrap();
    assert_eq!(history.read(0).unwrap(), [old, new]);
}

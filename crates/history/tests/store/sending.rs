//! What remote write reads of the store.

use lfs_wrapper_history::remote::Feed as _;
use lfs_wrapper_history::{Entry, History, Labels, Limits, Stretch};
use lfs_wrapper_model::metric::MetricKind;
use tempfile::TempDir;

use super::common::entry;

const NOW: i64 = 1_700_000_000_000;
const WINDOW: i64 = 600_000;

fn history_of(folder: &TempDir, series: &[(Entry, Stretch)]) -> History {
    let limits = Limits {
        disk_free_min: 0,
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    };
    let (history, _) = History::open(&folder.path().join("history.db"), limits).unwrap();
    history.import(series).unwrap();
    history
}

fn gauge(name: &str, times: Vec<i64>) -> (Entry, Stretch) {
    let values = vec![1.0; times.len()];
    (entry(name, MetricKind::Gauge), Stretch { times, values })
}

/// The times that are read batch by batch, and how many reads that takes.
fn read_all(history: &History, keep: &dyn Fn(&Labels) -> bool) -> (Vec<i64>, usize) {
    let reader = history.reader();
    let (mut after_msec, mut times, mut reads) = (i64::MIN, Vec::new(), 0);
    while after_msec < NOW + 1 {
        let raw = reader.raw(after_msec, NOW + 1, 5_000, keep).unwrap();
        assert!(raw.until_msec > after_msec, "it goes on");
        times.extend(raw.series.into_iter().flat_map(|one| one.1.times));
        after_msec = raw.until_msec;
        reads += 1;
    }
    (times, reads)
}

#[test]
fn decades_without_samples_are_passed_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let times = [1_000, 2_000, 30 * WINDOW, NOW - WINDOW, NOW];
    let history = history_of(&folder, &[gauge("m", times.to_vec())]);
    let (found, reads) = read_all(&history, &|_| true);
    assert_eq!(found, times);
    assert!(reads <= 5, "{reads}");
}

#[test]
fn a_read_ends_soon_where_nothing_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let other = (0..100).map(|index| NOW - index * WINDOW).rev().collect();
    let wanted = gauge("wanted", vec![NOW - 50 * WINDOW]);
    let history = history_of(&folder, &[gauge("other", other), wanted]);
    let (found, reads) = read_all(&history, &|labels| labels.name() == "wanted");
    assert_eq!(found, [NOW - 50 * WINDOW]);
    // Between two reads somebody may say that it is enough.
    assert!((5..20).contains(&reads), "{reads}");
}

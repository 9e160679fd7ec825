//! A file that was cut, overwritten or flipped: it can be opened or says why
//! not, and what is read of it was written.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::common::{entry, frame_of};
use lfs_wrapper_history::{
    Channel, Entry, History, HistoryError, Limits, ReadError, Reader, Selection, Source, Stretch,
    is_stale,
};
use lfs_wrapper_model::metric::MetricKind;
use tempfile::TempDir;

/// The start of a window.
const START: i64 = 1_700_000_400_000;
const WINDOW: i64 = 600_000;
/// From one moment to the next.
const STEP: i64 = 40_000;
const SERIES: usize = 24;
const PAGE: usize = 4096;

fn limits() -> Limits {
    Limits {
        disk_free_min: 0,
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    }
}

/// In memory where there is such a folder: these tests write a file thousands of
/// times.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

/// By series and time, what was written; of staleness markers too.
type Samples = BTreeMap<String, BTreeMap<i64, u64>>;

/// The value of a series at a time: no two series have one in common.
fn value(series: usize, time: i64) -> f64 {
    let (number, step) = (as_number(series), as_number((time - START) / STEP));
    match series % 4 {
        0 => number * 1e6,
        1 => number * 1e6 + step,
        2 => number * 1e6 + (step * 0.37).sin(),
        // Changes from time to time.
        _ => number * 1e6 + (step / 5.0).floor(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn as_number<N: TryInto<i64>>(number: N) -> f64 {
    number.try_into().ok().unwrap() as f64
}

fn is_there(series: usize, time: i64) -> bool {
    series % 5 != 4 || (time - START) / STEP % 7 < 5
}

fn series(prefix: &str, numbers: std::ops::Range<usize>) -> Vec<(usize, Entry)> {
    let made = numbers.map(|number| {
        let mut made = entry(&format!("{prefix}_{}", number % 3), MetricKind::Gauge);
        made.labels = made.labels.with("number", &format!("{prefix} {number:03}"));
        (number, made)
    });
    made.collect()
}

fn append(history: &History, all: &[(usize, Entry)], time: i64, written: &mut Samples) {
    let now: Vec<&(usize, Entry)> = all
        .iter()
        .filter(|(number, _)| is_there(*number, time))
        .collect();
    let entries: Arc<[Entry]> = now.iter().map(|(_, entry)| entry.clone()).collect();
    let values: Vec<f64> = now.iter().map(|(number, _)| value(*number, time)).collect();
    for ((_, entry), value) in now.iter().zip(&values) {
        let samples = written.entry(entry.labels.to_string()).or_default();
        samples.insert(time, value.to_bits());
    }
    history.append(&frame_of(time, &entries, values));
}

/// Four windows of which the last is open, row by row.
struct Made {
    database: Vec<u8>,
    log: Vec<u8>,
    written: Samples,
}

const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

fn path_of(folder: &Path, suffix: &str) -> PathBuf {
    folder.join(format!("history.db{suffix}"))
}

fn times(windows: i64) -> Vec<i64> {
    let count = windows * (WINDOW / STEP) + 9;
    (1..=count).map(|number| START + number * STEP).collect()
}

/// With the newest changes in the log, or all in the database.
fn make(has_log: bool) -> Made {
    let folder = scratch();
    let path = path_of(folder.path(), "");
    let (history, _) = History::open(&path, limits()).unwrap();
    let mut written = Samples::default();
    let all = series("old", 0..SERIES);
    for (number, time) in times(3).into_iter().enumerate() {
        append(&history, &all, time, &mut written);
        if number % 2 == 0 {
            history.flush().unwrap();
        }
    }
    history.flush().unwrap();
    history.maintain().unwrap();
    let read = |suffix| fs::read(path_of(folder.path(), suffix)).unwrap_or_default();
    if has_log {
        let (database, log) = (read(""), read("-wal"));
        return Made {
            database,
            log,
            written,
        };
    }
    drop(history);
    Made {
        database: read(""),
        log: Vec::new(),
        written,
    }
}

fn everything(source: &dyn Source) -> Result<Vec<(String, Stretch)>, ReadError> {
    let selection = Selection {
        matchers: &[],
        from_msec: 0,
        to_msec: i64::MAX / 4,
        first_msec: 0,
        step_msec: 0,
        range_msec: 0,
        channel: Channel::Last,
        deadline: None,
    };
    let mut all = Vec::new();
    for mut selected in source.select(&selection)? {
        let (mut whole, mut stretch) = (Stretch::default(), Stretch::default());
        while selected.samples.next(&mut stretch)? {
            whole.times.append(&mut stretch.times);
            whole.values.append(&mut stretch.values);
        }
        all.push((selected.labels.to_string(), whole));
    }
    Ok(all)
}

/// What of `source` was never written, and how many samples there are.
fn check(source: &dyn Source, written: &Samples, stage: &str) -> Result<usize, String> {
    // A part that cannot be read is told, and is no false answer.
    let Ok(found) = everything(source) else {
        return Ok(0);
    };
    let mut count = 0;
    for (labels, stretch) in found {
        if stretch.times.is_empty() {
            continue;
        }
        let Some(samples) = written.get(&labels) else {
            return Err(format!("{stage}: a series that never was: {labels}"));
        };
        for (time, value) in stretch.times.iter().zip(&stretch.values) {
            let expected = samples.get(time);
            let is_right = match is_stale(*value) {
                true => expected.is_none(),
                false => expected == Some(&value.to_bits()),
            };
            if !is_right {
                let expected = expected.map(|bits| f64::from_bits(*bits));
                return Err(format!(
                    "{stage}: {labels} at {time} is {value}, not {expected:?}"
                ));
            }
            count += usize::from(!is_stale(*value));
        }
    }
    Ok(count)
}

/// What became of one damaged file.
#[derive(Debug, Default)]
struct Outcomes {
    trials: usize,
    refused: usize,
    replaced: usize,
    /// Of what was written, the least and all that was there.
    least: Option<usize>,
    faults: Vec<String>,
}

impl Outcomes {
    fn try_one(&mut self, what: &str, database: &[u8], log: &[u8], written: &Samples) {
        self.trials += 1;
        let folder = scratch();
        fs::write(path_of(folder.path(), ""), database).unwrap();
        if !log.is_empty() {
            fs::write(path_of(folder.path(), "-wal"), log).unwrap();
        }
        let result = catch_unwind(AssertUnwindSafe(|| self.use_it(folder.path(), written)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => self.faults.push(format!("{what}: {fault}")),
            Err(_) => self.faults.push(format!("{what}: panicked")),
        }
    }

    /// Reads it, opens it, goes on writing, and opens it again.
    fn use_it(&mut self, folder: &Path, written: &Samples) -> Result<(), String> {
        let path = path_of(folder, "");
        if let Ok(reader) = Reader::open(&path) {
            check(&reader, written, "read by another process")?;
        }
        let (history, notes) = match History::open(&path, limits()) {
            Ok(opened) => opened,
            // What says whose file it is was damaged.
            Err(HistoryError::Foreign { .. } | HistoryError::Version { .. }) => {
                self.refused += 1;
                return Ok(());
            }
            Err(error) => return Err(format!("it cannot be opened: {error}")),
        };
        let is_replaced = notes.iter().any(|note| note.contains("was kept as"));
        self.replaced += usize::from(is_replaced);
        let count = check(&history.reader(), written, "opened")?;
        self.least = Some(self.least.map_or(count, |least| least.min(count)));
        let mut written = written.clone();
        let newest = times(3).last().copied().unwrap();
        let mut all = series("new", 100..130);
        all.extend(series("old", 0..SERIES));
        let mut was_flushed = Ok(());
        for number in 1..=20 {
            append(&history, &all, newest + number * STEP, &mut written);
            // The first time it may find the damage.
            was_flushed = history.flush().or_else(|_| history.flush());
            check(&history.reader(), &written, "written on")?;
        }
        was_flushed.map_err(|error| format!("it cannot be written any more: {error}"))?;
        let _ = history.maintain();
        drop(history);
        let (history, _) = History::open(&path, limits())
            .map_err(|error| format!("it cannot be opened again: {error}"))?;
        check(&history.reader(), &written, "opened again")?;
        let newest = newest + 20 * STEP;
        // Who reads damage tells the one who writes.
        let found = everything(&history.reader()).or_else(|_| {
            let _ = history.flush();
            everything(&history.reader())
        });
        let found = found.map_err(|error| error.to_string())?;
        check(&history.reader(), &written, "opened again")?;
        let missing = all
            .iter()
            .filter(|(number, _)| is_there(*number, newest))
            .find(|(_, entry)| {
                let text = entry.labels.to_string();
                !found
                    .iter()
                    .any(|(labels, stretch)| *labels == text && stretch.times.contains(&newest))
            });
        match missing {
            Some((_, entry)) => Err(format!("{} was acknowledged and is gone", entry.labels)),
            None => Ok(()),
        }
    }

    fn report(&self) {
        assert!(
            self.faults.is_empty(),
            "{} faults in {} trials, {} refused, {} replaced:\n{}",
            self.faults.len(),
            self.trials,
            self.refused,
            self.replaced,
            self.faults[..self.faults.len().min(40)].join("\n")
        );
    }
}

fn flip(bytes: &[u8], place: usize, mask: u8) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[place] ^= mask;
    flipped
}

fn count(written: &Samples) -> usize {
    written.values().map(BTreeMap::len).sum()
}

#[test]
fn a_file_that_is_whole_gives_all_of_it() {
    for has_log in [false, true] {
        let made = make(has_log);
        let mut outcomes = Outcomes::default();
        outcomes.try_one("whole", &made.database, &made.log, &made.written);
        outcomes.report();
        assert_eq!(outcomes.least, Some(count(&made.written)));
    }
}

#[test]
fn a_file_that_was_cut_anywhere_holds_nothing_false() {
    let made = make(false);
    let mut outcomes = Outcomes::default();
    let pages = (0..made.database.len()).step_by(PAGE);
    let between = (0..made.database.len()).step_by(if is_full() { 7 } else { 3911 });
    for length in pages.chain(between) {
        let cut = &made.database[..length];
        outcomes.try_one(&format!("cut to {length}"), cut, &[], &made.written);
    }
    outcomes.report();
}

#[test]
fn a_log_that_was_cut_or_flipped_holds_nothing_false() {
    let made = make(true);
    let mut outcomes = Outcomes::default();
    for place in (0..made.log.len()).step_by(if is_full() { 13 } else { 7919 }) {
        let what = |how: &str| format!("log {how} at {place}");
        let cut = &made.log[..place];
        outcomes.try_one(&what("cut"), &made.database, cut, &made.written);
        let flipped = flip(&made.log, place, 0x55);
        outcomes.try_one(&what("flipped"), &made.database, &flipped, &made.written);
    }
    outcomes.report();
}

/// Whether every place is to be tried.
fn is_full() -> bool {
    std::env::var_os("LFS_WRAPPER_TEST_EVERY_BYTE").is_some()
}

fn flip_places(places: impl Iterator<Item = usize>) {
    let made = make(false);
    let mut outcomes = Outcomes::default();
    for place in places.take_while(|place| *place < made.database.len()) {
        // One bit, or all of them.
        let mask = [1 << (place / 2 % 8), 0xff][place % 2];
        let flipped = flip(&made.database, place, mask);
        let what = format!(
            "page {} byte {} by {mask:#x}",
            place / PAGE + 1,
            place % PAGE
        );
        outcomes.try_one(&what, &flipped, &[], &made.written);
    }
    outcomes.report();
}

#[test]
fn a_byte_that_was_flipped_makes_nothing_false() {
    // The header, and the front of each page, where its rows are listed.
    let header = (0..100).step_by(7);
    let fronts = (1..40).flat_map(|page| (0..12).map(move |byte| page * PAGE + byte));
    let spread = (100..).step_by(2011).take(100);
    flip_places(header.chain(fronts));
    flip_places(spread);
}

#[test]
#[ignore = "takes minutes"]
fn any_byte_that_was_flipped_makes_nothing_false() {
    flip_places(0..);
}

#[test]
fn a_page_of_another_place_or_of_nothing_makes_nothing_false() {
    let made = make(false);
    let pages = made.database.len() / PAGE;
    let mut outcomes = Outcomes::default();
    for page in 0..pages {
        let place = page * PAGE..(page + 1) * PAGE;
        let mut with = |what: &str, bytes: &[u8]| {
            let mut database = made.database.clone();
            database[place.clone()].copy_from_slice(bytes);
            let what = format!("page {} is {what}", page + 1);
            outcomes.try_one(&what, &database, &[], &made.written);
        };
        with("zero", &[0; PAGE]);
        with("noise", &[0xa5; PAGE]);
        let other = (page + 1) % pages * PAGE;
        with("another", &made.database[other..other + PAGE]);
    }
    outcomes.report();
}

/// Overwrites a page while the file is in use; then a crash.
#[test]
fn damage_under_a_writer_costs_what_was_there_and_not_what_comes() {
    let pages = make(false).database.len() / PAGE;
    let mut faults = Vec::new();
    for page in 0..pages {
        if let Err(fault) = overwrite_page(page) {
            faults.push(format!("page {}: {fault}", page + 1));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {pages}:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn overwrite_page(page: usize) -> Result<(), String> {
    let folder = scratch();
    let path = path_of(folder.path(), "");
    let mut made = make(false);
    fs::write(&path, &made.database).unwrap();
    let (history, _) = History::open(&path, limits()).unwrap();
    let mut all = series("old", 0..SERIES);
    let newest = times(3).last().copied().unwrap();
    append(&history, &all, newest + STEP, &mut made.written);
    history.flush().unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(
        &file,
        &[0x5a; PAGE],
        u64::try_from(page * PAGE).unwrap(),
    )
    .unwrap();
    all.extend(series("new", 100..130));
    let mut acknowledged = 0;
    for number in 2..60 {
        let time = newest + number * STEP;
        append(&history, &all, time, &mut made.written);
        if history.flush().is_ok() {
            acknowledged = time;
        }
        let _ = history.maintain();
        check(&history.reader(), &made.written, "written on")?;
    }
    if acknowledged < newest + 59 * STEP {
        return Err("it cannot be written any more".to_owned());
    }
    // A crash: the files as they are now.
    let crashed = scratch();
    for suffix in SUFFIXES {
        let _ = fs::copy(
            path_of(folder.path(), suffix),
            path_of(crashed.path(), suffix),
        );
    }
    let (history, _) =
        History::open(&path_of(crashed.path(), ""), limits()).map_err(|error| error.to_string())?;
    check(&history.reader(), &made.written, "after a crash")?;
    let found = everything(&history.reader()).map_err(|error| error.to_string())?;
    for (number, entry) in &all {
        let text = entry.labels.to_string();
        let of_it = found.iter().find(|(labels, _)| *labels == text);
        let missing = (52..60)
            .map(|number| newest + number * STEP)
            .filter(|time| is_there(*number, *time))
            .find(|time| of_it.is_none_or(|(_, stretch)| !stretch.times.contains(time)));
        if let Some(time) = missing {
            return Err(format!("{text} at {time} was acknowledged and is gone"));
        }
    }
    Ok(())
}

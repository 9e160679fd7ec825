//! What becomes of a damaged file, of a full disk and of a smaller cap: nothing
//! that can be read is lost, and no more is used than may be.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::common::{entry, everything, frame_of, select};
use lfs_wrapper_history::{Entry, History, HistoryError, Limits};
use lfs_wrapper_model::metric::MetricKind;
use rusqlite::Connection;
use tempfile::TempDir;

const START: i64 = 1_700_000_400_000;
const PAGE: u64 = 4096;

fn limits() -> Limits {
    Limits {
        disk_free_min: 0,
        kept_msec: [i64::MAX / 8; 4],
        ..Limits::default()
    }
}

fn scratch() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    (folder, path)
}

/// A file of values that cannot be compressed; one moment has 8 bytes a series.
fn fill(path: &Path, series: u32, seconds: i64) {
    let (history, _) = History::open(path, limits()).unwrap();
    let entries: Arc<[Entry]> = (0..series)
        .map(|number| entry(&format!("series_{number}"), MetricKind::Gauge))
        .collect();
    let mut random = 1_u64;
    for second in 0..seconds {
        let values = entries.iter().map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from_bits((random >> 12) | 0x3ff0_0000_0000_0000)
        });
        history.append(&frame_of(START + second * 1000, &entries, values.collect()));
        if second % 120 == 0 {
            history.flush().unwrap();
        }
    }
    history.flush().unwrap();
}

/// Overwrites the page in which a table begins.
fn damage(path: &Path, table: &str) {
    let root: u32 = {
        let connection = Connection::open(path).unwrap();
        let sql = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
        connection
            .query_row(sql, [table], |row| row.get(0))
            .unwrap()
    };
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0x5a; PAGE as usize], u64::from(root - 1) * PAGE)
        .unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn count(history: &History) -> usize {
    let all = everything(&history.reader());
    all.iter().map(|(_, stretch)| stretch.times.len()).sum()
}

fn length(path: &Path, suffix: &str) -> u64 {
    fs::metadata(format!("{}{suffix}", path.display())).map_or(0, |found| found.len())
}

#[test]
fn a_damaged_file_stays_where_it_is_until_there_is_room_to_take_it_over() {
    let (folder, path) = scratch();
    fill(&path, 5, 1300);
    damage(&path, "remote");
    let before = names(folder.path());
    let never = Limits {
        disk_free_min: u64::MAX,
        ..limits()
    };
    for _ in 0..2 {
        let opened = History::open(&path, never.clone());
        assert!(
            matches!(opened, Err(HistoryError::NoRoomToSave { .. })),
            "{opened:?}"
        );
        assert_eq!(names(folder.path()), before);
    }
    let (history, notes) = History::open(&path, limits()).unwrap();
    assert!(
        notes[0].contains("a part cannot be read of: remote"),
        "{notes:?}"
    );
    assert_eq!(count(&history), 5 * 1300);
}

#[test]
fn a_copy_that_was_whole_before_a_crash_takes_its_place_and_one_that_was_not_is_made_again() {
    let (folder, path) = scratch();
    let saved = folder.path().join("history.db.saved");
    fill(&saved, 5, 700);
    fs::remove_file(folder.path().join("history.db.saved.lock")).unwrap();
    for suffix in ["", "-wal", ".saving"] {
        fs::write(format!("{}{suffix}", path.display()), [0x5a; 9000]).unwrap();
    }
    let (history, notes) = History::open(&path, limits()).unwrap();
    assert_eq!((count(&history), notes), (5 * 700, Vec::new()));
    assert!(!saved.exists());
    drop(history);
    damage(&path, "remote");
    let (history, _) = History::open(&path, limits()).unwrap();
    assert_eq!(count(&history), 5 * 700);
    let names = names(folder.path());
    assert!(!names.iter().any(|name| name.contains(".sav")), "{names:?}");
}

#[test]
fn of_damaged_files_the_two_newest_are_kept() {
    let (folder, path) = scratch();
    fill(&path, 2, 700);
    for _ in 0..4 {
        damage(&path, "remote");
        let (history, _) = History::open(&path, limits()).unwrap();
        assert_eq!(count(&history), 2 * 700);
    }
    let names = names(folder.path());
    let is_kept = |name: &&String| {
        let time = name.strip_prefix("history.db.damaged-");
        time.is_some_and(|time| time.parse::<u64>().is_ok())
    };
    assert_eq!(names.iter().filter(is_kept).count(), 2, "{names:?}");
}

#[test]
fn a_smaller_cap_holds_also_for_what_is_taken_over_and_while_a_reader_keeps_the_log() {
    let (_folder, path) = scratch();
    fill(&path, 20, 1300);
    // Process tables that are older.
    let connection = Connection::open(&path).unwrap();
    let insert = "INSERT INTO process_block VALUES (?1, ?1, randomblob(250000))";
    for number in 1..=160_i64 {
        let time = START - number * 600_000;
        connection.execute(insert, [time]).unwrap();
    }
    drop(connection);
    assert!(length(&path, "") > 36 << 20);
    let smaller = Limits {
        bytes_max: 32 << 20,
        ..limits()
    };
    let copy = path.with_file_name("copy.db");
    fs::copy(&path, &copy).unwrap();

    damage(&copy, "remote");
    let (history, notes) = History::open(&copy, smaller.clone()).unwrap();
    assert!(notes[0].contains("read of: remote"), "{notes:?}");
    assert!(length(&copy, "") + length(&copy, "-wal") <= 32 << 20);
    let newest = select(&history.reader(), START + 1_290_000, START + 1_300_000);
    assert_eq!(newest.len(), 20);

    let reader = Connection::open(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM sqlite_master")
        .unwrap();
    drop(History::open(&path, smaller.clone()).unwrap());
    assert!(
        length(&path, "-wal") <= 8 << 20,
        "{}",
        length(&path, "-wal")
    );
    drop(reader);
    let (history, _) = History::open(&path, smaller).unwrap();
    assert!(length(&path, "") + length(&path, "-wal") <= 32 << 20);
    let newest = select(&history.reader(), START + 1_290_000, START + 1_300_000);
    assert_eq!(newest.len(), 20);
}

/// A file system of its own, unmounted in the end.
struct Disk(TempDir);

impl Disk {
    fn new(size: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success());
        Self(folder)
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: u64) {
        let found = rustix::fs::statvfs(self.0.path()).unwrap();
        let bytes = found.f_bavail * found.f_frsize - free;
        let file = fs::File::create(self.0.path().join("filler")).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
#[ignore = "needs root, for a small tmpfs"]
fn a_file_with_much_to_give_back_is_opened_on_a_disk_that_is_nearly_full() {
    let disk = Disk::new("96m");
    let path = disk.0.path().join("history.db");
    fill(&path, 5, 700);
    let connection = Connection::open(&path).unwrap();
    let insert = "INSERT INTO process_block VALUES (?1, ?1, randomblob(100000))";
    for number in 0..300_i64 {
        connection.execute(insert, [number]).unwrap();
    }
    connection
        .execute_batch("DELETE FROM process_block WHERE start_msec % 2 = 0")
        .unwrap();
    drop(connection);
    disk.fill(1 << 20);
    let (history, _) = History::open(&path, limits()).unwrap();
    assert_eq!(count(&history), 5 * 700);
}

#[test]
#[ignore = "needs root, for a small tmpfs"]
fn a_file_that_is_damaged_on_a_full_disk_loses_nothing_and_is_taken_over_later() {
    let disk = Disk::new("64m");
    let path = disk.0.path().join("history.db");
    fill(&path, 100, 2000);
    damage(&path, "remote");
    disk.fill(length(&path, "") / 2);
    let opened = History::open(&path, limits());
    assert!(
        matches!(opened, Err(HistoryError::NoRoomToSave { .. })),
        "{opened:?}"
    );
    fs::remove_file(disk.0.path().join("filler")).unwrap();
    let (history, _) = History::open(&path, limits()).unwrap();
    assert_eq!(count(&history), 100 * 2000);
}

#[test]
fn writing_that_fails_again_and_again_is_told_and_goes_on_by_itself() {
    let (_folder, path) = scratch();
    let (history, _) = History::open(&path, limits()).unwrap();
    let entries: Arc<[Entry]> = [entry("a", MetricKind::Gauge)].into();
    let refuse = |is_refused: bool| {
        let set = history
            .with_connection(|connection| connection.pragma_update(None, "query_only", is_refused));
        set.unwrap();
    };
    let mut told = Vec::new();
    for (second, is_refused) in [false, true, true, true, true, false].iter().enumerate() {
        refuse(*is_refused);
        let time = START + i64::try_from(second).unwrap() * 1000 + 1;
        history.append(&frame_of(time, &entries, vec![1.0]));
        assert_eq!(history.flush().is_err(), *is_refused);
        told.push(history.counts().is_stopped.get());
    }
    assert_eq!(told, [0, 0, 0, 1, 1, 0]);
    assert_eq!(count(&history), 6);
}

//! Files of processes stay open only as long as the processes live. Alone in its
//! program, since it counts the files that the whole program has open.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lfs_wrapper_kernel::{ProcessOptions, ProcessTable, read_boottime_usec};

/// Files of procfs's numbered folders that this program has open.
fn count_open() -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let is_kept = |target: &PathBuf| {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // The kernel adds " (deleted)" where the process has ended.
        target.starts_with("/proc") && (name.starts_with("stat") || name.starts_with("io"))
    };
    targets.filter(is_kept).count()
}

#[test]
fn twenty_thousand_forks_leave_no_file_open() {
    let mut table = ProcessTable::new(Path::new("/proc"), ProcessOptions::default());
    let mut read = || {
        table.read_alone(read_boottime_usec()).unwrap();
        let (stat_kept, io_kept) = table.kept();
        assert!(stat_kept > 0 && stat_kept <= table.rows().len());
        assert_eq!(count_open(), stat_kept + io_kept);
    };
    let script = "i=0; while [ $i -lt 20000 ]; do (:); i=$((i+1)); done";
    let mut child = Command::new("/bin/sh")
        .args(["-c", script])
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        read();
    }
    read();
    drop(table);
    assert_eq!(count_open(), 0);
}

//! The table of processes against real ones, started and ended by the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use lfs_wrapper_kernel::{
    Before, ProcessCounts, ProcessOptions, ProcessRow, ProcessTable, derive_process,
    read_boottime_usec,
};

/// How often something is looked for before it counts as never coming.
const LOOKS_MAX: usize = 2000;

/// A child that ends with its test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(script: &str) -> Guard {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    Guard(command.spawn().unwrap())
}

fn table(has_worker: bool) -> ProcessTable {
    let options = ProcessOptions {
        has_worker,
        ..ProcessOptions::default()
    };
    ProcessTable::new(Path::new("/proc"), options)
}

fn row<'a>(table: &'a ProcessTable, child: &Guard) -> Option<&'a ProcessRow> {
    table.rows().find(|row| row.identity.pid == child.0.id())
}

/// Reads until the child's row is as wanted.
fn read_until(
    table: &mut ProcessTable,
    child: &Guard,
    wanted: impl Fn(&ProcessRow) -> bool,
) -> ProcessRow {
    for _ in 0..LOOKS_MAX {
        table.read_alone(read_boottime_usec()).unwrap();
        if let Some(found) = row(table, child).filter(|row| wanted(row)) {
            return found.clone();
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{:?}", row(table, child));
}

#[test]
fn the_time_of_a_busy_child_grows() {
    let mut table = table(false);
    let child = start("while :; do :; done");
    let first = read_until(&mut table, &child, |_| true);
    let all = |counts: &ProcessCounts| counts.user_ticks + counts.system_ticks;
    let later = read_until(&mut table, &child, |row| {
        all(&row.counts) >= all(&first.counts) + 5
    });
    assert_eq!(later.identity, first.identity);
    assert_eq!(later.counts.parent_pid, std::process::id());
    let before = Before::Counts(first.counts);
    let rates = derive_process(&before, &later.counts, 1_000_000);
    assert!(rates.cpu_ratio.unwrap() >= 0.05, "{rates:?}");
}

#[test]
fn the_bytes_of_a_writing_child_grow() {
    let mut table = table(false);
    let child = start("while :; do echo 12345678901234567890; done");
    let first = read_until(&mut table, &child, |row| row.counts.io.is_some());
    let written = |row: &ProcessRow| row.counts.io.map(|io| io.write_call_bytes);
    read_until(&mut table, &child, |row| written(row) > written(&first));
}

#[test]
fn a_child_that_ends_is_gone_exactly_once() {
    let mut table = table(false);
    let mut child = start("read line");
    let first = read_until(&mut table, &child, |_| true);
    assert!(
        table
            .gone()
            .iter()
            .all(|row| row.identity != first.identity)
    );
    drop(child.0.stdin.take());
    // Until it is reaped it is still there.
    read_until(&mut table, &child, |row| row.counts.state == 'Z');
    child.0.wait().unwrap();
    let mut times_gone = 0;
    for _ in 0..5 {
        table.read_alone(read_boottime_usec()).unwrap();
        times_gone += table
            .gone()
            .iter()
            .filter(|row| row.identity == first.identity)
            .count();
        assert!(table.rows().all(|row| row.identity != first.identity));
    }
    assert_eq!(times_gone, 1);
}

#[test]
fn a_child_that_becomes_another_program_is_told_of_as_that() {
    let mut table = table(true);
    let mut child = start("read line; exec sleep 1000");
    let shell = read_until(&mut table, &child, |row| row.cold.arguments.is_some());
    assert_eq!(shell.name.as_ref(), "sh");
    child.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let is_sleep = |row: &ProcessRow| {
        let arguments = row.cold.arguments.as_deref().unwrap_or_default();
        row.name.as_ref() == "sleep" && arguments.len() == 2
    };
    let sleep = read_until(&mut table, &child, is_sleep);
    assert_eq!(sleep.identity, shell.identity);
    assert_eq!(sleep.cold.arguments.as_deref().unwrap()[1], "1000");
    // Its input, output and errors, and what the test itself was given.
    assert!(sleep.cold.open_files >= Some(3), "{sleep:?}");
    assert!(sleep.cold.open_files_limit.unwrap() > 0);
    assert!(sleep.cold.peak_rss_bytes.unwrap() > 0);
    assert_eq!(sleep.uid, Some(rustix::process::geteuid().as_raw()));
}

#[test]
fn the_share_of_memory_of_a_child_is_measured() {
    let mut table = table(false);
    let child = start("exec sleep 1000");
    let found = read_until(&mut table, &child, |row| row.name.as_ref() == "sleep");
    table.read_cold(&[found.identity]).unwrap();
    let measured = row(&table, &child).unwrap();
    let pss = measured.pss().unwrap();
    assert!(pss.bytes > 0 && !pss.is_estimated, "{measured:?}");
}

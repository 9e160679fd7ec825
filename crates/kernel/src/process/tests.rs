//! The table on captured trees: what comes, goes, hides and is damaged.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::process::Births;
use crate::process::options::ProcessOptions;
use crate::process::rates::Before;
use crate::process::stat::tests::{ASLEEP, render_stat};
use crate::process::stat::{ProcessCounts, ProcessIdentity};
use crate::process::table::ProcessTable;
use crate::source::Source;

const SECOND: u64 = 1_000_000;

/// Long before any process of these tests was born.
const EARLY_USEC: u64 = SECOND;

fn options(kept_max: usize) -> ProcessOptions {
    ProcessOptions {
        rootfs: "/no-such-root".into(),
        page_bytes: 4096,
        kept_max,
        ..ProcessOptions::default()
    }
}

fn put(procfs: &Path, pid: u32, start_ticks: u64, name: &[u8], counts: &ProcessCounts) {
    let folder = procfs.join(pid.to_string());
    fs::create_dir_all(&folder).unwrap();
    let identity = ProcessIdentity { pid, start_ticks };
    fs::write(folder.join("stat"), render_stat(identity, name, counts)).unwrap();
}

fn drop_process(procfs: &Path, pid: u32) {
    fs::remove_dir_all(procfs.join(pid.to_string())).unwrap();
}

/// Three processes, of which the first is the kernel's.
fn tree() -> TempDir {
    let procfs = TempDir::new().unwrap();
    let kernel = ProcessCounts {
        flags: 0x0020_8040,
        ..ASLEEP
    };
    put(procfs.path(), 2, 0, b"kthreadd", &kernel);
    put(procfs.path(), 10, 500, b"sh", &ASLEEP);
    put(procfs.path(), 9, 400, b"cat", &ASLEEP);
    procfs
}

fn read(table: &mut ProcessTable, usec: u64) -> Vec<String> {
    let absent = table.read_alone(usec).unwrap();
    absent.iter().map(ToString::to_string).collect()
}

fn names(table: &ProcessTable) -> Vec<&str> {
    table.rows().map(|row| row.name.as_ref()).collect()
}

fn gone(table: &ProcessTable) -> Vec<u32> {
    table.gone().iter().map(|row| row.identity.pid).collect()
}

/// With every file kept open, and with none.
fn both(test: impl Fn(&TempDir, &mut ProcessTable)) {
    for kept_max in [0, 1000] {
        let procfs = tree();
        let mut table = ProcessTable::new(procfs.path(), options(kept_max));
        assert_eq!(read(&mut table, EARLY_USEC), [""; 0]);
        test(&procfs, &mut table);
        if kept_max == 0 {
            assert_eq!(table.kept(), (0, 0));
        } else {
            assert_eq!(table.kept().0, table.rows().len());
        }
    }
}

#[test]
fn processes_stand_in_the_order_of_their_pids() {
    both(|_, table| {
        assert_eq!(names(table), ["kthreadd", "cat", "sh"]);
        assert_eq!((table.count(), table.count_kernel_threads()), (3, Some(1)));
        assert!(
            table
                .rows()
                .all(|row| row.before == Before::Unknown && row.is_fresh)
        );
    });
}

#[test]
fn what_did_nothing_and_what_worked_have_their_counters_before() {
    both(|procfs, table| {
        let busy = ProcessCounts {
            user_ticks: 7,
            ..ASLEEP
        };
        put(procfs.path(), 9, 400, b"cat", &busy);
        read(table, 2 * EARLY_USEC);
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(
            (rows[1].before, rows[1].counts),
            (Before::Counts(ASLEEP), busy)
        );
        assert_eq!(
            (rows[2].before, rows[2].counts),
            (Before::Counts(ASLEEP), ASLEEP)
        );
        read(table, 3 * EARLY_USEC);
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(
            (rows[1].before, rows[1].counts),
            (Before::Counts(busy), busy)
        );
    });
}

#[test]
fn a_process_that_ends_is_gone_once_with_its_last_counters() {
    both(|procfs, table| {
        drop_process(procfs.path(), 9);
        read(table, 2 * EARLY_USEC);
        assert_eq!(gone(table), [9]);
        assert_eq!(table.gone()[0].counts, ASLEEP);
        assert_eq!(names(table), ["kthreadd", "sh"]);
        read(table, 3 * EARLY_USEC);
        assert_eq!(gone(table), [0; 0]);
    });
}

#[test]
fn a_process_that_ends_between_the_list_and_its_read_is_gone_without_a_note() {
    let procfs = tree();
    let mut table = ProcessTable::new(procfs.path(), options(0));
    read(&mut table, EARLY_USEC);
    fs::remove_file(procfs.path().join("9/stat")).unwrap();
    assert_eq!(read(&mut table, 2 * EARLY_USEC), [""; 0]);
    assert_eq!((gone(&table), table.count()), (vec![9], 2));
    // One that was never known is nothing at all.
    fs::create_dir(procfs.path().join("77")).unwrap();
    assert_eq!(read(&mut table, 3 * EARLY_USEC), [""; 0]);
    assert_eq!((gone(&table), table.count()), (vec![], 2));
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    both(|procfs, table| {
        let busy = ProcessCounts {
            user_ticks: 9999,
            ..ASLEEP
        };
        put(procfs.path(), 9, 401, b"cat", &busy);
        read(table, 2 * EARLY_USEC);
        assert_eq!(table.gone().len(), 1);
        assert_eq!(table.gone()[0].identity.start_ticks, 400);
        let row = table.rows().nth(1).unwrap();
        assert_eq!((row.identity.start_ticks, row.before), (401, Before::Born));
        assert_eq!(names(table), ["kthreadd", "cat", "sh"]);
        read(table, 3 * EARLY_USEC);
        assert_eq!(gone(table), [0; 0]);
    });
}

#[test]
fn only_what_was_born_after_the_last_read_began_at_zero() {
    // born at tick, last read at second -> before
    for (start_ticks, expected) in [
        (1000, Before::Born),
        (1099, Before::Born),
        // The tick in which that read was.
        (999, Before::Born),
        (998, Before::Unknown),
        (5, Before::Unknown),
    ] {
        let procfs = tree();
        let mut table = ProcessTable::new(procfs.path(), options(100));
        read(&mut table, 10 * SECOND);
        put(procfs.path(), 50, start_ticks, b"new", &ASLEEP);
        read(&mut table, 11 * SECOND);
        assert_eq!(
            table.rows().last().unwrap().before,
            expected,
            "{start_ticks}"
        );
    }
}

#[test]
fn a_process_that_becomes_another_program_stays_the_same_process() {
    both(|procfs, table| {
        let exec = ProcessCounts {
            minor_faults: 999,
            ..ASLEEP
        };
        let name = b"odd) R 1 (\n\xff";
        put(procfs.path(), 10, 500, name, &exec);
        fs::write(procfs.path().join("10/cgroup"), "4:cpu:/x\n0::/a.slice\n").unwrap();
        fs::write(
            procfs.path().join("10/io"),
            "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4\n",
        )
        .unwrap();
        read(table, 2 * EARLY_USEC);
        let row = table.rows().last().unwrap();
        assert_eq!(row.name.as_ref(), "odd) R 1 (\n\u{fffd}");
        assert_eq!(row.cgroup.as_deref(), Some("/a.slice"));
        assert_eq!(row.counts.io.unwrap().write_bytes, 4);
        assert_eq!(row.before, Before::Counts(ASLEEP));
        assert_eq!(gone(table), [0; 0]);
    });
}

#[test]
fn a_damaged_process_is_told_and_has_no_rates_until_it_was_read_twice() {
    both(|procfs, table| {
        let path = procfs.path().join("9/stat");
        let whole = fs::read(&path).unwrap();
        for damaged in [
            b"".as_slice(),
            &whole[..20],
            &whole[..whole.len() - 1],
            b"9 (cat",
            b"\xff\n",
        ] {
            fs::write(&path, damaged).unwrap();
            let expected = format!(
                "processes: {}: 1 process(es) could not be read, the first is 9: no complete line of counters",
                procfs.path().display()
            );
            assert_eq!(read(table, 2 * EARLY_USEC), [expected]);
            let row = table.rows().nth(1).unwrap();
            assert_eq!((row.is_fresh, row.before), (false, Before::Unknown));
            assert_eq!((gone(table), table.count()), (vec![], 3));
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(read(table, 3 * EARLY_USEC), [""; 0]);
        let row = table.rows().nth(1).unwrap();
        assert_eq!((row.is_fresh, row.before), (true, Before::Unknown));
        read(table, 4 * EARLY_USEC);
        let row = table.rows().nth(1).unwrap();
        assert_eq!((row.is_fresh, row.before), (true, Before::Counts(ASLEEP)));
    });
}

#[test]
fn a_damaged_process_that_was_never_read_is_counted_and_told() {
    let procfs = tree();
    fs::create_dir(procfs.path().join("50")).unwrap();
    fs::write(procfs.path().join("50/stat"), "50 (x) S 1\n").unwrap();
    // Somebody else's counters.
    fs::copy(procfs.path().join("9/stat"), procfs.path().join("10/stat")).unwrap();
    let mut table = ProcessTable::new(procfs.path(), options(100));
    let notes = read(&mut table, EARLY_USEC);
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].contains("2 process(es)") && notes[0].contains("first is 10"),
        "{notes:?}"
    );
    assert_eq!((table.rows().len(), table.count()), (2, 4));
    assert_eq!(table.count_kernel_threads(), None);
}

#[test]
fn a_folder_without_processes_is_no_procfs_and_ends_nobody() {
    both(|procfs, table| {
        for pid in [2, 9, 10] {
            let (from, to) = (pid.to_string(), format!("away{pid}"));
            fs::rename(procfs.path().join(from), procfs.path().join(to)).unwrap();
        }
        let error = table.read_alone(2 * EARLY_USEC).unwrap_err();
        assert_eq!(error.to_string(), "no process in it");
        assert_eq!((table.rows().len(), gone(table)), (3, vec![]));
        assert!(
            table
                .rows()
                .all(|row| !row.is_fresh && row.before == Before::Unknown)
        );
        for pid in [2, 9, 10] {
            let (from, to) = (format!("away{pid}"), pid.to_string());
            fs::rename(procfs.path().join(from), procfs.path().join(to)).unwrap();
        }
        read(table, 3 * EARLY_USEC);
        assert!(
            table
                .rows()
                .all(|row| row.is_fresh && row.before == Before::Unknown)
        );
    });
    let nowhere = Path::new("/no-such-procfs");
    assert!(
        ProcessTable::new(nowhere, options(9))
            .read_alone(0)
            .is_err()
    );
}

#[test]
fn files_stay_open_within_their_budget_and_go_to_those_who_remain() {
    let procfs = tree();
    let mut table = ProcessTable::new(procfs.path(), options(2));
    read(&mut table, EARLY_USEC);
    assert_eq!(table.kept(), (2, 0));
    drop_process(procfs.path(), 2);
    read(&mut table, 2 * EARLY_USEC);
    read(&mut table, 3 * EARLY_USEC);
    assert_eq!((table.kept(), table.rows().len()), ((2, 0), 2));
}

#[test]
fn input_and_output_of_the_busy_stay_open_until_they_rest() {
    let procfs = tree();
    let mut table = ProcessTable::new(procfs.path(), options(100));
    let mut open_io = Vec::new();
    for sample in 0..50 {
        let user_ticks = sample.min(5);
        put(
            procfs.path(),
            9,
            400,
            b"cat",
            &ProcessCounts {
                user_ticks,
                ..ASLEEP
            },
        );
        let text = format!("rchar: 1\nwchar: 2\nread_bytes: {user_ticks}\nwrite_bytes: 4\n");
        fs::write(procfs.path().join("9/io"), text).unwrap();
        read(&mut table, (sample + 1) * EARLY_USEC);
        let row = table.rows().nth(1).unwrap();
        assert_eq!(row.counts.io.unwrap().read_bytes, user_ticks);
        open_io.push(table.kept().1);
    }
    assert_eq!(open_io[0], 0);
    assert_eq!(open_io[5], 1);
    assert_eq!(open_io[49], 0);
}

#[test]
fn ten_thousand_processes_come_and_go() {
    let procfs = TempDir::new().unwrap();
    for pid in 1..=10_000 {
        put(procfs.path(), pid, pid.into(), b"many", &ASLEEP);
    }
    let mut table = ProcessTable::new(procfs.path(), options(100));
    assert_eq!(read(&mut table, EARLY_USEC), [""; 0]);
    assert_eq!((table.rows().len(), table.count()), (10_000, 10_000));
    assert!(table.rows().is_sorted_by_key(|row| row.identity));
    for pid in (1..=10_000).filter(|pid| pid % 2 == 0) {
        drop_process(procfs.path(), pid);
    }
    read(&mut table, 2 * EARLY_USEC);
    assert_eq!((table.rows().len(), table.gone().len()), (5000, 5000));
    assert!(table.kept().0 <= 100);
}

#[test]
fn what_takes_longer_is_read_of_those_that_are_named() {
    let procfs = tree();
    let folder = procfs.path().join("9");
    fs::write(folder.join("cmdline"), "cat\0/etc/passwd\0").unwrap();
    fs::write(
        folder.join("limits"),
        "Max open files            1024                 4096  files\n",
    )
    .unwrap();
    fs::write(folder.join("status"), "VmHWM:\t 8 kB\n").unwrap();
    fs::write(folder.join("smaps_rollup"), "Rss: 900 kB\nPss:  100 kB\n").unwrap();
    fs::create_dir_all(folder.join("fd")).unwrap();
    for number in 0..5 {
        fs::write(folder.join("fd").join(number.to_string()), "").unwrap();
    }
    let mut table = ProcessTable::new(procfs.path(), options(100));
    read(&mut table, EARLY_USEC);
    let identity = |pid, start_ticks| ProcessIdentity { pid, start_ticks };
    table
        .read_cold(&[identity(9, 400), identity(10, 999), identity(99, 1)])
        .unwrap();
    let rows: Vec<_> = table.rows().collect();
    let cold = &rows[1].cold;
    assert_eq!(
        cold.arguments.as_deref(),
        Some(["cat".to_owned(), "/etc/passwd".to_owned()].as_slice())
    );
    assert_eq!(
        (cold.open_files_limit, cold.open_files),
        (Some(1024), Some(5))
    );
    assert_eq!((cold.peak_rss_bytes, cold.swap_bytes), (Some(8192), None));
    let pss = rows[1].pss().unwrap();
    assert_eq!((pss.bytes, pss.is_estimated), (100 * 1024, false));
    // One with another beginning is another process.
    assert_eq!(rows[2].cold, crate::ColdFields::default());
}

#[test]
fn an_idle_process_is_looked_at_now_and_then_and_says_over_how_long() {
    let procfs = tree();
    let patient = ProcessOptions {
        is_patient: true,
        ..options(0)
    };
    let mut table = ProcessTable::new(procfs.path(), patient);
    for number in 1..=40 {
        read(&mut table, number * EARLY_USEC);
    }
    let busy = ProcessCounts {
        user_ticks: 7,
        ..ASLEEP
    };
    put(procfs.path(), 9, 400, b"cat", &busy);
    let mut seen = Vec::new();
    for number in 41..=44 {
        read(&mut table, number * EARLY_USEC);
        let row = table.rows().find(|row| row.identity.pid == 9).unwrap();
        let before = Before::Counts(ASLEEP);
        assert_eq!((row.is_fresh, row.before), (true, before), "{number}");
        seen.push((row.counts.user_ticks, row.left_out));
        if row.counts == busy {
            break;
        }
    }
    // Three reads left it out, whichever of four was its turn.
    assert_eq!(seen.pop(), Some((7, 3)), "{seen:?}");
    assert!(seen.iter().all(|one| one.1 == 0), "{seen:?}");
    // One that ends is gone at once.
    drop_process(procfs.path(), 9);
    read(&mut table, 50 * EARLY_USEC);
    assert_eq!(gone(&table), [9]);
}

#[test]
fn the_list_is_read_again_only_where_a_task_began_or_ended() {
    let procfs = tree();
    let mut table = ProcessTable::new(procfs.path(), options(1000));
    let births = |forks, tasks| Some(Births { forks, tasks });
    let mut read = |forks, tasks| {
        let births = births(forks, tasks);
        table
            .read(&mut Source::default(), EARLY_USEC, births)
            .unwrap();
        names(&table).join(" ")
    };
    assert_eq!(read(100, 3), "kthreadd cat sh");
    put(procfs.path(), 20, 900, b"new", &ASLEEP);
    assert_eq!(read(100, 3), "kthreadd cat sh");
    assert_eq!(read(101, 4), "kthreadd cat sh new");
    drop_process(procfs.path(), 20);
    // One began and another ended: as many as before, but more forks.
    put(procfs.path(), 21, 950, b"other", &ASLEEP);
    assert_eq!(read(102, 4), "kthreadd cat sh other");
    drop_process(procfs.path(), 21);
    assert_eq!(read(102, 3), "kthreadd cat sh");
}

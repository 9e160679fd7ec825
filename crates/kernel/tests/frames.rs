//! What two samples of a captured tree say together, checked by hand, and the
//! processes of the tree.

#![expect(
    clippy::unwrap_used,
    reason = "a tree that cannot be read is a test that failed"
)]

#[expect(dead_code, reason = "other tests need what is exposed")]
mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lfs_wrapper_kernel::{Frame, Sample, derive};
use machine::{MACHINES, copy, fixture, read, reader};

const INTERVAL_USEC: u64 = 2_000_000;

/// Adds to words of the first line that begins with `start`: number of the word,
/// from 0, and what to add.
fn advance(folder: &Path, file: &str, start: &str, words: &[(usize, u64)]) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let index = text
        .lines()
        .position(|line| line.trim_start().starts_with(start));
    let index = index.unwrap_or_else(|| panic!("{file} has no {start}"));
    let lines = text.lines().enumerate().map(|(number, line)| {
        if number != index {
            return line.to_owned();
        }
        let mut all: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        for (word, delta) in words {
            let number = all[*word].rsplit('=').next().unwrap();
            let next = number.parse::<u64>().unwrap() + delta;
            all[*word] = all[*word].replace(number, &next.to_string());
        }
        all.join(" ")
    });
    let advanced: Vec<String> = lines.collect();
    fs::write(folder.join(file), format!("{}\n", advanced.join("\n"))).unwrap();
}

/// The frame of a machine after two seconds in which `change` was done.
fn frame(machine: &str, change: impl FnOnce(&Path)) -> Frame {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(machine), folder.path());
    let before = read(folder.path());
    change(folder.path());
    let after = Sample {
        monotonic_usec: before.monotonic_usec + INTERVAL_USEC,
        ..read(folder.path())
    };
    derive(&before, &after)
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-12
}

/// Every machine gets the same change. Words of `cpu0` are user 1, nice 2,
/// system 3, idle 4, iowait 5.
fn change(folder: &Path, disk: &str) {
    advance(
        folder,
        "proc/stat",
        "cpu0 ",
        &[(1, 60), (3, 40), (4, 80), (5, 20)],
    );
    advance(folder, "proc/stat", "cpu1 ", &[(4, 200)]);
    // Reads 4 more, sectors 64, 20 ms; writes 10, sectors 160, 5 ms; 500 ms
    // busy, 3000 ms weighted. The name is word 2.
    let words = [
        (3, 4),
        (5, 64),
        (6, 20),
        (7, 10),
        (9, 160),
        (10, 5),
        (12, 500),
        (13, 3000),
    ];
    let start = fs::read_to_string(folder.join("proc/diskstats")).unwrap();
    let start = start
        .lines()
        .find(|line| line.split_whitespace().nth(2) == Some(disk));
    advance(
        folder,
        "proc/diskstats",
        start.unwrap().trim_start(),
        &words,
    );
    // OutSegs is word 11, RetransSegs 12; the line above has their names.
    advance(folder, "proc/net/snmp", "Tcp: 1", &[(11, 9), (12, 3)]);
    advance(folder, "proc/pressure/cpu", "some", &[(4, 500_000)]);
    advance(folder, "proc/pressure/io", "full", &[(4, 2_500_000)]);
}

#[test]
fn a_frame_is_what_was_added_to_the_counters() {
    for (machine, disk) in [("idle", "vda"), ("loaded", "vda"), ("large", "sda")] {
        let frame = frame(machine, |folder| change(folder, disk));
        assert_eq!(frame.interval_usec, INTERVAL_USEC, "{machine}");
        let cpu = frame.cpu.unwrap();
        // 200 ticks each of two processors: 100 busy, 20 waiting for storage.
        assert_eq!(cpu.busy_ratio, 100.0 / 400.0, "{machine}");
        assert_eq!(cpu.iowait_ratio, 20.0 / 400.0, "{machine}");
        assert_eq!(
            (cpu.cores[0].busy_ratio, cpu.cores[1].busy_ratio),
            (0.5, 0.0)
        );
        // The others stood still, so that they have no share.
        assert_eq!(cpu.cores.len(), 2, "{machine}");

        let of_disk = frame.disks.iter().find(|of_one| of_one.device == disk);
        let of_disk = of_disk.unwrap();
        // 20 ms for 4 reads, 5 ms for 10 writes.
        assert_eq!(
            (of_disk.read_msec, of_disk.write_msec),
            (Some(5.0), Some(0.5))
        );
        // 500 ms of 2 s; 3 s of waiting in 2 s.
        assert_eq!(
            (of_disk.busy_ratio, of_disk.queue_requests),
            (0.25, Some(1.5))
        );
        // (64 + 160) * 512 bytes by 14 requests.
        assert_eq!(of_disk.request_bytes, Some(8192.0), "{machine}");
        let all = frame.disk.unwrap();
        assert_eq!((all.reads_per_second, all.writes_per_second), (2.0, 5.0));
        assert_eq!(all.busiest_device, disk);

        let protocols = frame.protocols.unwrap();
        // 3 of 9 + 3 segments; 3 in 2 s.
        assert_eq!(protocols.tcp_retransmit_ratio, Some(0.25), "{machine}");
        assert_eq!(protocols.tcp_retransmits_per_second, Some(1.5));
        // 0.5 s of 2 s; more than all the time is all of it.
        assert_eq!(frame.pressure.cpu_some, Some(0.25), "{machine}");
        assert_eq!(frame.pressure.io_full, Some(1.0), "{machine}");
        assert_eq!(frame.pressure.memory_some, Some(0.0), "{machine}");
    }
}

#[test]
fn run_queues_and_interrupts_are_told_where_the_kernel_counts_them() {
    let of_large = frame("large", |folder| {
        // Waited 0.5 s more (word 8), for 100 turns (word 9).
        advance(
            folder,
            "proc/schedstat",
            "cpu5 ",
            &[(8, 500_000_000), (9, 100)],
        );
        advance(folder, "proc/pressure/irq", "full", &[(4, 20_000)]);
    });
    assert_eq!(of_large.run_queues.len(), 96);
    let queue = &of_large.run_queues[5];
    // 0.5 s in 2 s; 500 ms by 100.
    assert!(is_near(queue.waiting_tasks, 0.25));
    assert_eq!((queue.core, queue.wait_msec), (5, Some(5.0)));
    assert_eq!(of_large.run_queues[4].waiting_tasks, 0.0);
    assert_eq!(of_large.pressure.irq_full, Some(0.01));
    let of_idle = frame("idle", |_| {});
    assert_eq!(
        (of_idle.run_queues.len(), of_idle.pressure.irq_full),
        (0, None)
    );
}

/// `sed -E 's/^[0-9]+ \(.*\) ([A-Za-z]) .*/\1/' proc/[0-9]*/stat | sort | uniq -c`,
/// and `awk '/^VmHWM/'` and the like of one process.
#[test]
fn processes_are_those_of_the_tree() {
    let states = [
        ("idle", vec![('I', 8), ('S', 10)]),
        ("loaded", vec![('D', 1), ('I', 8), ('R', 1), ('S', 24)]),
        (
            "large",
            vec![('D', 1), ('I', 2), ('R', 2), ('S', 11), ('T', 1), ('Z', 1)],
        ),
    ];
    assert_eq!(states.each_ref().map(|(machine, _)| *machine), MACHINES);
    for (machine, expected) in states {
        let folder = fixture(machine);
        let mut reader = reader(&folder);
        let sample = reader.read(None);
        let total: u64 = expected.iter().map(|(_, count)| count).sum();
        assert_eq!(sample.processes.count, Some(total), "{machine}");
        assert_eq!(sample.absent, [], "{machine}");
        let mut found: BTreeMap<char, u64> = BTreeMap::new();
        for row in reader.processes().rows() {
            *found.entry(row.counts.state).or_default() += 1;
            let text = fs::read_to_string(folder.join(format!("proc/{}/stat", row.identity.pid)));
            let text = text.unwrap();
            let (head, columns) = text.rsplit_once(") ").unwrap();
            assert_eq!(*row.name, *head.split_once('(').unwrap().1, "{machine}");
            // utime and stime are columns 14 and 15, the state the third.
            let columns: Vec<&str> = columns.split_whitespace().collect();
            let ticks =
                [row.counts.user_ticks, row.counts.system_ticks].map(|ticks| ticks.to_string());
            assert_eq!(columns[11..13], ticks, "{machine}");
            // Some may not be read, even by the superuser.
            let has_io = folder
                .join(format!("proc/{}/io", row.identity.pid))
                .exists();
            assert_eq!(row.counts.io.is_some(), has_io, "{machine}");
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{machine}");
    }
}

#[test]
fn names_of_processes_may_be_anything() {
    let mut reader = reader(&fixture("large"));
    reader.read(None);
    let names: Vec<String> = reader
        .processes()
        .rows()
        .map(|row| row.name.to_string())
        .collect();
    for name in [
        "tmux: server",
        "(sd-pam)",
        "a) R 1 (b",
        "\u{fc}ber dienst",
        "defunct one",
    ] {
        assert!(names.iter().any(|other| other == name), "{name}: {names:?}");
    }
}

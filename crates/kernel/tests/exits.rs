//! Processes that end on the machine the tests run on.
#![expect(
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "a test may fail; the child is waited for by the loop"
)]

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lfs_wrapper_kernel::exits::{Completeness, ExitEvent, ExitStream, Lineage, ProcessExit};
use lfs_wrapper_kernel::{Roots, read_monotonic_usec};
use nix::sys::resource::{UsageWho, getrusage};

const TAG: char = 'a';
const NOBODY: u32 = 65_534;

/// Looks after the end of a command, until all is told.
const LOOKS: u32 = 10;
const LOOK: Duration = Duration::from_millis(50);

/// One test at a time, since one measures this process's largest child.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What descended from a command, and all events.
struct Told {
    root: u32,
    exits: Vec<ProcessExit>,
    events: Vec<ExitEvent>,
}

fn run(command: &mut Command) -> Told {
    let mut stream = ExitStream::open(&Roots::default()).unwrap();
    assert!(stream.sources().records.is_ok() && stream.sources().events.is_ok());
    let mut lineage = Lineage::default();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    lineage.register_root(child.id(), TAG);
    let (mut events, mut exits) = (Vec::new(), Vec::new());
    let mut looks = 0;
    let mut seen = 0;
    while looks < LOOKS {
        looks += u32::from(child.try_wait().unwrap().is_some());
        stream.poll(LOOK, &mut events).unwrap();
        for event in &events[seen..] {
            match event {
                ExitEvent::Fork {
                    parent_tgid,
                    child_tgid,
                } => {
                    lineage.on_fork(*parent_tgid, *child_tgid);
                }
                ExitEvent::Gone(exit) => {
                    if lineage.tag_of(exit.pid) == Some(TAG) {
                        exits.push(*exit);
                    }
                    lineage.on_exit(exit.pid, read_monotonic_usec() / 1000);
                }
                _ => {}
            }
        }
        seen = events.len();
    }
    let losses = stream.losses();
    assert_eq!((losses.records, losses.events, losses.unparsed), (0, 0, 0));
    Told {
        root: child.id(),
        exits,
        events,
    }
}

fn shell(script: &str) -> Told {
    run(Command::new("/bin/sh").args(["-c", script]))
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn each_of_many_processes_is_told_once() {
    let _alone = alone();
    let told = shell("i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done; exit 0");
    let mut times: HashMap<u32, u32> = HashMap::new();
    for exit in &told.exits {
        *times.entry(exit.pid).or_default() += 1;
        assert_eq!(exit.completeness, Completeness::Whole, "{exit:?}");
        assert_eq!(exit.threads, 1, "{exit:?}");
        assert!(exit.usage.run_nsec.is_some(), "{exit:?}");
        if exit.pid != told.root {
            assert_eq!(exit.parent_pid, Some(told.root));
            assert_eq!(exit.comm.as_bytes(), b"true");
            assert_eq!(exit.status.unwrap().code(), Some(0));
        }
    }
    assert_eq!(told.exits.len(), 501);
    assert!(times.values().all(|times| *times == 1));
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn how_a_process_ended_is_told() {
    let _alone = alone();
    let told = shell("(exit 0); (exit 1); (exit 3); /bin/sh -c 'kill -9 $$'; exit 7");
    let ends: Vec<_> = told
        .exits
        .iter()
        .map(|exit| exit.status.unwrap())
        .map(|status| (status.code(), status.signal()))
        .collect();
    let expected = [
        (Some(0), None),
        (Some(1), None),
        (Some(3), None),
        (None, Some(9)),
        (Some(7), None),
    ];
    assert_eq!(ends, expected);
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS; uses python3"]
fn a_process_of_threads_is_one() {
    let _alone = alone();
    let script = "import threading\n\
        threads = [threading.Thread(target=lambda: sum(range(3000000))) for _ in range(4)]\n\
        [thread.start() for thread in threads]; [thread.join() for thread in threads]";
    let told = run(Command::new("python3").args(["-c", script]));
    let exit = told
        .exits
        .iter()
        .find(|exit| exit.threads == 5)
        .expect("one process of 5 threads");
    assert_eq!(exit.completeness, Completeness::Whole);
    let of_pid = told.exits.iter().filter(|other| other.pid == exit.pid);
    assert_eq!(of_pid.count(), 1);
    let run_usec = exit.usage.run_nsec.unwrap() / 1000;
    assert!(run_usec <= 8 * exit.elapsed_usec.unwrap(), "{exit:?}");
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn peak_memory_is_what_wait4_says() {
    let _alone = alone();
    let told = run(Command::new("dd").args(["if=/dev/zero", "of=/dev/null", "bs=90M", "count=1"]));
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let expected = usage.max_rss() as f64 * 1024.0;
    let found = told.exits[0].usage.rss_peak_bytes.unwrap() as f64;
    assert!(found > f64::from(90 << 20), "{found}");
    assert!((found / expected - 1.0).abs() < 0.02, "{found} {expected}");
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn becoming_another_user_is_told() {
    let _alone = alone();
    let told = run(Command::new("/bin/true").uid(NOBODY));
    let is_change = |event: &ExitEvent| matches!(event, ExitEvent::Uid { tgid, real: NOBODY, effective: NOBODY, .. } if *tgid == told.root);
    assert!(told.events.iter().any(is_change));
    assert_eq!(told.exits[0].uid, Some(NOBODY));
}

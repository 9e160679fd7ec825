//! What comes out of timelines of records and events. A line is a round:
//! `r PID/TGID` a thread's record, with `!` if it was the last of its process
//! and `*` if it had siblings; `f`, `t`, `x`, `e` the events of a process's and
//! a thread's start, an exec and an end. A round is 50 ms.

use crate::exits::aggregate::{Aggregate, PROCESSES_MAX, Telling};
use crate::exits::connector::ProcEvent;
use crate::exits::process_exit::{Completeness, ProcessExit};
use crate::exits::task_exit::{Comm, TaskExit, Usage, WaitStatus};

const ALL: Telling = Telling {
    records: true,
    names: true,
    events: true,
};
const RECORDS: Telling = Telling {
    events: false,
    ..ALL
};
const EVENTS: Telling = Telling {
    records: false,
    names: false,
    events: true,
};
/// A kernel whose records do not name their process.
const OLD: Telling = Telling {
    names: false,
    ..ALL
};

const ROUND_MSEC: u64 = 50;

/// Each thread uses 10 µs and as many KiB as its pid; its status is its pid.
fn record(telling: Telling, pid: u32, tgid: u32, is_last: bool, had_siblings: bool) -> TaskExit {
    let knows = telling.names || (is_last && had_siblings);
    TaskExit {
        pid,
        tgid: knows.then_some(tgid),
        parent_pid: Some(1),
        uid: 0,
        gid: 0,
        comm: Comm::new(pid.to_string().as_bytes()),
        status: WaitStatus(pid),
        begin_sec: Some(1000),
        elapsed_usec: 5,
        group_elapsed_usec: telling.names.then_some(50),
        usage: Usage {
            user_usec: Some(10),
            rss_peak_bytes: Some(u64::from(pid)),
            ..Usage::default()
        },
        is_last: if telling.names {
            Some(is_last)
        } else {
            (is_last && had_siblings).then_some(true)
        },
        had_siblings,
    }
}

fn pids(word: &str) -> (u32, u32) {
    let word = word.trim_end_matches(['!', '*']);
    let (pid, tgid) = word.split_once('/').unwrap_or((word, word));
    (pid.parse().unwrap(), tgid.parse().unwrap())
}

fn event(kind: &str, word: &str) -> ProcEvent {
    let (pid, tgid) = pids(word);
    match kind {
        "f" | "t" => ProcEvent::Fork {
            parent_tgid: 1,
            child_pid: pid,
            child_tgid: tgid,
        },
        "x" => ProcEvent::Exec { pid, tgid },
        "e" => ProcEvent::Exit {
            pid,
            tgid,
            status: WaitStatus(pid),
            parent_tgid: Some(1),
        },
        _ => panic!("{kind}"),
    }
}

/// `tgid threads user_usec status W|P|U`, in the order they came out, each
/// after the number of its round.
fn run(telling: Telling, rounds: &[&str]) -> Vec<String> {
    let mut aggregate = Aggregate::new(telling);
    let mut lines = Vec::new();
    for (round, text) in rounds.iter().enumerate() {
        aggregate.begin_round(round as u64 * ROUND_MSEC);
        let words: Vec<&str> = text.split_whitespace().collect();
        for step in words.chunks(2) {
            match *step {
                ["r", word] => {
                    let (pid, tgid) = pids(word);
                    let task = record(telling, pid, tgid, word.contains('!'), word.contains('*'));
                    aggregate.on_record(&task);
                }
                ["lost", _] => aggregate.on_events_lost(),
                [kind, word] => aggregate.on_event(&event(kind, word)),
                _ => panic!("{text}"),
            }
        }
        aggregate.end_round();
        lines.extend(aggregate.ready.drain(..).map(|exit| render(round, &exit)));
    }
    lines
}

fn render(round: usize, exit: &ProcessExit) -> String {
    let completeness = match exit.completeness {
        Completeness::Whole => 'W',
        Completeness::Partial => 'P',
        Completeness::Unknown => 'U',
    };
    format!(
        "{round}: {} {} {} {} {completeness}",
        exit.pid,
        exit.threads,
        exit.usage.user_usec.unwrap_or_default(),
        exit.status.map_or(0, |status| status.0),
    )
}

fn check(telling: Telling, table: &[(&str, &[&str], &[&str])]) {
    for (what, rounds, expected) in table {
        assert_eq!(run(telling, rounds), *expected, "{what}");
    }
}

#[test]
fn with_records_and_events() {
    check(
        ALL,
        &[
            ("short", &["r 7! f 7 e 7"], &["0: 7 1 10 7 W"]),
            (
                "event a round later",
                &["r 7! f 7", "e 7"],
                &["1: 7 1 10 7 W"],
            ),
            (
                "record a round later",
                &["f 7 e 7", "r 7!"],
                &["1: 7 1 10 7 W"],
            ),
            ("event lost", &["r 7! f 7", "", "", ""], &["2: 7 1 10 7 W"]),
            ("record lost", &["f 7 e 7", "", ""], &["1: 7 0 0 7 P"]),
            (
                "late event",
                &["r 7!", "", "", "e 7", ""],
                &["2: 7 1 10 7 W"],
            ),
            (
                "threads first",
                &["r 8/7 r 7!* f 7 t 8/7 e 8/7 e 7", ""],
                &["1: 7 2 20 7 W"],
            ),
            (
                "leader first",
                &["f 7 t 8/7 r 7 e 7", "", "", "", "r 8/7!* e 8/7", ""],
                &["5: 7 2 20 8 W"],
            ),
            (
                "older leader first",
                &["r 7 e 7", "", "", "", "r 8/7!* e 8/7", "", ""],
                &["6: 7 2 20 8 W"],
            ),
            (
                "thread lost",
                &["t 8/7 e 8/7", "r 7!* e 7", ""],
                &["2: 7 1 10 7 W"],
            ),
            (
                "last lost",
                &["f 7 t 8/7 r 7 e 7", "", "e 8/7", "", ""],
                &["3: 7 1 10 7 P"],
            ),
            (
                "thread late",
                &["f 7 t 8/7 r 7!* e 7 e 8/7", "r 8/7"],
                &["1: 7 2 20 7 W"],
            ),
            (
                "exec by another thread",
                &["f 7 t 8/7 r 7 e 7 x 7", "", "", "r 7!* e 7", ""],
                &["4: 7 2 20 7 W"],
            ),
            (
                "pid again",
                &["r 7! f 7 e 7 f 7", "r 7! e 7"],
                &["0: 7 1 10 7 W", "1: 7 1 10 7 W"],
            ),
            (
                "pid again, record lost",
                &["f 7 e 7 f 7", "r 7! e 7"],
                &["0: 7 0 0 7 P", "1: 7 1 10 7 W"],
            ),
            (
                "pid again, both lost",
                &["f 7 r 8/7", "", "f 7", "r 7! e 7"],
                &["2: 7 1 10 0 P", "3: 7 1 10 7 W"],
            ),
            (
                "events lost",
                &["f 7 t 8/7 lost 0 r 7! e 7", ""],
                &["0: 7 1 10 7 W"],
            ),
        ],
    );
}

#[test]
fn with_records_alone() {
    check(
        RECORDS,
        &[
            ("single", &["r 7!"], &["0: 7 1 10 7 W"]),
            (
                "threads first",
                &["r 8/7", "", "", "", "r 7!*", "", ""],
                &["6: 7 2 20 7 W"],
            ),
            (
                "thread late",
                &["r 7!*", "r 8/7", "", ""],
                &["2: 7 2 20 7 W"],
            ),
            (
                "thread too late",
                &["r 7!*", "", "", "r 8/7", "", "", "", ""],
                &["2: 7 1 10 7 W"],
            ),
            (
                "leader first",
                &["r 7", "r 8/7!*", "", "", ""],
                &["3: 7 2 20 8 W"],
            ),
            ("lives on", &["r 8/7", "r 9/7", "", "", "", "", ""], &[]),
        ],
    );
}

#[test]
fn with_events_alone() {
    check(
        EVENTS,
        &[
            ("single", &["f 7 e 7"], &["0: 7 0 0 7 P"]),
            (
                "leader first",
                &["f 7 t 8/7 e 7", "", "", "e 8/7"],
                &["3: 7 0 0 7 P"],
            ),
            (
                "threads first",
                &["f 7 t 8/7 e 8/7", "", "", "e 7"],
                &["3: 7 0 0 7 P"],
            ),
            ("exec", &["f 7 t 8/7 e 7 x 7", "", "e 7"], &["2: 7 0 0 7 P"]),
        ],
    );
}

#[test]
fn with_records_that_do_not_name_their_process() {
    check(
        OLD,
        &[
            ("single", &["r 7 f 7 e 7"], &["0: 7 1 10 7 W"]),
            (
                "record a round later",
                &["f 7 e 7", "r 7"],
                &["1: 7 1 10 7 W"],
            ),
            (
                "threads first",
                &["f 7 t 8/7 r 8/7 e 8/7", "r 7!* e 7", "", ""],
                &["2: 7 2 20 7 W"],
            ),
            (
                "leader first",
                &["f 7 t 8/7 r 7 e 7", "", "", "r 8/7!* e 8/7", ""],
                &["4: 7 2 20 7 W"],
            ),
            (
                "event lost",
                &["r 7", "", "", "", "", "", "", ""],
                &["5: 7 1 10 7 W"],
            ),
        ],
    );
    let neither = Telling {
        events: false,
        ..OLD
    };
    check(
        neither,
        &[(
            "threads and processes look alike",
            &["r 7 r 8/7"],
            &["0: 7 1 10 7 U", "0: 8 1 10 8 U"],
        )],
    );
}

#[test]
fn what_a_process_is_comes_from_its_first_thread_and_peaks_do_not_add_up() {
    let mut exit = ProcessExit::unknown(7);
    for (pid, is_last) in [(9, false), (7, false), (8, true)] {
        exit.add(&record(ALL, pid, 7, is_last, true));
    }
    assert_eq!(exit.comm.as_bytes(), b"7");
    assert_eq!(exit.status, Some(WaitStatus(8)));
    assert_eq!(exit.usage.rss_peak_bytes, Some(9));
    assert_eq!(exit.elapsed_usec, Some(50));
    assert_eq!(exit.threads, 3);
}

#[test]
fn what_never_ends_is_bounded() {
    let mut aggregate = Aggregate::new(RECORDS);
    let count = u32::try_from(PROCESSES_MAX).unwrap() + 3;
    for tgid in 0..count {
        aggregate.on_record(&record(RECORDS, tgid + 100_000, tgid + 1, false, false));
    }
    aggregate.end_round();
    let given: Vec<u32> = aggregate.ready.iter().map(|exit| exit.pid).collect();
    assert_eq!(given, [1, 2, 3]);
    assert_eq!(aggregate.partial, 3);
}

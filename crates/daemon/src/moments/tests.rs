use std::path::PathBuf;
use std::sync::Arc;

use lfs_wrapper_build::dispatch::{RunState, StepState};
use lfs_wrapper_build::record::{Attempt, Options, Run, Step as RunStep};
use lfs_wrapper_history::moments::{
    EventFilter, EventKind, MOMENTS_SCHEMA, ProcessFrame, events, processes_at,
};
use lfs_wrapper_kernel::{
    Before, ColdFields, ProcessCounts, ProcessIdentity, ProcessIo, ProcessRow,
};
use lfs_wrapper_model::Severity;
use rusqlite::Connection;

use super::MomentsRecorder;

const T: i64 = 1_795_256_400_000;

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(MOMENTS_SCHEMA).unwrap();
    connection
}

fn write(connection: &mut Connection, recorder: &mut MomentsRecorder) {
    let transaction = connection.transaction().unwrap();
    recorder.write(&transaction).unwrap();
    transaction.commit().unwrap();
    recorder.committed();
}

fn row(pid: u32, parent_pid: u32, arguments: Option<&[&str]>) -> ProcessRow {
    let arguments = arguments.map(|arguments| {
        let arguments = arguments.iter().map(ToString::to_string);
        arguments.collect::<Vec<_>>().into()
    });
    ProcessRow {
        identity: ProcessIdentity {
            pid,
            start_ticks: 7,
        },
        name: Arc::from("cc"),
        counts: ProcessCounts {
            state: 'R',
            parent_pid,
            user_ticks: 3,
            system_ticks: 4,
            threads: 2,
            rss_bytes: 8192,
            io: Some(ProcessIo {
                read_bytes: 5,
                write_bytes: 6,
                ..ProcessIo::default()
            }),
            ..ProcessCounts::default()
        },
        before: Before::Unknown,
        is_fresh: true,
        left_out: 0,
        uid: Some(1000),
        cgroup: None,
        cold: ColdFields {
            arguments,
            ..ColdFields::default()
        },
    }
}

fn attempt(id: i64, state: StepState) -> Attempt {
    let is_running = state == StepState::Running;
    Attempt {
        id,
        number: 1,
        state,
        phase: None,
        started_msec: T + id,
        ended_msec: (!is_running).then_some(T + id + 500),
        keeper: is_running.then(|| "00000000-0000-0000-0000-000000000000:10:7".parse().unwrap()),
        leader: None,
        cgroup: None,
        log: PathBuf::new(),
        exit_code: (state == StepState::Failed).then_some(2),
        signal: None,
        reason: None,
        first_error: None,
        wall_usec: None,
        user_usec: None,
        system_usec: None,
        reaped_cpu_usec: None,
        cpu_source: None,
        memory_peak_bytes: None,
        memory_source: None,
        read_bytes: None,
        write_bytes: None,
        io_source: None,
        strays: None,
        log_dropped_bytes: None,
        exits: None,
    }
}

fn run(state: RunState, steps: &[(&str, Option<Attempt>)]) -> Run {
    let step = |(id, attempt): &(&str, Option<Attempt>)| RunStep {
        id: (*id).to_owned(),
        title: String::new(),
        package: String::new(),
        version: String::new(),
        sbu: None,
        needs: Vec::new(),
        state: attempt
            .as_ref()
            .map_or(StepState::Pending, |attempt| attempt.state),
        known_seconds: None,
        attempt: attempt.clone(),
    };
    Run {
        id: 4,
        name: "lfs".to_owned(),
        options: Options {
            root: PathBuf::new(),
            sources: None,
            jobs: 1,
            keep_going: false,
            environment: None,
            command: None,
        },
        state,
        reason: None,
        started_msec: T,
        ended_msec: (state != RunState::Running).then_some(T + 2_000),
        supervisor: None,
        steps: steps.iter().map(step).collect(),
    }
}

#[test]
fn the_kernels_table_is_kept_with_command_lines_and_steps() {
    let mut connection = database();
    let mut recorder = MomentsRecorder::open(&connection).unwrap();
    let running = attempt(1, StepState::Running);
    recorder.take_runs(&[run(RunState::Running, &[("gcc", Some(running))])]);
    let rows = [
        row(10, 1, Some(&["keeper"])),
        row(11, 10, Some(&["cc", "-O2"])),
        row(12, 11, None),
        row(13, 2, Some(&[])),
    ];
    recorder.take_processes(T, &rows);
    recorder.take_processes(T + 1000, &rows);
    write(&mut connection, &mut recorder);
    let frame = processes_at(&connection, T + 1000).unwrap().value.unwrap();
    let shown = |frame: &ProcessFrame| -> Vec<(Option<String>, Option<String>)> {
        let rows = frame.rows.iter();
        rows.map(|row| {
            let step = row
                .step
                .as_ref()
                .map(|step| format!("{} {}", step.run, step.id));
            (row.arguments.as_ref().map(ToString::to_string), step)
        })
        .collect()
    };
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        (text("keeper"), None),
        (text("cc -O2"), text("4 gcc")),
        (None, text("4 gcc")),
        (text(""), None),
    ];
    assert_eq!(shown(&frame), expected);
    let cc = &frame.rows[1];
    assert_eq!((cc.cpu_usec, cc.rss_bytes, cc.threads), (70_000, 8192, 2));
    assert_eq!((cc.read_bytes, cc.write_bytes), (Some(5), Some(6)));
}

#[test]
fn runs_and_steps_begin_and_end_once_whoever_looks() {
    let mut connection = database();
    for _ in 0..2 {
        // The monitor is started anew.
        let mut recorder = MomentsRecorder::open(&connection).unwrap();
        let first = |state| ("gcc", Some(attempt(1, state)));
        for runs in [
            run(
                RunState::Running,
                &[first(StepState::Running), ("glibc", None)],
            ),
            run(
                RunState::Failed,
                &[
                    first(StepState::Completed),
                    ("glibc", Some(attempt(600, StepState::Failed))),
                ],
            ),
        ] {
            recorder.take_runs(std::slice::from_ref(&runs));
            recorder.take_runs(&[runs]);
            write(&mut connection, &mut recorder);
        }
    }
    let events = events(&connection, &EventFilter::between(0, i64::MAX)).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.time_msec - T,
                event.kind,
                event.severity,
                event.text.as_str(),
            )
        })
        .collect();
    let (info, error) = (Severity::Info, Severity::Error);
    let expected = [
        (0, EventKind::RunStarted, info, "run 4 began"),
        (
            1,
            EventKind::StepStarted,
            info,
            "step 'gcc' of run 4, attempt 1: began",
        ),
        (
            501,
            EventKind::StepEnded,
            info,
            "step 'gcc' of run 4, attempt 1: COMPLETED",
        ),
        (
            600,
            EventKind::StepStarted,
            info,
            "step 'glibc' of run 4, attempt 1: began",
        ),
        (
            1100,
            EventKind::StepEnded,
            error,
            "step 'glibc' of run 4, attempt 1: FAILED, exit code 2",
        ),
        (2000, EventKind::RunEnded, error, "run 4 FAILED"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_clock_that_is_set_is_told_and_one_that_runs_is_not() {
    let mut connection = database();
    let mut recorder = MomentsRecorder::open(&connection).unwrap();
    for (time_msec, monotonic_usec) in [
        (T, 1_000_000),
        (T + 1_010, 2_000_000),
        (T - 3_600_000, 3_000_000),
        (T - 3_599_000, 4_000_000),
    ] {
        recorder.take_clock(time_msec, monotonic_usec);
    }
    write(&mut connection, &mut recorder);
    let events = events(&connection, &EventFilter::between(0, i64::MAX)).unwrap();
    assert_eq!(events.len(), 1);
    let text = "the wall clock moved by -3602.0 s, or the machine slept";
    assert_eq!(
        (events[0].kind, events[0].text.as_str()),
        (EventKind::ClockStepped, text)
    );
}

#[test]
fn what_cannot_be_read_when_it_is_sealed_is_told_once_and_counted() {
    let mut connection = database();
    let insert = "INSERT INTO exit_hot VALUES (?1, ?2, ?2, 1, x'00')";
    for (id, time_msec) in [(1, T), (2, T + 700_000)] {
        connection.execute(insert, (id, time_msec)).unwrap();
    }
    let mut recorder = MomentsRecorder::open(&connection).unwrap();
    for _ in 0..3 {
        // It does not come to its end.
        let transaction = connection.transaction().unwrap();
        recorder.write(&transaction).unwrap();
    }
    assert_eq!(recorder.counts().damaged, 0);
    write(&mut connection, &mut recorder);
    write(&mut connection, &mut recorder);
    assert_eq!(recorder.counts().damaged, 2);
    let told = events(&connection, &EventFilter::between(0, i64::MAX)).unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|event| event.kind == EventKind::Lost));
}

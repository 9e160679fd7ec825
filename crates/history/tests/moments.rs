//! What ran at a moment: against a plain list of frames, over crashes, and from
//! files that are damaged.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use lfs_wrapper_history::moments::{
    EventFilter, EventKind, ExitFilter, ExitRecord, ExitRecorder, FRAME_AGE_MAX_MSEC,
    MOMENTS_SCHEMA, MomentEvent, MomentKind, PROCESSES_MAX, ProcessFrame, ProcessRecorder,
    ProcessRow, SealReport, Step, WINDOW_MSEC, append_event, at, derive_rates, events, exits,
    processes_at, processes_between,
};
use lfs_wrapper_model::Severity;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::{prop_oneof, proptest};
use rusqlite::Connection;

/// The beginning of a window.
const T: i64 = 1_795_256_400_000;

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(MOMENTS_SCHEMA).unwrap();
    connection
}

fn row(pid: u32) -> ProcessRow {
    ProcessRow {
        pid,
        start_ticks: u64::from(pid) * 3,
        parent_pid: 1,
        uid: Some(0),
        name: Arc::from("cc1plus"),
        arguments: Some(Arc::from("cc1plus -O2 a.cc")),
        step: None,
        state: 'R',
        threads: 1,
        cpu_usec: 10_000,
        rss_bytes: 4096,
        read_bytes: Some(0),
        write_bytes: None,
        minor_faults: 7,
        major_faults: 0,
    }
}

fn frame(time_msec: i64, rows: Vec<ProcessRow>) -> ProcessFrame {
    ProcessFrame {
        time_msec,
        rows,
        dropped: 0,
    }
}

fn write(connection: &mut Connection, recorder: &mut ProcessRecorder) -> SealReport {
    let transaction = connection.transaction().unwrap();
    let report = recorder.write(&transaction).unwrap();
    transaction.commit().unwrap();
    recorder.committed();
    report
}

fn read_all(connection: &Connection) -> Vec<ProcessFrame> {
    let frames = processes_between(connection, i64::MIN, i64::MAX);
    frames.map(Result::unwrap).collect()
}

/// What a process may turn into between two frames.
#[derive(Clone, Debug)]
struct Turn {
    pid: u32,
    lives: bool,
    cpu: u64,
    rss: u64,
    name: u8,
    step: u8,
    io: Option<u64>,
}

#[derive(Clone, Debug)]
enum Act {
    Frame { later_msec: i64, turns: Vec<Turn> },
    Write,
    WriteInVain,
    Crash,
}

fn turn() -> impl Strategy<Value = Turn> {
    let numbers = (0..5_u64, 0..3_u64, 0..4_u8, 0..3_u8);
    let io = prop_oneof![Just(None), any::<u32>().prop_map(|io| Some(u64::from(io)))];
    (1..12_u32, any::<bool>(), numbers, io).prop_map(|(pid, lives, numbers, io)| Turn {
        pid,
        lives,
        cpu: numbers.0 * 10_000,
        rss: numbers.1 * 4096,
        name: numbers.2,
        step: numbers.3,
        io,
    })
}

fn act() -> impl Strategy<Value = Act> {
    let later = prop_oneof![
        8 => Just(1000_i64),
        2 => 1..100_000_i64,
        1 => 200_000..2_000_000_i64,
    ];
    let turns = vec(turn(), 0..6);
    let frame = (later, turns).prop_map(|(later_msec, turns)| Act::Frame { later_msec, turns });
    prop_oneof![
        12 => frame,
        4 => Just(Act::Write),
        1 => Just(Act::WriteInVain),
        1 => Just(Act::Crash),
    ]
}

fn take_turn(rows: &mut Vec<ProcessRow>, turn: &Turn) {
    let place = rows.binary_search_by_key(&turn.pid, |row| row.pid);
    match (place, turn.lives) {
        (Err(place), true) => rows.insert(place, row(turn.pid)),
        (Ok(place), false) => drop(rows.remove(place)),
        _ => {}
    }
    if let Ok(place) = rows.binary_search_by_key(&turn.pid, |row| row.pid) {
        let row = &mut rows[place];
        row.cpu_usec += turn.cpu;
        row.rss_bytes = turn.rss;
        row.read_bytes = turn.io;
        row.name = Arc::from(["cc", "ld", "größe", ""][usize::from(turn.name)]);
        row.step = (turn.step > 0).then(|| {
            Arc::new(Step {
                run: i64::from(turn.step),
                id: "a b".to_owned(),
            })
        });
    }
}

fn nearest(model: &[ProcessFrame], time_msec: i64) -> Option<&ProcessFrame> {
    let frames = model.iter().rev();
    let mut before = frames.filter(|frame| frame.time_msec <= time_msec);
    before
        .next()
        .filter(|frame| time_msec - frame.time_msec <= FRAME_AGE_MAX_MSEC)
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written_over_crashes(acts in vec(act(), 1..120)) {
        let mut connection = database();
        let mut recorder = ProcessRecorder::open(&connection).unwrap();
        let (mut written, mut waiting) = (Vec::new(), Vec::new());
        let (mut rows, mut time_msec) = (Vec::new(), T);
        for act in acts {
            match act {
                Act::Frame { later_msec, turns } => {
                    time_msec += later_msec;
                    turns.iter().for_each(|turn| take_turn(&mut rows, turn));
                    waiting.push(frame(time_msec, rows.clone()));
                    recorder.append(&waiting[waiting.len() - 1]);
                }
                Act::Write => {
                    write(&mut connection, &mut recorder);
                    written.append(&mut waiting);
                }
                Act::WriteInVain => {
                    let transaction = connection.transaction().unwrap();
                    recorder.write(&transaction).unwrap();
                }
                Act::Crash => {
                    waiting.clear();
                    recorder = ProcessRecorder::open(&connection).unwrap();
                }
            }
        }
        assert_eq!(recorder.counts().lost_frames, 0);
        assert_eq!(read_all(&connection), written);
        for asked in (T..time_msec + 400_000).step_by(77_777) {
            let found = processes_at(&connection, asked).unwrap();
            assert_eq!(found.value.as_ref(), nearest(&written, asked));
            assert_eq!(found.damaged, []);
        }
    }
}

/// A frame a second, of which each changes something.
fn record(connection: &mut Connection, from_msec: i64, frames: i64) -> Vec<ProcessFrame> {
    let mut recorder = ProcessRecorder::open(connection).unwrap();
    let mut all = Vec::new();
    for second in 0..frames {
        let mut rows = vec![row(1), row(2), row(3)];
        rows[1].cpu_usec += u64::try_from(second).unwrap() * 10_000;
        all.push(frame(from_msec + second * 1000, rows));
        recorder.append(&all[all.len() - 1]);
        if second % 5 == 4 {
            write(connection, &mut recorder);
        }
    }
    write(connection, &mut recorder);
    all
}

fn count(connection: &Connection, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    connection.query_row(&query, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_window_becomes_a_block_when_the_next_begins() {
    let mut connection = database();
    let all = record(&mut connection, T, 599);
    assert_eq!(count(&connection, "process_block"), 0);
    assert_eq!(count(&connection, "process_hot"), 120);
    let more = record(&mut connection, T + WINDOW_MSEC, 5);
    assert_eq!(count(&connection, "process_block"), 1);
    assert_eq!(count(&connection, "process_hot"), 1);
    assert_eq!(read_all(&connection), [all, more].concat());
    let used = MomentKind::Processes.bytes(&connection).unwrap();
    assert!((100..2_000).contains(&used), "{used}");
}

#[test]
fn a_clock_that_was_set_back_loses_nothing_that_is_asked_for_by_time() {
    let mut connection = database();
    let late = record(&mut connection, T + 400_000, 100);
    let early = record(&mut connection, T, 100);
    record(&mut connection, T + 2 * WINDOW_MSEC, 1);
    for one in late.iter().chain(&early) {
        let found = processes_at(&connection, one.time_msec).unwrap();
        assert_eq!(found.value.as_ref(), Some(one));
    }
    // Onto the very moments that are taken.
    record(&mut connection, T, 100);
    record(&mut connection, T + 4 * WINDOW_MSEC, 1);
    assert_eq!(count(&connection, "process_block"), 4);
}

#[test]
fn a_damaged_row_costs_what_follows_until_all_is_written_anew() {
    let mut connection = database();
    let all = record(&mut connection, T, 300);
    connection
        .execute("UPDATE process_hot SET data = x'00' WHERE id = 15", [])
        .unwrap();
    // Rows 15 to 24 hold the seconds 70 to 119; the next minute begins anew.
    let mut kept = all;
    kept.drain(70..120);
    let mut frames = processes_between(&connection, i64::MIN, i64::MAX);
    let read: Vec<_> = frames.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, kept);
    let damaged: Vec<_> = frames.damaged().cloned().collect();
    assert_eq!(damaged.len(), 10);
    assert_eq!(damaged[0].what, "process_hot 15");
    assert_eq!(damaged[0].when_msec, Some(T + 69_000));

    let mut recorder = ProcessRecorder::open(&connection).unwrap();
    let next = frame(T + WINDOW_MSEC, vec![row(1)]);
    recorder.append(&next);
    let report = write(&mut connection, &mut recorder);
    assert_eq!((report.blocks, report.damaged), (1, damaged));
    kept.push(next);
    assert_eq!(read_all(&connection), kept);
}

#[test]
fn a_damaged_block_is_named_and_the_others_are_read() {
    let mut connection = database();
    for window in 0..3 {
        record(&mut connection, T + window * WINDOW_MSEC, 10);
    }
    connection
        .execute(
            "UPDATE process_block SET bytes = substr(bytes, 1, 40) WHERE start_msec = ?1",
            [T],
        )
        .unwrap();
    let mut frames = processes_between(&connection, i64::MIN, i64::MAX);
    assert_eq!(frames.by_ref().count(), 20);
    let damaged: Vec<_> = frames.damaged().cloned().collect();
    assert_eq!((damaged.len(), damaged[0].when_msec), (1, Some(T)));
    let found = processes_at(&connection, T + 5_000).unwrap();
    assert_eq!((found.value, found.damaged), (None, damaged));
}

#[test]
fn a_command_line_that_was_read_late_was_so_from_the_start() {
    let mut connection = database();
    let mut recorder = ProcessRecorder::open(&connection).unwrap();
    let unread = |pid| ProcessRow {
        arguments: None,
        ..row(pid)
    };
    let renamed = ProcessRow {
        name: Arc::from("sh"),
        ..unread(2)
    };
    recorder.append(&frame(T, vec![unread(1), renamed.clone(), unread(3)]));
    recorder.append(&frame(T + 1, vec![row(1), row(2), unread(3)]));
    recorder.append(&frame(T + WINDOW_MSEC, Vec::new()));
    write(&mut connection, &mut recorder);
    let read = read_all(&connection);
    assert_eq!(read[0].rows, [row(1), renamed, unread(3)]);
    assert_eq!(read[1].rows, [row(1), row(2), unread(3)]);
}

#[test]
fn of_ten_thousands_of_short_lives_those_are_kept_that_last_or_use_much() {
    let mut connection = database();
    let mut recorder = ProcessRecorder::open(&connection).unwrap();
    let (mut shown, mut dropped) = (0_u64, 0_u64);
    for second in 0..500_u32 {
        let lasting = (1..100).map(row);
        let passing = (0..100).map(|number| row(1000 + second * 100 + number));
        let mut rows: Vec<ProcessRow> = lasting.chain(passing).collect();
        // One of them uses much, one is there a second time.
        rows[150].cpu_usec = 2_000_000;
        rows.insert(99, row(900 + second.div_ceil(2)));
        rows.sort_by_key(ProcessRow::key);
        recorder.append(&frame(T + i64::from(second) * 1000, rows));
        write(&mut connection, &mut recorder);
    }
    recorder.append(&frame(T + WINDOW_MSEC, Vec::new()));
    let report = write(&mut connection, &mut recorder);
    assert!(report.blocks >= 1);
    let last = 1000 + 499 * 100;
    for read in processes_between(&connection, i64::MIN, T + WINDOW_MSEC - 1) {
        let read = read.unwrap();
        shown += read.rows.len() as u64;
        dropped += read.dropped;
        assert!(read.rows.len() >= 100);
    }
    let end = processes_at(&connection, T + 499_000)
        .unwrap()
        .value
        .unwrap();
    assert!(
        end.rows
            .iter()
            .any(|row| row.pid >= last && row.cpu_usec == 2_000_000)
    );
    assert!(end.dropped > 90);
    assert_eq!(shown + dropped, 500 * 200);
    assert_eq!(recorder.counts().dropped, dropped);
}

#[test]
fn more_processes_than_fit_at_once_are_counted() {
    let mut connection = database();
    let mut recorder = ProcessRecorder::open(&connection).unwrap();
    let count = u32::try_from(PROCESSES_MAX).unwrap() + 10;
    let mut rows: Vec<ProcessRow> = (1..=count).map(row).collect();
    rows[7].cpu_usec = 1_000_000;
    recorder.append(&frame(T, rows));
    write(&mut connection, &mut recorder);
    let found = processes_at(&connection, T).unwrap().value.unwrap();
    assert!(found.rows.len() <= PROCESSES_MAX);
    assert_eq!(found.rows.len() as u64 + found.dropped, u64::from(count));
    assert!(found.rows.iter().any(|row| row.pid == 8));
}

#[test]
fn a_disk_that_is_full_for_long_costs_frames_that_are_counted() {
    let mut connection = database();
    let mut recorder = ProcessRecorder::open(&connection).unwrap();
    let mut rows: Vec<ProcessRow> = (1..=300).map(row).collect();
    let mut noise = 1_u64;
    for second in 0..2000 {
        for row in &mut rows {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            row.minor_faults += noise >> 40;
        }
        recorder.append(&frame(T + second * 1000, rows.clone()));
    }
    write(&mut connection, &mut recorder);
    let lost = recorder.counts().lost_frames;
    assert!(lost > 500);
    assert_eq!(read_all(&connection).len() as u64 + lost, 2000);
}

#[test]
fn idle_processes_take_nearly_nothing_and_busy_ones_little() {
    let mut connection = database();
    let mut recorder = ProcessRecorder::open(&connection).unwrap();
    let mut rows: Vec<ProcessRow> = (1..=300).map(row).collect();
    let mut noise = 1_u64;
    for second in 0..600 {
        for busy in rows.iter_mut().take(20) {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            busy.cpu_usec += (noise >> 58) * 10_000;
            busy.rss_bytes += (noise >> 54) % 64 * 4096;
            busy.minor_faults += (noise >> 50) % 200;
        }
        recorder.append(&frame(T + second * 1000, rows.clone()));
        if second % 5 == 4 {
            write(&mut connection, &mut recorder);
        }
    }
    recorder.append(&frame(T + WINDOW_MSEC, Vec::new()));
    let bytes = write(&mut connection, &mut recorder).bytes;
    // 180,000 of them; the noise of those that work is all there is.
    assert!(bytes < 180_000 / 4, "{bytes}");
}

#[test]
fn rates_are_over_the_time_between_and_of_the_same_process() {
    let before = frame(T, vec![row(1), row(2), row(4)]);
    let mut after = frame(T + 2_000, vec![row(2), row(3), row(4), row(5)]);
    after.rows[0].cpu_usec += 1_000_000;
    after.rows[0].read_bytes = Some(100);
    after.rows[2].cpu_usec = 0;
    let rates = derive_rates(&before, &after);
    assert_eq!(rates[0].cpu_ratio, Some(0.5));
    assert_eq!(rates[0].read_bytes_per_second, Some(50.0));
    assert_eq!(rates[0].write_bytes_per_second, None);
    assert_eq!(rates[1], lfs_wrapper_history::moments::Rates::default());
    assert_eq!(
        (rates[2].cpu_ratio, rates[2].minor_faults_per_second),
        (None, Some(0.0))
    );
}

fn exit(number: u32) -> ExitRecord {
    let step = Step {
        run: i64::from(number % 3),
        id: format!("step-{}", number % 2),
    };
    ExitRecord {
        pid: 1000 + number,
        parent_pid: (!number.is_multiple_of(7)).then_some(900 + number / 8),
        uid: Some(0),
        name: Arc::from(["cc1", "as", "sh", "collect2"][(number % 4) as usize]),
        start_msec: (!number.is_multiple_of(11)).then_some(T + i64::from(number) - 40),
        end_msec: T + i64::from(number) + i64::from(number.wrapping_mul(2_654_435_761) >> 29),
        exit_code: (!number.is_multiple_of(5)).then_some(0),
        signal: (number % 10 == 5).then_some(9),
        cpu_usec: Some(u64::from(number.wrapping_mul(2_654_435_761) >> 16)),
        rss_peak_bytes: Some(u64::from(number % 1000) * 4096),
        read_bytes: Some(0),
        write_bytes: (!number.is_multiple_of(13)).then_some(u64::from(number % 9) * 4096),
        minor_faults: Some(u64::from(number.wrapping_mul(2_654_435_761) >> 22)),
        major_faults: Some(0),
        step: (!number.is_multiple_of(4)).then(|| Arc::new(step)),
    }
}

fn write_exits(connection: &mut Connection, recorder: &mut ExitRecorder) {
    let transaction = connection.transaction().unwrap();
    assert_eq!(recorder.write(&transaction).unwrap(), []);
    transaction.commit().unwrap();
    recorder.committed();
}

#[test]
fn processes_that_ended_are_found_by_time_run_and_step() {
    let mut connection = database();
    let mut recorder = ExitRecorder::default();
    let all: Vec<ExitRecord> = (0..20_000).map(exit).collect();
    for some in all.chunks(1000) {
        some.iter().cloned().for_each(|one| recorder.append(one));
        write_exits(&mut connection, &mut recorder);
    }
    assert_eq!(count(&connection, "exit_block"), 2);
    assert!(count(&connection, "exit_hot") > 0);
    let read = |filter: &ExitFilter| -> Vec<ExitRecord> {
        let read = exits(&connection, filter.clone());
        let mut read: Vec<ExitRecord> = read.map(Result::unwrap).collect();
        read.sort_by_key(|one| one.pid);
        read
    };
    let whole = ExitFilter::between(i64::MIN, i64::MAX);
    assert_eq!(read(&whole), all);
    let some = ExitFilter {
        run: Some(2),
        step: Some("step-1".to_owned()),
        ..ExitFilter::between(T + 3_000, T + 12_000)
    };
    let is_meant = |one: &&ExitRecord| {
        (some.from_msec..=some.to_msec).contains(&one.end_msec)
            && one
                .step
                .as_ref()
                .is_some_and(|step| step.run == 2 && step.id == "step-1")
    };
    let meant: Vec<ExitRecord> = all.iter().filter(is_meant).cloned().collect();
    assert!(!meant.is_empty());
    assert_eq!(read(&some), meant);
    let nobody = ExitFilter {
        run: Some(77),
        ..whole
    };
    assert_eq!(read(&nobody), []);
    let sealed: f64 = connection
        .query_row(
            "SELECT sum(length(bytes)) * 1.0 / sum(exits) FROM exit_block",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(sealed < 20.0, "{sealed} bytes each");
}

#[test]
fn a_damaged_batch_of_exits_is_named_and_the_others_are_read() {
    let mut connection = database();
    let mut recorder = ExitRecorder::default();
    for some in 0..3 {
        (0..10).for_each(|number| recorder.append(exit(some * 10 + number)));
        write_exits(&mut connection, &mut recorder);
    }
    connection
        .execute("UPDATE exit_hot SET bytes = zeroblob(9) WHERE id = 2", [])
        .unwrap();
    let mut read = exits(&connection, ExitFilter::between(i64::MIN, i64::MAX));
    assert_eq!(read.by_ref().count(), 20);
    assert_eq!(read.damaged().len(), 1);
    assert_eq!(read.damaged()[0].what, "exit_hot 2");
}

fn event(time_msec: i64, kind: EventKind) -> MomentEvent {
    MomentEvent {
        time_msec,
        kind,
        severity: Severity::Error,
        run: Some(3),
        step: Some("gcc-pass1".to_owned()),
        subject: "build-failed".to_owned(),
        text: "it failed".to_owned(),
    }
}

#[test]
fn a_moment_is_what_ran_what_ended_and_what_happened() {
    let mut connection = database();
    let all = record(&mut connection, T, 10);
    let mut recorder = ExitRecorder::default();
    recorder.append(exit(1));
    recorder.append(exit(9_000));
    write_exits(&mut connection, &mut recorder);
    let transaction = connection.transaction().unwrap();
    append_event(&transaction, &event(T + 4_000, EventKind::Alert)).unwrap();
    append_event(&transaction, &event(T - 100_000, EventKind::StepEnded)).unwrap();
    transaction.commit().unwrap();
    let moment = at(&connection, T + 4_500).unwrap();
    assert_eq!(moment.processes.as_ref(), Some(&all[4]));
    assert_eq!(moment.rates[1].cpu_ratio, Some(0.01));
    assert_eq!((moment.exits, moment.exits_count), (vec![exit(1)], 1));
    assert_eq!(moment.events, [event(T + 4_000, EventKind::Alert)]);
    let kinds = EventFilter {
        kinds: vec![EventKind::StepEnded],
        ..EventFilter::between(i64::MIN, i64::MAX)
    };
    let found = events(&connection, &kinds).unwrap();
    assert_eq!(found, [event(T - 100_000, EventKind::StepEnded)]);
}

#[test]
fn what_is_old_is_deleted_from_each_of_the_tables() {
    let mut connection = database();
    record(&mut connection, T, 10);
    record(&mut connection, T + WINDOW_MSEC, 10);
    record(&mut connection, T + 2 * WINDOW_MSEC, 10);
    let mut recorder = ExitRecorder::default();
    (0..9_000).for_each(|number| recorder.append(exit(number)));
    write_exits(&mut connection, &mut recorder);
    let transaction = connection.transaction().unwrap();
    append_event(&transaction, &event(T, EventKind::Lost)).unwrap();
    for kind in MomentKind::ALL {
        assert!(kind.bytes(&transaction).unwrap() > 0);
        let oldest = kind.oldest_msec(&transaction).unwrap().unwrap();
        assert!(oldest < T + WINDOW_MSEC);
        assert!(kind.delete_before(&transaction, T + WINDOW_MSEC).unwrap() > 0);
    }
    transaction.commit().unwrap();
    assert_eq!(count(&connection, "process_block"), 1);
    for table in ["exit_block", "exit_step", "event"] {
        assert_eq!(count(&connection, table), 0, "{table}");
    }
}

//! The processes that lived at a moment, as the monitor saw them.

use std::path::Path;
use std::process::ExitCode;

use lfs_wrapper_history::moments::{self, ExitRecord, Moment, ProcessRow, Rates};
use lfs_wrapper_kernel::{ProcessOptions, ProcessTable, UserNames, read_boottime_usec};
use lfs_wrapper_model::{TimeMsec, render_local, render_rfc3339, visible};
use serde::Serialize;

use super::live::{SHOWN, render_command_line};
use super::{Processes, Sort};
use crate::command::Done;
use crate::command::history::{events, open_reader};
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{Style, render_bytes, render_seconds, render_table, say};

/// A look that was so long before the moment says that it was.
const NEAR_MSEC: i64 = 5_000;

/// The moment, as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    /// The moment that was asked for, and that of the processes.
    asked: String,
    asked_msec: TimeMsec,
    time: String,
    time_msec: TimeMsec,
    processes_counted: usize,
    /// Those for which there was no room.
    processes_left_out: u64,
    processes: Vec<Process>,
    /// Those that ended in the seconds before.
    exits_counted: u64,
    exits: Vec<Exit>,
    events: Vec<events::Shown>,
    /// Parts of the history that could not be read.
    damaged: Vec<String>,
}

/// One process.
#[derive(Debug, Serialize)]
struct Process {
    pid: u32,
    parent_pid: u32,
    /// Ticks of 10 ms since boot: with the pid it names the process.
    start_ticks: u64,
    comm: String,
    /// Secrets are masked.
    command_line: Option<String>,
    user: Option<String>,
    state: char,
    run: Option<i64>,
    step: Option<String>,
    threads: u32,
    /// Of one core, since the look before.
    cpu_percent: Option<f64>,
    cpu_seconds: f64,
    rss_bytes: u64,
    minor_faults_per_second: Option<f64>,
    major_faults_per_second: Option<f64>,
    read_bytes_per_second: Option<f64>,
    write_bytes_per_second: Option<f64>,
    read_bytes: Option<u64>,
    write_bytes: Option<u64>,
}

/// One process that ended.
#[derive(Debug, Serialize)]
struct Exit {
    pid: u32,
    comm: String,
    ended_msec: TimeMsec,
    exit_code: Option<u8>,
    signal: Option<u8>,
    cpu_seconds: Option<f64>,
    run: Option<i64>,
    step: Option<String>,
}

pub(super) fn run(session: &Session, time_msec: TimeMsec, asked: &Processes) -> Done {
    let moment = open_reader(session)?.with(|connection| moments::at(connection, time_msec))?;
    let mut table = ProcessTable::new(Path::new("/proc"), ProcessOptions::default());
    // Only for the names of users; their numbers will do.
    let _ = table.read_alone(read_boottime_usec());
    let Some(mut shown) = derive(time_msec, moment, asked, table.users()) else {
        let message = format!(
            "showing the processes at {}: the monitor kept none in the five minutes before; it \
             keeps them while it runs ('lfs-wrapper up'), and as long as the history has room",
            render_local(time_msec)
        );
        return Err(Failure::new(Kind::NotFound, message));
    };
    if shown.processes.is_empty() && (asked.step.is_some() || asked.run.is_some()) {
        return Err(none_of(&shown, asked));
    }
    let all = shown.processes.len();
    let limit = asked
        .limit
        .unwrap_or(if session.json { usize::MAX } else { SHOWN });
    shown.processes.truncate(limit);
    for one in &shown.damaged {
        say(&format!(
            "warning: a part of the history could not be read: {one}"
        ));
    }
    if session.json {
        print_json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&render(session.style(), &shown))?;
    if all > shown.processes.len() {
        let listed = shown.processes.len();
        say(&format!(
            "{listed} of {all} processes; all with --limit {all}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// None of the processes belongs to what was asked for.
fn none_of(shown: &Shown, asked: &Processes) -> Failure {
    let step = asked.step.as_deref().map(visible);
    let step = step.map_or(String::new(), |step| format!(" of the step '{step}'"));
    let run = asked
        .run
        .map_or(String::new(), |run| format!(" in run {run}"));
    let message = format!(
        "showing the processes at {}: none{step}{run} lived then; 'lfs-wrapper history events' \
         tells when steps ran",
        render_local(shown.time_msec)
    );
    Failure::new(Kind::NotFound, message)
}

fn derive(
    asked_msec: TimeMsec,
    moment: Moment,
    asked: &Processes,
    users: &UserNames,
) -> Option<Shown> {
    let frame = moment.processes?;
    let rates = moment
        .rates
        .into_iter()
        .chain(std::iter::repeat(Rates::default()));
    let is_asked = |row: &ProcessRow| {
        let step = row.step.as_deref();
        asked
            .step
            .as_ref()
            .is_none_or(|id| step.is_some_and(|step| step.id == *id))
            && asked
                .run
                .is_none_or(|run| step.is_some_and(|step| step.run == run))
    };
    let processes_counted = frame.rows.len();
    let mut chosen: Vec<(&ProcessRow, Rates)> = frame
        .rows
        .iter()
        .zip(rates)
        .filter(|(row, _)| is_asked(row))
        .collect();
    let sort = asked.sort.unwrap_or(Sort::Cpu);
    chosen.sort_by(|one, other| key(sort, other).total_cmp(&key(sort, one)));
    Some(Shown {
        asked: render_rfc3339(asked_msec),
        asked_msec,
        time: render_rfc3339(frame.time_msec),
        time_msec: frame.time_msec,
        processes_counted,
        processes_left_out: frame.dropped,
        processes: chosen
            .iter()
            .map(|(row, rates)| show(row, rates, users))
            .collect(),
        exits_counted: moment.exits_count,
        exits: moment.exits.iter().map(show_exit).collect(),
        events: moment.events.into_iter().map(events::Shown::from).collect(),
        damaged: moment
            .damaged
            .iter()
            .map(|damaged| format!("{}: {}", damaged.what, damaged.why))
            .collect(),
    })
}

fn key(sort: Sort, (row, rates): &(&ProcessRow, Rates)) -> f64 {
    match sort {
        Sort::Cpu => rates.cpu_ratio.unwrap_or(0.0),
        Sort::Rss => row.rss_bytes as f64,
        Sort::Io => {
            rates.read_bytes_per_second.unwrap_or(0.0) + rates.write_bytes_per_second.unwrap_or(0.0)
        }
    }
}

fn show(row: &ProcessRow, rates: &Rates, users: &UserNames) -> Process {
    Process {
        pid: row.pid,
        parent_pid: row.parent_pid,
        start_ticks: row.start_ticks,
        comm: row.name.to_string(),
        command_line: row.arguments.as_ref().map(ToString::to_string),
        user: row.uid.map(|uid| users.render(uid).into_owned()),
        state: row.state,
        run: row.step.as_ref().map(|step| step.run),
        step: row.step.as_ref().map(|step| step.id.clone()),
        threads: row.threads,
        cpu_percent: rates.cpu_ratio.map(|ratio| 100.0 * ratio),
        cpu_seconds: row.cpu_usec as f64 / 1e6,
        rss_bytes: row.rss_bytes,
        minor_faults_per_second: rates.minor_faults_per_second,
        major_faults_per_second: rates.major_faults_per_second,
        read_bytes_per_second: rates.read_bytes_per_second,
        write_bytes_per_second: rates.write_bytes_per_second,
        read_bytes: row.read_bytes,
        write_bytes: row.write_bytes,
    }
}

fn show_exit(record: &ExitRecord) -> Exit {
    Exit {
        pid: record.pid,
        comm: record.name.to_string(),
        ended_msec: record.end_msec,
        exit_code: record.exit_code,
        signal: record.signal,
        cpu_seconds: record.cpu_usec.map(|usec| usec as f64 / 1e6),
        run: record.step.as_ref().map(|step| step.run),
        step: record.step.as_ref().map(|step| step.id.clone()),
    }
}

fn render(style: Style, shown: &Shown) -> String {
    let header = [
        "COMMAND", "STEP", "USER", "S", "PID", "PARENT", "CPU %", "CPU", "RSS", "READ/s", "WRITE/s",
    ];
    let rows: Vec<Vec<String>> = shown.processes.iter().map(render_row).collect();
    let mut text = style.strong(&format!("at {}", render_local(shown.time_msec)));
    if shown.asked_msec.saturating_sub(shown.time_msec) > NEAR_MSEC {
        let asked = render_local(shown.asked_msec);
        text.push_str(&format!(", the last look before {asked}"));
    }
    text.push_str(&format!(", {} processes", shown.processes_counted));
    if shown.processes_left_out > 0 {
        let left_out = shown.processes_left_out;
        text.push_str(&format!(
            ", and {left_out} that were not kept for want of room"
        ));
    }
    if shown.exits_counted > 0 {
        let ended = shown.exits_counted;
        text.push_str(&format!("; {ended} ended in the five seconds before"));
    }
    text.push('\n');
    text.push_str(&render_table(style, &header, &rows, 4));
    if !shown.events.is_empty() {
        text.push('\n');
        text.push_str(&events::render(style, &shown.events));
    }
    text
}

fn render_row(one: &Process) -> Vec<String> {
    let text = |text: &Option<String>| visible(text.as_deref().unwrap_or_default());
    // A rate below a whole number of bytes says nothing.
    #[expect(clippy::cast_sign_loss, reason = "a rate is never negative")]
    let bytes = |rate: Option<f64>| render_bytes(rate.map(|rate| rate as u64));
    vec![
        render_command_line(one.command_line.as_deref().unwrap_or_default(), &one.comm),
        text(&one.step),
        text(&one.user),
        one.state.to_string(),
        one.pid.to_string(),
        one.parent_pid.to_string(),
        one.cpu_percent
            .map_or_else(String::new, |percent| format!("{percent:.1}")),
        render_seconds(Some(one.cpu_seconds)),
        render_bytes(Some(one.rss_bytes)),
        bytes(one.read_bytes_per_second),
        bytes(one.write_bytes_per_second),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lfs_wrapper_history::moments::{ProcessFrame, Step};

    use crate::when::When;

    use super::*;

    fn row(pid: u32, rss_bytes: u64, step: Option<&str>) -> ProcessRow {
        ProcessRow {
            pid,
            start_ticks: 1,
            parent_pid: 1,
            uid: None,
            name: Arc::from("cc\u{7}"),
            arguments: (pid == 2).then(|| Arc::from("cc -O2 a.c")),
            step: step.map(|id| {
                Arc::new(Step {
                    run: 4,
                    id: id.to_owned(),
                })
            }),
            state: 'R',
            threads: 1,
            cpu_usec: 2_000_000,
            rss_bytes,
            read_bytes: Some(0),
            write_bytes: None,
            minor_faults: 0,
            major_faults: 0,
        }
    }

    fn asked(sort: Option<Sort>, step: Option<&str>) -> Processes {
        Processes {
            sort,
            step: step.map(str::to_owned),
            run: None,
            exited: false,
            at: Some(When::At(0)),
            limit: None,
        }
    }

    fn moment() -> Moment {
        let cpu = |cpu| Rates {
            cpu_ratio: Some(cpu),
            ..Rates::default()
        };
        Moment {
            processes: Some(ProcessFrame {
                time_msec: 900,
                rows: vec![
                    row(1, 300, None),
                    row(2, 200, Some("gcc")),
                    row(3, 100, None),
                ],
                dropped: 6,
            }),
            rates: vec![cpu(0.1), cpu(0.2), cpu(1.5)],
            exits_count: 3,
            ..Moment::default()
        }
    }

    #[test]
    fn those_of_the_moment_are_sorted_and_chosen_by_step() {
        let users = UserNames::new(Path::new("/nowhere"));
        for (sort, step, expected) in [
            (None, None, vec![3, 2, 1]),
            (Some(Sort::Rss), None, vec![1, 2, 3]),
            (None, Some("gcc"), vec![2]),
            (None, Some("glibc"), vec![]),
        ] {
            let shown = derive(1000, moment(), &asked(sort, step), &users).unwrap();
            let pids: Vec<u32> = shown.processes.iter().map(|one| one.pid).collect();
            assert_eq!((pids, shown.processes_counted), (expected, 3));
        }
        assert!(derive(0, Moment::default(), &asked(None, None), &users).is_none());
    }

    #[test]
    fn the_table_says_what_is_missing_and_shows_no_control_characters() {
        let users = UserNames::new(Path::new("/nowhere"));
        let shown = derive(1000, moment(), &asked(None, None), &users).unwrap();
        let text = render(Style::new(false), &shown);
        assert!(text.contains("3 processes, and 6 that were not kept for want of room; 3 ended"));
        assert!(text.contains("cc -O2 a.c"));
        assert!(text.contains("[cc\u{fffd}]"));
        assert!(text.contains("150.0"));
    }
}

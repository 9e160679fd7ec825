//! The processes that ended under a step.

use std::cmp::Reverse;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::exits::{ExitFile, ExitRow, exits_file, read_exit_file};
use lfs_wrapper_build::record::Attempt;
use lfs_wrapper_model::visible;
use serde::Serialize;

use super::{Processes, Sort};
use crate::command::Done;
use crate::command::find::find_attempt;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{Style, render_bytes, render_table};

/// What is known of a step's processes, and how much of the step's CPU time
/// they explain.
#[derive(Debug, Serialize)]
struct Exited {
    step: String,
    attempt: i64,
    /// The attempt's CPU time, and where it is from.
    cpu_seconds: Option<f64>,
    cpu_source: Option<String>,
    /// The part of it that these records give to a process.
    attributed_cpu_seconds: Option<f64>,
    /// The rest, which belongs to no process; negative where the kernel's ticks
    /// say more than the step used.
    unattributed_cpu_seconds: Option<f64>,
    processes_counted: Option<u64>,
    messages_lost: Option<u64>,
    /// Processes that were counted and are not in the file, and lines of it that
    /// are damaged.
    processes_left_out: u64,
    lines_damaged: u64,
    processes: Vec<ExitRow>,
    #[serde(skip)]
    is_running: bool,
}

pub(super) fn run(session: &Session, step: &str, asked: &Processes) -> Done {
    let (_, database) = session.open()?;
    let attempt = find_attempt(&database, asked.run, step)?;
    let path = exits_file(&attempt.log);
    let file = read_exit_file(&path).map_err(|error| explain(&attempt, step, &path, &error))?;
    let mut exited = derive(step, &attempt, file);
    if let Some(sort) = asked.sort {
        exited.processes.sort_by_key(|row| Reverse(key(sort, row)));
    }
    exited.processes.truncate(asked.limit.unwrap_or(usize::MAX));
    if session.json {
        print_json(&exited)?;
    } else {
        print(&render(session.style(), &exited))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(attempt: &Attempt, step: &str, path: &Path, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::NotFound {
        return Failure::io(format!("reading {}", path.display()), error);
    }
    let what = format!("listing the processes that ended under step '{step}'");
    if let Some(exits) = attempt.exits {
        let message = format!(
            "{what}: {} were counted, but their list {} is gone, or could not be written",
            exits.processes,
            path.display()
        );
        return Failure::new(Kind::NotFound, message);
    }
    let message = format!(
        "{what}: nobody heard them end; that takes root and a kernel that tells of it: see \
         'lfs-wrapper doctor', and 'build start -v' for why"
    );
    Failure::new(Kind::Environment, message)
}

fn derive(step: &str, attempt: &Attempt, file: ExitFile) -> Exited {
    let seconds = |usec: u64| usec as f64 / 1e6;
    let used = attempt.user_usec.zip(attempt.system_usec);
    let used_usec = used.map(|(user, system)| user + system);
    // A file that could not be written to its end is not all there is.
    let exits = file.exits.or(attempt.exits);
    let listed = file.rows.len() as u64;
    let attributed_usec = match exits {
        Some(exits) => exits.cpu_usec,
        None => file
            .rows
            .iter()
            .filter_map(ExitRow::cpu_usec)
            .reduce(|sum, usec| sum + usec),
    };
    Exited {
        step: step.to_owned(),
        attempt: attempt.number,
        cpu_seconds: used_usec.map(seconds),
        cpu_source: attempt.cpu_source.clone(),
        attributed_cpu_seconds: attributed_usec.map(seconds),
        unattributed_cpu_seconds: used_usec
            .zip(attributed_usec)
            .map(|(used, attributed)| seconds(used) - seconds(attributed)),
        processes_counted: exits.map(|exits| exits.processes),
        messages_lost: exits.map(|exits| exits.lost),
        processes_left_out: exits.map_or(0, |exits| exits.processes.saturating_sub(listed)),
        is_running: attempt.state == StepState::Running,
        lines_damaged: file.damaged,
        processes: file.rows,
    }
}

fn key(sort: Sort, row: &ExitRow) -> u64 {
    match sort {
        Sort::Cpu => row.cpu_usec().unwrap_or(0),
        Sort::Rss => row.rss_peak_bytes.unwrap_or(0),
        Sort::Io => row.read_bytes.unwrap_or(0) + row.write_bytes.unwrap_or(0),
    }
}

fn render(style: Style, exited: &Exited) -> String {
    let header = [
        "COMMAND",
        "RESULT",
        "PID",
        "PARENT",
        "WALL",
        "CPU",
        "PEAK MEMORY",
        "READ",
        "WRITTEN",
        "FAULTS",
    ];
    let rows: Vec<Vec<String>> = exited.processes.iter().map(render_row).collect();
    let mut text = render_table(style, &header, &rows, 2);
    for line in render_summary(exited) {
        text.push_str(&style.faint(&line));
        text.push('\n');
    }
    text
}

fn render_row(row: &ExitRow) -> Vec<String> {
    let result = match (row.signal, row.exit_code) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit {code}"),
        (None, None) => String::new(),
    };
    vec![
        if row.comm.is_empty() {
            "?".to_owned()
        } else {
            visible(&row.comm)
        },
        result,
        row.pid.to_string(),
        row.parent_pid
            .map_or_else(String::new, |pid| pid.to_string()),
        render_short(row.elapsed_usec),
        render_short(row.cpu_usec()),
        render_bytes(row.rss_peak_bytes),
        render_bytes(row.read_bytes),
        render_bytes(row.write_bytes),
        row.minor_faults
            .zip(row.major_faults)
            .map_or_else(String::new, |(minor, major)| (minor + major).to_string()),
    ]
}

/// Seconds with two decimals: most processes live for less than one.
fn render_short(usec: Option<u64>) -> String {
    usec.map_or_else(
        || "-".to_owned(),
        |usec| format!("{:.2} s", usec as f64 / 1e6),
    )
}

fn render_summary(exited: &Exited) -> Vec<String> {
    let mut lines = Vec::new();
    let listed = exited.processes.len();
    let counted = exited.processes_counted;
    lines.push(match counted {
        Some(counted) => format!("{listed} of {counted} processes listed"),
        None if exited.is_running => format!("{listed} processes listed; the step goes on"),
        None => format!("{listed} processes listed; nobody lived to see the end of the step"),
    });
    let known = exited.cpu_seconds.zip(exited.attributed_cpu_seconds);
    if let (Some((used, attributed)), Some(rest)) = (known, exited.unattributed_cpu_seconds) {
        let source = exited.cpu_source.as_deref().unwrap_or("?");
        let rest = if rest < 0.0 {
            format!("{:.2} s more than it used", -rest)
        } else {
            format!("{rest:.2} s are attributed to none of them")
        };
        lines.push(format!(
            "CPU of the step {used:.2} s by {source}; its processes add up to {attributed:.2} s by the \
             kernel's ticks, which are coarse for those of a few milliseconds; {rest}"
        ));
    } else if exited.attributed_cpu_seconds.is_none() && listed > 0 {
        lines.push("what they used is told to root only".to_owned());
    }
    let lost = exited.messages_lost.unwrap_or(0);
    if lost > 0 {
        lines.push(format!(
            "{lost} messages of the kernel were lost; processes are missing"
        ));
    }
    let missing = exited.processes_left_out + exited.lines_damaged;
    if missing > 0 {
        lines.push(format!(
            "{} processes that ended are not in the file, {} of its lines are damaged",
            exited.processes_left_out, exited.lines_damaged
        ));
    }
    lines
}

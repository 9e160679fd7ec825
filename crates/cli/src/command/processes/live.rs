//! The processes that live.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::record;
use lfs_wrapper_kernel::{
    ProcessOptions, ProcessRates, ProcessRow, ProcessTable, UserNames, derive_process,
    derive_roots, read_boottime_usec,
};
use lfs_wrapper_model::visible;
use serde::Serialize;

use super::{Processes, Sort};
use crate::command::Done;
use crate::command::find::find_attempt;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::{Style, render_bytes, render_seconds, render_table, say};

/// Between the two looks that rates come from.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shown without a limit of one's own.
pub(super) const SHOWN: usize = 40;

/// Columns of a line that are left for the command.
const COMMAND_COLUMNS: usize = 60;

/// One process, as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    pid: u32,
    parent_pid: u32,
    /// Ticks of 10 ms since boot: with the pid it names the process.
    start_ticks: u64,
    comm: String,
    /// Secrets are masked.
    arguments: Option<Vec<String>>,
    user: Option<String>,
    state: char,
    step: Option<String>,
    cgroup: Option<String>,
    threads: u32,
    kernel_thread: bool,
    /// Of one core, over the last second.
    cpu_percent: Option<f64>,
    cpu_seconds: f64,
    rss_bytes: u64,
    rss_peak_bytes: Option<u64>,
    pss_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    minor_faults_per_second: Option<f64>,
    major_faults_per_second: Option<f64>,
    read_bytes_per_second: Option<f64>,
    write_bytes_per_second: Option<f64>,
    open_files: Option<u64>,
    open_files_limit: Option<u64>,
}

pub(super) fn run(session: &Session, asked: &Processes) -> Done {
    let keepers = read_keepers(session, asked)?;
    let fail = |error| Failure::io("reading /proc", &error);
    let mut table = ProcessTable::new(Path::new("/proc"), ProcessOptions::default());
    let begun_usec = read_boottime_usec();
    table.read_alone(begun_usec).map_err(fail)?;
    thread::sleep(INTERVAL);
    let now_usec = read_boottime_usec();
    for absent in table.read_alone(now_usec).map_err(fail)? {
        say(&format!("note: not read: {absent}"));
    }
    let interval_usec = now_usec.saturating_sub(begun_usec);

    let rows: Vec<&ProcessRow> = table.rows().collect();
    let steps = derive_roots(table.rows().map(ProcessRow::kin), &keepers);
    let mut chosen: Vec<(ProcessRow, ProcessRates)> = rows
        .iter()
        .filter(|row| asked.step.is_none() || steps.contains_key(&row.identity.pid))
        .map(|row| {
            let rates = derive_process(&row.before, &row.counts, interval_usec);
            ((*row).clone(), rates)
        })
        .collect();
    let sort = asked.sort.unwrap_or(Sort::Cpu);
    chosen.sort_by(|one, other| key(sort, other).total_cmp(&key(sort, one)));
    let all = chosen.len();
    let limit = asked
        .limit
        .unwrap_or(if session.json { usize::MAX } else { SHOWN });
    chosen.truncate(limit);

    let identities: Vec<_> = chosen.iter().map(|(row, _)| row.identity).collect();
    table.read_cold(&identities).map_err(fail)?;
    let cold: HashMap<_, _> = table
        .rows()
        .map(|row| (row.identity, row.clone()))
        .collect();
    let shown: Vec<Shown> = chosen
        .iter()
        .map(|(row, rates)| {
            let row = cold.get(&row.identity).unwrap_or(row);
            show(row, rates, &steps, table.users())
        })
        .collect();
    if session.json {
        print_json(&shown)?;
    } else {
        print(&render(session.style(), &shown))?;
        if all > shown.len() {
            say(&format!(
                "{} of {all} processes; all with --limit {all}",
                shown.len()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Pids of the keepers of the attempts that run, with their steps. Without a
/// state folder nothing runs.
fn read_keepers(session: &Session, asked: &Processes) -> Result<HashMap<u32, String>, Failure> {
    if let Some(step) = &asked.step {
        let (_, database) = session.open()?;
        let attempt = find_attempt(&database, asked.run, step)?;
        let is_running = attempt.state == StepState::Running;
        let keeper = attempt
            .keeper
            .filter(|keeper| is_running && keeper.is_alive());
        let Some(keeper) = keeper else {
            let message = format!(
                "listing the processes of step '{step}': it does not run; \
                 see those that ended with --exited"
            );
            return Err(Failure::new(Kind::NotFound, message));
        };
        return Ok(HashMap::from([(keeper.pid, step.clone())]));
    }
    // That nothing is known of builds keeps nobody from looking at processes,
    // and a look makes no folder.
    if !session.has_state() {
        return Ok(HashMap::new());
    }
    let Ok((_, database)) = session.open() else {
        return Ok(HashMap::new());
    };
    let runs = record::list_supervised(&database).unwrap_or_default();
    let steps = runs.iter().flat_map(|run| &run.steps);
    let running = steps.filter(|step| step.state == StepState::Running);
    Ok(running
        .filter_map(|step| {
            let keeper = step.attempt.as_ref()?.keeper.as_ref()?;
            let keeper = keeper.is_alive().then_some(keeper)?;
            Some((keeper.pid, step.id.clone()))
        })
        .collect())
}

fn key(sort: Sort, (row, rates): &(ProcessRow, ProcessRates)) -> f64 {
    match sort {
        Sort::Cpu => rates.cpu_ratio.unwrap_or(0.0),
        Sort::Rss => row.counts.rss_bytes as f64,
        Sort::Io => {
            rates.read_bytes_per_second.unwrap_or(0.0) + rates.write_bytes_per_second.unwrap_or(0.0)
        }
    }
}

fn show(
    row: &ProcessRow,
    rates: &ProcessRates,
    steps: &HashMap<u32, &String>,
    users: &UserNames,
) -> Shown {
    let (identity, counts, cold) = (row.identity, &row.counts, &row.cold);
    Shown {
        pid: identity.pid,
        parent_pid: counts.parent_pid,
        start_ticks: identity.start_ticks,
        comm: row.name.to_string(),
        arguments: cold.arguments.as_ref().map(|arguments| arguments.to_vec()),
        user: row.uid.map(|uid| users.render(uid).into_owned()),
        state: counts.state,
        step: steps.get(&identity.pid).map(ToString::to_string),
        cgroup: row.cgroup.as_ref().map(ToString::to_string),
        threads: counts.threads,
        kernel_thread: counts.is_kernel_thread(),
        cpu_percent: rates.cpu_ratio.map(|ratio| 100.0 * ratio),
        cpu_seconds: (counts.user_ticks + counts.system_ticks) as f64 / 100.0,
        rss_bytes: counts.rss_bytes,
        rss_peak_bytes: cold.peak_rss_bytes,
        pss_bytes: row.pss().map(|pss| pss.bytes),
        swap_bytes: cold.swap_bytes,
        minor_faults_per_second: rates.minor_faults_per_second,
        major_faults_per_second: rates.major_faults_per_second,
        read_bytes_per_second: rates.read_bytes_per_second,
        write_bytes_per_second: rates.write_bytes_per_second,
        open_files: cold.open_files,
        open_files_limit: cold.open_files_limit,
    }
}

fn render(style: Style, shown: &[Shown]) -> String {
    let header = [
        "COMMAND", "STEP", "USER", "S", "PID", "CPU %", "CPU", "RSS", "PSS", "READ/s", "WRITE/s",
        "FILES",
    ];
    let rows: Vec<Vec<String>> = shown.iter().map(render_row).collect();
    render_table(style, &header, &rows, 4)
}

fn render_row(one: &Shown) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    // A rate below a whole number of bytes says nothing.
    #[expect(clippy::cast_sign_loss, reason = "a rate is never negative")]
    let bytes = |rate: Option<f64>| render_bytes(rate.map(|rate| rate as u64));
    vec![
        render_command(one),
        text(&one.step),
        text(&one.user),
        one.state.to_string(),
        one.pid.to_string(),
        one.cpu_percent
            .map_or_else(String::new, |percent| format!("{percent:.1}")),
        render_seconds(Some(one.cpu_seconds)),
        render_bytes(Some(one.rss_bytes)),
        render_bytes(one.pss_bytes),
        bytes(one.read_bytes_per_second),
        bytes(one.write_bytes_per_second),
        one.open_files
            .map_or_else(String::new, |files| files.to_string()),
    ]
}

fn render_command(one: &Shown) -> String {
    let arguments = one.arguments.as_deref().unwrap_or_default();
    render_command_line(&arguments.join(" "), &one.comm)
}

/// The command line, or in brackets the kernel's name for a process without.
pub(super) fn render_command_line(arguments: &str, comm: &str) -> String {
    let text = if arguments.is_empty() {
        visible(&format!("[{comm}]"))
    } else {
        visible(arguments)
    };
    if text.chars().count() <= COMMAND_COLUMNS {
        return text;
    }
    let kept = text.chars().take(COMMAND_COLUMNS - 1);
    kept.chain(['…']).collect()
}

//! Results on standard output.

use std::io::{self, Write as _};

use lfs_wrapper_api as api;
use serde::Serialize;

use crate::failure::Failure;
use crate::terminal::{Style, render_bytes, render_seconds, render_table};

/// Writes a result; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::io("writing the result", &error))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON document.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&format!("{text}\n"))
}

/// A run in one line.
pub(crate) fn render_run_line(style: Style, run: &api::Run) -> String {
    let done = run
        .steps
        .iter()
        .filter(|step| step.state == "COMPLETED")
        .count();
    let mut line = format!(
        "run {}  {}  {}  {done}/{} steps",
        run.id,
        style.strong(&run.name),
        style.word(run.state),
        run.steps.len()
    );
    if run.state == "RUNNING" {
        if let Some(percent) = run.percent {
            line.push_str(&format!("  {percent:.0}%"));
        }
        if run.eta_seconds.is_some() {
            line.push_str(&format!("  ETA {}", render_seconds(run.eta_seconds)));
        }
    }
    if let Some(reason) = &run.reason {
        line.push_str(&format!("  ({reason})"));
    }
    line
}

/// The steps of a run with what they took, and why those failed that did.
pub(crate) fn render_steps(style: Style, run: &api::Run) -> String {
    let header = [
        "STEP",
        "RESULT",
        "PHASE",
        "WALL",
        "CPU",
        "PEAK MEMORY",
        "READ",
        "WRITTEN",
    ];
    let rows: Vec<Vec<String>> = run.steps.iter().map(render_step).collect();
    let mut text = render_table(style, &header, &rows, 3);
    for step in run
        .steps
        .iter()
        .filter(|step| matches!(step.state, "FAILED" | "LOST"))
    {
        text.push_str(&render_trouble(style, step));
    }
    if let Some(note) = render_sources(&run.steps) {
        text.push_str(&style.faint(&note));
        text.push('\n');
    }
    text
}

fn render_step(step: &api::Step) -> Vec<String> {
    vec![
        step.id.clone(),
        step.state.to_owned(),
        match step.state {
            "RUNNING" | "FAILED" | "LOST" | "CANCELLED" => step.phase.clone().unwrap_or_default(),
            _ => String::new(),
        },
        render_seconds(step.wall_seconds),
        render_seconds(step.cpu_seconds),
        render_bytes(step.memory_peak_bytes),
        render_bytes(step.read_bytes),
        render_bytes(step.write_bytes),
    ]
}

fn render_trouble(style: Style, step: &api::Step) -> String {
    let mut parts = Vec::new();
    if let Some(code) = step.exit_code {
        parts.push(format!("exit code {code}"));
    }
    if let Some(signal) = step.signal {
        parts.push(format!("signal {signal}"));
    }
    parts.extend(step.reason.clone());
    parts.extend(step.first_error_line.clone());
    let log = step.log.as_deref().unwrap_or("none");
    format!(
        "{}: {}\n    log: {log}\n",
        style.bad(&step.id),
        parts.join(": ")
    )
}

/// Where the figures are from, since a coarser rung says less.
fn render_sources(steps: &[api::Step]) -> Option<String> {
    let all = |get: fn(&api::Step) -> Option<&String>| {
        let mut found: Vec<&str> = steps.iter().filter_map(get).map(String::as_str).collect();
        found.sort_unstable();
        found.dedup();
        found.join(" and ")
    };
    let cpu = all(|step| step.cpu_source.as_ref());
    let memory = all(|step| step.memory_source.as_ref());
    let io = all(|step| step.io_source.as_ref());
    if cpu.is_empty() {
        return None;
    }
    let largest = if memory.contains("wait4") {
        ", the largest process alone"
    } else {
        ""
    };
    Some(format!(
        "accounts: CPU from {cpu}; memory from {memory}{largest}; I/O from {io}"
    ))
}

//! `STEP.status` files: how a step stands, for scripts and other programs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::{TimeMsec, render_rfc3339};

use crate::dispatch::StepState;
use crate::progress::StepView;

/// Writes the status file of a step; a reader sees the old one or the new one.
/// A step that has not begun has none.
pub fn write(folder: &Path, run: i64, view: &StepView<'_>, now_msec: TimeMsec) -> io::Result<()> {
    let Some(text) = render(run, view, now_msec) else {
        return Ok(());
    };
    fs::create_dir_all(folder)?;
    let path = path(folder, &view.step.id);
    if read_run(&path).is_some_and(|other| other > run) {
        // Of two runs with a step of this id, the newer one is shown.
        return Ok(());
    }
    // Each writer its own, or two would mix.
    let name = format!(".{}.{run}.{}.new", view.step.id, std::process::id());
    let new = folder.join(name);
    fs::write(&new, text)?;
    fs::rename(new, path)
}

/// The run that a status file is about; `None` also for one whose log is gone:
/// it is left over from a state folder that is no more.
fn read_run(path: &Path) -> Option<i64> {
    let text = fs::read_to_string(path).ok()?;
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let log = Path::new(value("log=")?);
    log.exists().then_some(value("run=")?.parse().ok()?)
}

/// Where the status file of a step lies.
pub fn path(folder: &Path, step: &str) -> PathBuf {
    folder.join(format!("{step}.status"))
}

fn render(run: i64, view: &StepView<'_>, now_msec: TimeMsec) -> Option<String> {
    let step = view.step;
    let attempt = step.attempt.as_ref()?;
    let word = match step.state {
        StepState::Running => "MONITORING",
        StepState::Completed => "COMPLETED",
        StepState::Failed => "FAILED",
        StepState::Cancelled => "CANCELLED",
        StepState::Lost => "LOST",
        StepState::Pending | StepState::Skipped => return None,
    };
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    let text = |value: Option<String>| value.unwrap_or_default();
    let percent = match step.state {
        StepState::Completed => Some(100.0),
        _ => view.progress.map(|progress| progress.percent),
    };
    let lines = [
        ("step", step.id.clone()),
        ("run", run.to_string()),
        (
            "pid",
            text(attempt.leader.as_ref().map(|leader| leader.pid.to_string())),
        ),
        ("started", render_rfc3339(attempt.started_msec)),
        ("updated", render_rfc3339(now_msec)),
        ("phase", text(attempt.phase.clone())),
        (
            "percent",
            percent.map_or_else(String::new, |percent| format!("{percent:.0}")),
        ),
        (
            "eta_seconds",
            number(view.progress.map(|progress| progress.eta_seconds)),
        ),
        ("cpu_seconds", number(view.cpu_seconds())),
        (
            "memory_peak_bytes",
            text(view.memory_peak_bytes.map(|bytes| bytes.to_string())),
        ),
        (
            "exit_code",
            text(attempt.exit_code.map(|code| code.to_string())),
        ),
        ("log", attempt.log.display().to_string()),
    ];
    let mut rendered = format!("{word}\n");
    for (key, value) in lines {
        // A key has one line, whatever is in its value.
        rendered.push_str(&format!("{key}={}\n", value.replace('\n', " ")));
    }
    Some(rendered)
}

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use lfs_wrapper_api as api;
use lfs_wrapper_build::{record, recover};
use lfs_wrapper_daemon::convert;
use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::{Database, StateDir};

use super::Done;
use super::find::find_run;
use crate::failure::{Failure, Kind};
use crate::output::{print, print_json, render_run_line, render_steps};
use crate::session::Session;
use crate::terminal::render_age;

/// How often a watched status is drawn anew.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// Runs that are listed.
const RUNS_SHOWN: u32 = 10;

/// Show what runs, and the newest runs
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lfs-wrapper status\n  lfs-wrapper status 3 --watch\n  lfs-wrapper status libtext"
)]
pub(crate) struct Status {
    /// The number of a run, or the id of a step
    id: Option<String>,
    /// Draw it anew every second as long as something runs
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(session: &Session, status: &Status) -> Done {
    let (state_dir, database) = session.open()?;
    loop {
        let runs = read(&state_dir, &database, status.id.as_deref())?;
        let running = runs.iter().any(|run| run.state == "RUNNING");
        if session.json && status.watch {
            print(&format!(
                "{}\n",
                serde_json::to_string(&runs).unwrap_or_default()
            ))?;
        } else if session.json {
            print_json(&runs)?;
        } else {
            let text = render(session, &runs);
            if status.watch && io::stdout().is_terminal() {
                // Home, and clear: lines may wrap, so they cannot be counted.
                print("\x1b[H\x1b[2J")?;
            }
            print(&text)?;
        }
        if !status.watch || !running {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(WATCH_PAUSE);
    }
}

/// The runs asked about, newest first.
fn read(
    state_dir: &StateDir,
    database: &Database,
    id: Option<&str>,
) -> Result<Vec<api::Run>, Failure> {
    recover::recover(state_dir, database)?;
    let fail = |error| Failure::from(database.error(error));
    let runs = match id.map(str::parse::<i64>) {
        Some(Ok(run)) => vec![find_run(database, Some(run))?],
        _ => record::list_runs(database, RUNS_SHOWN).map_err(fail)?,
    };
    let now = now_msec();
    let mut runs: Vec<api::Run> = runs.iter().map(|run| convert::run(run, now)).collect();
    if let Some(step) = id.filter(|id| id.parse::<i64>().is_err()) {
        for run in &mut runs {
            run.steps.retain(|one| one.id == step);
        }
        runs.retain(|run| !run.steps.is_empty());
        if runs.is_empty() {
            let message =
                format!("looking for '{step}': neither a run nor a step of the newest runs");
            return Err(Failure::new(Kind::NotFound, message));
        }
    }
    Ok(runs)
}

fn render(session: &Session, runs: &[api::Run]) -> String {
    let style = session.style();
    let Some((first, rest)) = runs.split_first() else {
        return "no run yet; start one with 'lfs-wrapper quickstart' or 'lfs-wrapper build start PLAN'\n".to_owned();
    };
    let mut text = format!(
        "{}\n{}",
        render_run_line(style, first),
        render_steps(style, first)
    );
    if !rest.is_empty() {
        text.push('\n');
    }
    for run in rest {
        let age = style.faint(&render_age(run.started_msec, now_msec()));
        text.push_str(&format!("{}  {age}\n", render_run_line(style, run)));
    }
    text
}

//! The processes of the machine, and those that ended under a step.

mod exited;
mod live;
mod past;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use lfs_wrapper_model::now_msec;

use super::Done;
use crate::session::Session;
use crate::when::When;

/// Show processes: those that live, those that lived at a moment, or those that
/// ended under a step
///
/// Rates are over one second. Secrets in arguments are masked.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lfs-wrapper processes --sort rss\n  lfs-wrapper processes --step gcc-pass1\n  lfs-wrapper processes --exited --step gcc-pass1 --sort cpu\n  lfs-wrapper processes --at 03:15 --sort rss"
)]
pub(crate) struct Processes {
    /// By what they are sorted, the largest first; by default live ones by CPU,
    /// exited ones as they ended
    #[arg(long, value_name = "BY")]
    sort: Option<Sort>,
    /// Only those of this step
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// The number of the run; the newest that has the step without it
    #[arg(long, value_name = "RUN", requires = "step")]
    run: Option<i64>,
    /// Those that ended under the step
    #[arg(long, requires = "step")]
    exited: bool,
    /// Those that lived at a moment, as the monitor saw them: 03:15, -2h,
    /// '2026-01-31 12:00', or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = When::parse, allow_hyphen_values = true,
        conflicts_with = "exited")]
    at: Option<When>,
    /// How many are shown
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// By what processes are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// CPU time, or the share of a core now
    Cpu,
    /// Memory in RAM, now or at its peak
    Rss,
    /// Bytes read from and written to storage
    Io,
}

pub(crate) fn run(session: &Session, processes: &Processes) -> Done {
    if let Some(at) = processes.at {
        let time_msec = at.resolve(now_msec(), &TimeZone::system());
        return past::run(session, time_msec, processes);
    }
    match &processes.step {
        Some(step) if processes.exited => exited::run(session, step, processes),
        _ => live::run(session, processes),
    }
}

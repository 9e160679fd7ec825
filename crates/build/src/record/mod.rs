//! Runs, steps and attempts as the state database keeps them.

mod read;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

use lfs_wrapper_model::TimeMsec;
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::dispatch::{RunState, StepState};
use crate::exits::Exits;
use crate::keeper::Ended;

pub use read::{list_runs, list_supervised, list_unnoticed, read_plan, read_run};
pub use write::{
    begin_attempt, begin_run, claim_run, end_attempt, end_run, set_keeper, set_leader, set_noticed,
    set_phase, skip_step, take_run,
};

/// How a run is to be done; kept with it, so that it can be taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Where the steps install into; `$LFS` for them.
    pub root: PathBuf,
    /// Where the sources lie; `$LFS_SOURCES` for the steps.
    pub sources: Option<PathBuf>,
    /// Steps at once.
    pub jobs: usize,
    /// Whether steps that need no failed one go on after a failure.
    pub keep_going: bool,
    /// The environment that steps begin with; `None` gives them the
    /// supervisor's own.
    pub environment: Option<BTreeMap<String, String>>,
    /// A command in a folder instead of the plan's phases.
    pub command: Option<(Vec<String>, PathBuf)>,
}

/// One execution of a plan.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// The plan's name.
    pub name: String,
    /// How it is done.
    pub options: Options,
    /// How it stands.
    pub state: RunState,
    /// Why, where the steps do not say.
    pub reason: Option<String>,
    /// When it began.
    pub started_msec: TimeMsec,
    /// When it ended.
    pub ended_msec: Option<TimeMsec>,
    /// Who works on it.
    pub supervisor: Option<Identity>,
    /// Its steps in the plan's order.
    pub steps: Vec<Step>,
}

/// One step of a run.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its id in the plan.
    pub id: String,
    /// What people read.
    pub title: String,
    /// The package it builds.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// The plan's estimate.
    pub sbu: Option<f64>,
    /// What it needs, by place in [`Run::steps`].
    pub needs: Vec<usize>,
    /// How it stands.
    pub state: StepState,
    /// What it took when a run of this plan last completed it.
    pub known_seconds: Option<f64>,
    /// Its newest attempt.
    pub attempt: Option<Attempt>,
}

/// One execution of a step. What was not measured is absent.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its number in the database.
    pub id: i64,
    /// Its number within the run and step, from 1.
    pub number: i64,
    /// How it stands.
    pub state: StepState,
    /// The phase it is in, or ended in.
    pub phase: Option<String>,
    /// When it began.
    pub started_msec: TimeMsec,
    /// When it ended.
    pub ended_msec: Option<TimeMsec>,
    /// Its keeper.
    pub keeper: Option<Identity>,
    /// The script's first process.
    pub leader: Option<Identity>,
    /// Its control group.
    pub cgroup: Option<PathBuf>,
    /// Its log.
    pub log: PathBuf,
    /// The script's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended the script.
    pub signal: Option<i32>,
    /// Why it ended, where exit code and signal do not say.
    pub reason: Option<String>,
    /// The line of its log that names the cause of a failure.
    pub first_error: Option<String>,
    /// Time from start to end.
    pub wall_usec: Option<u64>,
    /// CPU time in user mode.
    pub user_usec: Option<u64>,
    /// CPU time in the kernel.
    pub system_usec: Option<u64>,
    /// The part of the CPU time that getrusage(2) knows of.
    pub reaped_cpu_usec: Option<u64>,
    /// The rung the CPU time came from.
    pub cpu_source: Option<String>,
    /// Peak memory.
    pub memory_peak_bytes: Option<u64>,
    /// The rung the memory came from.
    pub memory_source: Option<String>,
    /// Read from storage.
    pub read_bytes: Option<u64>,
    /// Written to storage.
    pub write_bytes: Option<u64>,
    /// The rung the I/O came from.
    pub io_source: Option<String>,
    /// Processes that outlived the script and were ended.
    pub strays: Option<u64>,
    /// Output that the log had no room for.
    pub log_dropped_bytes: Option<u64>,
    /// Its processes by the kernel's exit records.
    pub exits: Option<Exits>,
}

/// How an attempt came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Completed, failed, cancelled or lost.
    pub state: StepState,
    /// Why, where the exit code does not say.
    pub reason: Option<String>,
    /// The line of the log that names the cause.
    pub first_error: Option<String>,
    /// Its processes by the kernel's exit records, where somebody heard them.
    pub exits: Option<Exits>,
    /// What the keeper reported, if it lived to.
    pub ended: Ended,
}

/// An attempt that has ended, with its run and step: what an alert is about.
#[derive(Clone, Debug)]
pub struct EndedAttempt {
    /// The number of the run.
    pub run: i64,
    /// The plan's name.
    pub plan: String,
    /// The step's id.
    pub step: String,
    /// The attempt.
    pub attempt: Attempt,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.state.as_str())?;
        if let (StepState::Failed, Some(code)) = (self.state, self.ended.exit_code) {
            write!(f, ", exit code {code}")?;
        }
        if let Some(signal) = self.ended.signal {
            write!(f, ", signal {signal}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

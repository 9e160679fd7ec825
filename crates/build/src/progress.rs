//! A run as it is shown: its records, with what its running steps have used so
//! far and how long everything will still take.

use lfs_wrapper_model::TimeMsec;

use crate::cgroup::{Group, Usage};
use crate::dispatch::StepState;
use crate::estimate::{
    Progress, StepTime, derive_durations, derive_run_progress, derive_step_progress,
};
use crate::record::{Run, Step};

/// A run at one moment.
#[derive(Debug)]
pub struct RunView<'a> {
    /// Its records.
    pub run: &'a Run,
    /// How far it is, as soon as anything is known about its durations.
    pub progress: Option<Progress>,
    /// Its steps, in the plan's order.
    pub steps: Vec<StepView<'a>>,
}

/// A step at one moment.
#[derive(Debug)]
pub struct StepView<'a> {
    /// Its records.
    pub step: &'a Step,
    /// How far it is, while it runs.
    pub progress: Option<Progress>,
    /// Since its attempt began, or as long as it took.
    pub wall_seconds: Option<f64>,
    /// CPU time in user mode.
    pub user_seconds: Option<f64>,
    /// CPU time in the kernel.
    pub system_seconds: Option<f64>,
    /// The part of it that getrusage(2) knows of, after the end.
    pub reaped_cpu_seconds: Option<f64>,
    /// Where the CPU time is from.
    pub cpu_source: Option<&'a str>,
    /// Peak memory.
    pub memory_peak_bytes: Option<u64>,
    /// Where the memory is from.
    pub memory_source: Option<&'a str>,
    /// Read from and written to storage.
    pub io_bytes: Option<(u64, u64)>,
    /// Where the I/O is from.
    pub io_source: Option<&'a str>,
}

impl StepView<'_> {
    /// CPU time in user mode and in the kernel.
    pub fn cpu_seconds(&self) -> Option<f64> {
        Some(self.user_seconds? + self.system_seconds?)
    }
}

/// The run at the time `now_msec`, with the accounts of the steps that run now
/// read from their control groups.
pub fn read_view(run: &Run, now_msec: TimeMsec) -> RunView<'_> {
    let mut steps: Vec<StepView<'_>> = run
        .steps
        .iter()
        .map(|step| view_step(step, now_msec))
        .collect();
    let times: Vec<StepTime> = steps.iter().map(step_time).collect();
    let durations = derive_durations(&times);
    for (place, view) in steps.iter_mut().enumerate() {
        if view.step.state == StepState::Running {
            view.progress = derive_step_progress(&times[place], durations[place]);
        }
    }
    RunView {
        run,
        progress: derive_run_progress(&times, &durations, run.options.jobs),
        steps,
    }
}

fn step_time(view: &StepView<'_>) -> StepTime {
    StepTime {
        state: view.step.state,
        needs: view.step.needs.clone(),
        known_seconds: view.step.known_seconds,
        sbu: view.step.sbu,
        elapsed_seconds: view.wall_seconds,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 microseconds are 285 years"
)]
fn seconds(usec: u64) -> f64 {
    usec as f64 / 1e6
}

fn view_step(step: &Step, now_msec: TimeMsec) -> StepView<'_> {
    let mut view = StepView {
        step,
        progress: None,
        wall_seconds: None,
        user_seconds: None,
        system_seconds: None,
        reaped_cpu_seconds: None,
        cpu_source: None,
        memory_peak_bytes: None,
        memory_source: None,
        io_bytes: None,
        io_source: None,
    };
    let Some(attempt) = &step.attempt else {
        return view;
    };
    if step.state == StepState::Running {
        let elapsed_msec = u64::try_from(now_msec - attempt.started_msec).unwrap_or(0);
        view.wall_seconds = Some(seconds(elapsed_msec.saturating_mul(1000)));
        if let Some(cgroup) = &attempt.cgroup {
            view.fill_live(Group::at(cgroup).read_usage());
        }
        return view;
    }
    view.wall_seconds = attempt.wall_usec.map(seconds);
    view.user_seconds = attempt.user_usec.map(seconds);
    view.system_seconds = attempt.system_usec.map(seconds);
    view.reaped_cpu_seconds = attempt.reaped_cpu_usec.map(seconds);
    view.cpu_source = attempt.cpu_source.as_deref();
    view.memory_peak_bytes = attempt.memory_peak_bytes;
    view.memory_source = attempt.memory_source.as_deref();
    view.io_bytes = attempt.read_bytes.zip(attempt.write_bytes);
    view.io_source = attempt.io_source.as_deref();
    view
}

impl StepView<'_> {
    fn fill_live(&mut self, usage: Usage) {
        const SOURCE: Option<&str> = Some("cgroup");
        self.user_seconds = usage.cpu_usec.map(|cpu| seconds(cpu.0));
        self.system_seconds = usage.cpu_usec.map(|cpu| seconds(cpu.1));
        self.cpu_source = usage.cpu_usec.and(SOURCE);
        self.memory_peak_bytes = usage.memory_peak_bytes;
        self.memory_source = usage.memory_peak_bytes.and(SOURCE);
        self.io_bytes = usage.io_bytes;
        self.io_source = usage.io_bytes.and(SOURCE);
    }
}

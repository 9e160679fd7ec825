//! How runs and their steps go, as events, and which processes are whose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lfs_wrapper_build::dispatch::{RunState, StepState};
use lfs_wrapper_build::record::{Attempt, Run};
use lfs_wrapper_history::moments::{EventKind, MomentEvent, Step};
use lfs_wrapper_model::{Severity, TimeMsec};

/// Attempts whose steps are remembered: the last processes of one are heard a
/// moment after its end.
const ATTEMPTS_MAX: usize = 256;

/// What was told of each run. After the monitor's start all is told anew:
/// builds run without it too, and what is in the history is not written twice.
#[derive(Debug, Default)]
pub(super) struct Builds {
    told: HashMap<i64, Told>,
    /// The steps of the attempts that run, by the pids of their keepers.
    keepers: HashMap<u32, Arc<Step>>,
    steps: BTreeMap<i64, Arc<Step>>,
}

#[derive(Debug, Default)]
struct Told {
    is_started: bool,
    is_ended: bool,
    /// The newest attempt of each step, and whether its end was told.
    attempts: Vec<Option<(i64, bool)>>,
}

impl Builds {
    pub(super) const fn keepers(&self) -> &HashMap<u32, Arc<Step>> {
        &self.keepers
    }

    /// The step of an attempt.
    pub(super) fn step(&self, attempt: i64) -> Option<Arc<Step>> {
        self.steps.get(&attempt).map(Arc::clone)
    }

    /// Takes in how the newest runs stand, and tells what is new.
    pub(super) fn take(&mut self, runs: &[Run], events: &mut Vec<MomentEvent>) {
        self.keepers.clear();
        self.told
            .retain(|id, _| runs.iter().any(|run| run.id == *id));
        // The newest come first.
        for run in runs.iter().rev() {
            self.take_run(run, events);
        }
        while self.steps.len() > ATTEMPTS_MAX {
            self.steps.pop_first();
        }
    }

    fn take_run(&mut self, run: &Run, events: &mut Vec<MomentEvent>) {
        let told = self.told.entry(run.id).or_default();
        if !told.is_started {
            told.is_started = true;
            events.push(run_event(run, EventKind::RunStarted, run.started_msec));
        }
        told.attempts.resize(run.steps.len(), None);
        for (step, told) in run.steps.iter().zip(&mut told.attempts) {
            let Some(attempt) = &step.attempt else {
                continue;
            };
            if attempt.state == StepState::Running {
                let step = self.steps.entry(attempt.id).or_insert_with(|| {
                    Arc::new(Step {
                        run: run.id,
                        id: step.id.clone(),
                    })
                });
                if let Some(keeper) = &attempt.keeper {
                    self.keepers.insert(keeper.pid, Arc::clone(step));
                }
            }
            let is_new = told.is_none_or(|(id, _)| id != attempt.id);
            if is_new {
                *told = Some((attempt.id, false));
                let started = EventKind::StepStarted;
                events.push(step_event(
                    run,
                    &step.id,
                    attempt,
                    started,
                    attempt.started_msec,
                ));
            }
            if let (Some(ended_msec), Some((_, is_told @ false))) = (attempt.ended_msec, told) {
                *is_told = true;
                let ended = EventKind::StepEnded;
                events.push(step_event(run, &step.id, attempt, ended, ended_msec));
            }
        }
        // A run that is gone on with ends again.
        let is_ended = run.ended_msec.is_some() && run.state != RunState::Running;
        if let Some(ended_msec) = run.ended_msec.filter(|_| is_ended && !told.is_ended) {
            events.push(run_event(run, EventKind::RunEnded, ended_msec));
        }
        told.is_ended = is_ended;
    }
}

fn run_event(run: &Run, kind: EventKind, time_msec: TimeMsec) -> MomentEvent {
    let is_end = kind == EventKind::RunEnded;
    let (severity, what) = match run.state {
        _ if !is_end => (Severity::Info, "began".to_owned()),
        RunState::Failed | RunState::Lost => (Severity::Error, run.state.as_str().to_owned()),
        RunState::Cancelled => (Severity::Warning, run.state.as_str().to_owned()),
        RunState::Running | RunState::Completed => (Severity::Info, run.state.as_str().to_owned()),
    };
    let reason = run.reason.as_ref().filter(|_| is_end);
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    MomentEvent {
        time_msec,
        kind,
        severity,
        run: Some(run.id),
        step: None,
        subject: run.name.clone(),
        text: format!("run {} {what}{reason}", run.id),
    }
}

fn step_event(
    run: &Run,
    step: &str,
    attempt: &Attempt,
    kind: EventKind,
    time_msec: TimeMsec,
) -> MomentEvent {
    let is_end = kind == EventKind::StepEnded;
    let number = attempt.number;
    let (severity, text) = if is_end {
        let severity = match attempt.state {
            StepState::Failed | StepState::Lost => Severity::Error,
            StepState::Cancelled => Severity::Warning,
            _ => Severity::Info,
        };
        (severity, render_end(attempt))
    } else {
        (Severity::Info, "began".to_owned())
    };
    MomentEvent {
        time_msec,
        kind,
        severity,
        run: Some(run.id),
        step: Some(step.to_owned()),
        subject: run.name.clone(),
        text: format!("step '{step}' of run {}, attempt {number}: {text}", run.id),
    }
}

fn render_end(attempt: &Attempt) -> String {
    let mut text = attempt.state.as_str().to_owned();
    match (attempt.exit_code, attempt.signal) {
        (Some(0) | None, None) => {}
        (Some(code), _) => text.push_str(&format!(", exit code {code}")),
        (None, Some(signal)) => text.push_str(&format!(", signal {signal}")),
    }
    for more in [&attempt.reason, &attempt.first_error]
        .into_iter()
        .flatten()
    {
        text.push_str(": ");
        text.push_str(more);
    }
    text
}

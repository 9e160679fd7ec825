//! Runs whose supervisor died: what it left is ended, and they are LOST until
//! somebody resumes them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::{Database, DatabaseError, StateDir, is_full};
use rustix::process::Signal;

use crate::attempt::{end_leftovers, render_mark};
use crate::cgroup::Base;
use crate::dispatch::{RunState, StepState};
use crate::keeper::Ended;
use crate::progress::read_view;
use crate::record::{self, Attempt, Outcome, Run};
use crate::{Identity, status_file};

/// A claim is a process', and a quickstart is a monitor and a supervisor in one.
static CLEANING: Mutex<()> = Mutex::new(());

const REASON: &str = "its supervisor died";

/// How long a keeper that has lost its supervisor may take to clean up.
const KEEPER_TRIES: u32 = 100;
const KEEPER_PAUSE: Duration = Duration::from_millis(10);

/// Finds such runs, ends what is left of them, writes down that they are lost,
/// and returns their numbers.
pub fn recover(state_dir: &StateDir, database: &Database) -> Result<Vec<i64>, DatabaseError> {
    let fail = |error| database.error(error);
    let mut lost = Vec::new();
    let Some(current) = Identity::current() else {
        return Ok(lost);
    };
    let _one_at_a_time = CLEANING.lock().unwrap_or_else(PoisonError::into_inner);
    for run in record::list_supervised(database).map_err(fail)? {
        let Some(supervisor) = &run.supervisor else {
            continue;
        };
        // A clean-up of this process' own that failed is tried again; of
        // several that look at once, one cleans up.
        let own = *supervisor == current && run.state == RunState::Lost;
        let claimed = own
            || (!supervisor.is_alive()
                && record::claim_run(database, run.id, supervisor, &current).map_err(fail)?);
        if claimed {
            lose_even_on_a_full_disk(state_dir, database, &run).map_err(fail)?;
            lost.push(run.id);
        }
    }
    Ok(lost)
}

fn lose_even_on_a_full_disk(
    state_dir: &StateDir,
    database: &Database,
    run: &Run,
) -> rusqlite::Result<()> {
    let result = lose(state_dir, database, run);
    if result.as_ref().is_err_and(is_full) && database.release_reserve() {
        return lose(state_dir, database, run);
    }
    result
}

fn lose(state_dir: &StateDir, database: &Database, run: &Run) -> rusqlite::Result<()> {
    for step in &run.steps {
        let Some(attempt) = &step.attempt else {
            continue;
        };
        if attempt.state != StepState::Running {
            continue;
        }
        let reason = match end_attempt(state_dir, attempt) {
            Ok(()) => REASON.to_owned(),
            Err(left) => format!("{REASON}; {left}"),
        };
        let outcome = Outcome {
            state: StepState::Lost,
            reason: Some(reason),
            first_error: None,
            exits: None,
            ended: Ended::default(),
        };
        record::end_attempt(database, run.id, &step.id, attempt.id, &outcome)?;
    }
    record::end_run(database, run.id, RunState::Lost, Some(REASON))?;
    if let Ok(base) = Base::find(state_dir.root()) {
        base.remove_if_empty();
    }
    if let Some(run) = record::read_run(database, run.id)? {
        let now = now_msec();
        let lost = |state| state == StepState::Lost;
        for step in read_view(&run, now)
            .steps
            .iter()
            .filter(|view| lost(view.step.state))
        {
            // The runtime folder may be gone after a boot; the record is not.
            let _ = status_file::write(&state_dir.status_files(), run.id, step, now);
        }
    }
    Ok(())
}

fn end_attempt(state_dir: &StateDir, attempt: &Attempt) -> Result<(), String> {
    if let Some(keeper) = &attempt.keeper {
        for _ in 0..KEEPER_TRIES {
            if !keeper.is_alive() {
                break;
            }
            std::thread::sleep(KEEPER_PAUSE);
        }
        keeper.signal(Signal::KILL);
    }
    let mark = render_mark(state_dir.root(), attempt.id);
    end_leftovers(attempt.cgroup.as_deref(), &mark, true)
}

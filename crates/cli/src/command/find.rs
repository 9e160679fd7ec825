//! Runs, steps and attempts by what people call them; what is not there is
//! answered with the nearest.

use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::plan::{Plan, Step};
use lfs_wrapper_build::record;
use lfs_wrapper_model::document::nearest;
use lfs_wrapper_state::Database;

use crate::failure::{Failure, Kind};

/// The step with this id; the error names the nearest.
pub(crate) fn find_step<'a>(plan: &'a Plan, id: &str) -> Result<&'a Step, Failure> {
    plan.steps.iter().find(|step| step.id == id).ok_or_else(|| {
        let ids = plan.steps.iter().map(|step| step.id.as_str());
        let near = nearest(id, ids);
        let help = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
        let message = format!(
            "looking for step '{id}' in plan '{}': there is none{help}",
            plan.name
        );
        Failure::new(Kind::NotFound, message)
    })
}

/// The run with this number, or the newest.
pub(crate) fn find_run(database: &Database, run: Option<i64>) -> Result<record::Run, Failure> {
    let fail = |error| Failure::from(database.error(error));
    let (found, what) = match run {
        Some(run) => (
            record::read_run(database, run).map_err(fail)?,
            format!("looking for run {run}: there is none; see 'lfs-wrapper status'"),
        ),
        None => (
            record::list_runs(database, 1).map_err(fail)?.pop(),
            "looking for a run: there is none yet; start one with 'build start' or 'quickstart'"
                .to_owned(),
        ),
    };
    found.ok_or_else(|| Failure::new(Kind::NotFound, what))
}

/// The newest attempt of a step, in the run given or in the newest that has it.
pub(crate) fn find_attempt(
    database: &Database,
    run: Option<i64>,
    step: &str,
) -> Result<record::Attempt, Failure> {
    const LOOKED_AT: u32 = 100;
    let fail = |error| Failure::from(database.error(error));
    let runs = match run {
        Some(_) => vec![find_run(database, run)?],
        None => record::list_runs(database, LOOKED_AT).map_err(fail)?,
    };
    let steps = || runs.iter().flat_map(|run| &run.steps);
    let found = steps()
        .filter(|one| one.id == step || one.package == step)
        .find_map(|step| step.attempt.clone());
    found.ok_or_else(|| {
        let ids = steps().filter(|step| step.state != StepState::Pending);
        let near = nearest(step, ids.map(|step| step.id.as_str()));
        let help = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
        let message = format!("looking for an attempt at step '{step}': it was never begun{help}");
        Failure::new(Kind::NotFound, message)
    })
}

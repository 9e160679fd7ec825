//! Writing down what happens to runs, steps and attempts, each with its record
//! in the audit log.

use std::path::{Path, PathBuf};

use lfs_wrapper_model::{Severity, now_msec, visible};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, Result, params};
use serde::Serialize;

use super::read::{ATTEMPT_COLUMNS, read_attempt};
use super::{Attempt, Options, Outcome};
use crate::Identity;
use crate::dispatch::{RunState, StepState};
use crate::keeper::Rung;
use crate::plan::Plan;

/// Writes a new run down, with its steps, as the work of `supervisor`; its
/// number is higher than any before and than `above`.
pub fn begin_run(
    database: &Database,
    plan: &Plan,
    options: &Options,
    supervisor: &Identity,
    above: i64,
) -> Result<i64> {
    let transaction = database.begin()?;
    transaction.execute(
        "INSERT INTO run (id, name, plan, options, state, started_msec, supervisor) \
         VALUES (1 + max(?7, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'run'), 0)), \
         ?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            plan.name,
            to_json(plan)?,
            to_json(options)?,
            RunState::Running.as_str(),
            now_msec(),
            supervisor.to_string(),
            above,
        ],
    )?;
    let run = transaction.last_insert_rowid();
    for (ordinal, (step, needs)) in plan.steps.iter().zip(plan.needs()).enumerate() {
        transaction.execute(
            "INSERT INTO step (run, ordinal, id, title, package, version, sbu, needs, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                run,
                to_integer(ordinal),
                step.id,
                visible(&step.display_title()),
                visible(&step.package),
                visible(&step.version),
                step.sbu,
                to_json(&needs)?,
                StepState::Pending.as_str(),
            ],
        )?;
    }
    let count = plan.steps.len();
    note(
        &transaction,
        Severity::Info,
        &format!("run {run} of plan '{}' started: {count} steps", plan.name),
        "done",
    )?;
    transaction.commit()?;
    Ok(run)
}

/// Takes up a run that nobody works on. `false` when somebody was quicker.
pub fn take_run(database: &Database, run: i64, supervisor: &Identity) -> Result<bool> {
    let transaction = database.begin()?;
    let taken = transaction.execute(
        "UPDATE run SET state = ?2, reason = NULL, ended_msec = NULL, supervisor = ?3 \
         WHERE id = ?1 AND supervisor IS NULL",
        params![run, RunState::Running.as_str(), supervisor.to_string()],
    )? == 1;
    if taken {
        transaction.execute(
            "UPDATE step SET state = ?2 WHERE run = ?1 AND state <> ?3",
            params![
                run,
                StepState::Pending.as_str(),
                StepState::Completed.as_str()
            ],
        )?;
        note(
            &transaction,
            Severity::Info,
            &format!("run {run} resumed"),
            "done",
        )?;
    }
    transaction.commit()?;
    Ok(taken)
}

/// Takes a run over from a supervisor that has died, to clean up after it.
/// `false` when somebody else was quicker.
pub fn claim_run(database: &Database, run: i64, dead: &Identity, by: &Identity) -> Result<bool> {
    let claimed = database.connection().execute(
        "UPDATE run SET state = ?2, supervisor = ?3 WHERE id = ?1 AND supervisor = ?4",
        params![
            run,
            RunState::Lost.as_str(),
            by.to_string(),
            dead.to_string()
        ],
    )?;
    Ok(claimed == 1)
}

/// Writes the end of a run down.
pub fn end_run(database: &Database, run: i64, state: RunState, reason: Option<&str>) -> Result<()> {
    let transaction = database.begin()?;
    transaction.execute(
        "UPDATE run SET state = ?2, reason = ?3, ended_msec = ?4, supervisor = NULL WHERE id = ?1",
        params![run, state.as_str(), reason, now_msec()],
    )?;
    let level = match state {
        RunState::Completed | RunState::Cancelled | RunState::Running => Severity::Info,
        RunState::Failed | RunState::Lost => Severity::Error,
    };
    let outcome = reason.map_or_else(
        || state.as_str().to_owned(),
        |why| format!("{}: {why}", state.as_str()),
    );
    note(&transaction, level, &format!("run {run} ended"), &outcome)?;
    transaction.commit()
}

/// Writes the beginning of an attempt down and gives it its number. `place`
/// names its log and its control group by that number.
pub fn begin_attempt(
    database: &Database,
    run: i64,
    step: &str,
    place: impl FnOnce(i64) -> (PathBuf, Option<PathBuf>),
) -> Result<Attempt> {
    let transaction = database.begin()?;
    let number = transaction.query_row(
        "SELECT coalesce(max(number), 0) + 1 FROM attempt WHERE run = ?1 AND step = ?2",
        params![run, step],
        |row| row.get(0),
    )?;
    let (log, cgroup) = place(number);
    transaction.execute(
        "INSERT INTO attempt (run, step, number, state, started_msec, log, cgroup) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            run,
            step,
            number,
            StepState::Running.as_str(),
            now_msec(),
            to_text(&log),
            cgroup.as_deref().map(to_text),
        ],
    )?;
    let id = transaction.last_insert_rowid();
    set_step_state(&transaction, run, step, StepState::Running)?;
    let what = format!("run {run} step '{step}' attempt {number} started");
    note(&transaction, Severity::Info, &what, "done")?;
    let attempt = transaction.query_row(
        &format!("SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE id = ?1"),
        [id],
        read_attempt,
    )?;
    transaction.commit()?;
    Ok(attempt)
}

/// Writes down who keeps an attempt.
pub fn set_keeper(database: &Database, attempt: i64, keeper: Option<&Identity>) -> Result<()> {
    let keeper = keeper.map(Identity::to_string);
    update_attempt(database, attempt, "keeper", keeper.as_deref())
}

/// Writes down the script's first process.
pub fn set_leader(database: &Database, attempt: i64, leader: &str) -> Result<()> {
    update_attempt(database, attempt, "leader", Some(leader))
}

/// Writes down the phase an attempt has reached.
pub fn set_phase(database: &Database, attempt: i64, phase: &str) -> Result<()> {
    update_attempt(database, attempt, "phase", Some(phase))
}

fn update_attempt(
    database: &Database,
    attempt: i64,
    column: &str,
    value: Option<&str>,
) -> Result<()> {
    let sql = format!("UPDATE attempt SET {column} = ?2 WHERE id = ?1");
    database
        .connection()
        .execute(&sql, params![attempt, value])?;
    Ok(())
}

/// Writes the end of an attempt and the new state of its step down.
pub fn end_attempt(
    database: &Database,
    run: i64,
    step: &str,
    attempt: i64,
    outcome: &Outcome,
) -> Result<()> {
    let transaction = database.begin()?;
    write_outcome(&transaction, attempt, outcome)?;
    set_step_state(&transaction, run, step, outcome.state)?;
    let level = match outcome.state {
        StepState::Failed | StepState::Lost => Severity::Error,
        _ => Severity::Info,
    };
    let what = format!("run {run} step '{step}' ended");
    note(&transaction, level, &what, &outcome.to_string())?;
    transaction.commit()
}

fn write_outcome(connection: &Connection, attempt: i64, outcome: &Outcome) -> Result<()> {
    let ended = &outcome.ended;
    let (cpu, memory, io) = (ended.cpu_usec, ended.memory_peak_bytes, ended.io_bytes);
    connection.execute(
        "UPDATE attempt SET state = ?2, ended_msec = ?3, exit_code = ?4, signal = ?5, \
         reason = ?6, first_error = ?7, wall_usec = ?8, user_usec = ?9, system_usec = ?10, \
         cpu_source = ?11, memory_peak_bytes = ?12, memory_source = ?13, read_bytes = ?14, \
         write_bytes = ?15, io_source = ?16, strays = ?17, log_dropped_bytes = ?18, \
         reaped_cpu_usec = ?19, exits = ?20, exits_cpu_usec = ?21, exits_lost = ?22, \
         cgroup = NULL WHERE id = ?1",
        params![
            attempt,
            outcome.state.as_str(),
            now_msec(),
            ended.exit_code,
            ended.signal,
            outcome.reason,
            outcome.first_error,
            (ended.wall_usec > 0).then(|| clamp(ended.wall_usec)),
            cpu.map(|cpu| clamp(cpu.value.0)),
            cpu.map(|cpu| clamp(cpu.value.1)),
            cpu.map(|cpu| cpu.source.as_str()),
            memory.map(|memory| clamp(memory.value)),
            memory.map(|memory| memory.source.as_str()),
            io.map(|io| clamp(io.value.0)),
            io.map(|io| clamp(io.value.1)),
            io.map(|io| Rung::as_str(io.source)),
            clamp(ended.strays),
            clamp(ended.log_dropped_bytes),
            ended.reaped_cpu_usec.map(clamp),
            outcome.exits.map(|exits| clamp(exits.processes)),
            outcome.exits.and_then(|exits| exits.cpu_usec.map(clamp)),
            outcome.exits.map(|exits| clamp(exits.lost)),
        ],
    )?;
    Ok(())
}

/// Writes down that a step is not begun.
pub fn skip_step(database: &Database, run: i64, step: &str) -> Result<()> {
    set_step_state(database.connection(), run, step, StepState::Skipped)
}

fn set_step_state(connection: &Connection, run: i64, step: &str, state: StepState) -> Result<()> {
    connection.execute(
        "UPDATE step SET state = ?3 WHERE run = ?1 AND id = ?2",
        params![run, step, state.as_str()],
    )?;
    Ok(())
}

fn note(connection: &Connection, level: Severity, what: &str, outcome: &str) -> Result<()> {
    let entry = Entry {
        unit: "build",
        level,
        what,
        outcome,
    };
    audit::append(connection, &entry)
}

/// Writes down that the alert rules have seen the end of `attempt`; belongs
/// into the transaction that writes down what came of it.
pub fn set_noticed(connection: &Connection, attempt: i64) -> Result<()> {
    connection.execute("UPDATE attempt SET noticed = 1 WHERE id = ?1", [attempt])?;
    Ok(())
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn to_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn to_integer(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

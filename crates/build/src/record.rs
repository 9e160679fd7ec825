//! Runs, steps and attempts as the state database keeps them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::{Severity, TimeMsec, now_msec, visible};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::dispatch::{RunState, StepState};
use crate::keeper::{Ended, Rung};
use crate::plan::Plan;

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
    /// What the keeper reported, if it lived to.
    pub ended: Ended,
}

/// Writes a new run down, with its steps, as the work of `supervisor`.
pub fn begin_run(
    database: &Database,
    plan: &Plan,
    options: &Options,
    supervisor: &Identity,
) -> Result<i64> {
    let transaction = database.begin()?;
    transaction.execute(
        "INSERT INTO run (name, plan, options, state, started_msec, supervisor) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            plan.name,
            to_json(plan)?,
            to_json(options)?,
            RunState::Running.as_str(),
            now_msec(),
            supervisor.to_string(),
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
         reaped_cpu_usec = ?19, \
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
        ],
    )?;
    Ok(())
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

/// The plan of a run, as it was started.
pub fn read_plan(database: &Database, run: i64) -> Result<Plan> {
    database
        .connection()
        .query_row("SELECT plan FROM run WHERE id = ?1", [run], |row| {
            from_json(row, 0)
        })
}

/// One run; `None` when there is none with this number.
pub fn read_run(database: &Database, run: i64) -> Result<Option<Run>> {
    let connection = database.connection();
    let sql = format!("SELECT {RUN_COLUMNS} FROM run WHERE id = ?1");
    let found = connection.query_row(&sql, [run], read_run_row).optional()?;
    found.map(|run| with_steps(connection, run)).transpose()
}

/// The newest runs, newest first.
pub fn list_runs(database: &Database, count: u32) -> Result<Vec<Run>> {
    let connection = database.connection();
    let sql = format!("SELECT {RUN_COLUMNS} FROM run ORDER BY id DESC LIMIT ?1");
    let mut statement = connection.prepare(&sql)?;
    let runs = statement.query_map([count], read_run_row)?;
    runs.map(|run| with_steps(connection, run?)).collect()
}

/// The runs that somebody works on, or did until they died, oldest first.
pub fn list_supervised(database: &Database) -> Result<Vec<Run>> {
    let connection = database.connection();
    let sql = format!("SELECT {RUN_COLUMNS} FROM run WHERE supervisor IS NOT NULL ORDER BY id");
    let mut statement = connection.prepare(&sql)?;
    let runs = statement.query_map([], read_run_row)?;
    runs.map(|run| with_steps(connection, run?)).collect()
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

/// Attempts whose end the alert rules have not seen, oldest first.
pub fn list_unnoticed(database: &Database) -> Result<Vec<EndedAttempt>> {
    let columns: Vec<String> = ATTEMPT_COLUMNS
        .split(", ")
        .map(|column| format!("attempt.{}", column.trim()))
        .collect();
    let sql = format!(
        "SELECT {}, attempt.run, run.name, attempt.step FROM attempt \
         JOIN run ON run.id = attempt.run \
         WHERE attempt.noticed = 0 AND attempt.ended_msec IS NOT NULL ORDER BY attempt.id",
        columns.join(", ")
    );
    database
        .connection()
        .prepare_cached(&sql)?
        .query_map([], |row| {
            Ok(EndedAttempt {
                attempt: read_attempt(row)?,
                run: row.get("run")?,
                plan: row.get("name")?,
                step: row.get("step")?,
            })
        })?
        .collect()
}

/// Writes down that the alert rules have seen the end of `attempt`; belongs
/// into the transaction that writes down what came of it.
pub fn set_noticed(connection: &Connection, attempt: i64) -> Result<()> {
    connection.execute("UPDATE attempt SET noticed = 1 WHERE id = ?1", [attempt])?;
    Ok(())
}

const RUN_COLUMNS: &str = "id, name, options, state, reason, started_msec, ended_msec, supervisor";

const ATTEMPT_COLUMNS: &str = "id, number, state, phase, started_msec, ended_msec, keeper, \
    leader, cgroup, log, exit_code, signal, reason, first_error, wall_usec, user_usec, \
    system_usec, cpu_source, memory_peak_bytes, memory_source, read_bytes, write_bytes, \
    io_source, strays, log_dropped_bytes, reaped_cpu_usec";

fn read_run_row(row: &Row<'_>) -> Result<Run> {
    let state: String = row.get(3)?;
    Ok(Run {
        id: row.get(0)?,
        name: row.get(1)?,
        options: from_json(row, 2)?,
        state: RunState::parse(&state).ok_or_else(|| bad_word(3, &state))?,
        reason: row.get(4)?,
        started_msec: row.get(5)?,
        ended_msec: row.get(6)?,
        supervisor: read_identity(row, 7)?,
        steps: Vec::new(),
    })
}

fn with_steps(connection: &Connection, mut run: Run) -> Result<Run> {
    let mut statement = connection.prepare_cached(
        "SELECT id, title, package, version, sbu, needs, state FROM step \
         WHERE run = ?1 ORDER BY ordinal",
    )?;
    let steps = statement.query_map([run.id], read_step)?;
    run.steps = steps.collect::<Result<_>>()?;
    let mut known = read_known_seconds(connection, &run)?;
    let mut newest = read_newest_attempts(connection, run.id)?;
    for step in &mut run.steps {
        step.known_seconds = known.remove(&step.id);
        step.attempt = newest.remove(&step.id);
    }
    Ok(run)
}

fn read_step(row: &Row<'_>) -> Result<Step> {
    let state: String = row.get(6)?;
    Ok(Step {
        id: row.get(0)?,
        title: row.get(1)?,
        package: row.get(2)?,
        version: row.get(3)?,
        sbu: row.get(4)?,
        needs: from_json(row, 5)?,
        state: StepState::parse(&state).ok_or_else(|| bad_word(6, &state))?,
        known_seconds: None,
        attempt: None,
    })
}

fn read_known_seconds(connection: &Connection, run: &Run) -> Result<BTreeMap<String, f64>> {
    connection
        .prepare_cached(
            "SELECT attempt.step, attempt.wall_usec / 1e6, max(attempt.id) FROM attempt \
             JOIN run ON run.id = attempt.run \
             WHERE run.name = ?1 AND attempt.run <> ?2 AND attempt.state = 'COMPLETED' \
             AND attempt.wall_usec IS NOT NULL GROUP BY attempt.step",
        )?
        .query_map(params![run.name, run.id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

fn read_newest_attempts(connection: &Connection, run: i64) -> Result<BTreeMap<String, Attempt>> {
    connection
        .prepare_cached(&format!(
            "SELECT {ATTEMPT_COLUMNS}, step FROM attempt WHERE run = ?1 ORDER BY number"
        ))?
        .query_map([run], |row| Ok((row.get("step")?, read_attempt(row)?)))?
        .collect()
}

fn read_attempt(row: &Row<'_>) -> Result<Attempt> {
    let state: String = row.get(2)?;
    let path = |column| -> Result<Option<PathBuf>> {
        Ok(row.get::<_, Option<String>>(column)?.map(PathBuf::from))
    };
    let unsigned = |column| -> Result<Option<u64>> {
        let value: Option<i64> = row.get(column)?;
        Ok(value.and_then(|value| u64::try_from(value).ok()))
    };
    Ok(Attempt {
        id: row.get(0)?,
        number: row.get(1)?,
        state: StepState::parse(&state).ok_or_else(|| bad_word(2, &state))?,
        phase: row.get(3)?,
        started_msec: row.get(4)?,
        ended_msec: row.get(5)?,
        keeper: read_identity(row, 6)?,
        leader: read_identity(row, 7)?,
        cgroup: path(8)?,
        log: path(9)?.unwrap_or_default(),
        exit_code: row.get(10)?,
        signal: row.get(11)?,
        reason: row.get(12)?,
        first_error: row.get(13)?,
        wall_usec: unsigned(14)?,
        user_usec: unsigned(15)?,
        system_usec: unsigned(16)?,
        cpu_source: row.get(17)?,
        memory_peak_bytes: unsigned(18)?,
        memory_source: row.get(19)?,
        read_bytes: unsigned(20)?,
        write_bytes: unsigned(21)?,
        io_source: row.get(22)?,
        strays: unsigned(23)?,
        log_dropped_bytes: unsigned(24)?,
        reaped_cpu_usec: unsigned(25)?,
    })
}

fn read_identity(row: &Row<'_>, column: usize) -> Result<Option<Identity>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| conversion(column, error))
}

fn bad_word(column: usize, word: &str) -> rusqlite::Error {
    conversion(column, format!("'{word}' is no state"))
}

fn conversion(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
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

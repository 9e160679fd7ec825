//! Reading runs, steps and attempts back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lfs_wrapper_state::Database;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{Attempt, EndedAttempt, Run, Step};
use crate::Identity;
use crate::dispatch::{RunState, StepState};
use crate::exits::Exits;
use crate::plan::Plan;

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

/// The runs that somebody works on, then the others, each newest first.
pub fn list_runs(database: &Database, count: u32) -> Result<Vec<Run>> {
    let connection = database.connection();
    let sql =
        format!("SELECT {RUN_COLUMNS} FROM run ORDER BY supervisor IS NULL, id DESC LIMIT ?1");
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

const RUN_COLUMNS: &str = "id, name, options, state, reason, started_msec, ended_msec, supervisor";

pub(super) const ATTEMPT_COLUMNS: &str = "id, number, state, phase, started_msec, ended_msec, keeper, \
    leader, cgroup, log, exit_code, signal, reason, first_error, wall_usec, user_usec, \
    system_usec, cpu_source, memory_peak_bytes, memory_source, read_bytes, write_bytes, \
    io_source, strays, log_dropped_bytes, reaped_cpu_usec, exits, exits_cpu_usec, exits_lost";

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

pub(super) fn read_attempt(row: &Row<'_>) -> Result<Attempt> {
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
        exits: match (unsigned(26)?, unsigned(28)?) {
            (Some(processes), Some(lost)) => Some(Exits {
                processes,
                cpu_usec: unsigned(27)?,
                lost,
            }),
            _ => None,
        },
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

//! Alerts, their history, the engine's memory and the outbox in the state
//! database. What belongs together is written in one transaction.

use std::collections::BTreeMap;

use lfs_wrapper_model::{Severity, TimeMsec};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::{Deserialize, Serialize};

use crate::engine::{Kind, Memory};

/// Labels that tell alerts of one rule from each other.
pub type Labels = BTreeMap<String, String>;

/// A change of an alert, with all that a person is told about it.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The rule.
    pub rule: &'a str,
    /// Which of the rule's alerts.
    pub labels: &'a Labels,
    /// What happened.
    pub kind: Kind,
    /// The level it is at now, or was at until now.
    pub severity: Severity,
    /// The value, if there is one.
    pub value: Option<f64>,
    /// The threshold, if there is one.
    pub threshold: Option<f64>,
    /// One sentence.
    pub message: &'a str,
    /// What to do about it.
    pub runbook: &'a str,
    /// When it happened.
    pub time_msec: TimeMsec,
}

/// An alert as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// The rule.
    pub rule: String,
    /// Which of the rule's alerts.
    pub labels: Labels,
    /// `firing`, `nodata` or `resolved`.
    pub state: String,
    /// The level it is at, or was at last.
    pub severity: String,
    /// The value at its last change.
    pub value: Option<f64>,
    /// The threshold at its last change.
    pub threshold: Option<f64>,
    /// When it was raised.
    pub since_msec: TimeMsec,
    /// When it last changed.
    pub changed_msec: TimeMsec,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub runbook: Option<String>,
}

/// A message about a change, as channels get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The number of the change; the same for every channel and every try.
    pub event: i64,
    /// The rule.
    pub rule: String,
    /// What happened: a [`Kind`].
    pub kind: Kind,
    /// The level.
    pub severity: Severity,
    /// Which of the rule's alerts.
    pub labels: Labels,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub runbook: String,
    /// When it happened.
    pub time_msec: TimeMsec,
}

/// A notification that a channel has not taken yet.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its number in the outbox.
    pub id: i64,
    /// The channel's name.
    pub channel: String,
    /// The message.
    pub notification: Notification,
    /// How often it was tried.
    pub tries: u32,
}

/// One entry of the alerts' history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// Its number.
    pub event: i64,
    /// The rule.
    pub rule: String,
    /// Which of the rule's alerts.
    pub labels: Labels,
    /// What happened.
    pub kind: String,
    /// The level.
    pub severity: String,
    /// The value.
    pub value: Option<f64>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// One sentence.
    pub message: String,
    /// When it happened.
    pub time_msec: TimeMsec,
}

/// Writes a change down: the alert, its history, the audit log, and a message
/// in the outbox for each channel. Returns the alert.
pub fn write_change(
    connection: &Connection,
    change: &Change<'_>,
    channels: &[String],
) -> Result<Alert> {
    let labels = to_json(change.labels)?;
    let alert = write_alert(connection, change, &labels)?;
    connection.execute(
        "INSERT INTO alert_transition (alert, time_msec, kind, severity, value, threshold, message) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            alert,
            change.time_msec,
            change.kind.as_str(),
            change.severity.as_str(),
            change.value,
            change.threshold,
            change.message
        ],
    )?;
    let notification = Notification {
        event: connection.last_insert_rowid(),
        rule: change.rule.to_owned(),
        kind: change.kind,
        severity: change.severity,
        labels: change.labels.clone(),
        message: change.message.to_owned(),
        runbook: change.runbook.to_owned(),
        time_msec: change.time_msec,
    };
    for channel in channels {
        connection.execute(
            "INSERT INTO outbox (channel, notification, created_msec, next_msec) \
             VALUES (?1, ?2, ?3, ?3)",
            params![channel, to_json(&notification)?, change.time_msec],
        )?;
    }
    let entry = Entry {
        unit: "alert",
        level: change.severity,
        what: &format!("alert '{}' {labels} {}", change.rule, change.kind.as_str()),
        outcome: change.message,
    };
    audit::append(connection, &entry)?;
    let sql = format!("SELECT {ALERT_COLUMNS} FROM alert WHERE id = ?1");
    connection.query_row(&sql, [alert], read_alert)
}

fn write_alert(connection: &Connection, change: &Change<'_>, labels: &str) -> Result<i64> {
    let state = match change.kind {
        Kind::Nodata => "nodata",
        Kind::Resolved => "resolved",
        _ => "firing",
    };
    let live = read_live(connection, change.rule, labels)?;
    let Some(alert) = live else {
        connection.execute(
            "INSERT INTO alert (rule, labels, state, severity, value, threshold, since_msec, \
             changed_msec, message, runbook) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)",
            params![
                change.rule,
                labels,
                state,
                change.severity.as_str(),
                change.value,
                change.threshold,
                change.time_msec,
                change.message,
                change.runbook
            ],
        )?;
        return Ok(connection.last_insert_rowid());
    };
    connection.execute(
        "UPDATE alert SET state = ?2, severity = ?3, value = coalesce(?4, value), \
         threshold = ?5, changed_msec = ?6, message = ?7 WHERE id = ?1",
        params![
            alert,
            state,
            change.severity.as_str(),
            change.value,
            change.threshold,
            change.time_msec,
            change.message
        ],
    )?;
    Ok(alert)
}

fn read_live(connection: &Connection, rule: &str, labels: &str) -> Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT id FROM alert WHERE rule = ?1 AND labels = ?2 AND state <> 'resolved'",
        )?
        .query_row([rule, labels], |row| row.get(0))
        .optional()
}

/// Whether an alert of this rule with these labels is not resolved.
pub fn is_live(connection: &Connection, rule: &str, labels: &Labels) -> Result<bool> {
    Ok(read_live(connection, rule, &to_json(labels)?)?.is_some())
}

/// Remembers for the engine, or forgets what is blank.
pub fn write_memory(
    connection: &Connection,
    rule: &str,
    labels: &Labels,
    memory: &Memory,
) -> Result<()> {
    let labels = to_json(labels)?;
    if memory.is_blank() {
        connection.execute(
            "DELETE FROM alert_memory WHERE rule = ?1 AND labels = ?2",
            [rule, &labels],
        )?;
    } else {
        connection.execute(
            "INSERT OR REPLACE INTO alert_memory VALUES (?1, ?2, ?3)",
            [rule, &labels, &to_json(memory)?],
        )?;
    }
    Ok(())
}

/// What the engine remembered when it last ran.
pub fn read_memories(connection: &Connection) -> Result<Vec<(String, Labels, Memory)>> {
    connection
        .prepare("SELECT rule, labels, memory FROM alert_memory")?
        .query_map([], |row| {
            Ok((row.get(0)?, from_json(row, 1)?, from_json(row, 2)?))
        })?
        .collect()
}

const ALERT_COLUMNS: &str = "id, rule, labels, state, severity, value, threshold, since_msec, changed_msec, message, runbook";

/// The newest alerts, newest change first; `live` leaves the resolved ones out.
pub fn list_alerts(database: &Database, live: bool, count: u32) -> Result<Vec<Alert>> {
    let sql = format!(
        "SELECT {ALERT_COLUMNS} FROM alert WHERE NOT ?1 OR state <> 'resolved' \
         ORDER BY changed_msec DESC, id DESC LIMIT ?2"
    );
    database
        .connection()
        .prepare_cached(&sql)?
        .query_map(params![live, count], read_alert)?
        .collect()
}

fn read_alert(row: &Row<'_>) -> Result<Alert> {
    Ok(Alert {
        id: row.get(0)?,
        rule: row.get(1)?,
        labels: from_json(row, 2)?,
        state: row.get(3)?,
        severity: row.get(4)?,
        value: row.get(5)?,
        threshold: row.get(6)?,
        since_msec: row.get(7)?,
        changed_msec: row.get(8)?,
        message: row.get(9)?,
        runbook: row.get(10)?,
    })
}

/// The newest changes, newest first; with `raised_only` those that raised or
/// worsened an alert.
pub fn list_history(
    database: &Database,
    raised_only: bool,
    count: u32,
) -> Result<Vec<HistoryEntry>> {
    database
        .connection()
        .prepare_cached(
            "SELECT t.id, a.rule, a.labels, t.kind, t.severity, t.value, t.threshold, t.message, \
             t.time_msec FROM alert_transition t JOIN alert a ON a.id = t.alert \
             WHERE NOT ?1 OR t.kind IN ('raised', 'repeated', 'escalated') \
             ORDER BY t.id DESC LIMIT ?2",
        )?
        .query_map(params![raised_only, count], |row| {
            Ok(HistoryEntry {
                event: row.get(0)?,
                rule: row.get(1)?,
                labels: from_json(row, 2)?,
                kind: row.get(3)?,
                severity: row.get(4)?,
                value: row.get(5)?,
                threshold: row.get(6)?,
                message: row.get(7)?,
                time_msec: row.get(8)?,
            })
        })?
        .collect()
}

/// How many changes raised or worsened an alert, ever.
pub fn count_raised(database: &Database) -> Result<i64> {
    database.connection().query_row(
        "SELECT count(*) FROM alert_transition WHERE kind IN ('raised', 'repeated', 'escalated')",
        [],
        |row| row.get(0),
    )
}

/// Messages of the outbox that are due, in the order they were written.
pub fn list_due(database: &Database, now_msec: TimeMsec, count: u32) -> Result<Vec<Outgoing>> {
    database
        .connection()
        .prepare_cached(
            "SELECT id, channel, notification, tries FROM outbox WHERE next_msec <= ?1 \
             ORDER BY id LIMIT ?2",
        )?
        .query_map(params![now_msec, count], |row| {
            Ok(Outgoing {
                id: row.get(0)?,
                channel: row.get(1)?,
                notification: from_json(row, 2)?,
                tries: row.get(3)?,
            })
        })?
        .collect()
}

/// How many messages wait.
pub fn count_waiting(database: &Database) -> Result<i64> {
    database
        .connection()
        .query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))
}

/// The channel took it.
pub fn set_sent(database: &Database, outgoing: i64) -> Result<()> {
    database
        .connection()
        .execute("DELETE FROM outbox WHERE id = ?1", [outgoing])?;
    Ok(())
}

/// The channel did not take it; it is tried again at `next_msec`.
pub fn set_failed(
    database: &Database,
    outgoing: i64,
    error: &str,
    next_msec: TimeMsec,
) -> Result<()> {
    database.connection().execute(
        "UPDATE outbox SET tries = tries + 1, last_error = ?2, next_msec = ?3 WHERE id = ?1",
        params![outgoing, error, next_msec],
    )?;
    Ok(())
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

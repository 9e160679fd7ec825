//! Alerts, their history, the engine's memory and the outbox in the state
//! database. What belongs together is written in one transaction.

mod outbox;

use lfs_wrapper_model::{Severity, TimeMsec};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::Serialize;

use crate::engine::{Kind, Memory};

pub use crate::notification::Notification;
pub use outbox::{
    OUTBOX_MAX, Outgoing, count_dropped, count_waiting, drop_unconfigured, list_due, set_failed,
    set_sent,
};

pub use crate::rule::Labels;

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

impl Change<'_> {
    fn to_notification(&self, alert: i64, event: i64) -> Notification {
        Notification {
            alert,
            event,
            rule: self.rule.to_owned(),
            kind: self.kind,
            is_reminder: false,
            severity: self.severity,
            labels: self.labels.clone(),
            value: self.value,
            threshold: self.threshold,
            message: self.message.to_owned(),
            runbook: self.runbook.to_owned(),
            annotations: Default::default(),
            since_msec: self.time_msec,
            time_msec: self.time_msec,
        }
    }
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
/// in the outbox for each channel, where the oldest makes room if need be.
/// Returns the alert.
pub fn write_change(
    connection: &Connection,
    change: &Change<'_>,
    channels: &[String],
) -> Result<Alert> {
    let labels = to_json(change.labels)?;
    let alert = write_alert(connection, change, &labels)?;
    let event = write_transition(connection, change, alert)?;
    let notification = change.to_notification(alert, event);
    for channel in channels {
        outbox::write(connection, channel, &notification)?;
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

fn write_transition(connection: &Connection, change: &Change<'_>, alert: i64) -> Result<i64> {
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
    Ok(connection.last_insert_rowid())
}

fn write_alert(connection: &Connection, change: &Change<'_>, labels: &str) -> Result<i64> {
    let state = match change.kind {
        Kind::Nodata => "nodata",
        Kind::Resolved => "resolved",
        _ => "firing",
    };
    let Some(alert) = read_live(connection, change.rule, labels)? else {
        return insert_alert(connection, change, labels, state);
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

fn insert_alert(
    connection: &Connection,
    change: &Change<'_>,
    labels: &str,
    state: &str,
) -> Result<i64> {
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
    Ok(connection.last_insert_rowid())
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

//! Alerts and their changes.

use std::collections::BTreeMap;

use lfs_wrapper_model::{Severity, TimeMsec};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{from_json, from_word, to_json};
use crate::engine::Kind;
use crate::rule::Labels;

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
    /// Further texts of the rule, by name.
    pub annotations: &'a BTreeMap<String, String>,
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
    /// Further texts of the rule, by name.
    pub annotations: BTreeMap<String, String>,
    /// Who took note of it, if somebody did.
    pub acknowledged: Option<Acknowledged>,
}

/// Somebody took note of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// When.
    pub time_msec: TimeMsec,
    /// Who.
    pub by: String,
    /// Why it need not be told again.
    pub reason: String,
    /// The severity it had.
    pub severity: Severity,
}

/// Writes a change down: the alert, its history and the audit log. Returns the
/// alert. Whom it is told follows from [`super::tell`], which is called in the
/// same transaction after each change.
pub fn write_change(connection: &Connection, change: &Change<'_>) -> Result<Alert> {
    let labels = to_json(change.labels)?;
    let alert = write_alert(connection, change, &labels)?;
    write_transition(connection, change, alert)?;
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

fn write_transition(connection: &Connection, change: &Change<'_>, alert: i64) -> Result<()> {
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
    Ok(())
}

fn write_alert(connection: &Connection, change: &Change<'_>, labels: &str) -> Result<i64> {
    let state = match change.kind {
        Kind::Nodata => "nodata",
        Kind::Resolved => "resolved",
        Kind::Raised | Kind::Repeated | Kind::Escalated | Kind::Deescalated | Kind::Returned => {
            "firing"
        }
    };
    let Some(alert) = read_live(connection, change.rule, labels)? else {
        return insert_alert(connection, change, labels, state);
    };
    connection.execute(
        "UPDATE alert SET state = ?2, severity = ?3, value = coalesce(?4, value), threshold = ?5, \
         changed_msec = ?6, message = ?7, runbook = ?8, annotations = ?9 WHERE id = ?1",
        params![
            alert,
            state,
            change.severity.as_str(),
            change.value,
            change.threshold,
            change.time_msec,
            change.message,
            change.runbook,
            to_json(change.annotations)?
        ],
    )?;
    drop_acknowledgement(connection, alert, change.severity)?;
    Ok(alert)
}

/// Whoever took note of an alert did not take note of a worse one.
fn drop_acknowledgement(connection: &Connection, alert: i64, severity: Severity) -> Result<()> {
    let known: Option<Severity> = connection
        .query_row(
            "SELECT acknowledged_severity FROM alert \
             WHERE id = ?1 AND acknowledged_severity IS NOT NULL",
            [alert],
            |row| from_word(row, 0),
        )
        .optional()?;
    if known.is_some_and(|known| severity > known) {
        connection.execute(
            "UPDATE alert SET acknowledged_msec = NULL, acknowledged_by = NULL, \
             acknowledge_reason = NULL, acknowledged_severity = NULL WHERE id = ?1",
            [alert],
        )?;
    }
    Ok(())
}

fn insert_alert(
    connection: &Connection,
    change: &Change<'_>,
    labels: &str,
    state: &str,
) -> Result<i64> {
    connection.execute(
        "INSERT INTO alert (rule, labels, state, severity, value, threshold, since_msec, \
         changed_msec, message, runbook, annotations) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10)",
        params![
            change.rule,
            labels,
            state,
            change.severity.as_str(),
            change.value,
            change.threshold,
            change.time_msec,
            change.message,
            change.runbook,
            to_json(change.annotations)?
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

const ALERT_COLUMNS: &str = "id, rule, labels, state, severity, value, threshold, since_msec, \
    changed_msec, message, runbook, annotations, acknowledged_msec, acknowledged_by, \
    acknowledge_reason, acknowledged_severity";

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
        annotations: from_json(row, 11)?,
        acknowledged: read_acknowledged(row)?,
    })
}

fn read_acknowledged(row: &Row<'_>) -> Result<Option<Acknowledged>> {
    let Some(time_msec) = row.get(12)? else {
        return Ok(None);
    };
    Ok(Some(Acknowledged {
        time_msec,
        by: row.get(13)?,
        reason: row.get(14)?,
        severity: from_word(row, 15)?,
    }))
}

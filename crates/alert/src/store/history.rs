//! The history of alerts: what is listed, and what is deleted in the end.

use lfs_wrapper_model::{Severity, TimeMsec};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, Result, Row, params};

use super::from_json;
use crate::rule::Labels;

/// Transitions that one [`prune`] deletes at most, so that nobody waits for it.
const PRUNE_MAX: u32 = 2000;

/// A group that was not sent for so long is forgotten; no interval is longer.
const GROUP_KEEP_MSEC: i64 = 2 * 24 * 60 * 60 * 1000;

/// Rows that the outbox could not read and that are kept.
const BAD_MAX: u32 = 1000;

/// One entry of the alerts' history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// Its number.
    pub event: i64,
    /// The alert's number.
    pub alert: i64,
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

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Only from this time on.
    pub since_msec: Option<TimeMsec>,
    /// Only before this time.
    pub until_msec: Option<TimeMsec>,
    /// Only of this rule.
    pub rule: Option<String>,
    /// Only of alerts that have these labels among theirs.
    pub labels: Labels,
    /// Only what raised or worsened an alert.
    pub is_raised_only: bool,
    /// So many at most; `None` for all.
    pub limit: Option<usize>,
}

/// The changes that pass `filter`, newest first.
pub fn list_history(database: &Database, filter: &HistoryFilter) -> Result<Vec<HistoryEntry>> {
    let mut statement = database.connection().prepare_cached(
        "SELECT t.id, a.id, a.rule, a.labels, t.kind, t.severity, t.value, t.threshold, \
         t.message, t.time_msec FROM alert_transition t JOIN alert a ON a.id = t.alert \
         WHERE t.time_msec >= ?1 AND t.time_msec < ?2 AND (?3 IS NULL OR a.rule = ?3) \
         AND (NOT ?4 OR t.kind IN ('raised', 'repeated', 'escalated')) ORDER BY t.id DESC",
    )?;
    let from_msec = filter.since_msec.unwrap_or(i64::MIN);
    let until_msec = filter.until_msec.unwrap_or(i64::MAX);
    let values = params![from_msec, until_msec, filter.rule, filter.is_raised_only];
    let has_labels = |entry: &HistoryEntry| {
        let mut wanted = filter.labels.iter();
        wanted.all(|(name, value)| entry.labels.get(name) == Some(value))
    };
    statement
        .query_map(values, read_entry)?
        .filter(|entry| entry.as_ref().map_or(true, has_labels))
        .take(filter.limit.unwrap_or(usize::MAX))
        .collect()
}

fn read_entry(row: &Row<'_>) -> Result<HistoryEntry> {
    Ok(HistoryEntry {
        event: row.get(0)?,
        alert: row.get(1)?,
        rule: row.get(2)?,
        labels: from_json(row, 3)?,
        kind: row.get(4)?,
        severity: row.get(5)?,
        value: row.get(6)?,
        threshold: row.get(7)?,
        message: row.get(8)?,
        time_msec: row.get(9)?,
    })
}

/// How many changes raised or worsened an alert, ever.
pub fn count_raised(database: &Database) -> Result<i64> {
    database.connection().query_row(
        "SELECT count(*) + coalesce((SELECT raised FROM alert_pruned), 0) FROM alert_transition \
         WHERE kind IN ('raised', 'repeated', 'escalated')",
        [],
        |row| row.get(0),
    )
}

/// How much of the history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// For how long.
    pub age_msec: i64,
    /// How many transitions.
    pub transitions: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            age_msec: 365 * 24 * 60 * 60 * 1000,
            transitions: 100_000,
        }
    }
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Transitions.
    pub transitions: usize,
    /// Alerts of which none is left.
    pub alerts: usize,
}

/// Deletes the oldest history, no more than a part of it at a time: what is too
/// old, and what is too much. The last change of what is live stays. Silences go
/// when they are over for as long.
pub fn prune(database: &Database, keep: Keep, now_msec: TimeMsec) -> Result<Pruned> {
    let old_msec = now_msec.saturating_sub(keep.age_msec);
    if !is_needed(database.connection(), keep, old_msec, now_msec)? {
        return Ok(Pruned::default());
    }
    let transaction = database.begin()?;
    let transitions = prune_transitions(&transaction, keep, old_msec)?;
    let alerts = transaction.execute(
        "DELETE FROM alert WHERE state = 'resolved' \
         AND NOT EXISTS (SELECT 1 FROM alert_transition WHERE alert = alert.id)",
        [],
    )?;
    transaction.execute("DELETE FROM silence WHERE ends_msec < ?1", [old_msec])?;
    let group_msec = now_msec.saturating_sub(GROUP_KEEP_MSEC);
    transaction.execute("DELETE FROM alert_group WHERE last_msec < ?1", [group_msec])?;
    transaction.execute(
        "DELETE FROM outbox_bad WHERE id <= (SELECT id FROM outbox_bad \
         ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        [BAD_MAX],
    )?;
    if transitions > 0 {
        let what = format!(
            "{transitions} oldest changes of alerts deleted from their history, and {alerts} \
             alerts with them"
        );
        let entry = Entry {
            unit: "alert",
            level: Severity::Info,
            what: &what,
            outcome: "done",
        };
        audit::append(&transaction, &entry)?;
    }
    transaction.commit()?;
    Ok(Pruned {
        transitions,
        alerts,
    })
}

fn is_needed(
    connection: &Connection,
    keep: Keep,
    old_msec: TimeMsec,
    now_msec: TimeMsec,
) -> Result<bool> {
    connection.query_row(
        "SELECT (SELECT count(*) FROM alert_transition) > ?1 \
         OR EXISTS (SELECT 1 FROM alert_transition WHERE time_msec < ?2) \
         OR EXISTS (SELECT 1 FROM silence WHERE ends_msec < ?2) \
         OR EXISTS (SELECT 1 FROM alert_group WHERE last_msec < ?3) \
         OR (SELECT count(*) FROM outbox_bad) > ?4",
        params![
            keep.transitions,
            old_msec,
            now_msec.saturating_sub(GROUP_KEEP_MSEC),
            BAD_MAX
        ],
        |row| row.get(0),
    )
}

fn prune_transitions(connection: &Connection, keep: Keep, old_msec: TimeMsec) -> Result<usize> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS pruned (id INTEGER PRIMARY KEY); DELETE FROM pruned;",
    )?;
    connection.execute(
        "INSERT INTO pruned SELECT t.id FROM alert_transition t \
         WHERE (t.time_msec < ?1 OR t.id <= (SELECT id FROM alert_transition \
             ORDER BY id DESC LIMIT 1 OFFSET ?2)) \
         AND NOT EXISTS (SELECT 1 FROM alert a WHERE a.id = t.alert \
             AND (a.state <> 'resolved' OR a.id IN (SELECT alert FROM alert_told)) \
             AND t.id = (SELECT max(id) FROM alert_transition WHERE alert = a.id)) \
         ORDER BY t.id LIMIT ?3",
        params![old_msec, keep.transitions, PRUNE_MAX],
    )?;
    connection.execute(
        "INSERT INTO alert_pruned (id, raised) SELECT 1, count(*) FROM alert_transition \
         WHERE id IN pruned AND kind IN ('raised', 'repeated', 'escalated') \
         ON CONFLICT (id) DO UPDATE SET raised = raised + excluded.raised",
        [],
    )?;
    connection.execute("DELETE FROM alert_transition WHERE id IN pruned", [])
}

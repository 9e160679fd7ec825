//! Somebody takes note of an alert: it is not told again until it is over or
//! gets worse.

use lfs_wrapper_model::{Severity, TimeMsec, visible};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, Result, params};

/// Writes down who took note of an alert, and why; `false` where no alert of
/// this number is live.
pub fn acknowledge(
    database: &Database,
    alert: i64,
    by: &str,
    reason: &str,
    now_msec: TimeMsec,
) -> Result<bool> {
    let transaction = database.begin()?;
    let found = transaction.execute(
        "UPDATE alert SET acknowledged_msec = ?2, acknowledged_by = ?3, acknowledge_reason = ?4, \
         acknowledged_severity = severity WHERE id = ?1 AND state <> 'resolved'",
        params![alert, now_msec, visible(by), visible(reason)],
    )?;
    if found > 0 {
        let what = format!(
            "alert {alert} acknowledged by {}: {}",
            visible(by),
            visible(reason)
        );
        append_audit(&transaction, &what)?;
    }
    transaction.commit()?;
    Ok(found > 0)
}

/// Takes an acknowledgement back; `false` where there is none.
pub fn unacknowledge(database: &Database, alert: i64, by: &str) -> Result<bool> {
    let transaction = database.begin()?;
    let found = transaction.execute(
        "UPDATE alert SET acknowledged_msec = NULL, acknowledged_by = NULL, \
         acknowledge_reason = NULL, acknowledged_severity = NULL \
         WHERE id = ?1 AND state <> 'resolved' AND acknowledged_msec IS NOT NULL",
        [alert],
    )?;
    if found > 0 {
        let by = visible(by);
        append_audit(
            &transaction,
            &format!("acknowledgement of alert {alert} taken back by {by}"),
        )?;
    }
    transaction.commit()?;
    Ok(found > 0)
}

fn append_audit(connection: &Connection, what: &str) -> Result<()> {
    let entry = Entry {
        unit: "alert",
        level: Severity::Info,
        what,
        outcome: "done",
    };
    audit::append(connection, &entry)
}

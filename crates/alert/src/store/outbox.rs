//! The outbox: for each channel a queue of the messages that it has not taken
//! yet. A channel gets them in the order in which they were written, each only
//! after the one before was taken, so that what it heard last is true.

use lfs_wrapper_model::{Severity, TimeMsec};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::{from_json, to_json};
use crate::notification::Notification;

/// Messages that may wait for one channel; then the oldest is dropped for each
/// new one.
pub const OUTBOX_MAX: u32 = 10_000;

/// The longest and the first pause before a message is tried again.
const RETRY_MSEC_MAX: i64 = 5 * 60 * 1000;
const RETRY_MSEC_FIRST: i64 = 1000;

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

/// Puts a message at the end of a channel's queue; it is due at once.
pub(super) fn write(
    connection: &Connection,
    channel: &str,
    notification: &Notification,
) -> Result<()> {
    connection.execute(
        "INSERT INTO outbox (channel, notification, created_msec) VALUES (?1, ?2, ?3)",
        params![channel, to_json(notification)?, notification.time_msec],
    )?;
    let dropped = connection.execute(
        "DELETE FROM outbox WHERE channel = ?1 AND id <= (SELECT id FROM outbox \
         WHERE channel = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        params![channel, OUTBOX_MAX],
    )?;
    if dropped > 0 {
        note_full(connection, channel, dropped)?;
    }
    Ok(())
}

/// Counts what was dropped. The log gets one record for all that is dropped
/// until the channel takes a message again.
fn note_full(connection: &Connection, channel: &str, dropped: usize) -> Result<()> {
    let is_noted: Option<bool> = connection
        .query_row(
            "SELECT is_full FROM outbox_drop WHERE channel = ?1",
            [channel],
            |row| row.get(0),
        )
        .optional()?;
    add_dropped(connection, channel, dropped, true)?;
    if is_noted == Some(true) {
        return Ok(());
    }
    let what = format!(
        "oldest messages for channel '{channel}' dropped from now on: {OUTBOX_MAX} wait already"
    );
    append_audit(connection, &what)
}

fn add_dropped(
    connection: &Connection,
    channel: &str,
    dropped: usize,
    is_full: bool,
) -> Result<()> {
    let dropped = i64::try_from(dropped).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO outbox_drop (channel, dropped, is_full) VALUES (?1, ?2, ?3) \
         ON CONFLICT (channel) DO UPDATE SET dropped = dropped + ?2, is_full = ?3",
        params![channel, dropped, is_full],
    )?;
    Ok(())
}

fn append_audit(connection: &Connection, what: &str) -> Result<()> {
    let entry = Entry {
        unit: "alert",
        level: Severity::Warning,
        what,
        outcome: "done",
    };
    audit::append(connection, &entry)
}

/// Drops what waits for channels other than those `configured`.
pub fn drop_unconfigured(database: &Database, configured: &[&str]) -> Result<()> {
    let transaction = database.begin()?;
    let channels: Vec<String> = transaction
        .prepare_cached("SELECT DISTINCT channel FROM outbox")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for channel in &channels {
        if configured.contains(&channel.as_str()) {
            continue;
        }
        let dropped = transaction.execute("DELETE FROM outbox WHERE channel = ?1", [channel])?;
        add_dropped(&transaction, channel, dropped, false)?;
        let what = format!(
            "{dropped} messages for channel '{channel}' dropped: it is not configured any more"
        );
        append_audit(&transaction, &what)?;
    }
    transaction.commit()
}

/// The oldest message of each channel, where it is due. One that failed holds
/// up those behind it until its time has come. One whose time is further away
/// than any pause was put off before the clock was set back, and is due.
pub fn list_due(database: &Database, now_msec: TimeMsec) -> Result<Vec<Outgoing>> {
    database
        .connection()
        .prepare_cached(
            "SELECT id, channel, notification, tries FROM outbox \
             WHERE id IN (SELECT min(id) FROM outbox GROUP BY channel) \
             AND (next_msec <= ?1 OR next_msec > ?2) ORDER BY id",
        )?
        .query_map([now_msec, now_msec + RETRY_MSEC_MAX], |row| {
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

/// How many messages were dropped, ever.
pub fn count_dropped(database: &Database) -> Result<i64> {
    database.connection().query_row(
        "SELECT coalesce(sum(dropped), 0) FROM outbox_drop",
        [],
        |row| row.get(0),
    )
}

/// The channel took it.
pub fn set_sent(database: &Database, outgoing: &Outgoing) -> Result<()> {
    let transaction = database.begin()?;
    transaction.execute(
        "UPDATE outbox_drop SET is_full = 0 WHERE channel = ?1 AND is_full = 1",
        [&outgoing.channel],
    )?;
    transaction.execute("DELETE FROM outbox WHERE id = ?1", [outgoing.id])?;
    transaction.commit()
}

/// The channel did not take it; it is tried again later.
pub fn set_failed(
    database: &Database,
    outgoing: &Outgoing,
    error: &str,
    now_msec: TimeMsec,
) -> Result<()> {
    let next_msec = plan_retry(outgoing.tries, outgoing.id, now_msec);
    database.connection().execute(
        "UPDATE outbox SET tries = tries + 1, last_error = ?2, next_msec = ?3 WHERE id = ?1",
        params![outgoing.id, error, next_msec],
    )?;
    Ok(())
}

/// When to try a message again that has failed `tries` times: later each time,
/// and not all at once.
fn plan_retry(tries: u32, outgoing: i64, now_msec: TimeMsec) -> TimeMsec {
    let doubled = RETRY_MSEC_FIRST.saturating_mul(1 << tries.min(20));
    let pause = doubled.min(RETRY_MSEC_MAX);
    let jitter = outgoing.wrapping_mul(7919).rem_euclid(pause / 4 + 1);
    now_msec + pause - jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_later_and_later_up_to_a_limit() {
        let pauses: Vec<i64> = (0..30).map(|tries| plan_retry(tries, 0, 0)).collect();
        assert!(pauses.is_sorted());
        assert_eq!((pauses[0], pauses[29]), (RETRY_MSEC_FIRST, RETRY_MSEC_MAX));
        assert!((1..100).all(|outgoing| plan_retry(3, outgoing, 0) >= 6000));
    }
}

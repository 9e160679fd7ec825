//! How the delivery to each channel goes: what it took, refused and failed to
//! take, and when it is tried again.

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_state::Database;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::outbox::{Batch, append_audit};
use super::shorten;

/// The longest and the first pause before a channel is tried again.
const RETRY_MSEC_MAX: i64 = 5 * 60 * 1000;
const RETRY_MSEC_FIRST: i64 = 1000;

/// The longest pause that a receiver may ask for.
pub const RETRY_AFTER_MSEC_MAX: i64 = 15 * 60 * 1000;

/// How often a message is tried that the receiver refuses for good, and the
/// pause between: whoever mends the receiver at once loses nothing.
const REFUSALS_MAX: u32 = 3;
const REFUSED_MSEC: i64 = 30_000;

/// How the delivery to a channel goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// The channel's name.
    pub channel: String,
    /// Messages that wait.
    pub waiting: u64,
    /// Since when it takes nothing; `None` where it took the last it got.
    pub failing_since_msec: Option<TimeMsec>,
    /// What went wrong last, in one line; stays until it takes something.
    pub last_error: Option<String>,
    /// When it last took something.
    pub last_sent_msec: Option<TimeMsec>,
    /// Messages about one alert that it took, ever.
    pub sent_total: u64,
    /// Tries that failed, ever.
    pub failed_total: u64,
    /// Messages dropped, since too many waited or it was not configured.
    pub dropped_total: u64,
    /// Messages dropped, since it refused them.
    pub refused_total: u64,
    /// Messages moved aside, since this version cannot read them.
    pub bad_total: u64,
}

/// What the outbox must know of a channel.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) tries: u32,
    pub(super) is_failing: bool,
    pub(super) dropped_now: i64,
    next_msec: TimeMsec,
}

impl Delivery {
    /// Whether its time to be tried again has not come. One further away than
    /// any pause was set before the clock was set back.
    pub(super) fn is_put_off(&self, now_msec: TimeMsec) -> bool {
        self.next_msec > now_msec && self.next_msec <= now_msec + RETRY_AFTER_MSEC_MAX
    }
}

pub(super) fn read_delivery(connection: &Connection, channel: &str) -> Result<Delivery> {
    let delivery = connection
        .prepare_cached(
            "SELECT tries, failing_since_msec IS NOT NULL OR tries > 0, dropped_now, next_msec \
             FROM channel_state WHERE channel = ?1",
        )?
        .query_row([channel], |row| {
            Ok(Delivery {
                tries: row.get(0)?,
                is_failing: row.get(1)?,
                dropped_now: row.get(2)?,
                next_msec: row.get(3)?,
            })
        })
        .optional()?;
    Ok(delivery.unwrap_or_default())
}

/// How the delivery to each channel goes that anything was ever told, or waits
/// for.
pub fn channel_states(database: &Database) -> Result<Vec<ChannelState>> {
    database
        .connection()
        .prepare_cached(
            "WITH waiting AS (SELECT channel, count(*) AS count FROM outbox GROUP BY channel), \
             name AS (SELECT channel FROM waiting UNION SELECT channel FROM channel_state) \
             SELECT name.channel, coalesce(count, 0), failing_since_msec, last_error, \
             last_sent_msec, coalesce(sent_total, 0), coalesce(failed_total, 0), \
             coalesce(dropped_total, 0), coalesce(refused_total, 0), coalesce(bad_total, 0) \
             FROM name LEFT JOIN waiting ON waiting.channel = name.channel \
             LEFT JOIN channel_state s ON s.channel = name.channel ORDER BY name.channel",
        )?
        .query_map([], |row| {
            Ok(ChannelState {
                channel: row.get(0)?,
                waiting: read_count(row, 1)?,
                failing_since_msec: row.get(2)?,
                last_error: row.get(3)?,
                last_sent_msec: row.get(4)?,
                sent_total: read_count(row, 5)?,
                failed_total: read_count(row, 6)?,
                dropped_total: read_count(row, 7)?,
                refused_total: read_count(row, 8)?,
                bad_total: read_count(row, 9)?,
            })
        })?
        .collect()
}

fn read_count(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn to_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn add_row(connection: &Connection, channel: &str) -> Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO channel_state (channel) VALUES (?1)")?
        .execute([channel])?;
    Ok(())
}

/// Counts what was dropped. `true` where it is the first since the channel took
/// something, for the log gets one record for them all.
pub(super) fn add_dropped(
    connection: &Connection,
    channel: &str,
    dropped: usize,
    is_full: bool,
) -> Result<bool> {
    add_row(connection, channel)?;
    let is_first = read_delivery(connection, channel)?.dropped_now == 0;
    let dropped = to_count(dropped);
    let now = if is_full { dropped } else { 0 };
    connection.execute(
        "UPDATE channel_state SET dropped_total = dropped_total + ?2, \
         dropped_now = dropped_now + ?3 WHERE channel = ?1",
        params![channel, dropped, now],
    )?;
    Ok(is_first)
}

pub(super) fn add_bad(connection: &Connection, channel: &str, bad: usize) -> Result<()> {
    add_row(connection, channel)?;
    connection.execute(
        "UPDATE channel_state SET bad_total = bad_total + ?2 WHERE channel = ?1",
        params![channel, to_count(bad)],
    )?;
    Ok(())
}

pub(super) fn list_failing(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare_cached("SELECT channel FROM channel_state WHERE failing_since_msec IS NOT NULL")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// It is not configured any more: it does not fail, and its totals stay.
pub(super) fn set_gone(connection: &Connection, channel: &str) -> Result<()> {
    connection.execute(
        "UPDATE channel_state SET tries = 0, refusals = 0, next_msec = 0, dropped_now = 0, \
         failing_since_msec = NULL, last_error = NULL WHERE channel = ?1",
        [channel],
    )?;
    Ok(())
}

/// The channel took it.
pub fn set_sent(database: &Database, batch: &Batch, now_msec: TimeMsec) -> Result<()> {
    let transaction = database.begin()?;
    add_row(&transaction, &batch.channel)?;
    delete_rows(&transaction, batch)?;
    transaction.execute(
        "UPDATE channel_state SET tries = 0, refusals = 0, next_msec = 0, \
         dropped_now = max(dropped_now - ?4, 0), failing_since_msec = NULL, last_error = NULL, \
         last_sent_msec = ?2, sent_total = sent_total + ?3 WHERE channel = ?1",
        params![
            batch.channel,
            now_msec,
            to_count(batch.ids.len()),
            batch.dropped
        ],
    )?;
    transaction.commit()
}

fn delete_rows(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
    for id in &batch.ids {
        statement.execute([id])?;
    }
    Ok(())
}

/// The channel did not take it; it is tried again later, and not before the time
/// that the receiver asked for, within [`RETRY_AFTER_MSEC_MAX`].
pub fn set_failed(
    database: &Database,
    batch: &Batch,
    error: &str,
    retry_after_msec: Option<i64>,
    now_msec: TimeMsec,
) -> Result<()> {
    let asked_msec = retry_after_msec.unwrap_or(0).min(RETRY_AFTER_MSEC_MAX);
    let seed = batch.ids.first().copied().unwrap_or(0);
    let pause_msec = plan_pause(batch.tries, seed).max(asked_msec);
    let transaction = database.begin()?;
    note_failure(&transaction, batch, error, pause_msec, now_msec)?;
    transaction.execute(
        "UPDATE channel_state SET refusals = 0 WHERE channel = ?1",
        [&batch.channel],
    )?;
    transaction.commit()
}

fn note_failure(
    connection: &Connection,
    batch: &Batch,
    error: &str,
    pause_msec: i64,
    now_msec: TimeMsec,
) -> Result<()> {
    add_row(connection, &batch.channel)?;
    connection.execute(
        "UPDATE channel_state SET tries = tries + 1, failed_total = failed_total + 1, \
         failing_since_msec = coalesce(failing_since_msec, ?2), last_error = ?3, next_msec = ?4 \
         WHERE channel = ?1",
        params![
            batch.channel,
            now_msec,
            shorten(error),
            now_msec + pause_msec
        ],
    )?;
    Ok(())
}

/// The receiver refused it for good. It is tried three times all the same, over
/// a minute. Then one message is dropped, counted and audited; of several each is
/// tried once by itself, so that one of them does not take the others with it.
pub fn set_refused(
    database: &Database,
    batch: &Batch,
    error: &str,
    now_msec: TimeMsec,
) -> Result<()> {
    let transaction = database.begin()?;
    note_failure(&transaction, batch, error, REFUSED_MSEC, now_msec)?;
    let refusals: u32 = transaction.query_row(
        "UPDATE channel_state SET refusals = refusals + 1 WHERE channel = ?1 RETURNING refusals",
        [&batch.channel],
        |row| row.get(0),
    )?;
    if batch.is_alone || refusals >= REFUSALS_MAX {
        if batch.ids.len() > 1 {
            part_rows(&transaction, batch)?;
        } else {
            drop_refused(&transaction, batch, error)?;
        }
        transaction.execute(
            "UPDATE channel_state SET tries = 0, refusals = 0, next_msec = 0 WHERE channel = ?1",
            [&batch.channel],
        )?;
    }
    transaction.commit()
}

fn part_rows(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut statement =
        connection.prepare_cached("UPDATE outbox SET is_alone = 1 WHERE id = ?1")?;
    for id in &batch.ids {
        statement.execute([id])?;
    }
    Ok(())
}

fn drop_refused(connection: &Connection, batch: &Batch, error: &str) -> Result<()> {
    delete_rows(connection, batch)?;
    connection.execute(
        "UPDATE channel_state SET refused_total = refused_total + ?2 WHERE channel = ?1",
        params![batch.channel, to_count(batch.ids.len())],
    )?;
    let first = batch.notifications.first();
    let what = format!(
        "message about alert {} ('{}') for channel '{}' dropped: it was refused: {}",
        first.map_or(0, |one| one.alert),
        first.map_or("", |one| one.rule.as_str()),
        batch.channel,
        shorten(error)
    );
    append_audit(connection, &what)
}

/// How long to wait before a channel is tried again that has failed `tries` times:
/// longer each time, and not as long as another one.
fn plan_pause(tries: u32, seed: i64) -> i64 {
    let doubled = RETRY_MSEC_FIRST.saturating_mul(1 << tries.min(20));
    let pause = doubled.min(RETRY_MSEC_MAX);
    let jitter = seed.wrapping_mul(7919).rem_euclid(pause / 4 + 1);
    pause - jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_later_and_later_up_to_a_limit() {
        let pauses: Vec<i64> = (0..30).map(|tries| plan_pause(tries, 0)).collect();
        assert!(pauses.is_sorted());
        assert_eq!((pauses[0], pauses[29]), (RETRY_MSEC_FIRST, RETRY_MSEC_MAX));
        assert!((1..100).all(|seed| plan_pause(3, seed) >= 6000));
    }
}

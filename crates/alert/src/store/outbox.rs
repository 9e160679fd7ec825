//! The outbox: for each channel the messages that it has not taken yet, and
//! which of them it gets next. Of one alert a channel gets them in the order in
//! which they were written, each only after the one before was taken, so that
//! what it heard last is true.

use std::collections::HashSet;

use lfs_wrapper_model::{Severity, TimeMsec};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, Result, params};

use super::channel_state::{self, Delivery};
use super::{from_json, shorten, to_json};
use crate::notification::{Message, Notification, Reason};
use crate::route::Row;
use crate::rule::Labels;

/// Messages that may wait for one channel; then the oldest is dropped for each
/// new one.
pub const OUTBOX_MAX: u32 = 10_000;

/// Where more messages than this wait, a channel gets one digest.
pub const DIGEST_FROM: usize = 20;

/// What a channel gets at once. It is taken as a whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The channel's name.
    pub channel: String,
    /// The numbers of its rows in the outbox.
    pub ids: Vec<i64>,
    /// What its alerts have in common; empty in a digest.
    pub group: Labels,
    /// Oldest first; never empty.
    pub notifications: Vec<Notification>,
    /// Why they come together.
    pub reason: Reason,
    /// How often the channel failed since it last took something.
    pub tries: u32,
    /// Its message was refused once already, as a part of a larger one.
    pub(super) is_alone: bool,
    /// How many were dropped before it was read, since the channel took something.
    pub(super) dropped: i64,
}

impl Batch {
    /// The message to send.
    pub fn message<'a>(&'a self, host: &'a str, now_msec: TimeMsec) -> Message<'a> {
        Message {
            host,
            group: &self.group,
            notifications: &self.notifications,
            reason: self.reason,
            time_msec: now_msec,
        }
    }
}

/// Puts a message at the end of a channel's queue. What waits of its group or of
/// its alert is due no later than itself.
pub(super) fn write(connection: &Connection, row: &Row, now_msec: TimeMsec) -> Result<()> {
    let reason = match row.reason {
        Reason::Quiet => "quiet",
        Reason::Group | Reason::Outage { .. } | Reason::Test => "group",
    };
    connection.execute(
        "INSERT INTO outbox (channel, alert, group_key, group_labels, reason, notification, \
         created_msec, due_msec) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            row.channel,
            row.notification.alert,
            row.key,
            to_json(&row.group)?,
            reason,
            to_json(&row.notification)?,
            now_msec,
            row.due_msec
        ],
    )?;
    connection.execute(
        "UPDATE outbox SET due_msec = ?2 WHERE channel = ?1 AND due_msec > ?2 \
         AND (group_key = ?3 OR alert = ?4)",
        params![row.channel, row.due_msec, row.key, row.notification.alert],
    )?;
    let dropped = connection.execute(
        "DELETE FROM outbox WHERE channel = ?1 AND id <= (SELECT id FROM outbox \
         WHERE channel = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        params![row.channel, OUTBOX_MAX],
    )?;
    if dropped > 0 && channel_state::add_dropped(connection, &row.channel, dropped, true)? {
        let what = format!(
            "oldest messages for channel '{}' dropped from now on: {OUTBOX_MAX} wait already",
            row.channel
        );
        append_audit(connection, &what)?;
    }
    Ok(())
}

pub(super) fn append_audit(connection: &Connection, what: &str) -> Result<()> {
    let entry = Entry {
        unit: "alert",
        level: Severity::Warning,
        what,
        outcome: "done",
    };
    audit::append(connection, &entry)
}

/// Drops what waits for channels other than those `configured`; none of them
/// counts as failing any more.
pub fn drop_unconfigured(database: &Database, configured: &[&str]) -> Result<()> {
    let transaction = database.begin()?;
    let mut channels = list_channels(&transaction)?;
    channels.extend(channel_state::list_failing(&transaction)?);
    for channel in &channels {
        if configured.contains(&channel.as_str()) {
            continue;
        }
        let dropped = transaction.execute("DELETE FROM outbox WHERE channel = ?1", [channel])?;
        channel_state::set_gone(&transaction, channel)?;
        if dropped == 0 {
            continue;
        }
        channel_state::add_dropped(&transaction, channel, dropped, false)?;
        let what = format!(
            "{dropped} messages for channel '{channel}' dropped: it is not configured any more"
        );
        append_audit(&transaction, &what)?;
    }
    transaction.commit()
}

fn list_channels(connection: &Connection) -> Result<Vec<String>> {
    connection
        .prepare_cached("SELECT DISTINCT channel FROM outbox")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// What to send now over each channel: [`next_batch`] of all of them.
pub fn next_batches(
    database: &Database,
    now_msec: TimeMsec,
    takes_digest: impl Fn(&str) -> bool,
) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    for channel in list_channels(database.connection())? {
        let is_digest = takes_digest(&channel);
        batches.extend(next_batch(database, &channel, now_msec, is_digest)?);
    }
    Ok(batches)
}

/// What decides about a row, without its text.
struct Waiting {
    id: i64,
    alert: i64,
    key: String,
    is_due: bool,
    is_alone: bool,
}

/// What to send now over a channel: the oldest message that is due with those of
/// its group. Where the channel failed, or many wait, and `takes_digest` says that
/// it can tell of many groups at once, all that is due. A channel that failed waits
/// as a whole until its time has come.
pub fn next_batch(
    database: &Database,
    channel: &str,
    now_msec: TimeMsec,
    takes_digest: bool,
) -> Result<Option<Batch>> {
    let connection = database.connection();
    let delivery = channel_state::read_delivery(connection, channel)?;
    if delivery.is_put_off(now_msec) {
        return Ok(None);
    }
    let mut waiting = list_waiting(connection, channel, now_msec)?;
    loop {
        let Some((chosen, is_digest)) = plan_batch(&waiting, &delivery, takes_digest) else {
            return Ok(None);
        };
        let (batch, bad) = read_batch(connection, channel, &delivery, &chosen, is_digest)?;
        if bad.is_empty() {
            return Ok(Some(batch));
        }
        // The rest is planned anew; it may be due to another group.
        move_bad(database, channel, &bad)?;
        waiting.retain(|row| bad.iter().all(|(id, _)| *id != row.id));
    }
}

/// A row is due when its time has come, or was written before the clock was set
/// back.
fn list_waiting(
    connection: &Connection,
    channel: &str,
    now_msec: TimeMsec,
) -> Result<Vec<Waiting>> {
    connection
        .prepare_cached(
            "SELECT id, alert, group_key, due_msec <= ?2 OR created_msec > ?2, is_alone \
             FROM outbox WHERE channel = ?1 ORDER BY id",
        )?
        .query_map(params![channel, now_msec], |row| {
            Ok(Waiting {
                id: row.get(0)?,
                alert: row.get(1)?,
                key: row.get(2)?,
                is_due: row.get(3)?,
                is_alone: row.get(4)?,
            })
        })?
        .collect()
}

/// The rows of the next batch, and whether it is a digest. A row behind another
/// one of its alert that is not in the batch is not either.
fn plan_batch<'a>(
    waiting: &'a [Waiting],
    delivery: &Delivery,
    takes_digest: bool,
) -> Option<(Vec<&'a Waiting>, bool)> {
    let mut early = HashSet::new();
    let head = waiting.iter().find(|row| {
        let is_free = row.is_due && !early.contains(&row.alert);
        early.insert(row.alert);
        is_free
    })?;
    if head.is_alone {
        return Some((vec![head], false));
    }
    let due = || waiting.iter().filter(|row| row.is_due && !row.is_alone);
    let is_mixed = due().any(|row| row.key != head.key);
    let is_much = delivery.is_failing || due().count() > DIGEST_FROM;
    let is_digest = takes_digest && (delivery.dropped_now > 0 || (is_mixed && is_much));
    let mut left = HashSet::new();
    let mut chosen = Vec::new();
    for row in waiting {
        let belongs = row.is_due && !row.is_alone && (is_digest || row.key == head.key);
        if belongs && !left.contains(&row.alert) {
            chosen.push(row);
        } else {
            left.insert(row.alert);
        }
    }
    Some((chosen, is_digest))
}

type Bad = Vec<(i64, String)>;

fn read_batch(
    connection: &Connection,
    channel: &str,
    delivery: &Delivery,
    chosen: &[&Waiting],
    is_digest: bool,
) -> Result<(Batch, Bad)> {
    let mut batch = Batch {
        channel: channel.to_owned(),
        ids: Vec::new(),
        group: Labels::new(),
        notifications: Vec::new(),
        reason: Reason::Group,
        tries: delivery.tries,
        is_alone: chosen.first().is_some_and(|row| row.is_alone),
        dropped: delivery.dropped_now,
    };
    let mut bad = Vec::new();
    let mut statement = connection
        .prepare_cached("SELECT notification, group_labels, reason FROM outbox WHERE id = ?1")?;
    for waiting in chosen {
        let row = statement.query_row([waiting.id], |row| {
            let notification: Result<Notification> = from_json(row, 0);
            let group: Labels = from_json(row, 1).unwrap_or_default();
            Ok((notification, group, row.get::<_, String>(2)? == "quiet"))
        })?;
        match row {
            (Ok(notification), group, is_quiet) => {
                batch.ids.push(waiting.id);
                batch.notifications.push(complete(notification));
                if is_quiet {
                    batch.reason = Reason::Quiet;
                }
                batch.group = group;
            }
            (Err(error), ..) => bad.push((waiting.id, error.to_string())),
        }
    }
    if is_digest {
        batch.group = Labels::new();
        batch.reason = Reason::Outage {
            since_msec: batch.notifications.first().map_or(0, |one| one.time_msec),
            dropped: u64::try_from(delivery.dropped_now).unwrap_or(0),
        };
    }
    Ok((batch, bad))
}

/// An older version did not write since when.
fn complete(mut notification: Notification) -> Notification {
    if notification.since_msec == 0 {
        notification.since_msec = notification.time_msec;
    }
    notification
}

/// Moves rows that this version cannot read out of the way, where they are kept
/// and counted.
fn move_bad(database: &Database, channel: &str, bad: &Bad) -> Result<()> {
    let transaction = database.begin()?;
    for (id, why) in bad {
        transaction.execute(
            "INSERT OR REPLACE INTO outbox_bad (id, channel, notification, why) \
             SELECT id, channel, notification, ?2 FROM outbox WHERE id = ?1",
            params![id, shorten(why)],
        )?;
        transaction.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
    }
    channel_state::add_bad(&transaction, channel, bad.len())?;
    let what = format!(
        "{} messages for channel '{channel}' moved to outbox_bad: this version cannot read them",
        bad.len()
    );
    append_audit(&transaction, &what)?;
    transaction.commit()
}

/// How many messages wait.
pub fn count_waiting(database: &Database) -> Result<i64> {
    database
        .connection()
        .query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))
}

/// How many messages were not delivered and never will be: dropped, refused, or
/// not to be read.
pub fn count_dropped(database: &Database) -> Result<i64> {
    database.connection().query_row(
        "SELECT coalesce(sum(dropped_total + refused_total + bad_total), 0) FROM channel_state",
        [],
        |row| row.get(0),
    )
}

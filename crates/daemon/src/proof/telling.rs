//! Who would have been told of what happened, and when: the monitor's own way
//! from a change to the outbox, over a database in memory, to channels that
//! take everything at once.

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::notification::Notification;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_alert::store;
use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_state::{Database, DatabaseError};

use super::play::Happened;

/// One message of a channel.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub time_msec: TimeMsec,
    /// To which channel.
    pub channel: String,
    /// What it says.
    pub notifications: Vec<Notification>,
}

/// The messages that `routing` makes of what happened until `to_msec`; it is
/// looked each `look_msec` what time alone makes due.
pub fn tell(
    happened: &[Happened],
    routing: &Routing,
    (to_msec, look_msec): (TimeMsec, i64),
    zone: &TimeZone,
) -> Result<Vec<Sent>, DatabaseError> {
    let database = Database::in_memory()?;
    let mut sent = Vec::new();
    let mut happened = happened.iter().peekable();
    let Some(first) = happened.peek() else {
        return Ok(sent);
    };
    let mut now_msec = first.told.time_msec;
    let mut step = || -> rusqlite::Result<()> {
        while now_msec <= to_msec {
            while let Some(one) = happened.next_if(|one| one.told.time_msec <= now_msec) {
                write(&database, one, routing, zone)?;
            }
            store::tell_due(&database, routing, now_msec, zone)?;
            deliver(&database, now_msec, &mut sent)?;
            let next_look = now_msec + look_msec;
            let next_change = happened.peek().map(|one| one.told.time_msec);
            now_msec = next_change.map_or(next_look, |next| next.min(next_look));
        }
        Ok(())
    };
    step().map_err(|error| database.error(error))?;
    Ok(sent)
}

fn write(
    database: &Database,
    one: &Happened,
    routing: &Routing,
    zone: &TimeZone,
) -> rusqlite::Result<()> {
    let told = &one.told;
    let transaction = database.begin()?;
    let is_live = store::is_live(&transaction, &told.rule, &told.labels)?;
    if is_live || told.kind != Kind::Resolved {
        store::write_change(&transaction, &told.to_change(told.kind))?;
        store::tell(&transaction, routing, told.time_msec, zone)?;
    }
    transaction.commit()
}

fn deliver(database: &Database, now_msec: TimeMsec, sent: &mut Vec<Sent>) -> rusqlite::Result<()> {
    loop {
        let batches = store::next_batches(database, now_msec, |_| true)?;
        if batches.is_empty() {
            return Ok(());
        }
        for batch in batches {
            store::set_sent(database, &batch, now_msec)?;
            sent.push(Sent {
                time_msec: now_msec,
                channel: batch.channel,
                notifications: batch.notifications,
            });
        }
    }
}

//! Silences: somebody's wish not to hear of some alerts for a time.

use lfs_wrapper_model::{Matcher, Severity, TimeMsec, visible};
use lfs_wrapper_state::Database;
use lfs_wrapper_state::audit::{self, Entry};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{from_json, to_json};
use crate::route::Silence;

/// Silences that may be in force or to come at one time.
pub const SILENCES_MAX: u32 = 1000;

/// A silence that somebody wishes.
#[derive(Clone, Debug)]
pub struct NewSilence<'a> {
    /// All must hold.
    pub matchers: &'a [Matcher],
    /// Who wishes it.
    pub author: &'a str,
    /// Why.
    pub reason: &'a str,
    /// From when on.
    pub starts_msec: TimeMsec,
    /// Until when.
    pub ends_msec: TimeMsec,
}

/// Why a silence was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    /// It would silence everything.
    #[error("adding a silence: it has no matcher; say what is silenced, such as rule=disk")]
    NoMatcher,
    /// Nobody would know whose it is.
    #[error("adding a silence: it has no author; say who wishes it")]
    NoAuthor,
    /// Nobody would know what for.
    #[error("adding a silence: it has no reason; say why")]
    NoReason,
    /// It would never hold.
    #[error("adding a silence: it ends before it begins, or has ended already; give a later end")]
    Over,
    /// There are too many.
    #[error(
        "adding a silence: there are {SILENCES_MAX} already; end some, or take one with a wider matcher"
    )]
    TooMany,
    /// SQLite reports something.
    #[error("adding a silence to the state database: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Adds a silence; returns its number.
pub fn add_silence(
    database: &Database,
    silence: &NewSilence<'_>,
    now_msec: TimeMsec,
) -> Result<i64, SilenceError> {
    check(silence, now_msec)?;
    let transaction = database.begin()?;
    let count: u32 = transaction.query_row(
        "SELECT count(*) FROM silence WHERE ends_msec > ?1",
        [now_msec],
        |row| row.get(0),
    )?;
    if count >= SILENCES_MAX {
        return Err(SilenceError::TooMany);
    }
    let texts: Vec<&str> = silence.matchers.iter().map(Matcher::as_str).collect();
    transaction.execute(
        "INSERT INTO silence (matchers, author, reason, created_msec, starts_msec, ends_msec) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            to_json(&texts)?,
            visible(silence.author),
            visible(silence.reason),
            now_msec,
            silence.starts_msec,
            silence.ends_msec
        ],
    )?;
    let id = transaction.last_insert_rowid();
    let what = format!(
        "silence {id} of '{}' by {}: {}",
        visible(&texts.join(" ")),
        visible(silence.author),
        visible(silence.reason)
    );
    append_audit(&transaction, &what)?;
    transaction.commit()?;
    Ok(id)
}

fn check(silence: &NewSilence<'_>, now_msec: TimeMsec) -> Result<(), SilenceError> {
    if silence.matchers.is_empty() {
        return Err(SilenceError::NoMatcher);
    }
    if silence.author.trim().is_empty() {
        return Err(SilenceError::NoAuthor);
    }
    if silence.reason.trim().is_empty() {
        return Err(SilenceError::NoReason);
    }
    if silence.ends_msec <= silence.starts_msec.max(now_msec) {
        return Err(SilenceError::Over);
    }
    Ok(())
}

/// Ends a silence now; `false` where there is none of this number that holds or
/// is to come.
pub fn expire_silence(
    database: &Database,
    id: i64,
    by: &str,
    now_msec: TimeMsec,
) -> rusqlite::Result<bool> {
    let transaction = database.begin()?;
    let ended = transaction.execute(
        "UPDATE silence SET ends_msec = ?2, starts_msec = min(starts_msec, ?2) \
         WHERE id = ?1 AND ends_msec > ?2",
        [id, now_msec],
    )?;
    if ended > 0 {
        append_audit(
            &transaction,
            &format!("silence {id} ended by {}", visible(by)),
        )?;
    }
    transaction.commit()?;
    Ok(ended > 0)
}

fn append_audit(connection: &Connection, what: &str) -> rusqlite::Result<()> {
    let entry = Entry {
        unit: "alert",
        level: Severity::Info,
        what,
        outcome: "done",
    };
    audit::append(connection, &entry)
}

/// The silences that hold or are to come, newest first; with `is_all` also those
/// that are over and kept.
pub fn list_silences(
    database: &Database,
    is_all: bool,
    now_msec: TimeMsec,
) -> rusqlite::Result<Vec<Silence>> {
    let from_msec = if is_all { i64::MIN } else { now_msec };
    let mut silences = read_silences(database.connection(), from_msec, i64::MAX)?;
    silences.reverse();
    Ok(silences)
}

/// Those that end after `from_msec` and begin at `until_msec` or before. One that
/// this version cannot read silences nothing.
pub(super) fn read_silences(
    connection: &Connection,
    from_msec: TimeMsec,
    until_msec: TimeMsec,
) -> rusqlite::Result<Vec<Silence>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, matchers, author, reason, starts_msec, ends_msec FROM silence \
         WHERE ends_msec > ?1 AND starts_msec <= ?2 ORDER BY id",
    )?;
    let silences =
        statement.query_map([from_msec, until_msec], |row| read_silence(row).optional())?;
    silences.filter_map(Result::transpose).collect()
}

fn read_silence(row: &Row<'_>) -> rusqlite::Result<Silence> {
    let texts: Vec<String> = from_json(row, 1).unwrap_or_default();
    let matchers: Result<Vec<Matcher>, _> = texts.iter().map(|text| text.parse()).collect();
    let matchers = matchers.map_err(|_| rusqlite::Error::QueryReturnedNoRows)?;
    if matchers.is_empty() {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    }
    Ok(Silence {
        id: row.get(0)?,
        matchers,
        author: row.get(2)?,
        reason: row.get(3)?,
        starts_msec: row.get(4)?,
        ends_msec: row.get(5)?,
    })
}

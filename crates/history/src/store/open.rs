//! Opening the file, and what to do when it is damaged.

use std::fs::File;
use std::path::{Path, PathBuf};

use lfs_wrapper_state::sqlite::{self, OpenError};
use rusqlite::{Connection, ErrorCode};

use super::limits::Limits;
use super::{HistoryError, older, replace, retain, schema};

/// The path with more at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Sees to it that there is one writer.
pub(crate) fn lock(path: &Path) -> Result<File, HistoryError> {
    let name = with_suffix(path, ".lock");
    let file = File::create(&name).map_err(|source| HistoryError::Io {
        what: "making the lock of",
        path: path.to_owned(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(HistoryError::Busy {
            path: path.to_owned(),
        }),
    }
}

/// Whether the file is damaged: SQLite says so, or a row is not as it was
/// written.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::Utf8Error(..) => true,
        // What is missing there is a fault of the writer.
        rusqlite::Error::SqliteFailure(failure, _)
            if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY =>
        {
            false
        }
        error => matches!(
            error.sqlite_error_code(),
            // Whatever is written was looked for first.
            Some(
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
            )
        ),
    }
}

/// Opens the file, makes it where there is none, brings an older form to this
/// one, and puts another in the place of a damaged one.
pub(crate) fn open(
    path: &Path,
    limits: &Limits,
) -> Result<(Connection, Vec<String>), HistoryError> {
    replace::finish(path).map_err(|source| HistoryError::Io {
        what: "putting what was taken over in the place of",
        path: path.to_owned(),
        source,
    })?;
    match try_open(path, limits) {
        Ok((connection, notes)) => Ok((connection, notes)),
        Err(Failure::Damaged(_)) => replace(path, limits),
        Err(Failure::Other(error)) => Err(error),
    }
}

enum Failure {
    Damaged(rusqlite::Error),
    Other(HistoryError),
}

fn try_open(path: &Path, limits: &Limits) -> Result<(Connection, Vec<String>), Failure> {
    let fail = |error: rusqlite::Error| match is_damage(&error) {
        true => Failure::Damaged(error),
        false => Failure::Other(HistoryError::of("opening", path, error)),
    };
    let connection = match sqlite::open_large(path, schema::APPLICATION_ID) {
        Ok(connection) => connection,
        Err(OpenError::Damaged(error)) => return Err(Failure::Damaged(error)),
        Err(OpenError::Foreign) => {
            return Err(Failure::Other(HistoryError::Foreign {
                path: path.to_owned(),
            }));
        }
        Err(OpenError::Sqlite(error)) => return Err(fail(error)),
    };
    let version: i32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(fail)?;
    let mut notes = Vec::new();
    match version {
        schema::VERSION => {}
        0 => schema::create(&connection).map_err(fail)?,
        1 | 2 => {
            drop(connection);
            notes.push(older::upgrade(path, limits).map_err(fail)?);
            return try_open(path, limits).map(|(connection, more)| {
                notes.extend(more);
                (connection, notes)
            });
        }
        _ => {
            return Err(Failure::Other(HistoryError::Version {
                path: path.to_owned(),
                version,
            }));
        }
    }
    check(&connection).map_err(fail)?;
    shrink(&connection, path, limits).map_err(fail)?;
    Ok((connection, notes))
}

/// Tables that are too large to be looked at as a whole.
const LARGE: [&str; 4] = ["block", "process_block", "exit_block", "event"];

/// A table that cannot be read shows here, not later. All but [`LARGE`] are
/// looked at as a whole, with their indexes; each block has a checksum.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    for table in schema::TABLES {
        if LARGE.contains(&table) {
            let sql = format!("SELECT rowid FROM {table} LIMIT 1");
            connection
                .query_row(&sql, [], |_| Ok(()))
                .or_else(ignore_none)?;
            continue;
        }
        let sql = format!("PRAGMA integrity_check({table})");
        let verdict: String = connection.query_row(&sql, [], |row| row.get(0))?;
        if verdict != "ok" {
            let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            return Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)));
        }
    }
    Ok(())
}

fn ignore_none(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        error => Err(error),
    }
}

/// The cap may be smaller than it was. Where the disk is full that is not now.
fn shrink(connection: &Connection, path: &Path, limits: &Limits) -> rusqlite::Result<()> {
    let result = evict_and_vacuum(connection, path, limits);
    match result {
        Err(error) if !sqlite::is_full(&error) => Err(error),
        _ => retain::set_cap(connection, limits),
    }
}

fn evict_and_vacuum(connection: &Connection, path: &Path, limits: &Limits) -> rusqlite::Result<()> {
    let room = retain::room(limits);
    if retain::used_bytes(connection)? > room / 100 * 95 {
        let now = lfs_wrapper_model::now_msec();
        while retain::used_bytes(connection)? > room / 100 * 95
            && retain::evict(connection, limits, now)?
        {}
        retain::forget_series(connection)?;
    }
    vacuum(connection, path, limits)
}

/// Bytes that are moved at a time when the file is made shorter; the log may hold
/// each page, the one that leads to it, and what says where pages are.
const VACUUM_BYTES_MAX: u64 = 4 << 20;

/// Gives the pages that hold nothing back to the disk, some at a time, so that the
/// log stays within its share. Not while little is free or a reader keeps the log:
/// what is left then is left for later.
pub(crate) fn vacuum(
    connection: &Connection,
    path: &Path,
    limits: &Limits,
) -> rusqlite::Result<()> {
    let bytes = VACUUM_BYTES_MAX.min(retain::log_bytes_max(limits) / 4);
    let pages = bytes / retain::page_bytes(connection)?;
    let sql = format!("PRAGMA incremental_vacuum({})", pages.max(1));
    let may_go_on = || -> rusqlite::Result<bool> {
        Ok(!retain::is_disk_low(path, limits) && sqlite::checkpoint(connection)?)
    };
    while retain::free_pages(connection)? > 0 && may_go_on()? {
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        // Only then is the file shorter.
        drop(rows);
        sqlite::checkpoint(connection)?;
    }
    Ok(())
}

/// Keeps a damaged file aside, and opens another in its place with what can be
/// read of it.
pub(crate) fn replace(
    path: &Path,
    limits: &Limits,
) -> Result<(Connection, Vec<String>), HistoryError> {
    let mut notes = vec![replace::replace(path, limits)?];
    let (connection, more) = match try_open(path, limits) {
        Ok(opened) => opened,
        Err(Failure::Other(error)) => return Err(error),
        Err(Failure::Damaged(source)) => return Err(HistoryError::of("beginning", path, source)),
    };
    notes.extend(more);
    Ok((connection, notes))
}

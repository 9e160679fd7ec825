//! The tables of `history.db`. docs/formats/history.md says what is in them.

use rusqlite::Connection;

use crate::moments::MOMENTS_SCHEMA;

/// `LFSH`.
pub(crate) const APPLICATION_ID: i32 = 0x4c46_5348;

/// The form of the file, `PRAGMA user_version`.
pub(crate) const VERSION: i32 = 3;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS metric (
        id      INTEGER PRIMARY KEY,
        name    TEXT NOT NULL UNIQUE,
        kind    TEXT NOT NULL,
        family  TEXT NOT NULL,
        help    TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS series (
        id       INTEGER PRIMARY KEY,
        metric   INTEGER NOT NULL REFERENCES metric (id),
        grp      INTEGER NOT NULL,
        cluster  INTEGER NOT NULL,
        used_day INTEGER NOT NULL,
        crc      INTEGER NOT NULL,
        labels   BLOB NOT NULL,
        UNIQUE (metric, labels)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS series_cluster ON series (cluster);
    CREATE TABLE IF NOT EXISTS block (
        id      INTEGER PRIMARY KEY,
        crc     INTEGER NOT NULL,
        data    BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS hot (
        id          INTEGER PRIMARY KEY,
        window_msec INTEGER NOT NULL,
        generation  INTEGER NOT NULL,
        grp         INTEGER NOT NULL,
        position    INTEGER NOT NULL,
        crc         INTEGER NOT NULL,
        data        BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS dirty (
        tier        INTEGER NOT NULL,
        window_msec INTEGER NOT NULL,
        UNIQUE (tier, window_msec)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS tier (
        tier        INTEGER PRIMARY KEY,
        until_msec  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS remote (
        endpoint     TEXT PRIMARY KEY,
        sent_msec    INTEGER NOT NULL,
        offered_msec INTEGER NOT NULL
    ) STRICT;";

/// Makes the tables of an empty file.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(MOMENTS_SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// The tables whose rows are taken over from a damaged file.
pub(crate) const TABLES: [&str; 13] = [
    "metric",
    "series",
    "block",
    "hot",
    "dirty",
    "tier",
    "remote",
    "process_block",
    "process_hot",
    "exit_block",
    "exit_hot",
    "event",
    "exit_step",
];

/// What the rows of a table are in the order of.
pub(crate) fn row_number(table: &str) -> &'static str {
    match table {
        "exit_step" => "run",
        _ => "rowid",
    }
}

//! The tables, and what the store asks of each.

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, Transaction};

/// Makes the tables of this module. docs/formats/processes.md has the format.
pub const MOMENTS_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS process_hot (
        id         INTEGER PRIMARY KEY,
        window     INTEGER NOT NULL,
        data       BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS process_block (
        start_msec INTEGER PRIMARY KEY,
        end_msec   INTEGER NOT NULL,
        bytes      BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS exit_hot (
        id         INTEGER PRIMARY KEY,
        start_msec INTEGER NOT NULL,
        end_msec   INTEGER NOT NULL,
        exits      INTEGER NOT NULL,
        bytes      BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS exit_block (
        id         INTEGER PRIMARY KEY,
        start_msec INTEGER NOT NULL,
        end_msec   INTEGER NOT NULL,
        exits      INTEGER NOT NULL,
        bytes      BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS exit_block_end ON exit_block (end_msec);
    CREATE TABLE IF NOT EXISTS exit_step (
        run        INTEGER NOT NULL,
        step       TEXT NOT NULL,
        block      INTEGER NOT NULL,
        exits      INTEGER NOT NULL,
        PRIMARY KEY (run, step, block)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS exit_step_block ON exit_step (block);
    CREATE TABLE IF NOT EXISTS event (
        id         INTEGER PRIMARY KEY,
        time_msec  INTEGER NOT NULL,
        kind       TEXT NOT NULL,
        severity   TEXT NOT NULL,
        run        INTEGER,
        step       TEXT,
        subject    TEXT NOT NULL,
        text       TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS event_time ON event (time_msec);";

/// The three kinds of things that are kept here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentKind {
    /// The process table over time.
    Processes,
    /// Processes that ended.
    Exits,
    /// Events.
    Events,
}

impl MomentKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Processes, Self::Exits, Self::Events];

    /// Deletes what is wholly before `time_msec`; returns how many rows of
    /// tables went. What is not yet sealed stays.
    pub fn delete_before(
        self,
        transaction: &Transaction<'_>,
        time_msec: TimeMsec,
    ) -> rusqlite::Result<usize> {
        match self {
            Self::Processes => {
                transaction.execute("DELETE FROM process_block WHERE end_msec < ?1", [time_msec])
            }
            Self::Exits => {
                transaction.execute(
                    "DELETE FROM exit_step WHERE block IN \
                     (SELECT id FROM exit_block WHERE end_msec < ?1)",
                    [time_msec],
                )?;
                transaction.execute("DELETE FROM exit_block WHERE end_msec < ?1", [time_msec])
            }
            Self::Events => {
                transaction.execute("DELETE FROM event WHERE time_msec < ?1", [time_msec])
            }
        }
    }

    /// Bytes of its contents; SQLite's own pages come to a little more.
    pub fn bytes(self, connection: &Connection) -> rusqlite::Result<u64> {
        let query = match self {
            Self::Processes => {
                "SELECT (SELECT ifnull(sum(length(bytes) + 24), 0) FROM process_block) \
                 + (SELECT ifnull(sum(length(data) + 24), 0) FROM process_hot)"
            }
            Self::Exits => {
                "SELECT (SELECT ifnull(sum(length(bytes) + 40), 0) FROM exit_block) \
                 + (SELECT ifnull(sum(length(bytes) + 40), 0) FROM exit_hot) \
                 + (SELECT ifnull(sum(length(step) + 40), 0) FROM exit_step)"
            }
            Self::Events => {
                "SELECT ifnull(sum(length(kind) + length(severity) + ifnull(length(step), 0) \
                 + length(subject) + length(text) + 40), 0) FROM event"
            }
        };
        let bytes: i64 = connection.query_row(query, [], |row| row.get(0))?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// When the oldest of what is sealed begins; `None` where there is nothing.
    pub fn oldest_msec(self, connection: &Connection) -> rusqlite::Result<Option<TimeMsec>> {
        let query = match self {
            Self::Processes => "SELECT min(start_msec) FROM process_block",
            Self::Exits => "SELECT min(end_msec) FROM exit_block",
            Self::Events => "SELECT min(time_msec) FROM event",
        };
        connection.query_row(query, [], |row| row.get(0))
    }
}

//! Making the file as small as it can be without losing anything.

use std::io;
use std::path::Path;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_state::sqlite;
use rusqlite::Connection;

use super::history::History;
use super::limits::Limits;
use super::tier::{self, TIERS};
use super::{HistoryError, block, open, retain};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Blocks of samples that were put together.
    pub merged: u64,
    /// What became of them.
    pub made: u64,
    /// Blocks that could not be read and are gone.
    pub damaged: u64,
}

impl History {
    /// Puts blocks together that have the same time and cluster, and gives pages
    /// that hold nothing back to the disk. What is in memory only is not
    /// looked at: [`History::flush`] first.
    pub fn compact(&self) -> Result<Compacted, HistoryError> {
        let result =
            self.with_connection(|connection| Ok(compact(connection, self.path(), self.limits())));
        let path = self.path();
        match result {
            Ok(result) => result.map_err(|source| HistoryError::of("compacting", path, source)),
            Err(error) => Err(HistoryError::Io {
                what: "compacting",
                path: path.to_owned(),
                source: io::Error::other(error.to_string()),
            }),
        }
    }
}

fn compact(connection: &Connection, path: &Path, limits: &Limits) -> rusqlite::Result<Compacted> {
    let mut compacted = Compacted::default();
    for (cluster, start_msec, count) in parts(connection)? {
        // What a reader keeps us from is left for later.
        if retain::is_log_long(path, limits) && !sqlite::checkpoint(connection)? {
            break;
        }
        let transaction = connection.unchecked_transaction()?;
        compacted.damaged += block::merge_window(
            &transaction,
            TIERS[0],
            cluster,
            (start_msec, TIERS[0].window_msec),
        )?;
        compacted.merged += count;
        compacted.made += count_blocks(&transaction, cluster, start_msec)?;
        transaction.commit()?;
    }
    open::vacuum(connection, path, limits)?;
    Ok(compacted)
}

/// Where there are several blocks: cluster, window, how many.
fn parts(connection: &Connection) -> rusqlite::Result<Vec<(u32, TimeMsec, u64)>> {
    let first_of_next = TIERS[1].key(0, 0);
    let mut statement = connection.prepare(
        "SELECT min(id), count(*) FROM block WHERE id < ?1 GROUP BY id / ?2 HAVING count(*) > 1",
    )?;
    let rows = statement.query_map([first_of_next, tier::PARTS_MAX], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (key, count) = row?;
        if let Some((_, cluster, start_msec)) = tier::parse_key(key) {
            found.push((cluster, start_msec, u64::try_from(count).unwrap_or(0)));
        }
    }
    Ok(found)
}

fn count_blocks(
    connection: &Connection,
    cluster: u32,
    start_msec: TimeMsec,
) -> rusqlite::Result<u64> {
    let (first, last) = TIERS[0].keys(cluster, start_msec, start_msec);
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM block WHERE id BETWEEN ?1 AND ?2")?
        .query_row([first, last], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

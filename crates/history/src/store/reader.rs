//! Answering from the file and from what is in memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::time::Instant;

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::find::Which;
use super::head::Shared;
use super::open::{is_damage, with_suffix};
use super::plan::Held;
use super::tier::{NEWEST_IMPORTED, NEWEST_SEALED, TIERS, Tier};
use super::window::Window;
use super::{HistoryError, dictionary, hot, schema};
use crate::labels::Labels;
use crate::source::{Matcher, Metadata, ReadError, Selected, Selection, Source};

/// A reader of the history: in the monitor, of what is in memory as well.
/// Reading never keeps a writer waiting.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    pub(super) shared: Option<Arc<Shared>>,
    connection: Mutex<Option<(u64, Connection)>>,
    /// In another process: what was not in blocks when it was read, and which
    /// rows those were.
    windows: Mutex<Option<Replayed>>,
}

/// The newest of the open window's rows, and how many there are.
type HotRows = (Option<i64>, i64);

#[derive(Debug)]
struct Replayed {
    of: HotRows,
    windows: Vec<Window>,
}

impl Reader {
    /// Reads the file `path`, which another process may be writing.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let reader = Self {
            path: path.to_owned(),
            shared: None,
            connection: Mutex::default(),
            windows: Mutex::default(),
        };
        let connection = reader
            .connect()
            .map_err(|source| HistoryError::of_opening(path, source))?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let ours =
            pragma("application_id").map_err(|source| HistoryError::of_opening(path, source))?;
        if ours != schema::APPLICATION_ID {
            return Err(HistoryError::Foreign {
                path: path.to_owned(),
            });
        }
        let version =
            pragma("user_version").map_err(|source| HistoryError::of_opening(path, source))?;
        if version != schema::VERSION {
            return Err(HistoryError::Version {
                path: path.to_owned(),
                version,
            });
        }
        drop(connection);
        Ok(reader)
    }

    pub(crate) fn beside(path: &Path, shared: &Arc<Shared>) -> Self {
        Self {
            path: path.to_owned(),
            shared: Some(Arc::clone(shared)),
            connection: Mutex::default(),
            windows: Mutex::default(),
        }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        let look = connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()));
        match look {
            Ok(()) => Ok(connection),
            Err(error) => self.connect_unchanging().ok_or(error),
        }
    }

    /// On a file system that cannot be written, where nobody writes: SQLite has no
    /// place for what readers and writers share. What the log holds cannot be read
    /// then, so that there must be none.
    fn connect_unchanging(&self) -> Option<Connection> {
        let log = with_suffix(&self.path, "-wal");
        if std::fs::metadata(log).is_ok_and(|found| found.len() > 0) {
            return None;
        }
        let path = std::fs::canonicalize(&self.path).ok()?;
        let escaped = path.to_str()?.replace('%', "%25");
        let escaped = escaped.replace('?', "%3f").replace('#', "%23");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).ok()
    }

    /// Calls `read` with a connection to the file that is in use now.
    pub fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ReadError> {
        let epoch = self.shared.as_ref().map_or(0, |shared| shared.epoch());
        let mut kept = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fail = |source: rusqlite::Error| {
            if let Some(shared) = &self.shared
                && is_damage(&source)
            {
                shared.note_damage(epoch);
            }
            ReadError::Store(format!(
                "reading the history {}: {source}",
                self.path.display()
            ))
        };
        let connection = match kept.take() {
            Some((of, connection)) if of == epoch => connection,
            _ => self.connect().map_err(fail)?,
        };
        let result = read(&connection).map_err(fail);
        *kept = Some((epoch, connection));
        result
    }

    /// Calls `read` with what is not in blocks yet, oldest first.
    pub(super) fn with_windows<T>(
        &self,
        read: impl FnOnce(&[&Window], Option<TimeMsec>) -> T,
    ) -> Result<T, ReadError> {
        match &self.shared {
            Some(shared) => Ok(shared.with_windows(read)),
            None => {
                let of = self.with(|connection| {
                    connection
                        .prepare_cached("SELECT max(id), count(*) FROM hot")?
                        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                })?;
                let mut kept = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
                let replayed = match kept.take() {
                    Some(replayed) if replayed.of == of => replayed,
                    _ => Replayed {
                        of,
                        windows: self.with(hot::read)?.0,
                    },
                };
                let result = read(&replayed.windows.iter().collect::<Vec<&Window>>(), None);
                *kept = Some(replayed);
                Ok(result)
            }
        }
    }

    /// The newest moment that is there.
    pub fn newest_msec(&self) -> Result<Option<TimeMsec>, ReadError> {
        let newest = |windows: &[&Window], _: Option<TimeMsec>| {
            windows
                .iter()
                .filter_map(|window| window.newest_msec())
                .max()
        };
        let open = self.with_windows(newest)?;
        let sealed = self.with(|connection| read_until(connection, NEWEST_SEALED))?;
        let imported = self.with(|connection| read_until(connection, NEWEST_IMPORTED))?;
        Ok(open.max(sealed).max(imported))
    }

    /// The newest moment that is on disk.
    pub fn durable_msec(&self) -> Result<Option<TimeMsec>, ReadError> {
        if let Some(shared) = &self.shared {
            return Ok(shared.durable_msec());
        }
        let newest = |windows: &[&Window], _: Option<TimeMsec>| {
            let newest = windows.iter().filter_map(|window| window.newest_msec());
            newest.max()
        };
        let open = self.with_windows(newest)?;
        let sealed = self.with(|connection| read_until(connection, NEWEST_SEALED))?;
        Ok(open.max(sealed))
    }

    /// The start of the oldest window of samples.
    pub fn oldest_msec(&self) -> Result<Option<TimeMsec>, ReadError> {
        let sealed = self.with(|connection| {
            let mut oldest: Option<TimeMsec> = None;
            for cluster in clusters(connection)? {
                let found = read_oldest(connection, TIERS[0], cluster)?;
                oldest = [oldest, found].into_iter().flatten().min();
            }
            Ok(oldest)
        })?;
        let oldest = |windows: &[&Window], _: Option<TimeMsec>| {
            windows
                .iter()
                .filter_map(|window| window.oldest_msec())
                .min()
        };
        let open = self.with_windows(oldest)?;
        Ok([sealed, open].into_iter().flatten().min())
    }
}

/// The clusters that have series.
pub(crate) fn clusters(connection: &Connection) -> rusqlite::Result<Vec<u32>> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT cluster FROM series ORDER BY cluster")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

pub(crate) fn read_until(connection: &Connection, tier: u8) -> rusqlite::Result<Option<TimeMsec>> {
    connection
        .prepare_cached("SELECT until_msec FROM tier WHERE tier = ?1")?
        .query_row([tier], |row| row.get(0))
        .optional()
}

/// Up to where each tier has been made.
pub(crate) fn read_untils(connection: &Connection) -> rusqlite::Result<[TimeMsec; 4]> {
    let mut untils = [TimeMsec::MIN; 4];
    for (found, tier) in untils.iter_mut().zip(TIERS) {
        let until = read_until(connection, tier.number)?.unwrap_or(TimeMsec::MIN);
        // What must be made again does not count.
        let dirty: Option<TimeMsec> = connection
            .prepare_cached("SELECT min(window_msec) FROM dirty WHERE tier <= ?1")?
            .query_row([tier.number], |row| row.get(0))?;
        *found = dirty.map_or(until, |dirty| dirty.min(until));
    }
    Ok(untils)
}

/// The start of the oldest window that a tier has of a cluster.
pub(crate) fn read_oldest(
    connection: &Connection,
    tier: Tier,
    cluster: u32,
) -> rusqlite::Result<Option<TimeMsec>> {
    let (first, last) = tier.keys(cluster, 0, TimeMsec::MAX);
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT id FROM block WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1")?
        .query_row([first, last], |row| row.get(0))
        .optional()?;
    Ok(oldest
        .and_then(super::tier::parse_key)
        .map(|(_, _, start)| start))
}

/// What each tier holds of a cluster, of tiers that were made up to there.
pub(crate) fn read_held(
    connection: &Connection,
    cluster: u32,
    untils: &[TimeMsec; 4],
) -> rusqlite::Result<[Held; 4]> {
    let mut held = [Held::default(); 4];
    for ((held, tier), until) in held.iter_mut().zip(TIERS).zip(untils) {
        held.oldest_msec = read_oldest(connection, tier, cluster)?;
        held.until_msec = *until;
    }
    Ok(held)
}

impl Source for Reader {
    fn select(&self, selection: &Selection<'_>) -> Result<Vec<Selected>, ReadError> {
        self.find(selection, Which::Any)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from_msec: TimeMsec,
        to_msec: TimeMsec,
        deadline: Option<Instant>,
    ) -> Result<Vec<Labels>, ReadError> {
        self.find_series(matchers, (from_msec, to_msec), deadline)
    }

    fn metadata(&self) -> Result<Vec<Metadata>, ReadError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT family, kind, max(help) FROM metric GROUP BY family, kind ORDER BY family",
            )?;
            let rows = statement.query_map([], |row| {
                let kind: String = row.get(1)?;
                Ok(Metadata {
                    name: row.get(0)?,
                    kind: dictionary::parse_kind(&kind),
                    help: row.get(2)?,
                })
            })?;
            rows.collect()
        })
    }
}

//! Answering from the file and from what is in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lfs_wrapper_model::TimeMsec;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::dictionary::{self, Known};
use super::frame::Shape;
use super::head::Shared;
use super::open::{is_damage, with_suffix};
use super::pieces::{Piece, Pieces};
use super::plan::{Held, Segment, coarsest_exact, segments};
use super::tier::{NEWEST_IMPORTED, NEWEST_SEALED, TIERS};
use super::window::{Window, window_start};
use super::{HistoryError, block, hot, schema};
use crate::labels::Labels;
use crate::source::{Channel, Matcher, Metadata, ReadError, Selected, Selection, Source, Stretch};

/// Series that one query may read.
const SERIES_MAX: usize = 100_000;

/// Packed bytes that one query may hold.
const PACKED_MAX: usize = 256 << 20;

/// A reader of the history: in the monitor, of what is in memory as well.
/// Reading never keeps a writer waiting.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    shared: Option<Arc<Shared>>,
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
            let clusters = clusters(connection)?;
            let held: rusqlite::Result<Vec<[Held; 4]>> = clusters
                .iter()
                .map(|cluster| read_held(connection, *cluster))
                .collect();
            Ok(held?.iter().filter_map(|held| held[0].oldest_msec).min())
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

/// What each tier holds of a cluster.
pub(crate) fn read_held(connection: &Connection, cluster: u32) -> rusqlite::Result<[Held; 4]> {
    let mut held = [Held::default(); 4];
    for (held, tier) in held.iter_mut().zip(TIERS) {
        let oldest: Option<i64> = connection
            .prepare_cached("SELECT id FROM block WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1")?
            .query_row(
                params![tier.key(cluster, 0), tier.keys(cluster, 0, TimeMsec::MAX).1],
                |row| row.get(0),
            )
            .optional()?;
        held.oldest_msec = oldest
            .and_then(super::tier::parse_key)
            .map(|(_, _, start)| start);
        let until = read_until(connection, tier.number)?.unwrap_or(TimeMsec::MIN);
        // What must be made again does not count.
        let dirty: Option<TimeMsec> = connection
            .prepare_cached("SELECT min(window_msec) FROM dirty WHERE tier <= ?1")?
            .query_row([tier.number], |row| row.get(0))?;
        held.until_msec = dirty.map_or(until, |dirty| dirty.min(until));
    }
    Ok(held)
}

/// The pieces that were found, by series.
#[derive(Default)]
struct Found {
    series: BTreeMap<Labels, Vec<Piece>>,
    packed_bytes: usize,
}

impl Found {
    fn push(&mut self, labels: &Labels, piece: Piece) -> Result<(), ReadError> {
        if let Piece::Packed { row, .. } = &piece {
            self.packed_bytes += row.bytes();
            if self.packed_bytes > PACKED_MAX {
                return Err(ReadError::TooMuch { limit: PACKED_MAX });
            }
        }
        if let Some(pieces) = self.series.get_mut(labels) {
            pieces.push(piece);
            return Ok(());
        }
        if self.series.len() >= SERIES_MAX {
            return Err(ReadError::TooManySeries { limit: SERIES_MAX });
        }
        self.series.insert(labels.clone(), vec![piece]);
        Ok(())
    }
}

fn check_deadline(deadline: Option<Instant>) -> Result<(), ReadError> {
    match deadline {
        Some(deadline) if Instant::now() > deadline => Err(ReadError::TimedOut),
        _ => Ok(()),
    }
}

impl Reader {
    /// Adds what blocks hold; whatever cannot be read is counted and left out.
    fn find_blocks(
        &self,
        selection: &Selection<'_>,
        which: Which,
        in_memory_msec: Option<TimeMsec>,
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let (known, mut damaged) =
            self.with(|connection| dictionary::find(connection, selection.matchers))?;
        if known.len() > SERIES_MAX {
            return Err(ReadError::TooManySeries { limit: SERIES_MAX });
        }
        let coarsest = coarsest_exact(selection);
        let mut wanted: BTreeMap<(u32, u8), Vec<&Known>> = BTreeMap::new();
        for known in &known {
            let metric = &known.entry.metric;
            let shape = Shape::of(metric.kind(), known.entry.labels.name());
            let is_kept = shape.keeps(selection.channel);
            let tier = if is_kept { coarsest.number } else { 0 };
            wanted
                .entry((known.id.cluster, tier))
                .or_default()
                .push(known);
        }
        for ((cluster, tier), wanted) in wanted {
            let preferred = TIERS[usize::from(tier)];
            let mut held = self.with(|connection| read_held(connection, cluster))?;
            // What is in memory too is not to count twice, as a sample and in a
            // roll-up.
            for held in held.iter_mut().skip(1) {
                held.until_msec = held.until_msec.min(in_memory_msec.unwrap_or(TimeMsec::MAX));
            }
            for segment in segments(preferred, &held, selection.from_msec - 1, selection.to_msec) {
                if which == Which::Samples && segment.tier.step_msec > 0 {
                    continue;
                }
                check_deadline(selection.deadline)?;
                let mut failed = None;
                damaged += self.with(|connection| {
                    find_in(
                        connection,
                        cluster,
                        &segment,
                        &wanted,
                        selection.deadline,
                        found,
                    )
                    .or_else(|error| match error {
                        FindError::Sqlite(error) => Err(error),
                        FindError::Read(error) => {
                            failed = Some(error);
                            Ok(0)
                        }
                    })
                })?;
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
        if let Some(shared) = &self.shared {
            shared.counts.damaged.add(damaged);
        }
        Ok(())
    }
}

enum FindError {
    Sqlite(rusqlite::Error),
    Read(ReadError),
}

impl From<rusqlite::Error> for FindError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<ReadError> for FindError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

fn find_in(
    connection: &Connection,
    cluster: u32,
    segment: &Segment,
    wanted: &[&Known],
    deadline: Option<Instant>,
    found: &mut Found,
) -> Result<u64, FindError> {
    let Segment {
        tier,
        after_msec,
        until_msec,
    } = *segment;
    let windows = (
        window_start(after_msec.saturating_add(1), tier.window_msec),
        window_start(until_msec, tier.window_msec),
    );
    block::each(connection, tier, cluster, windows, |reader| {
        check_deadline(deadline)?;
        let mut is_whole = true;
        for known in wanted {
            match reader.row(known.id.id) {
                Ok(Some(row)) => found.push(
                    &known.entry.labels,
                    Piece::Packed {
                        row,
                        step_msec: tier.step_msec,
                        after_msec,
                        until_msec,
                    },
                )?,
                Ok(None) => {}
                Err(_) => is_whole = false,
            }
        }
        Ok(is_whole)
    })
}

/// Adds what is in memory.
fn find_open(
    windows: &[&Window],
    selection: &Selection<'_>,
    found: &mut Found,
) -> Result<(), ReadError> {
    let name = dictionary::equal_name(selection.matchers);
    for window in windows {
        for group in window.groups.values() {
            for column in group.columns_of(name) {
                let labels = &column.entry.labels;
                if selection
                    .matchers
                    .iter()
                    .all(|matcher| matcher.matches(labels))
                {
                    let mut stretch = column.stretch(&group.times, selection.from_msec - 1);
                    let end = stretch
                        .times
                        .partition_point(|time| *time <= selection.to_msec);
                    stretch.times.truncate(end);
                    stretch.values.truncate(end);
                    if !stretch.times.is_empty() {
                        found.push(labels, Piece::Ready(stretch))?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Which tiers may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Whatever answers.
    Any,
    /// The samples as they were taken.
    Samples,
}

impl Reader {
    /// The samples after a time and until another, where they are still kept.
    pub(crate) fn select_samples(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
    ) -> Result<Vec<Selected>, ReadError> {
        let selection = Selection {
            matchers: &[],
            from_msec: after_msec + 1,
            to_msec: until_msec,
            first_msec: until_msec,
            step_msec: 0,
            range_msec: 0,
            channel: Channel::Last,
            deadline: None,
        };
        self.find(&selection, Which::Samples)
    }

    fn find(&self, selection: &Selection<'_>, which: Which) -> Result<Vec<Selected>, ReadError> {
        let (mut found, mut in_memory) = (Found::default(), Found::default());
        // Memory first: what becomes a block meanwhile is then there twice, and
        // counts once.
        let (complete_from, oldest) = self.with_windows(|windows, complete_from| {
            find_open(windows, selection, &mut in_memory)?;
            let oldest = windows.iter().map(|window| window.start_msec).min();
            Ok((complete_from, oldest))
        })??;
        if complete_from.is_none_or(|from| from >= selection.from_msec) {
            self.find_blocks(selection, which, oldest, &mut found)?;
        }
        for (labels, pieces) in in_memory.series {
            pieces
                .into_iter()
                .try_for_each(|piece| found.push(&labels, piece))?;
        }
        let channel = selection.channel;
        let series = found.series.into_iter().map(|(labels, pieces)| Selected {
            labels,
            samples: Box::new(Pieces::new(pieces, channel)),
        });
        Ok(series.collect())
    }
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
    ) -> Result<Vec<Labels>, ReadError> {
        let selection = Selection {
            matchers,
            from_msec,
            to_msec,
            // The coarsest tier says whether there is anything.
            first_msec: 0,
            step_msec: TIERS[3].step_msec,
            range_msec: TIERS[3].step_msec,
            channel: Channel::Count,
            deadline: None,
        };
        let mut labels = Vec::new();
        let mut stretch = Stretch::default();
        for mut selected in self.select(&selection)? {
            let mut is_there = false;
            while !is_there && selected.samples.next(&mut stretch)? {
                let mut samples = stretch.times.iter().zip(&stretch.values);
                is_there = samples.any(|(time, value)| {
                    *time >= from_msec && *time <= to_msec && !crate::source::is_stale(*value)
                });
            }
            if is_there {
                labels.push(selected.labels);
            }
        }
        Ok(labels)
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

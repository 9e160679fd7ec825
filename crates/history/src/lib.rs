//! What was sampled, kept on disk: one row for each moment, with the values
//! of all series at that moment. docs/formats/history.md has the format.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_state::sqlite::{self, OpenError, move_aside};
use rusqlite::{Connection, params};

/// `LFSH`.
const APPLICATION_ID: i32 = 0x4c46_5348;

/// Frames that are held in memory before they are written together: what a
/// crash or a power cut costs at most.
const FRAMES_HELD: usize = 5;

/// The share of the oldest frames that makes room when the cap is reached.
const PRUNED_SHARE: u64 = 16;

/// Numbers that are remembered, so that they need not be asked for.
const LAYOUTS_KNOWN_MAX: usize = 256;
const SERIES_KNOWN_MAX: usize = 20_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS series (
        id      INTEGER PRIMARY KEY,
        text    TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE IF NOT EXISTS layout (
        id      INTEGER PRIMARY KEY,
        series  BLOB NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE IF NOT EXISTS frame (
        time_msec       INTEGER PRIMARY KEY,
        monotonic_usec  INTEGER NOT NULL,
        layout          INTEGER NOT NULL REFERENCES layout (id),
        samples         BLOB NOT NULL,
        process_layout  INTEGER REFERENCES layout (id),
        process_samples BLOB
    ) STRICT;";

/// The form of the file, `PRAGMA user_version`.
const VERSION: i32 = 2;

/// Values of series at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// The series, as Prometheus writes them: `name{label="value"}`.
    pub series: Arc<[String]>,
    /// A value for each of them.
    pub values: Vec<f64>,
}

/// All series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// When it was sampled, by the wall clock.
    pub time_msec: TimeMsec,
    /// When it was sampled, in microseconds since boot.
    pub monotonic_usec: u64,
    /// The machine's series, which are the same for long.
    pub machine: Samples,
    /// The series of processes, which change with them.
    pub processes: Samples,
}

/// The file that frames are kept in.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
    bytes_max: u64,
    held: Vec<Frame>,
    layouts: HashMap<Arc<[String]>, i64>,
    series: HashMap<String, u32>,
    lost_frames: u64,
}

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Another program's database lies where ours should be.
    #[error("opening the history {path}: this is another program's database; move it away")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Anything that SQLite reports.
    #[error("{what} the history {path}: {source}")]
    Sqlite {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl HistoryError {
    fn of(what: &'static str, path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        Self::Sqlite { what, path, source }
    }

    fn of_open(path: &Path, error: OpenError) -> Self {
        match error {
            OpenError::Foreign => Self::Foreign {
                path: path.to_owned(),
            },
            OpenError::Damaged(source) | OpenError::Sqlite(source) => {
                Self::of("opening", path, source)
            }
        }
    }
}

impl History {
    /// Opens the history in the file `path`, which never grows beyond
    /// `bytes_max`. A damaged file is moved aside and an empty one begun; the
    /// second value says so.
    pub fn open(path: &Path, bytes_max: u64) -> Result<(Self, Option<String>), HistoryError> {
        match Self::try_open(path, bytes_max) {
            Ok(history) => Ok((history, None)),
            Err(OpenError::Damaged(error)) => {
                let kept =
                    move_aside(path).map_err(|_| HistoryError::of("moving aside", path, error))?;
                let history = Self::try_open(path, bytes_max)
                    .map_err(|error| HistoryError::of_open(path, error))?;
                let note = format!(
                    "the history {} is damaged; it was kept as {}, and an empty one begun",
                    path.display(),
                    kept.display()
                );
                Ok((history, Some(note)))
            }
            Err(error) => Err(HistoryError::of_open(path, error)),
        }
    }

    fn try_open(path: &Path, bytes_max: u64) -> Result<Self, OpenError> {
        let connection = sqlite::open(path, APPLICATION_ID)?;
        upgrade(&connection)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            bytes_max,
            held: Vec::new(),
            layouts: HashMap::new(),
            series: HashMap::new(),
            lost_frames: 0,
        })
    }

    /// Takes a frame in. It is on disk after at most [`FRAMES_HELD`] frames;
    /// frames that cannot be written are counted and dropped.
    pub fn append(&mut self, frame: Frame) -> Result<(), HistoryError> {
        self.held.push(frame);
        if self.held.len() < FRAMES_HELD {
            return Ok(());
        }
        self.flush()
    }

    /// Writes down what is held in memory.
    pub fn flush(&mut self) -> Result<(), HistoryError> {
        let held = std::mem::take(&mut self.held);
        let result = self.make_room().and_then(|()| self.write(&held));
        if result.is_err() {
            self.lost_frames += held.len() as u64;
            // What was not committed must be written again.
            self.forget_ids();
        }
        result.map_err(|source| self.error("writing", source))
    }

    /// Frames that could not be written since the history was opened.
    pub fn lost_frames(&self) -> u64 {
        self.lost_frames
    }

    fn error(&self, what: &'static str, source: rusqlite::Error) -> HistoryError {
        HistoryError::of(what, &self.path, source)
    }

    fn forget_ids(&mut self) {
        self.layouts.clear();
        self.series.clear();
    }

    fn write(&mut self, frames: &[Frame]) -> rusqlite::Result<()> {
        // Layouts of processes change all the time; few are seen again.
        if self.layouts.len() > LAYOUTS_KNOWN_MAX {
            self.layouts.clear();
        }
        if self.series.len() > SERIES_KNOWN_MAX {
            self.series.clear();
        }
        let transaction = self.connection.unchecked_transaction()?;
        for frame in frames {
            let layout = write_layout(
                &transaction,
                &mut self.layouts,
                &mut self.series,
                &frame.machine.series,
            )?;
            let has_processes = !frame.processes.series.is_empty();
            let process_layout = has_processes
                .then(|| {
                    write_layout(
                        &transaction,
                        &mut self.layouts,
                        &mut self.series,
                        &frame.processes.series,
                    )
                })
                .transpose()?;
            // The wall clock may have been set back onto a moment that is taken.
            transaction
                .prepare_cached("INSERT OR REPLACE INTO frame VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    frame.time_msec,
                    i64::try_from(frame.monotonic_usec).unwrap_or(i64::MAX),
                    layout,
                    render_samples(&frame.machine.values),
                    process_layout,
                    has_processes.then(|| render_samples(&frame.processes.values)),
                ])?;
        }
        transaction.commit()
    }

    fn make_room(&mut self) -> rusqlite::Result<()> {
        if self.read_used_bytes()? < self.bytes_max {
            return Ok(());
        }
        // Freed pages are used again, so that the file stays as it is.
        self.connection.execute(
            "DELETE FROM frame WHERE time_msec IN (SELECT time_msec FROM frame \
             ORDER BY time_msec LIMIT (SELECT count(*) / ?1 + 1 FROM frame))",
            [i64::try_from(PRUNED_SHARE).unwrap_or(1)],
        )?;
        // Devices, mounts and processes that come and go leave layouts behind,
        // and those leave series.
        self.connection.execute(
            "DELETE FROM layout WHERE id NOT IN (SELECT layout FROM frame \
             UNION SELECT process_layout FROM frame WHERE process_layout IS NOT NULL)",
            [],
        )?;
        let used = self.read_used_series()?;
        let ids: Vec<i64> = self
            .connection
            .prepare("SELECT id FROM series")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut delete = self
            .connection
            .prepare("DELETE FROM series WHERE id = ?1")?;
        for id in ids {
            if !u32::try_from(id).is_ok_and(|id| used.contains(&id)) {
                delete.execute([id])?;
            }
        }
        drop(delete);
        self.forget_ids();
        Ok(())
    }

    fn read_used_series(&self) -> rusqlite::Result<HashSet<u32>> {
        let mut statement = self.connection.prepare("SELECT series FROM layout")?;
        let mut rows = statement.query([])?;
        let mut used = HashSet::new();
        while let Some(row) = rows.next()? {
            used.extend(parse_ids(row.get_ref(0)?.as_blob()?));
        }
        Ok(used)
    }

    fn read_used_bytes(&self) -> rusqlite::Result<u64> {
        let pragma = |name| -> rusqlite::Result<u64> {
            let value: i64 = self
                .connection
                .pragma_query_value(None, name, |row| row.get(0))?;
            Ok(u64::try_from(value).unwrap_or(0))
        };
        Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?)
    }

    /// The frames from `from_msec` on, oldest first, those still held included.
    pub fn read(&self, from_msec: TimeMsec) -> Result<Vec<Frame>, HistoryError> {
        let mut frames = self
            .read_written(from_msec)
            .map_err(|source| self.error("reading", source))?;
        let held = self
            .held
            .iter()
            .filter(|frame| frame.time_msec >= from_msec);
        frames.extend(held.cloned());
        Ok(frames)
    }

    fn read_written(&self, from_msec: TimeMsec) -> rusqlite::Result<Vec<Frame>> {
        let mut layouts: HashMap<i64, Arc<[String]>> = HashMap::new();
        let mut layout = |id: i64| -> rusqlite::Result<Arc<[String]>> {
            if let Some(series) = layouts.get(&id) {
                return Ok(Arc::clone(series));
            }
            let series = read_layout(&self.connection, id)?;
            layouts.insert(id, Arc::clone(&series));
            Ok(series)
        };
        let mut statement = self.connection.prepare(
            "SELECT time_msec, monotonic_usec, layout, samples, process_layout, process_samples \
             FROM frame WHERE time_msec >= ?1 ORDER BY time_msec",
        )?;
        let mut rows = statement.query([from_msec])?;
        let mut frames = Vec::new();
        while let Some(row) = rows.next()? {
            let monotonic_usec: i64 = row.get(1)?;
            let processes = match row.get(4)? {
                Some(id) => Samples {
                    series: layout(id)?,
                    values: parse_samples(row.get_ref(5)?.as_blob()?),
                },
                None => Samples::default(),
            };
            frames.push(Frame {
                time_msec: row.get(0)?,
                monotonic_usec: u64::try_from(monotonic_usec).unwrap_or(0),
                machine: Samples {
                    series: layout(row.get(2)?)?,
                    values: parse_samples(row.get_ref(3)?.as_blob()?),
                },
                processes,
            });
        }
        Ok(frames)
    }
}

/// Makes the tables, or brings those of an earlier form to this one.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version >= VERSION {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    let has_first_form: bool = transaction.query_row(
        "SELECT count(*) FROM sqlite_master WHERE name = 'layout'",
        [],
        |row| row.get(0),
    )?;
    if has_first_form {
        upgrade_first_form(&transaction)?;
    }
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// In the first form, a layout was the text of its series.
fn upgrade_first_form(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "ALTER TABLE frame RENAME TO old_frame; ALTER TABLE layout RENAME TO old_layout;",
    )?;
    connection.execute_batch(SCHEMA)?;
    let layouts: Vec<(i64, String)> = connection
        .prepare("SELECT id, series FROM old_layout")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut known = HashMap::new();
    for (id, text) in layouts {
        let series: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let ids = write_ids(connection, &mut known, &series)?;
        connection.execute("INSERT INTO layout VALUES (?1, ?2)", params![id, ids])?;
    }
    connection.execute_batch(
        "INSERT INTO frame SELECT time_msec, monotonic_usec, layout, samples, NULL, NULL \
         FROM old_frame; DROP TABLE old_frame; DROP TABLE old_layout;",
    )
}

fn write_layout(
    connection: &Connection,
    layouts: &mut HashMap<Arc<[String]>, i64>,
    known: &mut HashMap<String, u32>,
    series: &Arc<[String]>,
) -> rusqlite::Result<i64> {
    if let Some(id) = layouts.get(series) {
        return Ok(*id);
    }
    let ids = write_ids(connection, known, series)?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO layout (series) VALUES (?1)")?
        .execute([&ids])?;
    let id = connection
        .prepare_cached("SELECT id FROM layout WHERE series = ?1")?
        .query_row([&ids], |row| row.get(0))?;
    layouts.insert(Arc::clone(series), id);
    Ok(id)
}

/// The numbers of the series, four bytes each; new ones are given a number.
fn write_ids(
    connection: &Connection,
    known: &mut HashMap<String, u32>,
    series: &[String],
) -> rusqlite::Result<Vec<u8>> {
    let mut ids = Vec::with_capacity(series.len() * 4);
    for text in series {
        let id = match known.get(text) {
            Some(id) => *id,
            None => {
                let id = write_series(connection, text)?;
                known.insert(text.clone(), id);
                id
            }
        };
        ids.extend(id.to_le_bytes());
    }
    Ok(ids)
}

fn write_series(connection: &Connection, text: &str) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO series (text) VALUES (?1)")?
        .execute([text])?;
    connection
        .prepare_cached("SELECT id FROM series WHERE text = ?1")?
        .query_row([text], |row| row.get(0))
}

fn read_layout(connection: &Connection, id: i64) -> rusqlite::Result<Arc<[String]>> {
    let ids: Vec<u8> =
        connection.query_row("SELECT series FROM layout WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
    let mut statement = connection.prepare_cached("SELECT text FROM series WHERE id = ?1")?;
    let texts = parse_ids(&ids).map(|id| statement.query_row([id], |row| row.get(0)));
    texts.collect()
}

fn parse_ids(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (ids, _) = bytes.as_chunks::<4>();
    ids.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

fn render_samples(values: &[f64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn parse_samples(bytes: &[u8]) -> Vec<f64> {
    let (samples, _) = bytes.as_chunks::<8>();
    samples
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect()
}

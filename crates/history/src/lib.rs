//! What was sampled, kept on disk: one row for each moment, with the values
//! of all series at that moment. docs/formats/history.md has the format.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_state::sqlite::{self, OpenError, move_aside};
use rusqlite::{Connection, OptionalExtension as _, params};

/// `LFSH`.
const APPLICATION_ID: i32 = 0x4c46_5348;

/// Frames that are held in memory before they are written together: what a
/// crash or a power cut costs at most.
const FRAMES_HELD: usize = 5;

/// The share of the oldest frames that makes room when the cap is reached.
const PRUNED_SHARE: u64 = 16;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS layout (
        id      INTEGER PRIMARY KEY,
        series  TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE IF NOT EXISTS frame (
        time_msec       INTEGER PRIMARY KEY,
        monotonic_usec  INTEGER NOT NULL,
        layout          INTEGER NOT NULL REFERENCES layout (id),
        samples         BLOB NOT NULL
    ) STRICT;";

/// All series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// When it was sampled, by the wall clock.
    pub time_msec: TimeMsec,
    /// When it was sampled, in microseconds since boot.
    pub monotonic_usec: u64,
    /// The series, as Prometheus writes them: `name{label="value"}`.
    pub series: Arc<[String]>,
    /// A value for each of them.
    pub samples: Vec<f64>,
}

/// The file that frames are kept in.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
    bytes_max: u64,
    held: Vec<Frame>,
    layouts: HashMap<Arc<[String]>, i64>,
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
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            bytes_max,
            held: Vec::new(),
            layouts: HashMap::new(),
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
            // A layout that was not committed must be written again.
            self.layouts.clear();
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

    fn write(&mut self, frames: &[Frame]) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        for frame in frames {
            let layout = match self.layouts.get(&frame.series) {
                Some(layout) => *layout,
                None => {
                    let layout = write_layout(&transaction, &frame.series)?;
                    self.layouts.insert(Arc::clone(&frame.series), layout);
                    layout
                }
            };
            let samples: Vec<u8> = frame
                .samples
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            // The wall clock may have been set back onto a moment that is taken.
            transaction
                .prepare_cached("INSERT OR REPLACE INTO frame VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![
                    frame.time_msec,
                    i64::try_from(frame.monotonic_usec).unwrap_or(i64::MAX),
                    layout,
                    samples
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
        // Devices and mounts that come and go leave layouts behind.
        self.connection.execute(
            "DELETE FROM layout WHERE id NOT IN (SELECT layout FROM frame)",
            [],
        )?;
        self.layouts.clear();
        Ok(())
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
        let mut statement = self.connection.prepare(
            "SELECT time_msec, monotonic_usec, layout, samples FROM frame \
             WHERE time_msec >= ?1 ORDER BY time_msec",
        )?;
        let mut rows = statement.query([from_msec])?;
        let mut frames = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(2)?;
            let series = match layouts.get(&id) {
                Some(series) => Arc::clone(series),
                None => {
                    let series = read_layout(&self.connection, id)?;
                    layouts.insert(id, Arc::clone(&series));
                    series
                }
            };
            let monotonic_usec: i64 = row.get(1)?;
            frames.push(Frame {
                time_msec: row.get(0)?,
                monotonic_usec: u64::try_from(monotonic_usec).unwrap_or(0),
                samples: parse_samples(row.get_ref(3)?.as_blob()?),
                series,
            });
        }
        Ok(frames)
    }
}

fn write_layout(connection: &Connection, series: &[String]) -> rusqlite::Result<i64> {
    let text = series.join("\n");
    let known = connection
        .query_row("SELECT id FROM layout WHERE series = ?1", [&text], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection.execute("INSERT INTO layout (series) VALUES (?1)", [&text])?;
    Ok(connection.last_insert_rowid())
}

fn read_layout(connection: &Connection, id: i64) -> rusqlite::Result<Arc<[String]>> {
    let text: String =
        connection.query_row("SELECT series FROM layout WHERE id = ?1", [id], |row| {
            row.get(0)
        })?;
    Ok(text.split('\n').map(str::to_owned).collect())
}

fn parse_samples(bytes: &[u8]) -> Vec<f64> {
    let (samples, _) = bytes.as_chunks::<8>();
    samples
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect()
}

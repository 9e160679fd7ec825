//! The one who writes the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lfs_wrapper_model::{TimeMsec, now_msec};
use lfs_wrapper_state::sqlite;
use rusqlite::{Connection, Transaction};

use super::clock::{self, Clock};
use super::dictionary::Dictionary;
use super::frame::{Entry, Frame, Group};
use super::head::Shared;
use super::import::{self, ImportOutcome};
use super::limits::{Counts, Limits};
use super::maintain::Rolled;
use super::reader::{self, Reader};
use super::retain;
use super::tier::NEWEST_SEALED;
use super::window::{SeriesId, Window};
use super::{HistoryError, hot, open, seal};
use crate::source::{ReadError, Stretch};

/// What is in memory only is never older than this.
pub const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// How often the thread that writes looks whether it is to stop, and what is left
/// of the time between two flushes for a step of maintenance that takes longer.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// What is written into the same file beside series.
pub trait Beside: Send {
    /// Writes what it has. When the transaction fails, the next call writes the
    /// same again.
    fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// What was written is on disk.
    fn committed(&mut self);
}

/// How often room is made before something is left for later.
pub(super) const MAKE_ROOM_TIMES: u32 = 3;

/// Flushes that fail one after the other before the history counts as stopped.
const FAILURES_MAX: u32 = 3;

/// The history, open for writing. There is one writer of a file.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    pub(super) shared: Arc<Shared>,
    writer: Mutex<Writer>,
    pub(super) clock: Mutex<Clock>,
    _lock: File,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) dictionary: Dictionary,
    pub(super) expired: Option<Instant>,
    /// The day on which the series in use were last said to be.
    touched_day: i64,
    /// What was done to a damaged file and is not told yet.
    notes: Vec<String>,
    /// Flushes that failed since one did not.
    failures: u32,
    /// What of the window that is being rolled up is done.
    pub(super) rolled: Option<Rolled>,
}

/// What is in the file when it is opened.
struct Loaded {
    dictionary: Dictionary,
    windows: Vec<Window>,
    damaged: u64,
    /// The newest moment of the windows that are blocks.
    until: Option<TimeMsec>,
    /// The end of the newest of them, also of those that were imported.
    newest: Option<TimeMsec>,
}

impl Loaded {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let (windows, damaged) = hot::read(connection)?;
        Ok(Self {
            dictionary: Dictionary::load(connection)?,
            windows,
            damaged,
            until: reader::read_until(connection, NEWEST_SEALED)?,
            newest: reader::read_until(connection, 0)?,
        })
    }
}

impl History {
    /// Opens the history in the file `path`. A damaged file is kept aside, and
    /// what can be read of it taken over; the notes say so.
    pub fn open(path: &Path, limits: Limits) -> Result<(Self, Vec<String>), HistoryError> {
        let lock = open::lock(path)?;
        let shared = Arc::new(Shared::new(limits));
        let (mut connection, mut notes) = open::open(path, &shared.limits)?;
        let fail = |source| HistoryError::of("reading", path, source);
        let loaded = match Loaded::read(&connection) {
            Err(error) if open::is_damage(&error) => {
                drop(connection);
                let (other, more) = open::replace(path, &shared.limits)?;
                connection = other;
                notes.extend(more);
                Loaded::read(&connection)
            }
            loaded => loaded,
        };
        let Loaded {
            dictionary,
            mut windows,
            damaged,
            until,
            newest,
        } = loaded.map_err(fail)?;
        if damaged > 0 {
            shared.counts.damaged.add(damaged);
            notes.push(format!(
                "{damaged} rows of the newest minutes of the history {} are damaged and were left out",
                path.display()
            ));
        }
        let open = windows.iter().filter_map(Window::newest_msec).max();
        let on_disk_msec = until.max(open);
        {
            shared.set_durable(on_disk_msec);
            let mut head = shared.write();
            head.note_older(newest.max(open));
            head.open = windows.pop();
            head.closed = windows.into_iter().map(Arc::new).collect();
        }
        let history = Self {
            path: path.to_owned(),
            shared,
            writer: Mutex::new(Writer {
                connection,
                dictionary,
                expired: None,
                touched_day: -1,
                notes: Vec::new(),
                failures: 0,
                rolled: None,
            }),
            clock: Mutex::new(Clock::new(on_disk_msec)),
            _lock: lock,
        };
        Ok((history, notes))
    }

    /// A reader of the file and of what is in memory.
    pub fn reader(&self) -> Reader {
        Reader::beside(&self.path, &self.shared)
    }

    /// What the history counts of itself.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Its limits.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a moment in. It can be read at once, and is on disk after the next
    /// [`History::flush`].
    pub fn append(&self, frame: &Frame) {
        self.shared.append(frame);
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let slept_usec = clock::read_slept_usec();
        clock.take(frame.time_msec, frame.monotonic_usec, slept_usec);
    }

    /// Writes down what is in memory only, and makes blocks of windows that are
    /// complete.
    pub fn flush(&self) -> Result<(), HistoryError> {
        self.flush_with(None)
    }

    /// The same, and what is kept beside.
    pub fn flush_with(&self, beside: Option<&Mutex<dyn Beside>>) -> Result<(), HistoryError> {
        let mut writer = self.writer();
        let result = self.flush_once(&mut writer, beside);
        writer.failures = match result {
            Ok(_) => 0,
            Err(_) => writer.failures.saturating_add(1),
        };
        let is_written = *result.as_ref().unwrap_or(&true) && writer.failures < FAILURES_MAX;
        self.shared.counts.is_stopped.set(u64::from(!is_written));
        result.map(|_| ())
    }

    /// `false`: it may not write now.
    fn flush_once(
        &self,
        writer: &mut Writer,
        beside: Option<&Mutex<dyn Beside>>,
    ) -> Result<bool, HistoryError> {
        if self.shared.take_damage() {
            self.replace_damaged(writer)?;
        }
        if !self.may_write(writer)? {
            return Ok(false);
        }
        let mut result = self.try_flush(writer, beside);
        for _ in 0..MAKE_ROOM_TIMES {
            if !result.as_ref().is_err_and(sqlite::is_full) {
                break;
            }
            self.make_room(writer, retain::room(&self.shared.limits) / 8)?;
            let reloaded = writer.reload();
            result = reloaded.and_then(|()| self.try_flush(writer, beside));
        }
        match result {
            Ok(()) => Ok(true),
            Err(error) => Err(self.fail(writer, error)),
        }
    }

    /// Calls `work` with the connection that writes.
    pub fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ReadError> {
        work(&self.writer().connection)
            .map_err(|source| ReadError::Store(self.error("using", source).to_string()))
    }

    pub(super) fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, writer: &mut Writer, error: rusqlite::Error) -> HistoryError {
        if open::is_damage(&error)
            && let Err(error) = self.replace_damaged(writer)
        {
            return error;
        }
        // What was not committed has no numbers.
        let _ = writer.reload();
        HistoryError::of("writing", &self.path, error)
    }

    /// The file was damaged while it was in use.
    fn replace_damaged(&self, writer: &mut Writer) -> Result<(), HistoryError> {
        // Until another is in its place, nothing is written into the damaged file.
        self.shared.note_damage(self.shared.epoch());
        let (connection, notes) = open::replace(&self.path, &self.shared.limits)?;
        writer.connection = connection;
        writer.notes.extend(notes);
        self.shared.counts.damaged.add(1);
        self.shared.begin_epoch();
        self.shared.take_damage();
        let fail = |source| self.error("taking over", source);
        writer.reload().map_err(fail)?;
        self.forget_written(writer).map_err(fail)
    }

    /// What is in memory is written down anew.
    fn forget_written(&self, writer: &Writer) -> rusqlite::Result<()> {
        let mut head = self.shared.write();
        let head = &mut *head;
        let closed = head.closed.iter_mut().map(Arc::make_mut);
        for window in closed.chain(&mut head.open) {
            hot::delete(&writer.connection, window)?;
            for group in window.groups.values_mut() {
                group.written = 0;
                for column in &mut group.columns {
                    (column.id, column.written) = (None, 0);
                }
            }
        }
        Ok(())
    }

    /// Whether the disk has room, and the log is not held open by a reader.
    pub(super) fn may_write(&self, writer: &mut Writer) -> Result<bool, HistoryError> {
        let limits = &self.shared.limits;
        let is_low = retain::is_disk_low(&self.path, limits);
        let is_long = || retain::is_log_long(&self.path, limits);
        if is_long() {
            let _ = sqlite::checkpoint(&writer.connection);
        }
        if is_low || is_long() {
            self.shared.counts.is_stopped.set(1);
            return Ok(false);
        }
        let used = retain::used_bytes(&writer.connection)
            .map_err(|source| self.error("measuring", source))?;
        self.shared.counts.used_bytes.set(used);
        // Room for what a flush can write.
        if used > retain::room(limits) / 100 * 95 {
            self.make_room(writer, retain::room(limits) / 50)?;
        }
        Ok(true)
    }

    /// Deletes what is oldest until so many bytes more are free.
    pub(super) fn make_room(&self, writer: &mut Writer, bytes: u64) -> Result<(), HistoryError> {
        let fail = |source| self.error("making room in", source);
        let limits = &self.shared.limits;
        let used = retain::used_bytes(&writer.connection).map_err(fail)?;
        // Where the disk is full and not the cap reached, most is to stay.
        let goal = (retain::room(limits) / 100 * 95)
            .min(used)
            .saturating_sub(bytes.min(used / 4));
        while retain::used_bytes(&writer.connection).map_err(fail)? > goal {
            if retain::evict(&writer.connection, limits, now_msec()).map_err(fail)? {
                self.shared.counts.evicted_windows.add(1);
            } else if !self.forget_hot(writer).map_err(fail)? {
                break;
            }
        }
        retain::forget_series(&writer.connection).map_err(fail)?;
        writer.reload().map_err(fail)
    }

    /// Where there are no blocks to delete: forgets what was written of windows
    /// that were given up, or gives up the oldest that waits to become blocks.
    fn forget_hot(&self, writer: &Writer) -> rusqlite::Result<bool> {
        let kept: Vec<u64> = {
            let head = self.shared.read();
            let windows = head.closed.iter().map(Arc::as_ref).chain(&head.open);
            windows.map(|window| window.generation).collect()
        };
        if hot::delete_others(&writer.connection, &kept)? > 0 {
            return Ok(true);
        }
        if retain::used_bytes(&writer.connection)? < retain::room(&self.shared.limits) / 2 {
            return Ok(false);
        }
        let given_up = self.shared.write().give_up_oldest(&self.shared.counts);
        given_up.map_or(Ok(false), |window| {
            hot::delete(&writer.connection, &window).map(|()| true)
        })
    }

    fn error(&self, what: &'static str, source: rusqlite::Error) -> HistoryError {
        HistoryError::of(what, &self.path, source)
    }

    fn try_flush(
        &self,
        writer: &mut Writer,
        beside: Option<&Mutex<dyn Beside>>,
    ) -> rusqlite::Result<()> {
        while let Some(window) = self.next_closed() {
            self.seal(writer, &window)?;
        }
        self.write_open(writer)?;
        let Some(beside) = beside else { return Ok(()) };
        let mut beside = beside.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.connection.unchecked_transaction()?;
        beside.write(&transaction)?;
        transaction.commit()?;
        beside.committed();
        Ok(())
    }

    fn next_closed(&self) -> Option<Arc<Window>> {
        self.shared.read().closed.front().cloned()
    }

    fn seal(&self, writer: &mut Writer, window: &Arc<Window>) -> rusqlite::Result<()> {
        let day = retain::day(window.start_msec);
        let transaction = writer.connection.unchecked_transaction()?;
        let is_new_day = writer.touched_day != day;
        let sealed = seal::write(
            &transaction,
            &mut writer.dictionary,
            window,
            day,
            is_new_day,
        )?;
        transaction.commit()?;
        self.shared.counts.damaged.add(sealed.damaged);
        for (name, values, said) in &sealed.dropped {
            self.shared.counts.drop_values(name, *values, *said);
        }
        // A window that is being rolled up may have become more.
        writer.rolled = None;
        writer.touched_day = day;
        let mut head = self.shared.write();
        head.closed.pop_front();
        self.shared.set_durable(window.newest_msec());
        head.kept = Some(Arc::clone(window));
        Ok(())
    }

    /// Writes down what of the open window is in memory only.
    fn write_open(&self, writer: &mut Writer) -> rusqlite::Result<()> {
        let Some(open) = self.unwritten() else {
            return Ok(());
        };
        let transaction = writer.connection.unchecked_transaction()?;
        let mut ids = Vec::with_capacity(open.nameless.len());
        let mut refused = Vec::new();
        for (group, place, entry) in &open.nameless {
            let id = writer
                .dictionary
                .resolve(&transaction, *group, entry, open.day)?;
            match id {
                Some(id) => ids.push((*group, *place, id)),
                None => refused.push((*group, *place)),
            }
        }
        // Between here and the end, nothing is removed from a window.
        let changes = self.take_changes(open.generation, &ids);
        let result = changes
            .iter()
            .try_for_each(|change| {
                hot::insert(&transaction, open.start_msec, open.generation, change)
            })
            .and_then(|()| transaction.commit());
        let mut head = self.shared.write();
        if result.is_err() {
            let ids = ids.iter().map(|(_, _, id)| *id).collect();
            head.forget_ids(open.generation, &ids);
        } else if let Some(window) = head.find(open.generation) {
            for (group, place) in refused {
                self.count_refused(window, group, place);
            }
            changes.iter().for_each(|change| change.note(window));
            self.shared.set_durable(window.newest_written_msec());
        }
        result
    }

    /// Counts what is not written of a series that there is no number for.
    fn count_refused(&self, window: &Window, group: Group, place: usize) {
        let group = window.groups.get(&group);
        if let Some(column) = group.and_then(|group| group.columns.get(place)) {
            let name = column.entry.labels.name();
            let (values, said) = (column.values.len(), column.written);
            self.shared.counts.drop_values(name, values, said);
        }
    }

    fn unwritten(&self) -> Option<Unwritten> {
        let head = self.shared.read();
        let window = head.open.as_ref().filter(|open| !open.is_written())?;
        let groups = window.groups.iter();
        let nameless = groups.flat_map(|(group, of_group)| {
            let columns = of_group.columns.iter().enumerate();
            let nameless = columns.filter(|(_, column)| column.id.is_none());
            nameless.map(|(place, column)| (*group, place, column.entry.clone()))
        });
        Some(Unwritten {
            start_msec: window.start_msec,
            generation: window.generation,
            day: retain::day(window.start_msec + 1),
            nameless: nameless.collect(),
        })
    }

    fn take_changes(&self, generation: u64, ids: &[(Group, usize, SeriesId)]) -> Vec<hot::Change> {
        let mut head = self.shared.write();
        let Some(window) = head.find(generation) else {
            return Vec::new();
        };
        for (group, place, id) in ids {
            set_id(window, *group, *place, *id);
        }
        let groups = window.groups.iter();
        groups
            .filter_map(|(group, of_group)| hot::changes(*group, of_group))
            .collect()
    }

    /// Takes samples of other times in; what is there already stays. Of each
    /// series the times rise.
    pub fn import(&self, series: &[(Entry, Stretch)]) -> Result<ImportOutcome, HistoryError> {
        let mut writer = self.writer();
        if !self.may_write(&mut writer)? {
            return Err(HistoryError::NoRoom {
                path: self.path.clone(),
            });
        }
        let mut result = writer.import(series, &self.shared.counts);
        for _ in 0..MAKE_ROOM_TIMES {
            if !result.as_ref().is_err_and(sqlite::is_full) {
                break;
            }
            self.make_room(&mut writer, retain::room(&self.shared.limits) / 8)?;
            result = writer.import(series, &self.shared.counts);
        }
        result.map_err(|error| self.fail(&mut writer, error))
    }

    /// Flushes and maintains until `stop` is set: the body of a thread. What
    /// goes wrong is told to `tell`, once until something else happens.
    pub fn run(&self, stop: &AtomicBool, beside: &Mutex<dyn Beside>, mut tell: impl FnMut(&str)) {
        // Of what the machine has to do, this may wait.
        let _ = rustix::process::nice(5);
        let mut told = String::new();
        let mut flushed = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let left = FLUSH_EVERY.saturating_sub(flushed.elapsed());
            if !left.is_zero() {
                std::thread::sleep(left.min(POLL_EVERY));
                continue;
            }
            flushed = Instant::now();
            let result = self.flush_with(Some(beside));
            let notes = std::mem::take(&mut self.writer().notes);
            notes.iter().for_each(|note| tell(note));
            let result = result.and_then(|()| {
                // The next flush waits for this.
                let time = FLUSH_EVERY.saturating_sub(flushed.elapsed() + POLL_EVERY);
                self.maintain_for(time).map(|_| ())
            });
            let text = result
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            if text != told && !text.is_empty() {
                tell(&text);
            }
            told = text;
        }
    }
}

impl Writer {
    fn import(
        &mut self,
        series: &[(Entry, Stretch)],
        counts: &Counts,
    ) -> rusqlite::Result<ImportOutcome> {
        // Any window may become more.
        self.rolled = None;
        let (outcome, damaged) = import::write(&self.connection, &mut self.dictionary, series)?;
        counts.damaged.add(damaged);
        Ok(outcome)
    }

    /// Reads again what a transaction that did not come to its end may have
    /// changed in memory only.
    pub(super) fn reload(&mut self) -> rusqlite::Result<()> {
        self.dictionary = Dictionary::load(&self.connection)?;
        Ok(())
    }
}

/// What of the open window is in memory only.
struct Unwritten {
    start_msec: TimeMsec,
    generation: u64,
    day: i64,
    /// Series that have no number yet.
    nameless: Vec<(Group, usize, Entry)>,
}

fn set_id(window: &mut Window, group: Group, place: usize, id: SeriesId) {
    let column = window
        .groups
        .get_mut(&group)
        .and_then(|group| group.columns.get_mut(place));
    if let Some(column) = column {
        column.id = Some(id);
    }
}

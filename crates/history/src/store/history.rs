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
use super::reader::{self, Reader};
use super::retain;
use super::tier::{NEWEST_SEALED, TIERS, Tier};
use super::window::{SeriesId, Window};
use super::{HistoryError, block, hot, open, rollup, seal};
use crate::source::{ReadError, Stretch};

/// What is in memory only is never older than this.
pub const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// How often what is too old is looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);

/// What is written into the same file beside series.
pub trait Beside: Send {
    /// Writes what it has. When the transaction fails, the next call writes the
    /// same again.
    fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;

    /// What was written is on disk.
    fn committed(&mut self);
}

/// How often room is made before something is left for later.
const MAKE_ROOM_TIMES: u32 = 3;

/// The history, open for writing. There is one writer of a file.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    clock: Mutex<Clock>,
    _lock: File,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    dictionary: Dictionary,
    expired: Option<Instant>,
    /// The day on which the series in use were last said to be.
    touched_day: i64,
    /// What was done to a damaged file and is not told yet.
    notes: Vec<String>,
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
        if self.shared.take_damage() {
            self.replace_damaged(&mut writer)?;
        }
        if !self.may_write(&mut writer)? {
            return Ok(());
        }
        let mut result = self.try_flush(&mut writer, beside);
        for _ in 0..MAKE_ROOM_TIMES {
            match result {
                Err(error) if sqlite::is_full(&error) => {
                    self.make_room(&mut writer, retain::room(&self.shared.limits) / 8)?;
                    let reloaded = writer.reload();
                    result = reloaded.and_then(|()| self.try_flush(&mut writer, beside));
                }
                result => return result.map_err(|error| self.fail(&mut writer, error)),
            }
        }
        result.map_err(|error| self.fail(&mut writer, error))
    }

    /// Calls `work` with the connection that writes.
    pub fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, ReadError> {
        work(&self.writer().connection)
            .map_err(|source| ReadError::Store(self.error("using", source).to_string()))
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, writer: &mut Writer, error: rusqlite::Error) -> HistoryError {
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
    fn may_write(&self, writer: &mut Writer) -> Result<bool, HistoryError> {
        let limits = &self.shared.limits;
        let is_low = retain::is_disk_low(&self.path, limits);
        let is_long = || retain::is_log_long(&self.path, limits);
        if is_long() {
            let _ = sqlite::checkpoint(&writer.connection);
        }
        let is_stopped = is_low || is_long();
        self.shared.counts.is_stopped.set(u64::from(is_stopped));
        if is_stopped {
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
    fn make_room(&self, writer: &mut Writer, bytes: u64) -> Result<(), HistoryError> {
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
        seal::write(
            &transaction,
            &mut writer.dictionary,
            window,
            day,
            writer.touched_day != day,
        )?;
        transaction.commit()?;
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
        for (group, place, entry) in &open.nameless {
            let id = writer
                .dictionary
                .resolve(&transaction, *group, entry, open.day)?;
            match id {
                Some(id) => ids.push((*group, *place, id)),
                None => self.shared.counts.drop_series(entry.labels.name()),
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
            changes.iter().for_each(|change| change.note(window));
            self.shared.set_durable(window.newest_written_msec());
        }
        result
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

    /// Rolls up what is complete, and deletes what is too old. Takes long at
    /// times; nothing waits for it but the next flush.
    pub fn maintain(&self) -> Result<(), HistoryError> {
        let mut writer = self.writer();
        for _ in 0..MAKE_ROOM_TIMES {
            if !self.may_write(&mut writer)? {
                return Ok(());
            }
            match self.try_maintain(&mut writer) {
                // A roll-up may be larger than what is kept free.
                Err(error) if sqlite::is_full(&error) => {
                    self.make_room(&mut writer, retain::room(&self.shared.limits) / 8)?;
                }
                result => return result.map_err(|error| self.fail(&mut writer, error)),
            }
        }
        Ok(())
    }

    fn try_maintain(&self, writer: &mut Writer) -> rusqlite::Result<()> {
        for (tier, start_msec) in self.shared.take_holes() {
            rollup::mark_hole(&writer.connection, tier, start_msec)?;
        }
        for pair in TIERS.windows(2) {
            let [finer, tier] = [pair[0], pair[1]];
            while let Some(start) = rollup::next(&writer.connection, finer, tier)? {
                if retain::is_disk_low(&self.path, &self.shared.limits) {
                    return Ok(());
                }
                self.roll_up(writer, tier, start)?;
            }
        }
        let is_due = writer
            .expired
            .is_none_or(|last| last.elapsed() >= EXPIRE_EVERY);
        let is_steady = self
            .clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_steady();
        if is_due && is_steady {
            retain::expire(&writer.connection, &self.shared.limits, now_msec())?;
            writer.expired = Some(Instant::now());
            writer.reload()?;
        }
        Ok(())
    }

    fn roll_up(
        &self,
        writer: &mut Writer,
        tier: Tier,
        start_msec: TimeMsec,
    ) -> rusqlite::Result<()> {
        let clusters = writer.dictionary.rolled_up();
        for cluster in clusters {
            let transaction = writer.connection.unchecked_transaction()?;
            let mut damaged = 0;
            if tier.number == 1 {
                damaged += block::merge_window(
                    &transaction,
                    TIERS[0],
                    cluster,
                    (start_msec, tier.window_msec),
                )?;
            }
            damaged += rollup::make(&transaction, tier, start_msec, cluster)?;
            transaction.commit()?;
            self.shared.counts.damaged.add(damaged);
        }
        rollup::done(&writer.connection, tier, start_msec)
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
        let mut result = writer.import(series);
        for _ in 0..MAKE_ROOM_TIMES {
            if !result.as_ref().is_err_and(sqlite::is_full) {
                break;
            }
            self.make_room(&mut writer, retain::room(&self.shared.limits) / 8)?;
            result = writer.import(series);
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
            std::thread::sleep(Duration::from_millis(500));
            if flushed.elapsed() < FLUSH_EVERY {
                continue;
            }
            flushed = Instant::now();
            let result = self.flush_with(Some(beside));
            let notes = std::mem::take(&mut self.writer().notes);
            notes.iter().for_each(|note| tell(note));
            let result = result.and_then(|()| self.maintain());
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
    fn import(&mut self, series: &[(Entry, Stretch)]) -> rusqlite::Result<ImportOutcome> {
        import::write(&self.connection, &mut self.dictionary, series)
    }

    /// Reads again what a transaction that did not come to its end may have
    /// changed in memory only.
    fn reload(&mut self) -> rusqlite::Result<()> {
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

//! The table of all processes, read again and again in place.

use std::io;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::metric::Point;

use crate::process::cold::{ColdReader, Subject};
use crate::process::entry::{Entry, EntryReader, Outcome};
use crate::process::folder::{ProcFolder, is_denied};
use crate::process::hidden::read_hidden;
use crate::process::options::ProcessOptions;
use crate::process::rates::Before;
use crate::process::round::{ColdRounds, take_answer};
use crate::process::row::ProcessRow;
use crate::process::stat::{ProcessIdentity, TICKS_PER_SECOND};
use crate::process::summary::{Maxima, derive_summary, read_maxima};
use crate::process::user::UserNames;
use crate::process::worker::{AnswerFactory, AnswerFn};
use crate::source::{Absent, Source, render_error};

/// More processes than this are counted, not followed.
const FOLLOWED_MAX: usize = 32 << 10;

/// Files `io` that stay open, of the busiest.
const IO_KEPT_MAX: usize = 64;

/// How long whose a process is and where it is accounted may be out of date.
const DETAIL_EVERY_USEC: u64 = 30_000_000;

/// How often it is looked whether users and limits changed.
const UPKEEP_EVERY_USEC: u64 = 30_000_000;

const USEC_PER_TICK: u64 = 1_000_000 / TICKS_PER_SECOND;

/// All processes that the reader may see.
#[derive(Debug)]
pub struct ProcessTable {
    procfs: PathBuf,
    options: ProcessOptions,
    reader: Option<EntryReader>,
    pids: Vec<u32>,
    /// By pid.
    entries: Vec<Entry>,
    /// Those that were not known before, while they are being read.
    fresh: Vec<Entry>,
    gone: Vec<ProcessRow>,
    /// Processes that there are without a row.
    rowless: u64,
    /// When the last read that succeeded was, since the machine was booted.
    read_usec: Option<u64>,
    detail_cursor: u32,
    upkeep_usec: Option<u64>,
    users: UserNames,
    maxima: Maxima,
    /// Once it was looked for: how procfs hides processes.
    hidden: Option<Option<String>>,
    cold: Option<ColdRounds>,
    has_cold: bool,
    listed_at: Option<Births>,
    reads: u32,
}

/// How many tasks ever began on the machine, and how many there are: as long as
/// neither changes, no process began and none ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Births {
    /// `processes` of `/proc/stat`, threads counted.
    pub(crate) forks: u64,
    /// The fourth field of `/proc/loadavg`.
    pub(crate) tasks: u64,
}

/// The first of the processes that could not be read, and how many.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    first: Option<(u32, io::Error)>,
}

impl Failures {
    fn add(&mut self, pid: u32, error: io::Error) {
        self.count += 1;
        self.first.get_or_insert((pid, error));
    }
}

impl ProcessTable {
    /// The table of the processes below `procfs`, with none read yet.
    pub fn new(procfs: &Path, options: ProcessOptions) -> Self {
        let cold = options.has_worker.then(|| {
            let procfs = procfs.to_owned();
            ColdRounds::new(AnswerFactory::new(move || {
                let mut reader = ColdReader::open(&procfs)?;
                let answer: AnswerFn = Box::new(move |request| reader.read(request));
                Ok(answer)
            }))
        });
        Self::with_cold(procfs, options, cold)
    }

    fn with_cold(procfs: &Path, options: ProcessOptions, cold: Option<ColdRounds>) -> Self {
        Self {
            procfs: procfs.to_owned(),
            reader: None,
            pids: Vec::new(),
            entries: Vec::new(),
            fresh: Vec::new(),
            gone: Vec::new(),
            rowless: 0,
            read_usec: None,
            detail_cursor: 0,
            upkeep_usec: None,
            users: UserNames::new(&options.rootfs),
            maxima: Maxima::default(),
            hidden: None,
            cold,
            has_cold: true,
            listed_at: None,
            reads: 0,
            options,
        }
    }

    /// Reads the table alone, without a sample round it, and says what is
    /// missing. `boottime_usec` is the time since boot
    /// ([`read_boottime_usec`](crate::read_boottime_usec)).
    pub fn read_alone(&mut self, boottime_usec: u64) -> io::Result<Vec<Absent>> {
        let mut source = Source::default();
        self.read(&mut source, boottime_usec, None)?;
        Ok(source.take_absent())
    }

    /// Brings every row up to date. Where the list of processes cannot be
    /// read, the rows stay as they were and are not fresh.
    ///
    /// `births` is a [`Births`] of just before, if there is one.
    pub(crate) fn read(
        &mut self,
        source: &mut Source,
        boottime_usec: u64,
        births: Option<Births>,
    ) -> io::Result<()> {
        self.gone.clear();
        if let Err(error) = self.list_if_changed(births) {
            self.reader = None;
            self.read_usec = None;
            self.entries.iter_mut().for_each(Entry::forget_before);
            return Err(error);
        }
        self.keep_up(source, boottime_usec);
        self.reads = self.reads.wrapping_add(1);
        let failures = self.refresh_listed();
        self.replace_entries();
        self.refresh_details(boottime_usec);
        self.read_usec = Some(boottime_usec);
        self.note_failures(source, failures);
        self.run_cold(source, boottime_usec);
        Ok(())
    }

    /// Whether the worker is asked for what takes longer; else what it said
    /// before stays.
    pub(crate) const fn set_cold(&mut self, has_cold: bool) {
        self.has_cold = has_cold;
    }

    /// How many processes there are, and nothing else: the rows stay as they
    /// were.
    pub(crate) fn read_count(&mut self) -> io::Result<u64> {
        self.list_if_changed(None)?;
        Ok(self.pids.len() as u64)
    }

    /// The processes, by pid.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &ProcessRow> + Clone {
        self.entries.iter().map(|entry| &entry.row)
    }

    /// The processes that ended since the read before, as they were seen last;
    /// those that lived only between two reads were never seen.
    pub fn gone(&self) -> &[ProcessRow] {
        &self.gone
    }

    /// How many processes there are, those that may not be read included.
    pub fn count(&self) -> u64 {
        self.entries.len() as u64 + self.rowless
    }

    /// How many threads of the kernel there are; `None` where some processes
    /// could not be told.
    pub fn count_kernel_threads(&self) -> Option<u64> {
        let threads = self.rows().filter(|row| row.counts.is_kernel_thread());
        (self.rowless == 0).then(|| threads.count() as u64)
    }

    /// Files of processes that are open now: `stat`, `io`.
    pub fn kept(&self) -> (usize, usize) {
        let kept = self.entries.iter().map(Entry::kept);
        kept.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Names of users.
    pub const fn users(&self) -> &UserNames {
        &self.users
    }

    /// What all processes are together, as node_exporter names it.
    pub fn summary(&self) -> Vec<Point> {
        let all = self
            .rows()
            .map(|row| (row.counts.state, row.counts.threads));
        derive_summary(all, self.maxima)
    }

    /// Reads what takes longer of these processes, here and now; it may block.
    pub fn read_cold(&mut self, identities: &[ProcessIdentity]) -> io::Result<()> {
        let mut reader = ColdReader::open(&self.procfs)?;
        for identity in identities {
            for subject in [Subject::Fields, Subject::Pss] {
                let found = self
                    .entries
                    .binary_search_by_key(identity, |entry| entry.row.identity);
                let Some(entry) = found.ok().and_then(|index| self.entries.get(index)) else {
                    continue;
                };
                let answer = reader.read(entry.request(subject));
                take_answer(
                    &mut self.entries,
                    answer,
                    self.read_usec.unwrap_or_default(),
                );
            }
        }
        Ok(())
    }

    /// Lists the processes, and counts what may still be kept open.
    /// Where no task began and none ended, the list of before is still right.
    fn list_if_changed(&mut self, births: Option<Births>) -> io::Result<()> {
        if births.is_some() && births == self.listed_at && self.reader.is_some() {
            return Ok(());
        }
        self.listed_at = None;
        self.list()?;
        self.listed_at = births;
        Ok(())
    }

    fn list(&mut self) -> io::Result<()> {
        let (stat_kept, io_kept) = self.kept();
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => EntryReader {
                folder: ProcFolder::open(&self.procfs)?,
                buffer: Vec::new(),
                page_bytes: self.options.page_bytes,
                stat_room: 0,
                io_room: 0,
            },
        };
        let reader = self.reader.insert(reader);
        let io_max = IO_KEPT_MAX.min(self.options.kept_max / 8);
        reader.io_room = io_max.saturating_sub(io_kept);
        let stat_max = self.options.kept_max - io_max;
        reader.stat_room = stat_max.saturating_sub(stat_kept);
        reader.folder.list(&mut self.pids)?;
        // The reader itself is one: this folder is no procfs.
        if self.pids.is_empty() {
            return Err(io::Error::other("no process in it"));
        }
        Ok(())
    }

    /// Reads every process listed; marks those that are gone.
    fn refresh_listed(&mut self) -> Failures {
        let mut failures = Failures::default();
        let Some(reader) = &mut self.reader else {
            return failures;
        };
        self.rowless = self.pids.len().saturating_sub(FOLLOWED_MAX) as u64;
        self.pids.truncate(FOLLOWED_MAX);
        let mut listed = self.pids.iter().copied().peekable();
        let mut open = |reader: &mut EntryReader, pid| match Entry::open(reader, pid) {
            Ok(opened) => self.fresh.extend(opened),
            Err(error) => {
                self.rowless += 1;
                failures.add(pid, error);
            }
        };
        let mut stale = Failures::default();
        for entry in &mut self.entries {
            let pid = entry.pid();
            while let Some(new) = listed.next_if(|listed| *listed < pid) {
                open(reader, new);
            }
            if listed.next_if_eq(&pid).is_none() {
                entry.is_gone = true;
                continue;
            }
            if self.options.is_patient && entry.leave_out(self.reads) {
                continue;
            }
            match entry.refresh(reader) {
                Outcome::Read => {}
                Outcome::Gone => {
                    entry.is_gone = true;
                    open(reader, pid);
                }
                Outcome::Failed(error) => stale.add(pid, error),
            }
        }
        listed.for_each(|pid| open(reader, pid));
        if let Some((pid, error)) = stale.first {
            failures.count += stale.count - 1;
            failures.add(pid, error);
        }
        failures
    }

    /// Takes the ended processes out, with their files, and the new ones in.
    fn replace_entries(&mut self) {
        let ended = self.entries.extract_if(.., |entry| entry.is_gone);
        self.gone.extend(ended.map(|entry| entry.row));
        // A process that is older than the last read was hidden or unreadable
        // then, which is no beginning. Its tick may have begun before that read.
        let read_ticks = self.read_usec.map(|usec| usec / USEC_PER_TICK);
        for entry in &mut self.fresh {
            let start_ticks = entry.row.identity.start_ticks;
            if read_ticks.is_some_and(|ticks| start_ticks.saturating_add(1) >= ticks) {
                entry.row.before = Before::Born;
            }
        }
        self.entries.append(&mut self.fresh);
        if !self.entries.is_sorted_by_key(Entry::pid) {
            self.entries.sort_unstable_by_key(Entry::pid);
        }
    }

    /// Reads what seldom changes of a few processes, so that every one's turn
    /// comes in [`DETAIL_EVERY_USEC`].
    fn refresh_details(&mut self, boottime_usec: u64) {
        let (Some(reader), Some(read_usec)) = (&mut self.reader, self.read_usec) else {
            return;
        };
        let elapsed_usec = boottime_usec
            .saturating_sub(read_usec)
            .min(DETAIL_EVERY_USEC);
        let all = self.entries.len() as u64;
        let share = (all * elapsed_usec).div_ceil(DETAIL_EVERY_USEC);
        let share = usize::try_from(share).unwrap_or_default();
        let cursor = self.detail_cursor;
        let middle = self.entries.partition_point(|entry| entry.pid() <= cursor);
        let (before, after) = self.entries.split_at_mut(middle);
        for entry in after.iter_mut().chain(before).take(share) {
            self.detail_cursor = entry.pid();
            if entry.row.is_fresh && !entry.row.counts.is_kernel_thread() {
                entry.refresh_detail(reader);
            }
        }
    }

    fn keep_up(&mut self, source: &mut Source, boottime_usec: u64) {
        let is_fresh = |usec| boottime_usec.saturating_sub(usec) < UPKEEP_EVERY_USEC;
        if !self.upkeep_usec.is_some_and(is_fresh) {
            self.upkeep_usec = Some(boottime_usec);
            self.maxima = read_maxima(source, &self.procfs);
            self.users.refresh(source);
        }
        let procfs = &self.procfs;
        let hidden = self
            .hidden
            .get_or_insert_with(|| read_hidden(source, procfs));
        if let Some(hidden) = hidden {
            let why =
                format_args!("mounted with hidepid={hidden}, processes of others are not shown");
            source.note("processes", procfs, why);
        }
    }

    fn note_failures(&self, source: &mut Source, failures: Failures) {
        if self.count() > FOLLOWED_MAX as u64 {
            let why = format_args!("only the first {FOLLOWED_MAX} processes are followed");
            source.note("processes", &self.procfs, why);
        }
        let Some((pid, error)) = failures.first else {
            return;
        };
        // That they cannot be seen is said already.
        if is_denied(&error) && self.hidden.iter().flatten().next().is_some() {
            return;
        }
        let (count, why) = (failures.count, render_error(&error));
        let why = format_args!("{count} process(es) could not be read, the first is {pid}: {why}");
        source.note("processes", &self.procfs, why);
    }

    fn run_cold(&mut self, source: &mut Source, boottime_usec: u64) {
        let Some(cold) = self.cold.as_mut().filter(|_| self.has_cold) else {
            return;
        };
        if let Err(error) = cold.run(&mut self.entries, boottime_usec) {
            let why = format_args!(
                "arguments and memory are not read: {}",
                render_error(&error)
            );
            source.note("processes", &self.procfs, why);
        }
        for identity in cold.stuck() {
            let folder = self.procfs.join(identity.pid.to_string());
            source.note(
                "processes",
                &folder,
                "its arguments or memory do not answer",
            );
        }
    }
}

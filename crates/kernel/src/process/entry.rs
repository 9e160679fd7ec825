//! One process in the table: its row, the files of it that are kept open, and
//! the bytes they gave last.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use crate::process::cold::{Answer, Request, Subject};
use crate::process::detail::{Detail, read_detail};
use crate::process::folder::{ProcFolder, is_denied, is_gone, read_piece};
use crate::process::rates::Before;
use crate::process::row::{ColdFields, ProcessRow, PssMeasure};
use crate::process::stat::{ProcessIo, ProcessStat, parse_io, parse_process_stat};
use crate::text::parse_name;

/// A `stat` or `io` has a few hundred bytes.
const TEXT_MAX_BYTES: usize = 4 << 10;

/// A process that moved bytes in so many samples on end keeps its `io` open.
const IO_STREAK: u8 = 2;

/// After so many samples without any, the place is for another.
const IO_QUIET_MAX: u8 = 30;

/// A process that did nothing in so many reads on end is idle.
const IDLE_READS: u8 = 30;

/// An idle process is looked at once in so many reads.
const TURNS: u32 = 4;

/// What all entries are read with.
#[derive(Debug)]
pub(crate) struct EntryReader {
    pub(crate) folder: ProcFolder,
    pub(crate) buffer: Vec<u8>,
    pub(crate) page_bytes: u64,
    /// Files that may still be kept open.
    pub(crate) stat_room: usize,
    pub(crate) io_room: usize,
}

impl EntryReader {
    fn parse_stat(&self) -> io::Result<ProcessStat<'_>> {
        let stat = parse_process_stat(&self.buffer, self.page_bytes);
        stat.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "no complete line of counters"))
    }
}

/// What became of a process that was known.
#[derive(Debug)]
pub(crate) enum Outcome {
    Read,
    /// It ended; its pid may be another's by now.
    Gone,
    Failed(io::Error),
}

/// Whether a process's `io` may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IoAccess {
    Allowed,
    /// Until it becomes another program, or another user's.
    Denied,
}

/// How far the seldom read parts of a process are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ColdProgress {
    /// When they were read last, on the table's clock.
    pub(crate) read_usec: Option<u64>,
    /// Whether it did anything since.
    pub(crate) has_changed: bool,
    /// When its share of memory was asked for last.
    pub(crate) pss_usec: Option<u64>,
}

/// One process in the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: ProcessRow,
    pub(crate) is_gone: bool,
    pub(crate) progress: ColdProgress,
    stat: Option<OwnedFd>,
    io: Option<OwnedFd>,
    io_access: IoAccess,
    io_streak: u8,
    io_quiet: u8,
    /// `stat` as it was last.
    text: Vec<u8>,
    name: Vec<u8>,
    stack_address: u64,
    /// How often it became another program.
    program: u32,
    /// Reads on end that found nothing new.
    idle_reads: u8,
    /// Reads that left it out since.
    left_out: u8,
}

impl Entry {
    /// The process with this pid; `None` where there is none any more.
    pub(crate) fn open(reader: &mut EntryReader, pid: u32) -> io::Result<Option<Self>> {
        match Self::open_listed(reader, pid) {
            Err(error) if is_gone(&error) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn open_listed(reader: &mut EntryReader, pid: u32) -> io::Result<Self> {
        let file = reader.folder.open_file(pid, "stat")?;
        read_piece(&file, &mut reader.buffer, TEXT_MAX_BYTES)?;
        let stat = reader.parse_stat()?;
        if stat.identity.pid != pid {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "another process's counters",
            ));
        }
        let mut entry = Self::new(&stat, &reader.buffer);
        entry.keep_stat(reader, file);
        entry.row.counts.io = entry.read_io(reader);
        entry.refresh_detail(reader);
        Ok(entry)
    }

    fn new(stat: &ProcessStat<'_>, text: &[u8]) -> Self {
        Self {
            row: ProcessRow {
                identity: stat.identity,
                name: parse_name(stat.name).into(),
                counts: stat.counts,
                before: Before::Unknown,
                is_fresh: true,
                left_out: 0,
                uid: None,
                cgroup: None,
                cold: ColdFields::default(),
            },
            is_gone: false,
            progress: ColdProgress::default(),
            stat: None,
            io: None,
            io_access: IoAccess::Allowed,
            io_streak: 0,
            io_quiet: 0,
            text: text.to_vec(),
            name: stat.name.to_vec(),
            stack_address: stat.stack_address,
            program: 0,
            idle_reads: 0,
            left_out: 0,
        }
    }

    /// Leaves it out of this read, if it has been idle for long; each idle
    /// process has its turn with every [`TURNS`]th read.
    pub(crate) fn leave_out(&mut self, read: u32) -> bool {
        let is_turn = (self.pid().wrapping_add(read)).is_multiple_of(TURNS);
        if self.idle_reads < IDLE_READS || is_turn || !self.row.is_fresh {
            return false;
        }
        self.left_out += 1;
        self.row.left_out = 0;
        self.keep_before();
        true
    }

    pub(crate) fn pid(&self) -> u32 {
        self.row.identity.pid
    }

    /// How many of its files are kept open: `stat`, `io`.
    pub(crate) fn kept(&self) -> (usize, usize) {
        (
            usize::from(self.stat.is_some()),
            usize::from(self.io.is_some()),
        )
    }

    /// The question about it as the program that it is now.
    pub(crate) fn request(&self, subject: Subject) -> Request {
        Request {
            identity: self.row.identity,
            program: self.program,
            subject,
        }
    }

    /// Takes an answer, unless it is about another program.
    pub(crate) fn take(&mut self, answer: Answer, now_usec: u64) {
        if answer.request != self.request(answer.request.subject) {
            return;
        }
        let cold = &mut self.row.cold;
        match answer.request.subject {
            Subject::Fields => {
                let measured = cold.measured;
                *cold = ColdFields {
                    measured,
                    ..answer.fields
                };
                self.progress.read_usec = Some(now_usec);
            }
            Subject::Pss => {
                let rss_bytes = self.row.counts.rss_bytes;
                cold.measured = answer.pss_bytes.map(|pss_bytes| PssMeasure {
                    pss_bytes,
                    rss_bytes,
                });
            }
        }
    }

    /// Reads the process again. One that did nothing costs one read, and
    /// neither parsing nor memory.
    pub(crate) fn refresh(&mut self, reader: &mut EntryReader) -> Outcome {
        match self.read_changes(reader) {
            Ok(true) => Outcome::Read,
            Ok(false) => Outcome::Gone,
            Err(error) if is_gone(&error) => Outcome::Gone,
            Err(error) => {
                // Its mount may have gone and come back.
                self.stat = None;
                self.forget_before();
                Outcome::Failed(error)
            }
        }
    }

    /// What was read last is no longer the read before.
    pub(crate) fn forget_before(&mut self) {
        self.row.is_fresh = false;
        self.row.before = Before::Unknown;
    }

    /// False where the pid is another process's.
    fn read_changes(&mut self, reader: &mut EntryReader) -> io::Result<bool> {
        self.read_text(reader)?;
        self.row.left_out = std::mem::take(&mut self.left_out);
        if reader.buffer == self.text {
            self.idle_reads = self.idle_reads.saturating_add(1);
            self.keep_before();
            self.rest_io(reader);
            return Ok(true);
        }
        self.idle_reads = 0;
        let stat = reader.parse_stat()?;
        if stat.identity != self.row.identity {
            return Ok(false);
        }
        let next = stat.counts;
        let is_new_program = stat.name != self.name || stat.stack_address != self.stack_address;
        if is_new_program {
            self.become_program(&stat);
        }
        self.text.clear();
        self.text.extend_from_slice(&reader.buffer);
        self.keep_before();
        let has_worked = next.has_worked_since(&self.row.counts);
        let io = self.row.counts.io;
        self.row.counts = next;
        self.row.counts.io = io;
        self.progress.has_changed = true;
        if is_new_program {
            self.refresh_detail(reader);
        }
        if has_worked {
            self.row.counts.io = self.read_io(reader);
        } else {
            self.rest_io(reader);
        }
        Ok(true)
    }

    fn read_text(&mut self, reader: &mut EntryReader) -> io::Result<()> {
        if let Some(file) = &self.stat {
            return read_piece(file, &mut reader.buffer, TEXT_MAX_BYTES);
        }
        let file = reader.folder.open_file(self.pid(), "stat")?;
        read_piece(&file, &mut reader.buffer, TEXT_MAX_BYTES)?;
        self.keep_stat(reader, file);
        Ok(())
    }

    fn keep_stat(&mut self, reader: &mut EntryReader, file: OwnedFd) {
        if reader.stat_room > 0 {
            reader.stat_room -= 1;
            self.stat = Some(file);
        }
    }

    fn keep_before(&mut self) {
        self.row.before = if self.row.is_fresh {
            Before::Counts(self.row.counts)
        } else {
            Before::Unknown
        };
        self.row.is_fresh = true;
    }

    /// What was read of the program before is not true of this one.
    fn become_program(&mut self, stat: &ProcessStat<'_>) {
        if stat.name != self.name {
            self.name.clear();
            self.name.extend_from_slice(stat.name);
            self.row.name = parse_name(stat.name).into();
        }
        self.stack_address = stat.stack_address;
        self.program = self.program.wrapping_add(1);
        self.row.cold = ColdFields::default();
        self.progress = ColdProgress::default();
    }

    /// Reads whose it is and where it is accounted.
    pub(crate) fn refresh_detail(&mut self, reader: &mut EntryReader) {
        let Detail { uid, cgroup } =
            read_detail(&mut reader.folder, &mut reader.buffer, self.pid());
        if uid != self.row.uid {
            self.io_access = IoAccess::Allowed;
        }
        self.row.uid = uid;
        if cgroup != self.row.cgroup {
            self.row.cgroup = cgroup;
        }
    }

    fn read_io(&mut self, reader: &mut EntryReader) -> Option<ProcessIo> {
        self.io_quiet = 0;
        if self.io_access == IoAccess::Denied {
            return None;
        }
        match self.read_io_text(reader) {
            Ok(()) => parse_io(&reader.buffer),
            Err(error) => {
                self.io = None;
                if is_denied(&error) {
                    self.io_access = IoAccess::Denied;
                }
                None
            }
        }
    }

    fn read_io_text(&mut self, reader: &mut EntryReader) -> io::Result<()> {
        self.io_streak = self.io_streak.saturating_add(1);
        if let Some(file) = &self.io {
            return read_piece(file, &mut reader.buffer, TEXT_MAX_BYTES);
        }
        let file = reader.folder.open_file(self.pid(), "io")?;
        read_piece(&file, &mut reader.buffer, TEXT_MAX_BYTES)?;
        if self.io_streak > IO_STREAK && reader.io_room > 0 {
            reader.io_room -= 1;
            self.io = Some(file);
        }
        Ok(())
    }

    fn rest_io(&mut self, reader: &mut EntryReader) {
        self.io_streak = 0;
        self.io_quiet = self.io_quiet.saturating_add(1);
        if self.io_quiet > IO_QUIET_MAX && self.io.take().is_some() {
            reader.io_room += 1;
        }
    }
}

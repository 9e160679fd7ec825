//! The folder of all processes: which there are, and their files by number.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, SeekFrom, openat, seek, statat};
use rustix::io::{Errno, pread};

use crate::text::parse_u64;

/// The kernel's own limit of pids on 64-bit machines.
const LISTED_MAX: usize = 4 << 20;

/// A thousand processes, or the open files of one, at a time.
const LISTING_BYTES: usize = 32 << 10;

/// How often a read that a signal broke off is tried again.
const INTERRUPTIONS_MAX: usize = 8;

/// A procfs, kept open, and the buffers for its list and its files' names.
#[derive(Debug)]
pub(crate) struct ProcFolder {
    fd: OwnedFd,
    listing: Vec<u8>,
    name: String,
}

impl ProcFolder {
    pub(crate) fn open(procfs: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: openat(CWD, procfs, flags, Mode::empty())?,
            listing: Vec::with_capacity(LISTING_BYTES),
            name: String::new(),
        })
    }

    /// The pids of all processes there are, in order, into `pids`.
    pub(crate) fn list(&mut self, pids: &mut Vec<u32>) -> io::Result<()> {
        pids.clear();
        seek(&self.fd, SeekFrom::Start(0))?;
        for_each_name(&self.fd, &mut self.listing, |name| {
            let pid = parse_u64(name).and_then(|pid| u32::try_from(pid).ok());
            pids.extend(pid.filter(|pid| *pid > 0 && pids.len() < LISTED_MAX));
        })?;
        // The kernel lists them in order; a captured tree's file system does not.
        if !pids.is_sorted() {
            pids.sort_unstable();
        }
        Ok(())
    }

    /// Opens a file of a process.
    pub(crate) fn open_file(&mut self, pid: u32, file: &str) -> io::Result<OwnedFd> {
        self.write_name(pid, file);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat(&self.fd, self.name.as_str(), flags, Mode::empty())?)
    }

    /// Opens the folder of a process, which stays that process's for good.
    pub(crate) fn open_process(&mut self, pid: u32) -> io::Result<OwnedFd> {
        self.write_name(pid, "");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&self.fd, self.name.as_str(), flags, Mode::empty())?)
    }

    /// Who a process acts as: its effective user id.
    pub(crate) fn read_owner(&mut self, pid: u32) -> io::Result<u32> {
        self.write_name(pid, "");
        Ok(statat(&self.fd, self.name.as_str(), AtFlags::empty())?.st_uid)
    }

    fn write_name(&mut self, pid: u32, file: &str) {
        self.name.clear();
        // A string takes whatever is written to it.
        let _ = write!(self.name, "{pid}/{file}");
    }
}

/// Calls `take` with the name of each entry of an open folder.
pub(crate) fn for_each_name(
    folder: impl AsFd,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(LISTING_BYTES);
    let mut entries = RawDir::new(folder, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        take(entry?.file_name().to_bytes());
    }
    Ok(())
}

/// The first `max_bytes` of a file of a process, which the kernel hands out in
/// one piece.
pub(crate) fn read_piece(
    file: impl AsFd,
    buffer: &mut Vec<u8>,
    max_bytes: usize,
) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(max_bytes);
    for _ in 0..INTERRUPTIONS_MAX {
        match pread(&file, spare_capacity(buffer), 0) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::INTR.into())
}

/// Whether a process ended, before its file was opened or since.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::SRCH)
    )
}

/// Whether a file is none of the reader's business.
pub(crate) fn is_denied(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ACCESS | Errno::PERM)
    )
}

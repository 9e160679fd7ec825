//! Every process that a step ran, however short it lived: what the supervisor
//! asks of whoever hears from the kernel that processes ended.

mod file;

use std::fmt;
use std::path::{Path, PathBuf};

pub use file::{ExitFile, ExitRow, ExitWriter, FILE_MAX_BYTES, read_exit_file};

/// Writes down the processes of attempts as they end.
pub trait ExitLedger: fmt::Debug {
    /// An attempt's keeper is there and has started nothing yet: whatever
    /// descends from it belongs to the attempt, and goes into `file`.
    fn begin(&mut self, attempt: i64, keeper: u32, file: &Path);

    /// The attempt is over and its processes are gone. What is known of them;
    /// `None` for an attempt that was not begun.
    fn end(&mut self, attempt: i64) -> Option<Exits>;
}

/// What the kernel's exit records say of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exits {
    /// Processes that ended.
    pub processes: u64,
    /// Their CPU time by those records, which are coarse for processes of a
    /// few milliseconds; what is missing to the attempt's own figure belongs
    /// to no process. `None` without the privilege to hear what they used.
    pub cpu_usec: Option<u64>,
    /// Messages that were lost while the attempt ran, as far as they can be
    /// counted; others may have belonged to other processes.
    pub lost: u64,
}

/// Where the processes of the attempt with this log are written down.
pub fn exits_file(log: &Path) -> PathBuf {
    log.with_extension("exits")
}

//! The process table at one moment, and what processes did between two.

use std::cmp::Ordering;
use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// The run's number.
    pub run: i64,
    /// The step's id in the plan.
    pub id: String,
}

/// What names a process for as long as the machine runs: its pid, and when it
/// was forked, in ticks of 10 ms since boot.
pub type ProcessKey = (u32, u64);

/// One process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its number.
    pub pid: u32,
    /// When it was forked, in ticks of 10 ms since boot.
    pub start_ticks: u64,
    /// Its parent, 0 for those that the kernel started.
    pub parent_pid: u32,
    /// Whom it acts as; `None` where that was not read.
    pub uid: Option<u32>,
    /// The kernel's name for it (`comm`).
    pub name: Arc<str>,
    /// Its command line, secrets masked, the arguments apart by blanks; `None`
    /// where it was not read, empty for threads of the kernel.
    pub arguments: Option<Arc<str>>,
    /// The step it belongs to.
    pub step: Option<Arc<Step>>,
    /// The kernel's letter for its state.
    pub state: char,
    /// How many threads it has.
    pub threads: u32,
    /// Processor time since the fork, user mode and kernel together.
    pub cpu_usec: u64,
    /// Memory that is resident.
    pub rss_bytes: u64,
    /// Fetched from storage since the fork; `None` where it may not be read.
    pub read_bytes: Option<u64>,
    /// Sent to storage since the fork; `None` where it may not be read.
    pub write_bytes: Option<u64>,
    /// Page faults that needed no disk, since the fork.
    pub minor_faults: u64,
    /// Page faults that had to read from a disk, since the fork.
    pub major_faults: u64,
}

impl ProcessRow {
    /// Which process it is.
    pub const fn key(&self) -> ProcessKey {
        (self.pid, self.start_ticks)
    }
}

/// The process table at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFrame {
    /// When it was read, by the wall clock.
    pub time_msec: TimeMsec,
    /// The processes, sorted by their keys; none twice.
    pub rows: Vec<ProcessRow>,
    /// Processes that lived too and were not kept, for want of room.
    pub dropped: u64,
}

/// What a process did in a second, on average between two frames; `None` where
/// that cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Processor time in units of one core.
    pub cpu_ratio: Option<f64>,
    /// Fetched from storage.
    pub read_bytes_per_second: Option<f64>,
    /// Sent to storage.
    pub write_bytes_per_second: Option<f64>,
    /// Page faults that needed no disk.
    pub minor_faults_per_second: Option<f64>,
    /// Page faults that had to read from a disk.
    pub major_faults_per_second: Option<f64>,
}

/// The rates of each row of `after`, in its order. A process that began since
/// `before` counts from zero; one that is missing there for another reason has
/// no rates, and neither has a counter that went back.
pub fn derive_rates(before: &ProcessFrame, after: &ProcessFrame) -> Vec<Rates> {
    let elapsed_msec = after.time_msec.saturating_sub(before.time_msec);
    let newest = before.rows.iter().map(|row| row.start_ticks).max();
    let is_born = |row: &ProcessRow| {
        before.dropped == 0 && newest.is_some_and(|newest| row.start_ticks > newest)
    };
    let unseen = |row: &ProcessRow| {
        if is_born(row) {
            derive_row_rates(&begin(row), row, elapsed_msec)
        } else {
            Rates::default()
        }
    };
    let mut earlier = before.rows.iter().peekable();
    let rate = |row: &ProcessRow| loop {
        match earlier.peek().map(|one| one.key().cmp(&row.key())) {
            Some(Ordering::Less) => drop(earlier.next()),
            Some(Ordering::Equal) => {
                return earlier.next().map_or_else(Rates::default, |one| {
                    derive_row_rates(one, row, elapsed_msec)
                });
            }
            Some(Ordering::Greater) | None => return unseen(row),
        }
    };
    after.rows.iter().map(rate).collect()
}

/// The process when it had just been forked.
fn begin(row: &ProcessRow) -> ProcessRow {
    ProcessRow {
        cpu_usec: 0,
        read_bytes: row.read_bytes.map(|_| 0),
        write_bytes: row.write_bytes.map(|_| 0),
        minor_faults: 0,
        major_faults: 0,
        ..row.clone()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
fn derive_row_rates(before: &ProcessRow, after: &ProcessRow, elapsed_msec: i64) -> Rates {
    let per_second = |before: Option<u64>, after: Option<u64>| {
        let grown = after?.checked_sub(before?)?;
        (elapsed_msec > 0).then(|| grown as f64 * 1000.0 / elapsed_msec as f64)
    };
    let of = |get: fn(&ProcessRow) -> Option<u64>| per_second(get(before), get(after));
    Rates {
        cpu_ratio: of(|row| Some(row.cpu_usec)).map(|usec| usec / 1e6),
        read_bytes_per_second: of(|row| row.read_bytes),
        write_bytes_per_second: of(|row| row.write_bytes),
        minor_faults_per_second: of(|row| Some(row.minor_faults)),
        major_faults_per_second: of(|row| Some(row.major_faults)),
    }
}

//! Processes: a table of all of them, and how many there are.
//!
//! `/proc/PID/stat` is read of every process in every sample, from a file that
//! stays open; if its bytes are those of the last read, nothing else is done.
//! What seldom changes is read now and then, and what may block by a worker.

pub(crate) mod cold;
pub(crate) mod detail;
mod entry;
mod folder;
pub(crate) mod hidden;
mod kin;
mod options;
mod plan;
mod rates;
mod round;
mod row;
pub(crate) mod stat;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod user;
mod worker;

pub use kin::derive_roots;
pub use options::ProcessOptions;
pub use rates::{Before, ProcessRates, derive_process};
pub use row::{ColdFields, ProcessRow, Pss, PssMeasure};
use stat::parse_process_stat;
pub use stat::{ProcessCounts, ProcessIdentity, ProcessIo};
pub(crate) use table::Births;
pub use table::ProcessTable;
pub use user::UserNames;

use std::fs;
use std::path::Path;

use crate::cpu::StatCounters;
use crate::field::{metric, values};
use crate::source::{Source, render_error};

values! {
    /// The processes that procfs lists.
    pub struct ProcessSample;
    /// How many, threads of processes not counted.
    count = "processes", One,
        metric!(Gauge, "lfs_host_processes", "Number of processes of the whole machine, kernel threads included.");
    /// How many of them are kernel threads, which grow with the cores.
    kernel_threads = "kernel threads", One,
        metric!(Gauge, "lfs_host_kernel_threads", "Number of kernel threads.");
}

/// Reads the table, and counts.
pub(crate) fn read_processes(
    source: &mut Source,
    table: &mut ProcessTable,
    procfs: &Path,
    boottime_usec: u64,
    births: Option<Births>,
) -> ProcessSample {
    match table.read(source, boottime_usec, births) {
        Ok(()) => ProcessSample {
            count: Some(table.count()),
            kernel_threads: table.count_kernel_threads(),
        },
        Err(error) => {
            source.note("processes", procfs, render_error(&error));
            ProcessSample::default()
        }
    }
}

/// Counts only; how many are kernel threads is told as of the last look.
pub(crate) fn count_processes(
    source: &mut Source,
    table: &mut ProcessTable,
    procfs: &Path,
) -> ProcessSample {
    match table.read_count() {
        Ok(count) => ProcessSample {
            count: Some(count),
            kernel_threads: table.count_kernel_threads(),
        },
        Err(error) => {
            source.note("processes", procfs, render_error(&error));
            ProcessSample::default()
        }
    }
}

/// The parent of a process now.
pub(crate) fn read_parent(procfs: &Path, pid: u32) -> Option<u32> {
    let stat = fs::read(procfs.join(pid.to_string()).join("stat")).ok()?;
    // The size of a page matters to none of this.
    Some(parse_process_stat(&stat, 1)?.counts.parent_pid)
}

/// All processes that descend from one, by whose child each is now.
pub(crate) fn read_descendants(procfs: &Path, pid: u32) -> Vec<u32> {
    let names = fs::read_dir(procfs).into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut others: Vec<(u32, u32)> = pids
        .filter_map(|pid| Some((pid, read_parent(procfs, pid)?)))
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        others.retain(|(child, parent_of_child)| {
            let is_child = *parent_of_child == parent;
            if is_child {
                found.push(*child);
            }
            !is_child
        });
        next += 1;
    }
    found.split_off(1)
}

/// How many processes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFrame {
    /// All of them, threads of processes not counted.
    pub count: u64,
    /// How many of them are kernel threads.
    pub kernel_threads: Option<u64>,
    /// Tasks that run or could, threads counted.
    pub running: Option<u64>,
    /// Tasks that wait for I/O, threads counted.
    pub blocked: Option<u64>,
}

/// The processes' frame.
pub(crate) fn derive_processes(
    processes: &ProcessSample,
    stat: &StatCounters,
) -> Option<ProcessFrame> {
    Some(ProcessFrame {
        count: processes.count?,
        kernel_threads: processes.kernel_threads,
        running: stat.procs_running,
        blocked: stat.procs_blocked,
    })
}

//! How many processes there are: the numbered folders of procfs.

use std::fs;
use std::io;
use std::path::Path;

use crate::field::{metric, values};
use crate::sample::Sample;
use crate::source::{Source, render_error};
use crate::text::parse_u64;

values! {
    /// The processes that procfs lists.
    pub struct ProcessSample;
    /// How many, threads not counted.
    count = "processes", One,
        metric!(Gauge, "lfs_host_processes", "Number of processes of the whole machine.");
}

/// Counts the numbered folders of procfs.
pub(crate) fn read_processes(source: &mut Source, procfs: &Path) -> ProcessSample {
    let count = match count_processes(procfs) {
        // The reader itself is one: this folder is no procfs.
        Ok(0) => Err("no process in it".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(render_error(&error)),
    };
    let count = count.map_err(|why| source.note("processes", procfs, why));
    ProcessSample { count: count.ok() }
}

fn count_processes(procfs: &Path) -> io::Result<u64> {
    let names = fs::read_dir(procfs)?
        .flatten()
        .map(|entry| entry.file_name());
    let numbers = names.filter(|name| parse_u64(name.as_encoded_bytes()).is_some());
    Ok(numbers.count() as u64)
}

/// How many processes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFrame {
    /// All of them, threads not counted.
    pub count: u64,
    /// Tasks that run or could, threads counted.
    pub running: Option<u64>,
    /// Tasks that wait for I/O, threads counted.
    pub blocked: Option<u64>,
}

/// The processes' frame.
pub(crate) fn derive_processes(next: &Sample) -> Option<ProcessFrame> {
    Some(ProcessFrame {
        count: next.processes.count?,
        running: next.cpu.counters.procs_running,
        blocked: next.cpu.counters.procs_blocked,
    })
}

//! How many processes there are: the numbered folders of procfs, and which of
//! them are threads of the kernel.

use std::fs;
use std::io;
use std::path::Path;

use crate::cpu::StatCounters;
use crate::field::{metric, values};
use crate::source::{Source, render_error};
use crate::text::{parse_u64, words};

/// The pid of kthreadd, the parent of every kernel thread.
const KTHREADD: u64 = 2;

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

/// Counts the numbered folders of procfs.
pub(crate) fn read_processes(source: &mut Source, procfs: &Path) -> ProcessSample {
    let pids = match list_pids(procfs) {
        // The reader itself is one: this folder is no procfs.
        Ok(pids) if pids.is_empty() => Err("no process in it".to_owned()),
        Ok(pids) => Ok(pids),
        Err(error) => Err(render_error(&error)),
    };
    match pids {
        Ok(pids) => ProcessSample {
            count: Some(pids.len() as u64),
            kernel_threads: Some(count_kernel_threads(source, procfs, &pids)),
        },
        Err(why) => {
            source.note("processes", procfs, why);
            ProcessSample::default()
        }
    }
}

fn list_pids(procfs: &Path) -> io::Result<Vec<u64>> {
    let names = fs::read_dir(procfs)?
        .flatten()
        .map(|entry| entry.file_name());
    Ok(names
        .filter_map(|name| parse_u64(name.as_encoded_bytes()))
        .collect())
}

/// kthreadd and its children; none where it cannot be seen, as in a PID
/// namespace. Without CONFIG_PROC_CHILDREN every process is asked for its
/// parent; one that has ended meanwhile counts for nothing.
fn count_kernel_threads(source: &mut Source, procfs: &Path, pids: &[u64]) -> u64 {
    let of = |name: &str| procfs.join(KTHREADD.to_string()).join(name);
    let is_kthreadd = |name: &[u8]| name.trim_ascii_end() == b"kthreadd";
    if !source.read_text(&of("comm")).is_ok_and(is_kthreadd) {
        return 0;
    }
    if let Ok(children) = source.read_text(&of("task/2/children")) {
        return 1 + words(children.trim_ascii_end()).count() as u64;
    }
    let parent = |pid: &u64| {
        let stat = procfs.join(pid.to_string()).join("stat");
        source.read_text(&stat).ok().and_then(parse_parent)
    };
    1 + pids
        .iter()
        .filter_map(parent)
        .filter(|parent| *parent == KTHREADD)
        .count() as u64
}

/// The parent's pid in a `/proc/PID/stat` (proc_pid_stat(5)). The name before
/// it stands in parentheses and may hold any byte.
fn parse_parent(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    words(stat.get(name_end + 1..)?).nth(1).and_then(parse_u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A procfs of kthreadd, two of its children, and two processes.
    fn tree(with_children_file: bool) -> tempfile::TempDir {
        let procfs = tempfile::TempDir::new().unwrap();
        let stats = [
            (1, "(init) S 0"),
            (2, "(kthreadd) S 0"),
            (3, "(kworker/0:0) I 2"),
            (4, "(odd) name) 2) I 2"),
            (50, "(sh) 2 (x) S 1"),
        ];
        for (pid, stat) in stats {
            let folder = procfs.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("stat"), format!("{pid} {stat} 0 0\n")).unwrap();
        }
        fs::write(procfs.path().join("2/comm"), "kthreadd\n").unwrap();
        if with_children_file {
            fs::create_dir_all(procfs.path().join("2/task/2")).unwrap();
            fs::write(procfs.path().join("2/task/2/children"), "3 4 ").unwrap();
        }
        procfs
    }

    #[test]
    fn kernel_threads_are_counted_with_and_without_the_list_of_children() {
        for with_children_file in [true, false] {
            let procfs = tree(with_children_file);
            let sample = read_processes(&mut Source::default(), procfs.path());
            assert_eq!((sample.count, sample.kernel_threads), (Some(5), Some(3)));
        }
    }

    #[test]
    fn where_pid_2_is_another_process_there_are_none() {
        let procfs = tree(true);
        fs::write(procfs.path().join("2/comm"), "bash\n").unwrap();
        let sample = read_processes(&mut Source::default(), procfs.path());
        assert_eq!((sample.count, sample.kernel_threads), (Some(5), Some(0)));
    }
}

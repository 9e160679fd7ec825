//! The cgroup of supervised build steps: its processor time and processes.

pub(crate) mod step;

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::metric::Metric;
use rustix::io::Errno;

use crate::field::{metric, parse_keyed, values};
use crate::interval::{Interval, derive_delta};
use crate::source::{Source, render_error};
use crate::text::{lines, parse_u64};

/// A build has one group for each step that runs; more than this is not ours.
const GROUPS_MAX: usize = 4096;

static BUILD_CPU_SECONDS: &Metric = metric!(
    Counter,
    "lfs_build_cpu_seconds_total",
    "Seconds of processor time that supervised build steps used in each mode."
);

values! {
    /// What is exposed of the build's cgroup.
    pub struct BuildCounts;
    /// Processor time in user mode since the group was made (`cpu.stat`).
    user_usec = "user_usec", Usec, BUILD_CPU_SECONDS, "mode" = "user";
    /// Processor time in the kernel since the group was made (`cpu.stat`).
    system_usec = "system_usec", Usec, BUILD_CPU_SECONDS, "mode" = "system";
    /// Processes in the group and all below it (`cgroup.procs`).
    processes = "processes", One,
        metric!(Gauge, "lfs_build_processes", "Number of processes of supervised build steps.");
}

/// The cgroup below which supervised build steps run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildGroup {
    /// The folder's inode: a group that was removed and made again has another.
    pub inode: Option<u64>,
    /// All processor time since the group was made (`cpu.stat`).
    pub usage_usec: Option<u64>,
    /// The rest of its numbers.
    pub counts: BuildCounts,
}

/// Reads the build's cgroup; `None` when there is none, which is no build.
pub(crate) fn read_build(source: &mut Source, folder: &Path) -> Option<BuildGroup> {
    let inode = match fs::metadata(folder) {
        Ok(metadata) => metadata.ino(),
        Err(error) if is_gone(&error) => return None,
        Err(error) => {
            source.note("build", folder, render_error(&error));
            return Some(BuildGroup::default());
        }
    };
    let path = folder.join("cpu.stat");
    let cpu = source.read_text(&path).map(parse_cpu_stat);
    let processes = count_processes(source, folder);
    // A build may end while it is being read.
    if (cpu.is_err() || processes.is_err()) && !folder.exists() {
        return None;
    }
    let mut group = note_error(source, &path, cpu).unwrap_or_default();
    group.inode = Some(inode);
    group.counts.processes = note_error(source, folder, processes);
    Some(group)
}

fn note_error<T>(source: &mut Source, path: &Path, result: io::Result<T>) -> Option<T> {
    result
        .map_err(|error| source.note("build", path, render_error(&error)))
        .ok()
}

/// Parses `cpu.stat`.
pub(crate) fn parse_cpu_stat(text: &[u8]) -> BuildGroup {
    let usage = lines(text).find_map(|line| line.strip_prefix(b"usage_usec "));
    BuildGroup {
        inode: None,
        usage_usec: usage.and_then(parse_u64),
        counts: parse_keyed(text),
    }
}

/// Whether a cgroup or a file of it was removed, before it was opened or since.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || Errno::from_io_error(error) == Some(Errno::NODEV)
}

/// The processes of a group and all groups below it.
fn count_processes(source: &mut Source, folder: &Path) -> io::Result<u64> {
    let mut folders = vec![folder.to_owned()];
    let mut groups = 0;
    let mut count = 0;
    while let Some(group) = folders.pop() {
        groups += 1;
        if groups > GROUPS_MAX {
            return Err(io::Error::other(format!("more than {GROUPS_MAX} groups")));
        }
        match read_group(source, &group, &mut folders) {
            Ok(of_group) => count += of_group,
            Err(error) if is_gone(&error) && group != folder => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// The processes of one group; the groups right below it are added to
/// `folders`.
fn read_group(source: &mut Source, group: &Path, folders: &mut Vec<PathBuf>) -> io::Result<u64> {
    let count = match source.read_text(&group.join("cgroup.procs")) {
        Ok(text) => lines(text).count() as u64,
        // A threaded group has none of its own: they count where its threads'
        // processes are.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(count)
}

/// Share of the machine's processors that the build used; a build that is new
/// counts from its beginning.
pub(crate) fn derive_build_cpu(
    previous: Option<&BuildGroup>,
    next: Option<&BuildGroup>,
    cores: usize,
    interval: Interval,
) -> Option<f64> {
    let used_usec = match (previous, next) {
        (None, None) => return Some(0.0),
        (Some(_), None) => return None,
        (None, Some(after)) => after.usage_usec,
        (Some(before), Some(after)) if before.inode != after.inode => None,
        (Some(before), Some(after)) => derive_delta(before.usage_usec, after.usage_usec),
    };
    let capacity_usec = interval.usec as f64 * cores as f64;
    let used_usec = used_usec?;
    (capacity_usec > 0.0).then(|| (used_usec as f64 / capacity_usec).min(1.0))
}

/// Processes of the build; none without a build.
pub(crate) fn derive_build_processes(build: Option<&BuildGroup>) -> Option<u32> {
    match build {
        None => Some(0),
        Some(group) => u32::try_from(group.counts.processes?).ok(),
    }
}

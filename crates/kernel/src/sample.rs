//! Everything read from the kernel at one moment, still raw.

use lfs_wrapper_model::TimeMsec;

use crate::cgroup::BuildGroup;
use crate::cpu::{CpuSample, LoadAverages};
use crate::disk::DiskSample;
use crate::filesystem::FilesystemSample;
use crate::memory::{MemorySample, VmstatCounters};
use crate::network::NetworkSample;
use crate::pressure::PressureSample;
use crate::process::ProcessSample;
use crate::source::Absent;

/// Counters and gauges as the kernel gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Wall-clock time of the read.
    pub time_msec: TimeMsec,
    /// CLOCK_MONOTONIC at the read; the time between two samples is measured
    /// on it, since the wall clock may be set.
    pub monotonic_usec: u64,
    /// `/proc/stat`.
    pub cpu: CpuSample,
    /// `/proc/loadavg`.
    pub load: LoadAverages,
    /// `/proc/meminfo`.
    pub memory: MemorySample,
    /// `/proc/vmstat`.
    pub vmstat: VmstatCounters,
    /// `/proc/pressure/*`.
    pub pressure: PressureSample,
    /// `/proc/diskstats`, whole disks only.
    pub disks: Vec<DiskSample>,
    /// `/proc/self/mounts` and statvfs(3), each local device once.
    pub filesystems: Vec<FilesystemSample>,
    /// `/proc/net/dev`.
    pub networks: Vec<NetworkSample>,
    /// How many processes `/proc` lists.
    pub processes: ProcessSample,
    /// The cgroup of supervised build steps; `None` says that no build runs,
    /// a group without numbers that nothing is known of it.
    pub build: Option<BuildGroup>,
    /// What could not be read, and why.
    pub absent: Vec<Absent>,
}

impl Sample {
    /// A sample that knows nothing but its time.
    pub fn empty(time_msec: TimeMsec, monotonic_usec: u64) -> Self {
        Self {
            time_msec,
            monotonic_usec,
            cpu: CpuSample::default(),
            load: LoadAverages::default(),
            memory: MemorySample::default(),
            vmstat: VmstatCounters::default(),
            pressure: PressureSample::default(),
            disks: Vec::new(),
            filesystems: Vec::new(),
            networks: Vec::new(),
            processes: ProcessSample::default(),
            build: Some(BuildGroup::default()),
            absent: Vec::new(),
        }
    }
}

//! Everything read from the kernel at one moment, still raw.

use std::sync::Arc;

use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::Point;

use crate::cgroup::BuildGroup;
use crate::cgroup::step::StepGroup;
use crate::cpu::run_queue::RunQueueSample;
use crate::cpu::{CpuSample, LoadAverages};
use crate::disk::DiskSample;
use crate::filesystem::FilesystemSample;
use crate::memory::{MemorySample, VmstatCounters};
use crate::network::NetworkSample;
use crate::network::protocol::ProtocolCounters;
use crate::pressure::PressureSample;
use crate::process::ProcessSample;
use crate::source::Absent;

/// Counters and gauges as the kernel gave them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Wall-clock time of the read.
    pub time_msec: TimeMsec,
    /// CLOCK_MONOTONIC at the read; the time between two samples is measured
    /// on it, since the wall clock may be set.
    pub monotonic_usec: u64,
    /// `/proc/stat`.
    pub cpu: CpuSample,
    /// `/proc/schedstat`; empty where the kernel has none.
    pub run_queues: Vec<RunQueueSample>,
    /// `/proc/loadavg`.
    pub load: LoadAverages,
    /// `/proc/meminfo`.
    pub memory: MemorySample,
    /// `/proc/vmstat`.
    pub vmstat: VmstatCounters,
    /// `/proc/pressure/*`.
    pub pressure: PressureSample,
    /// `/proc/diskstats`, without what node_exporter leaves out.
    pub disks: Vec<DiskSample>,
    /// `/proc/self/mounts` and statvfs(3), each local device once.
    pub filesystems: Vec<FilesystemSample>,
    /// `/proc/net/dev`.
    pub networks: Vec<NetworkSample>,
    /// `/proc/net/snmp`, `netstat` and `snmp6`.
    pub protocols: ProtocolCounters,
    /// How many processes `/proc` lists.
    pub processes: ProcessSample,
    /// The cgroup of supervised build steps; `None` says that no build runs,
    /// a group without numbers that nothing is known of it.
    pub build: Option<BuildGroup>,
    /// The cgroups of the supervised steps that run.
    pub steps: Vec<StepGroup>,
    /// What else was read at this moment; nothing is derived from it.
    pub further: Vec<Point>,
    /// What changes slowly or takes its time, as it was read last.
    pub slow: Arc<[Point]>,
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
            run_queues: Vec::new(),
            load: LoadAverages::default(),
            memory: MemorySample::default(),
            vmstat: VmstatCounters::default(),
            pressure: PressureSample::default(),
            disks: Vec::new(),
            filesystems: Vec::new(),
            networks: Vec::new(),
            protocols: ProtocolCounters::default(),
            processes: ProcessSample::default(),
            build: Some(BuildGroup::default()),
            steps: Vec::new(),
            further: Vec::new(),
            slow: Arc::default(),
            absent: Vec::new(),
        }
    }
}

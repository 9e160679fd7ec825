//! What two samples and the time between them say: the one shape that is
//! shown, stored and watched, live and replayed alike.

use lfs_wrapper_model::TimeMsec;

use crate::cgroup::step::{StepFrame, derive_steps};
use crate::cgroup::{derive_build_cpu, derive_build_processes};
use crate::cpu::run_queue::{RunQueueFrame, derive_run_queues};
use crate::cpu::{CpuFrame, Load, derive_cpu, derive_load};
use crate::disk::frame::{DiskDeviceFrame, DiskFrame, derive_disk, derive_disk_devices};
use crate::filesystem::{FilesystemFrame, derive_filesystems};
use crate::interval::Interval;
use crate::memory::{MemoryFrame, derive_memory};
use crate::network::protocol_frame::{ProtocolFrame, derive_protocols};
use crate::network::{NetworkFrame, derive_network};
use crate::pressure::{PressureFrame, derive_pressure};
use crate::process::{ProcessFrame, derive_processes};
use crate::sample::Sample;
use crate::source::Absent;

/// The boot time the kernel gives follows the wall clock, so it moves a little
/// without a reboot.
const BOOT_TIME_DRIFT_MAX_SEC: u64 = 60;

/// The state of the machine at one moment and its rates since the one before.
/// Every ratio is 0 to 1; what could not be derived is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Wall-clock time of the newer sample.
    pub time_msec: TimeMsec,
    /// Time between the two samples; 0 where they do not follow each other,
    /// and then there are no rates.
    pub interval_usec: u64,
    /// How busy the processors were.
    pub cpu: Option<CpuFrame>,
    /// How crowded each processor was, by number; empty where the kernel does
    /// not tell.
    pub run_queues: Vec<RunQueueFrame>,
    /// Share of the whole machine's processors that the build used; 0 without
    /// a build. A build that began in between counts from its beginning.
    pub build_cpu_ratio: Option<f64>,
    /// Processes of the build; 0 without a build.
    pub build_processes: Option<u32>,
    /// The supervised steps that run.
    pub steps: Vec<StepFrame>,
    /// The load averages.
    pub load: Option<Load>,
    /// Memory and swap.
    pub memory: Option<MemoryFrame>,
    /// The local file systems, by mount point.
    pub filesystems: Vec<FilesystemFrame>,
    /// What the disks did, together.
    pub disk: Option<DiskFrame>,
    /// What each disk did, by name.
    pub disks: Vec<DiskDeviceFrame>,
    /// What the network devices did.
    pub network: Option<NetworkFrame>,
    /// How the network protocols fared.
    pub protocols: Option<ProtocolFrame>,
    /// Shares of the interval in which tasks waited for a resource.
    pub pressure: PressureFrame,
    /// How many processes there are.
    pub processes: Option<ProcessFrame>,
    /// What the newer sample lacks.
    pub absent: Vec<Absent>,
}

/// The frame of `next`, with rates since `previous`. For the first sample of
/// all, give it twice.
pub fn derive(previous: &Sample, next: &Sample) -> Frame {
    let unknown = Sample {
        // That there was no build needs no time between the samples.
        build: previous.build.clone(),
        ..Sample::empty(next.time_msec, next.monotonic_usec)
    };
    let previous = if is_followed_by(previous, next) {
        previous
    } else {
        &unknown
    };
    let interval = Interval {
        usec: next.monotonic_usec - previous.monotonic_usec,
    };
    let disks = derive_disk_devices(&previous.disks, &next.disks, interval);
    Frame {
        time_msec: next.time_msec,
        interval_usec: interval.usec,
        cpu: derive_cpu(&previous.cpu, &next.cpu),
        run_queues: derive_run_queues(&previous.run_queues, &next.run_queues, interval),
        build_cpu_ratio: derive_build_cpu(
            previous.build.as_ref(),
            next.build.as_ref(),
            next.cpu.cores.len(),
            interval,
        ),
        build_processes: derive_build_processes(next.build.as_ref()),
        steps: derive_steps(&previous.steps, &next.steps, interval),
        load: derive_load(&next.load),
        memory: derive_memory(&next.memory, &previous.vmstat, &next.vmstat, interval),
        filesystems: derive_filesystems(&previous.filesystems, &next.filesystems),
        disk: derive_disk(&disks),
        disks,
        network: derive_network(&previous.networks, &next.networks, interval),
        protocols: derive_protocols(&previous.protocols, &next.protocols, interval),
        pressure: derive_pressure(&previous.pressure, &next.pressure, interval),
        processes: derive_processes(&next.processes, &next.cpu.counters),
        absent: next.absent.clone(),
    }
}

/// Whether counters of the two may be compared at all: time went on, and the
/// machine was not booted in between.
fn is_followed_by(previous: &Sample, next: &Sample) -> bool {
    let boot_time_sec = |sample: &Sample| sample.cpu.counters.boot_time_sec;
    let rebooted = boot_time_sec(previous)
        .zip(boot_time_sec(next))
        .is_some_and(|(before, after)| before.abs_diff(after) > BOOT_TIME_DRIFT_MAX_SEC);
    previous.monotonic_usec < next.monotonic_usec && !rebooted
}

//! Memory, swap and paging: `/proc/meminfo` and `/proc/vmstat`.

use std::path::Path;

use crate::field::{metric, parse_keyed, values};
use crate::interval::{Interval, derive_delta};
use crate::source::Source;

macro_rules! meminfo {
    ($key:literal) => {
        metric!(
            Gauge,
            concat!("node_memory_", $key, "_bytes"),
            concat!("Memory information field ", $key, "_bytes.")
        )
    };
}

macro_rules! vmstat {
    ($key:literal) => {
        metric!(
            Untyped,
            concat!("node_vmstat_", $key),
            concat!("/proc/vmstat information field ", $key, ".")
        )
    };
}

values! {
    /// `/proc/meminfo`, in bytes.
    pub struct MemorySample;
    /// All memory the kernel manages.
    total_bytes = "MemTotal", One, meminfo!("MemTotal");
    /// Memory used for nothing.
    free_bytes = "MemFree", One, meminfo!("MemFree");
    /// What programs could still get without swapping; since Linux 3.14.
    available_bytes = "MemAvailable", One, meminfo!("MemAvailable");
    /// Cached blocks of devices.
    buffers_bytes = "Buffers", One, meminfo!("Buffers");
    /// Cached files, tmpfs and shared memory included.
    cached_bytes = "Cached", One, meminfo!("Cached");
    /// All swap there is.
    swap_total_bytes = "SwapTotal", One, meminfo!("SwapTotal");
    /// Swap that is not used.
    swap_free_bytes = "SwapFree", One, meminfo!("SwapFree");
    /// Written by programs, not yet to the disk.
    dirty_bytes = "Dirty", One, meminfo!("Dirty");
    /// On its way to the disk.
    writeback_bytes = "Writeback", One, meminfo!("Writeback");
    /// Memory of programs that no file backs.
    anonymous_bytes = "AnonPages", One, meminfo!("AnonPages");
    /// tmpfs and shared memory.
    shared_bytes = "Shmem", One, meminfo!("Shmem");
    /// The kernel's own objects.
    slab_bytes = "Slab", One, meminfo!("Slab");
}

values! {
    /// Counters of `/proc/vmstat` since boot.
    pub struct VmstatCounters;
    /// Pages read from swap.
    swap_in_pages = "pswpin", One, vmstat!("pswpin");
    /// Pages written to swap.
    swap_out_pages = "pswpout", One, vmstat!("pswpout");
    /// Page faults of both kinds.
    faults = "pgfault", One, vmstat!("pgfault");
    /// Page faults that had to read from a disk.
    major_faults = "pgmajfault", One, vmstat!("pgmajfault");
    /// Processes killed for want of memory; since Linux 4.13.
    oom_kills = "oom_kill", One, vmstat!("oom_kill");
}

/// Reads `/proc/meminfo`.
pub(crate) fn read_memory(source: &mut Source, procfs: &Path) -> MemorySample {
    source.read_values("memory", &procfs.join("meminfo"), parse_keyed)
}

/// Reads `/proc/vmstat`.
pub(crate) fn read_vmstat(source: &mut Source, procfs: &Path) -> VmstatCounters {
    source.read_values("vmstat", &procfs.join("vmstat"), parse_keyed)
}

/// Memory and swap.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFrame {
    /// All memory the kernel manages.
    pub total_bytes: u64,
    /// What programs could still get without swapping.
    pub available_bytes: u64,
    /// Share of all memory that is not available.
    pub used_ratio: f64,
    /// All swap there is.
    pub swap_total_bytes: Option<u64>,
    /// Swap in use.
    pub swap_used_bytes: Option<u64>,
    /// Pages read from swap.
    pub swap_in_pages_per_second: Option<f64>,
    /// Pages written to swap.
    pub swap_out_pages_per_second: Option<f64>,
    /// Page faults that had to read from a disk.
    pub major_faults_per_second: Option<f64>,
    /// Processes killed for want of memory in the interval.
    pub oom_kills: Option<u64>,
}

/// Memory's frame; `None` where the kernel does not say how much there is or
/// how much of it is available.
pub(crate) fn derive_memory(
    memory: &MemorySample,
    before: &VmstatCounters,
    after: &VmstatCounters,
    interval: Interval,
) -> Option<MemoryFrame> {
    let total_bytes = memory.total_bytes.filter(|bytes| *bytes > 0)?;
    let available_bytes = memory.available_bytes?;
    Some(MemoryFrame {
        total_bytes,
        available_bytes,
        used_ratio: total_bytes.saturating_sub(available_bytes) as f64 / total_bytes as f64,
        swap_total_bytes: memory.swap_total_bytes,
        swap_used_bytes: derive_delta(memory.swap_free_bytes, memory.swap_total_bytes),
        swap_in_pages_per_second: interval.per_second(before.swap_in_pages, after.swap_in_pages),
        swap_out_pages_per_second: interval.per_second(before.swap_out_pages, after.swap_out_pages),
        major_faults_per_second: interval.per_second(before.major_faults, after.major_faults),
        oom_kills: derive_delta(before.oom_kills, after.oom_kills),
    })
}

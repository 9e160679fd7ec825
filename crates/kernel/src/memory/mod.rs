//! Memory, swap and paging: `/proc/meminfo` and `/proc/vmstat`.

pub(crate) mod found;

use std::path::Path;

use crate::field::{Values, metric, parse_keyed, values};
use crate::interval::{Interval, derive_delta};
use crate::source::Source;

/// A gauge of bytes; where the kernel's word has parentheses, the word
/// without them is given.
macro_rules! meminfo {
    ($key:expr) => {
        metric!(
            Gauge,
            concat!("node_memory_", $key, "_bytes"),
            concat!("Memory information field ", $key, "_bytes.")
        )
    };
}

/// A gauge of things that are counted.
macro_rules! meminfo_count {
    ($key:literal) => {
        metric!(
            Gauge,
            concat!("node_memory_", $key),
            concat!("Memory information field ", $key, ".")
        )
    };
}

/// Fields that every kernel has and people look for; which of the others
/// there are depends on its configuration.
const EXPECTED: [&str; 12] = [
    "MemTotal",
    "MemFree",
    "MemAvailable",
    "Buffers",
    "Cached",
    "SwapTotal",
    "SwapFree",
    "Dirty",
    "Writeback",
    "AnonPages",
    "Shmem",
    "Slab",
];

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
    /// In memory and in swap at once.
    swap_cached_bytes = "SwapCached", One, meminfo!("SwapCached");
    /// Used of late.
    active_bytes = "Active", One, meminfo!("Active");
    /// Not used of late: the first to go.
    inactive_bytes = "Inactive", One, meminfo!("Inactive");
    /// Of the active, what no file backs.
    active_anonymous_bytes = "Active(anon)", One, meminfo!("Active_anon");
    /// Of the inactive, what no file backs.
    inactive_anonymous_bytes = "Inactive(anon)", One, meminfo!("Inactive_anon");
    /// Of the active, what a file backs.
    active_file_bytes = "Active(file)", One, meminfo!("Active_file");
    /// Of the inactive, what a file backs.
    inactive_file_bytes = "Inactive(file)", One, meminfo!("Inactive_file");
    /// What must stay in memory.
    unevictable_bytes = "Unevictable", One, meminfo!("Unevictable");
    /// Locked by mlock(2).
    locked_bytes = "Mlocked", One, meminfo!("Mlocked");
    /// What compressed swap in memory takes; since Linux 5.19, as the next.
    zswap_bytes = "Zswap", One, meminfo!("Zswap");
    /// What is in it, before compression.
    zswapped_bytes = "Zswapped", One, meminfo!("Zswapped");
    /// Files mapped by mmap(2).
    mapped_bytes = "Mapped", One, meminfo!("Mapped");
    /// The kernel's own memory that it would give back.
    kernel_reclaimable_bytes = "KReclaimable", One, meminfo!("KReclaimable");
    /// Of the kernel's objects, those it would give back.
    slab_reclaimable_bytes = "SReclaimable", One, meminfo!("SReclaimable");
    /// Of the kernel's objects, those it would not.
    slab_unreclaimable_bytes = "SUnreclaim", One, meminfo!("SUnreclaim");
    /// Stacks of tasks in the kernel.
    kernel_stack_bytes = "KernelStack", One, meminfo!("KernelStack");
    /// Shadow stacks of the kernel, where it has them.
    shadow_call_stack_bytes = "ShadowCallStack", One, meminfo!("ShadowCallStack");
    /// Tables that map addresses to memory.
    page_table_bytes = "PageTables", One, meminfo!("PageTables");
    /// Such tables of virtual machines and IOMMUs.
    secondary_page_table_bytes = "SecPageTables", One, meminfo!("SecPageTables");
    /// Sent to an NFS server, not yet written there; always 0 since Linux 5.8.
    nfs_unstable_bytes = "NFS_Unstable", One, meminfo!("NFS_Unstable");
    /// Copies for devices that reach not all memory.
    bounce_bytes = "Bounce", One, meminfo!("Bounce");
    /// Buffers of FUSE for writing back.
    writeback_temporary_bytes = "WritebackTmp", One, meminfo!("WritebackTmp");
    /// How much may be promised to programs where overcommitment is off.
    commit_limit_bytes = "CommitLimit", One, meminfo!("CommitLimit");
    /// How much was promised to programs.
    committed_bytes = "Committed_AS", One, meminfo!("Committed_AS");
    /// Address space for the kernel's own maps.
    vmalloc_total_bytes = "VmallocTotal", One, meminfo!("VmallocTotal");
    /// How much of it is used.
    vmalloc_used_bytes = "VmallocUsed", One, meminfo!("VmallocUsed");
    /// Its largest free piece; 0 since Linux 4.4.
    vmalloc_chunk_bytes = "VmallocChunk", One, meminfo!("VmallocChunk");
    /// What exists once for each processor.
    per_cpu_bytes = "Percpu", One, meminfo!("Percpu");
    /// Found bad by the test at boot.
    early_tested_corrupted_bytes = "EarlyMemtestBad", One, meminfo!("EarlyMemtestBad");
    /// Pages the hardware reported as broken.
    hardware_corrupted_bytes = "HardwareCorrupted", One, meminfo!("HardwareCorrupted");
    /// Huge pages that no file backs.
    anonymous_huge_bytes = "AnonHugePages", One, meminfo!("AnonHugePages");
    /// Huge pages of tmpfs and shared memory.
    shared_huge_bytes = "ShmemHugePages", One, meminfo!("ShmemHugePages");
    /// Those of them mapped as huge pages.
    shared_huge_mapped_bytes = "ShmemPmdMapped", One, meminfo!("ShmemPmdMapped");
    /// Huge pages of files.
    file_huge_bytes = "FileHugePages", One, meminfo!("FileHugePages");
    /// Those of them mapped as huge pages.
    file_huge_mapped_bytes = "FilePmdMapped", One, meminfo!("FilePmdMapped");
    /// Set aside for contiguous allocations.
    contiguous_total_bytes = "CmaTotal", One, meminfo!("CmaTotal");
    /// What of it is free.
    contiguous_free_bytes = "CmaFree", One, meminfo!("CmaFree");
    /// Not yet accepted by a confidential virtual machine.
    unaccepted_bytes = "Unaccepted", One, meminfo!("Unaccepted");
    /// Given back to the hypervisor; since Linux 6.16.
    balloon_bytes = "Balloon", One, meminfo!("Balloon");
    /// Of graphics drivers, what they would give back.
    reclaimable_gpu_bytes = "GPUReclaim", One, meminfo!("GPUReclaim");
    /// Of graphics drivers, what they use.
    active_gpu_bytes = "GPUActive", One, meminfo!("GPUActive");
    /// Size of one huge page of the default size.
    huge_page_bytes = "Hugepagesize", One, meminfo!("Hugepagesize");
    /// What huge pages of all sizes take.
    hugetlb_bytes = "Hugetlb", One, meminfo!("Hugetlb");
    /// Mapped for the kernel by pages of 4 KiB.
    direct_map_4k_bytes = "DirectMap4k", One, meminfo!("DirectMap4k");
    /// Mapped for the kernel by pages of 2 MiB.
    direct_map_2m_bytes = "DirectMap2M", One, meminfo!("DirectMap2M");
    /// Mapped for the kernel by pages of 1 GiB.
    direct_map_1g_bytes = "DirectMap1G", One, meminfo!("DirectMap1G");
    /// Huge pages of the default size.
    huge_pages_total = "HugePages_Total", One, meminfo_count!("HugePages_Total");
    /// Those of them that are not used.
    huge_pages_free = "HugePages_Free", One, meminfo_count!("HugePages_Free");
    /// Those of them that are free and promised.
    huge_pages_reserved = "HugePages_Rsvd", One, meminfo_count!("HugePages_Rsvd");
    /// Those of them beyond what was configured.
    huge_pages_surplus = "HugePages_Surp", One, meminfo_count!("HugePages_Surp");
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
    /// KiB read from disks.
    paged_in_kib = "pgpgin", One, vmstat!("pgpgin");
    /// KiB written to disks.
    paged_out_kib = "pgpgout", One, vmstat!("pgpgout");
}

/// Reads `/proc/meminfo`.
pub(crate) fn read_memory(source: &mut Source, procfs: &Path) -> MemorySample {
    let path = procfs.join("meminfo");
    let memory = source.read_parsed("memory", &path, parse_keyed);
    let Some(memory): Option<MemorySample> = memory else {
        return MemorySample::default();
    };
    let missing = memory.missing().into_iter();
    for key in missing.filter(|key| EXPECTED.contains(key)) {
        source.note("memory", &path, format_args!("no {key}"));
    }
    memory
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

//! Disks: `/proc/diskstats`, with `/sys/class/block` to tell disks from their
//! partitions.

use std::path::Path;

use crate::field::{Labels, Row, metric, parse_columns, values};
use crate::interval::Interval;
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_name, parse_u64, words};

/// Devices of memory or of a file, of which a machine has many that it never
/// uses.
const IDLE_PREFIXES: [&str; 3] = ["loop", "ram", "zram"];

/// Devices that pass I/O on to others or to memory: adding them to the disks
/// below would count it twice.
const STACKED_PREFIXES: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "bcache", "drbd"];

const SECTOR_BYTES: f64 = 512.0;

values! {
    /// Counters of one disk since boot, the columns of `/proc/diskstats`.
    pub struct DiskCounts;
    /// Reads that were completed.
    reads_completed = "reads_completed", One,
        metric!(Counter, "node_disk_reads_completed_total",
            "The total number of reads completed successfully.");
    /// Reads that were joined to a neighbour.
    reads_merged = "reads_merged", One,
        metric!(Counter, "node_disk_reads_merged_total", "The total number of reads merged.");
    /// Sectors of 512 bytes that were read.
    read_sectors = "read_sectors", Sectors,
        metric!(Counter, "node_disk_read_bytes_total",
            "The total number of bytes read successfully.");
    /// Time that all reads took together.
    read_msec = "read_msec", Msec,
        metric!(Counter, "node_disk_read_time_seconds_total",
            "The total number of seconds spent by all reads.");
    /// Writes that were completed.
    writes_completed = "writes_completed", One,
        metric!(Counter, "node_disk_writes_completed_total",
            "The total number of writes completed successfully.");
    /// Writes that were joined to a neighbour.
    writes_merged = "writes_merged", One,
        metric!(Counter, "node_disk_writes_merged_total", "The number of writes merged.");
    /// Sectors of 512 bytes that were written.
    written_sectors = "written_sectors", Sectors,
        metric!(Counter, "node_disk_written_bytes_total",
            "The total number of bytes written successfully.");
    /// Time that all writes took together.
    write_msec = "write_msec", Msec,
        metric!(Counter, "node_disk_write_time_seconds_total",
            "This is the total number of seconds spent by all writes.");
    /// Requests under way right now.
    io_now = "io_now", One,
        metric!(Gauge, "node_disk_io_now", "The number of I/Os currently in progress.");
    /// Time in which any request was under way.
    io_msec = "io_msec", Msec,
        metric!(Counter, "node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.");
    /// Time in which requests were under way, times their number.
    weighted_msec = "weighted_msec", Msec,
        metric!(Counter, "node_disk_io_time_weighted_seconds_total",
            "The weighted # of seconds spent doing I/Os.");
}

/// One whole disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSample {
    /// The kernel's name of it (`nvme0n1`).
    pub device: String,
    /// What it did.
    pub counts: DiskCounts,
}

impl DiskSample {
    fn begins_with_any(&self, prefixes: &[&str]) -> bool {
        prefixes
            .iter()
            .any(|prefix| self.device.starts_with(prefix))
    }

    fn is_unused(&self) -> bool {
        let counts = &self.counts;
        self.begins_with_any(&IDLE_PREFIXES)
            && counts.reads_completed == Some(0)
            && counts.writes_completed == Some(0)
    }
}

impl Row for DiskSample {
    type Values = DiskCounts;

    fn values(&self) -> &DiskCounts {
        &self.counts
    }

    fn values_mut(&mut self) -> &mut DiskCounts {
        &mut self.counts
    }

    fn labels(&self) -> Labels {
        vec![("device", self.device.clone())]
    }

    fn from_labels(series: &Series<'_>) -> Option<Self> {
        Some(Self {
            device: series.label("device")?.to_owned(),
            counts: DiskCounts::default(),
        })
    }

    fn is_named(&self, series: &Series<'_>) -> bool {
        series.label("device") == Some(&self.device)
    }
}

/// Reads `/proc/diskstats` without partitions. Without sysfs nothing tells
/// them apart, and they stay in.
pub(crate) fn read_disks(source: &mut Source, procfs: &Path, sysfs: &Path) -> Vec<DiskSample> {
    let path = procfs.join("diskstats");
    let Some(mut disks) = source.read_parsed("disk", &path, parse_diskstats) else {
        return Vec::new();
    };
    let blocks = sysfs.join("class/block");
    if !blocks.is_dir() {
        source.note("disk", &blocks, "not found: partitions count as disks");
    }
    disks.retain(|disk| !disk.is_unused() && !is_partition(&blocks, &disk.device));
    source.note_incomplete("disk", &path, &disks);
    disks
}

fn is_partition(blocks: &Path, device: &str) -> bool {
    // sysfs cannot have the slash of names such as `cciss/c0d0`.
    let folder = blocks.join(device.replace('/', "!"));
    folder.join("partition").exists()
}

/// Parses `/proc/diskstats`: major, minor, name, then the columns.
pub(crate) fn parse_diskstats(text: &[u8]) -> Vec<DiskSample> {
    let parse_line = |line| {
        let mut words = words(line);
        parse_u64(words.next()?)?;
        parse_u64(words.next()?)?;
        Some(DiskSample {
            device: parse_name(words.next()?),
            counts: parse_columns(words),
        })
    };
    lines(text).filter_map(parse_line).collect()
}

/// What the disks did, together.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskFrame {
    /// Bytes read from all disks.
    pub read_bytes_per_second: f64,
    /// Bytes written to all disks.
    pub write_bytes_per_second: f64,
    /// Reads completed by all disks.
    pub reads_per_second: f64,
    /// Writes completed by all disks.
    pub writes_per_second: f64,
    /// The disk that was busy for the longest time.
    pub busiest_device: String,
    /// Share of the interval in which that disk had a request under way.
    pub busy_ratio: f64,
}

/// The disks' frame: those present at both ends whose counters went on. Device
/// mapper, RAID and the like are left out: the disks below them count already.
pub(crate) fn derive_disk(
    previous: &[DiskSample],
    next: &[DiskSample],
    interval: Interval,
) -> Option<DiskFrame> {
    let mut frames: Vec<DiskFrame> = next
        .iter()
        .filter(|disk| !disk.begins_with_any(&STACKED_PREFIXES))
        .filter_map(|disk| {
            let before = previous
                .iter()
                .find(|before| before.device == disk.device)?;
            derive_device(before, disk, interval)
        })
        .collect();
    frames.sort_by(|one, other| one.busiest_device.cmp(&other.busiest_device));
    frames.into_iter().reduce(|sum, frame| {
        let busier = frame.busy_ratio > sum.busy_ratio;
        let busiest = if busier { &frame } else { &sum };
        DiskFrame {
            busiest_device: busiest.busiest_device.clone(),
            busy_ratio: busiest.busy_ratio,
            read_bytes_per_second: sum.read_bytes_per_second + frame.read_bytes_per_second,
            write_bytes_per_second: sum.write_bytes_per_second + frame.write_bytes_per_second,
            reads_per_second: sum.reads_per_second + frame.reads_per_second,
            writes_per_second: sum.writes_per_second + frame.writes_per_second,
        }
    })
}

/// The frame of a machine with this disk alone.
fn derive_device(
    previous: &DiskSample,
    next: &DiskSample,
    interval: Interval,
) -> Option<DiskFrame> {
    let (before, after) = (&previous.counts, &next.counts);
    let rate = |get: fn(&DiskCounts) -> Option<u64>| interval.per_second(get(before), get(after));
    let busy_msec_per_second = rate(|counts| counts.io_msec)?;
    Some(DiskFrame {
        read_bytes_per_second: rate(|counts| counts.read_sectors)? * SECTOR_BYTES,
        write_bytes_per_second: rate(|counts| counts.written_sectors)? * SECTOR_BYTES,
        reads_per_second: rate(|counts| counts.reads_completed)?,
        writes_per_second: rate(|counts| counts.writes_completed)?,
        busiest_device: next.device.clone(),
        busy_ratio: (busy_msec_per_second / 1e3).min(1.0),
    })
}

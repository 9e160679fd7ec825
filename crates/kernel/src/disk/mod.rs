//! Disks: `/proc/diskstats`.

pub(crate) mod frame;
pub(crate) mod info;
pub(crate) mod raid;

use std::path::Path;

use crate::field::{Field, Labels, Row, Values, keep_first, metric, parse_columns, values};
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_name, parse_u64, words};

/// Devices that pass I/O on to others or to memory: adding them to the disks
/// below would count it twice.
const STACKED_PREFIXES: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "bcache", "drbd"];

/// The columns that every kernel has; discards came with Linux 4.18, flushes
/// with 5.5.
const OLDEST_COLUMNS: usize = 11;

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
    /// Discards that were completed; since Linux 4.18, as the next three.
    discards_completed = "discards_completed", One,
        metric!(Counter, "node_disk_discards_completed_total",
            "The total number of discards completed successfully.");
    /// Discards that were joined to a neighbour.
    discards_merged = "discards_merged", One,
        metric!(Counter, "node_disk_discards_merged_total",
            "The total number of discards merged.");
    /// Sectors of 512 bytes that were discarded; shown as sectors.
    discarded_sectors = "discarded_sectors", One,
        metric!(Counter, "node_disk_discarded_sectors_total",
            "The total number of sectors discarded successfully.");
    /// Time that all discards took together.
    discard_msec = "discard_msec", Msec,
        metric!(Counter, "node_disk_discard_time_seconds_total",
            "This is the total number of seconds spent by all discards.");
    /// Flushes that were completed; since Linux 5.5, as the next.
    flushes_completed = "flushes_completed", One,
        metric!(Counter, "node_disk_flush_requests_total",
            "The total number of flush requests completed successfully");
    /// Time that all flushes took together.
    flush_msec = "flush_msec", Msec,
        metric!(Counter, "node_disk_flush_requests_time_seconds_total",
            "This is the total number of seconds spent by all flush requests.");
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
    /// Whether what it does is done by other devices of the list, or by memory.
    pub(crate) fn is_stacked(&self) -> bool {
        let mut prefixes = STACKED_PREFIXES.iter();
        prefixes.any(|prefix| self.device.starts_with(prefix))
    }

    fn lacks_old_columns(&self) -> bool {
        let mut oldest = DiskCounts::FIELDS.iter().take(OLDEST_COLUMNS);
        oldest.any(|field: &Field<DiskCounts>| (field.get)(&self.counts).is_none())
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

/// Reads `/proc/diskstats`, without what node_exporter leaves out by default.
pub(crate) fn read_disks(source: &mut Source, procfs: &Path) -> Vec<DiskSample> {
    let path = procfs.join("diskstats");
    let Some(mut disks) = source.read_parsed("disk", &path, parse_diskstats) else {
        return Vec::new();
    };
    disks.retain(|disk| !is_excluded(&disk.device));
    let incomplete = disks.iter().filter(|disk| disk.lacks_old_columns());
    let incomplete: Vec<DiskSample> = incomplete.cloned().collect();
    source.note_incomplete("disk", &path, &incomplete);
    disks
}

/// node_exporter's default rule:
/// `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
pub(crate) fn is_excluded(device: &str) -> bool {
    let stem = device.trim_end_matches(|last: char| last.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    let is_partition_of_nvme = || {
        let (controller, namespace) = stem.strip_prefix("nvme")?.split_once('n')?;
        let namespace = namespace.strip_suffix('p')?;
        Some(is_number(controller) && is_number(namespace))
    };
    let is_partition_of_disk = ["hd", "sd", "vd", "xvd"].iter().any(|kind| {
        let letter = stem.strip_prefix(kind).map(str::as_bytes);
        matches!(letter, Some([b'a'..=b'z']))
    });
    matches!(stem, "ram" | "loop" | "fd")
        || is_partition_of_disk
        || is_partition_of_nvme() == Some(true)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The device of which this name is a partition: partitions bear its name and
/// a number, with a `p` between where it ends in a digit itself.
pub(crate) fn derive_parent(device: &str) -> Option<&str> {
    let stem = device.trim_end_matches(|last: char| last.is_ascii_digit());
    if stem.len() == device.len() {
        return None;
    }
    let ends_in_digit = |name: &str| name.ends_with(|last: char| last.is_ascii_digit());
    let numbered = stem
        .strip_suffix('p')
        .filter(|parent| ends_in_digit(parent));
    numbered.or(Some(stem)).filter(|parent| !parent.is_empty())
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
    let mut disks = lines(text).filter_map(parse_line).collect();
    keep_first(&mut disks, |disk| disk.device.clone());
    disks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_node_exporter_leaves_out_is_left_out() {
        for (device, expected) in [
            ("ram0", true),
            ("loop12", true),
            ("fd0", true),
            ("fd", false),
            ("sda1", true),
            ("sda", false),
            ("sdaa1", false),
            ("xvdb2", true),
            ("hdz", false),
            ("vda15", true),
            ("nvme0n1", false),
            ("nvme0n1p3", true),
            ("nvme0c1n1", false),
            ("nvmen1p1", false),
            ("mmcblk0p1", false),
            ("zram0", false),
            ("dm-0", false),
            ("12", false),
            ("", false),
        ] {
            assert_eq!(is_excluded(device), expected, "{device}");
        }
    }

    #[test]
    fn a_partition_names_its_disk() {
        for (device, expected) in [
            ("sdaa1", Some("sdaa")),
            ("mmcblk0p1", Some("mmcblk0")),
            ("cciss/c0d0p1", Some("cciss/c0d0")),
            ("nvme0n1p15", Some("nvme0n1")),
            ("sda", None),
            ("1", None),
        ] {
            assert_eq!(derive_parent(device), expected, "{device}");
        }
    }

    #[test]
    fn columns_of_every_age_are_read() {
        let text = b"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n\
            8 16 sdb 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n\
            8 32 sdc 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n";
        let found: Vec<_> = parse_diskstats(text)
            .into_iter()
            .map(|disk| {
                (
                    disk.counts.discard_msec,
                    disk.counts.flush_msec,
                    disk.lacks_old_columns(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (None, None, false),
                (Some(15), None, false),
                (Some(15), Some(17), false)
            ]
        );
    }
}

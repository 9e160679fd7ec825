//! What disks did between two samples: each one, and all together.

use std::collections::{HashMap, HashSet};

use crate::disk::{DiskCounts, DiskSample, derive_parent};
use crate::interval::{Interval, derive_delta};

const SECTOR_BYTES: f64 = 512.0;

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

/// What one disk did.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskDeviceFrame {
    /// The kernel's name of it (`nvme0n1`).
    pub device: String,
    /// Its work is done by other devices, or by memory (`dm-0`, `md0`,
    /// `zram0`): no part of the sum of all disks.
    pub is_stacked: bool,
    /// Bytes read.
    pub read_bytes_per_second: f64,
    /// Bytes written.
    pub write_bytes_per_second: f64,
    /// Reads completed.
    pub reads_per_second: f64,
    /// Writes completed.
    pub writes_per_second: f64,
    /// Share of the interval in which a request was under way, 0 to 1.
    pub busy_ratio: f64,
    /// Requests under way at a time, on average over the interval.
    pub queue_requests: Option<f64>,
    /// How long a read that was completed took on average, queueing included;
    /// `None` where none was.
    pub read_msec: Option<f64>,
    /// The same of writes.
    pub write_msec: Option<f64>,
    /// Mean size of the reads and writes completed; `None` where none was.
    pub request_bytes: Option<f64>,
}

/// Each disk that was there at both ends and whose counters went on, by name.
/// Partitions of a listed disk are left out.
pub(crate) fn derive_disk_devices(
    previous: &[DiskSample],
    next: &[DiskSample],
    interval: Interval,
) -> Vec<DiskDeviceFrame> {
    let listed: HashSet<&str> = next.iter().map(|disk| disk.device.as_str()).collect();
    let is_partition =
        |device: &str| derive_parent(device).is_some_and(|parent| listed.contains(parent));
    let known: HashMap<&str, &DiskSample> = previous
        .iter()
        .map(|disk| (disk.device.as_str(), disk))
        .collect();
    let whole = next.iter().filter(|disk| !is_partition(&disk.device));
    let frames =
        whole.filter_map(|disk| derive_device(known.get(disk.device.as_str())?, disk, interval));
    let mut frames: Vec<_> = frames.collect();
    frames.sort_by(|one, other| one.device.cmp(&other.device));
    frames
}

fn derive_device(
    previous: &DiskSample,
    next: &DiskSample,
    interval: Interval,
) -> Option<DiskDeviceFrame> {
    type Get = fn(&DiskCounts) -> Option<u64>;
    let (before, after) = (&previous.counts, &next.counts);
    let rate = |get: Get| interval.per_second(get(before), get(after));
    let delta = |get: Get| derive_delta(get(before), get(after)).map(|delta| delta as f64);
    let mean =
        |sum: Option<f64>, count: Option<f64>| Some(sum? / count.filter(|count| *count > 0.0)?);
    let (reads, writes) = (
        delta(|counts| counts.reads_completed),
        delta(|counts| counts.writes_completed),
    );
    let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
    let sectors = sum(
        delta(|counts| counts.read_sectors),
        delta(|counts| counts.written_sectors),
    );
    Some(DiskDeviceFrame {
        device: next.device.clone(),
        is_stacked: next.is_stacked(),
        read_bytes_per_second: rate(|counts| counts.read_sectors)? * SECTOR_BYTES,
        write_bytes_per_second: rate(|counts| counts.written_sectors)? * SECTOR_BYTES,
        reads_per_second: rate(|counts| counts.reads_completed)?,
        writes_per_second: rate(|counts| counts.writes_completed)?,
        busy_ratio: (rate(|counts| counts.io_msec)? / 1e3).min(1.0),
        queue_requests: rate(|counts| counts.weighted_msec).map(|msec| msec / 1e3),
        read_msec: mean(delta(|counts| counts.read_msec), reads),
        write_msec: mean(delta(|counts| counts.write_msec), writes),
        request_bytes: mean(
            sectors.map(|sectors| sectors * SECTOR_BYTES),
            sum(reads, writes),
        ),
    })
}

/// The disks' frame: the sum of those that do their own work. Device mapper,
/// RAID and the like are left out: the disks below them count already.
pub(crate) fn derive_disk(devices: &[DiskDeviceFrame]) -> Option<DiskFrame> {
    let own = devices.iter().filter(|device| !device.is_stacked);
    let frames = own.map(|device| DiskFrame {
        read_bytes_per_second: device.read_bytes_per_second,
        write_bytes_per_second: device.write_bytes_per_second,
        reads_per_second: device.reads_per_second,
        writes_per_second: device.writes_per_second,
        busiest_device: device.device.clone(),
        busy_ratio: device.busy_ratio,
    });
    frames.reduce(|sum, frame| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::parse_diskstats;

    const SECOND: Interval = Interval { usec: 1_000_000 };
    const BEFORE: &[u8] = b"8 0 sda 10 0 100 50 20 0 200 100 0 1000 1000\n\
        179 0 mmcblk0 0 0 0 0 0 0 0 0 0 0 0\n179 1 mmcblk0p1 0 0 0 0 0 0 0 0 0 0 0\n\
        252 0 dm-0 0 0 0 0 0 0 0 0 0 0 0\n";

    fn devices(after: &[u8]) -> Vec<DiskDeviceFrame> {
        derive_disk_devices(&parse_diskstats(BEFORE), &parse_diskstats(after), SECOND)
    }

    #[test]
    fn a_disk_is_told_by_itself() {
        let frames = devices(b"8 0 sda 14 0 116 70 20 0 200 100 0 1500 3500\n");
        assert_eq!(
            frames,
            [DiskDeviceFrame {
                device: "sda".to_owned(),
                is_stacked: false,
                read_bytes_per_second: 16.0 * 512.0,
                write_bytes_per_second: 0.0,
                reads_per_second: 4.0,
                writes_per_second: 0.0,
                busy_ratio: 0.5,
                queue_requests: Some(2.5),
                read_msec: Some(5.0),
                write_msec: None,
                request_bytes: Some(2048.0),
            }]
        );
    }

    #[test]
    fn partitions_and_stacked_devices_are_no_part_of_the_sum() {
        let frames = devices(
            b"252 0 dm-0 9 0 9 9 9 0 9 9 0 9 9\n179 0 mmcblk0 1 0 8 1 0 0 0 0 0 1 1\n\
            179 1 mmcblk0p1 1 0 8 1 0 0 0 0 0 1 1\n",
        );
        let names: Vec<_> = frames.iter().map(|frame| frame.device.as_str()).collect();
        assert_eq!(names, ["dm-0", "mmcblk0"]);
        let sum = derive_disk(&frames).unwrap();
        assert_eq!((sum.reads_per_second, sum.writes_per_second), (1.0, 0.0));
    }

    #[test]
    fn a_disk_whose_counters_began_anew_has_no_frame() {
        let fewer_reads = b"8 0 sda 1 0 116 70 20 0 200 100 0 1500 3500\n";
        let fewer_msec = b"8 0 sda 14 0 116 1 20 0 200 100 0 1500 1\n";
        assert_eq!(devices(fewer_reads), []);
        let [frame] = &devices(fewer_msec)[..] else {
            panic!("one disk")
        };
        assert_eq!((frame.read_msec, frame.queue_requests), (None, None));
    }
}

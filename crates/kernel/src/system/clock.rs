//! The clock and single numbers of the kernel that are read with each sample.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::{read_numbered, read_value};
use crate::text::{lines, parse_u64, words};

static TIME: &Metric = metric!(
    Gauge,
    "node_time_seconds",
    "System time in seconds since epoch (1970)."
);
static ZONE_OFFSET: &Metric = metric!(
    Gauge,
    "node_time_zone_offset_seconds",
    "System time zone offset in seconds."
);
static CLOCKSOURCE_AVAILABLE: &Metric = metric!(
    Gauge,
    "node_time_clocksource_available_info",
    "Available clocksources read from '/sys/devices/system/clocksource'."
);
static CLOCKSOURCE_CURRENT: &Metric = metric!(
    Gauge,
    "node_time_clocksource_current_info",
    "Current clocksource read from '/sys/devices/system/clocksource'."
);
static SYNCHRONISED: &Metric = metric!(
    Gauge,
    "lfs_time_synchronised",
    "Whether the service that sets the clock says that it did, or wrote its drift file in the last day; no value where neither is known."
);
static FILES_ALLOCATED: &Metric = metric!(
    Gauge,
    "node_filefd_allocated",
    "File descriptor statistics: allocated."
);
static FILES_MAXIMUM: &Metric = metric!(
    Gauge,
    "node_filefd_maximum",
    "File descriptor statistics: maximum."
);
static ENTROPY: [(&str, &Metric); 2] = [
    (
        "entropy_avail",
        metric!(
            Gauge,
            "node_entropy_available_bits",
            "Bits of available entropy."
        ),
    ),
    (
        "poolsize",
        metric!(
            Gauge,
            "node_entropy_pool_size_bits",
            "Bits of entropy pool."
        ),
    ),
];
static UPTIME: &Metric = metric!(
    Gauge,
    "lfs_uptime_seconds",
    "Time since boot, suspension included."
);

/// chrony and ntpd write these hourly at most, and only while they are
/// synchronised.
const DRIFT_FILES: [&str; 4] = [
    "var/lib/chrony/drift",
    "var/lib/chrony/chrony.drift",
    "var/lib/ntpsec/ntp.drift",
    "var/lib/ntp/ntp.drift",
];
const DRIFT_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads open files, entropy and uptime: four small files kept open, for each
/// sample.
pub(crate) fn read_kernel_numbers(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let sysctl = roots.procfs.join("sys");
    let files = source.read_kept(&sysctl.join("fs/file-nr"));
    if let Some([allocated, _, maximum]) = files.ok().and_then(parse_numbers) {
        points.push(Point::plain(FILES_ALLOCATED, allocated));
        points.push(Point::plain(FILES_MAXIMUM, maximum));
    }
    for (file, metric) in ENTROPY {
        let bits = source.read_kept(&sysctl.join("kernel/random").join(file));
        if let Some([bits]) = bits.ok().and_then(parse_numbers) {
            points.push(Point::plain(metric, bits));
        }
    }
    let uptime = source.read_kept(&roots.procfs.join("uptime"));
    let uptime = uptime.ok().and_then(parse_uptime);
    points.extend(uptime.map(|seconds| Point::plain(UPTIME, seconds)));
}

/// The first numbers of the first line; `None` where one is missing.
pub(crate) fn parse_numbers<const COUNT: usize>(text: &[u8]) -> Option<[f64; COUNT]> {
    let words = lines(text).next().into_iter().flat_map(words);
    let numbers: Option<Vec<f64>> = words
        .take(COUNT)
        .map(|word| Some(parse_u64(word)? as f64))
        .collect();
    numbers?.try_into().ok()
}

/// Seconds with two decimals.
pub(crate) fn parse_uptime(text: &[u8]) -> Option<f64> {
    let word = lines(text).next().and_then(|line| words(line).next())?;
    let dot = word.iter().position(|byte| *byte == b'.')?;
    let (whole, decimals) = word.split_at_checked(dot)?;
    let hundredths = decimals
        .strip_prefix(b".")
        .filter(|decimals| decimals.len() == 2)?;
    Some(parse_u64(whole)? as f64 + parse_u64(hundredths)? as f64 / 100.0)
}

/// The sample's time and the time zone's offset then; needs no file but the
/// zone's, once.
pub(crate) fn derive_time(time_msec: TimeMsec, zone: &TimeZone, points: &mut Vec<Point>) {
    points.push(Point::plain(TIME, time_msec as f64 / 1e3));
    let Ok(timestamp) = Timestamp::from_millisecond(time_msec) else {
        return;
    };
    let info = zone.to_offset_info(timestamp);
    let labels = [("time_zone", info.abbreviation())];
    let seconds = f64::from(info.offset().seconds());
    points.push(Point::labelled(ZONE_OFFSET, &labels, seconds));
}

/// Reads which clocks the kernel has and uses; slow, since it seldom changes.
pub(crate) fn read_clocksources(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let folder = roots.sysfs.join("devices/system/clocksource");
    for (number, folder) in read_numbered(&folder, "clocksource") {
        let device = number.to_string();
        for (file, metric) in [
            ("available_clocksource", CLOCKSOURCE_AVAILABLE),
            ("current_clocksource", CLOCKSOURCE_CURRENT),
        ] {
            let names = read_value(source, &folder.join(file)).unwrap_or_default();
            points.extend(names.split_whitespace().map(|name| {
                Point::labelled(metric, &[("clocksource", name), ("device", &device)], 1.0)
            }));
        }
    }
}

/// Looks whether the clock is set by a service: systemd-timesyncd leaves a file
/// when it did, chrony and ntpd write their drift files anew; slow. The
/// kernel's own word (adjtimex(2)) cannot be asked for without unsafe code.
pub(crate) fn read_synchronised(roots: &Roots, now: SystemTime, points: &mut Vec<Point>) {
    let timesyncd = roots.rootfs.join("run/systemd/timesync");
    let of_timesyncd = timesyncd
        .is_dir()
        .then(|| timesyncd.join("synchronized").exists());
    let is_fresh = |path: &Path| {
        let written = path.metadata().and_then(|metadata| metadata.modified());
        let age = written
            .ok()
            .and_then(|written| now.duration_since(written).ok());
        age.is_some_and(|age| age < DRIFT_AGE_MAX)
    };
    let of_drift = DRIFT_FILES
        .iter()
        .any(|file| is_fresh(&roots.rootfs.join(file)));
    let synchronised = if of_drift { Some(true) } else { of_timesyncd };
    let value = synchronised.map(|is| f64::from(u8::from(is)));
    points.extend(value.map(|value| Point::plain(SYNCHRONISED, value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};
    use jiff::tz::offset;

    #[test]
    fn single_numbers_are_read() {
        let tree = Tree::new();
        assert_eq!(render(&tree, read_kernel_numbers), [""; 0]);
        tree.write("proc/sys/fs/file-nr", "1024\t0\t1631329\n");
        tree.write("proc/sys/kernel/random/entropy_avail", "1337\n");
        tree.write("proc/sys/kernel/random/poolsize", "40x6\n");
        tree.write("proc/uptime", "123.45 67.89\n");
        assert_eq!(
            render(&tree, read_kernel_numbers),
            [
                "lfs_uptime_seconds 123.45",
                "node_entropy_available_bits 1337",
                "node_filefd_allocated 1024",
                "node_filefd_maximum 1631329",
            ]
        );
    }

    #[test]
    fn half_a_line_is_no_number() {
        for text in ["", "1024\t0\n", "1 2 x\n", "1024 0 16313"] {
            assert_eq!(parse_numbers::<3>(text.as_bytes()), None, "{text}");
        }
        for text in ["", "12\n", "12.3\n", "x.45\n", "12.4x\n", "12.45"] {
            assert_eq!(parse_uptime(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_zone_gives_its_offset() {
        let mut points = Vec::new();
        derive_time(1_700_000_000_500, &TimeZone::fixed(offset(-3)), &mut points);
        assert_eq!(points[0].value, 1_700_000_000.5);
        assert_eq!(points[1].value, -10_800.0);
    }

    #[test]
    fn clocks_are_told() {
        let tree = Tree::new();
        let folder = "sys/devices/system/clocksource/clocksource0";
        tree.write(&format!("{folder}/available_clocksource"), "tsc hpet \n");
        tree.write(&format!("{folder}/current_clocksource"), "tsc\n");
        assert_eq!(
            render(&tree, read_clocksources),
            [
                "node_time_clocksource_available_info{clocksource=\"hpet\",device=\"0\"} 1",
                "node_time_clocksource_available_info{clocksource=\"tsc\",device=\"0\"} 1",
                "node_time_clocksource_current_info{clocksource=\"tsc\",device=\"0\"} 1",
            ]
        );
    }

    #[test]
    fn a_clock_is_synchronised_where_a_service_says_so() {
        let tree = Tree::new();
        let ask = |after: Duration| {
            let mut points = Vec::new();
            read_synchronised(&tree.roots(), SystemTime::now() + after, &mut points);
            points.first().map(|point| point.value)
        };
        let (soon, late) = (Duration::from_secs(3600), 2 * DRIFT_AGE_MAX);
        assert_eq!(ask(soon), None);
        tree.write("root/var/lib/chrony/chrony.drift", "1 2\n");
        assert_eq!((ask(soon), ask(late)), (Some(1.0), None));
        tree.write("root/run/systemd/timesync/other", "");
        assert_eq!((ask(soon), ask(late)), (Some(1.0), Some(0.0)));
        tree.write("root/run/systemd/timesync/synchronized", "");
        assert_eq!(ask(late), Some(1.0));
    }
}

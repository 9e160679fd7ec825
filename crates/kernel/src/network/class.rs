//! What the network devices are and how they are set up: `/sys/class/net`
//! (kernel documentation: ABI/testing/sysfs-class-net).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_hex, parse_name, parse_u64};

/// A machine with more devices than this has its first ones shown.
const DEVICES_MAX: usize = 4096;

/// A megabit a second, the unit of `speed`, in bytes.
const MEGABIT_BYTES: f64 = 125_000.0;

/// What older kernels print for a speed that is not known; newer ones print -1.
const SPEED_UNKNOWN: u64 = 0xffff_ffff;

static INFO: &Metric = metric!(
    Gauge,
    "node_network_info",
    "Non-numeric data from /sys/class/net/<iface>, value is always 1."
);
static UP: &Metric = metric!(
    Gauge,
    "node_network_up",
    "Value is 1 if operstate is 'up', 0 otherwise."
);
static SPEED: &Metric = metric!(
    Gauge,
    "node_network_speed_bytes",
    "Network device property: speed_bytes"
);

/// What a device can be (RFC 2863, ifOperStatus); anything else says nothing.
const OPERSTATES: [&[u8]; 7] = [
    b"unknown",
    b"notpresent",
    b"down",
    b"lowerlayerdown",
    b"testing",
    b"dormant",
    b"up",
];

macro_rules! property {
    ($file:literal, $kind:ident, $name:literal) => {
        (
            $file,
            metric!(
                $kind,
                concat!("node_network_", $name),
                concat!("Network device property: ", $name)
            ),
        )
    };
}

/// Files of a device that hold one number, shown as it is.
static PROPERTIES: [(&str, &Metric); 16] = [
    property!("addr_assign_type", Gauge, "address_assign_type"),
    property!("carrier", Gauge, "carrier"),
    property!("carrier_changes", Counter, "carrier_changes_total"),
    property!("carrier_up_count", Counter, "carrier_up_changes_total"),
    property!("carrier_down_count", Counter, "carrier_down_changes_total"),
    property!("dev_id", Gauge, "device_id"),
    property!("dormant", Gauge, "dormant"),
    property!("flags", Gauge, "flags"),
    property!("ifindex", Gauge, "iface_id"),
    property!("iflink", Gauge, "iface_link"),
    property!("link_mode", Gauge, "iface_link_mode"),
    property!("mtu", Gauge, "mtu_bytes"),
    property!("name_assign_type", Gauge, "name_assign_type"),
    property!("netdev_group", Gauge, "net_dev_group"),
    property!("tx_queue_len", Gauge, "transmit_queue_length"),
    property!("type", Gauge, "protocol_type"),
];

/// Packets that nobody wanted. `/proc/net/dev` does not have them.
static NO_HANDLER: (&str, &Metric) = (
    "statistics/rx_nohandler",
    metric!(
        Counter,
        "node_network_receive_nohandler_total",
        "Network device statistic receive_nohandler."
    ),
);

/// Reads every device's properties: some twenty small files each, and a driver
/// may have to ask its device, so this is for the slow readings.
pub(crate) fn read_netclass(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let folder = roots.sysfs.join("class/net");
    let devices = match list_devices(&folder) {
        Ok(devices) => devices,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return source.note("network", &folder, render_error(&error)),
    };
    if devices.len() > DEVICES_MAX {
        let why = format_args!("{} devices, {DEVICES_MAX} are shown", devices.len());
        source.note("network", &folder, why);
    }
    for device in devices.iter().take(DEVICES_MAX) {
        let name = parse_name(device.as_encoded_bytes());
        read_device(source, &folder.join(device), &name, points);
    }
}

/// The devices' folders; bonding keeps a file beside them.
fn list_devices(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    let entries = fs::read_dir(folder)?.flatten();
    let devices = entries.filter(|entry| entry.path().is_dir());
    Ok(devices.map(|entry| entry.file_name()).collect())
}

/// Reads one device. A driver refuses what does not apply to its device, such
/// as the speed of one that is down; and a device can go at any time.
fn read_device(source: &mut Source, folder: &Path, device: &str, points: &mut Vec<Point>) {
    let labels = [("device", device)];
    let mut read_line = |name: &str| read_line(source, &folder.join(name));
    for (name, metric) in PROPERTIES.iter().chain([&NO_HANDLER]) {
        let number = read_line(name).and_then(|line| parse_property(&line));
        let point = |number| Point::labelled(*metric, &labels, number as f64);
        points.extend(number.map(point));
    }
    let speed = read_line("speed").and_then(|line| parse_property(&line));
    let speed = speed.filter(|megabits| *megabits != SPEED_UNKNOWN);
    points.extend(
        speed.map(|megabits| Point::labelled(SPEED, &labels, megabits as f64 * MEGABIT_BYTES)),
    );
    let Some(operstate) = read_line("operstate") else {
        return;
    };
    if OPERSTATES.contains(&operstate.as_slice()) {
        let is_up = f64::from(u8::from(operstate == b"up"));
        points.push(Point::labelled(UP, &labels, is_up));
    }
    let mut text = |name| read_line(name).map_or_else(String::new, |line| parse_name(&line));
    let info = [
        ("address", &*text("address")),
        ("broadcast", &text("broadcast")),
        ("device", device),
        ("duplex", &text("duplex")),
        ("ifalias", &text("ifalias")),
        ("operstate", &parse_name(&operstate)),
    ];
    points.push(Point::labelled(INFO, &info, 1.0));
}

/// The first line of a file, without blanks round it; `None` where there is
/// none.
fn read_line(source: &mut Source, path: &Path) -> Option<Vec<u8>> {
    let text = source.read_text(path).ok()?;
    Some(lines(text).next()?.trim_ascii().to_owned())
}

/// A decimal number, or a hexadecimal one after `0x`. A negative one says that
/// there is none.
pub(crate) fn parse_property(line: &[u8]) -> Option<u64> {
    match line.strip_prefix(b"0x") {
        Some(digits) => parse_hex(digits),
        None => parse_u64(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn tree(devices: &[(&str, &[(&str, &str)])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (device, files) in devices {
            let device = folder.path().join("class/net").join(device);
            fs::create_dir_all(device.join("statistics")).unwrap();
            for (name, text) in *files {
                fs::write(device.join(name), text).unwrap();
            }
        }
        folder
    }

    fn read(sysfs: PathBuf) -> (Vec<String>, usize) {
        let roots = Roots {
            sysfs,
            ..Roots::default()
        };
        let (mut source, mut points) = (Source::default(), Vec::new());
        read_netclass(&mut source, &roots, &mut points);
        let render = |point: &Point| format!("{} {}", point.series(), point.value);
        let found = points.iter().map(render).collect();
        (found, source.take_absent().len())
    }

    #[test]
    fn a_device_is_what_its_files_say() {
        let folder = tree(&[
            (
                "eth0",
                &[
                    ("flags", "0x1003\n"),
                    ("mtu", "1400\n"),
                    ("speed", "2500\n"),
                    ("carrier_up_count", "3\n"),
                    ("statistics/rx_nohandler", "7\n"),
                    ("operstate", "up\n"),
                    ("address", "02:fc:00:00:00:01\n"),
                    ("ifalias", "to the \"cellar\"\n"),
                ],
            ),
            (
                "wlan0",
                &[
                    ("operstate", "dormant\n"),
                    ("speed", "-1\n"),
                    ("mtu", "15"),
                    ("flags", "0x\n"),
                    ("dev_id", "\n"),
                    ("type", ""),
                ],
            ),
            ("gone", &[]),
            ("old", &[("speed", "4294967295\n")]),
        ]);
        fs::write(folder.path().join("class/net/bonding_masters"), "bond0\n").unwrap();
        let (found, notes) = read(folder.path().to_owned());
        let expected = [
            "node_network_carrier_up_changes_total{device=\"eth0\"} 3",
            "node_network_flags{device=\"eth0\"} 4099",
            "node_network_mtu_bytes{device=\"eth0\"} 1400",
            "node_network_receive_nohandler_total{device=\"eth0\"} 7",
            "node_network_speed_bytes{device=\"eth0\"} 312500000",
            "node_network_up{device=\"eth0\"} 1",
            "node_network_info{address=\"02:fc:00:00:00:01\",broadcast=\"\",device=\"eth0\",\
             duplex=\"\",ifalias=\"to the \\\"cellar\\\"\",operstate=\"up\"} 1",
            "node_network_up{device=\"wlan0\"} 0",
            "node_network_info{address=\"\",broadcast=\"\",device=\"wlan0\",duplex=\"\",\
             ifalias=\"\",operstate=\"dormant\"} 1",
        ];
        assert_eq!(found, expected);
        assert_eq!(notes, 0);
    }

    #[test]
    fn no_sysfs_is_no_note_and_no_folder_is_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path().join("none")), (Vec::new(), 0));
        fs::create_dir(folder.path().join("class")).unwrap();
        fs::write(folder.path().join("class/net"), "").unwrap();
        assert_eq!(read(folder.path().to_owned()), (Vec::new(), 1));
    }
}

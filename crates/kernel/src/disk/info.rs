//! What udev knows of the disks: model, serial number, what is on them. Where
//! there is no udev, only the numbers of the device are given.

use std::collections::HashMap;
use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::disk::is_excluded;
use crate::field::{keep_first, metric};
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::parse_signed;
use crate::text::{lines, parse_name, parse_u64, words};

static INFO: &Metric = metric!(
    Gauge,
    "node_disk_info",
    "Info of /sys/block/<block_device>."
);
static MAPPER: &Metric = metric!(
    Gauge,
    "node_disk_device_mapper_info",
    "Info about disk device mapper."
);
static FILESYSTEM: &Metric = metric!(
    Gauge,
    "node_disk_filesystem_info",
    "Info about disk filesystem."
);

/// Properties of ATA disks that are numbers.
static ATA: [(&str, &Metric); 3] = [
    (
        "ID_ATA_WRITE_CACHE",
        metric!(
            Gauge,
            "node_disk_ata_write_cache",
            "ATA disk has a write cache."
        ),
    ),
    (
        "ID_ATA_WRITE_CACHE_ENABLED",
        metric!(
            Gauge,
            "node_disk_ata_write_cache_enabled",
            "ATA disk has its write cache enabled."
        ),
    ),
    (
        "ID_ATA_ROTATION_RATE_RPM",
        metric!(
            Gauge,
            "node_disk_ata_rotation_rate_rpm",
            "ATA disk rotation rate in RPMs (0 for SSDs)."
        ),
    ),
];

/// udev's properties of one device.
type Properties = HashMap<String, String>;

/// Reads what udev wrote down of each disk, below `run/udev/data`; slow, a file
/// a disk.
pub(crate) fn read_disk_info(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let disks = source.read_kept(&roots.procfs.join("diskstats"));
    let disks = disks.map(parse_devices).unwrap_or_default();
    let data = roots.rootfs.join("run/udev/data");
    for (major, minor, device) in disks {
        let properties = read_properties(source, &data.join(format!("b{major}:{minor}")));
        expose(
            &device,
            &major.to_string(),
            &minor.to_string(),
            &properties,
            points,
        );
    }
}

pub(crate) fn parse_devices(text: &[u8]) -> Vec<(u64, u64, String)> {
    let parse_line = |line| {
        let mut words = words(line);
        let (major, minor) = (parse_u64(words.next()?)?, parse_u64(words.next()?)?);
        Some((major, minor, parse_name(words.next()?)))
    };
    let devices = lines(text).filter_map(parse_line);
    let mut devices = devices
        .filter(|(_, _, device)| !is_excluded(device))
        .collect();
    keep_first(&mut devices, |(_, _, device)| device.clone());
    devices
}

/// Lines of `E:NAME=value`; others are not of interest.
fn read_properties(source: &mut Source, path: &Path) -> Properties {
    let text = source.read_text(path).unwrap_or_default();
    let parse_line = |line: &[u8]| {
        let line = parse_name(line.strip_prefix(b"E:")?);
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    lines(text).filter_map(parse_line).collect()
}

fn expose(
    device: &str,
    major: &str,
    minor: &str,
    properties: &Properties,
    points: &mut Vec<Point>,
) {
    let property = |name: &str| properties.get(name).map_or("", String::as_str);
    let labels = [
        ("device", device),
        ("major", major),
        ("minor", minor),
        ("model", property("ID_MODEL")),
        ("path", property("ID_PATH")),
        ("revision", property("ID_REVISION")),
        ("serial", property("ID_SERIAL_SHORT")),
        ("wwn", property("ID_WWN")),
    ];
    points.push(Point::labelled(INFO, &labels, 1.0));
    if !property("DM_NAME").is_empty() {
        let labels = [
            ("device", device),
            ("lv_layer", property("DM_LV_LAYER")),
            ("lv_name", property("DM_LV_NAME")),
            ("name", property("DM_NAME")),
            ("uuid", property("DM_UUID")),
            ("vg_name", property("DM_VG_NAME")),
        ];
        points.push(Point::labelled(MAPPER, &labels, 1.0));
    }
    if !property("ID_FS_TYPE").is_empty() {
        let labels = [
            ("device", device),
            ("type", property("ID_FS_TYPE")),
            ("usage", property("ID_FS_USAGE")),
            ("uuid", property("ID_FS_UUID")),
            ("version", property("ID_FS_VERSION")),
        ];
        points.push(Point::labelled(FILESYSTEM, &labels, 1.0));
    }
    let is_ata = !property("ID_ATA").is_empty();
    points.extend(ATA.iter().filter(|_| is_ata).filter_map(|(name, metric)| {
        let value = parse_signed(property(name).as_bytes())?;
        Some(Point::labelled(*metric, &[("device", device)], value))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn what_udev_knows_is_given() {
        let tree = Tree::new();
        tree.write(
            "proc/diskstats",
            "8 0 sda 1\n8 1 sda1 1\n252 0 dm-0 1\nx 0 sdb 1\n253 0 vda 1\n",
        );
        tree.write(
            "root/run/udev/data/b8:0",
            "S:disk/x\nE:ID_MODEL=A=\"B\"\nE:ID_SERIAL_SHORT=S1\nE:ID_ATA=1\n\
             E:ID_ATA_WRITE_CACHE=1\nE:ID_ATA_ROTATION_RATE_RPM=x\nE:broken\nE:ID_WWN=cut",
        );
        tree.write(
            "root/run/udev/data/b252:0",
            "E:DM_NAME=root\nE:DM_VG_NAME=vg\nE:ID_FS_TYPE=swap\nE:ID_FS_VERSION=2\n",
        );
        assert_eq!(
            render(&tree, read_disk_info),
            [
                "node_disk_ata_write_cache{device=\"sda\"} 1",
                "node_disk_device_mapper_info{device=\"dm-0\",lv_layer=\"\",lv_name=\"\",name=\"root\",uuid=\"\",vg_name=\"vg\"} 1",
                "node_disk_filesystem_info{device=\"dm-0\",type=\"swap\",usage=\"\",uuid=\"\",version=\"2\"} 1",
                "node_disk_info{device=\"dm-0\",major=\"252\",minor=\"0\",model=\"\",path=\"\",revision=\"\",serial=\"\",wwn=\"\"} 1",
                "node_disk_info{device=\"sda\",major=\"8\",minor=\"0\",model=\"A=\\\"B\\\"\",path=\"\",revision=\"\",serial=\"S1\",wwn=\"\"} 1",
                "node_disk_info{device=\"vda\",major=\"253\",minor=\"0\",model=\"\",path=\"\",revision=\"\",serial=\"\",wwn=\"\"} 1",
            ]
        );
    }
}

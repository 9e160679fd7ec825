//! What the machine is: its kernel, its distribution, its firmware.

pub(crate) mod clock;

use std::collections::HashMap;
use std::ffi::CStr;

use lfs_wrapper_model::metric::{Metric, Point};
use rustix::system::uname;

use crate::field::metric;
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::read_value;
use crate::text::{lines, parse_name};

static UNAME: &Metric = metric!(
    Gauge,
    "node_uname_info",
    "Labeled system information as provided by the uname system call."
);
static OS_INFO: &Metric = metric!(
    Gauge,
    "node_os_info",
    "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, \
     image_version, name, pretty_name, variant, variant_id, version, version_codename, version_id."
);
static OS_VERSION: &Metric = metric!(
    Gauge,
    "node_os_version",
    "Metric containing the major.minor part of the OS version."
);
static DMI: &Metric = metric!(
    Gauge,
    "node_dmi_info",
    "A metric with a constant '1' value labeled by bios_date, bios_release, bios_vendor, \
     bios_version, board_asset_tag, board_name, board_serial, board_vendor, board_version, \
     chassis_asset_tag, chassis_serial, chassis_vendor, chassis_version, product_family, \
     product_name, product_serial, product_sku, product_uuid, product_version, system_vendor \
     if provided by DMI."
);

/// Labels of the distribution; each is the field of the same name in capitals.
const OS_LABELS: [&str; 12] = [
    "build_id",
    "id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "pretty_name",
    "variant",
    "variant_id",
    "version",
    "version_codename",
    "version_id",
];

/// Labels of the firmware and the files they come from.
const DMI_LABELS: [(&str, &str); 20] = [
    ("bios_date", "bios_date"),
    ("bios_release", "bios_release"),
    ("bios_vendor", "bios_vendor"),
    ("bios_version", "bios_version"),
    ("board_asset_tag", "board_asset_tag"),
    ("board_name", "board_name"),
    ("board_serial", "board_serial"),
    ("board_vendor", "board_vendor"),
    ("board_version", "board_version"),
    ("chassis_asset_tag", "chassis_asset_tag"),
    ("chassis_serial", "chassis_serial"),
    ("chassis_vendor", "chassis_vendor"),
    ("chassis_version", "chassis_version"),
    ("product_family", "product_family"),
    ("product_name", "product_name"),
    ("product_serial", "product_serial"),
    ("product_sku", "product_sku"),
    ("product_uuid", "product_uuid"),
    ("product_version", "product_version"),
    ("system_vendor", "sys_vendor"),
];

/// Asks the kernel for its name and version (uname(2)), if it is the one whose
/// procfs is read; slow, since it seldom changes.
pub(crate) fn read_uname(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let uname = uname();
    let path = roots.procfs.join("sys/kernel/osrelease");
    let release = source.read_text(&path).unwrap_or_default();
    if release.trim_ascii_end() != uname.release().to_bytes() {
        return;
    }
    let text = |text: &CStr| parse_name(text.to_bytes());
    let labels = [
        ("domainname", text(uname.domainname())),
        ("machine", text(uname.machine())),
        ("nodename", text(uname.nodename())),
        ("release", text(uname.release())),
        ("sysname", text(uname.sysname())),
        ("version", text(uname.version())),
    ];
    let labels = labels
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    points.push(Point::labelled(UNAME, &labels, 1.0));
}

/// Reads what the distribution says of itself (os-release(5)); slow, since it
/// seldom changes.
pub(crate) fn read_os(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let places = ["etc/os-release", "usr/lib/os-release"];
    let fields = places.iter().find_map(|place| {
        let text = source.read_text(&roots.rootfs.join(place)).ok()?;
        Some(parse_os_release(text))
    });
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
        return;
    };
    let field = |label: &str| fields.get(&label.to_uppercase()).map_or("", String::as_str);
    let labels = OS_LABELS.map(|label| (label, field(label)));
    points.push(Point::labelled(OS_INFO, &labels, 1.0));
    let labels = ["id", "id_like", "name"].map(|label| (label, field(label)));
    let version = parse_version(field("version_id"));
    points.extend(version.map(|version| Point::labelled(OS_VERSION, &labels, version)));
}

/// Lines of `NAME=value`, the value quoted as for a shell.
pub(crate) fn parse_os_release(text: &[u8]) -> HashMap<String, String> {
    let parse_line = |line| {
        let line = parse_name(line);
        let (name, value) = line.trim().split_once('=')?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (!name.is_empty() && name.bytes().all(is_name))
            .then(|| Some((name.to_owned(), parse_quoted(value)?)))
            .flatten()
    };
    lines(text).filter_map(parse_line).collect()
}

/// A value with or without quotes; `None` where a quote is not closed.
fn parse_quoted(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return Some(rest.strip_suffix('\'')?.to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        return Some(value.to_owned());
    };
    let mut plain = String::with_capacity(rest.len());
    let mut letters = rest.strip_suffix('"')?.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next()? {
            special @ ('"' | '\\' | '$' | '`') => plain.push(special),
            other => plain.extend(['\\', other]),
        }
    }
    Some(plain)
}

/// The first two numbers of a version as one, `20.04` of `20.04.2`; `None`
/// where it begins with none.
pub(crate) fn parse_version(version: &str) -> Option<f64> {
    let end_of = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit());
        end.unwrap_or(text.len())
    };
    let major = version.get(..end_of(version))?;
    let minor = version.get(major.len()..)?.strip_prefix('.');
    let minor = minor
        .and_then(|minor| minor.get(..end_of(minor)))
        .unwrap_or_default();
    let number: f64 = format!("{major}.{minor}0").parse().ok()?;
    (!major.is_empty() && number > 0.0).then_some(number)
}

/// Reads what the firmware says of the machine; slow, since it never changes.
/// Serial numbers only the superuser may read.
pub(crate) fn read_dmi(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let folder = roots.sysfs.join("class/dmi/id");
    let mut found = Vec::new();
    for (label, file) in DMI_LABELS {
        let text = read_value(source, &folder.join(file));
        found.extend(text.map(|text| (label, text.trim().to_owned())));
    }
    if !found.is_empty() {
        let labels = found.iter().map(|(label, text)| (*label, text.as_str()));
        points.push(Point::labelled(DMI, &labels.collect::<Vec<_>>(), 1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn values_are_unquoted() {
        for (value, expected) in [
            ("debian", Some("debian")),
            ("\"a \\\"b\\\" \\$c \\d\"", Some("a \"b\" $c \\d")),
            ("'a \\$b'", Some("a \\$b")),
            ("\"open", None),
            ("'", None),
            ("", Some("")),
        ] {
            assert_eq!(parse_quoted(value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn versions_are_major_and_minor() {
        for (version, expected) in [
            ("12", Some(12.0)),
            ("20.04.2", Some(20.04)),
            ("3.", Some(3.0)),
            ("0", None),
            ("rolling", None),
            (".5", None),
            ("", None),
        ] {
            assert_eq!(parse_version(version), expected, "{version}");
        }
    }

    #[test]
    fn the_distribution_is_told() {
        let tree = Tree::new();
        assert_eq!(render(&tree, read_os), [""; 0]);
        tree.write(
            "root/usr/lib/os-release",
            "# comment\nNAME=\"Linux From Scratch\"\nID=lfs\nVERSION_ID=12.4\nBROKEN\nBUILD_ID=\"x\n",
        );
        assert_eq!(
            render(&tree, read_os),
            [
                "node_os_info{build_id=\"\",id=\"lfs\",id_like=\"\",image_id=\"\",image_version=\"\",\
                 name=\"Linux From Scratch\",pretty_name=\"\",variant=\"\",variant_id=\"\",version=\"\",\
                 version_codename=\"\",version_id=\"12.4\"} 1",
                "node_os_version{id=\"lfs\",id_like=\"\",name=\"Linux From Scratch\"} 12.4",
            ]
        );
    }

    #[test]
    fn firmware_gives_the_labels_it_has() {
        let tree = Tree::new();
        assert_eq!(render(&tree, read_dmi), [""; 0]);
        tree.write("sys/class/dmi/id/sys_vendor", "Dell Inc. \n");
        tree.write("sys/class/dmi/id/board_version", b"\xff\n");
        tree.write("sys/class/dmi/id/chassis_type", "23\n");
        assert_eq!(
            render(&tree, read_dmi),
            ["node_dmi_info{board_version=\"\u{fffd}\",system_vendor=\"Dell Inc.\"} 1"]
        );
    }

    #[test]
    fn the_kernel_names_itself() {
        let tree = Tree::new();
        assert_eq!(render(&tree, read_uname), [""; 0]);
        tree.write("proc/sys/kernel/osrelease", "2.2.0-another\n");
        assert_eq!(render(&tree, read_uname), [""; 0]);
        let release = uname().release().to_bytes().to_vec();
        tree.write(
            "proc/sys/kernel/osrelease",
            [release, b"\n".to_vec()].concat(),
        );
        let lines = render(&tree, read_uname);
        assert!(lines[0].contains("sysname=\"Linux\""), "{lines:?}");
    }
}

//! The neighbours on the local networks that the kernel knows by IPv4 address:
//! `/proc/net/arp` (arp(7)).

use std::collections::BTreeMap;
use std::io::ErrorKind;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_name, words};

static ARP_ENTRIES: &Metric = metric!(Gauge, "node_arp_entries", "ARP entries by device");

/// A machine with more devices than this that have neighbours is not believed.
const DEVICES_MAX: usize = 4096;

/// Reads how many neighbours each device has. Cheap while there are few: fit
/// for every sample. A device without neighbours has no point.
pub(crate) fn read_arp(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let path = roots.procfs.join("net/arp");
    let counted = match source.read_kept(&path) {
        Ok(text) => count_arp(text).map(|devices| render_points(&devices)),
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return source.note("network", &path, render_error(&error)),
    };
    match counted {
        Some(counted) if counted.len() <= DEVICES_MAX => points.extend(counted),
        Some(_) => {
            let why = format_args!("more than {DEVICES_MAX} devices");
            source.note("network", &path, why);
        }
        None => source.note("network", &path, "not a whole table of neighbours"),
    }
}

pub(crate) fn render_points(devices: &BTreeMap<&[u8], u64>) -> Vec<Point> {
    // Names that differ only in bytes that cannot be shown are one.
    let mut shown: BTreeMap<String, u64> = BTreeMap::new();
    for (device, count) in devices {
        *shown.entry(parse_name(device)).or_default() += count;
    }
    let to_point = |(device, count): (&String, &u64)| {
        Point::labelled(ARP_ENTRIES, &[("device", device)], *count as f64)
    };
    shown.iter().map(to_point).collect()
}

/// Neighbours by device; `None` where a line is damaged or cut short, since
/// the count of the rest would be wrong.
pub(crate) fn count_arp(text: &[u8]) -> Option<BTreeMap<&[u8], u64>> {
    if !text.ends_with(b"\n") {
        return None;
    }
    let mut lines = lines(text);
    let (columns, device) = parse_heading(lines.next()?)?;
    let mut devices = BTreeMap::new();
    for line in lines {
        if words(line).count() != columns {
            return None;
        }
        *devices.entry(words(line).nth(device)?).or_default() += 1;
    }
    Some(devices)
}

/// How many columns there are, and which is the device's. A name of two words
/// (`IP address`) has a single blank in it.
fn parse_heading(heading: &[u8]) -> Option<(usize, usize)> {
    let heading = std::str::from_utf8(heading).ok()?;
    let names = || {
        heading
            .split("  ")
            .map(str::trim)
            .filter(|name| !name.is_empty())
    };
    Some((names().count(), names().position(|name| name == "Device")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str =
        "IP address       HW type     Flags       HW address            Mask     Device\n";
    const ROW: &str =
        "192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n";

    fn count(text: &str) -> Option<Vec<(String, u64)>> {
        let devices = count_arp(text.as_bytes())?.into_iter();
        Some(
            devices
                .map(|(device, count)| (parse_name(device), count))
                .collect(),
        )
    }

    #[test]
    fn neighbours_are_counted_by_device() {
        let text = [HEADING, ROW, &ROW.replace("eth0", "br-\u{e9}"), ROW].concat();
        let expected = vec![("br-\u{e9}".to_owned(), 1), ("eth0".to_owned(), 2)];
        assert_eq!(count(&text), Some(expected));
        assert_eq!(count(HEADING), Some(Vec::new()));
        let other_order = "Device   HW type  New\neth1 0x1 5\n";
        assert_eq!(count(other_order), Some(vec![("eth1".to_owned(), 1)]));
    }

    #[test]
    fn devices_that_look_alike_are_shown_once() {
        let row = |device: &[u8]| [b"192.0.2.1 0x1 0x2 02:fc * ", device, b"\n"].concat();
        let text = [HEADING.as_bytes(), &row(b"a\xff"), &row(b"a\xfe")].concat();
        let points = render_points(&count_arp(&text).unwrap());
        let label = [("device", "a\u{fffd}")];
        assert_eq!(points, [Point::labelled(ARP_ENTRIES, &label, 2.0)]);
    }

    #[test]
    fn a_part_of_a_table_is_none() {
        let cut = [HEADING, ROW.trim_end()].concat();
        let short = [HEADING, "192.0.2.1 0x1 0x2 eth0\n"].concat();
        for text in ["", "\n", ROW, &cut, &short, "IP address   Mask\n"] {
            assert_eq!(count(text), None, "{text}");
        }
    }
}

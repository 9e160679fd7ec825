//! Memory beyond the tables: fields of newer kernels, NUMA nodes, compressed
//! memory devices.

use lfs_wrapper_model::metric::{FoundMetric, Metric, MetricKind, Point};

use crate::field::{Field, Values, keep_first, metric};
use crate::memory::{MemorySample, VmstatCounters};
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::{read_names, read_numbered};
use crate::text::{lines, parse_u64, words};

/// A kernel that has more new fields than this is none.
const FOUND_MAX: usize = 128;

/// Reads the fields of `/proc/meminfo` and `/proc/vmstat` that the tables lack,
/// of the latter those that node_exporter gives by default; slow, since newer
/// kernels seldom add what is looked for.
pub(crate) fn read_memory_found(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    if let Ok(text) = source.read_kept(&roots.procfs.join("meminfo")) {
        parse_memory_found(text, points);
    }
    if let Ok(text) = source.read_kept(&roots.procfs.join("vmstat")) {
        parse_vmstat_found(text, points);
    }
}

/// The fields of `/proc/meminfo` that the table lacks.
pub(crate) fn parse_memory_found(text: &[u8], points: &mut Vec<Point>) {
    push_new(lines(text).filter_map(parse_memory_field), points);
}

/// The fields of `/proc/vmstat` that the table lacks.
pub(crate) fn parse_vmstat_found(text: &[u8], points: &mut Vec<Point>) {
    push_new(lines(text).filter_map(parse_vmstat_field), points);
}

/// Adds each metric once.
fn push_new(found: impl Iterator<Item = Point>, points: &mut Vec<Point>) {
    let mut found: Vec<Point> = found.take(FOUND_MAX).collect();
    keep_first(&mut found, |point: &Point| point.metric.name().to_owned());
    points.append(&mut found);
}

fn parse_memory_field(line: &[u8]) -> Option<Point> {
    let (key, bytes, has_unit) = parse_field(line)?;
    let mut name = derive_name(key)?;
    if has_unit {
        name.push_str("_bytes");
    }
    let metric = format!("node_memory_{name}");
    // A field of the table may be written with or without a unit.
    let is_known = |field: &Field<_>| field.key == key || field.metric.name == metric;
    (!MemorySample::FIELDS.iter().any(is_known)).then(|| {
        let help = format!("Memory information field {name}.");
        found(metric, MetricKind::Gauge, help, &[], bytes)
    })
}

fn parse_vmstat_field(line: &[u8]) -> Option<Point> {
    let (key, number, _) = parse_field(line)?;
    let is_fault = || {
        key.strip_prefix("pg")
            .is_some_and(|rest| rest.contains("fault"))
    };
    let is_given = ["oom_kill", "pgpg", "pswp"]
        .iter()
        .any(|prefix| key.starts_with(prefix));
    let metric = format!("node_vmstat_{}", derive_name(key)?);
    let is_known = VmstatCounters::FIELDS
        .iter()
        .any(|field| field.metric.name == metric);
    ((is_given || is_fault()) && !is_known).then(|| {
        let help = format!("/proc/vmstat information field {key}.");
        found(metric, MetricKind::Untyped, help, &[], number)
    })
}

/// A line's word, its number, in bytes where the line ends in `kB`, and
/// whether it does.
fn parse_field(line: &[u8]) -> Option<(&str, f64, bool)> {
    let mut words = words(line);
    let key = std::str::from_utf8(words.next()?).ok()?;
    let number = parse_u64(words.next()?)?;
    let (scale, has_unit) = match words.next() {
        None => (1, false),
        Some(b"kB") => (1024, true),
        Some(_) => return None,
    };
    let key = key.strip_suffix(':').unwrap_or(key);
    Some((key, number.checked_mul(scale)? as f64, has_unit))
}

/// The word as part of a metric's name: `Active(anon)` is `Active_anon`; `None`
/// where other characters than those of names remain.
fn derive_name(key: &str) -> Option<String> {
    let name = match key.strip_suffix(')').and_then(|key| key.split_once('(')) {
        Some((outer, inner)) => format!("{outer}_{inner}"),
        None => key.to_owned(),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

fn found(
    name: String,
    kind: MetricKind,
    help: String,
    labels: &[(&'static str, &str)],
    value: f64,
) -> Point {
    Point::labelled(FoundMetric { name, kind, help }, labels, value)
}

/// Reads each NUMA node's memory and where its pages came from, where there is
/// more than one node; slow, a file or two a node. node_exporter has these
/// names and more of the same file, but not by default.
pub(crate) fn read_numa(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let nodes = read_numbered(&roots.sysfs.join("devices/system/node"), "node");
    if nodes.len() < 2 {
        return;
    }
    for (node, folder) in nodes {
        let node = node.to_string();
        let labels = [("node", node.as_str())];
        if let Ok(text) = source.read_text(&folder.join("meminfo")) {
            let fields = lines(text).filter_map(|line| parse_node_memory(line, &labels));
            push_new(fields, points);
        }
        if let Ok(text) = source.read_text(&folder.join("numastat")) {
            let fields = lines(text).filter_map(|line| parse_node_counter(line, &labels));
            push_new(fields, points);
        }
    }
}

pub(crate) fn parse_node_memory(line: &[u8], labels: &[(&'static str, &str)]) -> Option<Point> {
    // `Node 0 MemTotal:  …`; what follows is as in /proc/meminfo.
    let field = line.strip_prefix(b"Node ")?;
    let blank = field.iter().position(|byte| *byte == b' ')?;
    let (key, bytes, _) = parse_field(field.get(blank..)?)?;
    matches!(key, "MemTotal" | "MemFree" | "MemUsed").then(|| {
        let help = format!("Memory information field {key}.");
        let name = format!("node_memory_numa_{key}");
        found(name, MetricKind::Gauge, help, labels, bytes)
    })
}

pub(crate) fn parse_node_counter(line: &[u8], labels: &[(&'static str, &str)]) -> Option<Point> {
    let (key, pages, _) = parse_field(line)?;
    let key = derive_name(key)?;
    let help = format!("Memory information field {key}_total.");
    let name = format!("node_memory_numa_{key}_total");
    Some(found(name, MetricKind::Counter, help, labels, pages))
}

/// The first columns of `mm_stat`.
static ZRAM: [&Metric; 3] = [
    metric!(
        Gauge,
        "lfs_zram_original_bytes",
        "What a compressed memory device holds, before compression."
    ),
    metric!(
        Gauge,
        "lfs_zram_compressed_bytes",
        "What a compressed memory device holds, after compression."
    ),
    metric!(
        Gauge,
        "lfs_zram_used_bytes",
        "Memory that a compressed memory device takes, its bookkeeping included."
    ),
];

/// Reads what the zram devices hold and take; slow, a file a device.
pub(crate) fn read_zram(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let blocks = roots.sysfs.join("class/block");
    for device in read_names(&blocks) {
        if !device.starts_with("zram") {
            continue;
        }
        let Ok(text) = source.read_text(&blocks.join(&device).join("mm_stat")) else {
            continue;
        };
        let columns = lines(text).next().into_iter().flat_map(words);
        for (metric, word) in ZRAM.iter().zip(columns) {
            let bytes = parse_u64(word).map(|bytes| bytes as f64);
            points
                .extend(bytes.map(|bytes| Point::labelled(*metric, &[("device", &device)], bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn fields_of_newer_kernels_are_found() {
        let tree = Tree::new();
        tree.write(
            "proc/meminfo",
            "MemTotal: 5 kB\nActive(anon): 1 kB\nNew(kind): 3 kB\nNewCount: 7\n\
             New(kind): 9 kB\nActive_anon: 1 kB\nMemTotal_bytes: 1\n\
             New-kind: 3 kB\nNewOdd: 3 MB\nNewBad: x kB\nNewCut: 3 kB",
        );
        tree.write(
            "proc/vmstat",
            "pgfault 5\npgdemote_fault_x 3\npgpgnew 4\npgpgnew 5\nnr_free_pages 9\npgfault_x -1\n",
        );
        assert_eq!(
            render(&tree, read_memory_found),
            [
                "node_memory_NewCount 7",
                "node_memory_New_kind_bytes 3072",
                "node_vmstat_pgdemote_fault_x 3",
                "node_vmstat_pgpgnew 4",
            ]
        );
    }

    #[test]
    fn nodes_are_told_where_there_are_several() {
        let tree = Tree::new();
        let node = |number: u32| {
            let folder = format!("sys/devices/system/node/node{number}");
            let memory = format!(
                "Node {number} MemTotal: 10 kB\nNode {number} MemFree: 4 kB\n\
                 Node {number} Active(anon): 1 kB\nNode\nNode 1MemUsed: 1 kB\n"
            );
            tree.write(&format!("{folder}/meminfo"), memory);
            tree.write(&format!("{folder}/numastat"), "numa_hit 5\nnuma_miss x\n");
        };
        node(0);
        assert_eq!(render(&tree, read_numa), [""; 0]);
        node(1);
        assert_eq!(
            render(&tree, read_numa),
            [
                "node_memory_numa_MemFree{node=\"0\"} 4096",
                "node_memory_numa_MemFree{node=\"1\"} 4096",
                "node_memory_numa_MemTotal{node=\"0\"} 10240",
                "node_memory_numa_MemTotal{node=\"1\"} 10240",
                "node_memory_numa_numa_hit_total{node=\"0\"} 5",
                "node_memory_numa_numa_hit_total{node=\"1\"} 5",
            ]
        );
    }

    #[test]
    fn zram_is_told_by_device() {
        let tree = Tree::new();
        tree.write(
            "sys/class/block/zram0/mm_stat",
            "  4096 74 12288 0 12288 0 0 0 0\n",
        );
        tree.write("sys/class/block/zram1/mm_stat", "9 x");
        tree.write("sys/class/block/sda/mm_stat", "1 2 3\n");
        assert_eq!(
            render(&tree, read_zram),
            [
                "lfs_zram_compressed_bytes{device=\"zram0\"} 74",
                "lfs_zram_original_bytes{device=\"zram0\"} 4096",
                "lfs_zram_used_bytes{device=\"zram0\"} 12288",
            ]
        );
    }
}

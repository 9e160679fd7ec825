//! Thermal zones and what cools them, memory controllers' error counts, and
//! what processors and memory have used of energy.

use std::collections::HashMap;
use std::path::Path;

use lfs_wrapper_model::metric::{FoundMetric, Metric, MetricKind, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::{read_names, read_number, read_numbered, read_value};

static ZONE_TEMPERATURE: &Metric = metric!(
    Gauge,
    "node_thermal_zone_temp",
    "Zone temperature in Celsius"
);
static COOLING: [(&str, &Metric); 2] = [
    (
        "cur_state",
        metric!(
            Gauge,
            "node_cooling_device_cur_state",
            "Current throttle state of the cooling device"
        ),
    ),
    (
        "max_state",
        metric!(
            Gauge,
            "node_cooling_device_max_state",
            "Maximum throttle state of the cooling device"
        ),
    ),
];

/// Reads `/sys/class/thermal`; slow: some zones are read from a chip.
pub(crate) fn read_thermal(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let class = roots.sysfs.join("class/thermal");
    for (zone, folder) in read_numbered(&class, "thermal_zone") {
        let kind = read_value(source, &folder.join("type"));
        let millidegrees = read_number(source, &folder.join("temp"));
        if let (Some(kind), Some(millidegrees)) = (kind, millidegrees) {
            let labels = [("type", kind.trim()), ("zone", &zone.to_string())];
            points.push(Point::labelled(
                ZONE_TEMPERATURE,
                &labels,
                millidegrees / 1e3,
            ));
        }
    }
    for (device, folder) in read_numbered(&class, "cooling_device") {
        let Some(kind) = read_value(source, &folder.join("type")) else {
            continue;
        };
        let labels = [("name", &*device.to_string()), ("type", kind.trim())];
        for (file, metric) in COOLING {
            let state = read_number(source, &folder.join(file));
            points.extend(state.map(|state| Point::labelled(metric, &labels, state)));
        }
    }
}

/// Where a controller has its count, whose it is, and the metric.
static CONTROLLER_ERRORS: [(&str, &Metric); 2] = [
    (
        "ce_count",
        metric!(
            Counter,
            "node_edac_correctable_errors_total",
            "Total correctable memory errors."
        ),
    ),
    (
        "ue_count",
        metric!(
            Counter,
            "node_edac_uncorrectable_errors_total",
            "Total uncorrectable memory errors."
        ),
    ),
];
static ROW_ERRORS: [(&str, &str, &Metric); 2] = [
    (
        "ce_count",
        "ce_noinfo_count",
        metric!(
            Counter,
            "node_edac_csrow_correctable_errors_total",
            "Total correctable memory errors for this csrow."
        ),
    ),
    (
        "ue_count",
        "ue_noinfo_count",
        metric!(
            Counter,
            "node_edac_csrow_uncorrectable_errors_total",
            "Total uncorrectable memory errors for this csrow."
        ),
    ),
];

/// Reads the memory controllers' counts of errors (EDAC); slow, several files a
/// controller.
pub(crate) fn read_memory_errors(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    for (number, folder) in read_numbered(&roots.sysfs.join("devices/system/edac/mc"), "mc") {
        let controller = number.to_string();
        for (file, metric) in CONTROLLER_ERRORS {
            let count = read_count(source, &folder.join(file));
            let labels = [("controller", controller.as_str())];
            points.extend(count.map(|count| Point::labelled(metric, &labels, count)));
        }
        for (file, file_unknown, metric) in ROW_ERRORS {
            let rows = read_numbered(&folder, "csrow").into_iter();
            let rows = rows.map(|(row, folder)| (row.to_string(), folder.join(file)));
            let unknown = ("unknown".to_owned(), folder.join(file_unknown));
            for (row, path) in rows.chain([unknown]) {
                let labels = [("controller", controller.as_str()), ("csrow", &row)];
                let count = read_count(source, &path);
                points.extend(count.map(|count| Point::labelled(metric, &labels, count)));
            }
        }
    }
}

/// A number that is never negative.
fn read_count(source: &mut Source, path: &Path) -> Option<f64> {
    read_number(source, path).filter(|count| *count >= 0.0)
}

/// Reads the energy that processors' parts have used (RAPL), which only the
/// superuser may; slow, two files a part. The counters begin anew at the
/// hardware's range, after minutes to hours.
pub(crate) fn read_energy(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let class = roots.sysfs.join("class/powercap");
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut has_nameless = false;
    for zone in read_names(&class) {
        if !zone.starts_with("intel-rapl:") && !zone.starts_with("intel-rapl-mmio:") {
            continue;
        }
        let folder = class.join(&zone);
        let name = read_value(source, &folder.join("name"));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            has_nameless = true;
            continue;
        };
        // Which number the parts of this name have is not known any more.
        if has_nameless && parse_numbered(name.trim()).is_none() {
            continue;
        }
        let (name, index) = derive_zone(name.trim(), &mut seen);
        if let Some(microjoules) = read_count(source, &folder.join("energy_uj")) {
            let metric = FoundMetric {
                name: format!("node_rapl_{}_joules_total", derive_name(&name)),
                kind: MetricKind::Counter,
                help: format!("Current RAPL {name} value in joules"),
            };
            let path = folder.display().to_string();
            let labels = [("index", index.as_str()), ("path", path.as_str())];
            points.push(Point::labelled(metric, &labels, microjoules / 1e6));
        }
    }
}

/// The number that a name ends in, and what is before.
fn parse_numbered(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `package-1` is package 1; parts without a number are counted.
fn derive_zone(name: &str, seen: &mut HashMap<String, u32>) -> (String, String) {
    if let Some((name, number)) = parse_numbered(name) {
        return (name.to_owned(), number.to_owned());
    }
    let count = seen.entry(name.to_owned()).or_default();
    let index = count.to_string();
    *count += 1;
    (name.to_owned(), index)
}

/// As part of a metric's name.
fn derive_name(name: &str) -> String {
    let clean = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    name.chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn zones_and_coolers_are_told() {
        let tree = Tree::new();
        let class = "sys/class/thermal";
        tree.write(&format!("{class}/thermal_zone0/type"), "acpitz\n");
        tree.write(&format!("{class}/thermal_zone0/temp"), "-44500\n");
        tree.write(&format!("{class}/thermal_zone1/type"), "iwlwifi\n");
        tree.write(&format!("{class}/cooling_device3/type"), "Processor\n");
        tree.write(&format!("{class}/cooling_device3/cur_state"), "-1\n");
        tree.write(&format!("{class}/cooling_device3/max_state"), "x\n");
        assert_eq!(
            render(&tree, read_thermal),
            [
                "node_cooling_device_cur_state{name=\"3\",type=\"Processor\"} -1",
                "node_thermal_zone_temp{type=\"acpitz\",zone=\"0\"} -44.5",
            ]
        );
    }

    #[test]
    fn memory_errors_are_told_by_row() {
        let tree = Tree::new();
        let folder = "sys/devices/system/edac/mc/mc1";
        for (file, text) in [
            ("ce_count", "7\n"),
            ("ue_count", "x\n"),
            ("ce_noinfo_count", "2\n"),
            ("csrow3/ce_count", "5\n"),
            ("csrow3/ue_count", "1\n"),
        ] {
            tree.write(&format!("{folder}/{file}"), text);
        }
        assert_eq!(
            render(&tree, read_memory_errors),
            [
                "node_edac_correctable_errors_total{controller=\"1\"} 7",
                "node_edac_csrow_correctable_errors_total{controller=\"1\",csrow=\"3\"} 5",
                "node_edac_csrow_correctable_errors_total{controller=\"1\",csrow=\"unknown\"} 2",
                "node_edac_csrow_uncorrectable_errors_total{controller=\"1\",csrow=\"3\"} 1",
            ]
        );
    }

    #[test]
    fn energy_is_told_by_part() {
        let tree = Tree::new();
        for (zone, name, energy) in [
            ("intel-rapl:0", "package-0\n", "2000000\n"),
            ("intel-rapl:0:0", "core\n", "500000\n"),
            ("intel-rapl:1:0", "core\n", "7\n"),
            ("intel-rapl:1:1", "dram x\n", "0\n"),
            ("intel-rapl:2", "package-2\n", "cut?"),
            ("intel-rapl-mmio:0", "package-0\n", "9000000\n"),
        ] {
            tree.write(&format!("sys/class/powercap/{zone}/name"), name);
            tree.write(&format!("sys/class/powercap/{zone}/energy_uj"), energy);
        }
        let class = tree.path("sys/class/powercap").display().to_string();
        assert_eq!(
            render(&tree, read_energy),
            [
                format!(
                    "node_rapl_core_joules_total{{index=\"0\",path=\"{class}/intel-rapl:0:0\"}} 0.5"
                ),
                format!(
                    "node_rapl_core_joules_total{{index=\"1\",path=\"{class}/intel-rapl:1:0\"}} 0.000007"
                ),
                format!(
                    "node_rapl_dram_x_joules_total{{index=\"0\",path=\"{class}/intel-rapl:1:1\"}} 0"
                ),
                format!(
                    "node_rapl_package_joules_total{{index=\"0\",path=\"{class}/intel-rapl-mmio:0\"}} 9"
                ),
                format!(
                    "node_rapl_package_joules_total{{index=\"0\",path=\"{class}/intel-rapl:0\"}} 2"
                ),
            ]
        );
    }

    #[test]
    fn a_machine_without_any_gives_nothing() {
        for read in [read_thermal, read_memory_errors, read_energy] {
            assert_eq!(render(&Tree::new(), read), [""; 0]);
        }
    }
}

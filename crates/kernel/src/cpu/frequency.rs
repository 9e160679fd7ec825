//! What sysfs says of each processor: its frequency, how often it was slowed
//! down for heat, and whether the scheduler leaves it alone.

use std::collections::HashSet;
use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::{read_number, read_numbered, read_value};
use crate::text::parse_u64;

/// More processors than this are no list of the kernel's.
pub(crate) const LISTED_MAX: u64 = 1 << 16;

macro_rules! frequency {
    ($name:literal, $help:literal) => {
        metric!(Gauge, concat!("node_cpu_", $name, "_hertz"), $help)
    };
}

/// Files of kHz below `cpufreq`.
static FREQUENCIES: [(&str, &Metric); 6] = [
    (
        "cpuinfo_cur_freq",
        frequency!("frequency", "Current cpu thread frequency in hertz."),
    ),
    (
        "cpuinfo_min_freq",
        frequency!("frequency_min", "Minimum cpu thread frequency in hertz."),
    ),
    (
        "cpuinfo_max_freq",
        frequency!("frequency_max", "Maximum cpu thread frequency in hertz."),
    ),
    (
        "scaling_cur_freq",
        frequency!(
            "scaling_frequency",
            "Current scaled CPU thread frequency in hertz."
        ),
    ),
    (
        "scaling_min_freq",
        frequency!(
            "scaling_frequency_min",
            "Minimum scaled CPU thread frequency in hertz."
        ),
    ),
    (
        "scaling_max_freq",
        frequency!(
            "scaling_frequency_max",
            "Maximum scaled CPU thread frequency in hertz."
        ),
    ),
];

static CORE_THROTTLES: &Metric = metric!(
    Counter,
    "node_cpu_core_throttles_total",
    "Number of times this CPU core has been throttled."
);
static PACKAGE_THROTTLES: &Metric = metric!(
    Counter,
    "node_cpu_package_throttles_total",
    "Number of times this CPU package has been throttled."
);
static ISOLATED: &Metric = metric!(
    Gauge,
    "node_cpu_isolated",
    "Whether each core is isolated, information from /sys/devices/system/cpu/isolated."
);

/// Reads the frequencies; slow, several files a processor, and some drivers
/// interrupt the processor to answer.
pub(crate) fn read_cpu_frequencies(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    for (core, folder) in read_numbered(&roots.sysfs.join("devices/system/cpu"), "cpu") {
        let cpu = core.to_string();
        for (file, metric) in FREQUENCIES {
            let khz = read_number(source, &folder.join("cpufreq").join(file));
            let hertz = khz.filter(|khz| *khz >= 0.0).map(|khz| khz * 1e3);
            points.extend(hertz.map(|hertz| Point::labelled(metric, &[("cpu", &cpu)], hertz)));
        }
    }
}

/// Reads how often cores and packages were throttled, each once, whatever the
/// number of threads on it; slow, several files a processor.
pub(crate) fn read_cpu_throttles(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let (mut cores, mut packages) = (HashSet::new(), HashSet::new());
    for (_, folder) in read_numbered(&roots.sysfs.join("devices/system/cpu"), "cpu") {
        let mut topology = |file: &str| read_value(source, &folder.join("topology").join(file));
        let (Some(package), Some(core)) = (topology("physical_package_id"), topology("core_id"))
        else {
            continue;
        };
        let throttle = folder.join("thermal_throttle");
        let mut count = |file: &str| read_count(source, &throttle.join(file));
        if !cores.contains(&(package.clone(), core.clone()))
            && let Some(count) = count("core_throttle_count")
        {
            let labels = [("core", core.as_str()), ("package", package.as_str())];
            points.push(Point::labelled(CORE_THROTTLES, &labels, count));
            cores.insert((package.clone(), core));
        }
        if !packages.contains(&package)
            && let Some(count) = count("package_throttle_count")
        {
            points.push(Point::labelled(
                PACKAGE_THROTTLES,
                &[("package", &package)],
                count,
            ));
            packages.insert(package);
        }
    }
}

fn read_count(source: &mut Source, path: &Path) -> Option<f64> {
    read_number(source, path).filter(|count| *count >= 0.0)
}

/// Reads which processors the scheduler leaves alone; slow, since it stands
/// still from boot on.
pub(crate) fn read_cpu_isolated(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let path = roots.sysfs.join("devices/system/cpu/isolated");
    let cores = read_value(source, &path).and_then(|list| parse_list(&list));
    points.extend(
        cores
            .into_iter()
            .flatten()
            .map(|core| Point::labelled(ISOLATED, &[("cpu", &core.to_string())], 1.0)),
    );
}

/// Numbers and ranges between commas, `0-3,8`; `None` where it is no such list.
pub(crate) fn parse_list(text: &str) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_u64(first.as_bytes())?, parse_u64(last.as_bytes())?);
        if last >= LISTED_MAX {
            return None;
        }
        // No processor is named twice, however often a damaged list does.
        let next = numbers.last().map_or(0, |number| number + 1);
        numbers.extend(first.max(next)..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn lists_are_numbers_and_ranges() {
        for (text, expected) in [
            ("1,3-5", Some(vec![1, 3, 4, 5])),
            ("0-2,1-3,0-3", Some(vec![0, 1, 2, 3])),
            ("", Some(vec![])),
            ("2-x", None),
            ("0-99999999999", None),
        ] {
            assert_eq!(parse_list(text), expected, "{text}");
        }
    }

    #[test]
    fn threads_of_a_core_count_once() {
        let tree = Tree::new();
        for (cpu, package, core, core_count) in [
            (0, 0, 0, "5"),
            (1, 0, 0, "5"),
            (2, 0, 1, "-1"),
            (10, 1, 0, "x"),
        ] {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}");
            tree.write(
                &format!("{folder}/topology/physical_package_id"),
                format!("{package}\n"),
            );
            tree.write(&format!("{folder}/topology/core_id"), format!("{core}\n"));
            let throttle = format!("{folder}/thermal_throttle");
            tree.write(
                &format!("{throttle}/core_throttle_count"),
                format!("{core_count}\n"),
            );
            tree.write(&format!("{throttle}/package_throttle_count"), "30\n");
        }
        assert_eq!(
            render(&tree, read_cpu_throttles),
            [
                "node_cpu_core_throttles_total{core=\"0\",package=\"0\"} 5",
                "node_cpu_package_throttles_total{package=\"0\"} 30",
                "node_cpu_package_throttles_total{package=\"1\"} 30",
            ]
        );
    }

    #[test]
    fn frequencies_are_hertz() {
        let tree = Tree::new();
        let folder = "sys/devices/system/cpu/cpu7/cpufreq";
        tree.write(&format!("{folder}/scaling_cur_freq"), "1219917\n");
        tree.write(&format!("{folder}/scaling_max_freq"), "<unsupported>\n");
        assert_eq!(
            render(&tree, read_cpu_frequencies),
            ["node_cpu_scaling_frequency_hertz{cpu=\"7\"} 1219917000"]
        );
    }

    #[test]
    fn a_container_without_sysfs_gives_nothing() {
        let tree = Tree::new();
        for read in [read_cpu_frequencies, read_cpu_throttles, read_cpu_isolated] {
            assert_eq!(render(&tree, read), [""; 0]);
        }
    }
}

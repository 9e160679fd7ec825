//! Batteries and mains: `/sys/class/power_supply` (kernel documentation,
//! ABI/testing/sysfs-class-power).

use lfs_wrapper_model::metric::{FoundMetric, Metric, MetricKind, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::{read_names, read_number, read_value};

static INFO: &Metric = metric!(
    Gauge,
    "node_power_supply_info",
    "info of /sys/class/power_supply/<power_supply>."
);

/// Files whose text is a label; the label bears the file's name.
const LABELS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

/// Files that are numbers, with what their metric is called and the steps that
/// its unit has: the kernel gives millionths of amperes, volts, watts and their
/// hours, and tenths of degrees.
const NUMBERS: [(&str, &str, f64); 49] = [
    ("authentic", "authentic", 1.0),
    ("calibrate", "calibrate", 1.0),
    ("capacity", "capacity", 1.0),
    ("capacity_alert_max", "capacity_alert_max", 1.0),
    ("capacity_alert_min", "capacity_alert_min", 1.0),
    ("charge_control_limit", "charge_control_limit", 1e6),
    ("charge_control_limit_max", "charge_control_limit_max", 1e6),
    ("charge_counter", "charge_counter", 1e6),
    ("charge_empty", "charge_empty", 1e6),
    ("charge_empty_design", "charge_empty_design", 1e6),
    ("charge_full", "charge_full", 1e6),
    ("charge_full_design", "charge_full_design", 1e6),
    ("charge_now", "charge_ampere", 1e6),
    ("charge_term_current", "charge_term_current", 1e6),
    ("constant_charge_current", "constant_charge_current", 1e6),
    (
        "constant_charge_current_max",
        "constant_charge_current_max",
        1e6,
    ),
    ("constant_charge_voltage", "constant_charge_voltage", 1e6),
    (
        "constant_charge_voltage_max",
        "constant_charge_voltage_max",
        1e6,
    ),
    ("current_boot", "current_boot", 1e6),
    ("current_max", "current_max", 1e6),
    ("current_now", "current_ampere", 1e6),
    ("cycle_count", "cyclecount", 1.0),
    ("energy_empty", "energy_empty", 1e6),
    ("energy_empty_design", "energy_empty_design", 1e6),
    ("energy_full", "energy_full", 1e6),
    ("energy_full_design", "energy_full_design", 1e6),
    ("energy_now", "energy_watthour", 1e6),
    ("input_current_limit", "input_current_limit", 1e6),
    ("online", "online", 1.0),
    ("power_now", "power_watt", 1e6),
    ("precharge_current", "precharge_current", 1e6),
    ("present", "present", 1.0),
    ("temp", "temp_celsius", 10.0),
    ("temp_alert_max", "temp_alert_max_celsius", 10.0),
    ("temp_alert_min", "temp_alert_min_celsius", 10.0),
    ("temp_ambient", "temp_ambient_celsius", 10.0),
    ("temp_ambient_max", "temp_ambient_max_celsius", 10.0),
    ("temp_ambient_min", "temp_ambient_min_celsius", 10.0),
    ("temp_max", "temp_max_celsius", 10.0),
    ("temp_min", "temp_min_celsius", 10.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("voltage_boot", "voltage_boot", 1e6),
    ("voltage_max", "voltage_max", 1e6),
    ("voltage_max_design", "voltage_max_design", 1e6),
    ("voltage_min", "voltage_min", 1e6),
    ("voltage_min_design", "voltage_min_design", 1e6),
    ("voltage_now", "voltage_volt", 1e6),
    ("voltage_ocv", "voltage_ocv", 1e6),
];

/// Reads all supplies; slow: batteries answer over a slow bus.
pub(crate) fn read_power_supplies(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let class = roots.sysfs.join("class/power_supply");
    for supply in read_names(&class) {
        let folder = class.join(&supply);
        let mut texts = Vec::new();
        for label in LABELS {
            let text = read_value(source, &folder.join(label)).unwrap_or_default();
            let text = text.trim();
            if !text.is_empty() {
                texts.push((label, text.to_owned()));
            }
        }
        let mut labels: Vec<(&'static str, &str)> = vec![("power_supply", &supply)];
        labels.extend(texts.iter().map(|(label, text)| (*label, text.as_str())));
        labels.sort_unstable_by_key(|label| label.0);
        points.push(Point::labelled(INFO, &labels, 1.0));
        for (file, name, steps) in NUMBERS {
            if let Some(number) = read_number(source, &folder.join(file)) {
                let metric = FoundMetric {
                    name: format!("node_power_supply_{name}"),
                    kind: MetricKind::Gauge,
                    help: format!("{name} value of /sys/class/power_supply/<power_supply>."),
                };
                let labels = [("power_supply", supply.as_str())];
                points.push(Point::labelled(metric, &labels, number / steps));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn supplies_are_told_with_their_units() {
        let tree = Tree::new();
        for (file, text) in [
            ("AC/type", "Mains\n"),
            ("AC/online", "0\n"),
            ("BAT0/status", "Not charging\n"),
            ("BAT0/model_name", " \n"),
            ("BAT0/charge_now", "1853000\n"),
            ("BAT0/current_now", "-1200000\n"),
            ("BAT0/temp", "315\n"),
            ("BAT0/cycle_count", "71\n"),
            ("BAT0/voltage_now", "unknown\n"),
        ] {
            tree.write(&format!("sys/class/power_supply/{file}"), text);
        }
        let supply = "power_supply=\"BAT0\"";
        assert_eq!(
            render(&tree, read_power_supplies),
            [
                format!("node_power_supply_charge_ampere{{{supply}}} 1.853"),
                format!("node_power_supply_current_ampere{{{supply}}} -1.2"),
                format!("node_power_supply_cyclecount{{{supply}}} 71"),
                "node_power_supply_info{power_supply=\"AC\",type=\"Mains\"} 1".to_owned(),
                format!("node_power_supply_info{{{supply},status=\"Not charging\"}} 1"),
                "node_power_supply_online{power_supply=\"AC\"} 0".to_owned(),
                format!("node_power_supply_temp_celsius{{{supply}}} 31.5"),
            ]
        );
        assert_eq!(render(&Tree::new(), read_power_supplies), [""; 0]);
    }
}

//! Sensors of temperature, fans, voltage, current, power and energy:
//! `/sys/class/hwmon` (kernel documentation, hwmon/sysfs-interface), with
//! node_exporter's names of chips, sensors and metrics.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use lfs_wrapper_model::metric::{FoundMetric, Metric, MetricKind, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::Source;
use crate::sysfs::{parse_signed, read_names, read_numbered, read_value};

static CHIP_NAMES: &Metric = metric!(
    Gauge,
    "node_hwmon_chip_names",
    "Annotation metric for human-readable chip names"
);
static SENSOR_LABEL: &Metric = metric!(
    Gauge,
    "node_hwmon_sensor_label",
    "Label for given chip and sensor"
);
static BEEP_ENABLED: &Metric = metric!(Gauge, "node_hwmon_beep_enabled", "Hardware beep enabled");
static REGULATOR_VERSION: &Metric = metric!(
    Gauge,
    "node_hwmon_voltage_regulator_version",
    "Hardware voltage regulator"
);
static UPDATE_INTERVAL: &Metric = metric!(
    Gauge,
    "node_hwmon_update_interval_seconds",
    "Hardware monitor update interval"
);

/// Kinds of sensors that are given.
const KINDS: [&str; 13] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
];

/// A sensor, by kind and number, and its files' text by what they are of it:
/// `input`, `max`, `label`; empty for a file that bears the sensor's own name.
type Sensors = BTreeMap<(&'static str, u64), BTreeMap<String, String>>;

/// Reads all sensors; slow: some chips take milliseconds for each file.
pub(crate) fn read_sensors(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let mut chips = HashSet::new();
    for (number, folder) in read_numbered(&roots.sysfs.join("class/hwmon"), "hwmon") {
        let name = read_value(source, &folder.join("name")).map(|name| derive_clean(&name));
        let name = name.filter(|name| !name.is_empty());
        let folder_name = format!("hwmon{number}");
        let chip = read_device_name(&folder).or_else(|| name.clone());
        // Chips of one name without a device would be one and the same.
        let chip = chip
            .filter(|chip| !chips.contains(chip))
            .unwrap_or(folder_name);
        if let Some(name) = name {
            let labels = [("chip", chip.as_str()), ("chip_name", name.as_str())];
            points.push(Point::labelled(CHIP_NAMES, &labels, 1.0));
        }
        let mut sensors = Sensors::new();
        read_files(source, &folder, &mut sensors);
        // Old drivers have their files with the device.
        read_files(source, &folder.join("device"), &mut sensors);
        for ((kind, number), files) in &sensors {
            expose_sensor(&chip, kind, &format!("{kind}{number}"), files, points);
        }
        chips.insert(chip);
    }
}

fn read_files(source: &mut Source, folder: &Path, sensors: &mut Sensors) {
    for file in read_names(folder) {
        let Some((kind, number, element)) = parse_file_name(&file) else {
            continue;
        };
        if let Some(text) = read_value(source, &folder.join(&file)) {
            let files = sensors.entry((kind, number)).or_default();
            files.insert(element.to_owned(), text);
        }
    }
}

/// `temp1_max_hyst` is the kind `temp`, number 1, element `max_hyst`; a file
/// without a number is of number 0.
pub(crate) fn parse_file_name(name: &str) -> Option<(&'static str, u64, &str)> {
    let digits = name.find(|letter: char| letter.is_ascii_digit());
    let (kind, rest) = name.split_at_checked(digits.unwrap_or(name.len()))?;
    let kind = KINDS.into_iter().find(|known| *known == kind)?;
    let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let number = rest.strip_suffix(after)?;
    let number = if number.is_empty() {
        0
    } else {
        number.parse().ok()?
    };
    let element = match after {
        "" => "",
        after => after
            .strip_prefix('_')
            .filter(|element| !element.is_empty())?,
    };
    Some((kind, number, element))
}

/// The chip's name by the device it belongs to: the last two names of its path
/// (`platform_coretemp_0`).
fn read_device_name(folder: &Path) -> Option<String> {
    let device = folder.join("device").canonicalize().ok()?;
    let clean = |path: &Path| Some(derive_clean(path.file_name()?.to_str()?));
    let name = clean(&device).filter(|name| !name.is_empty())?;
    let bus = device
        .parent()
        .and_then(clean)
        .filter(|bus| !bus.is_empty());
    Some(bus.map_or_else(|| name.clone(), |bus| format!("{bus}_{name}")))
}

/// Small letters, digits, colons and underscores, without underscores at the
/// ends.
pub(crate) fn derive_clean(name: &str) -> String {
    let name = name.to_lowercase();
    let cleaned: String = name
        .chars()
        .map(|letter| match letter {
            'a'..='z' | '0'..='9' | ':' | '_' => letter,
            _ => '_',
        })
        .collect();
    cleaned.trim_matches('_').to_owned()
}

fn expose_sensor(
    chip: &str,
    kind: &str,
    sensor: &str,
    files: &BTreeMap<String, String>,
    points: &mut Vec<Point>,
) {
    let labels = [("chip", chip), ("sensor", sensor)];
    let own = files
        .get("")
        .and_then(|text| parse_signed(text.trim().as_bytes()));
    let known = match kind {
        "beep_enable" => Some((BEEP_ENABLED, 1.0)),
        "vrm" => Some((REGULATOR_VERSION, 1.0)),
        "update_interval" => Some((UPDATE_INTERVAL, 1e3)),
        _ => None,
    };
    if let Some((metric, scale)) = known {
        points.extend(own.map(|own| Point::labelled(metric, &labels, own / scale)));
        return;
    }
    for (element, text) in files {
        if element == "label" {
            let labels = [("chip", chip), ("label", text), ("sensor", sensor)];
            points.push(Point::labelled(SENSOR_LABEL, &labels, 1.0));
        } else if let (Some(raw), Some((metric, scale))) = (
            parse_signed(text.trim().as_bytes()),
            derive_metric(kind, element, files),
        ) {
            points.push(Point::labelled(metric, &labels, raw / scale));
        }
    }
}

/// The metric of a file, and how many of the file's steps its unit has; `None`
/// where no metric can have its name.
fn derive_metric(
    kind: &str,
    element: &str,
    files: &BTreeMap<String, String>,
) -> Option<(FoundMetric, f64)> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !element.bytes().all(is_name) {
        return None;
    }
    let is_plain = element.is_empty() || (element == "input" && !files.contains_key(""));
    let name = if is_plain {
        format!("node_hwmon_{kind}")
    } else {
        format!("node_hwmon_{kind}_{element}")
    };
    let (suffix, help, scale) = derive_unit(kind, element);
    let is_counter = kind == "energy" && suffix == "_joule_total";
    let kind = if is_counter {
        MetricKind::Counter
    } else {
        MetricKind::Gauge
    };
    Some((
        FoundMetric {
            name: format!("{name}{suffix}"),
            kind,
            help,
        },
        scale,
    ))
}

/// The unit at the end of a metric's name, its help, and how many of the file's
/// steps that unit has.
fn derive_unit(kind: &str, element: &str) -> (&'static str, String, f64) {
    match (kind, element) {
        (_, "fault" | "alarm") => (
            "",
            format!("Hardware sensor {element} status ({kind})"),
            1.0,
        ),
        (_, "beep") => (
            "_enabled",
            "Hardware monitor sensor has beeping enabled".to_owned(),
            1.0,
        ),
        ("in" | "cpu", _) => (
            "_volts",
            format!("Hardware monitor for voltage ({element})"),
            1e3,
        ),
        ("temp", element) if element != "type" => (
            "_celsius",
            format!("Hardware monitor for temperature ({element})"),
            1e3,
        ),
        ("curr", _) => (
            "_amps",
            format!("Hardware monitor for current ({element})"),
            1e3,
        ),
        ("energy", _) => (
            "_joule_total",
            format!("Hardware monitor for joules used so far ({element})"),
            1e6,
        ),
        ("power", "accuracy") => (
            "",
            "Hardware monitor power meter accuracy, as a ratio".to_owned(),
            1e6,
        ),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => (
            "_seconds",
            format!("Hardware monitor power usage update interval ({element})"),
            1e3,
        ),
        ("power", _) => (
            "_watt",
            format!("Hardware monitor for power usage in watts ({element})"),
            1e6,
        ),
        ("humidity", _) => {
            let about = "as a ratio (multiply with 100.0 to get the humidity as a percentage)";
            (
                "",
                format!("Hardware monitor for humidity, {about} ({element})"),
                1e6,
            )
        }
        ("fan", "input" | "min" | "max" | "target") => {
            let help = format!("Hardware monitor for fan revolutions per minute ({element})");
            ("_rpm", help, 1.0)
        }
        _ => (
            "",
            format!("Hardware monitor {kind} element {element}"),
            1.0,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, render};

    #[test]
    fn files_are_told_apart_by_name() {
        for (name, expected) in [
            ("temp1_max_hyst", Some(("temp", 1, "max_hyst"))),
            ("pwm1", Some(("pwm", 1, ""))),
            ("update_interval", Some(("update_interval", 0, ""))),
            ("cpu0_vid", Some(("cpu", 0, "vid"))),
            ("temp1x", None),
            ("temp1_", None),
            ("temp99999999999999999999_input", None),
            ("power", Some(("power", 0, ""))),
            ("name", None),
            ("µ1_input", None),
        ] {
            assert_eq!(parse_file_name(name), expected, "{name}");
        }
    }

    #[test]
    fn sensors_have_node_exporters_names() {
        let tree = Tree::new();
        for (file, text) in [
            ("name", "Core.Temp-1\n"),
            ("temp1_input", "-5500\n"),
            ("temp1_label", " Package \u{b5} \n"),
            ("temp1_crit_alarm", "0\n"),
            ("temp1_type", "4\n"),
            ("temp2_input", "garbage\n"),
            ("temp3_input", ""),
            ("in0_input", "1024\n"),
            ("fan1_input", "1998\n"),
            ("fan1_div", "2\n"),
            ("fan1_alarm", "1\n"),
            ("fan1_beep", "0\n"),
            ("power1_average", "16000000\n"),
            ("power1_average_interval", "500\n"),
            ("energy1_input", "123456789\n"),
            ("pwm1", "165\n"),
            ("update_interval", "1000\n"),
        ] {
            tree.write(&format!("sys/class/hwmon/hwmon0/{file}"), text);
        }
        let chip = "chip=\"core_temp_1\"";
        let expected = [
            format!("node_hwmon_chip_names{{{chip},chip_name=\"core_temp_1\"}} 1"),
            format!("node_hwmon_energy_joule_total{{{chip},sensor=\"energy1\"}} 123.456789"),
            format!("node_hwmon_fan_alarm{{{chip},sensor=\"fan1\"}} 1"),
            format!("node_hwmon_fan_beep_enabled{{{chip},sensor=\"fan1\"}} 0"),
            format!("node_hwmon_fan_div{{{chip},sensor=\"fan1\"}} 2"),
            format!("node_hwmon_fan_rpm{{{chip},sensor=\"fan1\"}} 1998"),
            format!("node_hwmon_in_volts{{{chip},sensor=\"in0\"}} 1.024"),
            format!("node_hwmon_power_average_interval_seconds{{{chip},sensor=\"power1\"}} 0.5"),
            format!("node_hwmon_power_average_watt{{{chip},sensor=\"power1\"}} 16"),
            format!("node_hwmon_pwm{{{chip},sensor=\"pwm1\"}} 165"),
            format!(
                "node_hwmon_sensor_label{{{chip},label=\" Package \u{b5} \",sensor=\"temp1\"}} 1"
            ),
            format!("node_hwmon_temp_celsius{{{chip},sensor=\"temp1\"}} -5.5"),
            format!("node_hwmon_temp_crit_alarm_celsius{{{chip},sensor=\"temp1\"}} 0"),
            format!("node_hwmon_temp_type{{{chip},sensor=\"temp1\"}} 4"),
            format!("node_hwmon_update_interval_seconds{{{chip},sensor=\"update_interval0\"}} 1"),
        ];
        assert_eq!(render(&tree, read_sensors), expected);
    }

    #[test]
    fn chips_are_named_by_their_device_or_apart() {
        let tree = Tree::new();
        tree.write(
            "sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input",
            "1000\n",
        );
        tree.link(
            "sys/devices/platform/coretemp.0/hwmon/hwmon0/device",
            "../../../coretemp.0",
        );
        tree.link(
            "sys/class/hwmon/hwmon0",
            "../../devices/platform/coretemp.0/hwmon/hwmon0",
        );
        for number in [1, 2] {
            tree.write(&format!("sys/class/hwmon/hwmon{number}/name"), "dup\n");
        }
        assert_eq!(
            render(&tree, read_sensors),
            [
                "node_hwmon_chip_names{chip=\"dup\",chip_name=\"dup\"} 1",
                "node_hwmon_chip_names{chip=\"hwmon2\",chip_name=\"dup\"} 1",
                "node_hwmon_temp_celsius{chip=\"platform_coretemp_0\",sensor=\"temp1\"} 1",
            ]
        );
    }

    #[test]
    fn a_machine_without_sensors_gives_nothing() {
        assert_eq!(render(&Tree::new(), read_sensors), [""; 0]);
    }
}

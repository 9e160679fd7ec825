//! What a metric is, and the Prometheus text format that shows it.

use std::fmt::Write as _;

/// Whether a value only grows (until its source restarts) or goes both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Grows until its source restarts; its name ends in `_total`, the
    /// kernel's own counters of node_exporter aside.
    Counter,
    /// Goes up and down.
    Gauge,
    /// node_exporter exposes some kernel counters without a type.
    Untyped,
}

/// One entry of a metric catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// The full name, base units last (`node_memory_MemFree_bytes`).
    pub name: &'static str,
    /// Counter, gauge or untyped.
    pub kind: MetricKind,
    /// One sentence for `# HELP`.
    pub help: &'static str,
}

/// One value of one series at the time of its sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Which metric this is a value of.
    pub metric: &'static Metric,
    /// Label names and values, in the order they are shown.
    pub labels: Vec<(&'static str, String)>,
    /// The value, in the metric's base unit.
    pub value: f64,
}

impl Point {
    /// A value without labels.
    pub const fn plain(metric: &'static Metric, value: f64) -> Self {
        Self {
            metric,
            labels: Vec::new(),
            value,
        }
    }

    /// The series this point belongs to, as Prometheus writes it:
    /// `name{label="value",…}`.
    pub fn series(&self) -> String {
        let mut text = self.metric.name.to_owned();
        render_labels(&mut text, &self.labels);
        text
    }
}

/// Points as Prometheus' text exposition format 0.0.4. Points of one metric
/// must stand together.
pub fn render_prometheus(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 80);
    let mut last_name = "";
    for point in points {
        let metric = point.metric;
        if metric.name != last_name {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Untyped => "untyped",
            };
            write_line(
                &mut text,
                format_args!("# HELP {} {}", metric.name, metric.help),
            );
            write_line(&mut text, format_args!("# TYPE {} {kind}", metric.name));
            last_name = metric.name;
        }
        text.push_str(metric.name);
        render_labels(&mut text, &point.labels);
        write_line(&mut text, format_args!(" {}", render_value(point.value)));
    }
    text
}

fn write_line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
    text.push('\n');
}

fn render_labels(text: &mut String, labels: &[(&'static str, String)]) {
    if labels.is_empty() {
        return;
    }
    for (index, (name, value)) in labels.iter().enumerate() {
        text.push(if index == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push('}');
}

fn render_value(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BYTES: Metric = Metric {
        name: "node_disk_read_bytes_total",
        kind: MetricKind::Counter,
        help: "The total number of bytes read successfully.",
    };

    #[test]
    fn labels_are_escaped_and_the_header_stands_once() {
        let point = |device: &str, value| Point {
            metric: &BYTES,
            labels: vec![("device", device.to_owned())],
            value,
        };
        let text = render_prometheus(&[point("vda", 512.0), point("a\"b\\c\nd", 1e21)]);
        assert_eq!(
            text,
            "# HELP node_disk_read_bytes_total The total number of bytes read successfully.\n\
             # TYPE node_disk_read_bytes_total counter\n\
             node_disk_read_bytes_total{device=\"vda\"} 512\n\
             node_disk_read_bytes_total{device=\"a\\\"b\\\\c\\nd\"} 1000000000000000000000\n"
        );
    }
}

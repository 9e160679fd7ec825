//! Prometheus' text exposition format 0.0.4, written.

use super::point::{Point, render_escaped, render_labels};

/// The media type of [`render_prometheus`].
pub const PROMETHEUS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Points as Prometheus' text exposition format 0.0.4. Points of one family
/// must stand together.
pub fn render_prometheus(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 80);
    let mut last_name = "";
    for point in points {
        let metric = &point.metric;
        if metric.family_name() != last_name {
            last_name = metric.family_name();
            if !metric.help().is_empty() {
                text.extend(["# HELP ", last_name, " "]);
                render_escaped(&mut text, metric.help(), false);
                text.push('\n');
            }
            text.extend(["# TYPE ", last_name, " ", metric.kind().as_str(), "\n"]);
        }
        text.push_str(metric.name());
        render_labels(&mut text, &point.labels);
        text.extend([" ", &render_value(point.value), "\n"]);
    }
    text
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
    use crate::metric::{FoundMetric, Metric, MetricKind};

    static BYTES: Metric = Metric {
        name: "node_disk_read_bytes_total",
        kind: MetricKind::Counter,
        help: "The total number of bytes read successfully.",
    };

    #[test]
    fn labels_are_escaped_and_the_header_stands_once() {
        let point = |device: &str, value| Point::labelled(&BYTES, &[("device", device)], value);
        let text = render_prometheus(&[point("vda", 512.0), point("a\"b\\c\nd", 1e21)]);
        assert_eq!(
            text,
            "# HELP node_disk_read_bytes_total The total number of bytes read successfully.\n\
             # TYPE node_disk_read_bytes_total counter\n\
             node_disk_read_bytes_total{device=\"vda\"} 512\n\
             node_disk_read_bytes_total{device=\"a\\\"b\\\\c\\nd\"} 1000000000000000000000\n"
        );
    }

    #[test]
    fn help_is_escaped_and_left_out_where_there_is_none() {
        let found = |name: &str, help: &str| {
            let metric = FoundMetric {
                name: name.to_owned(),
                kind: MetricKind::Untyped,
                help: help.to_owned(),
            };
            Point::labelled(metric, &[], f64::NEG_INFINITY)
        };
        assert_eq!(
            render_prometheus(&[found("a", "one\\two\n\"three\""), found("b", "")]),
            "# HELP a one\\\\two\\n\"three\"\n# TYPE a untyped\na -Inf\n# TYPE b untyped\nb -Inf\n"
        );
    }
}

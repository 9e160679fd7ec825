//! OpenMetrics 1.0, written. Where a family cannot be what it is in the format
//! 0.0.4, because OpenMetrics is stricter, its series are exposed without a
//! type; none is left out.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::point::{Label, MetricKind, Point, render_escaped, render_labels};

/// The media type of [`render_openmetrics`].
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Points as OpenMetrics 1.0 text. Points of one family must stand together.
pub fn render_openmetrics(points: &[Point]) -> String {
    let mut text = String::with_capacity(points.len() * 80);
    let mut names: HashSet<String> = points
        .iter()
        .map(|point| point.metric.name().to_owned())
        .collect();
    let families =
        points.chunk_by(|one, next| one.metric.family_name() == next.metric.family_name());
    for family in families {
        render_family(&mut text, family, &mut names);
    }
    text.push_str("# EOF\n");
    text
}

/// `names` are those that series and families have.
fn render_family(text: &mut String, family: &[Point], names: &mut HashSet<String>) {
    let metric = &family[0].metric;
    let name = metric.family_name();
    match metric.kind() {
        MetricKind::Gauge => return render_as(text, name, "gauge", family),
        MetricKind::Counter => {
            let base = name.strip_suffix("_total").filter(|base| !base.is_empty());
            let is_count = |point: &Point| point.value >= 0.0;
            if let Some(base) = base.filter(|_| family.iter().all(is_count))
                && claim(names, base, &["", "_total", "_created"], family)
            {
                return render_as(text, base, "counter", family);
            }
        }
        kind @ (MetricKind::Histogram | MetricKind::Summary) => {
            let suffixes = [kind.suffixes(), &["_created"]].concat();
            if let Some(ordered) = derive_groups(kind, family)
                && claim(names, name, &suffixes, family)
            {
                return render_as(text, name, kind.as_str(), &ordered);
            }
        }
        MetricKind::Untyped => {}
    }
    let mut untyped = family.to_vec();
    untyped.sort_by(|one, other| one.metric.name().cmp(other.metric.name()));
    for series in untyped.chunk_by(|one, next| one.metric.name() == next.metric.name()) {
        render_as(text, series[0].metric.name(), "unknown", series);
    }
}

fn render_as(text: &mut String, name: &str, kind: &str, points: &[Point]) {
    let help = points.first().map_or("", |point| point.metric.help());
    if !help.is_empty() {
        text.extend(["# HELP ", name, " "]);
        render_escaped(text, help, true);
        text.push('\n');
    }
    text.extend(["# TYPE ", name, " ", kind, "\n"]);
    for point in points {
        text.push_str(point.metric.name());
        render_labels(text, &point.labels);
        text.extend([" ", &render_number(point.value), "\n"]);
    }
}

/// Takes the names that a family would have; false where others have one.
fn claim(names: &mut HashSet<String>, base: &str, suffixes: &[&str], family: &[Point]) -> bool {
    let wanted: Vec<String> = suffixes
        .iter()
        .map(|suffix| [base, suffix].concat())
        .filter(|name| family.iter().all(|point| point.metric.name() != name))
        .collect();
    let is_free = wanted.iter().all(|name| !names.contains(name));
    if is_free {
        names.extend(wanted);
    }
    is_free
}

/// The label that tells the steps of a histogram or a summary apart.
fn step_label(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Summary => "quantile",
        _ => "le",
    }
}

/// One histogram or summary: its series in order, each with its step.
type Group = Vec<(Option<f64>, Point)>;

/// The series of a histogram or summary family, those of one set of labels
/// together and in order, with canonical steps; `None` where OpenMetrics would
/// not have them.
fn derive_groups(kind: MetricKind, family: &[Point]) -> Option<Vec<Point>> {
    let mut places: HashMap<Vec<&Label>, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for point in family {
        let is_step = |label: &&Label| label.0 == step_label(kind);
        let labels = point
            .labels
            .iter()
            .filter(|label| !is_step(label))
            .collect();
        let place = *places.entry(labels).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group::new());
        }
        groups[place].push(with_canonical_step(kind, point)?);
    }
    for group in &mut groups {
        // Steps first, by size; then the sum; then the count.
        let last = |suffix: &str| f64::from(u8::from(suffix == "_count"));
        group.sort_by(|(one, a), (other, b)| {
            let rank = |step: &Option<f64>, point: &Point| {
                (step.is_none(), step.unwrap_or(last(point.metric.suffix())))
            };
            let ((one, size), (other, size_of_other)) = (rank(one, a), rank(other, b));
            one.cmp(&other).then(size.total_cmp(&size_of_other))
        });
        is_whole(kind, group).then_some(())?;
    }
    let points = groups.into_iter().flatten();
    Some(points.map(|(_, point)| point).collect())
}

/// The point and its step; `None` for a part that needs a step and has none.
fn with_canonical_step(kind: MetricKind, point: &Point) -> Option<(Option<f64>, Point)> {
    let mut point = point.clone();
    if matches!(point.metric.suffix(), "_sum" | "_count") {
        return Some((None, point));
    }
    let mut labels = point.labels.iter_mut();
    let (_, text) = labels.find(|(name, _)| name == step_label(kind))?;
    let step: f64 = text.parse().ok()?;
    *text = render_number(step);
    Some((Some(step), point))
}

/// Whether OpenMetrics would have this as one histogram or summary.
fn is_whole(kind: MetricKind, group: &Group) -> bool {
    let steps: Vec<(f64, f64)> = group
        .iter()
        .filter_map(|(step, point)| step.map(|step| (step, point.value)))
        .collect();
    let part = |suffix: &str| {
        let mut parts = group.iter().map(|(_, point)| point);
        parts
            .find(|point| point.metric.suffix() == suffix)
            .map(|point| point.value)
    };
    let (sum, count) = (part("_sum"), part("_count"));
    let is_count = |value: f64| value >= 0.0 && value.fract() == 0.0;
    let rises = steps.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let is_well = rises && count.is_none_or(is_count) && sum.is_none_or(|sum| sum >= 0.0);
    is_well
        && match kind {
            MetricKind::Summary => steps.iter().all(|(step, value)| {
                (0.0..=1.0).contains(step) && (value.is_nan() || *value >= 0.0)
            }),
            _ => {
                let is_below = |pair: &[(f64, f64)]| pair[0].1 <= pair[1].1;
                let last = steps.last().filter(|last| last.0 == f64::INFINITY);
                last.is_some_and(|last| count.is_none_or(|count| count == last.1))
                    && sum.is_some() == count.is_some()
                    && steps.iter().all(|step| is_count(step.1))
                    && steps.windows(2).all(is_below)
                    && (sum.is_none() || steps.iter().all(|step| step.0 >= 0.0))
            }
        }
}

/// A number as the reference implementation in Go writes it: the fewest digits
/// that are read back the same, with a fraction or an exponent.
pub fn render_number(value: f64) -> String {
    /// Those that are not written.
    const EXPONENTS: Range<i32> = -4..6;
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if !EXPONENTS.contains(&exponent) => {
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
            }
            _ => format!("{value:?}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::parse_exposition;

    fn rendered(text: &str) -> String {
        render_openmetrics(&parse_exposition(text.as_bytes(), usize::MAX).unwrap())
    }

    #[test]
    fn each_kind_has_the_names_and_numbers_of_openmetrics() {
        let table = [
            ("", "# EOF\n"),
            (
                "# HELP a_total Say \"a\"\\n\\\\.\n# TYPE a_total counter\na_total 1\na_total{b=\"c\"} 2.5\n",
                "# HELP a Say \\\"a\\\"\\n\\\\.\n# TYPE a counter\na_total 1.0\na_total{b=\"c\"} 2.5\n# EOF\n",
            ),
            (
                "# TYPE a counter\na 1\n",
                "# TYPE a unknown\na 1.0\n# EOF\n",
            ),
            (
                "# TYPE _total counter\n_total 1\n",
                "# TYPE _total unknown\n_total 1.0\n# EOF\n",
            ),
            (
                "# TYPE a_total counter\na_total NaN\n",
                "# TYPE a_total unknown\na_total NaN\n# EOF\n",
            ),
            ("a 1\n", "# TYPE a unknown\na 1.0\n# EOF\n"),
            (
                "# TYPE a gauge\na -0.00001\n",
                "# TYPE a gauge\na -1e-05\n# EOF\n",
            ),
            (
                "# TYPE a summary\na_count{b=\"c\"} 3\na_sum{b=\"c\"} 4\na{b=\"c\",quantile=\"1\"} NaN\na{quantile=\"0.50\",b=\"c\"} 2\n",
                "# TYPE a summary\na{quantile=\"0.5\",b=\"c\"} 2.0\na{b=\"c\",quantile=\"1.0\"} NaN\na_sum{b=\"c\"} 4.0\na_count{b=\"c\"} 3.0\n# EOF\n",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn a_histogram_is_put_in_order_label_set_by_label_set() {
        let text = "# TYPE h histogram\n\
            h_bucket{x=\"1\",le=\"+Inf\"} 2\nh_bucket{x=\"2\",le=\"+Inf\"} 0\n\
            h_bucket{x=\"1\",le=\"1000000\"} 2\nh_bucket{x=\"1\",le=\"1\"} 1\n\
            h_count{x=\"1\"} 2\nh_sum{x=\"1\"} 3\n";
        assert_eq!(
            rendered(text),
            "# TYPE h histogram\n\
             h_bucket{x=\"1\",le=\"1.0\"} 1.0\nh_bucket{x=\"1\",le=\"1e+06\"} 2.0\n\
             h_bucket{x=\"1\",le=\"+Inf\"} 2.0\nh_sum{x=\"1\"} 3.0\nh_count{x=\"1\"} 2.0\n\
             h_bucket{x=\"2\",le=\"+Inf\"} 0.0\n# EOF\n"
        );
    }

    #[test]
    fn what_openmetrics_would_refuse_loses_its_type_and_nothing_else() {
        let histograms = [
            "h_bucket{le=\"1\"} 1\n",
            "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n",
            "h_bucket{le=\"+Inf\"} 1.5\n",
            "h_bucket{le=\"+Inf\"} -1\n",
            "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\n",
            "h_bucket{le=\"+Inf\"} 1\nh_count 2\nh_sum 1\n",
            "h_bucket{le=\"+Inf\"} 1\nh_count 1\n",
            "h_bucket{le=\"-1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\n",
            "h_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum NaN\n",
            "h_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum -1\n",
        ];
        for text in histograms {
            let rendered = rendered(&format!("# TYPE h histogram\n{text}"));
            assert!(!rendered.contains("histogram"), "{rendered}");
            assert!(rendered.contains("# TYPE h_bucket unknown\n"), "{rendered}");
            let samples = rendered.lines().filter(|line| !line.starts_with('#'));
            assert_eq!(samples.count(), text.lines().count(), "{rendered}");
        }
        let summaries = [
            "s{quantile=\"2\"} 1\n",
            "s{quantile=\"1\"} -1\n",
            "s_count -1\n",
        ];
        for text in summaries {
            let rendered = rendered(&format!("# TYPE s summary\n{text}"));
            assert!(!rendered.contains("summary"), "{rendered}");
        }
    }

    #[test]
    fn a_counter_takes_no_name_from_another_family() {
        let table = [
            (
                "# TYPE a gauge\na 1\n# TYPE a_total counter\na_total 1\n",
                "# TYPE a_total unknown",
            ),
            (
                "# TYPE a_total counter\na_total 1\n# TYPE a gauge\na 1\n",
                "# TYPE a_total unknown",
            ),
            (
                "# TYPE a_total counter\na_total 1\n# TYPE a_created gauge\na_created 1\n",
                "# TYPE a_total unknown",
            ),
            (
                "# TYPE a_total counter\na_total 1\n# TYPE a summary\na_sum 1\n",
                "# TYPE a_sum unknown",
            ),
        ];
        for (text, expected) in table {
            assert!(rendered(text).contains(expected), "{}", rendered(text));
        }
    }

    #[test]
    fn numbers_are_written_as_the_reference_does() {
        let table = [
            (0.0, "0.0"),
            (-1.0, "-1.0"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (1e-300, "1e-300"),
            (f64::INFINITY, "+Inf"),
        ];
        for (number, expected) in table {
            assert_eq!(render_number(number), expected);
        }
    }
}

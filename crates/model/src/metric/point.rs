//! Metrics, their families, and the values of their series.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// What kind of value a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Grows until its source restarts; its name ends in `_total`, the
    /// kernel's own counters of node_exporter aside.
    Counter,
    /// Goes up and down.
    Gauge,
    /// node_exporter exposes some kernel counters without a type.
    Untyped,
    /// Counts of observations up to each limit (`_bucket`, by the label `le`),
    /// their sum (`_sum`) and their number (`_count`).
    Histogram,
    /// Quantiles of observations (by the label `quantile`), their sum (`_sum`)
    /// and their number (`_count`).
    Summary,
}

impl MetricKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Counter,
        Self::Gauge,
        Self::Untyped,
        Self::Histogram,
        Self::Summary,
    ];

    /// The word in `# TYPE` of the text format 0.0.4.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Untyped => "untyped",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }

    /// What may follow the family's name in the names of its series. A family
    /// takes all of these names, whether it has such series or not.
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge | Self::Untyped => &[""],
            Self::Histogram => &["", "_bucket", "_sum", "_count"],
            Self::Summary => &["", "_sum", "_count"],
        }
    }
}

/// One entry of a metric catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// The full name, base units last (`node_memory_MemFree_bytes`).
    pub name: &'static str,
    /// What kind of value it holds.
    pub kind: MetricKind,
    /// One sentence for `# HELP`.
    pub help: &'static str,
}

/// A metric whose name was found at run time: in a file of the kernel, or in
/// what a collector printed.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundMetric {
    /// The full name; of a histogram or a summary, the family's.
    pub name: String,
    /// What kind of value it holds.
    pub kind: MetricKind,
    /// One sentence for `# HELP`; may be empty.
    pub help: String,
}

/// The series of a histogram or a summary that have a name of their own.
#[derive(Debug, PartialEq, Eq)]
pub struct FamilyPart {
    /// The full name: the family's and a suffix (`build_seconds_bucket`).
    pub name: String,
    /// What they are a part of.
    pub family: Arc<FoundMetric>,
}

/// What a point is a value of.
#[derive(Clone, Debug)]
pub enum MetricRef {
    /// An entry of a catalogue.
    Known(&'static Metric),
    /// Something that no catalogue has.
    Found(Arc<FoundMetric>),
    /// A part of a histogram or a summary.
    Part(Arc<FamilyPart>),
}

impl MetricRef {
    /// The full name of its series.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(metric) => metric.name,
            Self::Found(metric) => &metric.name,
            Self::Part(part) => &part.name,
        }
    }

    /// The name that `# HELP` and `# TYPE` bear: without the suffix of a part
    /// of a histogram or a summary.
    pub fn family_name(&self) -> &str {
        match self {
            Self::Part(part) => &part.family.name,
            Self::Known(_) | Self::Found(_) => self.name(),
        }
    }

    /// What follows the family's name in the full name.
    pub fn suffix(&self) -> &str {
        self.name()
            .strip_prefix(self.family_name())
            .unwrap_or_default()
    }

    /// What kind of value it holds.
    pub fn kind(&self) -> MetricKind {
        match self {
            Self::Known(metric) => metric.kind,
            Self::Found(metric) => metric.kind,
            Self::Part(part) => part.family.kind,
        }
    }

    /// One sentence for `# HELP`.
    pub fn help(&self) -> &str {
        match self {
            Self::Known(metric) => metric.help,
            Self::Found(metric) => &metric.help,
            Self::Part(part) => &part.family.help,
        }
    }
}

impl PartialEq for MetricRef {
    fn eq(&self, other: &Self) -> bool {
        let parts = |metric: &Self| (metric.kind(), metric.suffix().len());
        (self.name(), self.help()) == (other.name(), other.help()) && parts(self) == parts(other)
    }
}

impl From<&'static Metric> for MetricRef {
    fn from(metric: &'static Metric) -> Self {
        Self::Known(metric)
    }
}

impl From<FoundMetric> for MetricRef {
    fn from(metric: FoundMetric) -> Self {
        Self::Found(Arc::new(metric))
    }
}

/// A label's name and value.
pub type Label = (Cow<'static, str>, String);

/// One value of one series at the time of its sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Which metric this is a value of.
    pub metric: MetricRef,
    /// Label names and values, in the order they are shown.
    pub labels: Vec<Label>,
    /// The value, in the metric's base unit.
    pub value: f64,
}

impl Point {
    /// A value without labels.
    pub const fn plain(metric: &'static Metric, value: f64) -> Self {
        Self {
            metric: MetricRef::Known(metric),
            labels: Vec::new(),
            value,
        }
    }

    /// A value with labels.
    pub fn labelled(
        metric: impl Into<MetricRef>,
        labels: &[(&'static str, &str)],
        value: f64,
    ) -> Self {
        let labels = labels.iter();
        Self {
            metric: metric.into(),
            labels: labels
                .map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned()))
                .collect(),
            value,
        }
    }

    /// The series this point belongs to, as Prometheus writes it:
    /// `name{label="value",…}`.
    pub fn series(&self) -> String {
        let mut text = self.metric.name().to_owned();
        render_labels(&mut text, &self.labels);
        text
    }
}

/// `{name="value",…}`, or nothing where there are no labels.
pub(super) fn render_labels(text: &mut String, labels: &[Label]) {
    if labels.is_empty() {
        return;
    }
    for (index, (name, value)) in labels.iter().enumerate() {
        text.push(if index == 0 { '{' } else { ',' });
        text.push_str(name);
        text.push_str("=\"");
        render_escaped(text, value, true);
        text.push('"');
    }
    text.push('}');
}

/// Backslashes and line feeds escaped, and quotes where they would end the text.
pub(super) fn render_escaped(text: &mut String, value: &str, is_quoted: bool) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if is_quoted => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

/// Leaves only the first point of each series: a document with a series twice is
/// no document. Two names in bytes that are not UTF-8 can look alike, and what
/// was read at different times can overlap. Points of one metric stand together.
pub fn keep_first_of_series(points: &mut Vec<Point>) {
    let is_first: Vec<bool> = points
        .chunk_by(|one, other| one.metric.name() == other.metric.name())
        .flat_map(|family| {
            let mut seen = HashSet::with_capacity(family.len());
            let labels = family.iter().map(|point| point.labels.as_slice());
            labels.map(|one| seen.insert(one)).collect::<Vec<bool>>()
        })
        .collect();
    let mut is_first = is_first.into_iter();
    points.retain(|_| is_first.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_series_that_is_there_twice_the_first_stays() {
        static ONE: Metric = Metric {
            name: "one",
            kind: MetricKind::Gauge,
            help: "",
        };
        static TWO: Metric = Metric {
            name: "two",
            kind: MetricKind::Gauge,
            help: "",
        };
        let point = |metric, device, value| Point::labelled(metric, &[("device", device)], value);
        let mut points = vec![
            point(&ONE, "a", 1.0),
            point(&ONE, "b", 2.0),
            point(&ONE, "a", 3.0),
            point(&TWO, "a", 4.0),
            point(&TWO, "a", 5.0),
        ];
        keep_first_of_series(&mut points);
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        assert_eq!(values, [1.0, 2.0, 4.0]);
    }
}

//! What a metric is, and the text formats that carry it: Prometheus' text
//! exposition format 0.0.4, read and written, and OpenMetrics 1.0, written. Texts
//! whose samples have times are read line by line.

mod line;
mod openmetrics;
mod parse;
mod point;
mod prometheus;
#[cfg(test)]
mod properties;
mod timed;

pub use line::ExpositionError;
pub use openmetrics::{OPENMETRICS_TYPE, render_number, render_openmetrics};
pub use parse::parse_exposition;
pub use point::{
    FamilyPart, FoundMetric, Label, Metric, MetricKind, MetricRef, Point, keep_first_of_series,
};
pub use prometheus::{PROMETHEUS_TYPE, render_prometheus};
pub use timed::{TimeUnit, TimedComment, TimedLine};

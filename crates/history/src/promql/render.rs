//! Answers as JSON, as Prometheus' HTTP API has them.

use lfs_wrapper_model::TimeMsec;
use serde_json::Value as Json;

use super::error::QueryError;
use super::limits::Limits;
use super::number::render_sample;
use super::value::{Answer, Value, VectorSample};
use crate::labels::Labels;
use crate::source::Stretch;

/// The object `data` of an answer: `{"resultType":"vector","result":[...]}`.
pub fn render_answer(answer: &Answer) -> String {
    let mut text = String::new();
    render_data(&answer.value, &mut text);
    text
}

/// Writes the object `data` of a value to the end of `text`.
pub fn render_data(value: &Value, text: &mut String) {
    begin(value, text);
    match value {
        Value::Scalar { time_msec, value } => push_point(text, *time_msec, *value),
        Value::Text { time_msec, value } => push_pair(text, *time_msec, &quote(value)),
        Value::Vector { time_msec, samples } => push_list(text, samples, |text, sample| {
            push_sample(text, *time_msec, sample);
        }),
        Value::Matrix(series) => push_list(text, series, |text, (labels, stretch)| {
            push_series(text, labels, stretch);
        }),
    }
    text.push('}');
}

/// As [`render_data`], until `text` is longer than `limits` allow; what was written
/// is let go of at once.
pub(super) fn render_within(
    value: Value,
    text: &mut String,
    limits: &Limits,
) -> Result<(), QueryError> {
    let Value::Matrix(series) = value else {
        render_data(&value, text);
        return limits.check_answer(text.len());
    };
    begin(&Value::Matrix(Vec::new()), text);
    text.push('[');
    for (at, (labels, stretch)) in series.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_series(text, &labels, &stretch);
        limits.check_answer(text.len())?;
    }
    text.push_str("]}");
    Ok(())
}

fn begin(value: &Value, text: &mut String) {
    let kind = match value {
        Value::Scalar { .. } => "scalar",
        Value::Text { .. } => "string",
        Value::Vector { .. } => "vector",
        Value::Matrix(_) => "matrix",
    };
    text.push_str("{\"resultType\":\"");
    text.push_str(kind);
    text.push_str("\",\"result\":");
}

fn push_sample(text: &mut String, time_msec: TimeMsec, sample: &VectorSample) {
    push_metric(text, &sample.labels);
    text.push_str(",\"value\":");
    push_point(text, time_msec, sample.value);
    text.push('}');
}

fn push_series(text: &mut String, labels: &Labels, stretch: &Stretch) {
    push_metric(text, labels);
    text.push_str(",\"values\":[");
    for (at, (time, value)) in stretch.times.iter().zip(&stretch.values).enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_point(text, *time, *value);
    }
    text.push_str("]}");
}

/// Writes a list.
pub(super) fn push_list<T>(text: &mut String, items: &[T], push: impl Fn(&mut String, &T)) {
    text.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push(text, item);
    }
    text.push(']');
}

/// Writes a list of strings.
pub(super) fn push_texts(text: &mut String, items: &[String]) {
    push_list(text, items, |text, item| text.push_str(&quote(item)));
}

fn push_metric(text: &mut String, labels: &Labels) {
    text.push_str("{\"metric\":");
    push_labels(text, labels);
}

/// Writes labels as an object.
pub(super) fn push_labels(text: &mut String, labels: &Labels) {
    text.push('{');
    for (at, (name, value)) in labels.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(&quote(name));
        text.push(':');
        text.push_str(&quote(value));
    }
    text.push('}');
}

fn push_point(text: &mut String, time_msec: TimeMsec, value: f64) {
    push_pair(text, time_msec, &format!("\"{}\"", render_sample(value)));
}

fn push_pair(text: &mut String, time_msec: TimeMsec, value: &str) {
    text.push('[');
    text.push_str(&render_time(time_msec));
    text.push(',');
    text.push_str(value);
    text.push(']');
}

/// Seconds, with three decimals where they are not whole.
fn render_time(time_msec: TimeMsec) -> String {
    let sign = if time_msec < 0 { "-" } else { "" };
    let msec = time_msec.unsigned_abs();
    let (seconds, rest) = (msec / 1000, msec % 1000);
    if rest == 0 {
        format!("{sign}{seconds}")
    } else {
        format!("{sign}{seconds}.{rest:03}")
    }
}

/// A JSON string.
pub(super) fn quote(text: &str) -> String {
    Json::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_decimals_or_none_and_strings_are_escaped() {
        let labels = Labels::new([("a\"b".to_owned(), "x\n".to_owned())]);
        let stretch = Stretch {
            times: vec![1000, 1500, -7],
            values: vec![1.0, f64::NAN, 1e-7],
        };
        let mut text = String::new();
        render_data(&Value::Matrix(vec![(labels, stretch)]), &mut text);
        assert_eq!(
            text,
            r#"{"resultType":"matrix","result":[{"metric":{"a\"b":"x\n"},"values":[[1,"1"],[1.500,"NaN"],[-0.007,"1e-07"]]}]}"#
        );
    }
}

//! Series text, the text exposition format, and documents that people write.

use std::collections::BTreeMap;
use std::path::Path;

use lfs_wrapper_model::document;
use lfs_wrapper_model::metric::{
    FoundMetric, MetricKind, Point, parse_exposition, render_openmetrics,
};

use crate::fuzzing::check::{check_document, check_frames, check_series, cut, split};
use crate::restore;
use crate::sample::Sample;
use crate::series::parse_series;

/// As exposition text that may be refused, as series text, as stored series of
/// two samples, and as TOML.
pub fn exposition(data: &[u8]) {
    let (before, after) = split(data);
    check_text(data);
    check_frames(&restore_text(before), &restore_text(after));
    if let Ok(text) = std::str::from_utf8(data) {
        text.lines().for_each(check_line);
        check_toml(text);
    }
}

fn check_text(data: &[u8]) {
    let part = parse_exposition(cut(data), usize::MAX);
    let is_whole = cut(data).is_empty() || cut(data).ends_with(b"\n");
    assert!(is_whole || part.is_err(), "half a line counts");
    let Ok(points) = parse_exposition(data, usize::MAX) else {
        return;
    };
    for point in &points {
        check_series(point);
    }
    // NaN equals nothing, not even itself.
    let is_nan = |point: &Point| point.value.is_nan();
    let numbers: Vec<Point> = points
        .iter()
        .filter(|point| !is_nan(point))
        .cloned()
        .collect();
    check_document(&numbers);
    assert!(render_openmetrics(&points).ends_with("# EOF\n"));
    let fewer = points
        .len()
        .checked_sub(1)
        .map(|most| parse_exposition(data, most));
    assert!(
        fewer.is_none_or(|fewer| fewer.is_err()),
        "more samples than wanted"
    );
    if let Ok(part) = part {
        let name = |point: &Point| (point.series(), point.value.to_bits());
        assert!(
            part.iter()
                .map(name)
                .eq(points.iter().take(part.len()).map(name))
        );
    }
}

/// What stands in front of the last blank of each line is a stored series.
fn restore_text(data: &[u8]) -> Sample {
    let text = String::from_utf8_lossy(data);
    let points = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series.to_owned(), value.parse::<f64>().ok()?))
    });
    restore(0, 0, points)
}

fn check_line(line: &str) {
    let Some(series) = parse_series(line) else {
        return;
    };
    let labels = series.labels();
    let point = Point {
        metric: FoundMetric {
            name: series.name.to_owned(),
            kind: MetricKind::Untyped,
            help: String::new(),
        }
        .into(),
        labels: labels
            .map(|(name, value)| (name.to_owned().into(), value.to_owned()))
            .collect(),
        value: 0.0,
    };
    assert_eq!(
        parse_series(&point.series()).as_ref(),
        Some(&series),
        "{line:?}"
    );
}

fn check_toml(text: &str) {
    let parsed = document::parse::<BTreeMap<String, i64>>(Path::new("a.toml"), text);
    if let Err(error) = parsed {
        assert!(error.to_string().starts_with("a.toml"), "{error}");
    }
}

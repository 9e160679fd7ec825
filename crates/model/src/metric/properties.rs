//! What holds for any points and any text.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    FamilyPart, FoundMetric, Label, MetricKind, MetricRef, Point, parse_exposition,
    render_openmetrics, render_prometheus,
};

/// No number is NaN here, which equals nothing.
fn numbers() -> impl Strategy<Value = f64> {
    any::<f64>().prop_map(|number| {
        if number.is_nan() {
            f64::INFINITY
        } else {
            number
        }
    })
}

fn label_sets() -> impl Strategy<Value = Vec<BTreeMap<String, String>>> {
    let labels = btree_map("[a-d_][a-d0-9]{0,2}", "(?s).{1,6}", 0..3);
    btree_set(labels, 1..4).prop_map(|sets| sets.into_iter().collect())
}

fn to_labels(set: BTreeMap<String, String>) -> Vec<Label> {
    set.into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}

/// The series that one histogram has: three buckets, sum and count.
fn histogram(family: &Arc<FoundMetric>, labels: &[Label], counts: [u32; 3]) -> Vec<Point> {
    let part = |suffix: &str, step: Option<&str>, value: f64| {
        let part = FamilyPart {
            name: format!("{}{suffix}", family.name),
            family: Arc::clone(family),
        };
        let step = step.map(|step| ("le".into(), step.to_owned()));
        Point {
            metric: MetricRef::Part(Arc::new(part)),
            labels: labels.iter().cloned().chain(step).collect(),
            value,
        }
    };
    let [low, middle, high] = counts.map(f64::from);
    vec![
        part("_bucket", Some("0.5"), low),
        part("_bucket", Some("10.0"), low + middle),
        part("_bucket", Some("+Inf"), low + middle + high),
        part("_sum", None, middle * 2.5),
        part("_count", None, low + middle + high),
    ]
}

fn families() -> impl Strategy<Value = Vec<Point>> {
    let kind = prop_oneof![
        Just(MetricKind::Counter),
        Just(MetricKind::Gauge),
        Just(MetricKind::Untyped),
        Just(MetricKind::Histogram),
    ];
    let family = (
        kind,
        "(?s).{0,8}",
        label_sets(),
        vec(numbers(), 3),
        any::<[u16; 3]>(),
    );
    vec(family, 0..5).prop_map(|families| {
        let points = families.into_iter().enumerate().map(|(index, family)| {
            let (kind, help, sets, values, counts) = family;
            let suffix = if kind == MetricKind::Counter {
                "_total"
            } else {
                ""
            };
            let metric = Arc::new(FoundMetric {
                name: format!("m{index}:x{suffix}"),
                kind,
                // Blanks before the text are not a part of it.
                help: help.trim_start_matches([' ', '\t']).to_owned(),
            });
            let sets = sets.into_iter().map(to_labels).zip(values);
            sets.flat_map(|(labels, value)| match kind {
                MetricKind::Histogram => histogram(&metric, &labels, counts.map(u32::from)),
                _ => vec![Point {
                    metric: MetricRef::Found(Arc::clone(&metric)),
                    labels,
                    value: if kind == MetricKind::Counter {
                        value.abs()
                    } else {
                        value
                    },
                }],
            })
            .collect::<Vec<_>>()
        });
        points.flatten().collect()
    })
}

/// OpenMetrics text of valid families as the text format 0.0.4.
fn to_prometheus(text: &str) -> String {
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    let mut counters = Vec::new();
    for line in &lines {
        if let Some(name) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.strip_suffix(" counter"))
        {
            counters.push(name);
        }
    }
    let mut converted = String::new();
    for line in lines {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let line = match words[..] {
            ["#", "EOF"] => continue,
            ["#", word, name, rest] => {
                let suffix = if counters.contains(&name) {
                    "_total"
                } else {
                    ""
                };
                let rest = if word == "TYPE" {
                    rest.replace("unknown", "untyped")
                } else {
                    rest.replace("\\\"", "\"")
                };
                format!("# {word} {name}{suffix} {rest}")
            }
            _ => line.to_owned(),
        };
        converted.push_str(&line);
        converted.push('\n');
    }
    converted
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(points in families()) {
        let text = render_prometheus(&points);
        prop_assert_eq!(&parse_exposition(text.as_bytes(), usize::MAX).unwrap(), &points);
        let text = render_openmetrics(&points);
        prop_assert!(text.ends_with("# EOF\n"));
        let text = to_prometheus(&text);
        prop_assert_eq!(parse_exposition(text.as_bytes(), usize::MAX).unwrap(), points);
    }

    #[test]
    fn any_text_is_taken_or_refused(text: Vec<u8>) {
        drop(parse_exposition(&text, 10));
    }

    #[test]
    fn text_that_is_nearly_right_is_taken_or_refused(
        text in "((# (HELP|TYPE) )?[ab]_?(sum|bucket|total)?(\\{((le|quantile|a)=\"(1|[^a])\",?)*\\})? ?(1|-|NaN|gauge|histogram|summary|counter)?\n){0,6}",
    ) {
        if let Ok(points) = parse_exposition(text.as_bytes(), usize::MAX) {
            let again = render_prometheus(&points);
            let again = parse_exposition(again.as_bytes(), usize::MAX).unwrap();
            prop_assert_eq!(render_openmetrics(&again), render_openmetrics(&points));
        }
    }
}

//! Aggregations.

use super::{ask, at, expect, over, source};

#[test]
fn groups_are_by_labels_or_without_them() {
    let source = source(&[
        "a{x=\"1\",y=\"1\"} 1",
        "a{x=\"1\",y=\"2\"} 2",
        "a{x=\"2\",y=\"1\"} 6",
    ]);
    expect(
        &source,
        0,
        &[
            ("sum(a)", &["{} 9"]),
            ("sum by (x) (a)", &["{x=\"1\"} 3", "{x=\"2\"} 6"]),
            ("sum(a) without (x)", &["{y=\"1\"} 7", "{y=\"2\"} 2"]),
            (
                "sum without () (a)",
                &[
                    "{x=\"1\",y=\"1\"} 1",
                    "{x=\"1\",y=\"2\"} 2",
                    "{x=\"2\",y=\"1\"} 6",
                ],
            ),
            ("sum by (x, nothing,) (a)", &["{x=\"1\"} 3", "{x=\"2\"} 6"]),
            ("sum by (__name__) (a)", &["a 9"]),
            ("avg(a)", &["{} 3"]),
            ("count(a)", &["{} 3"]),
            ("min(a)", &["{} 1"]),
            ("max(a)", &["{} 6"]),
            ("group(a)", &["{} 1"]),
            ("stdvar(a)", &["{} 4.666666666666667"]),
            ("stddev(a{x=\"1\"})", &["{} 0.5"]),
            ("quantile(0.25, a)", &["{} 1.5"]),
            ("quantile by (x) (1, a)", &["{x=\"1\"} 2", "{x=\"2\"} 6"]),
            (
                "topk(2, a)",
                &["a{x=\"2\",y=\"1\"} 6", "a{x=\"1\",y=\"2\"} 2"],
            ),
            ("bottomk(1, a)", &["a{x=\"1\",y=\"1\"} 1"]),
            (
                "topk by (x) (1, a)",
                &["a{x=\"1\",y=\"2\"} 2", "a{x=\"2\",y=\"1\"} 6"],
            ),
            ("topk(0, a)", &[]),
            ("topk(-3, a)", &[]),
            ("sum(nothing)", &[]),
            (
                "topk(1e30, nothing)",
                &["error: Scalar value 1000000000000000000000000000000 overflows int64"],
            ),
            ("topk(NaN, a)", &["error: Parameter value is NaN"]),
            (
                "topk(1e30, a)",
                &["error: Scalar value 1000000000000000000000000000000 overflows int64"],
            ),
        ],
    );
}

#[test]
fn values_are_counted() {
    let source = source(&["a{x=\"1\"} 1 2", "a{x=\"2\"} 1 1e7", "a{x=\"3\"} 0.5 2"]);
    expect(
        &source,
        0,
        &[
            ("count_values(\"v\", a)", &["{v=\"1\"} 2", "{v=\"0.5\"} 1"]),
            (
                "count_values by (x) (\"v\", a{x=\"1\"})",
                &["{v=\"1\",x=\"1\"} 1"],
            ),
            ("count_values without (x) (\"x\", a)", &["{} 3"]),
            ("count_values(\"ä b\", a{x=\"1\"})", &["{\"ä b\"=\"1\"} 1"]),
        ],
    );
    assert_eq!(
        over(&source, "count_values(\"v\", a)", 0, 60, 60),
        [
            "{v=\"0.5\"} 1@0",
            "{v=\"1\"} 2@0",
            "{v=\"10000000\"} 1@60",
            "{v=\"2\"} 2@60"
        ]
    );
    assert!(at(&source, "count_values(\"\", a)", 0)[0].contains("invalid label name"));
}

#[test]
fn nan_and_infinities_take_their_part() {
    let source = source(&["a{x=\"1\"} NaN", "a{x=\"2\"} 2", "a{x=\"3\"} Inf", "b NaN"]);
    expect(
        &source,
        0,
        &[
            ("min(a)", &["{} 2"]),
            ("max(a)", &["{} inf"]),
            ("max(b)", &["{} NaN"]),
            ("sum(a)", &["{} NaN"]),
            ("count(a)", &["{} 3"]),
            ("topk(2, a)", &["a{x=\"3\"} inf", "a{x=\"2\"} 2"]),
            (
                "bottomk(3, a)",
                &["a{x=\"2\"} 2", "a{x=\"3\"} inf", "a{x=\"1\"} NaN"],
            ),
            ("stddev(b)", &["{} NaN"]),
            ("avg(a{x!=\"1\"})", &["{} inf"]),
        ],
    );
    let answer = ask(&source, "quantile(1.5, a)", 0).unwrap();
    assert_eq!(
        answer.warnings,
        ["PromQL warning: quantile value should be between 0 and 1, got 1.5"]
    );
}

#[test]
fn sums_are_exact_and_means_do_not_overflow() {
    let source = source(&[
        "a{x=\"1\"} 1e100",
        "a{x=\"2\"} 1",
        "a{x=\"3\"} -1e100",
        "m{x=\"1\"} 1.7e308",
        "m{x=\"2\"} 1.7e308",
    ]);
    assert_eq!(at(&source, "sum(a)", 0), ["{} 1"]);
    assert_eq!(at(&source, "avg(m) / 1.7e308", 0), ["{} 1"]);
}

#[test]
fn over_a_range_groups_exist_while_one_of_their_series_does() {
    let source = source(&["a{x=\"1\"} 1 2 stale", "a{x=\"2\"} _ _ _ 4 5"]);
    assert_eq!(
        over(&source, "sum(a)", 0, 240, 60),
        ["{} 1@0 2@60 4@180 5@240"]
    );
    assert_eq!(
        over(&source, "topk(1, a)", 0, 240, 60),
        ["a{x=\"1\"} 1@0 2@60", "a{x=\"2\"} 4@180 5@240"]
    );
    assert_eq!(
        over(&source, "quantile(0.5, a)", 0, 240, 60),
        ["{} 1@0 2@60 4@180 5@240"]
    );
}

//! Operators.

use super::{at, expect, over, source};

const DUPLICATE: &str = "error: found duplicate series for the match group";

#[test]
fn arithmetic_between_scalars_and_vectors() {
    let source = source(&["a{x=\"1\"} 7"]);
    expect(
        &source,
        0,
        &[
            ("a + 1", &["{x=\"1\"} 8"]),
            ("1 - a", &["{x=\"1\"} -6"]),
            ("a * 2", &["{x=\"1\"} 14"]),
            ("a / 0", &["{x=\"1\"} inf"]),
            ("a % 4", &["{x=\"1\"} 3"]),
            ("-a % 4", &["{x=\"1\"} -3"]),
            ("a ^ 2", &["{x=\"1\"} 49"]),
            ("0 * a / 0", &["{x=\"1\"} NaN"]),
            ("a atan2 7", &["{x=\"1\"} 0.7853981633974483"]),
            ("7 % 0", &["NaN"]),
            ("1 > bool 2", &["0"]),
            ("2 >= bool 2", &["1"]),
        ],
    );
}

#[test]
fn comparisons_filter_or_tell() {
    let source = source(&["a{x=\"1\"} 7", "a{x=\"2\"} 3", "n NaN"]);
    expect(
        &source,
        0,
        &[
            ("a > 5", &["a{x=\"1\"} 7"]),
            ("5 > a", &["a{x=\"2\"} 3"]),
            ("a > bool 5", &["{x=\"1\"} 1", "{x=\"2\"} 0"]),
            ("a == 7", &["a{x=\"1\"} 7"]),
            ("a != 7", &["a{x=\"2\"} 3"]),
            ("a <= 3", &["a{x=\"2\"} 3"]),
            ("n == n", &[]),
            ("n != n", &["n NaN"]),
            ("n == bool n", &["{} 0"]),
            ("a >= a", &["a{x=\"1\"} 7", "a{x=\"2\"} 3"]),
            ("a < bool a", &["{x=\"1\"} 0", "{x=\"2\"} 0"]),
            ("a > on (x) a", &[]),
            ("a == on (x) a", &["{x=\"1\"} 7", "{x=\"2\"} 3"]),
        ],
    );
}

#[test]
fn one_matches_one_by_labels() {
    let source = source(&[
        "a{x=\"1\",y=\"p\"} 7",
        "a{x=\"2\",y=\"q\"} 3",
        "b{x=\"1\"} 2",
        "b{x=\"3\"} 9",
    ]);
    expect(
        &source,
        0,
        &[
            ("a + b", &[]),
            ("a + on (x) b", &["{x=\"1\"} 9"]),
            ("a + ignoring (y) b", &["{x=\"1\"} 9"]),
            ("a > ignoring (y) b", &["a{x=\"1\"} 7"]),
            ("a + on (none) nothing", &[]),
        ],
    );
}

#[test]
fn many_match_one_where_it_is_said() {
    let source = source(&[
        "a{x=\"1\",y=\"p\"} 7",
        "a{x=\"1\",y=\"q\"} 3",
        "i{x=\"1\",version=\"v1\"} 1",
        "w{x=\"1\"} 2",
    ]);
    expect(
        &source,
        0,
        &[
            (
                "a * on (x) group_left w",
                &["{x=\"1\",y=\"p\"} 14", "{x=\"1\",y=\"q\"} 6"],
            ),
            (
                "w - on (x) group_right a",
                &["{x=\"1\",y=\"p\"} -5", "{x=\"1\",y=\"q\"} -1"],
            ),
            (
                "a * on (x) group_left (version) i",
                &[
                    "{version=\"v1\",x=\"1\",y=\"p\"} 7",
                    "{version=\"v1\",x=\"1\",y=\"q\"} 3",
                ],
            ),
            (
                "a > ignoring (y) group_left w",
                &["a{x=\"1\",y=\"p\"} 7", "a{x=\"1\",y=\"q\"} 3"],
            ),
            (
                "w < on (x) group_right () a",
                &["a{x=\"1\",y=\"p\"} 2", "a{x=\"1\",y=\"q\"} 2"],
            ),
            (
                "a * on (x) group_left (y) w",
                &["error: multiple matches for labels: grouping labels must ensure unique matches"],
            ),
            (
                "a * on (x) w",
                &[
                    "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ],
            ),
        ],
    );
}

#[test]
fn many_to_many_is_an_error_that_names_the_series() {
    let source = source(&[
        "a{x=\"1\",y=\"p\"} 7",
        "a{x=\"1\",y=\"q\"} 3",
        "b{x=\"1\"} 1",
    ]);
    assert_eq!(
        at(&source, "b + on (x) a", 0),
        [format!(
            "{DUPLICATE} {{x=\"1\"}} on the right hand-side of the operation: [a{{x=\"1\",y=\"q\"}}, a{{x=\"1\",y=\"p\"}}];many-to-many matching not allowed: matching labels must be unique on one side"
        )]
    );
    assert!(at(&source, "a + on (x) group_right b", 0)[0].starts_with(DUPLICATE));
    // Nothing matches where a side is empty, and so nothing is wrong.
    assert_eq!(at(&source, "nothing + on (x) a", 0), [""; 0]);
    // What a filter removes does not match.
    assert_eq!(at(&source, "a > on (x) b * 5", 0), ["{x=\"1\"} 7"]);
}

#[test]
fn sets_are_joined_cut_and_subtracted() {
    let source = source(&[
        "a{x=\"1\"} 1",
        "a{x=\"2\"} 2",
        "b{x=\"2\"} 3",
        "b{x=\"3\"} 4",
    ]);
    expect(
        &source,
        0,
        &[
            ("a and b", &["a{x=\"2\"} 2"]),
            ("a or b", &["a{x=\"1\"} 1", "a{x=\"2\"} 2", "b{x=\"3\"} 4"]),
            ("a unless b", &["a{x=\"1\"} 1"]),
            ("a and on () vector(1)", &["a{x=\"1\"} 1", "a{x=\"2\"} 2"]),
            ("a or on () b", &["a{x=\"1\"} 1", "a{x=\"2\"} 2"]),
            ("a unless ignoring (x) b", &[]),
            ("nothing or b{x=\"3\"}", &["b{x=\"3\"} 4"]),
            ("a and nothing", &[]),
        ],
    );
}

#[test]
fn matching_is_done_for_each_moment() {
    let source = source(&[
        "a 1 2 3 stale",
        "b{v=\"1\"} 10 10 stale",
        "b{v=\"2\"} _ _ 20 20",
    ]);
    assert_eq!(
        over(&source, "a + on () b", 0, 180, 60),
        ["{} 11@0 12@60 23@120"]
    );
    assert_eq!(
        over(&source, "a or on () b", 0, 180, 60),
        ["a 1@0 2@60 3@120", "b{v=\"2\"} 20@180"]
    );
    assert_eq!(
        over(&source, "b unless on () a", 0, 180, 60),
        ["b{v=\"2\"} 20@180"]
    );
    assert_eq!(
        over(&source, "b and on () a", 0, 180, 60),
        ["b{v=\"1\"} 10@0 10@60", "b{v=\"2\"} 20@120"]
    );
}

#[test]
fn the_same_labels_twice_at_a_moment_are_an_error() {
    let source = source(&["a 1", "b 2"]);
    let same = "error: vector cannot contain metrics with the same labelset";
    for query in [
        "abs({__name__=~\"a|b\"})",
        "-{__name__=~\"a|b\"}",
        "{__name__=~\"a|b\"} + 1",
        "rate({__name__=~\"a|b\"}[5m:1m])",
        "sum_over_time({__name__=~\"a|b\"}[5m])",
    ] {
        let wanted: &[&str] = if query.starts_with("rate") {
            &[]
        } else {
            &[same]
        };
        assert_eq!(at(&source, query, 0), wanted, "{query}");
    }
}

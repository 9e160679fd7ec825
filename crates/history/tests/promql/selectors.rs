//! Selectors, lookback, staleness, `@`, offset and names.

use super::{at, expect, over, source};

#[test]
fn a_sample_counts_until_just_before_the_lookback_has_passed() {
    let source = source(&["a 1"]);
    assert_eq!(at(&source, "a", 0), ["a 1"]);
    assert_eq!(at(&source, "a", 299), ["a 1"]);
    assert_eq!(at(&source, "a", 300), [""; 0]);
}

#[test]
fn a_staleness_marker_ends_a_series_and_is_no_sample_of_a_range() {
    let source = source(&["a 1 2 stale _ 5"]);
    assert_eq!(over(&source, "a", 0, 300, 60), ["a 1@0 2@60 5@240 5@300"]);
    assert_eq!(at(&source, "a[10m]", 300), ["a 1@0 2@60 5@240"]);
    assert_eq!(at(&source, "count_over_time(a[10m])", 300), ["{} 3"]);
}

#[test]
fn ranges_are_left_open() {
    let source = source(&["a 1 2 3 4"]);
    assert_eq!(at(&source, "a[2m]", 180), ["a 3@120 4@180"]);
    assert_eq!(at(&source, "a[120.001]", 180), ["a 2@60 3@120 4@180"]);
    assert_eq!(at(&source, "a[2m:1m]", 180), ["a 3@120 4@180"]);
    assert_eq!(at(&source, "sum_over_time(a[2m:1m])", 180), ["{} 7"]);
}

#[test]
fn at_and_offset_move_what_is_looked_at() {
    let source = source(&["a 1 2 3 4 5 6"]);
    expect(
        &source,
        240,
        &[
            ("a offset 1m", &["a 4"]),
            ("a offset -1m", &["a 6"]),
            ("a @ 60", &["a 2"]),
            ("a @ 60 offset 1m", &["a 1"]),
            ("a offset 1m @ 60", &["a 1"]),
            ("a @ end()", &["a 5"]),
            ("a @ -60", &[]),
            ("a[2m] @ 120", &["a 2@60 3@120"]),
            ("sum_over_time(a[2m] @ 120 offset 1m)", &["{} 3"]),
            ("a offset 0", &["a 5"]),
        ],
    );
    assert_eq!(
        over(&source, "a @ start()", 60, 180, 60),
        ["a 2@60 2@120 2@180"]
    );
    assert_eq!(
        over(&source, "a @ end() + a", 60, 180, 60),
        ["{} 6@60 7@120 8@180"]
    );
    assert_eq!(
        over(&source, "sum_over_time(a[2m] @ end())", 60, 180, 60),
        ["{} 7@60 7@120 7@180"]
    );
    assert_eq!(
        over(
            &source,
            "max_over_time(a[2m:1m] @ start() offset -1m)",
            60,
            180,
            60
        ),
        ["{} 3@60 3@120 3@180"]
    );
}

#[test]
fn subqueries_stand_on_multiples_of_their_step_and_have_one_by_default() {
    let source = source(&["a 1 2 3 4 5 6"]);
    assert_eq!(at(&source, "a[2m:50s]", 245), ["a 3@150 4@200"]);
    assert_eq!(at(&source, "a[3m:]", 245), ["a 3@120 4@180 5@240"]);
    assert_eq!(
        at(&source, "(a > 2)[3m:1m] offset 1m", 240),
        ["a 3@120 4@180"]
    );
    assert_eq!(
        at(&source, "max_over_time(sum_over_time(a[2m])[3m:1m])", 240),
        ["{} 9"]
    );
}

#[test]
fn matchers_choose_series() {
    let source = source(&["a{x=\"1\"} 1", "a{x=\"2\"} 2", "b 3", "c{x=\"l\\n2\"} 4"]);
    expect(
        &source,
        0,
        &[
            ("a{x=\"1\"}", &["a{x=\"1\"} 1"]),
            ("a{x!=\"1\"}", &["a{x=\"2\"} 2"]),
            ("{__name__=~\"a|b\",x!~\"1|2\"}", &["b 3"]),
            ("a{x=~\"1|3\"}", &["a{x=\"1\"} 1"]),
            ("a{x=~\"\"}", &[]),
            ("b{x=\"\"}", &["b 3"]),
            ("{x!=\"\",x!=\"1\",x!=\"2\"}", &["c{x=\"l\\n2\"} 4"]),
            ("c{x=~\"l.2\"}", &["c{x=\"l\\n2\"} 4"]),
            ("c{x=~\"l\"}", &[]),
            ("c{x=\"l\\n2\"}", &["c{x=\"l\\n2\"} 4"]),
            ("c{x=`l\n2`,}", &["c{x=\"l\\n2\"} 4"]),
            ("c{x='l\\u000a2'}", &["c{x=\"l\\n2\"} 4"]),
        ],
    );
}

#[test]
fn patterns_are_those_of_prometheus() {
    let source = source(&[
        "a{x=\"größe\"} 1",
        "a{x=\"a<b\"} 2",
        "a{x=\"a.b\"} 3",
        "a{x=\"aab\"} 4",
    ]);
    let aab = "a{x=\"aab\"} 4";
    let dotted = "a{x=\"a.b\"} 3";
    expect(
        &source,
        0,
        &[
            ("a{x=~\"\\\\w+\"}", &[aab]),
            ("a{x=~\"a\\\\<b\"}", &["a{x=\"a<b\"} 2"]),
            ("a{x=~`\\Qa.b\\E`}", &[dotted]),
            ("a{x=~\"aab|a\\\\.b\"}", &[dotted, aab]),
            ("a{x!~\"aab|größe|a<b\"}", &[dotted]),
            ("a{x=~`\\141{2}b`}", &[aab]),
            (
                "label_replace(a{x=\"aab\"}, \"x\", \"${foo-bar}$01$1\", \"x\", `(\\w)\\w*`)",
                &["a{x=\"${foo-bar}a\"} 4"],
            ),
            (
                "label_replace(a, \"x\", \"$1\", \"x\", \"(a**)\")",
                &[
                    "error: invalid regular expression in label_replace(): (a**): invalid nested repetition operator: `**`",
                ],
            ),
        ],
    );
}

#[test]
fn names_may_be_any_text() {
    let source = source(&[
        "{\"my.metric\",\"größe 1\"=\"x\"} 1",
        "sum{by=\"1\"} 2",
        "on 3",
        "a:b 4",
    ]);
    expect(
        &source,
        0,
        &[
            ("{\"my.metric\"}", &["{\"my.metric\",\"größe 1\"=\"x\"} 1"]),
            (
                "{\"my.metric\",\"größe 1\"=\"x\"}",
                &["{\"my.metric\",\"größe 1\"=\"x\"} 1"],
            ),
            (
                "sum by (\"größe 1\") ({\"my.metric\"})",
                &["{\"größe 1\"=\"x\"} 1"],
            ),
            (
                "{\"größe 1\"=~\".+\"}",
                &["{\"my.metric\",\"größe 1\"=\"x\"} 1"],
            ),
            ("sum{by=\"1\"}", &["sum{by=\"1\"} 2"]),
            ("sum by (by) (sum)", &["{by=\"1\"} 2"]),
            ("a:b", &["a:b 4"]),
            ("{__name__=\"on\"}", &["on 3"]),
            (
                "label_replace({\"my.metric\"}, \"a b\", \"$1\", \"größe 1\", \"(.*)\")",
                &["{\"my.metric\",\"a b\"=\"x\",\"größe 1\"=\"x\"} 1"],
            ),
        ],
    );
}

#[test]
fn numbers_durations_and_comments_are_read_as_prometheus_reads_them() {
    let source = source(&["a 1 2 3 4 5 6"]);
    expect(
        &source,
        240,
        &[
            ("0x1F + 1_000 + .5 + 1e1", &["1041.5"]),
            ("5m", &["300"]),
            ("1h30m / 1m", &["90"]),
            ("010", &["8"]),
            ("inf", &["inf"]),
            ("-Inf", &["-inf"]),
            ("NaN", &["NaN"]),
            ("sum_over_time(a[120])", &["{} 9"]),
            ("sum_over_time(a[1m60s])", &["{} 9"]),
            ("a offset 60", &["a 4"]),
            ("a # no more\n  offset 1m # at all", &["a 4"]),
            ("A_B or a", &["a 5"]),
            ("\"a\\x41\\102\\u00e9\"", &["aABé"]),
            ("'single'", &["single"]),
            ("-2 ^ 2", &["-4"]),
            ("--a", &["{} 5"]),
            ("2 ^ 3 ^ 2", &["512"]),
            ("1 + 2 * 3", &["7"]),
            ("a @ 1m", &["a 2"]),
            ("SUM(a) BY (x)", &["{} 5"]),
        ],
    );
}

#[test]
fn series_with_the_same_name_at_different_moments_are_joined_where_names_are_dropped() {
    let source = source(&["a 1 1 stale", "b _ _ 2 2"]);
    let joined = "{} 1@0 1@60 2@120 2@180";
    assert_eq!(
        over(&source, "abs({__name__=~\"a|b\"})", 0, 180, 60),
        [joined]
    );
    assert_eq!(
        over(&source, "{__name__=~\"a|b\"} + 0", 0, 180, 60),
        [joined]
    );
}

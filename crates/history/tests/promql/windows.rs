//! Functions of range vectors.

use super::{ask, at, expect, over, source};

#[test]
fn values_over_time() {
    let source = source(&["a 1 4 2 2 NaN 3", "c 5 7 2 6 9 11", "n NaN NaN"]);
    expect(
        &source,
        180,
        &[
            ("avg_over_time(a[4m])", &["{} 2.25"]),
            ("count_over_time(a[4m])", &["{} 4"]),
            ("sum_over_time(a[4m])", &["{} 9"]),
            ("min_over_time(a[4m])", &["{} 1"]),
            ("max_over_time(a[4m])", &["{} 4"]),
            ("last_over_time(a[4m])", &["a 2"]),
            ("present_over_time(a[4m])", &["{} 1"]),
            ("stdvar_over_time(a[4m])", &["{} 1.1875"]),
            ("stddev_over_time(a[3m])", &["{} 0.9428090415820634"]),
            ("quantile_over_time(0.5, a[4m])", &["{} 2"]),
            ("quantile_over_time(0.25, a[4m])", &["{} 1.75"]),
            ("quantile_over_time(-1, a[4m])", &["{} -inf"]),
            ("quantile_over_time(2, a[4m])", &["{} inf"]),
            ("changes(a[4m])", &["{} 2"]),
            ("resets(c[4m])", &["{} 1"]),
            ("idelta(c[4m])", &["{} 4"]),
            ("irate(c[4m])", &["{} 0.06666666666666667"]),
            ("irate(c[4m] offset 1m)", &["{} 0.03333333333333333"]),
            ("deriv(c[4m])", &["{} -0.0033333333333333335"]),
            ("sum_over_time(nothing[4m])", &[]),
            ("rate(c[59s])", &[]),
            ("deriv(c[1m])", &[]),
        ],
    );
    expect(
        &source,
        300,
        &[
            ("max_over_time(a[3m])", &["{} 3"]),
            ("min_over_time(a[3m])", &["{} 2"]),
            ("sum_over_time(a[3m])", &["{} NaN"]),
            ("changes(a[3m])", &["{} 2"]),
            ("max_over_time(n[10m])", &["{} NaN"]),
            ("changes(n[10m])", &["{} 0"]),
        ],
    );
}

#[test]
fn lines_through_samples_are_extended() {
    let source = source(&["a 0 60 120 180", "flat 3 3 3", "far Inf Inf"]);
    expect(
        &source,
        180,
        &[
            ("deriv(a[5m])", &["{} 1"]),
            ("predict_linear(a[5m], 60)", &["{} 240"]),
            ("predict_linear(a[5m] @ 120, 60)", &["{} 240"]),
            ("predict_linear(a[5m] offset 1m, 0)", &["{} 180"]),
            ("deriv(flat[5m])", &["{} 0"]),
            ("predict_linear(flat[5m], 1e9)", &["{} 3"]),
            ("deriv(far[5m])", &["{} NaN"]),
        ],
    );
}

#[test]
fn rates_reach_the_edges_of_the_window_where_samples_lie_close_to_them() {
    // 15 s before the first sample and none after the last.
    let source = source(&["a_total 100 160 220 280", "g 5 4 3 2"]);
    expect(
        &source,
        180,
        &[
            // Whole window: 3 min sampled, 1 minute to the start is 1.0 of the distance.
            ("increase(a_total[4m])", &["{} 240"]),
            ("round(rate(a_total[4m]) * 1e9)", &["{} 1000000000"]),
            // 67 s are more than 1.1 of the distance: half of it.
            ("increase(a_total[247s])", &["{} 210"]),
            ("delta(g[4m])", &["{} -4"]),
        ],
    );
    // At the end: 30 s after the last sample.
    assert_eq!(at(&source, "increase(a_total[210s])", 210), ["{} 210"]);
    // 67 s after it.
    assert_eq!(at(&source, "increase(a_total[240s])", 247), ["{} 203"]);
}

#[test]
fn a_counter_is_not_extended_below_zero_and_its_resets_are_counted() {
    let source = source(&[
        "a_total 10 70 130 190",
        "r_total 5 10 2 4",
        "new_total _ _ _ 0 60 120",
    ]);
    expect(
        &source,
        180,
        &[
            // Zero was 10 s before the first sample.
            ("increase(a_total[4m])", &["{} 190"]),
            // 5 -> 10, a reset, 0 -> 2 -> 4: 9 in 3 min; zero lies 100 s before, the start 60 s.
            ("increase(r_total[4m])", &["{} 12"]),
            ("resets(r_total[4m])", &["{} 1"]),
            ("delta(r_total[4m])", &["{} -1.3333333333333333"]),
        ],
    );
    // The first sample is zero and far from the start: nothing is added before it.
    assert_eq!(at(&source, "increase(new_total[5m])", 300), ["{} 120"]);
    // The start is too far away: half a distance, then the zero point within it.
    assert_eq!(at(&source, "increase(a_total[6m])", 180), ["{} 190"]);
}

#[test]
fn resets_are_counted_in_every_window_they_are_in() {
    let source = source(&["a_total 1 2 1 2 1 2 1 2"]);
    assert_eq!(
        over(&source, "resets(a_total[150s])", 0, 420, 60),
        ["{} 0@0 0@60 1@120 1@180 1@240 1@300 1@360 1@420"]
    );
    assert_eq!(
        over(&source, "increase(a_total[2m])", 240, 420, 60),
        ["{} 2@240 2@300 2@360 2@420"]
    );
}

#[test]
fn a_rate_of_what_is_no_counter_by_its_name_is_told() {
    let source = source(&["a 1 2 3", "b_total 1 2 3"]);
    let answer = ask(&source, "rate(a[5m]) + rate(b_total[5m])", 120).unwrap();
    assert_eq!(
        answer.infos,
        [
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"a\""
        ]
    );
}

#[test]
fn sums_keep_what_rounding_loses_and_means_do_not_overflow() {
    let source = source(&[
        "a 1e100 1 -1e100",
        "m 1.7e308 1.7e308 1.7e308",
        "i Inf 1 -Inf",
        "j Inf 1 2",
    ]);
    expect(
        &source,
        120,
        &[
            ("sum_over_time(a[5m])", &["{} 1"]),
            ("avg_over_time(a[5m]) * 3", &["{} 1"]),
            ("avg_over_time(m[5m]) / 1.7e308", &["{} 1"]),
            ("sum_over_time(m[5m])", &["{} inf"]),
            ("avg_over_time(i[5m])", &["{} NaN"]),
            ("avg_over_time(j[5m])", &["{} inf"]),
        ],
    );
}

#[test]
fn windows_longer_and_shorter_than_a_stretch_and_than_the_step() {
    let values: Vec<String> = (0..2000).map(|minute| minute.to_string()).collect();
    let source = source(&[&format!("a {}", values.join(" "))]);
    for (range, step) in [(1, 60), (10, 60), (10, 1), (700, 7), (1500, 100)] {
        let query = format!("count_over_time(a[{range}m]) + 0 * sum_over_time(a[{range}m])");
        let found = over(&source, &query, 6000, 119_940, step * 60);
        let points = found[0].strip_prefix("{} ").unwrap().split(' ');
        for point in points {
            let (count, second) = point.split_once('@').unwrap();
            let minutes = second.parse::<i64>().unwrap() / 60;
            assert_eq!(
                count.parse::<i64>().unwrap(),
                range.min(minutes + 1),
                "{query} {point}"
            );
        }
        let found = over(
            &source,
            &format!("sum_over_time(a[{range}m])"),
            6000,
            119_940,
            step * 60,
        );
        let last = found[0].rsplit(' ').next().unwrap();
        let (sum, second) = last.split_once('@').unwrap();
        let minute = second.parse::<i64>().unwrap() / 60;
        let wanted: i64 = (0.max(minute - range + 1)..=minute).sum();
        assert_eq!(sum.parse::<i64>().unwrap(), wanted);
    }
}

#[test]
fn extremes_of_long_windows_are_right_whatever_is_among_the_values() {
    let mut values: Vec<String> = (0..100)
        .map(|minute| ((minute * 37) % 101).to_string())
        .collect();
    values[50] = "NaN".to_owned();
    let numbers = values.join(" ");
    let nans = "NaN ".repeat(99);
    let source = source(&[
        &format!("a {numbers}"),
        &format!("n {nans} NaN"),
        &format!("low {nans} -Inf"),
        &format!("high {nans} Inf"),
        "zero -0 0 -0",
    ]);
    expect(
        &source,
        99 * 60,
        &[
            ("max_over_time(a[2h])", &["{} 100"]),
            ("min_over_time(a[2h])", &["{} 0"]),
            ("max_over_time(n[2h])", &["{} NaN"]),
            ("min_over_time(n[2h])", &["{} NaN"]),
            ("max_over_time(low[2h])", &["{} -inf"]),
            ("min_over_time(high[2h])", &["{} inf"]),
            ("min_over_time(low[2h])", &["{} -inf"]),
            ("max_over_time(zero[2h])", &["{} -0"]),
        ],
    );
}

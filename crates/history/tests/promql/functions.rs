//! Functions of instant vectors.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_3, FRAC_PI_6, LN_2, LOG10_2};

use super::{ask, at, expect, over, source};

#[test]
fn functions_of_one_value() {
    let source = source(&["a 0.5"]);
    let cases: &[(&str, f64)] = &[
        ("abs(-a)", 0.5),
        ("acos(a)", FRAC_PI_3),
        ("acosh(a + 1)", 0.962_423_650_119_206_9),
        ("asin(a)", FRAC_PI_6),
        ("asinh(a)", 0.481_211_825_059_603_4),
        ("atan(a)", 0.463_647_609_000_806_1),
        ("atanh(a)", 0.549_306_144_334_054_8),
        ("ceil(a)", 1.0),
        ("cos(a)", 0.877_582_561_890_372_8),
        ("cosh(a)", 1.127_625_965_206_380_7),
        ("deg(a)", 28.647_889_756_541_16),
        ("exp(a)", 1.648_721_270_700_128_2),
        ("floor(a)", 0.0),
        ("ln(a)", -LN_2),
        ("log10(a)", -LOG10_2),
        ("log2(a)", -1.0),
        ("rad(a)", 0.008_726_646_259_971_648),
        ("sgn(-a)", -1.0),
        ("sin(a)", 0.479_425_538_604_203),
        ("sinh(a)", 0.521_095_305_493_747_4),
        ("sqrt(a)", FRAC_1_SQRT_2),
        ("tan(a)", 0.546_302_489_843_790_5),
        ("tanh(a)", 0.462_117_157_260_009_8),
    ];
    for (query, wanted) in cases {
        let got: f64 = at(&source, query, 0)[0]
            .strip_prefix("{} ")
            .unwrap()
            .parse()
            .unwrap();
        assert!((got - wanted).abs() < 1e-12, "{query}: {got}");
    }
}

#[test]
fn clamping_rounding_and_sorting() {
    let source = source(&["a{x=\"1\"} 2.5", "a{x=\"2\"} -7", "a{x=\"3\"} NaN"]);
    expect(
        &source,
        0,
        &[
            (
                "clamp(a, -1, 2)",
                &["{x=\"1\"} 2", "{x=\"2\"} -1", "{x=\"3\"} NaN"],
            ),
            ("clamp(a, 2, -1)", &[]),
            ("clamp(a{x=\"1\"}, NaN, 1)", &["{x=\"1\"} NaN"]),
            (
                "clamp_min(a, 0)",
                &["{x=\"1\"} 2.5", "{x=\"2\"} 0", "{x=\"3\"} NaN"],
            ),
            (
                "clamp_max(a, 0)",
                &["{x=\"1\"} 0", "{x=\"2\"} -7", "{x=\"3\"} NaN"],
            ),
            (
                "round(a)",
                &["{x=\"1\"} 3", "{x=\"2\"} -7", "{x=\"3\"} NaN"],
            ),
            ("round(a{x=\"2\"}, 5)", &["{x=\"2\"} -5"]),
            (
                "sort(a)",
                &["a{x=\"2\"} -7", "a{x=\"1\"} 2.5", "a{x=\"3\"} NaN"],
            ),
            (
                "sort_desc(a)",
                &["a{x=\"1\"} 2.5", "a{x=\"2\"} -7", "a{x=\"3\"} NaN"],
            ),
        ],
    );
}

#[test]
fn scalars_vectors_and_time() {
    let source = source(&["a{x=\"1\"} 1 2", "b 5 7"]);
    expect(
        &source,
        90,
        &[
            ("scalar(b)", &["7"]),
            ("scalar({__name__=~\"a|b\"})", &["NaN"]),
            ("scalar(nothing)", &["NaN"]),
            ("vector(3)", &["{} 3"]),
            ("time()", &["90"]),
            ("pi()", &["3.141592653589793"]),
            ("timestamp(b)", &["{} 60"]),
            ("timestamp(b offset 1m)", &["{} 0"]),
            ("timestamp(b @ 0)", &["{} 0"]),
            ("timestamp(b + 0)", &["{} 90"]),
            ("\"text\"", &["text"]),
        ],
    );
    assert_eq!(
        over(&source, "timestamp(b)", 30, 90, 30),
        ["{} 0@30 60@60 60@90"]
    );
    assert_eq!(
        over(&source, "time()", 30, 90, 30),
        ["{} 30@30 60@60 90@90"]
    );
}

#[test]
fn absence_has_the_labels_that_are_asked_for() {
    let source = source(&["a{x=\"1\"} 1 stale"]);
    expect(
        &source,
        60,
        &[
            ("absent(a)", &["{} 1"]),
            ("absent(a{x=\"1\",y!=\"2\",z=~\"3\"})", &["{x=\"1\"} 1"]),
            ("absent(a{x=\"1\",x=\"2\",y=\"3\"})", &["{y=\"3\"} 1"]),
            ("absent((a{x=\"1\"}))", &["{x=\"1\"} 1"]),
            ("absent_over_time((nothing{x=\"1\"}[5m]))", &["{x=\"1\"} 1"]),
            ("absent(sum(a{x=\"1\"}))", &["{} 1"]),
            ("absent_over_time(a{x=\"1\"}[1m])", &["{x=\"1\"} 1"]),
            ("absent_over_time(a{x=\"1\"}[2m])", &[]),
            ("absent_over_time(a{x=\"2\"}[1m:30s])", &["{} 1"]),
        ],
    );
    assert_eq!(over(&source, "absent(a)", 0, 120, 60), ["{} 1@60 1@120"]);
}

#[test]
fn dates_are_those_of_the_values_or_of_the_moment() {
    let source = source(&["a 951786061"]);
    expect(
        &source,
        0,
        &[
            ("year(a)", &["{} 2000"]),
            ("month(a)", &["{} 2"]),
            ("day_of_month(a)", &["{} 29"]),
            ("day_of_week(a)", &["{} 2"]),
            ("day_of_year(a)", &["{} 60"]),
            ("days_in_month(a)", &["{} 29"]),
            ("hour(a)", &["{} 1"]),
            ("minute(a)", &["{} 1"]),
            ("year()", &["{} 1970"]),
            ("day_of_week()", &["{} 4"]),
        ],
    );
}

#[test]
fn labels_are_replaced_and_joined() {
    let source = source(&["a{x=\"left-right\",y=\"2\"} 1"]);
    expect(
        &source,
        0,
        &[
            (
                "label_replace(a, \"z\", \"$2/${1}x$$\", \"x\", \"(.*)-(.*)\")",
                &["a{x=\"left-right\",y=\"2\",z=\"right/leftx$\"} 1"],
            ),
            (
                "label_replace(a, \"z\", \"$1\", \"x\", \"left\")",
                &["a{x=\"left-right\",y=\"2\"} 1"],
            ),
            (
                "label_replace(a, \"x\", \"\", \"y\", \"(.*)\")",
                &["a{y=\"2\"} 1"],
            ),
            (
                "label_replace(a, \"z\", \"$n\", \"x\", \"(?P<n>l)eft.*\")",
                &["a{x=\"left-right\",y=\"2\",z=\"l\"} 1"],
            ),
            (
                "label_replace(a, \"z\", \"$1x\", \"x\", \"(.*)\")",
                &["a{x=\"left-right\",y=\"2\"} 1"],
            ),
            (
                "label_replace(a, \"__name__\", \"b\", \"\", \"\")",
                &["b{x=\"left-right\",y=\"2\"} 1"],
            ),
            (
                "label_join(a, \"z\", \"+\", \"y\", \"none\", \"x\")",
                &["a{x=\"left-right\",y=\"2\",z=\"2++left-right\"} 1"],
            ),
            ("label_join(a, \"x\", \"+\")", &["a{y=\"2\"} 1"]),
            (
                "label_replace(a, \"\", \"\", \"x\", \"\")",
                &["error: invalid destination label name in label_replace(): \"\""],
            ),
        ],
    );
    let source = self::source(&["a{x=\"1\"} 1", "a{x=\"2\"} 1"]);
    assert_eq!(
        at(
            &source,
            "label_replace(a, \"x\", \"same\", \"x\", \".*\")",
            0
        ),
        ["error: vector cannot contain metrics with the same labelset"]
    );
}

#[test]
fn quantiles_and_fractions_of_histograms() {
    let source = source(&[
        "h{le=\"0.1\"} 10",
        "h{le=\"1\"} 30",
        "h{le=\"1e1\"} 30",
        "h{le=\"+Inf\"} 40",
        "low{le=\"-1\"} 5",
        "low{le=\"+Inf\"} 10",
        "open{le=\"1\"} 5",
        "one{le=\"+Inf\"} 5",
        "fall{le=\"1\"} 9",
        "fall{le=\"2\"} 5",
        "fall{le=\"+Inf\"} 10",
        "none{le=\"1\"} 0",
        "none{le=\"+Inf\"} 0",
        "bad{le=\"x\"} 1",
    ]);
    expect(
        &source,
        0,
        &[
            ("histogram_quantile(0.25, h)", &["{} 0.1"]),
            ("histogram_quantile(0.5, h)", &["{} 0.55"]),
            ("histogram_quantile(0.9, h)", &["{} 10"]),
            ("histogram_quantile(1, h)", &["{} 10"]),
            ("histogram_quantile(0, h)", &["{} 0"]),
            ("histogram_quantile(-1, h)", &["{} -inf"]),
            ("histogram_quantile(2, h)", &["{} inf"]),
            ("histogram_quantile(NaN, h)", &["{} NaN"]),
            ("histogram_quantile(0.1, low)", &["{} -1"]),
            ("histogram_quantile(0.5, open)", &["{} NaN"]),
            ("histogram_quantile(0.5, one)", &["{} NaN"]),
            ("histogram_quantile(0.5, none)", &["{} NaN"]),
            ("histogram_quantile(0.5, bad)", &[]),
            ("histogram_fraction(0, 0.1, h)", &["{} 0.25"]),
            ("histogram_fraction(0.1, 1, h)", &["{} 0.5"]),
            ("histogram_fraction(0.55, 1, h)", &["{} 0.25"]),
            ("histogram_fraction(-5, +Inf, h)", &["{} 1"]),
            ("histogram_fraction(-Inf, 0.05, h)", &["{} 0.125"]),
            ("histogram_fraction(1, 0.1, h)", &["{} 0"]),
            ("histogram_fraction(NaN, 1, h)", &["{} NaN"]),
            ("histogram_fraction(0, 1, none)", &["{} NaN"]),
            ("histogram_fraction(0, 1, open)", &["{} NaN"]),
        ],
    );
    let fall = ask(&source, "histogram_quantile(0.95, fall)", 0).unwrap();
    assert_eq!(super::lines(&fall), ["{} 2"]);
    assert!(
        fall.infos[0].contains("needed to be fixed for monotonicity"),
        "{:?}",
        fall.infos
    );
    let bad = ask(&source, "histogram_quantile(2, bad)", 0).unwrap();
    assert_eq!(
        bad.warnings,
        [
            "PromQL warning: bucket label \"le\" is missing or has a malformed value of \"x\" for metric name \"bad\"",
            "PromQL warning: quantile value should be between 0 and 1, got 2",
        ]
    );
}

#[test]
fn buckets_of_two_metrics_are_two_histograms() {
    let source = source(&[
        "a_bucket{i=\"0\",le=\"1\"} 10",
        "a_bucket{i=\"0\",le=\"2\"} 20",
        "a_bucket{i=\"0\",le=\"+Inf\"} 30",
        "b_bucket{i=\"0\",le=\"1\"} 50",
        "b_bucket{i=\"0\",le=\"2\"} 50",
        "b_bucket{i=\"0\",le=\"+Inf\"} 50",
    ]);
    let same = "error: vector cannot contain metrics with the same labelset";
    expect(
        &source,
        0,
        &[
            (
                "histogram_quantile(0.5, {__name__=~\"[ab]_bucket\"})",
                &[same],
            ),
            (
                "histogram_fraction(0, 1, {__name__=~\"[ab]_bucket\"})",
                &[same],
            ),
            ("histogram_quantile(0.5, a_bucket)", &["{i=\"0\"} 1.5"]),
        ],
    );
}

#[test]
fn a_first_bucket_without_a_lower_limit_counts_whole() {
    let source = source(&["x{le=\"-1\"} 10", "x{le=\"2\"} 20", "x{le=\"+Inf\"} 30"]);
    let third = format!("{{}} {}", 10.0 / 30.0);
    expect(
        &source,
        0,
        &[
            ("histogram_fraction(-2, 5, x)", &[third.as_str()]),
            ("histogram_fraction(-Inf, -2, x)", &[third.as_str()]),
            ("histogram_fraction(-Inf, +Inf, x)", &["{} 1"]),
        ],
    );
}

#[test]
fn limits_of_buckets_are_decimal() {
    let source = source(&[
        "x{le=\"05\"} 10",
        "x{le=\"010\"} 20",
        "x{le=\"+Inf\"} 20",
        "y{le=\"0x10\"} 10",
        "y{le=\"+Inf\"} 20",
    ]);
    expect(&source, 0, &[("histogram_quantile(0.9, x)", &["{} 9"])]);
    let warnings = ask(&source, "histogram_quantile(0.5, y)", 0)
        .unwrap()
        .warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("malformed value of \"0x10\""),
        "{warnings:?}"
    );
}

#[test]
fn the_inverse_hyperbolic_cosine_is_exact_near_one() {
    let source = source(&[]);
    for (value, wanted) in [
        ("1.000000000000001", 4.712_160_915_387_241e-8),
        ("1", 0.0),
        ("2", 1.316_957_896_924_816_6),
        ("1e300", 691.468_675_078_773_7),
    ] {
        let got: f64 = at(&source, &format!("scalar(acosh(vector({value})))"), 0)[0]
            .parse()
            .unwrap();
        assert!((got - wanted).abs() <= 1e-15 * wanted, "{value}: {got}");
    }
    assert_eq!(at(&source, "acosh(vector(0.5))", 0), ["{} NaN"]);
}

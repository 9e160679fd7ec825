use super::*;

/// Series and value, kind, family, help.
type Shown = (&'static str, &'static str, &'static str, &'static str);

fn parsed(text: &str) -> Vec<(String, &'static str, String, String)> {
    let points = parse_exposition(text.as_bytes(), usize::MAX).unwrap();
    let shown = points.into_iter().map(|point| {
        let metric = &point.metric;
        let series = format!("{} {}", point.series(), point.value);
        let family = metric.family_name().to_owned();
        (
            series,
            metric.kind().as_str(),
            family,
            metric.help().to_owned(),
        )
    });
    shown.collect()
}

#[test]
fn samples_are_read_with_their_family() {
    let table: [(&str, &[Shown]); 9] = [
        ("", &[]),
        ("\n \t\n# a comment\n#TYPEa\n", &[]),
        ("a 1\n", &[("a 1", "untyped", "a", "")]),
        (
            "# HELP a:b_1 two  \\\\n\\n words \n# TYPE a:b_1 gauge\n\t a:b_1 \t +1.5e2 \t\n",
            &[("a:b_1 150", "gauge", "a:b_1", "two  \\n\n words ")],
        ),
        (
            "a { b = \"x\\\"\\\\\\n{},=é\" , c=\"\", } -Inf\na{} nan\n",
            &[
                ("a{b=\"x\\\"\\\\\\n{},=é\",c=\"\"} -inf", "untyped", "a", ""),
                ("a NaN", "untyped", "a", ""),
            ],
        ),
        (
            // Headers may come first, all of them.
            "#TYPE a Counter\n# TYPE b gauge\na 1\nb 2\n# HELP a late\n",
            &[("a 1", "counter", "a", "late"), ("b 2", "gauge", "b", "")],
        ),
        (
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n",
            &[
                ("h_bucket{le=\"+Inf\"} 1", "histogram", "h", ""),
                ("h_sum 2", "histogram", "h", ""),
                ("h_count 1", "histogram", "h", ""),
            ],
        ),
        (
            "# TYPE s summary\n# HELP s h\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_bucket 3\n",
            &[
                ("s{quantile=\"0.5\"} 1", "summary", "s", "h"),
                ("s_sum 2", "summary", "s", "h"),
                ("s_bucket 3", "untyped", "s_bucket", ""),
            ],
        ),
        (
            "a_count 1\na_sum 2\n",
            &[
                ("a_count 1", "untyped", "a_count", ""),
                ("a_sum 2", "untyped", "a_sum", ""),
            ],
        ),
    ];
    for (text, expected) in table {
        let parsed = parsed(text);
        let shown = parsed.iter().map(|(series, kind, family, help)| {
            (series.as_str(), *kind, family.as_str(), help.as_str())
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let table = [
        ("a 1", 1, 4, "line feed"),
        ("a 1\nb", 2, 2, "line feed"),
        ("é 1\n", 1, 1, "the name of a metric, found 'é'"),
        ("1a 1\n", 1, 1, "the name of a metric"),
        ("a-b 1\n", 1, 2, "expected a number, found '-b'"),
        ("a\n", 1, 2, "expected a number, found the end of the line"),
        ("a one\n", 1, 3, "expected a number, found 'one'"),
        ("a 0x10\n", 1, 3, "expected a number"),
        ("a 1_000\n", 1, 3, "expected a number"),
        ("a 1e999\n", 1, 3, "too large"),
        ("a 1\r\n", 1, 3, "expected a number"),
        (
            "a 1 1395066363000\n",
            1,
            5,
            "a sample with a time (1395066363000)",
        ),
        (
            "a 1 # {}\n",
            1,
            5,
            "expected the end of the line, found '#'",
        ),
        ("a{b=\"é\"c=\"d\"} 1\n", 1, 8, "',' or '}'"),
        ("a{b:c=\"\"} 1\n", 1, 4, "expected '='"),
        ("a{,} 1\n", 1, 3, "the name of a label"),
        ("a{b=c} 1\n", 1, 5, "'\"' before"),
        ("a{b=\"c} 1\n", 1, 10, "'\"' behind"),
        ("a{b=\"\\t\"} 1\n", 1, 6, "\\n"),
        ("a{b=\"1\",b=\"2\"} 1\n", 1, 9, "a second label b"),
        ("a{__name__=\"b\"} 1\n", 1, 3, "__name__"),
        ("# HELP\n", 1, 7, "the name of a metric"),
        ("# HELP a \\x\n", 1, 10, "\\n"),
        ("# HELP a b\n# HELP a b\n", 2, 8, "a second HELP line"),
        ("# TYPE a\n", 1, 9, "expected a type"),
        ("# TYPE a unknown\n", 1, 10, "found 'unknown'"),
        ("# TYPE a gauge 1\n", 1, 16, "the end of the line"),
        (
            "# TYPE a gauge\n# TYPE a gauge\n",
            2,
            10,
            "a second TYPE line",
        ),
        ("a 1\n# TYPE a gauge\n", 2, 10, "after its samples"),
        ("a 1\na 2\n", 2, 1, "a second sample"),
        (
            "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 2\n",
            2,
            1,
            "a second sample",
        ),
        ("a 1\na{b=\"\"} 2\n", 2, 1, "a second sample"),
        ("a{c=\"1\"} 1\nb 1\na 2\n", 3, 1, "samples of a are apart"),
        ("# TYPE h histogram\nh 1\n", 2, 1, "_bucket, _sum or _count"),
        ("# TYPE h histogram\nh_bucket 1\n", 2, 1, "a label le"),
        (
            "# TYPE h histogram\nh_bucket{le=\"x\"} 1\n",
            2,
            1,
            "a label le",
        ),
        (
            "# TYPE h histogram\nh_sum 1\nb 1\nh_count 1\n",
            4,
            1,
            "put those of h together",
        ),
        (
            "# TYPE h histogram\n# TYPE h_sum gauge\n",
            2,
            8,
            "h_sum is a part of h",
        ),
        (
            "h_sum 1\n# TYPE h histogram\n",
            2,
            10,
            "the name h_sum, which is another",
        ),
        ("# TYPE s summary\ns 1\n", 2, 1, "a label quantile"),
    ];
    for (text, line, column, message) in table {
        let error = parse_exposition(text.as_bytes(), usize::MAX).expect_err(text);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
        assert!(error.message.contains(message), "{text}: {error}");
    }
    let error = parse_exposition(b"a 1\na{b=\"c\xff\"} 1\n", 9).unwrap_err();
    assert_eq!((error.line, error.column), (2, 7), "{error}");
    assert!(error.message.contains("UTF-8"), "{error}");
}

#[test]
fn more_samples_than_allowed_are_refused() {
    assert_eq!(parse_exposition(b"a 1\nb 1\n", 2).unwrap().len(), 2);
    let error = parse_exposition(b"a 1\n\nb 1\nc 1\n", 2).unwrap_err();
    assert_eq!(error.to_string(), "line 4, column 1: more than 2 samples");
}

//! What a query may use at most.

use std::time::Duration;

use lfs_wrapper_history::{ErrorKind, Query, QueryError, QueryLimits as Limits};

use super::source;
use lfs_wrapper_history::MemorySource;

fn range(
    source: &MemorySource,
    text: &str,
    steps: i64,
    limits: &Limits,
) -> Result<usize, QueryError> {
    let answer = Query::parse(text)?.range(source, 0, (steps - 1) * 60_000, 60_000, limits)?;
    Ok(super::lines(&answer).len())
}

fn nested(before: &str, count: usize, inside: &str, after: &str) -> String {
    format!("{}{inside}{}", before.repeat(count), after.repeat(count))
}

#[test]
fn texts_that_are_too_long_or_too_deep_are_refused_and_nothing_overflows() {
    let deep = [
        nested("(", 20_000, "1", ")"),
        nested("-", 20_000, "1", ""),
        nested("a + ", 10_000, "a", ""),
        nested("sum(", 5_000, "a", ")"),
        nested("abs(-", 5_000, "a", ")"),
        nested("", 5_000, "a", "[5m:1m]"),
        nested("1 ^ ", 1_000, "1", ""),
        nested("-(", 100, "a", ")"),
        nested("(", 50_000, "", ""),
    ];
    for text in deep {
        let error = Query::parse(&text).unwrap_err();
        assert!(
            matches!(error, QueryError::Limit(_)),
            "{error}: {}",
            &text[..10]
        );
        assert_eq!(error.kind(), ErrorKind::BadData);
    }
    let long = format!("a{{x=\"{}\"}}", "y".repeat(70_000));
    assert!(
        Query::parse(&long)
            .unwrap_err()
            .to_string()
            .contains("text_max")
    );
    let source = source(&["a 1"]);
    for text in [
        nested("a + ", 120, "a", ""),
        nested("(", 120, "a", ")"),
        nested("-abs(", 60, "a", ")"),
        nested("sum(a or ", 40, "a", ")"),
        nested("max_over_time(", 50, "a", "[5m:1m])"),
        nested("", 1, "a", ""),
    ] {
        let query = Query::parse(&text).unwrap();
        query
            .range(&source, 0, 60_000, 30_000, &Limits::default())
            .unwrap();
    }
    // What the parser is given at most: a tree as deep as there are operators.
    assert!(Query::parse(&nested("-", 1000, "a", "")).is_err());
    assert!(Query::parse(&nested("a ^ ", 1000, "a", "")).is_err());
}

#[test]
fn steps_samples_and_series_are_counted() {
    let lines: Vec<String> = (0..20)
        .map(|number| format!("a{{x=\"{number}\"}} 1 2 3 4 5"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let source = source(&lines);
    let limits = |samples_max, series_max| Limits {
        samples_max,
        series_max,
        points_max: 100,
        ..Limits::default()
    };
    assert_eq!(range(&source, "a", 5, &limits(200, 20)).unwrap(), 20);
    let told = |text: &str, steps, limits: &Limits| {
        let error = range(&source, text, steps, limits).unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, message) = told("a", 102, &limits(10_000, 20));
    assert_eq!(kind, ErrorKind::BadData);
    assert!(
        message.contains("exceeded maximum resolution of 100 points"),
        "{message}"
    );
    let (kind, message) = told("a", 5, &limits(99, 20));
    assert_eq!(kind, ErrorKind::Execution);
    assert!(message.contains("samples_max"), "{message}");
    assert!(told("a", 5, &limits(1000, 19)).1.contains("series_max"));
    assert!(
        told("vector(time()) + vector(time())", 100, &limits(250, 20))
            .1
            .contains("samples_max")
    );
    assert!(
        told("sum_over_time(a[100d:1ms])", 1, &limits(10_000, 20))
            .1
            .contains("samples_max")
    );
    assert!(
        told("count_values(\"v\", a * time())", 5, &limits(10_000, 3))
            .1
            .contains("series_max")
    );
}

#[test]
fn there_are_as_many_steps_as_in_prometheus() {
    let source = MemorySource::default();
    let limits = Limits::default();
    assert_eq!(range(&source, "vector(1)", 11_001, &limits).unwrap(), 1);
    let error = range(&source, "vector(1)", 11_002, &limits).unwrap_err();
    assert!(error.to_string().contains("11000 points"), "{error}");
}

#[test]
fn answers_are_limited_before_their_points_are_made() {
    let source = source(&["a{x=\"1\"} 1", "a{x=\"2\"} _ 1"]);
    let limits = |answer_bytes_max| Limits {
        answer_bytes_max,
        ..Limits::default()
    };
    // What is not there takes no room.
    assert_eq!(range(&source, "a", 6, &limits(160)).unwrap(), 2);
    let error = range(&source, "a", 6, &limits(159)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Execution);
    let wanted = "longer than 159 bytes (answer_bytes_max)";
    assert!(error.to_string().contains(wanted), "{error}");
    let limits = limits(159);
    let query = Query::parse("vector(1)[10m:30s]").unwrap();
    assert!(query.instant(&source, 0, &limits).is_err());
}

#[test]
fn the_time_is_limited() {
    let source = source(&["a 1"]);
    let limits = Limits {
        timeout: Duration::ZERO,
        ..Limits::default()
    };
    let error = range(&source, "sum_over_time(a[1000h:1s])", 100, &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("timeout"), "{error}");
    // It passes while a query is read, too.
    let error = Query::parse_within("a{x=~\"b.*\"}", &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn times_at_the_ends_of_what_can_be_counted_are_no_danger() {
    let source = source(&["a 1"]);
    let limits = Limits::default();
    for time_msec in [i64::MIN, i64::MAX] {
        for text in [
            "a",
            "rate(a[5m])",
            "a offset 1d @ end()",
            "sum_over_time(a[5m:1m])",
            "year()",
            "timestamp(a)",
        ] {
            let query = Query::parse(text).unwrap();
            query.instant(&source, time_msec, &limits).unwrap();
            query
                .range(&source, time_msec, time_msec, 1, &limits)
                .unwrap();
        }
    }
    assert!(
        Query::parse("a")
            .unwrap()
            .range(&source, i64::MIN, i64::MAX, 1, &limits)
            .is_err()
    );
    assert!(
        Query::parse("a")
            .unwrap()
            .range(&source, 1, 0, 1, &limits)
            .is_err()
    );
    assert!(
        Query::parse("a")
            .unwrap()
            .range(&source, 0, 1, 0, &limits)
            .is_err()
    );
    assert!(
        Query::parse("a[5m]")
            .unwrap()
            .range(&source, 0, 1, 1, &limits)
            .is_err()
    );
}

#[test]
fn the_patterns_of_a_query_are_limited_in_all_and_equal_ones_count_once() {
    let source = source(&["u{x=\"abcdefghijklmnopqrst\"} 1"]);
    let matcher = |number: usize, length: usize| format!("x=~\"\\\\w{{{length}}}|{number}\"");
    let selector = |matchers: Vec<String>| format!("u{{{}}}", matchers.join(","));
    let equal = selector(vec![matcher(0, 20); 3000]);
    assert_eq!(range(&source, &equal, 1, &Limits::default()).unwrap(), 1);
    let few = selector((0..100).map(|number| matcher(number, 20)).collect());
    assert_eq!(range(&source, &few, 1, &Limits::default()).unwrap(), 1);
    let pattern = "(\\\\pL{100}){10}|";
    let replaced =
        |number: usize| format!("label_replace(u, \"y\", \"\", \"x\", \"{pattern}{number}\")");
    for text in [
        selector((0..3000).map(|number| matcher(number, 20)).collect()),
        selector(vec![format!("x=~\"{pattern}\"")]),
        replaced(1),
    ] {
        let error = range(&source, &text, 1, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadData);
        let wanted = "the regular expressions of the query take more than 16777216 bytes";
        assert!(error.to_string().starts_with(wanted), "{error}");
    }
}

#[test]
fn labels_that_a_query_makes_are_limited_one_by_one_and_in_all() {
    let source = source(&["a{x=\"1\"} 1"]);
    let joined = |times: usize| {
        let seed = "label_replace(vector(1), \"a\", \"x\", \"\", \"\")";
        nested("label_join(", times, seed, ", \"a\", \"\", \"a\", \"a\")")
    };
    let replaced = |times: usize| {
        let ten = "$1".repeat(10);
        let after = format!(", \"a\", \"{ten}\", \"a\", \"(.*)\")");
        nested(
            "label_replace(",
            times,
            "label_replace(a, \"a\", \"x\", \"\", \"\")",
            &after,
        )
    };
    let limits = Limits::default();
    for (within, beyond, function) in [
        (joined(16), joined(30), "label_join"),
        (replaced(4), replaced(9), "label_replace"),
    ] {
        assert_eq!(range(&source, &within, 1, &limits).unwrap(), 1);
        let error = range(&source, &beyond, 1, &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Execution);
        let wanted = format!("{function}() makes a label value of more than 65536 bytes");
        assert!(error.to_string().starts_with(&wanted), "{error}");
    }
    // Each is short enough, but there are too many: made, copied to others, or
    // made again for each value.
    let limits = Limits {
        samples_max: 20_000,
        ..Limits::default()
    };
    let values = "count_values(\"v\", vector(time()))";
    let many = format!("label_replace({values}, \"a\", \"x\", \"\", \"\")");
    let long = joined(15);
    for text in [
        nested("label_join(", 15, &many, ", \"a\", \"\", \"a\", \"a\")"),
        format!("{values} * on () group_left (a) {long}"),
        format!("count_values without (x) (\"v\", {long} + time())"),
    ] {
        range(&source, &text, 1, &limits).unwrap();
        let error = range(&source, &text, 100, &limits).unwrap_err();
        assert!(error.to_string().contains("samples_max"), "{error}: {text}");
    }
}

#[test]
fn counts_of_values_are_limited_while_they_are_made() {
    let source = MemorySource::default();
    // Far more than there is memory for, were it looked at only at the end.
    for (modulo, window, samples_max, wanted) in [
        (20_000, "1d:1s", 20_000_000, "samples_max"),
        (200_000, "100h:1s", usize::MAX, "series_max"),
    ] {
        let limits = Limits {
            samples_max,
            ..Limits::default()
        };
        let counts = format!("count_values(\"v\", vector(time() % {modulo}))");
        let text = format!("last_over_time({counts}[{window}])");
        let error = range(&source, &text, 1, &limits).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}: {text}");
    }
}

//! What is no query.

use lfs_wrapper_history::{ErrorKind, Query};

#[track_caller]
fn wrong(text: &str, message: &str) {
    match Query::parse(text) {
        Ok(_) => assert_eq!("a query", message, "{text}"),
        Err(error) => {
            assert_eq!(error.to_string(), message, "{text}");
            assert_eq!(error.kind(), ErrorKind::BadData);
        }
    }
}

#[test]
fn errors_tell_where_they_are() {
    wrong("", "1:1: parse error: no expression found in input");
    wrong(
        "# nothing",
        "1:1: parse error: no expression found in input",
    );
    wrong("1 + * 2", "1:5: parse error: unexpected \"*\", at \"*\"");
    wrong("a\n  b", "2:3: parse error: unexpected \"b\", at \"b\"");
    wrong("sum(a", "1:6: parse error: unexpected end of input");
    wrong("sum(a))", "1:7: parse error: unexpected \")\", at \")\"");
    wrong("a +", "1:4: parse error: unexpected end of input");
    wrong("a[5m", "1:5: parse error: unexpected end of input");
    wrong(
        "a[]",
        "1:1: parse error: missing unit character in duration, at \"a[]\"",
    );
    wrong("a offset", "1:9: parse error: unexpected end of input");
    wrong(
        "a{x}",
        "1:4: parse error: unexpected \"}\" in label matching, expected label matching operator, at \"}\"",
    );
    wrong(
        "a{x=1}",
        "1:5: parse error: unexpected \"1\" in label matching, expected string, at \"1\"",
    );
    wrong(
        "a{x=\"1\"",
        "1:8: parse error: unexpected end of input in label matching, expected \",\" or \"}\"",
    );
    wrong(
        "sum by (1) (a)",
        "1:9: parse error: unexpected \"1\" in grouping opts, expected label, at \"1\"",
    );
    wrong(
        "a{x=\"1",
        "1:5: parse error: unterminated quoted string, at \"\\\"1\"",
    );
    wrong(
        "\"\\q\"",
        "1:1: parse error: unknown escape sequence, at \"\\\"\\\\q\"",
    );
    wrong(
        "5x",
        "1:1: parse error: bad number or duration syntax, at \"5x\"",
    );
    wrong("ä", "1:1: parse error: unexpected character 'ä', at \"ä\"");
    wrong(
        "a{x=~\"(\"}",
        "1:6: parse error: invalid regular expression: missing closing ): `(`, at \"\\\"(\\\"\"",
    );
}

#[test]
fn types_are_checked_and_the_call_is_shown() {
    wrong(
        "1 + sum(rate(a))",
        "1:9: parse error: expected type range vector in call to function 'rate', got instant vector, at \"rate(a)\"",
    );
    wrong(
        "abs(a, b)",
        "1:1: parse error: expected 1 argument(s) in call to 'abs', got 2, at \"abs(a, b)\"",
    );
    wrong(
        "nothing(a)",
        "1:1: parse error: unknown function with name 'nothing', at \"nothing(a)\"",
    );
    wrong(
        "1 > 2",
        "1:1: parse error: comparisons between scalars must use BOOL modifier, at \"1 > 2\"",
    );
    wrong(
        "{}",
        "1:1: parse error: vector selector must contain at least one non-empty matcher",
    );
    wrong(
        "{x=~\".*\"}",
        "1:1: parse error: vector selector must contain at least one non-empty matcher",
    );
    wrong(
        "a{__name__=\"b\"}",
        "1:12: parse error: metric name must not be set twice: \"a\" or \"b\", at \"\\\"b\\\"\"",
    );
    wrong("a[0s]", "1:1: parse error: duration must be greater than 0");
    wrong(
        "a * on (x) group_left (x) b",
        "1:1: parse error: label \"x\" must not occur in ON and GROUP clause at once",
    );
    wrong(
        "a[1e30]",
        "1:1: parse error: duration out of range: 1000000000000000000000000000000 s",
    );
    wrong(
        "a offset 1e300",
        &format!("1:1: parse error: duration out of range: {} s", 1e300),
    );
    wrong(
        "a @ NaN",
        "1:1: parse error: timestamp out of bounds for @ modifier: NaN",
    );
    assert!(Query::parse("{x!=\"\"}").is_ok() && Query::parse("{x!~\".*\"}").is_ok());
}

#[test]
fn what_is_experimental_or_only_for_native_histograms_is_named() {
    for (text, name) in [
        ("mad_over_time(a[5m])", "the function mad_over_time()"),
        ("histogram_avg(a)", "the function histogram_avg()"),
        ("histogram_count(a)", "the function histogram_count()"),
        ("sort_by_label(a, \"x\")", "the function sort_by_label()"),
        ("info(a)", "the function info()"),
        (
            "double_exponential_smoothing(a[5m], 0.5, 0.5)",
            "the function double_exponential_smoothing()",
        ),
        ("first_over_time(a[5m])", "the function first_over_time()"),
        ("limitk(1, a)", "the aggregation limitk()"),
        ("limit_ratio(0.5, a)", "the aggregation limit_ratio()"),
        ("a + fill(0) b", "the modifier fill()"),
    ] {
        let error = Query::parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name} is not supported")),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_sign_stands_before_scalars_and_instant_vectors_only() {
    for (text, place, got, piece) in [
        ("+\"a\"", "1:1", "string", "+\\\"a\\\""),
        ("-\"a\"", "1:1", "string", "-\\\"a\\\""),
        ("+c_total[5m]", "1:1", "range vector", "+c_total[5m]"),
        (
            "1 + rate(+c_total[5m])",
            "1:5",
            "range vector",
            "rate(+c_total[5m])",
        ),
        (
            "rate((+(c_total[5m])))",
            "1:7",
            "range vector",
            "+(c_total[5m])",
        ),
    ] {
        wrong(
            text,
            &format!(
                "{place}: parse error: unary expression only allowed on expressions of type scalar or instant vector, got {got}, at \"{piece}\""
            ),
        );
    }
    for text in [
        "+a",
        "+1 + +(+a) - +-+a",
        "a + on (x) +b",
        "sum(+a) by (x) + 1",
        "rate(a[5m] offset 1m) + 1",
    ] {
        assert!(Query::parse(text).is_ok(), "{text}");
    }
}

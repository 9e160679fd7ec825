use super::*;

type Read = (Vec<(String, String)>, f64, TimeMsec, bool);

fn read(text: &str, unit: TimeUnit) -> Result<Read, ExpositionError> {
    let mut line = TimedLine::new(text, 1);
    assert_eq!(line.take_comment(), Ok(None));
    let series = line.series_text().map(str::to_owned);
    let labels = line.take_series()?;
    let rest = line.line.rest();
    assert_eq!(series.as_deref(), text.strip_suffix(rest), "{text}");
    let value = line.take_value()?;
    Ok((labels, value, line.take_time(unit)?, line.take_end()?))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn samples_are_read_with_their_times() {
    let plain = &[("__name__", "a_b:c")][..];
    let table = [
        ("a_b:c 1 2", plain, 1.0, 2000, false),
        ("a_b:c{} -Inf 1.5", plain, f64::NEG_INFINITY, 1500, false),
        ("a_b:c +Inf -0.0015\t", plain, f64::INFINITY, -2, false),
        (
            "a_b:c 1e3 1.7e9 # {id=\"x\"} 1 1.5",
            plain,
            1000.0,
            1_700_000_000_000,
            true,
        ),
    ];
    for (text, labels, value, time_msec, has_exemplar) in table {
        let expected = (pairs(labels), value, time_msec, has_exemplar);
        assert_eq!(read(text, TimeUnit::Seconds), Ok(expected), "{text}");
    }
    let expected = pairs(&[("__name__", "x"), ("a", "}\" {\n"), ("b c", "ü")]);
    let text = r#"x{a="}\" {\n" , "b c"="ü",} 3 4"#;
    assert_eq!(
        read(text, TimeUnit::Milliseconds),
        Ok((expected, 3.0, 4, false))
    );
    let text = r#"{"größe.1", a="1"} 3 4"#;
    let expected = pairs(&[("__name__", "größe.1"), ("a", "1")]);
    assert_eq!(
        read(text, TimeUnit::Milliseconds),
        Ok((expected, 3.0, 4, false))
    );
    assert!(!TimedLine::new(text, 1).is_dump());
}

#[test]
fn a_dump_has_the_name_as_a_label_and_escapes_of_go() {
    let text = r#"{__name__="up", a="\t\u00fc\x1f\"", b=""} 1 1700000000123"#;
    assert!(TimedLine::new(text, 1).is_dump());
    let expected = pairs(&[("__name__", "up"), ("a", "\tü\x1f\""), ("b", "")]);
    let expected = Ok((expected, 1.0, 1_700_000_000_123, false));
    assert_eq!(read(text, TimeUnit::Milliseconds), expected);
}

#[test]
fn seconds_are_exact_to_the_millisecond() {
    let table = [
        ("1700000000.123", Some(1_700_000_000_123)),
        ("1700000000.0005", Some(1_700_000_000_001)),
        ("1700000000.00049", Some(1_700_000_000_000)),
        ("-1.9996", Some(-2000)),
        (".5", Some(500)),
        ("5.", Some(5000)),
        ("+1", Some(1000)),
        ("-1e-3", Some(-1)),
        (".", None),
        ("1.2.3", None),
        ("--1", None),
        ("NaN", None),
        ("1e99", None),
        ("99999999999999999", None),
    ];
    for (word, expected) in table {
        assert_eq!(parse_seconds(word), expected, "{word}");
    }
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let table = [
        ("a 1", "line 1, column 4: expected a time behind the value"),
        (
            "a 1 # {} 1",
            "line 1, column 5: expected a time behind the value",
        ),
        ("a 1 x", "line 1, column 5: expected a time in seconds"),
        (
            "a 1 1700000000000",
            "expected a time in seconds up to the year 9999, found",
        ),
        (
            "a 1 1 2",
            "line 1, column 7: expected the end of the line, found '2'",
        ),
        ("a 1 1 # x", "column 7: expected the end of the line"),
        ("{} 1 1", "column 1: expected a name or a label"),
        ("a{b=\"1\",b=\"2\"} 1 1", "column 9: a second label b"),
        (
            "a{__name__=\"b\"} 1 1",
            "column 3: a second name of the metric",
        ),
        ("a{b=\"\\t\"} 1 1", "column 6: expected \\\\, \\\" or \\n"),
        (
            "a{b=\"1} 1 1",
            "column 12: expected '\"' behind a text in quotes",
        ),
        (
            "a{b 1 1",
            "column 5: expected '=' behind the name of a label",
        ),
        (
            "a{b=\"1\"}1 1",
            "column 9: expected a blank behind the series",
        ),
        ("ü 1 1", "column 1: expected the name of a metric"),
        ("a 1,5 1", "column 3: expected a number, found '1,5'"),
    ];
    for (text, expected) in table {
        let mut line = TimedLine::new(text, 1);
        let result = line.take_series().and_then(|_| {
            line.take_value()?;
            line.take_time(TimeUnit::Seconds)?;
            line.take_end()
        });
        let message = result.map_err(|error| error.to_string());
        assert!(
            message.as_ref().is_err_and(|text| text.contains(expected)),
            "{message:?}"
        );
    }
}

#[test]
fn comments_are_told_apart() {
    let comment = |text: &str| TimedLine::new(text, 1).take_comment();
    let owned = str::to_owned;
    let table = [
        ("", TimedComment::Nothing),
        ("# anything", TimedComment::Nothing),
        ("# UNIT a seconds", TimedComment::Nothing),
        ("# EOF", TimedComment::End),
        (
            "# TYPE a gauge",
            TimedComment::Type(owned("a"), owned("gauge")),
        ),
        (
            "# TYPE \"a.b\" info",
            TimedComment::Type(owned("a.b"), owned("info")),
        ),
        (
            "# HELP a b \\\"c\\\" \\\\\\n",
            TimedComment::Help(owned("a"), owned("b \"c\" \\\n")),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(comment(text), Ok(Some(expected)), "{text}");
    }
    assert_eq!(comment("a 1 1"), Ok(None));
    for text in [
        "# TYPE a",
        "# TYPE 1 gauge",
        "# TYPE a gauge b",
        "# HELP a \\x",
        "# EOF x",
    ] {
        assert!(comment(text).is_err(), "{text}");
    }
}

#[test]
fn the_unit_is_guessed_from_size_and_form() {
    let table = [
        ("1700000000", TimeUnit::Seconds),
        ("1700000000000.0", TimeUnit::Seconds),
        ("1.7e12", TimeUnit::Seconds),
        ("99999999999", TimeUnit::Seconds),
        ("100000000000", TimeUnit::Milliseconds),
    ];
    for (word, expected) in table {
        assert_eq!(TimedLine::new(word, 1).guess_unit(), expected, "{word}");
    }
}

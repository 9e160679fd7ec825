use super::*;

fn read(text: &str) -> Result<(Vec<String>, ImportCounts), ImportError> {
    read_in(text.as_bytes(), None)
}

fn read_in(
    text: &[u8],
    unit: Option<TimeUnit>,
) -> Result<(Vec<String>, ImportCounts), ImportError> {
    let mut importer = Importer::new(text, unit);
    let mut found = Vec::new();
    while let Some(item) = importer.read_next()? {
        found.push(match item {
            Item::Metadata(Metadata { name, kind, help }) => {
                format!("{name} is {} ({help})", kind.as_str())
            }
            Item::Sample {
                labels,
                time_msec,
                value,
            } => format!("{labels} = {value} at {time_msec}"),
        });
    }
    Ok((found, importer.counts()))
}

#[test]
fn openmetrics_is_read_with_its_metadata_exemplars_and_names_in_quotes() {
    let text = "# TYPE reads counter\r\n# UNIT reads seconds\n# HELP reads How often.\n\
        reads_total{disk=\"a\"} 1 1.5 # {id=\"x\"} 1\nreads_total{disk=\"a\"} 2 2\n\
        # TYPE x.y gauge_of_tomorrow\n\n{\"x.y\"} NaN 3\nz -Inf 3\n# EOF";
    let text = text.replace("# TYPE x.y", "# TYPE \"x.y\"");
    let (found, counts) = read(&text).unwrap();
    assert_eq!(
        found,
        [
            "reads_total is counter (How often.)",
            "reads_total{disk=\"a\"} = 1 at 1500",
            "reads_total{disk=\"a\"} = 2 at 2000",
            "x.y is untyped ()",
            "{\"x.y\"} = NaN at 3000",
            "z = -inf at 3000",
        ]
    );
    let expected = ImportCounts {
        lines: 10,
        samples: 4,
        exemplars: 1,
        duplicates: 0,
    };
    assert_eq!(counts, expected);
}

#[test]
fn the_text_format_with_milliseconds_needs_no_end_and_keeps_names() {
    let text = "# HELP a b\n# TYPE a counter\na 1 1700000000000\na 2 1\n";
    let (found, _) = read(text).unwrap();
    let expected = ["a is counter (b)", "a = 1 at 1700000000000", "a = 2 at 1"];
    assert_eq!(found, expected);
    let (found, _) = read_in(b"a 2 1\n", Some(TimeUnit::Milliseconds)).unwrap();
    assert_eq!(found, ["a = 2 at 1"]);
}

#[test]
fn a_dump_is_in_milliseconds_whatever_else_there_is() {
    let text = "{__name__=\"up\", job=\"a\\u00fc\"} 1 5\n{__name__=\"up\", job=\"a\\u00fc\"} 2 6\n";
    let (found, _) = read(text).unwrap();
    assert_eq!(
        found,
        ["up{job=\"aü\"} = 1 at 5", "up{job=\"aü\"} = 2 at 6"]
    );
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let table = [
        ("a 1 1.5\n", "ends behind line 1 without '# EOF'"),
        ("a 1 1.5\na 1", "line 2, column 1: expected a line feed"),
        (
            "# EOF\na 1 1\n",
            "line 2, column 1: expected nothing behind '# EOF'",
        ),
        ("# EOF\n# EOF\n", "line 2, column 1: expected nothing"),
        ("a 1 1\nb 2\n", "line 2, column 4: expected a time"),
        (
            "a 1 1.5\na 1 1700000000000\n",
            "line 2, column 5: expected a time in seconds",
        ),
        (
            "a 1 1700000000000\na 1 1.5\n",
            "line 2, column 5: expected a time in whole milliseconds",
        ),
        (
            "{a=\"\"} 1 1\n",
            "line 1, column 1: expected a label with a value",
        ),
        ("a{b=\"1\" 1 1\n", "line 1, column 9: expected ',' or '}'"),
    ];
    for (text, expected) in table {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let error = read_in(b"a\xff 1 1\n", None).unwrap_err().to_string();
    assert!(
        error.contains("line 1, column 2: expected text in UTF-8"),
        "{error}"
    );
    let long = [b"a{b=\"".to_vec(), vec![b'x'; 2 << 20]].concat();
    let error = read_in(&long, None).unwrap_err().to_string();
    assert!(error.contains("within 1 MiB"), "{error}");
}

#[test]
fn metadata_without_end_are_refused() {
    let help = "x".repeat(1 << 19);
    let lines = (0..40).map(|index| format!("# HELP a{index} {help}\n"));
    let error = read(&lines.collect::<String>()).unwrap_err().to_string();
    assert!(
        error.contains("line 32, column 1: more than 16 MiB"),
        "{error}"
    );
    let lines = (0..10_001).map(|index| format!("# TYPE a{index} gauge\n"));
    let error = read(&lines.collect::<String>()).unwrap_err().to_string();
    assert!(
        error.contains("line 10001, column 1: more than 10000"),
        "{error}"
    );
}

#[test]
fn a_text_without_samples_is_cut_short_unless_it_ends() {
    for text in ["", "# TYPE a counter\n", "# HELP a b\n# TYPE a counter\n\n"] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("without '# EOF'"), "{text:?}: {error}");
    }
    assert_eq!(read("# EOF\n").unwrap().0, [""; 0]);
    let (found, _) = read("# TYPE a counter\n# EOF\n").unwrap();
    assert_eq!(found, ["a_total is counter ()"]);
}

//! Templates: what they show, what they refuse, and the way to Prometheus'
//! templates and back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::rule::Labels;
use lfs_wrapper_alert::template::{RESULT_BYTES_MAX, Template, TemplateError, Values};
use lfs_wrapper_model::Severity;
use proptest::prelude::*;

fn labels() -> Labels {
    [
        ("mountpoint", "/mnt/lfs"),
        ("device", "sda"),
        ("bytes", "2048"),
        ("evil", "a\u{1b}[2Jb"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn render_value(template: &Template, value: Option<f64>) -> Result<String, TemplateError> {
    template.render(&Values {
        rule: "memory",
        severity: Severity::Critical,
        kind: if value.is_some() {
            Kind::Raised
        } else {
            Kind::Nodata
        },
        value,
        threshold: Some(95.0),
        labels: &labels(),
    })
}

fn shown(template: &Template) -> String {
    render_value(template, Some(97.25)).unwrap()
}

#[test]
fn a_template_shows_values() {
    let table = [
        ("memory {{ value | round(1) }}% used", "memory 97.3% used"),
        ("{{ value | round }} of {{ threshold }}", "97 of 95"),
        ("{{ threshold | round(1) }}", "95.0"),
        ("{{ labels.mountpoint }} is full", "/mnt/lfs is full"),
        ("{{ labels[\"mountpoint\"] }}", "/mnt/lfs"),
        ("[{{ labels.absent }}]", "[]"),
        ("{{ labels.absent | default('none') }}", "none"),
        ("{{ labels.device | default('none') }}", "sda"),
        (
            "{{ severity | upper }} {{ rule }} {{ kind }}",
            "CRITICAL memory raised",
        ),
        ("{{ labels.device | title }}", "Sda"),
        ("{{ \"ABC\" | lower }}", "abc"),
        ("{{ (value * 1000) | humanize }}", "97.25k"),
        ("{{ labels.bytes | humanize1024 }}B", "2kiB"),
        ("{{ (value / 100) | humanize_percentage }}", "97.25%"),
        ("{{ value | humanize_duration }}", "1m 37s"),
        ("{{ labels.mountpoint | replace('/', '-') }}", "-mnt-lfs"),
        ("{{ labels.device | re_replace('s(.)a', 'x$1') }}", "xd"),
        ("{{ labels.device | humanize }}", "sda"),
        (
            "{{ printf('%.1f%% of %s', value, rule) }}",
            "97.2% of memory",
        ),
        (
            "{{ printf('%5d|%-6v|%+.0e|%q', value, rule, value, rule) }}",
            "   97|memory|+1e+02|\"memory\"",
        ),
        (
            "{% if value > 99 %}a{% elif severity == 'critical' %}b{% else %}c{% endif %}",
            "b",
        ),
        ("a  {{- value -}}  b", "a97.25b"),
        ("a {# no #} b", "a  b"),
        ("{{ '}}' }}", "}}"),
        ("{{ labels.evil }}", "a\u{fffd}[2Jb"),
        ("line\nline", "line\nline"),
    ];
    for (text, expected) in table {
        let template = Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(shown(&template), expected, "{text}");
    }
    assert_eq!(
        shown(&Template::plain("{{ value }} \u{7}")),
        "{{ value }} \u{fffd}"
    );
}

#[test]
fn an_alert_without_a_value_shows_a_question_mark_and_never_fails() {
    let table = [
        ("{{ value }}", "?"),
        ("{{ value | round(1) }}%", "?%"),
        ("{{ value | humanize }}B", "?B"),
        ("{{ value | humanize1024 }}B", "?B"),
        ("{{ value | humanize_percentage }}", "?"),
        ("{{ value | humanize_duration }}", "?"),
        ("{{ (value * 100 - 3) | round(1) }}", "?"),
        ("{{ printf('%.2f', value) }}", "?"),
        (
            "{% if value > 3 %}high{% else %}not high{% endif %}",
            "not high",
        ),
    ];
    for (text, expected) in table {
        let template = Template::parse(text).unwrap();
        assert_eq!(render_value(&template, None).unwrap(), expected, "{text}");
    }
}

/// What is wrong, which bytes it is about, and the help.
fn refused(error: &TemplateError) -> String {
    let span = error.span();
    format!(
        "{}..{} {} ({})",
        span.start,
        span.end,
        error.message(),
        error.help().unwrap_or_default()
    )
}

#[test]
fn a_template_that_cannot_work_is_refused_where_it_is_wrong() {
    let table = [
        (
            "{{ valeu }}",
            "3..8 unknown variable 'valeu' (did you mean 'value'?)",
        ),
        (
            "a {{ value | rond(1) }}",
            "13..17 unknown filter 'rond' (did you mean 'round'?)",
        ),
        ("{{ value", "0..2 '{{' is never closed (close it with '}}')"),
        (
            "{% if value %}",
            "12..14 unexpected end of input, expected end of block ()",
        ),
        (
            "{% for x in labels %}{% endfor %}",
            "3..6 a statement that is not known here (templates know if, elif, else and endif)",
        ),
        (
            "{% if severity == 'info' %}{{ nothing }}{% endif %}",
            "30..37 unknown variable 'nothing' (known: value, threshold, labels, severity, rule, kind)",
        ),
        (
            "{{ printf('%z', value) }}",
            "3..22 '%z' is not known: use %v, %s, %q, %d, %f, %e or %g ()",
        ),
        (
            "{{ labels.a | re_replace('(', '') }}",
            "14..33 '(' is no regular expression ()",
        ),
        ("{{ labels.a.b }}", ""),
        ("{{ 'a' - 3 }}", ""),
        ("{{ }}", ""),
        ("{{ value | }}", ""),
        ("{{ {} }}", "3..4 a map ()"),
        ("{{ value; }}", "8..9 ';' cannot be read ()"),
        (
            "{{ range(9) }}",
            "3..8 unknown variable 'range' (known: value, threshold, labels, severity, rule, kind)",
        ),
    ];
    for (text, expected) in table {
        let error = Template::parse(text).expect_err(text);
        let refused = refused(&error);
        if expected.is_empty() {
            assert!(error.span().end <= text.len(), "{refused}");
        } else {
            assert_eq!(refused, expected, "{text}");
        }
    }
    assert!(Template::parse(&"x".repeat(4096)).is_ok());
    assert!(Template::parse(&"x".repeat(4097)).is_err());
}

#[test]
fn what_a_template_gives_has_a_limit() {
    let long: Labels = [("x".to_owned(), "ä".repeat(RESULT_BYTES_MAX))].into();
    let template = Template::parse("{{ labels.x | replace('ä', 'äääääääääääää') }}{{ labels.x }}");
    let shown = template.unwrap().render(&Values {
        rule: "r",
        severity: Severity::Info,
        kind: Kind::Raised,
        value: None,
        threshold: None,
        labels: &long,
    });
    let shown = shown.unwrap();
    assert!(shown.len() <= RESULT_BYTES_MAX + 8 && shown.ends_with('…'));
}

#[test]
fn templates_of_prometheus_are_translated() {
    let table = [
        ("{{ $labels.device }} at {{ $value }}", "sda at 97.25"),
        ("{{.Labels.device}} {{ .Value }}", "sda 97.25"),
        ("{{ $.Labels.device }}", "sda"),
        ("[{{ $labels.absent }}]", "[]"),
        ("{{ $value | humanize }}", "97.25"),
        (
            "{{ $value | humanizeTimestamp }}",
            "1970-01-01 00:01:37.25 +0000 UTC",
        ),
        ("{{ \"43200\" | humanizeDuration }}", "12h 0m 0s"),
        (
            "{{ $labels.device\n  }} and {{\n printf \"%.2f\" $value }}",
            "sda and 97.25",
        ),
        ("{{ humanizePercentage $value }}", "9725%"),
        ("{{ humanizeDuration $value }}", "1m 37s"),
        ("{{ printf \"%.2f\" $value }}", "97.25"),
        ("{{ $value | printf \"%.1f\" }}%", "97.2%"),
        (
            "{{ printf `%s on %s` $labels.mountpoint $labels.device }}",
            "/mnt/lfs on sda",
        ),
        (
            "{{ if gt $value 99.0 }}a{{ else if ge $value 97.0 }}b{{ else }}c{{ end }}",
            "b",
        ),
        ("{{ with $labels.device }}on {{ . }}{{ end }}", "on sda"),
        (
            "{{ with $labels.absent }}on {{ . }}{{ else }}nowhere{{ end }}",
            "nowhere",
        ),
        (
            "{{ if and (eq $labels.device \"sda\" \"sdb\") (not (lt $value 3)) }}y{{ end }}",
            "y",
        ),
        (
            "{{ if or $labels.absent (ne .Labels.device \"sdb\") }}y{{ end }}",
            "y",
        ),
        ("{{ $labels.device | toUpper | title }}", "SDA"),
        (
            "{{ reReplaceAll \"s(.)a\" \"x$1\" $labels.device | toUpper }}",
            "XD",
        ),
        ("{{ index $labels \"device\" }}", "sda"),
        ("a {{- /* a comment */ -}} b", "ab"),
        ("a\n  {{- if true }} x {{- end }}", "a x"),
        ("{{ print $labels.device \"-\" $value }}", "sda-97.25"),
        (
            "{% not ours %} {# nor this #} {",
            "{% not ours %} {# nor this #} {",
        ),
        ("{{ -3 }}", "-3"),
        ("{{ \"a\\\"b\" }}", "a\"b"),
    ];
    for (text, expected) in table {
        let template = Template::parse_go(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(shown(&template), expected, "{text}");
        assert_eq!(template.to_go().as_deref(), Some(text));
    }
    let template = Template::parse_go("{{ $value | humanize }}").unwrap();
    assert_eq!(render_value(&template, None).unwrap(), "?");
}

#[test]
fn what_prometheus_alone_can_do_is_refused_by_name() {
    let table = [
        ("{{ query \"up\" | first | value }}", "3..8 'query'"),
        ("a {{ range $x := query `up` }}{{ end }}", "5..10 'range'"),
        ("{{ template \"x\" }}", "3..11 'template'"),
        ("{{ $externalURL }}", "3..15 '$externalURL'"),
        ("{{ .ExternalLabels.x }}", "3..20 '.ExternalLabels'"),
        ("{{ $x := $value }}", "3..5 '$x'"),
        ("{{ first }}", "3..8 'first'"),
        ("{{ . }}", "3..4 '.'"),
    ];
    for (text, expected) in table {
        let refused = refused(&Template::parse_go(text).expect_err(text));
        assert!(
            refused.starts_with(&format!(
                "{expected} is not supported here (supported: $labels,"
            )),
            "{refused}"
        );
    }
    let table = [
        (
            "{{ $value ",
            "0..2 '{{' is never closed (close it with '}}')",
        ),
        (
            "{{ if $value }}",
            "0..15 a block without its end (add {{ end }})",
        ),
        ("{{ end }}", "0..9 'end' ends nothing ()"),
        ("{{ else }}", "0..10 'else' belongs to no 'if' ()"),
        ("{{ }}", "0..5 nothing between the marks ()"),
        ("{{ ($value }}", "3..4 this bracket is never closed ()"),
        (
            "{{ gt $value }}",
            "3..5 'gt' with 1 values (give it as many as Prometheus' template reference says)",
        ),
        (
            "{{ \"a\" | $value }}",
            "9..10 a value cannot take a value (a function stands after '|')",
        ),
        ("{{ $value $value }}", "10..11 this is not expected here ()"),
    ];
    for (text, expected) in table {
        assert_eq!(
            refused(&Template::parse_go(text).expect_err(text)),
            expected,
            "{text}"
        );
    }
}

#[test]
fn our_templates_are_written_for_prometheus() {
    let table = [
        (
            "memory {{ value | round(1) }}% used",
            Some("memory {{ printf \"%.1f\" $value }}% used"),
        ),
        (
            "{{ labels.device }} {{ labels['a b'] }}",
            Some("{{ $labels.device }} {{ index $labels \"a b\" }}"),
        ),
        (
            "{{ labels.x | default('none') | upper }}",
            Some("{{ toUpper (or $labels.x \"none\") }}"),
        ),
        (
            "{{ value | humanize1024 }}",
            Some("{{ humanize1024 $value }}"),
        ),
        (
            "{{ labels.x | replace('a.b', '$') }}",
            Some("{{ reReplaceAll \"a\\\\.b\" \"$$\" $labels.x }}"),
        ),
        (
            "{{ printf('%.2f', value) }}",
            Some("{{ printf \"%.2f\" $value }}"),
        ),
        (
            "{% if value > 3 and not labels.x == 'y' %}a{% elif value < -1 %}b{% else %}c{% endif %}",
            Some(
                "{{ if and (gt $value 3.0) (not (eq $labels.x \"y\")) }}a{{ else if lt $value -1.0 }}b{{ else }}c{{ end }}",
            ),
        ),
        ("{{ value * 100 }}", None),
        ("{{ severity }}", None),
        ("{{ threshold }}", None),
        ("{{ kind }}", None),
    ];
    for (text, expected) in table {
        let go = Template::parse(text).unwrap().to_go();
        assert_eq!(go.as_deref(), expected, "{text}");
        if let Some(go) = go {
            let back = Template::parse_go(&go).unwrap_or_else(|error| panic!("{go}: {error}"));
            let rounded = text.contains("round");
            if !rounded {
                assert_eq!(shown(&back), shown(&Template::parse(text).unwrap()), "{go}");
            }
        }
    }
    assert_eq!(
        Template::plain("a {{ b").to_go().unwrap(),
        "a {{ \"{{\" }} b"
    );
}

/// Text that is likely to be nearly a template.
fn nearly() -> impl Strategy<Value = String> {
    let pieces = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{{-",
        "-}}",
        " ",
        "value",
        "labels",
        ".",
        "x",
        "|",
        "round",
        "(",
        ")",
        "1",
        "'",
        "\"",
        "\\",
        "`",
        "$",
        "$labels",
        "$value",
        "printf",
        "%.2f",
        "if",
        "else",
        "end",
        "endif",
        "with",
        "eq",
        "ä",
        "\n",
        "[",
        "]",
        "-",
        "~",
        "*",
        "99",
        "humanize",
        "reReplaceAll",
        "replace",
        "\u{1b}",
    ];
    let piece = proptest::sample::select(pieces.to_vec());
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_is_too_strange(text in prop_oneof![nearly(), any::<String>()]) {
        for parsed in [Template::parse(&text), Template::parse_go(&text)] {
            match parsed {
                Ok(template) => {
                    for value in [Some(f64::NAN), Some(-1e300), None] {
                        let shown = render_value(&template, value).unwrap();
                        prop_assert!(!shown.replace('\n', "").contains(char::is_control));
                    }
                    if let Some(go) = template.to_go() {
                        prop_assert!(Template::parse_go(&go).is_ok() || text.contains('`'), "{}", go);
                    }
                }
                Err(error) => {
                    prop_assert!(text.get(error.span()).is_some(), "{:?}", error);
                }
            }
        }
    }
}

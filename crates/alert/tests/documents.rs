//! Rules in TOML files and in Prometheus' rule files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod checker;

use std::path::Path;

use checker::Brackets;
use lfs_wrapper_alert::document::parse_rules;
use lfs_wrapper_alert::prometheus::parse_prometheus;
use lfs_wrapper_alert::rule::{Absent, Bound, Level, Origin, Rule};
use lfs_wrapper_model::Severity;
use proptest::prelude::*;

fn parse(name: &str, text: &str) -> Result<Vec<Rule>, String> {
    let path = Path::new(name);
    let parsed = match name.ends_with(".yml") {
        true => parse_prometheus(path, text, &Brackets).map(|read| read.rules),
        false => parse_rules(path, text, &Brackets),
    };
    parsed.map_err(|error| error.to_string())
}

/// Each document of `documents/bad.txt` with the error that it must give.
fn bad_documents() -> Vec<(&'static str, String, &'static str)> {
    let table = include_str!("documents/bad.txt");
    let documents = table.trim_end().split("==== ").skip(1);
    documents
        .map(|document| {
            let (name, rest) = document.split_once('\n').unwrap();
            let (text, error) = rest.split_once("\n----\n").unwrap();
            (name, format!("{text}\n"), error.trim_end())
        })
        .collect()
}

#[test]
fn what_is_wrong_is_shown_at_its_place_with_what_to_do() {
    let documents = bad_documents();
    assert!(documents.len() >= 80);
    for (name, text, expected) in documents {
        let error = parse(name, &text).expect_err(&text);
        assert_eq!(error, expected, "{text}");
    }
}

fn level(severity: Severity, bound: Bound, for_msec: i64) -> Level {
    Level {
        severity,
        bound,
        for_msec,
    }
}

fn above(raise: f64, clear: f64) -> Bound {
    Bound::Above { raise, clear }
}

#[test]
fn a_rule_has_what_the_file_says() {
    let text = r#"
[[rule]]
name = "memory"
expr = "100 * (1 - a / b)"
for = "30s"
hold = "1m"
absent_after = "20s"
every = "5s"
[rule.levels]
critical = { above = 95, clear = 92, for = "0s" }
warning  = { above = 80 }
[rule.labels]
resource = "memory"
[rule.annotations]
summary = "memory {{ value | round(1) }}% used"
"#;
    let rule = parse("rules.toml", text).unwrap().remove(0);
    assert_eq!(
        rule.levels,
        [
            level(Severity::Warning, above(80.0, 77.6), 30_000),
            level(Severity::Critical, above(95.0, 92.0), 0),
        ]
    );
    assert_eq!((rule.hold_msec, rule.every_msec), (60_000, Some(5_000)));
    assert_eq!(rule.absent, Absent::Nodata { after_msec: 20_000 });
    assert_eq!(rule.labels["resource"], "memory");
    assert_eq!(
        rule.annotations["summary"].source(),
        "memory {{ value | round(1) }}% used"
    );
    let origin = Origin::File {
        path: "rules.toml".to_owned(),
        line: 2,
    };
    assert_eq!(rule.origin, origin);
}

#[test]
fn what_is_left_out_has_a_default() {
    let table = [
        (
            "[rule.levels]\nwarning = { above = 80 }",
            above(80.0, 77.6),
            Absent::Nodata { after_msec: 10_000 },
        ),
        (
            "absent = \"clear\"\n[rule.levels]\nwarning = { below = -10 }",
            Bound::Below {
                raise: -10.0,
                clear: -9.7,
            },
            Absent::Clear,
        ),
        (
            "[rule.levels]\nwarning = { above = 0 }",
            above(0.0, 0.0),
            Absent::Nodata { after_msec: 10_000 },
        ),
        ("severity = \"warning\"", Bound::Present, Absent::Clear),
    ];
    for (text, bound, absent) in table {
        let text = format!("[[rule]]\nname = \"a\"\nexpr = \"x\"\n{text}");
        let rule = parse("rules.toml", &text).unwrap().remove(0);
        assert_eq!(rule.levels, [level(Severity::Warning, bound, 0)], "{text}");
        assert_eq!((rule.hold_msec, rule.every_msec), (120_000, None));
        assert_eq!(rule.absent, absent, "{text}");
    }
    assert_eq!(parse("rules.toml", ""), Ok(vec![]));
    let disabled = "[[rule]]\nname = \"a\"\nenabled = false";
    assert_eq!(parse("rules.toml", disabled), Ok(vec![]));
}

#[test]
fn what_comes_in_numbers_has_a_limit() {
    let rule = |index: usize| {
        format!("[[rule]]\nname = \"r{index}\"\nexpr = \"x\"\nseverity = \"info\"\n")
    };
    let rules = |count: usize| (0..count).map(rule).collect::<String>();
    assert_eq!(parse("rules.toml", &rules(1_000)).unwrap().len(), 1_000);
    let labels: String = (0..65).map(|index| format!("l{index} = \"\"\n")).collect();
    let alerts = "  - alert: A\n    expr: x\n".repeat(1_001);
    let nested = format!("groups: {}", "[".repeat(40));
    let aliases: String = (1..20)
        .map(|index| {
            format!(
                "x{index}: &a{index} [{}]\n",
                format!("*a{},", index - 1).repeat(9)
            )
        })
        .collect();
    let table = [
        ("rules.toml", rules(1_001), "rules.toml:4001:1: 1001 rules"),
        (
            "rules.toml",
            rule(1).replace("\"x\"", &format!("\"{}\"", "x".repeat(10_001))),
            "rules.toml:3:8: an expression of 10001 bytes",
        ),
        (
            "rules.toml",
            rule(1).replace("r1", &"r".repeat(201)),
            "rules.toml:2:8: a name of 201 bytes",
        ),
        (
            "rules.toml",
            format!("{}[rule.labels]\n{labels}", rule(1)),
            "rules.toml:5:1: 65 labels",
        ),
        (
            "rules.toml",
            format!(
                "{}[rule.annotations]\na = \"{}\"",
                rule(1),
                "x".repeat(4_097)
            ),
            "rules.toml:6:6: in the template: a template of 4097 bytes",
        ),
        (
            "rules.yml",
            format!("groups:\n- name: g\n  rules:\n{alerts}"),
            "rules.yml:2:3: more than 1000 alerts",
        ),
        (
            "rules.yml",
            nested,
            "rules.yml:1:41: more than 32 tables and lists",
        ),
        (
            "rules.yml",
            format!("x0: &a0 [1]\n{aliases}"),
            "rules.yml:6:42: more than 200000 values",
        ),
        (
            "rules.yml",
            (0..1_001).map(|key| format!("k{key}: 1\n")).collect(),
            "rules.yml:1001:1: more than 1000 keys",
        ),
    ];
    for (name, text, expected) in table {
        let error = parse(name, &text).unwrap_err();
        assert!(error.starts_with(expected), "{expected}:\n{error:.300}");
    }
}

#[test]
fn a_rule_file_of_prometheus_loads_as_it_is() {
    let text = r#"
groups:
- name: machine
  interval: 30s
  limit: 5
  labels: { team: lfs }
  rules:
  - record: job:x:sum
    expr: sum(x)
  - alert: DiskFull
    expr: |
      node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1
        and node_filesystem_readonly == 0
    for: 1h30m
    keep_firing_for: 5m
    labels: { severity: warning, kind: '{{ $labels.fstype }}' }
    annotations:
      summary: '{{ $labels.mountpoint }} has {{ printf "%.1f" $value }} left'
      runbook_url: https://example.org/disk
  - alert: DiskFull
    expr: x < 0.05
    labels: { severity: page, team: night }
  - alert: DiskFull
    expr: y < 0.05
    labels: { severity: critical }
  - alert: Watchdog
    expr: vector(1)
    labels: { severity: none }
- name: empty
  rules:
"#;
    let read = parse_prometheus(Path::new("rules.yml"), text, &Brackets).unwrap();
    let shown: Vec<String> = read
        .rules
        .iter()
        .map(|rule| {
            let labels: Vec<String> = rule
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let level = rule.levels[0];
            assert_eq!((level.bound, rule.absent), (Bound::Present, Absent::Clear));
            format!(
                "{} {} for {} hold {} every {:?} {}",
                rule.name,
                level.severity,
                level.for_msec,
                rule.hold_msec,
                rule.every_msec.unwrap(),
                labels.join(",")
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "DiskFull/warning warning for 5400000 hold 300000 every 30000 team=lfs",
            "DiskFull/critical critical for 0 hold 0 every 30000 prometheus_severity=page,team=night",
            "DiskFull/critical/2 critical for 0 hold 0 every 30000 team=lfs",
            "Watchdog info for 0 hold 0 every 30000 prometheus_severity=none,team=lfs",
        ]
    );
    assert!(read.rules[0].expr.ends_with("readonly == 0\n"));
    let runbook = &read.rules[0].annotations["runbook"];
    assert_eq!(runbook.source(), "https://example.org/disk");
    assert_eq!(
        read.warnings,
        [
            "rules.yml:5:3: 'limit' has no effect here",
            "rules.yml:8:13: the recording rule 'job:x:sum' is not evaluated here",
            "rules.yml:16:40: the label 'kind' is a template and left out",
        ]
    );
    assert_eq!(parse("rules.yml", ""), Ok(vec![]));
    assert_eq!(parse("rules.yml", "groups:\n"), Ok(vec![]));
}

#[test]
fn yaml_may_repeat_itself() {
    let text = r"
groups:
- name: g
  limit: 0
  rules:
  - alert: A
    expr: x
    for: 5m
    labels: &labels { team: a, severity: error }
  - alert: B
    expr: y
    labels:
      <<: *labels
      team: b
  - alert: C
    expr: z
    labels: *labels
";
    let read = parse_prometheus(Path::new("rules.yml"), text, &Brackets).unwrap();
    let labels = read.rules.iter().map(|rule| {
        let severity = rule.levels[0].severity;
        format!("{} {severity} {}", rule.name, rule.labels["team"])
    });
    assert_eq!(
        labels.collect::<Vec<_>>(),
        ["A error a", "B error b", "C error a"]
    );
    assert_eq!(read.warnings, [""; 0]);
}

/// A good or bad document with something taken out, put in or doubled.
fn mutated() -> impl Strategy<Value = (&'static str, String)> {
    let documents = bad_documents();
    let pieces = [
        "\"", "'", "{{", "}}", "[", "]", "{", "}", "\n", "  ", ":", "- ", "&a", "*a", "|", ">-",
        "é", "\t", "=", "1e999", "nan", "#", "\\", "\"\"\"", "\u{feff}", "\r\n", "!!str", "%",
        "---",
    ];
    (
        0..documents.len(),
        proptest::collection::vec(
            (
                any::<proptest::sample::Index>(),
                0..pieces.len(),
                0..9_usize,
            ),
            0..5,
        ),
    )
        .prop_map(move |(index, changes)| {
            let (name, text, _) = &documents[index];
            let mut chars: Vec<char> = text.chars().collect();
            for (at, piece, dropped) in changes {
                let at = at.index(chars.len() + 1);
                let end = (at + dropped).min(chars.len());
                chars.splice(at..end, pieces[piece].chars());
            }
            (*name, chars.into_iter().collect())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_document_is_too_strange((name, text) in mutated()) {
        if let Err(error) = parse(name, &text) {
            prop_assert!(error.starts_with(name), "{}", error);
        }
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        for name in ["rules.toml", "rules.yml"] {
            if let Err(error) = parse(name, &text) {
                prop_assert!(error.starts_with(name), "{}", error);
            }
        }
    }
}

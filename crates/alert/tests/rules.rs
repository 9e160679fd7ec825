//! The rules that hold: built in, from a folder, with other thresholds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod checker;

use std::fs;
use std::path::Path;

use checker::Brackets;
use lfs_wrapper_alert::defaults::{Thresholds, apply_thresholds};
use lfs_wrapper_alert::document::parse_rules;
use lfs_wrapper_alert::rule::{Bound, Origin, Rule};
use lfs_wrapper_alert::rules::{FILE_BYTES_MAX, Rules, read_rules_file, read_rules_folder};
use tempfile::TempDir;

fn rules(text: &str) -> Vec<Rule> {
    parse_rules(Path::new("built-in"), text, &Brackets).unwrap()
}

fn built_in() -> Vec<Rule> {
    let text = r#"
[[rule]]
name = "cpu"
expr = "cpu"
[rule.levels]
warning = { above = 70, clear = 67, for = "1m" }
error = { above = 80, clear = 77, for = "5m" }
critical = { above = 90, clear = 87, for = "2m" }
[[rule]]
name = "space"
expr = "hours"
[rule.levels]
warning = { below = 24, clear = 30 }
critical = { below = 4, clear = 6 }
[[rule]]
name = "oom"
expr = "increase(oom[1m]) > 0"
severity = "error"
"#;
    let mut rules = rules(text);
    for rule in &mut rules {
        rule.origin = Origin::BuiltIn;
    }
    rules
}

/// A folder with files, each `name: text`.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn read(folder: &TempDir) -> Result<Rules, String> {
    read_rules_folder(folder.path(), built_in(), &Brackets).map_err(|errors| {
        let prefix = format!("{}/", folder.path().display());
        errors.to_string().replace(&prefix, "")
    })
}

fn names(rules: &Rules) -> Vec<&str> {
    rules.rules.iter().map(|rule| rule.name.as_str()).collect()
}

const A: &str = "[[rule]]\nname = \"a\"\nexpr = \"x\"\nseverity = \"info\"\n";

#[test]
fn a_folder_adds_replaces_and_switches_off() {
    let folder = folder(&[
        ("b.toml", A),
        (
            "a.yml",
            "groups:\n- name: g\n  rules:\n  - alert: FromYaml\n    expr: y\n  - record: r\n    expr: z\n",
        ),
        ("c.yaml", "groups: []\n"),
        (
            "d.toml",
            "[[rule]]\nname = \"space\"\nenabled = false\n\
             [[rule]]\nname = \"cpu\"\nexpr = \"mine\"\nseverity = \"info\"\n",
        ),
        (".hidden.toml", "nonsense"),
        ("notes.txt", "nonsense"),
        ("a.toml~", "nonsense"),
    ]);
    let rules = read(&folder).unwrap();
    assert_eq!(names(&rules), ["cpu", "oom", "FromYaml", "a"]);
    assert_eq!(rules.rules[0].expr, "mine");
    assert_eq!(rules.warnings.len(), 1);
    let absent = Path::new("/nonexistent/rules.d");
    let rules = read_rules_folder(absent, built_in(), &Brackets).unwrap();
    assert_eq!(names(&rules), ["cpu", "space", "oom"]);
}

#[test]
fn all_that_is_wrong_in_all_files_is_told() {
    let wrong =
        "[[rule]]\nname = \"w\"\n[[rule]]\nname = \"v\"\nexpr = \"(\"\nseverity = \"info\"\n";
    let folder = folder(&[
        ("1.toml", A),
        ("2.toml", &format!("\n{A}")),
        ("3.toml", wrong),
        ("4.yml", "groups: 3\n"),
    ]);
    fs::write(folder.path().join("5.toml"), b"\xff").unwrap();
    fs::create_dir(folder.path().join("6.toml")).unwrap();
    let large = fs::File::create(folder.path().join("7.toml")).unwrap();
    large.set_len(FILE_BYTES_MAX + 1).unwrap();
    assert_eq!(
        read(&folder).unwrap_err(),
        r#"reading the rules in 3.toml:1:1: 'expr' is missing
  1 | [[rule]]
    | ^^^^^^^^
  give a PromQL expression
reading the rules in 3.toml:5:9: in the expression: '(' is never closed
  5 | expr = "("
    |         ^
reading the rules in 4.yml:1:9: a text where a list should be
  1 | groups: 3
    |         ^
reading the rules in 5.toml: it is not UTF-8; save it as UTF-8
reading the rules in 6.toml: it is no file; give a file of rules
reading the rules in 7.toml: 1048577 bytes are too many; give at most 1048576, in several files
2.toml:2: a second rule 'a'; the first one is at 1.toml:1; give each its own name"#
    );
}

/// `severity raise/clear for`, one a level.
fn shown(rule: &Rule) -> String {
    let levels = rule.levels.iter().map(|level| {
        let (sign, raise, clear) = match level.bound {
            Bound::Above { raise, clear } => ('>', raise, clear),
            Bound::Below { raise, clear } => ('<', raise, clear),
            Bound::Present => ('!', 0.0, 0.0),
        };
        let seconds = level.for_msec / 1000;
        format!("{} {sign}{raise}/{clear} {seconds}s", level.severity)
    });
    levels.collect::<Vec<String>>().join(", ")
}

/// A rule, what is given for it, and what must come of it.
type Case = (&'static str, &'static [(&'static str, f64)], &'static str);

fn given(levels: &[(&str, f64)]) -> Thresholds {
    let mut thresholds = Thresholds::default();
    for (level, value) in levels {
        match *level {
            "info" => thresholds.info = Some(*value),
            "warning" => thresholds.warning = Some(*value),
            "error" => thresholds.error = Some(*value),
            "critical" => thresholds.critical = Some(*value),
            "emergency" => thresholds.emergency = Some(*value),
            "for" => thresholds.for_msec = Some(*value as i64),
            "hold" => thresholds.hold_msec = Some(*value as i64),
            _ => panic!("{level}"),
        }
    }
    thresholds
}

#[test]
fn given_thresholds_replace_those_of_the_rule_and_the_rest_still_rises() {
    let table: [Case; 13] = [
        (
            "cpu",
            &[],
            "warning >70/67 60s, error >80/77 300s, critical >90/87 120s",
        ),
        (
            "cpu",
            &[("warning", 60.0)],
            "warning >60/57 60s, error >80/77 300s, critical >90/87 120s",
        ),
        (
            "cpu",
            &[("warning", 85.0)],
            "warning >85/82 60s, critical >90/87 120s",
        ),
        (
            "cpu",
            &[("critical", 75.0)],
            "warning >70/67 60s, critical >75/72 120s",
        ),
        ("cpu", &[("warning", 95.0)], "warning >95/92 60s"),
        (
            "cpu",
            &[("warning", 4.0), ("error", 5.0), ("critical", 6.0)],
            "warning >4/1 60s, error >5/2 300s, critical >6/3 120s",
        ),
        (
            "cpu",
            &[("critical", 1.0)],
            "critical >1/0.9666666666666667 120s",
        ),
        (
            "cpu",
            &[("info", 50.0), ("emergency", 99.0)],
            "info >50/47 60s, warning >70/67 60s, error >80/77 300s, critical >90/87 120s, emergency >99/96 120s",
        ),
        (
            "cpu",
            &[("for", 7_000.0)],
            "warning >70/67 7s, error >80/77 7s, critical >90/87 7s",
        ),
        (
            "space",
            &[("warning", 12.0)],
            "warning <12/18 0s, critical <4/6 0s",
        ),
        ("space", &[("warning", 3.0)], "warning <3/9 0s"),
        (
            "space",
            &[("error", 8.0)],
            "warning <24/30 0s, error <8/14 0s, critical <4/6 0s",
        ),
        ("oom", &[("for", 5_000.0)], "error !0/0 5s"),
    ];
    for (name, levels, expected) in table {
        let mut rules = built_in();
        apply_thresholds(&mut rules, &[(name.to_owned(), given(levels))].into()).unwrap();
        let rule = rules.iter().find(|rule| rule.name == name).unwrap();
        assert_eq!(shown(rule), expected, "{name} {levels:?}");
    }
}

#[test]
fn a_rule_is_switched_off_or_held_longer() {
    let mut rules = built_in();
    let off = Thresholds {
        enabled: Some(false),
        ..Thresholds::default()
    };
    let overrides = [
        ("cpu".to_owned(), off),
        ("oom".to_owned(), given(&[("hold", 9_000.0)])),
    ];
    apply_thresholds(&mut rules, &overrides.into()).unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[1].hold_msec, 9_000);
}

#[test]
fn thresholds_that_fit_no_rule_change_nothing() {
    let table: [Case; 7] = [
        (
            "cpus",
            &[],
            "[thresholds] names 'cpus', and no rule has this name; did you mean 'cpu'?",
        ),
        (
            "zzzz",
            &[],
            "[thresholds] names 'zzzz', and no rule has this name; the rules are cpu, space, oom",
        ),
        (
            "oom",
            &[("warning", 1.0)],
            "[thresholds] gives 'oom' a threshold, but the rule's expression decides itself; only for, \
             hold and enabled can be set, or the rule be replaced in rules.d",
        ),
        (
            "cpu",
            &[("warning", 80.0), ("critical", 80.0)],
            "[thresholds] of 'cpu': critical at 80 is not worse than warning at 80; thresholds rise \
             with the severity in this rule",
        ),
        (
            "space",
            &[("warning", 3.0), ("critical", 4.0)],
            "[thresholds] of 'space': critical at 4 is not worse than warning at 3; thresholds fall \
             with the severity in this rule",
        ),
        (
            "cpu",
            &[("warning", f64::NAN)],
            "[thresholds] of 'cpu': warning is NaN; give a number that can be reached",
        ),
        (
            "cpu",
            &[("for", -1.0)],
            "[thresholds] of 'cpu': for is -1; give a number that can be reached",
        ),
    ];
    for (name, levels, expected) in table {
        let mut rules = built_in();
        let overrides = [(name.to_owned(), given(levels))].into();
        let error = apply_thresholds(&mut rules, &overrides).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.rule(), name);
        assert_eq!(rules, built_in());
    }
}

#[test]
fn one_file_is_read_by_the_end_of_its_name() {
    let folder = folder(&[("a.toml", A), ("b.yml", "groups: []\n"), ("c.toml", "x")]);
    let read = |name: &str| read_rules_file(&folder.path().join(name), &Brackets);
    assert_eq!(names(&read("a.toml").unwrap()), ["a"]);
    assert_eq!(names(&read("b.yml").unwrap()), [""; 0]);
    assert!(read("c.toml").is_err() && read("d.toml").is_err());
}

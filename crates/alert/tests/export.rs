//! Rules as Prometheus' rule files, and the examples of the documentation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod checker;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use checker::Brackets;
use lfs_wrapper_alert::document::parse_rules;
use lfs_wrapper_alert::prometheus::{parse_prometheus, render_prometheus};
use lfs_wrapper_alert::rule::Rule;
use lfs_wrapper_alert::rules::read_rules_file;

const VARIED: &str = r#"
[[rule]]
name = "memory \"left\""
expr = "a or b # which is there"
for = "90s"
[rule.levels]
warning  = { above = 80, clear = 77 }
critical = { above = 95.5, clear = 95.5, for = "0s" }
[rule.labels]
resource = "memory {{ x }}"
[rule.annotations]
summary = "{{ severity }}: {{ value | round(1) }}% of {{ labels.instance }} {{ labels.resource }}, more than {{ threshold }}"
runbook = "https://example.org/memory"
double = "{{ value * 2 }}"

[[rule]]
name = "left"
expr = "sum(node_filesystem_avail_bytes)"
every = "1m30s"
hold = "0s"
absent = "clear"
[rule.levels]
emergency = { below = -1e-9, clear = 1e21 }
[rule.annotations]
summary = "a\tb {{ '{{' }} é {% if value > 3 %}x{% else %}{{ kind }}{% endif %}"
runbook = "Do it."

[[rule]]
name = "oom"
expr = "increase(node_vmstat_oom_kill[5m]) > 0"
severity = "error"
"#;

fn varied() -> Vec<Rule> {
    parse_rules(Path::new("varied.toml"), VARIED, &Brackets).unwrap()
}

#[test]
fn each_level_is_an_alert_that_fires_until_it_is_clear() {
    let (yaml, notes) = render_prometheus(&varied());
    assert_eq!(yaml, include_str!("documents/varied.yml"));
    assert_eq!(
        notes,
        [
            "'memory \"left\"' at warning: the annotation 'double' has no counterpart in Prometheus' \
             templates and is left out",
            "'memory \"left\"' at critical: the annotation 'double' has no counterpart in Prometheus' \
             templates and is left out",
            "'memory \"left\"': Prometheus has no NODATA; there, an alert whose series vanishes is \
             resolved",
            "'left' at emergency: the annotation 'summary' has no counterpart in Prometheus' \
             templates and is left out",
        ]
    );
    assert_eq!(render_prometheus(&[]).0, "groups: []\n");
}

fn reread(yaml: &str) -> Vec<Rule> {
    let path = Path::new("out.yml");
    parse_prometheus(path, yaml, &Brackets).unwrap().rules
}

#[test]
fn what_is_written_can_be_read_and_written_again() {
    // A label that looks like a template is read as one, and left out.
    let text = VARIED.replace(" {{ x }}", "");
    let rules = parse_rules(Path::new("varied.toml"), &text, &Brackets).unwrap();
    let (yaml, _) = render_prometheus(&rules);
    let rules = reread(&yaml);
    assert_eq!(rules.len(), 4);
    assert_eq!(rules[0].name, "memory \"left\"/warning");
    let (again, notes) = render_prometheus(&rules);
    assert_eq!(again, yaml);
    assert!(notes.is_empty());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_examples_load() {
    let read = |name: &str| {
        let path = root().join("examples/rules").join(name);
        read_rules_file(&path, &Brackets).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let names = |name: &str| -> Vec<String> {
        let rules = read(name).rules.into_iter();
        rules.map(|rule| rule.name).collect()
    };
    assert_eq!(
        names("machine.toml"),
        ["inodes", "memory-left", "read-only"]
    );
    assert_eq!(
        names("prometheus.yml"),
        ["SpaceRunsOut/warning", "SpaceRunsOut/critical", "ClockSkew"]
    );
    assert_eq!(read("prometheus.yml").warnings.len(), 1);
}

/// The blocks of the documentation in a language, with the lines they begin at.
fn blocks(language: &str) -> Vec<(usize, String)> {
    let text = fs::read_to_string(root().join("docs/alert-rules.md")).unwrap();
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut is_in = false;
    for (index, line) in text.lines().enumerate() {
        if is_in && line == "```" {
            is_in = false;
        } else if is_in {
            blocks.last_mut().unwrap().1.push_str(&format!("{line}\n"));
        } else if line == format!("```{language}") {
            is_in = true;
            blocks.push((index + 1, String::new()));
        }
    }
    blocks
}

#[test]
fn the_examples_in_the_documentation_load() {
    let toml = blocks("toml");
    let yaml = blocks("yaml");
    assert!(toml.len() >= 5 && !yaml.is_empty());
    for (line, text) in toml {
        // Thresholds are of the configuration file, and tests of rules of another,
        // which other crates read.
        if !text.starts_with("[thresholds]") && !text.starts_with("[[test]]") {
            let rules = parse_rules(Path::new("example"), &text, &Brackets);
            assert!(rules.is_ok(), "line {line}: {}", rules.unwrap_err());
        }
    }
    for (line, text) in yaml {
        let rules = parse_prometheus(Path::new("example"), &text, &Brackets);
        assert!(rules.is_ok(), "line {line}: {}", rules.unwrap_err());
    }
}

/// Runs promtool beside `files`; the last is what it is asked about.
fn promtool(command: &str, files: &[(&str, &str)]) {
    let folder = tempfile::TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let output = Command::new("promtool")
        .args([command, "rules", files.last().unwrap().0])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{files:?}");
}

fn promtool_accepts(yaml: &str) {
    promtool("check", &[("rules.yml", yaml)]);
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus package"]
fn promtool_accepts_what_is_written() {
    let example = root().join("examples/rules/machine.toml");
    let mut rules = varied();
    rules.extend(read_rules_file(&example, &Brackets).unwrap().rules);
    promtool_accepts(&render_prometheus(&rules).0);
    promtool_accepts(&render_prometheus(&[]).0);
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus package"]
fn what_prometheus_accepts_loads_and_is_accepted_again() {
    // 'labels' of a group are newer than some promtools.
    let path = root().join("examples/rules/prometheus.yml");
    let text = fs::read_to_string(path).unwrap();
    let text = text.replace("  labels:\n    team: lfs\n", "");
    promtool_accepts(&text);
    promtool_accepts(&render_prometheus(&reread(&text)).0);
}

/// Values of a series, one a minute, and whether a WARNING and an ERROR fire
/// then. The engine and Prometheus must see the same in them.
const HYSTERESIS: [(f64, &str); 14] = [
    (79.0, ""),
    (81.0, "warning"),
    (79.0, "warning"),
    (86.0, "warning"),
    (86.0, "error warning"),
    (84.0, "error warning"),
    (81.0, "warning"),
    (78.0, "warning"),
    (76.0, ""),
    (79.0, ""),
    (80.5, "warning"),
    (f64::NAN, ""),
    (70.0, ""),
    (70.0, ""),
];

const HYSTERESIS_RULE: &str = r#"
[[rule]]
name = "memory"
expr = "used{job=\"a\"}"
hold = "0s"
absent = "clear"
[rule.levels]
warning = { above = 80, clear = 77 }
error = { above = 85, clear = 82, for = "1m" }
[rule.labels]
resource = "memory"
[rule.annotations]
summary = "{{ labels.instance }} at {{ value | round(1) }}, {{ severity | upper }}{% if value > 85 %}!{% endif %}"
"#;

#[test]
fn hysteresis_is_as_the_engine_has_it() {
    use lfs_wrapper_alert::engine::{Memory, State, step};
    let rule = &parse_rules(Path::new("h.toml"), HYSTERESIS_RULE, &Brackets).unwrap()[0];
    let mut memory = Memory::BLANK;
    for (minute, (value, expected)) in (0_i64..).zip(HYSTERESIS) {
        let value = (!value.is_nan()).then_some(value);
        memory = step(rule, &memory, value, minute * 60_000).0;
        let worst = match memory.state() {
            State::Firing(severity) => severity.as_str(),
            _ => "",
        };
        let expected = expected.split(' ').next().unwrap();
        assert_eq!(worst, expected, "minute {minute}");
    }
}

#[test]
#[ignore = "needs promtool, of Debian's prometheus package"]
fn hysteresis_is_the_same_in_prometheus() {
    let rules = parse_rules(Path::new("h.toml"), HYSTERESIS_RULE, &Brackets).unwrap();
    let (yaml, _) = render_prometheus(&rules);
    let values = HYSTERESIS.map(|(value, _)| match value.is_nan() {
        true => "stale".to_owned(),
        false => value.to_string(),
    });
    let mut tests = format!(
        "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  \
         input_series:\n  - series: 'used{{job=\"a\", instance=\"b\"}}'\n    values: '{}'\n  \
         alert_rule_test:\n",
        values.join(" ")
    );
    for (minute, (value, expected)) in HYSTERESIS.into_iter().enumerate() {
        tests.push_str(&format!(
            "  - eval_time: {minute}m\n    alertname: memory\n    exp_alerts:\n"
        ));
        for severity in expected.split_whitespace() {
            let mark = if value > 85.0 { "!" } else { "" };
            let upper = severity.to_uppercase();
            tests.push_str(&format!(
                "    - exp_labels: {{severity: {severity}, resource: memory, job: a, instance: b}}\n      \
                 exp_annotations: {{summary: 'b at {value:.1}, {upper}{mark}'}}\n"
            ));
        }
    }
    promtool("test", &[("rules.yml", &yaml), ("tests.yml", &tests)]);
}

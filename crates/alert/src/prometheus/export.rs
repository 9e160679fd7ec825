//! Our rules as a rule file of Prometheus.

use std::collections::{BTreeMap, BTreeSet};

use lfs_wrapper_model::render_duration;

use crate::rule::{Absent, Bound, Level, Rule};
use crate::template::Constants;

/// The rules as YAML that `promtool check rules` accepts, one alert for each
/// level, and what could not be said in it.
pub fn render_prometheus(rules: &[Rule]) -> (String, Vec<String>) {
    let mut notes = Vec::new();
    let mut groups: BTreeMap<Option<i64>, String> = BTreeMap::new();
    for rule in rules {
        let group = groups.entry(rule.every_msec).or_default();
        for level in &rule.levels {
            group.push_str(&render_alert(rule, level, &mut notes));
        }
        note_absent(rule, &mut notes);
    }
    if groups.is_empty() {
        return ("groups: []\n".to_owned(), notes);
    }
    let mut yaml = String::from("groups:\n");
    for (every_msec, alerts) in &groups {
        let every = every_msec.map(render_duration);
        match &every {
            None => yaml.push_str("- name: lfs-wrapper\n"),
            Some(every) => {
                yaml.push_str(&format!(
                    "- name: lfs-wrapper-{every}\n  interval: {every}\n"
                ));
            }
        }
        yaml.push_str("  rules:\n");
        yaml.push_str(alerts);
    }
    (yaml, notes)
}

fn note_absent(rule: &Rule, notes: &mut Vec<String>) {
    if let Absent::Nodata { .. } = rule.absent {
        notes.push(format!(
            "'{}': Prometheus has no NODATA; there, an alert whose series vanishes is resolved",
            rule.name
        ));
    }
}

fn render_alert(rule: &Rule, level: &Level, notes: &mut Vec<String>) -> String {
    let name = alert_name(rule, level);
    let mut text = format!("  - alert: {}\n", quote(name));
    text.push_str(&format!("    expr: {}\n", quote(&expr(rule, level, name))));
    if level.for_msec > 0 {
        text.push_str(&format!("    for: {}\n", render_duration(level.for_msec)));
    }
    if rule.hold_msec > 0 {
        let hold = render_duration(rule.hold_msec);
        text.push_str(&format!("    keep_firing_for: {hold}\n"));
    }
    text.push_str("    labels:\n");
    text.push_str(&format!("      severity: {}\n", level.severity));
    for (label, value) in &rule.labels {
        // Prometheus would take it for a template.
        let value = value.replace("{{", "{{ \"{{\" }}");
        text.push_str(&format!("      {label}: {}\n", quote(&value)));
    }
    let annotations = render_annotations(rule, level, name, notes);
    if !annotations.is_empty() {
        text.push_str("    annotations:\n");
        text.push_str(&annotations);
    }
    text
}

/// The name without what was put after it when it was read from such a file.
fn alert_name<'a>(rule: &'a Rule, level: &Level) -> &'a str {
    let is_one = level.bound == Bound::Present && rule.levels.len() == 1;
    let mark = format!("/{}", level.severity);
    match rule.name.rfind(&mark) {
        Some(at) if is_one && at > 0 => {
            let rest = &rule.name[at + mark.len()..];
            let is_number = |digits: &str| digits.parse::<usize>().is_ok();
            let is_mark = rest.is_empty() || rest.strip_prefix('/').is_some_and(is_number);
            if is_mark {
                &rule.name[..at]
            } else {
                &rule.name
            }
        }
        _ => &rule.name,
    }
}

/// Hysteresis: what fires goes on until it is clear.
fn expr(rule: &Rule, level: &Level, name: &str) -> String {
    let (operator, raise, clear) = match level.bound {
        Bound::Present => return rule.expr.clone(),
        Bound::Above { raise, clear } => (">", raise, clear),
        Bound::Below { raise, clear } => ("<", raise, clear),
    };
    // A comment at its end must not swallow the bracket.
    let expr = match rule.expr.contains('#') {
        true => format!("({}\n)", rule.expr),
        false => format!("({})", rule.expr),
    };
    if raise == clear {
        return format!("{expr} {operator} {raise}");
    }
    let own = ["alertname", "alertstate", "severity"];
    let labels: BTreeSet<&str> = own
        .into_iter()
        .chain(rule.labels.keys().map(String::as_str))
        .collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    format!(
        "({expr} {operator} {raise}) or (({expr} {operator} {clear}) and ignoring({}) \
         ALERTS{{alertname={},alertstate=\"firing\",severity=\"{}\"}})",
        labels.join(", "),
        quote(name),
        level.severity
    )
}

fn render_annotations(rule: &Rule, level: &Level, name: &str, notes: &mut Vec<String>) -> String {
    let constants = Constants {
        rule: Some(name),
        severity: Some(level.severity),
        threshold: level.bound.threshold(),
        labels: Some(&rule.labels),
    };
    let mut text = String::new();
    for (key, template) in &rule.annotations {
        let Some(go) = template.to_go_with(&constants) else {
            notes.push(format!(
                "'{}' at {}: the annotation '{key}' has no counterpart in Prometheus' \
                 templates and is left out",
                rule.name, level.severity
            ));
            continue;
        };
        let is_url = key == "runbook" && go.starts_with("http");
        let key = if is_url { "runbook_url" } else { key };
        text.push_str(&format!("      {key}: {}\n", quote(&go)));
    }
    text
}

/// A text in double quotes, for YAML and PromQL alike.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\u{feff}' | '\u{2028}' | '\u{2029}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

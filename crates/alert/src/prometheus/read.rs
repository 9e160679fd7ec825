//! From the tree of a rule file to rules.

use std::collections::BTreeMap;
use std::ops::Range;

use lfs_wrapper_model::{Severity, visible};

use super::yaml;
use crate::document::level::parse_severity;
use crate::document::tree::{Fields, Node, Value, Wrong};
use crate::document::{Loaded, RULES_MAX, Source, check_count, check_label_name, labels, name};
use crate::rule::{Absent, Bound, Labels, Level, Rule};
use crate::template::Template;

const GROUP_KEYS: [&str; 6] = [
    "name",
    "interval",
    "limit",
    "query_offset",
    "labels",
    "rules",
];

const RULE_KEYS: [&str; 7] = [
    "alert",
    "record",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
];

/// Keeps the word of the label `severity` where it is none of our five.
const SEVERITY_LABEL: &str = "prometheus_severity";

/// What the rules of a group have in common.
struct Group {
    every_msec: Option<i64>,
    labels: Labels,
}

/// An alert as it was read, before names are made different.
struct Alert {
    rule: Rule,
    severity: Severity,
}

pub(super) fn read(source: &Source<'_>, loaded: &mut Loaded) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    let groups = match yaml::parse(source.text).and_then(|document| groups(&document)) {
        Ok(groups) => groups,
        Err(wrong) => return vec![wrong],
    };
    let mut alerts = Vec::new();
    let mut names: BTreeMap<String, Range<usize>> = BTreeMap::new();
    for node in &groups {
        let mut reader = Reader {
            source,
            warnings: &mut loaded.warnings,
        };
        let rules = reader.group(node, &mut names);
        let (group, rules) = match rules {
            Ok(read) => read,
            Err(wrong) => {
                wrongs.push(wrong);
                continue;
            }
        };
        for node in rules {
            match reader.rule(node, &group) {
                Ok(alert) => alerts.extend(alert),
                Err(wrong) => wrongs.push(wrong),
            }
        }
        if alerts.len() > RULES_MAX {
            let wrong = Wrong::new(&node.span, format!("more than {RULES_MAX} alerts"));
            wrongs.push(wrong.with_help("put some into another file"));
            return wrongs;
        }
    }
    loaded.rules = named(alerts);
    wrongs
}

fn groups(document: &Node) -> Result<Vec<Node>, Wrong> {
    if let Value::Null = document.value {
        return Ok(Vec::new());
    }
    match document.fields(&["groups"])?.get("groups") {
        Some(Node {
            value: Value::Null, ..
        })
        | None => Ok(Vec::new()),
        Some(groups) => Ok(groups.list()?.to_vec()),
    }
}

/// Prometheus lets alerts share a name, mostly one for each severity; here it
/// says which rule it is. Those that share it get their severity after it, and
/// a number where that is not enough.
fn named(alerts: Vec<Alert>) -> Vec<Rule> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for alert in &alerts {
        *uses.entry(alert.rule.name.clone()).or_default() += 1;
    }
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let distinct = |alert: Alert| {
        let mut rule = alert.rule;
        if uses.get(&rule.name).is_some_and(|uses| *uses > 1) {
            let name = format!("{}/{}", rule.name, alert.severity);
            let number = taken.entry(name.clone()).or_default();
            *number += 1;
            rule.name = match *number {
                1 => name,
                number => format!("{name}/{number}"),
            };
        }
        rule
    };
    alerts.into_iter().map(distinct).collect()
}

struct Reader<'a> {
    source: &'a Source<'a>,
    warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn warn(&mut self, span: &Range<usize>, what: &str) {
        let before = &self.source.text[..span.start];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[start..].chars().count() + 1;
        let path = self.source.path.display();
        self.warnings
            .push(format!("{path}:{line}:{column}: {what}"));
    }

    fn group<'n>(
        &mut self,
        node: &'n Node,
        names: &mut BTreeMap<String, Range<usize>>,
    ) -> Result<(Group, &'n [Node]), Wrong> {
        let fields = node.fields(&GROUP_KEYS)?;
        let place = fields.require("name", "give the group a name")?;
        let name = name(place)?;
        if names.insert(name.clone(), place.span.clone()).is_some() {
            let wrong = Wrong::new(&place.span, format!("a second group '{name}'"));
            return Err(wrong.with_help("give each group of a file its own name"));
        }
        for key in ["limit", "query_offset"] {
            let is_default = |node: &Node| node.text("").is_ok_and(|text| text.starts_with('0'));
            if let Some(entry) = fields.entry(key).filter(|entry| !is_default(&entry.node)) {
                self.warn(&entry.key_span, &format!("'{key}' has no effect here"));
            }
        }
        let every_msec = fields.duration_msec("interval")?;
        let group = Group {
            every_msec: every_msec.filter(|msec| *msec > 0),
            labels: self.plain_labels(fields.get("labels"))?.0,
        };
        match fields.get("rules") {
            Some(Node {
                value: Value::Null, ..
            })
            | None => Ok((group, &[])),
            Some(rules) => Ok((group, rules.list()?)),
        }
    }

    /// Labels without the severity, and that. Labels with templates in them
    /// are left out: here they say which alert it is.
    fn plain_labels(&mut self, node: Option<&Node>) -> Result<(Labels, Option<String>), Wrong> {
        let Some(node) = node.filter(|node| !matches!(node.value, Value::Null)) else {
            return Ok((Labels::new(), None));
        };
        check_count(node, "labels")?;
        let mut severity = None;
        let mut plain = node.clone();
        let Value::Map(entries) = &mut plain.value else {
            return Err(Wrong::new(&node.span, "labels that are no table"));
        };
        let mut warned = Vec::new();
        entries.retain(|entry| match &entry.node.value {
            Value::Text(text) if text.contains("{{") => {
                warned.push((entry.key.clone(), entry.node.span.clone()));
                false
            }
            Value::Text(text) if entry.key == "severity" => {
                severity = Some(text.clone());
                false
            }
            _ => true,
        });
        for (key, span) in warned {
            let key = visible(&key);
            self.warn(
                &span,
                &format!("the label '{key}' is a template and left out"),
            );
        }
        Ok((labels(Some(&plain))?, severity))
    }

    fn rule(&mut self, node: &Node, group: &Group) -> Result<Option<Alert>, Wrong> {
        let fields = node.fields(&RULE_KEYS)?;
        let alert = match (fields.get("alert"), fields.get("record")) {
            (Some(alert), None) => alert,
            (None, Some(record)) => {
                let shown = visible(record.text("give the series a name")?);
                let what = format!("the recording rule '{shown}' is not evaluated here");
                self.warn(&record.span, &what);
                return Ok(None);
            }
            (Some(_), Some(record)) => {
                return Err(Wrong::new(&record.span, "'record' beside 'alert'")
                    .with_help("make two rules of it"));
            }
            (None, None) => {
                return Err(
                    Wrong::new(&node.span, "'alert' is missing").with_help("give the alert a name")
                );
            }
        };
        self.alert(alert, &fields, group).map(Some)
    }

    fn alert(&mut self, alert: &Node, fields: &Fields<'_>, group: &Group) -> Result<Alert, Wrong> {
        let expr = self
            .source
            .expr(fields.require("expr", "give a PromQL expression")?)?;
        let (own, severity) = self.plain_labels(fields.get("labels"))?;
        let mut labels = group.labels.clone();
        labels.extend(own);
        let severity = severity_of(severity.as_deref(), &mut labels);
        let level = Level {
            severity,
            bound: Bound::Present,
            for_msec: fields.duration_msec("for")?.unwrap_or(0),
        };
        let rule = Rule {
            name: name(alert)?,
            expr,
            levels: vec![level],
            hold_msec: fields.duration_msec("keep_firing_for")?.unwrap_or(0),
            absent: Absent::Clear,
            every_msec: group.every_msec,
            labels,
            annotations: self.annotations(fields.get("annotations"))?,
            origin: self.source.origin(&alert.span),
        };
        Ok(Alert { rule, severity })
    }

    fn annotations(&self, node: Option<&Node>) -> Result<BTreeMap<String, Template>, Wrong> {
        let Some(node) = node.filter(|node| !matches!(node.value, Value::Null)) else {
            return Ok(BTreeMap::new());
        };
        check_count(node, "annotations")?;
        let mut annotations = BTreeMap::new();
        for entry in node.map()? {
            check_label_name(&entry.key, &entry.key_span)?;
            let template = self.source.template(&entry.node, Template::parse_go)?;
            annotations.insert(entry.key.clone(), template);
        }
        if let Some(url) = annotations.remove("runbook_url") {
            annotations.entry("runbook".to_owned()).or_insert(url);
        }
        Ok(annotations)
    }
}

fn severity_of(word: Option<&str>, labels: &mut Labels) -> Severity {
    let Some(word) = word else {
        return Severity::Warning;
    };
    if let Some(severity) = parse_severity(word) {
        return severity;
    }
    labels.insert(SEVERITY_LABEL.to_owned(), word.to_owned());
    match word {
        "page" => Severity::Critical,
        "none" => Severity::Info,
        _ => Severity::Warning,
    }
}

//! From the tree of a TOML file to its rules.

use std::collections::BTreeMap;

use super::level::levels;
use super::tree::{Fields, Node, Wrong, unknown};
use super::{Loaded, RULES_MAX, Source, check_count, is_name, labels, name, toml_tree};
use crate::rule::{Absent, Bound, Level, Rule};
use crate::template::Template;

const KEYS: [&str; 12] = [
    "name",
    "expr",
    "for",
    "hold",
    "absent",
    "absent_after",
    "every",
    "levels",
    "severity",
    "labels",
    "annotations",
    "enabled",
];

/// What `hold` is where it is not given.
const HOLD_MSEC: i64 = 120_000;

/// What `absent_after` is where it is not given.
const ABSENT_AFTER_MSEC: i64 = 10_000;

/// Puts the rules of the file into `loaded`; all that is wrong comes back.
pub(super) fn read(source: &Source<'_>, loaded: &mut Loaded) -> Vec<Wrong> {
    let rules = toml_tree::parse(source.text).and_then(|document| {
        let rules = match document.fields(&["rule"])?.get("rule") {
            Some(rules) => rules.list()?.to_vec(),
            None => Vec::new(),
        };
        match rules.get(RULES_MAX) {
            Some(rule) => Err(Wrong::new(&rule.span, format!("{} rules", rules.len()))
                .with_help(format!("give at most {RULES_MAX} in a file"))),
            None => Ok(rules),
        }
    });
    let rules = match rules {
        Ok(rules) => rules,
        Err(wrong) => return vec![wrong],
    };
    let mut wrongs = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for node in rules {
        let read = rule(source, &node).and_then(|(rule, is_enabled)| {
            check_name_is_new(source, &node, &rule.name, &mut lines)?;
            Ok((rule, is_enabled))
        });
        match read {
            Ok((rule, true)) => loaded.rules.push(rule),
            Ok((rule, false)) => loaded.disabled.push((rule.name, rule.origin)),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    wrongs
}

fn check_name_is_new(
    source: &Source<'_>,
    node: &Node,
    name: &str,
    lines: &mut BTreeMap<String, usize>,
) -> Result<(), Wrong> {
    let place = node.fields(&KEYS)?.require("name", "")?;
    let line = source.text[..place.span.start].matches('\n').count() + 1;
    match lines.insert(name.to_owned(), line) {
        Some(first) => Err(
            Wrong::new(&place.span, format!("a second rule '{name}'")).with_help(format!(
                "the first one is in line {first}; give each its own name"
            )),
        ),
        None => Ok(()),
    }
}

/// A rule, and whether it is switched on.
fn rule(source: &Source<'_>, node: &Node) -> Result<(Rule, bool), Wrong> {
    let fields = node.fields(&KEYS)?;
    let name = name(fields.require("name", "give the rule a name")?)?;
    let is_enabled = fields.get("enabled").map_or(Ok(true), Node::boolean)?;
    let origin = source.origin(&node.span);
    if !is_enabled && fields.get("expr").is_none() {
        // Nothing but the name: it switches off a rule that comes with us.
        let rule = Rule {
            name,
            expr: String::new(),
            levels: Vec::new(),
            hold_msec: 0,
            absent: Absent::Clear,
            every_msec: None,
            labels: labels(None)?,
            annotations: BTreeMap::new(),
            origin,
        };
        return Ok((rule, false));
    }
    let expr = source.expr(fields.require("expr", "give a PromQL expression")?)?;
    let levels = levels(&fields, fields.duration_msec("for")?.unwrap_or(0))?;
    let rule = Rule {
        name,
        expr,
        absent: absent(&fields, &levels)?,
        levels,
        hold_msec: fields.duration_msec("hold")?.unwrap_or(HOLD_MSEC),
        every_msec: every_msec(&fields)?,
        labels: labels(fields.get("labels"))?,
        annotations: annotations(source, fields.get("annotations"))?,
        origin,
    };
    Ok((rule, is_enabled))
}

fn absent(fields: &Fields<'_>, levels: &[Level]) -> Result<Absent, Wrong> {
    let decides_itself = levels.iter().any(|level| level.bound == Bound::Present);
    let word = match fields.get("absent") {
        Some(node) => {
            let word = node.text("give \"nodata\" or \"clear\"")?;
            if !["nodata", "clear"].contains(&word) {
                return Err(unknown("word", word, &node.span, &["nodata", "clear"]));
            }
            if word == "nodata" && decides_itself {
                return Err(Wrong::new(
                    &node.span,
                    "NODATA where the expression decides: it would never be over",
                )
                .with_help("leave it out, or give levels instead of a severity"));
            }
            word
        }
        None if decides_itself => "clear",
        None => "nodata",
    };
    match (word, fields.entry("absent_after")) {
        ("clear", Some(entry)) => Err(Wrong::new(
            &entry.key_span,
            "'absent_after' where what is absent is clear",
        )
        .with_help("it says when an alert becomes NODATA; for how long it goes on, see 'hold'")),
        ("clear", None) => Ok(Absent::Clear),
        (_, after) => Ok(Absent::Nodata {
            after_msec: match after {
                Some(entry) => entry.node.duration_msec()?,
                None => ABSENT_AFTER_MSEC,
            },
        }),
    }
}

fn every_msec(fields: &Fields<'_>) -> Result<Option<i64>, Wrong> {
    let every = fields.duration_msec("every")?;
    match (every, fields.get("every")) {
        (Some(0), Some(node)) => Err(Wrong::new(&node.span, "a rule that is looked at every 0s")
            .with_help("give a time above 0s; without one it is looked at with each sample")),
        _ => Ok(every),
    }
}

fn annotations(
    source: &Source<'_>,
    node: Option<&Node>,
) -> Result<BTreeMap<String, Template>, Wrong> {
    let Some(node) = node else {
        return Ok(BTreeMap::new());
    };
    check_count(node, "annotations")?;
    let mut annotations = BTreeMap::new();
    for entry in node.map()? {
        if !is_name(&entry.key) {
            let shown = lfs_wrapper_model::visible(&entry.key);
            return Err(Wrong::new(
                &entry.key_span,
                format!("'{shown}' is no name for an annotation"),
            )
            .with_help("give letters, digits and '_', beginning with no digit and not with '__'"));
        }
        let template = source.template(&entry.node, Template::parse)?;
        annotations.insert(entry.key.clone(), template);
    }
    Ok(annotations)
}

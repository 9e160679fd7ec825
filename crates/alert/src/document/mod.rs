//! Rules in TOML files. docs/alert-rules.md says what they may hold.

pub(crate) mod level;
mod read;
mod toml_tree;
pub(crate) mod tree;

use std::ops::Range;
use std::path::Path;

use lfs_wrapper_model::document::DocumentError;

use self::tree::{Node, Wrong, place_within};
use crate::rule::{Labels, Origin, Rule};
use crate::template::Template;

/// The most rules in one file.
pub const RULES_MAX: usize = 1_000;

/// The longest expression, in bytes.
pub const EXPR_BYTES_MAX: usize = 10_000;

/// The longest name of a rule, in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// The most labels, and the most annotations, of one rule.
pub const LABELS_MAX: usize = 64;

/// The longest value of a label, in bytes.
pub const LABEL_BYTES_MAX: usize = 1_024;

/// What the monitor tells without a rule: their alerts are found by these names.
pub const TOLD_WITHOUT_RULES: [&str; 3] = ["build-failed", "history-stopped", "rules-refused"];

/// Whether an expression can be evaluated. PromQL is read elsewhere.
pub trait ExprCheck {
    /// An error where it cannot.
    fn check(&self, expr: &str) -> Result<(), ExprError>;
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ExprError {
    /// Line within the expression, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The rules of the TOML document `text`, which was read from `path`; those
/// with `enabled = false` are left out. The error is the first one.
pub fn parse_rules(
    path: &Path,
    text: &str,
    check: &dyn ExprCheck,
) -> Result<Vec<Rule>, DocumentError> {
    let mut loaded = load(path, text, check);
    if loaded.errors.is_empty() {
        Ok(loaded.rules)
    } else {
        Err(loaded.errors.swap_remove(0))
    }
}

/// What a file of rules holds, and all that is wrong in it.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) rules: Vec<Rule>,
    /// Names of rules that are switched off.
    pub(crate) disabled: Vec<(String, Origin)>,
    pub(crate) errors: Vec<DocumentError>,
    /// What is not evaluated, or not as it is written.
    pub(crate) warnings: Vec<String>,
}

/// The file that is read, for places and checks.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
    pub(crate) check: &'a dyn ExprCheck,
}

pub(crate) fn load(path: &Path, text: &str, check: &dyn ExprCheck) -> Loaded {
    let source = Source { path, text, check };
    let mut loaded = Loaded::default();
    let wrongs = read::read(&source, &mut loaded);
    loaded.errors = wrongs
        .into_iter()
        .map(|wrong| wrong.into_error(path, text))
        .collect();
    loaded
}

impl Source<'_> {
    pub(crate) fn origin(&self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or_default();
        Origin::File {
            path: self.path.display().to_string(),
            line: before.matches('\n').count() + 1,
        }
    }

    /// The expression of a rule, checked.
    pub(crate) fn expr(&self, node: &Node) -> Result<String, Wrong> {
        let text = node.text("give a PromQL expression")?;
        if text.len() > EXPR_BYTES_MAX {
            let message = format!("an expression of {} bytes", text.len());
            return Err(Wrong::new(&node.span, message)
                .with_help(format!("give at most {EXPR_BYTES_MAX} bytes")));
        }
        let wrong = |error: ExprError| {
            let start = offset(text, error.line, error.column);
            let length = text[start..].chars().next().map_or(0, char::len_utf8);
            let place = place_within(self.text, &node.span, text, &(start..start + length));
            let message = lfs_wrapper_model::visible(&error.message);
            Wrong::new(&place, format!("in the expression: {message}"))
        };
        self.check.check(text).map_err(wrong)?;
        Ok(text.to_owned())
    }

    pub(crate) fn template(
        &self,
        node: &Node,
        parse: fn(&str) -> Result<Template, crate::template::TemplateError>,
    ) -> Result<Template, Wrong> {
        let tree::Value::Text(text) = &node.value else {
            // The error for what is no text.
            node.text("give a text, perhaps with {{ value }} in it")?;
            return Ok(Template::plain(""));
        };
        parse(text).map_err(|error| {
            let place = place_within(self.text, &node.span, text, &error.span());
            let wrong = Wrong::new(&place, format!("in the template: {}", error.message()));
            match error.help() {
                Some(help) => wrong.with_help(help),
                None => wrong,
            }
        })
    }
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = lines.map(str::len).sum();
    let rest = &text[start..];
    let column = rest.char_indices().nth(column.saturating_sub(1));
    start + column.map_or(rest.len(), |(index, _)| index)
}

/// The name of a rule: one line, and neither empty nor endless.
pub(crate) fn name(node: &Node) -> Result<String, Wrong> {
    const HELP: &str = "give a name of one line";
    let name = node.text(HELP)?;
    if name.contains(char::is_control) || name.trim() != name {
        let message = "a name with control characters, or with space round it";
        return Err(Wrong::new(&node.span, message).with_help(HELP));
    }
    if TOLD_WITHOUT_RULES.contains(&name) {
        let message = format!("'{name}' is told without a rule");
        return Err(Wrong::new(&node.span, message).with_help("give another name"));
    }
    if name.len() > NAME_BYTES_MAX {
        let message = format!("a name of {} bytes", name.len());
        return Err(Wrong::new(&node.span, message)
            .with_help(format!("give at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(name.to_owned())
}

/// Labels of a rule or a group.
pub(crate) fn labels(node: Option<&Node>) -> Result<Labels, Wrong> {
    let Some(node) = node else {
        return Ok(Labels::new());
    };
    let entries = node.map()?;
    check_count(node, "labels")?;
    let mut labels = Labels::new();
    for entry in entries {
        check_label_name(&entry.key, &entry.key_span)?;
        let tree::Value::Text(text) = &entry.node.value else {
            let message = "a label's value that is no text";
            return Err(Wrong::new(&entry.node.span, message).with_help("put it in quotes"));
        };
        if text.len() > LABEL_BYTES_MAX {
            let message = format!("a label of {} bytes", text.len());
            return Err(Wrong::new(&entry.node.span, message)
                .with_help(format!("give at most {LABEL_BYTES_MAX} bytes")));
        }
        labels.insert(entry.key.clone(), text.clone());
    }
    Ok(labels)
}

pub(crate) fn check_count(node: &Node, what: &str) -> Result<(), Wrong> {
    let count = node.map()?.len();
    if count <= LABELS_MAX {
        return Ok(());
    }
    Err(Wrong::new(&node.span, format!("{count} {what}"))
        .with_help(format!("give at most {LABELS_MAX}")))
}

/// Labels that say which alert it is: a rule cannot set them.
const RESERVED: [&str; 3] = ["alertname", "severity", "__name__"];

pub(crate) fn check_label_name(name: &str, span: &Range<usize>) -> Result<(), Wrong> {
    let shown = lfs_wrapper_model::visible(name);
    if RESERVED.contains(&name) {
        return Err(
            Wrong::new(span, format!("'{shown}' is no label that a rule can set"))
                .with_help("the rule's name and the level say that"),
        );
    }
    if is_name(name) {
        return Ok(());
    }
    Err(
        Wrong::new(span, format!("'{shown}' is no name for a label"))
            .with_help("give letters, digits and '_', beginning with no digit and not with '__'"),
    )
}

/// Prometheus' label names, without those that it keeps to itself.
pub(crate) fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.starts_with("__")
        && name.chars().all(is_letter)
}

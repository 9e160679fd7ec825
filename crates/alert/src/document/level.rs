//! Levels of a rule: read, and checked against each other.

use lfs_wrapper_model::Severity;

use super::tree::{Fields, Node, Wrong, unknown};
use crate::rule::{Bound, Level};

/// A level without `clear` is left this share of its threshold before it.
const CLEAR_SHARE: f64 = 0.03;

/// The levels of a rule, from least to worst.
pub(super) fn levels(rule: &Fields<'_>, for_msec: i64) -> Result<Vec<Level>, Wrong> {
    match (rule.entry("levels"), rule.entry("severity")) {
        (Some(_), Some(severity)) => {
            Err(
                Wrong::new(&severity.key_span, "'severity' in a rule with levels").with_help(
                    "give levels for values to compare, or a severity where the expression decides",
                ),
            )
        }
        (Some(levels), None) => compared(&levels.node, for_msec),
        (None, Some(given)) => Ok(vec![Level {
            severity: severity(&given.node)?,
            bound: Bound::Present,
            for_msec,
        }]),
        (None, None) => Err(Wrong::new(rule.span, "a rule without a level").with_help(
            "give [rule.levels], such as warning = { above = 80, clear = 77 }, or severity = \
             \"warning\" where the expression itself decides",
        )),
    }
}

fn severity(node: &Node) -> Result<Severity, Wrong> {
    let known = Severity::ALL.map(Severity::as_str);
    let text = node.text("give info, warning, error, critical or emergency")?;
    parse_severity(text).ok_or_else(|| unknown("severity", text, &node.span, &known))
}

/// A severity as it is written in files: in lower case.
pub(crate) fn parse_severity(text: &str) -> Option<Severity> {
    Severity::ALL
        .into_iter()
        .find(|severity| severity.as_str() == text)
}

fn compared(node: &Node, for_msec: i64) -> Result<Vec<Level>, Wrong> {
    let fields = node.fields(&Severity::ALL.map(Severity::as_str))?;
    let mut levels: Vec<Level> = Vec::new();
    for severity in Severity::ALL {
        let Some(node) = fields.get(severity.as_str()) else {
            continue;
        };
        let level = level(severity, node, for_msec)?;
        if let Some(before) = levels.last() {
            check_order(before, &level, node)?;
        }
        levels.push(level);
    }
    match levels.is_empty() {
        true => Err(Wrong::new(&node.span, "levels without a level")
            .with_help("give one, such as warning = { above = 80, clear = 77 }")),
        false => Ok(levels),
    }
}

fn level(severity: Severity, node: &Node, for_msec: i64) -> Result<Level, Wrong> {
    let fields = node.fields(&["above", "below", "clear", "for"])?;
    let clear = fields.get("clear");
    let bound = match (fields.get("above"), fields.get("below")) {
        (Some(_), Some(below)) => {
            return Err(Wrong::new(&below.span, "'below' beside 'above'")
                .with_help("give one of them; what must lie between two values is two rules"));
        }
        (Some(above), None) => {
            let raise = above.number()?;
            let clear = clear_or(clear, raise - CLEAR_SHARE * raise.abs())?;
            Bound::Above { raise, clear }
        }
        (None, Some(below)) => {
            let raise = below.number()?;
            let clear = clear_or(clear, raise + CLEAR_SHARE * raise.abs())?;
            Bound::Below { raise, clear }
        }
        (None, None) => {
            return Err(Wrong::new(&node.span, "a level without a threshold")
                .with_help("give above = … or below = …"));
        }
    };
    check_clear(bound, clear.unwrap_or(node))?;
    Ok(Level {
        severity,
        bound,
        for_msec: fields.duration_msec("for")?.unwrap_or(for_msec),
    })
}

fn clear_or(clear: Option<&Node>, default: f64) -> Result<f64, Wrong> {
    clear.map_or(Ok(default), Node::number)
}

/// A level that is entered and left by the same value would never rest.
fn check_clear(bound: Bound, node: &Node) -> Result<(), Wrong> {
    let (raise, clear, word) = match bound {
        Bound::Above { raise, clear } if clear > raise => (raise, clear, "above"),
        Bound::Below { raise, clear } if clear < raise => (raise, clear, "below"),
        Bound::Above { .. } | Bound::Below { .. } | Bound::Present => return Ok(()),
    };
    let other = if word == "above" {
        "at or below"
    } else {
        "at or above"
    };
    Err(Wrong::new(
        &node.span,
        format!("a level that begins {word} {raise} and is left already at {clear}"),
    )
    .with_help(format!("give a clear {other} {raise}")))
}

fn check_order(before: &Level, level: &Level, node: &Node) -> Result<(), Wrong> {
    let (low, high, word, order) = match (before.bound, level.bound) {
        (Bound::Above { raise: low, .. }, Bound::Above { raise: high, .. }) => {
            (low, high, "above", high > low)
        }
        (Bound::Below { raise: low, .. }, Bound::Below { raise: high, .. }) => {
            (low, high, "below", high < low)
        }
        _ => {
            return Err(Wrong::new(&node.span, "'above' and 'below' in one rule")
                .with_help("what must lie between two values is two rules"));
        }
    };
    if order {
        return Ok(());
    }
    Err(Wrong::new(
        &node.span,
        format!(
            "{} {word} {high} is not worse than {} {word} {low}",
            level.severity, before.severity
        ),
    )
    .with_help(match word {
        "above" => "thresholds rise with the severity",
        _ => "thresholds fall with the severity where too little is bad",
    }))
}

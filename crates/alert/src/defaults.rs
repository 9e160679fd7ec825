//! The rules that come with the program, and thresholds that replace those of
//! rules without writing one.

use std::collections::BTreeMap;

use std::path::Path;

use lfs_wrapper_model::Severity;
use lfs_wrapper_model::document::{DocumentError, nearest};

use crate::document::{ExprCheck, parse_rules};
use crate::rule::{Bound, Level, Origin, Rule};

/// The rules that hold without any configuration. An error is a fault of the
/// program: a test reads them.
pub fn built_in(check: &dyn ExprCheck) -> Result<Vec<Rule>, DocumentError> {
    let text = include_str!("defaults.toml");
    let mut rules = parse_rules(Path::new("defaults.toml"), text, check)?;
    for rule in &mut rules {
        rule.origin = Origin::BuiltIn;
    }
    Ok(rules)
}

/// What replaces parts of one rule; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Where INFO begins.
    pub info: Option<f64>,
    /// Where WARNING begins.
    pub warning: Option<f64>,
    /// Where ERROR begins.
    pub error: Option<f64>,
    /// Where CRITICAL begins.
    pub critical: Option<f64>,
    /// Where EMERGENCY begins.
    pub emergency: Option<f64>,
    /// How long a value must be beyond, for every level.
    pub for_msec: Option<i64>,
    /// How long a value must be clear.
    pub hold_msec: Option<i64>,
    /// `Some(false)` removes the rule.
    pub enabled: Option<bool>,
}

/// Why thresholds cannot replace those of a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ThresholdsError {
    /// No rule has this name.
    #[error("[thresholds] names '{name}', and no rule has this name; {help}")]
    UnknownRule {
        /// The name.
        name: String,
        /// The nearest name, or all of them.
        help: String,
    },
    /// The rule compares no value.
    #[error(
        "[thresholds] gives '{name}' a threshold, but the rule's expression decides itself; \
         only for, hold and enabled can be set, or the rule be replaced in rules.d"
    )]
    NoThresholds {
        /// The rule.
        name: String,
    },
    /// A worse severity begins no later.
    #[error(
        "[thresholds] of '{name}': {severity} at {value} is not worse than {other} at \
         {other_value}; thresholds {order} with the severity in this rule"
    )]
    Order {
        /// The rule.
        name: String,
        /// The severity that begins too early.
        severity: Severity,
        /// Where it begins.
        value: f64,
        /// The lower severity.
        other: Severity,
        /// Where that begins.
        other_value: f64,
        /// `rise` or `fall`.
        order: &'static str,
    },
    /// A threshold is NaN or infinite, or a time below zero.
    #[error("[thresholds] of '{name}': {what} is {value}; give a number that can be reached")]
    Number {
        /// The rule.
        name: String,
        /// The key.
        what: &'static str,
        /// Its value.
        value: f64,
    },
}

impl ThresholdsError {
    /// The rule that it is about.
    pub fn rule(&self) -> &str {
        match self {
            Self::UnknownRule { name, .. }
            | Self::NoThresholds { name }
            | Self::Order { name, .. }
            | Self::Number { name, .. } => name,
        }
    }
}

impl Thresholds {
    /// Thresholds given, from the least severity to the worst.
    fn given(&self) -> Vec<(Severity, f64)> {
        let values = [
            self.info,
            self.warning,
            self.error,
            self.critical,
            self.emergency,
        ];
        let pairs = Severity::ALL.into_iter().zip(values);
        pairs
            .filter_map(|(severity, value)| Some((severity, value?)))
            .collect()
    }
}

/// Replaces in `rules` what `overrides` gives, by the name of the rule. A
/// level's clear keeps its distance from its threshold; levels of the rule that
/// no longer rise with the ones given are dropped. On an error nothing changes.
pub fn apply_thresholds(
    rules: &mut Vec<Rule>,
    overrides: &BTreeMap<String, Thresholds>,
) -> Result<(), ThresholdsError> {
    let mut changed = rules.clone();
    for (name, thresholds) in overrides {
        let index = changed.iter().position(|rule| rule.name == *name);
        // Several names may go the same way: each is looked up anew.
        let Some(index) = index else {
            return Err(unknown_rule(name, rules));
        };
        if thresholds.enabled == Some(false) {
            changed.remove(index);
        } else {
            apply(&mut changed[index], thresholds)?;
        }
    }
    *rules = changed;
    Ok(())
}

fn unknown_rule(name: &str, rules: &[Rule]) -> ThresholdsError {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("the rules are {}", names.join(", ")),
    };
    ThresholdsError::UnknownRule {
        name: lfs_wrapper_model::visible(name),
        help,
    }
}

fn apply(rule: &mut Rule, thresholds: &Thresholds) -> Result<(), ThresholdsError> {
    let given = thresholds.given();
    check_numbers(rule, thresholds, &given)?;
    if !given.is_empty() {
        rule.levels = merge(rule, &given)?;
    }
    if let Some(for_msec) = thresholds.for_msec {
        for level in &mut rule.levels {
            level.for_msec = for_msec;
        }
    }
    rule.hold_msec = thresholds.hold_msec.unwrap_or(rule.hold_msec);
    Ok(())
}

fn check_numbers(
    rule: &Rule,
    thresholds: &Thresholds,
    given: &[(Severity, f64)],
) -> Result<(), ThresholdsError> {
    let levels = given
        .iter()
        .filter(|(_, value)| !value.is_finite())
        .map(|(severity, value)| (severity.as_str(), *value));
    let times = [("for", thresholds.for_msec), ("hold", thresholds.hold_msec)];
    let times = times
        .into_iter()
        .filter_map(|(what, msec)| Some((what, msec?)))
        .filter(|(_, msec)| *msec < 0)
        .map(|(what, msec)| (what, msec as f64));
    match levels.chain(times).next() {
        Some((what, value)) => Err(ThresholdsError::Number {
            name: rule.name.clone(),
            what,
            value,
        }),
        None => Ok(()),
    }
}

/// What is given stands; of the rule's levels, those that still rise with it.
fn merge(rule: &Rule, given: &[(Severity, f64)]) -> Result<Vec<Level>, ThresholdsError> {
    let is_below = match rule.levels.first().map(|level| level.bound) {
        Some(Bound::Above { .. }) => false,
        Some(Bound::Below { .. }) => true,
        Some(Bound::Present) | None => {
            let name = rule.name.clone();
            return Err(ThresholdsError::NoThresholds { name });
        }
    };
    let is_worse = |value: f64, than: f64| if is_below { value < than } else { value > than };
    for pair in given.windows(2) {
        let ((other, other_value), (severity, value)) = (pair[0], pair[1]);
        if !is_worse(value, other_value) {
            return Err(ThresholdsError::Order {
                name: rule.name.clone(),
                severity,
                value,
                other,
                other_value,
                order: if is_below { "fall" } else { "rise" },
            });
        }
    }
    let fits = |level: &&Level| {
        let Some(raise) = level.bound.threshold() else {
            return false;
        };
        given.iter().all(|(severity, value)| {
            if level.severity > *severity {
                is_worse(raise, *value)
            } else {
                level.severity < *severity && is_worse(*value, raise)
            }
        })
    };
    let kept = rule.levels.iter().filter(fits).copied();
    let new = given.iter().filter_map(|(severity, value)| {
        Some(moved(nearest_level(rule, *severity)?, *severity, *value))
    });
    let mut levels: Vec<Level> = kept.chain(new).collect();
    levels.sort_by_key(|level| level.severity);
    Ok(levels)
}

/// The level of this severity, or else the next better one, or else the least.
fn nearest_level(rule: &Rule, severity: Severity) -> Option<&Level> {
    let mut levels = rule.levels.iter();
    levels
        .rfind(|level| level.severity <= severity)
        .or(rule.levels.first())
}

fn moved(level: &Level, severity: Severity, raise: f64) -> Level {
    let bound = match level.bound {
        Bound::Above { raise: old, clear } => Bound::Above {
            raise,
            clear: moved_clear(old, clear, raise),
        },
        Bound::Below { raise: old, clear } => Bound::Below {
            raise,
            clear: moved_clear(old, clear, raise),
        },
        Bound::Present => Bound::Present,
    };
    Level {
        severity,
        bound,
        for_msec: level.for_msec,
    }
}

/// The same distance; or, where that would ask a value that is never negative
/// to be negative, the same share.
fn moved_clear(old_raise: f64, old_clear: f64, raise: f64) -> f64 {
    let clear = raise - (old_raise - old_clear);
    if clear < 0.0 && raise >= 0.0 && old_clear >= 0.0 && old_raise > 0.0 {
        raise * (old_clear / old_raise)
    } else {
        clear
    }
}

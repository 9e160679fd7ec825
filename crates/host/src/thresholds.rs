//! `[thresholds]`: what replaces the thresholds of alert rules.

use std::collections::BTreeMap;
use std::ops::Range;

use lfs_wrapper_model::{DurationError, Severity, parse_duration};
use serde::Deserialize;
use toml::Spanned;

use crate::place::Wrong;

/// Rules whose values are shares, per cent; whoever gives one of them another
/// threshold has mistaken the unit.
const PERCENTAGES: [&str; 3] = ["cpu", "memory", "disk"];

/// What replaces parts of rules, by the name of the rule. Whether there is such
/// a rule is not known here.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Thresholds(BTreeMap<Spanned<String>, Levels>);

/// What replaces parts of one rule; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Levels {
    /// Where INFO begins.
    pub info: Option<Spanned<f64>>,
    /// Where WARNING begins.
    pub warning: Option<Spanned<f64>>,
    /// Where ERROR begins.
    pub error: Option<Spanned<f64>>,
    /// Where CRITICAL begins.
    pub critical: Option<Spanned<f64>>,
    /// Where EMERGENCY begins.
    pub emergency: Option<Spanned<f64>>,
    /// How long a value must be beyond, for every level.
    #[serde(rename = "for")]
    pub lasting: Option<Wait>,
    /// How long a value must be clear.
    pub hold: Option<Wait>,
    /// `false` switches the rule off.
    pub enabled: Option<bool>,
}

/// A time, written such as `"1h30m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Wait {
    /// The time; at least 0.
    pub msec: i64,
}

impl TryFrom<String> for Wait {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        parse_duration(&text).map(|msec| Self { msec })
    }
}

impl Levels {
    /// Where each severity begins, from the least to the worst; `None` stays as
    /// it is.
    pub fn values(&self) -> [Option<f64>; Severity::ALL.len()] {
        self.given()
            .map(|level| level.map(|level| *level.get_ref()))
    }

    fn given(&self) -> [Option<&Spanned<f64>>; Severity::ALL.len()] {
        [
            self.info.as_ref(),
            self.warning.as_ref(),
            self.error.as_ref(),
            self.critical.as_ref(),
            self.emergency.as_ref(),
        ]
    }
}

impl Thresholds {
    /// Each rule that is named, with what replaces its parts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Levels)> {
        let rules = self.0.iter();
        rules.map(|(name, levels)| (name.get_ref().as_str(), levels))
    }

    /// Which bytes of the configuration name the rule.
    pub fn span(&self, rule: &str) -> Option<Range<usize>> {
        let mut names = self.0.keys();
        let name = names.find(|name| name.get_ref() == rule)?;
        Some(name.span())
    }

    pub(crate) fn check(&self) -> Result<(), Wrong> {
        self.iter()
            .try_for_each(|(name, levels)| check_levels(levels, PERCENTAGES.contains(&name)))
    }
}

fn check_levels(levels: &Levels, is_percentage: bool) -> Result<(), Wrong> {
    let given: Vec<&Spanned<f64>> = levels.given().into_iter().flatten().collect();
    for level in &given {
        let value = *level.get_ref();
        let (is_right, help) = match is_percentage {
            true => ((0.0..=100.0).contains(&value), "give a share from 0 to 100"),
            false => (value.is_finite(), "give a number that can be reached"),
        };
        if !is_right {
            return Err((level.span(), format!("a threshold of {value}"), help));
        }
    }
    let values: Vec<f64> = given.iter().map(|level| *level.get_ref()).collect();
    // Where too little is bad, thresholds fall; only the rule says which it is.
    let falls = !is_percentage && matches!(values[..], [first, second, ..] if second < first);
    let wrong = values.windows(2).position(|pair| match falls {
        true => pair[1] >= pair[0],
        false => pair[1] <= pair[0],
    });
    let Some(index) = wrong else {
        return Ok(());
    };
    let word = if falls { "below" } else { "above" };
    Err((
        given[index + 1].span(),
        format!(
            "{} is not {word} {}, the threshold of a lower severity",
            values[index + 1],
            values[index]
        ),
        "thresholds rise from info to warning, error, critical and emergency, or fall where too \
         little is bad",
    ))
}

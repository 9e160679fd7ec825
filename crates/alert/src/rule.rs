//! What is looked for.

use std::collections::BTreeMap;

use lfs_wrapper_model::Severity;

use crate::template::Template;

/// Labels that tell alerts of one rule from each other.
pub type Labels = BTreeMap<String, String>;

/// What is looked for: an expression, and what its values mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name; no two rules have the same.
    pub name: String,
    /// PromQL; each series of its answer is one value that is looked at.
    pub expr: String,
    /// From least to worst; no severity twice, never empty.
    pub levels: Vec<Level>,
    /// A value must be clear this long before a level is left.
    pub hold_msec: i64,
    /// What a value means that is not there any more.
    pub absent: Absent,
    /// How often it is looked at; with each sample where there is none.
    pub every_msec: Option<i64>,
    /// Labels for each alert, besides those of the series; these win.
    pub labels: Labels,
    /// Texts for people, by name; `summary` and `runbook` are shown everywhere.
    pub annotations: BTreeMap<String, Template>,
    /// Where it stands.
    pub origin: Origin,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It comes with the program.
    BuiltIn,
    /// A file, and the line where the rule begins, from 1.
    File {
        /// The file, as it was named.
        path: String,
        /// The line.
        line: usize,
    },
}

/// One severity of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The severity.
    pub severity: Severity,
    /// When it is entered and left.
    pub bound: Bound,
    /// How long a value must be beyond before the level is entered.
    pub for_msec: i64,
}

/// When a level is entered and left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Entered above `raise`, left at or below `clear`; `clear <= raise`.
    Above {
        /// The value that is too much.
        raise: f64,
        /// The value that is well again.
        clear: f64,
    },
    /// Entered below `raise`, left at or above `clear`; `clear >= raise`.
    Below {
        /// The value that is too little.
        raise: f64,
        /// The value that is well again.
        clear: f64,
    },
    /// Entered by any value, left where there is none: the expression itself
    /// says what is bad, as in Prometheus' rules.
    Present,
}

/// What a value means that is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// What fires becomes NODATA after this long; it is never resolved so.
    Nodata {
        /// How long it is waited for.
        after_msec: i64,
    },
    /// It is clear: the thing that was looked at is gone, or well.
    Clear,
}

impl Bound {
    /// The value beyond which the level is entered; `None` for any value.
    pub fn threshold(self) -> Option<f64> {
        match self {
            Self::Above { raise, .. } | Self::Below { raise, .. } => Some(raise),
            Self::Present => None,
        }
    }

    /// Whether `value` enters the level. NaN enters none but [`Bound::Present`].
    pub fn is_beyond(self, value: f64) -> bool {
        match self {
            Self::Above { raise, .. } => value > raise,
            Self::Below { raise, .. } => value < raise,
            Self::Present => true,
        }
    }

    /// Whether `value` lets the level go. NaN lets none go.
    pub fn is_clear(self, value: f64) -> bool {
        match self {
            Self::Above { clear, .. } => value <= clear,
            Self::Below { clear, .. } => value >= clear,
            Self::Present => false,
        }
    }
}

impl Rule {
    /// The level of a severity, if the rule has it.
    pub fn level(&self, severity: Severity) -> Option<&Level> {
        self.levels.iter().find(|level| level.severity == severity)
    }
}

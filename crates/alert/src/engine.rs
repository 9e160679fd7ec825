//! The life of an alert, as a pure step: what was remembered, what is true now
//! and how much time went by give what is remembered next and at most one
//! transition. Time is counted, never read: a clock that is set neither holds
//! an alert back nor raises one.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use lfs_wrapper_model::Severity;
use serde::{Deserialize, Serialize};

/// What is looked for in one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What the value is of, for the label `resource` and the message.
    pub resource: &'static str,
    /// How the value is shown.
    pub unit: Unit,
    /// From least to worst; no severity twice.
    pub levels: Vec<Level>,
    /// A value must be clear this long before a level is left.
    pub hold_msec: i64,
    /// A firing alert whose value stays away this long becomes NODATA.
    pub absent_msec: i64,
    /// What to do about it, in a sentence.
    pub runbook: &'static str,
}

/// One severity of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The severity.
    pub severity: Severity,
    /// The level is entered above this.
    pub above: f64,
    /// The level is left at or below this.
    pub clear: f64,
    /// How long a value must be above before the level is entered.
    pub for_msec: i64,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `85.2%`.
    Percent,
    /// `250`.
    Count,
}

impl Unit {
    /// The value with its unit.
    pub fn render(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{value:.1}%"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// How much of a counted time is lost at most when the monitor ends.
const COUNTED_AGAIN_MSEC_MAX: i64 = 10_000;

/// What is remembered of one value between two looks at it.
///
/// Levels go by their severity, so that a configuration with other levels
/// finds what belongs to those it still has. A time that is being counted
/// changes at each look; [`Memory::is_worth_writing`] says which changes to
/// write down. After the monitor was killed up to 10 s of a time are therefore
/// counted again: an alert may come, or go, that much later, never earlier.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The levels that count up or are active, no others.
    levels: BTreeMap<Severity, LevelMemory>,
    /// How long the value of an alert, or of what may become one, is away; not
    /// counted any further once the alert is NODATA.
    absent_msec: Option<i64>,
    /// The alert is NODATA.
    nodata: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelMemory {
    /// The value is above, and not for long enough yet.
    Rising { above_msec: i64 },
    /// The level was entered; how long the value is clear, if it is.
    Active { clear_msec: Option<i64> },
}

impl Memory {
    /// Whether there is nothing to remember.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what changed since `before` must be written down: a state is
    /// another, or a time began, ended or passed another 10 s.
    pub fn is_worth_writing(&self, before: &Self) -> bool {
        self.to_coarse() != before.to_coarse()
    }

    fn to_coarse(&self) -> Self {
        let coarse = |msec: i64| msec - msec % COUNTED_AGAIN_MSEC_MAX;
        let coarse_level = |memory: LevelMemory| match memory {
            LevelMemory::Rising { above_msec } => LevelMemory::Rising {
                above_msec: coarse(above_msec),
            },
            LevelMemory::Active { clear_msec } => LevelMemory::Active {
                clear_msec: clear_msec.map(coarse),
            },
        };
        let levels = self.levels.iter();
        Self {
            levels: levels
                .map(|(severity, memory)| (*severity, coarse_level(*memory)))
                .collect(),
            absent_msec: self.absent_msec.map(coarse),
            nodata: self.nodata,
        }
    }

    /// The worst level that is active, whether or not the rule still has it.
    fn worst(&self) -> Option<Severity> {
        let mut levels = self.levels.iter();
        levels
            .rfind(|(_, memory)| matches!(memory, LevelMemory::Active { .. }))
            .map(|(severity, _)| *severity)
    }
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Raised,
    /// It came again before it was resolved.
    Repeated,
    /// It got worse.
    Escalated,
    /// It got better, and is not over.
    Deescalated,
    /// Its value stays away; whether it is over nobody knows.
    Nodata,
    /// Its value is back, and it is not over.
    Returned,
    /// It is over.
    Resolved,
}

impl Kind {
    /// The word as it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Repeated => "repeated",
            Self::Escalated => "escalated",
            Self::Deescalated => "deescalated",
            Self::Nodata => "nodata",
            Self::Returned => "returned",
            Self::Resolved => "resolved",
        }
    }
}

/// A change of one alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// What happened.
    pub kind: Kind,
    /// The level it is at now, or was at until now.
    pub severity: Severity,
    /// The value that made it happen.
    pub value: Option<f64>,
    /// The threshold of the level; `None` when the rule no longer has this
    /// level, since the configuration changed while it was active.
    pub threshold: Option<f64>,
}

/// One look at one value; `None` is a value that is not there. `elapsed_msec`
/// is the monotonic time since the look before this one, 0 at the first; the
/// caller caps it where it did not look for longer than it should have.
pub fn step(
    rule: &Rule,
    before: &Memory,
    value: Option<f64>,
    elapsed_msec: i64,
) -> (Memory, Option<Transition>) {
    let elapsed_msec = elapsed_msec.max(0);
    let (memory, happened) = match value {
        Some(value) => with_value(rule, before, value, elapsed_msec),
        None => without_value(rule, before, elapsed_msec),
    };
    let transition = happened.map(|(kind, severity)| Transition {
        kind,
        severity,
        value,
        threshold: rule
            .levels
            .iter()
            .find(|level| level.severity == severity)
            .map(|level| level.above),
    });
    (memory, transition)
}

/// Levels that the rule no longer has are left at once: nothing holds them.
fn with_value(
    rule: &Rule,
    before: &Memory,
    value: f64,
    elapsed_msec: i64,
) -> (Memory, Option<(Kind, Severity)>) {
    let next = |level: &Level| {
        let memory = match before.levels.get(&level.severity) {
            Some(LevelMemory::Active { clear_msec }) => {
                step_active(level, rule.hold_msec, *clear_msec, value, elapsed_msec)
            }
            Some(LevelMemory::Rising { above_msec }) => {
                step_inactive(level, Some(*above_msec), value, elapsed_msec)
            }
            None => step_inactive(level, None, value, elapsed_msec),
        };
        memory.map(|memory| (level.severity, memory))
    };
    let memory = Memory {
        levels: rule.levels.iter().filter_map(next).collect(),
        ..Memory::default()
    };
    let happened = match (before.worst(), memory.worst()) {
        (None, None) => None,
        (None, Some(is)) => Some((Kind::Raised, is)),
        (Some(was), None) => Some((Kind::Resolved, was)),
        (Some(was), Some(is)) => match is.cmp(&was) {
            Ordering::Greater => Some((Kind::Escalated, is)),
            Ordering::Less => Some((Kind::Deescalated, is)),
            Ordering::Equal => before.nodata.then_some((Kind::Returned, is)),
        },
    };
    (memory, happened)
}

fn step_inactive(
    level: &Level,
    above_msec: Option<i64>,
    value: f64,
    elapsed_msec: i64,
) -> Option<LevelMemory> {
    if value > level.above {
        let above_msec = count(above_msec, elapsed_msec);
        Some(if above_msec >= level.for_msec {
            LevelMemory::Active { clear_msec: None }
        } else {
            LevelMemory::Rising { above_msec }
        })
    } else {
        None
    }
}

fn step_active(
    level: &Level,
    hold_msec: i64,
    clear_msec: Option<i64>,
    value: f64,
    elapsed_msec: i64,
) -> Option<LevelMemory> {
    let clear_msec = (value <= level.clear).then(|| count(clear_msec, elapsed_msec));
    if clear_msec.is_some_and(|msec| msec >= hold_msec) {
        None
    } else {
        Some(LevelMemory::Active { clear_msec })
    }
}

/// A time that begins with this look, or goes on.
fn count(msec: Option<i64>, elapsed_msec: i64) -> i64 {
    msec.map_or(0, |msec| msec.saturating_add(elapsed_msec))
}

/// Without a value no level is entered and none left. A short absence only
/// stops the count of how long something lasted; a long one makes what fires
/// NODATA, and lets what was only rising begin anew.
fn without_value(
    rule: &Rule,
    before: &Memory,
    elapsed_msec: i64,
) -> (Memory, Option<(Kind, Severity)>) {
    if before.levels.is_empty() {
        return (Memory::default(), None);
    }
    let absent_msec = count(before.absent_msec, elapsed_msec);
    if !before.nodata && absent_msec < rule.absent_msec {
        let memory = Memory {
            absent_msec: Some(absent_msec),
            ..before.clone()
        };
        return (memory, None);
    }
    let Some(severity) = before.worst() else {
        return (Memory::default(), None);
    };
    let active = |(severity, memory): (&Severity, &LevelMemory)| match memory {
        LevelMemory::Active { .. } => Some((*severity, LevelMemory::Active { clear_msec: None })),
        LevelMemory::Rising { .. } => None,
    };
    let memory = Memory {
        levels: before.levels.iter().filter_map(active).collect(),
        absent_msec: None,
        nodata: true,
    };
    let happened = (!before.nodata).then_some((Kind::Nodata, severity));
    (memory, happened)
}

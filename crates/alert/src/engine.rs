//! The life of an alert, as a pure step: what was remembered, what is true now
//! and what the alert clock says give what is remembered next and at most one
//! transition.
//!
//! The alert clock counts the time in which somebody looked, in milliseconds;
//! it is an argument, and never the wall clock: a clock that is set neither
//! holds an alert back nor raises one, and what was true while nobody looked
//! does not count.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use lfs_wrapper_model::Severity;
use serde::{Deserialize, Serialize};

use crate::rule::{Absent, Level, Rule};

/// What is remembered of one value between two looks at it. It changes where a
/// state does, and not at each look.
///
/// Levels go by their severity, so that a configuration with other levels
/// finds what belongs to those it still has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The levels that are pending or active, no others.
    levels: BTreeMap<Severity, LevelMemory>,
    /// Since when the value of an alert, or of what may become one, is away;
    /// not kept once the alert is NODATA.
    absent_since: Option<i64>,
    /// The alert is NODATA.
    nodata: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelMemory {
    /// The value is beyond, and not for long enough yet.
    Pending { since: i64 },
    /// The level was entered; since when the value is clear, if it is.
    Active { clear_since: Option<i64> },
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is wrong.
    Inactive,
    /// A value is beyond a level, and not for long enough yet.
    Pending,
    /// It fires at this level.
    Firing(Severity),
    /// It fired at this level when its value went away.
    Nodata(Severity),
}

impl Memory {
    /// Nothing to remember.
    pub const BLANK: Self = Self {
        levels: BTreeMap::new(),
        absent_since: None,
        nodata: false,
    };

    /// Whether there is nothing to remember.
    pub fn is_blank(&self) -> bool {
        *self == Self::BLANK
    }

    /// Where the alert is in its life.
    pub fn state(&self) -> State {
        match self.worst() {
            Some(severity) if self.nodata => State::Nodata(severity),
            Some(severity) => State::Firing(severity),
            None if self.levels.is_empty() => State::Inactive,
            None => State::Pending,
        }
    }

    /// By the alert clock, since when the worst level that is pending is
    /// pending.
    pub fn pending_since(&self) -> Option<i64> {
        self.levels.values().rev().find_map(|memory| match memory {
            LevelMemory::Pending { since } => Some(*since),
            LevelMemory::Active { .. } => None,
        })
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
    /// The threshold of the level; `None` where any value enters it, and where
    /// the rule no longer has this level, since the configuration changed.
    pub threshold: Option<f64>,
}

/// One look at one value at `now` by the alert clock; `None` is a value that is
/// not there.
pub fn step(
    rule: &Rule,
    before: &Memory,
    value: Option<f64>,
    now: i64,
) -> (Memory, Option<Transition>) {
    let (memory, happened) = match (value, rule.absent) {
        (Some(value), _) => seen(rule, &before.returned(now), Some(value), now),
        (None, Absent::Clear) => seen(rule, before, None, now),
        (None, Absent::Nodata { after_msec }) => missed(before, after_msec, now),
    };
    let transition = happened.map(|(kind, severity)| Transition {
        kind,
        severity,
        value,
        threshold: rule
            .level(severity)
            .and_then(|level| level.bound.threshold()),
    });
    (memory, transition)
}

/// Levels that the rule no longer has are left at once: nothing holds them.
fn seen(
    rule: &Rule,
    before: &Memory,
    value: Option<f64>,
    now: i64,
) -> (Memory, Option<(Kind, Severity)>) {
    let next = |level: &Level| {
        let memory = match before.levels.get(&level.severity) {
            Some(LevelMemory::Active { clear_since }) => {
                stay(level, rule.hold_msec, *clear_since, value, now)
            }
            Some(LevelMemory::Pending { since }) => enter(level, *since, value, now),
            None => enter(level, now, value, now),
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

fn enter(level: &Level, since: i64, value: Option<f64>, now: i64) -> Option<LevelMemory> {
    if !value.is_some_and(|value| level.bound.is_beyond(value)) {
        return None;
    }
    Some(if now.saturating_sub(since) >= level.for_msec {
        LevelMemory::Active { clear_since: None }
    } else {
        LevelMemory::Pending { since }
    })
}

fn stay(
    level: &Level,
    hold_msec: i64,
    clear_since: Option<i64>,
    value: Option<f64>,
    now: i64,
) -> Option<LevelMemory> {
    let is_clear = value.is_none_or(|value| level.bound.is_clear(value));
    let clear_since = is_clear.then(|| clear_since.unwrap_or(now));
    if clear_since.is_some_and(|since| now.saturating_sub(since) >= hold_msec) {
        None
    } else {
        Some(LevelMemory::Active { clear_since })
    }
}

impl Memory {
    /// A value is back after a short absence: what it waited for did not go on
    /// meanwhile.
    fn returned(&self, now: i64) -> Self {
        let Some(absent_since) = self.absent_since else {
            return self.clone();
        };
        let away = now.saturating_sub(absent_since).max(0);
        let later = |memory: LevelMemory| match memory {
            LevelMemory::Pending { since } => LevelMemory::Pending {
                since: since.saturating_add(away),
            },
            LevelMemory::Active { clear_since } => LevelMemory::Active {
                clear_since: clear_since.map(|since| since.saturating_add(away)),
            },
        };
        let levels = self.levels.iter();
        Self {
            levels: levels
                .map(|(severity, memory)| (*severity, later(*memory)))
                .collect(),
            absent_since: None,
            nodata: self.nodata,
        }
    }
}

/// Without a value no level is entered and none left. A long absence makes what
/// fires NODATA, and lets what was only pending begin anew.
fn missed(before: &Memory, after_msec: i64, now: i64) -> (Memory, Option<(Kind, Severity)>) {
    if before.levels.is_empty() {
        return (Memory::default(), None);
    }
    let since = before.absent_since.unwrap_or(now);
    if !before.nodata && now.saturating_sub(since) < after_msec {
        let memory = Memory {
            absent_since: Some(since),
            ..before.clone()
        };
        return (memory, None);
    }
    let Some(severity) = before.worst() else {
        return (Memory::default(), None);
    };
    let active = |(severity, memory): (&Severity, &LevelMemory)| match memory {
        LevelMemory::Active { .. } => Some((*severity, LevelMemory::Active { clear_since: None })),
        LevelMemory::Pending { .. } => None,
    };
    let memory = Memory {
        levels: before.levels.iter().filter_map(active).collect(),
        absent_since: None,
        nodata: true,
    };
    let happened = (!before.nodata).then_some((Kind::Nodata, severity));
    (memory, happened)
}

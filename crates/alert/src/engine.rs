//! The life of an alert, as a pure step: what was remembered and what is true
//! now give what is remembered next and at most one transition.

use lfs_wrapper_model::{Severity, TimeMsec};
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

/// What is remembered of one value between two looks at it. Everything in it
/// changes only when something happens, so it is seldom written down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// One for each level of the rule.
    levels: Vec<LevelMemory>,
    /// Since when the value is away.
    absent_since_msec: Option<TimeMsec>,
    /// The alert is NODATA.
    nodata: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct LevelMemory {
    active: bool,
    above_since_msec: Option<TimeMsec>,
    clear_since_msec: Option<TimeMsec>,
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
    /// The threshold of the level.
    pub threshold: f64,
}

impl Memory {
    /// Whether there is nothing to remember.
    pub fn is_blank(&self) -> bool {
        let blank = |level: &LevelMemory| *level == LevelMemory::default();
        !self.nodata && self.absent_since_msec.is_none() && self.levels.iter().all(blank)
    }

    fn worst<'a>(&self, rule: &'a Rule) -> Option<&'a Level> {
        let mut levels = rule.levels.iter().zip(&self.levels);
        levels
            .rfind(|(_, memory)| memory.active)
            .map(|(level, _)| level)
    }
}

/// One look at one value; `None` is a value that is not there.
pub fn step(
    rule: &Rule,
    before: &Memory,
    value: Option<f64>,
    now_msec: TimeMsec,
) -> (Memory, Option<Transition>) {
    let mut memory = before.clone();
    memory
        .levels
        .resize(rule.levels.len(), LevelMemory::default());
    match value {
        Some(value) => with_value(rule, memory, value, now_msec),
        None => without_value(rule, memory, now_msec),
    }
}

fn with_value(
    rule: &Rule,
    mut memory: Memory,
    value: f64,
    now_msec: TimeMsec,
) -> (Memory, Option<Transition>) {
    let was = memory.worst(rule);
    let was_nodata = std::mem::take(&mut memory.nodata);
    memory.absent_since_msec = None;
    for (level, memory) in rule.levels.iter().zip(&mut memory.levels) {
        step_level(level, memory, rule.hold_msec, value, now_msec);
    }
    let is = memory.worst(rule);
    let transition = |kind, level: &Level| Transition {
        kind,
        severity: level.severity,
        value: Some(value),
        threshold: level.above,
    };
    let happened = match (was, is) {
        (None, Some(is)) => Some(transition(Kind::Raised, is)),
        (Some(was), None) => Some(transition(Kind::Resolved, was)),
        (Some(was), Some(is)) if is.severity > was.severity => {
            Some(transition(Kind::Escalated, is))
        }
        (Some(was), Some(is)) if is.severity < was.severity => {
            Some(transition(Kind::Deescalated, is))
        }
        (Some(_), Some(is)) if was_nodata => Some(transition(Kind::Returned, is)),
        _ => None,
    };
    (memory, happened)
}

fn step_level(
    level: &Level,
    memory: &mut LevelMemory,
    hold_msec: i64,
    value: f64,
    now_msec: TimeMsec,
) {
    let lasted = |since: &mut Option<TimeMsec>, holds: bool, needed_msec: i64| {
        if !holds {
            *since = None;
            return false;
        }
        now_msec - *since.get_or_insert(now_msec) >= needed_msec
    };
    if memory.active {
        if lasted(
            &mut memory.clear_since_msec,
            value <= level.clear,
            hold_msec,
        ) {
            *memory = LevelMemory::default();
        }
    } else if lasted(
        &mut memory.above_since_msec,
        value > level.above,
        level.for_msec,
    ) {
        *memory = LevelMemory {
            active: true,
            ..LevelMemory::default()
        };
    }
}

/// Without a value no level is entered and none left: what was firing stays
/// so until the value is back, and how long something lasted begins anew.
fn without_value(
    rule: &Rule,
    mut memory: Memory,
    now_msec: TimeMsec,
) -> (Memory, Option<Transition>) {
    for level in &mut memory.levels {
        level.above_since_msec = None;
        level.clear_since_msec = None;
    }
    let Some(level) = memory.worst(rule) else {
        return (Memory::default(), None);
    };
    let since = *memory.absent_since_msec.get_or_insert(now_msec);
    if memory.nodata || now_msec - since < rule.absent_msec {
        return (memory, None);
    }
    memory.nodata = true;
    let transition = Transition {
        kind: Kind::Nodata,
        severity: level.severity,
        value: None,
        threshold: level.above,
    };
    (memory, Some(transition))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        let level = |severity, above, clear, for_msec| Level {
            severity,
            above,
            clear,
            for_msec,
        };
        Rule {
            name: "memory",
            resource: "memory",
            unit: Unit::Percent,
            levels: vec![
                level(Severity::Warning, 80.0, 77.0, 2_000),
                level(Severity::Error, 85.0, 82.0, 5_000),
                level(Severity::Critical, 95.0, 92.0, 0),
            ],
            hold_msec: 3_000,
            absent_msec: 2_000,
            runbook: "",
        }
    }

    /// One line a second: the value (`-` for none), then what must happen.
    fn play(timeline: &str) {
        let rule = rule();
        let mut memory = Memory::default();
        for (second, line) in timeline.lines().enumerate() {
            let (value, expected) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let now_msec = i64::try_from(second).unwrap() * 1000;
            let (next, transition) = step(&rule, &memory, value.parse().ok(), now_msec);
            let happened = transition.map_or_else(String::new, |transition| {
                format!("{} {}", transition.kind.as_str(), transition.severity)
            });
            assert_eq!(happened, expected.trim(), "second {second}, value {value}");
            // As after a restart.
            memory = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        }
    }

    #[test]
    fn it_is_raised_after_its_time_and_resolved_after_the_hold() {
        play(
            "81
             81
             81 raised warning
             76
             76
             76
             76 resolved warning
             76",
        );
    }

    #[test]
    fn jitter_round_a_threshold_raises_once_and_resolves_never() {
        play(
            "81
             79
             81
             81
             81 raised warning
             79
             81
             79
             78
             76
             78
             81",
        );
    }

    #[test]
    fn it_escalates_and_comes_down_level_by_level() {
        play(
            "96 raised critical
             96
             96
             96
             96
             96
             84
             84
             84
             84 deescalated error
             70
             70
             70
             70 resolved error",
        );
    }

    #[test]
    fn a_value_that_vanishes_is_nodata_and_never_a_resolve() {
        play(
            "96 raised critical
             -
             -
             - nodata critical
             -
             96 returned critical
             -
             -
             - nodata critical
             10 returned critical
             10
             10
             10 resolved critical",
        );
    }

    #[test]
    fn absence_of_what_was_well_is_forgotten_and_time_is_not_counted_through_it() {
        play(
            "81
             -
             81
             81
             81 raised warning",
        );
    }
}

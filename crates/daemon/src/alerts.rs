//! What rules saw, turned into changes of alerts: a pure function of what is
//! remembered and of one look at each rule.

use std::collections::{BTreeMap, HashMap};

use lfs_wrapper_alert::engine::{self, Kind, Memory, State, Transition};
use lfs_wrapper_alert::rule::{Labels, Rule};
use lfs_wrapper_alert::store;
use lfs_wrapper_alert::template::Values;
use lfs_wrapper_model::{Severity, TimeMsec};

use crate::rulebook::Look;

/// Alerts of one rule, pending ones too; what is more is counted.
const REMEMBERED_MAX: usize = 1_000;

/// The annotations that are shown everywhere.
const SUMMARY: &str = "summary";
const RUNBOOK: &str = "runbook";

/// A change of an alert. One that ends an alert, or repeats one, is told only
/// if that alert is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The rule.
    pub rule: String,
    /// Which of its alerts.
    pub labels: Labels,
    /// What happened.
    pub kind: Kind,
    /// The level it is at now, or was at until now.
    pub severity: Severity,
    /// The value that made it happen.
    pub value: Option<f64>,
    /// The threshold of the level.
    pub threshold: Option<f64>,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub runbook: String,
    /// Further texts of the rule, by name.
    pub annotations: BTreeMap<String, String>,
    /// When.
    pub time_msec: TimeMsec,
}

impl Told {
    /// As it is written down.
    pub(crate) fn to_change(&self, kind: Kind) -> store::Change<'_> {
        store::Change {
            rule: &self.rule,
            labels: &self.labels,
            kind,
            severity: self.severity,
            value: self.value,
            threshold: self.threshold,
            message: &self.message,
            runbook: &self.runbook,
            annotations: &self.annotations,
            time_msec: self.time_msec,
        }
    }
}

/// What follows from a look.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Remember for the engine.
    Remember {
        /// The rule.
        rule: String,
        /// Which of its values.
        labels: Labels,
        /// What to remember; blank to forget.
        memory: Memory,
    },
    /// An alert changed.
    Tell(Told),
}

/// An alert that waits for its time.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingAlert {
    /// The rule.
    pub rule: String,
    /// Which of its alerts it would be.
    pub labels: Labels,
    /// For how long it has waited.
    pub lasts_msec: i64,
}

/// What is remembered of every value of every rule.
#[derive(Debug, Default)]
pub struct Alerts {
    memories: HashMap<String, HashMap<Labels, Memory>>,
    dropped: u64,
}

impl Alerts {
    /// With what was written down before.
    pub fn new(memories: Vec<(String, Labels, Memory)>) -> Self {
        let mut alerts = Self::default();
        for (rule, labels, memory) in memories {
            let of_rule = alerts.memories.entry(rule).or_default();
            of_rule.insert(labels, memory);
        }
        alerts
    }

    /// Values beyond a level that nobody remembered for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes in what rules saw at `time_msec`, `now` by the alert clock.
    pub fn take(&mut self, looks: Vec<Look>, time_msec: TimeMsec, now: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        for look in looks {
            self.take_look(look, time_msec, now, &mut changes);
        }
        changes
    }

    fn take_look(&mut self, look: Look, time_msec: TimeMsec, now: i64, changes: &mut Vec<Change>) {
        let rule = &*look.rule;
        let memories = self.memories.get(&rule.name);
        let is_beyond = |value: f64| rule.levels.iter().any(|one| one.bound.is_beyond(value));
        // Nearly always: nothing was wrong and nothing is.
        if memories.is_none_or(HashMap::is_empty)
            && !look.values.iter().any(|(_, value)| is_beyond(*value))
        {
            return;
        }
        let memories = self.memories.entry(rule.name.clone()).or_default();
        let mut values: BTreeMap<Labels, Option<f64>> = memories
            .keys()
            .map(|labels| (labels.clone(), None))
            .collect();
        let room = REMEMBERED_MAX.saturating_sub(values.len());
        let (mut new, mut dropped) = (0, 0);
        for (labels, value) in look.values {
            if let Some(known) = values.get_mut(&labels) {
                *known = Some(value);
            } else if is_beyond(value) && new == room {
                dropped += 1;
            } else if is_beyond(value) {
                new += 1;
                values.insert(labels, Some(value));
            }
        }
        self.dropped += dropped;
        for (labels, value) in values {
            let before = memories.get(&labels).cloned().unwrap_or_default();
            let (memory, transition) = engine::step(rule, &before, value, now);
            if memory != before {
                changes.push(Change::Remember {
                    rule: rule.name.clone(),
                    labels: labels.clone(),
                    memory: memory.clone(),
                });
            }
            if let Some(transition) = transition {
                changes.push(Change::Tell(tell(rule, &labels, transition, time_msec)));
            }
            if memory.is_blank() {
                memories.remove(&labels);
            } else {
                memories.insert(labels, memory);
            }
        }
    }

    /// Forgets what no rule among `rules`, by their names and labels, looks at any
    /// more. What fires of it is resolved.
    pub fn retire(&mut self, rules: &HashMap<String, Labels>, time_msec: TimeMsec) -> Vec<Change> {
        let mut changes = Vec::new();
        self.memories.retain(|name, memories| {
            let is_looked_at = |labels: &Labels| {
                rules.get(name).is_some_and(|own| {
                    let mut own = own.iter();
                    own.all(|(label, value)| labels.get(label) == Some(value))
                })
            };
            let gone = memories.extract_if(|labels, _| !is_looked_at(labels));
            for (labels, memory) in gone {
                if let State::Firing(severity) | State::Nodata(severity) = memory.state() {
                    changes.push(Change::Tell(retired(name, &labels, severity, time_msec)));
                }
                changes.push(Change::Remember {
                    rule: name.clone(),
                    labels,
                    memory: Memory::BLANK,
                });
            }
            !memories.is_empty()
        });
        changes
    }

    /// What waits for its time at `now` by the alert clock.
    pub fn pending(&self, now: i64) -> Vec<PendingAlert> {
        let mut pending = Vec::new();
        for (rule, memories) in &self.memories {
            for (labels, memory) in memories {
                if memory.state() == State::Pending
                    && let Some(since) = memory.pending_since()
                {
                    pending.push(PendingAlert {
                        rule: rule.clone(),
                        labels: labels.clone(),
                        lasts_msec: now.saturating_sub(since),
                    });
                }
            }
        }
        pending.sort_by(|one, other| (&one.rule, &one.labels).cmp(&(&other.rule, &other.labels)));
        pending
    }
}

fn retired(rule: &str, labels: &Labels, severity: Severity, time_msec: TimeMsec) -> Told {
    Told {
        rule: rule.to_owned(),
        labels: labels.clone(),
        kind: Kind::Resolved,
        severity,
        value: None,
        threshold: None,
        message: format!("over: rule '{rule}' is not there any more, or looks at something else"),
        runbook: String::new(),
        annotations: BTreeMap::new(),
        time_msec,
    }
}

fn tell(rule: &Rule, labels: &Labels, transition: Transition, time_msec: TimeMsec) -> Told {
    let values = Values {
        rule: &rule.name,
        severity: transition.severity,
        value: transition.value,
        threshold: transition.threshold,
        labels,
        kind: transition.kind,
    };
    let mut annotations = BTreeMap::new();
    for (name, template) in &rule.annotations {
        // Templates were tried when they were loaded; what fails all the same
        // is shown as it was written.
        let text = template.render(&values);
        let text = text.unwrap_or_else(|_| template.source().to_owned());
        annotations.insert(name.clone(), text);
    }
    let summary = annotations.remove(SUMMARY);
    let speaks_of_kinds = rule
        .annotations
        .get(SUMMARY)
        .is_some_and(|template| template.source().contains("kind"));
    let message = match (transition.kind, summary) {
        (_, Some(summary)) if speaks_of_kinds => summary,
        (Kind::Resolved, Some(summary)) if transition.value.is_some() => format!("over: {summary}"),
        (Kind::Resolved, _) => format!("over: {}", name_alert(rule, labels)),
        (Kind::Nodata, _) => format!("no value any more: {}", name_alert(rule, labels)),
        (_, Some(summary)) => summary,
        (_, None) => describe(&values),
    };
    Told {
        rule: rule.name.clone(),
        labels: labels.clone(),
        kind: transition.kind,
        severity: transition.severity,
        value: transition.value,
        threshold: transition.threshold,
        message,
        runbook: annotations.remove(RUNBOOK).unwrap_or_default(),
        annotations,
        time_msec,
    }
}

/// The rule and what tells this alert from its others.
fn name_alert(rule: &Rule, labels: &Labels) -> String {
    let own = labels
        .iter()
        .filter(|(name, _)| !rule.labels.contains_key(*name));
    let own: Vec<String> = own.map(|(name, value)| format!("{name} {value}")).collect();
    match own.is_empty() {
        true => rule.name.clone(),
        false => format!("{} ({})", rule.name, own.join(", ")),
    }
}

/// For a rule without a summary.
fn describe(values: &Values<'_>) -> String {
    let number = |value: Option<f64>| value.map_or("?".to_owned(), |value| value.to_string());
    let threshold = values.threshold.map_or_else(String::new, |threshold| {
        format!(" (threshold: {threshold})")
    });
    format!("{}: {}{threshold}", values.rule, number(values.value))
}

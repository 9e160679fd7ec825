//! What people are told, and what channels get.

use std::collections::BTreeMap;

use lfs_wrapper_model::{Severity, TimeMsec};
use serde::{Deserialize, Serialize};

use crate::engine::Kind;
use crate::rule::Labels;

/// What is told of one alert at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The number of the alert, the same over its life; 0 in a message that an
    /// older version wrote, which also lacks the other fields with a default.
    #[serde(default)]
    pub alert: i64,
    /// The number of the change; the same for every channel and every try.
    pub event: i64,
    /// The rule.
    pub rule: String,
    /// What happened.
    pub kind: Kind,
    /// Nothing happened: it is told again because it goes on.
    #[serde(default)]
    pub is_reminder: bool,
    /// The level it is at, or was at until now.
    pub severity: Severity,
    /// Which of the rule's alerts: the labels of its series and of its rule.
    pub labels: Labels,
    /// The value, if there is one.
    #[serde(default)]
    pub value: Option<f64>,
    /// The threshold of the level, if there is one.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// One sentence.
    pub message: String,
    /// What to do about it; may be empty.
    pub runbook: String,
    /// Further texts of the rule, by name.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// When the alert was raised.
    #[serde(default)]
    pub since_msec: TimeMsec,
    /// When this happened.
    pub time_msec: TimeMsec,
}

impl Notification {
    /// Whether it tells that the alert is over.
    pub fn is_resolved(&self) -> bool {
        self.kind == Kind::Resolved
    }
}

/// What a channel gets at once: the alerts of one group, or all that waited for
/// it while it could not be reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Whose alerts these are: the host's name.
    pub host: &'a str,
    /// What the alerts of the group have in common; may be empty.
    pub group: &'a Labels,
    /// Oldest first; never empty. Of one alert there may be several.
    pub notifications: &'a [Notification],
    /// Why these come together.
    pub reason: Reason,
    /// When it is sent.
    pub time_msec: TimeMsec,
}

/// Why some notifications come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They belong to one group.
    Group,
    /// They waited while the channel took nothing, since then; so many more were
    /// dropped, since too many waited.
    Outage {
        /// When the oldest of them happened.
        since_msec: TimeMsec,
        /// How many were dropped.
        dropped: u64,
    },
    /// They waited for the end of quiet hours.
    Quiet,
    /// Somebody asked for a test message; nothing is wrong.
    Test,
}

impl Message<'_> {
    /// The worst severity of what is not over, or else of all.
    pub fn severity(&self) -> Severity {
        let all = || self.notifications.iter();
        let firing = all().filter(|one| !one.is_resolved());
        let worst = firing.map(|one| one.severity).max();
        worst
            .or_else(|| all().map(|one| one.severity).max())
            .unwrap_or(Severity::Info)
    }

    /// Whether all of it is over: of each alert, the newest says so.
    pub fn is_resolved(&self) -> bool {
        let newest: BTreeMap<i64, &Notification> = self
            .notifications
            .iter()
            .map(|one| (one.alert, one))
            .collect();
        newest.values().all(|one| one.is_resolved())
    }
}

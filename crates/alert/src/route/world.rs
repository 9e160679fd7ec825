//! What is true, what channels were told, and what a plan says to write.

use std::collections::BTreeMap;

use lfs_wrapper_model::{Matcher, Severity, TimeMsec};
use serde::{Deserialize, Serialize};

use crate::engine::Kind;
use crate::notification::{Notification, Reason};
use crate::rule::Labels;

/// What is true, and what was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct World<'a> {
    /// What is not over, and what is over while a channel does not know it yet.
    pub alerts: &'a [Living],
    /// What channels were told of these alerts.
    pub told: &'a [Told],
    /// Silences; those whose time is not now have no effect.
    pub silences: &'a [Silence],
    /// When groups were last sent.
    pub groups: &'a [GroupSent],
    /// What flaps.
    pub flaps: &'a [Flap],
}

/// An alert as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Living {
    /// Its number.
    pub id: i64,
    /// The rule.
    pub rule: String,
    /// Which of the rule's alerts.
    pub labels: Labels,
    /// The level it is at, or was at last.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: Life,
    /// What happened last.
    pub kind: Kind,
    /// The number of the last change.
    pub event: i64,
    /// The value at the last change, if there was one.
    pub value: Option<f64>,
    /// The threshold at the last change, if there was one.
    pub threshold: Option<f64>,
    /// One sentence.
    pub message: String,
    /// What to do about it; may be empty.
    pub runbook: String,
    /// Further texts of the rule, by name.
    pub annotations: BTreeMap<String, String>,
    /// When it was raised.
    pub since_msec: TimeMsec,
    /// When it last changed.
    pub changed_msec: TimeMsec,
    /// The severity at which somebody took note of it.
    pub acknowledged: Option<Severity>,
    /// How often an alert of this rule with these labels was raised within the
    /// window of [`super::Flapping`], this time included.
    pub raises: u32,
}

impl Living {
    /// Whether it is not over.
    pub fn is_live(&self) -> bool {
        self.state != Life::Resolved
    }

    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.rule == other.rule && self.labels == other.labels
    }

    pub(super) fn matches(&self, matchers: &[Matcher], severity: Severity) -> bool {
        let mut all = matchers.iter();
        all.all(|matcher| matcher.matches(&self.rule, severity, &self.labels))
    }
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It fires.
    Firing,
    /// It fired when its value went away.
    Nodata,
    /// It is over.
    Resolved,
}

/// What a channel was told of an alert. There is none once the channel knows
/// that the alert is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The alert.
    pub alert: i64,
    /// The channel.
    pub channel: String,
    /// The number of the change it knows; 0 where it was told nothing.
    pub event: i64,
    /// What it was told last.
    pub kind: Kind,
    /// The severity it was told last.
    pub severity: Severity,
    /// The worst severity it was told.
    pub worst: Severity,
    /// What it believes.
    pub state: ToldState,
    /// When the message was put in the outbox.
    pub time_msec: TimeMsec,
    /// Since when quiet hours hold news back from it.
    pub held_msec: Option<TimeMsec>,
}

/// What a channel believes of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToldState {
    /// It knows nothing of it; quiet hours hold the news back.
    Nothing,
    /// It fires.
    Firing,
    /// Its value is away.
    Nodata,
}

/// Somebody's wish not to hear of some alerts for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// All must hold; never empty.
    pub matchers: Vec<Matcher>,
    /// Who wished it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on.
    pub starts_msec: TimeMsec,
    /// Until when, this moment excluded.
    pub ends_msec: TimeMsec,
}

/// When the last message of a group is or was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSent {
    /// The channel.
    pub channel: String,
    /// The group.
    pub key: String,
    /// When its message was due.
    pub last_msec: TimeMsec,
}

/// An alert that comes and goes, of which a channel was told so.
#[derive(Clone, Debug, PartialEq)]
pub struct Flap {
    /// The rule.
    pub rule: String,
    /// Which of the rule's alerts.
    pub labels: Labels,
    /// The channel that was told.
    pub channel: String,
    /// The worst severity it was told since.
    pub severity: Severity,
    /// When it was told.
    pub since_msec: TimeMsec,
    /// When an alert of this rule with these labels last changed.
    pub changed_msec: TimeMsec,
}

/// What to write, and what is not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Messages for the outbox, in this order.
    pub rows: Vec<Row>,
    /// What channels know from then on.
    pub told: Vec<ToldChange>,
    /// When groups were last sent.
    pub groups: Vec<GroupSent>,
    /// What flaps from now on, or no more.
    pub flaps: Vec<FlapChange>,
    /// What is not told now; for display, never written.
    pub suppressed: Vec<Suppressed>,
}

impl Plan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.told.is_empty()
            && self.groups.is_empty()
            && self.flaps.is_empty()
    }
}

/// A message for one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The channel.
    pub channel: String,
    /// The group's key: rows of one channel and group that are due together are
    /// one message.
    pub key: String,
    /// What the group's alerts have in common.
    pub group: Labels,
    /// What is told.
    pub notification: Notification,
    /// When it is sent.
    pub due_msec: TimeMsec,
    /// [`Reason::Group`] or [`Reason::Quiet`].
    pub reason: Reason,
}

/// A change of what a channel knows.
#[derive(Clone, Debug, PartialEq)]
pub enum ToldChange {
    /// It knows this.
    Set(Told),
    /// Nothing of this alert remains to be told to it.
    Forget {
        /// The alert.
        alert: i64,
        /// The channel.
        channel: String,
    },
}

/// A change of what flaps.
#[derive(Clone, Debug, PartialEq)]
pub enum FlapChange {
    /// It flaps.
    Set(Flap),
    /// It is steady.
    End(Flap),
}

/// An alert that is not told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// The alert.
    pub alert: i64,
    /// The channel; `None` for all.
    pub channel: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why an alert is not told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The silence of this number.
    Silenced(i64),
    /// The alert of this number fires.
    Inhibited(i64),
    /// Somebody took note of it; only repeats are kept back.
    Acknowledged,
    /// Quiet hours.
    Quiet,
    /// It comes and goes.
    Flapping,
    /// No route takes it to a channel.
    NoRoute,
}

//! Which group a message belongs to, and when the group is sent.

use std::collections::HashMap;

use lfs_wrapper_model::{Severity, TimeMsec};

use super::settings::{GroupBy, Route};
use super::world::{GroupSent, Living};
use crate::rule::Labels;

/// The group of all that waited for the end of quiet hours.
pub(super) const QUIET_KEY: &str = "quiet";

/// From this severity on, bad news does not wait for its group.
pub(super) const URGENT: Severity = Severity::Critical;

pub(super) fn derive_group(group_by: &GroupBy, alert: &Living) -> Labels {
    let rule = || ("rule".to_owned(), alert.rule.clone());
    match group_by {
        GroupBy::Rule => [rule()].into(),
        GroupBy::Alert => {
            let mut labels = alert.labels.clone();
            labels.extend([rule()]);
            labels
        }
        GroupBy::Labels(names) => {
            let pair = |name: &String| match name.as_str() {
                "rule" => Some(rule()),
                _ => Some((name.clone(), alert.labels.get(name)?.clone())),
            };
            names.iter().filter_map(pair).collect()
        }
    }
}

pub(super) fn render_key(group: &Labels) -> String {
    serde_json::json!(group).to_string()
}

/// When the last message of each group is or was due.
#[derive(Debug)]
pub(super) struct Groups {
    last: HashMap<(String, String), TimeMsec>,
}

impl Groups {
    pub(super) fn new(sent: &[GroupSent]) -> Self {
        let pair = |one: &GroupSent| ((one.channel.clone(), one.key.clone()), one.last_msec);
        Self {
            last: sent.iter().map(pair).collect(),
        }
    }

    /// When a message of this group is sent. It joins one that waits. A group
    /// that was sent less than the interval ago waits for its rest. A time that
    /// no setting explains was written before the clock was set back.
    pub(super) fn plan_due(
        &mut self,
        (channel, key): (&str, &str),
        route: &Route,
        is_urgent: bool,
        now_msec: TimeMsec,
    ) -> TimeMsec {
        let id = (channel.to_owned(), key.to_owned());
        let latest = now_msec + route.wait_msec.max(route.interval_msec);
        let last = self.last.get(&id).filter(|last| **last <= latest);
        let due = match last {
            _ if is_urgent => now_msec,
            Some(last) if *last >= now_msec => *last,
            Some(last) if now_msec - last < route.interval_msec => last + route.interval_msec,
            _ => now_msec + route.wait_msec,
        };
        self.last.insert(id, due);
        due
    }
}

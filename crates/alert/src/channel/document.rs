//! A message as the one JSON document that programs and templates get.

use std::collections::BTreeMap;

use lfs_wrapper_model::{TimeMsec, render_rfc3339};
use serde::Serialize;

use super::text::lines;
use crate::notification::{Message, Notification, Reason};

/// Rises when a field changes its meaning or goes away.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: u32,
    host: String,
    channel: &'a str,
    reason: &'static str,
    outage: Option<Outage>,
    state: &'static str,
    severity: &'static str,
    group: BTreeMap<String, String>,
    time: String,
    time_msec: TimeMsec,
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
struct Outage {
    since: String,
    since_msec: TimeMsec,
    dropped: u64,
}

#[derive(Serialize)]
struct Alert {
    alert: i64,
    event: i64,
    rule: String,
    kind: &'static str,
    is_reminder: bool,
    severity: &'static str,
    labels: BTreeMap<String, String>,
    value: Option<f64>,
    threshold: Option<f64>,
    message: String,
    runbook: String,
    annotations: BTreeMap<String, String>,
    since: String,
    since_msec: TimeMsec,
    time: String,
    time_msec: TimeMsec,
}

/// The message as JSON, with line ends in it as the only control characters;
/// `docs/alert-channels.md` has its fields.
pub fn render_document(channel: &str, message: &Message<'_>) -> String {
    // Strings, numbers and maps of strings always can be written.
    serde_json::to_string(&derive_document(channel, message)).unwrap_or_default()
}

pub(super) fn derive_document<'a>(channel: &'a str, message: &Message<'_>) -> Document<'a> {
    Document {
        version: VERSION,
        host: lines(message.host),
        channel,
        reason: match message.reason {
            Reason::Group => "group",
            Reason::Outage { .. } => "outage",
            Reason::Quiet => "quiet",
            Reason::Test => "test",
        },
        outage: match message.reason {
            Reason::Outage {
                since_msec,
                dropped,
            } => Some(Outage {
                since: render_rfc3339(since_msec),
                since_msec,
                dropped,
            }),
            Reason::Group | Reason::Quiet | Reason::Test => None,
        },
        state: derive_state(message.is_resolved()),
        severity: message.severity().as_str(),
        group: clean(message.group),
        time: render_rfc3339(message.time_msec),
        time_msec: message.time_msec,
        alerts: message.notifications.iter().map(derive_alert).collect(),
    }
}

pub(super) fn derive_state(is_resolved: bool) -> &'static str {
    if is_resolved { "resolved" } else { "firing" }
}

fn derive_alert(one: &Notification) -> Alert {
    Alert {
        alert: one.alert,
        event: one.event,
        rule: lines(&one.rule),
        kind: one.kind.as_str(),
        is_reminder: one.is_reminder,
        severity: one.severity.as_str(),
        labels: clean(&one.labels),
        value: one.value,
        threshold: one.threshold,
        message: lines(&one.message),
        runbook: lines(&one.runbook),
        annotations: clean(&one.annotations),
        since: render_rfc3339(one.since_msec),
        since_msec: one.since_msec,
        time: render_rfc3339(one.time_msec),
        time_msec: one.time_msec,
    }
}

/// Names and values without control characters but line ends.
pub(super) fn clean(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let both = |(name, value): (&String, &String)| (lines(name), lines(value));
    texts.iter().map(both).collect()
}

//! Alerts as Prometheus' Alertmanager knows them.

use std::collections::BTreeMap;

use lfs_wrapper_model::{TimeMsec, render_rfc3339};
use serde::Serialize;

use super::document::{clean, derive_state};
use super::text::{derive_newest, lines};
use crate::engine::Kind;
use crate::notification::{Message, Notification};
use crate::rule::Labels;

/// A payload has no more alerts; the worst come first, and it says how many it
/// lacks.
const ALERTS_MAX: usize = 1000;

/// How Alertmanager writes a time that is not there.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// What Alertmanager posts to a webhook, version 4 of its payload
/// (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
    status: &'static str,
    receiver: String,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<PayloadAlert>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadAlert {
    status: &'static str,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// Of each alert the newest word, since the payload has each alert once.
pub(super) fn derive_payload(receiver: &str, external_url: &str, message: &Message<'_>) -> Payload {
    let newest = derive_newest(message);
    let alerts: Vec<PayloadAlert> = newest
        .iter()
        .take(ALERTS_MAX)
        .map(|one| derive_alert(one, external_url, message.host))
        .collect();
    let labels: Vec<&Labels> = alerts.iter().map(|one| &one.labels).collect();
    let annotations: Vec<&Labels> = alerts.iter().map(|one| &one.annotations).collect();
    Payload {
        version: "4",
        group_key: render_group_key(message),
        truncated_alerts: newest.len().saturating_sub(ALERTS_MAX),
        status: derive_state(message.is_resolved()),
        receiver: receiver.to_owned(),
        group_labels: clean(message.group),
        common_labels: derive_common(&labels),
        common_annotations: derive_common(&annotations),
        external_url: external_url.to_owned(),
        alerts,
    }
}

fn derive_alert(one: &Notification, external_url: &str, host: &str) -> PayloadAlert {
    let labels = derive_labels(one, host);
    PayloadAlert {
        status: derive_state(one.is_resolved()),
        annotations: derive_annotations(one),
        starts_at: render_rfc3339(one.since_msec),
        ends_at: match one.is_resolved() {
            true => render_rfc3339(one.time_msec),
            false => NO_TIME.to_owned(),
        },
        generator_url: external_url.to_owned(),
        fingerprint: derive_fingerprint(&labels),
        labels,
    }
}

/// `{}:{severity="error"}`, the same for the same group.
fn render_group_key(message: &Message<'_>) -> String {
    let labels = clean(message.group);
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{}}:{{{}}}", labels.join(", "))
}

/// The alert's labels, with the rule's name, the severity and, where the alert
/// has none of its own, the host as `instance`.
pub(super) fn derive_labels(one: &Notification, host: &str) -> Labels {
    let mut labels: Labels = clean(&one.labels)
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    labels
        .entry("instance".to_owned())
        .or_insert_with(|| lines(host));
    labels.insert("alertname".to_owned(), lines(&one.rule));
    labels.insert("severity".to_owned(), one.severity.as_str().to_owned());
    labels
}

pub(super) fn derive_annotations(one: &Notification) -> Labels {
    let mut annotations = clean(&one.annotations);
    annotations.insert("summary".to_owned(), lines(&one.message));
    if !one.runbook.is_empty() {
        annotations.insert("runbook".to_owned(), lines(&one.runbook));
    }
    if let Some(value) = one.value {
        annotations.insert("value".to_owned(), value.to_string());
    }
    if one.kind == Kind::Nodata {
        annotations.insert("nodata".to_owned(), "true".to_owned());
    }
    annotations
}

fn derive_common(all: &[&Labels]) -> Labels {
    let keep = |mut common: Labels, one: &Labels| {
        common.retain(|name, value| one.get(name) == Some(value));
        common
    };
    let first = all.first().map(|&one| one.clone()).unwrap_or_default();
    all.iter().copied().fold(first, keep)
}

/// Prometheus' fingerprint of labels: FNV-1a, 64 bits, over names and values,
/// each followed by a byte that UTF-8 never has.
pub(super) fn derive_fingerprint(labels: &BTreeMap<String, String>) -> String {
    const OFFSET: u64 = 14_695_981_039_346_656_037;
    const PRIME: u64 = 1_099_511_628_211;
    let mut hash = OFFSET;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for (name, value) in labels {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    format!("{hash:016x}")
}

/// An alert as Alertmanager takes it at `/api/v2/alerts`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostedAlert {
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
}

impl PostedAlert {
    pub(super) fn new(
        one: &Notification,
        host: &str,
        external_url: &str,
        ends_msec: TimeMsec,
    ) -> Self {
        Self {
            labels: derive_labels(one, host),
            annotations: derive_annotations(one),
            starts_at: render_rfc3339(one.since_msec),
            ends_at: render_rfc3339(ends_msec),
            generator_url: external_url.to_owned(),
        }
    }
}

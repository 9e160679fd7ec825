//! Prometheus' Alertmanager, by version 2 of its API.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lfs_wrapper_model::{Severity, TimeMsec};

use super::http::{Call, Client, Http};
use super::payload::PostedAlert;
use super::text::derive_newest;
use super::{SendError, Wrong};
use crate::notification::{Message, Notification};

/// How long an alert is kept where nothing else is given.
const KEEP: Duration = Duration::from_secs(300);

/// Of so many alerts the severity is remembered; then the oldest is forgotten.
const POSTED_MAX: usize = 10_000;

/// An Alertmanager. Taken means: it answered 200.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    /// How it is reached; the address is that of its page, without `/api`.
    pub http: Http,
    /// For so long it believes that an alert fires without hearing of it again;
    /// longer than the route's repeat interval.
    pub keep: Duration,
    /// The address that its page links alerts to; may be empty.
    pub external_url: String,
}

impl Alertmanager {
    /// The one at an address, such as `http://localhost:9093`.
    pub fn at(url: &str) -> Self {
        Self {
            http: Http::at(url),
            keep: KEEP,
            external_url: String::new(),
        }
    }
}

/// Checked settings, and what was posted last of each alert.
#[derive(Debug)]
pub(super) struct Ready {
    client: Client,
    keep: Duration,
    external_url: String,
    posted: Mutex<Posted>,
}

/// At which severity an alert was posted last. Not kept over a restart: then an
/// alert that changed its level meanwhile ends at the old one when its time is up.
type Posted = BTreeMap<i64, Severity>;

impl Ready {
    pub(super) fn new(settings: Alertmanager) -> Result<Self, Wrong> {
        if settings.keep < Duration::from_secs(1) {
            let message = "alerts would be over at once".to_owned();
            return Err(Wrong(message, "give keep at least a second"));
        }
        let url = settings.http.known_url().map(str::to_owned);
        Ok(Self {
            client: Client::new(settings.http, url.as_deref())?,
            keep: settings.keep,
            external_url: settings.external_url,
            posted: Mutex::default(),
        })
    }

    pub(super) fn send(&self, message: &Message<'_>) -> Result<(), SendError> {
        let newest = derive_newest(message);
        let keep_msec = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let until_msec = message.time_msec.saturating_add(keep_msec);
        // Whoever panicked with it left nothing half done.
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let alerts: Vec<PostedAlert> = newest
            .iter()
            .flat_map(|one| derive_posted(one, posted.get(&one.alert).copied(), until_msec))
            .map(|(one, ends_msec)| {
                PostedAlert::new(&one, message.host, &self.external_url, ends_msec)
            })
            .collect();
        self.post(&alerts)?;
        for one in newest {
            note(&mut posted, one);
        }
        Ok(())
    }

    fn post(&self, alerts: &[PostedAlert]) -> Result<(), SendError> {
        let body = serde_json::to_vec(alerts)
            .map_err(|error| SendError::refused(format!("writing alerts as JSON: {error}")))?;
        let call = Call {
            method: "POST",
            content_type: "application/json",
            body: &body,
            headers: &[],
        };
        self.client.send(&call, |url| {
            Ok(format!("{}/api/v2/alerts", url.trim_end_matches('/')))
        })
    }
}

/// The alert, and when it ends. To Alertmanager another severity is another
/// alert: so what was posted with another one ends there.
fn derive_posted(
    one: &Notification,
    before: Option<Severity>,
    until_msec: TimeMsec,
) -> Vec<(Notification, TimeMsec)> {
    let ends_msec = match one.is_resolved() {
        true => one.time_msec,
        false => until_msec,
    };
    let mut posted = vec![(one.clone(), ends_msec)];
    if let Some(severity) = before.filter(|before| *before != one.severity) {
        let other = Notification {
            severity,
            ..one.clone()
        };
        posted.push((other, one.time_msec));
    }
    posted
}

fn note(posted: &mut Posted, one: &Notification) {
    if one.is_resolved() {
        posted.remove(&one.alert);
        return;
    }
    posted.insert(one.alert, one.severity);
    if posted.len() > POSTED_MAX {
        posted.pop_first();
    }
}

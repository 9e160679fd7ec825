//! What a channel does not know yet of an alert, and how it is put.

use lfs_wrapper_model::{Severity, TimeMsec};

use super::settings::{Flapping, Route};
use super::world::{Life, Living, Told, ToldState};
use crate::engine::Kind;
use crate::notification::Notification;

/// What a channel does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// This happened.
    Change(Kind),
    /// It goes on.
    Reminder,
    /// It flapped, and now it goes on.
    Steady,
    /// It came and went while quiet hours held it back.
    Passed,
    /// It is over, and the channel need not know.
    Over,
}

impl News {
    /// Whether it is told again without having changed.
    pub(super) fn is_repeat(self) -> bool {
        matches!(
            self,
            Self::Reminder | Self::Steady | Self::Change(Kind::Repeated)
        )
    }

    /// Whether it is something bad that was not known.
    pub(super) fn is_bad(self) -> bool {
        matches!(
            self,
            Self::Change(Kind::Raised | Kind::Repeated | Kind::Escalated)
        )
    }
}

/// What a channel should know. A channel that the route does not take the alert
/// to any more, since it got better, hears how it goes on, but no repeats.
pub(super) fn derive_news(
    alert: &Living,
    told: Option<&Told>,
    route: &Route,
    is_former: bool,
    now_msec: TimeMsec,
) -> Option<News> {
    let told = told.filter(|told| told.state != ToldState::Nothing || !alert.is_live());
    let Some(told) = told else {
        return match alert.state {
            Life::Resolved => None,
            Life::Firing => Some(News::Change(Kind::Raised)),
            Life::Nodata => Some(News::Change(Kind::Nodata)),
        };
    };
    let news = match (alert.state, told.state) {
        (Life::Resolved, ToldState::Nothing) => News::Passed,
        (Life::Resolved, _) if !route.send_resolved => News::Over,
        (Life::Resolved, _) => News::Change(Kind::Resolved),
        _ if alert.severity > told.severity => News::Change(Kind::Escalated),
        (Life::Nodata, ToldState::Firing) => News::Change(Kind::Nodata),
        _ if alert.severity < told.severity => News::Change(Kind::Deescalated),
        (Life::Firing, ToldState::Nodata) => News::Change(Kind::Returned),
        _ if alert.kind == Kind::Repeated && alert.event > told.event => {
            News::Change(Kind::Repeated)
        }
        _ if is_repeat_due(alert, told, route, now_msec) => News::Reminder,
        _ => return None,
    };
    (!is_former || !news.is_repeat()).then_some(news)
}

fn is_repeat_due(alert: &Living, told: &Told, route: &Route, now_msec: TimeMsec) -> bool {
    let is_info = alert.severity == Severity::Info && !route.is_mirror;
    let age_msec = now_msec - told.time_msec;
    !is_info && route.repeat_msec.is_some_and(|repeat| age_msec >= repeat)
}

/// The message about an alert; `raises` where it is told that it flaps.
pub(super) fn derive_notification(
    alert: &Living,
    news: News,
    flaps: Option<&Flapping>,
    now_msec: TimeMsec,
) -> Notification {
    let (kind, is_reminder) = match news {
        News::Change(kind) => (kind, false),
        News::Reminder | News::Steady => (alert.kind, true),
        News::Passed | News::Over => (Kind::Resolved, false),
    };
    let message = match (news, flaps) {
        (News::Passed, _) => format!("came and went in quiet hours: {}", alert.message),
        (News::Steady, _) => format!("steady after flapping: {}", alert.message),
        (_, Some(flapping)) => format!(
            "flapping: raised {} times in {} min; next news when it is steady: {}",
            alert.raises,
            flapping.window_msec / 60_000,
            alert.message
        ),
        _ => alert.message.clone(),
    };
    Notification {
        alert: alert.id,
        event: alert.event,
        rule: alert.rule.clone(),
        kind,
        is_reminder,
        severity: alert.severity,
        labels: alert.labels.clone(),
        value: alert.value,
        threshold: alert.threshold,
        message,
        runbook: alert.runbook.clone(),
        annotations: alert.annotations.clone(),
        since_msec: alert.since_msec,
        time_msec: if is_reminder {
            now_msec
        } else {
            alert.changed_msec
        },
    }
}

//! Words and sentences that several kinds of channel show.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lfs_wrapper_model::render_local;

use crate::engine::Kind;
use crate::notification::{Message, Notification, Reason};

/// `text` on one line and without anything that does something to a terminal:
/// messages quote the logs of builds.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The same, with its lines kept.
pub(super) fn lines(text: &str) -> String {
    text.replace(|one: char| one.is_control() && one != '\n', " ")
}

/// At most so many bytes of `text`, cut between characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Of each alert what was told last; what goes on comes before what is over,
/// and the worst first.
pub(super) fn derive_newest<'a>(message: &Message<'a>) -> Vec<&'a Notification> {
    let newest: BTreeMap<i64, &Notification> = message
        .notifications
        .iter()
        .map(|one| (one.alert, one))
        .collect();
    let mut newest: Vec<&Notification> = newest.into_values().collect();
    newest.sort_by_key(|one| (one.is_resolved(), Reverse(one.severity), one.alert));
    newest
}

/// `ERROR`, or `RESOLVED` for what is over.
pub(super) fn render_word(notification: &Notification) -> String {
    if notification.is_resolved() {
        return "RESOLVED".to_owned();
    }
    notification.severity.as_str().to_uppercase()
}

/// The sentence about one alert, on one line.
pub(super) fn render_sentence(notification: &Notification) -> String {
    let mut text = String::new();
    if notification.is_reminder {
        text.push_str("still: ");
    }
    if notification.kind == Kind::Nodata {
        text.push_str("no data: ");
    }
    let message = plain(&notification.message);
    let rule = plain(&notification.rule);
    if !message.to_lowercase().contains(&rule.to_lowercase()) {
        text.push_str(&format!("{rule}: "));
    }
    text.push_str(&message);
    text
}

/// One line about the whole message, such as `[ERROR] host: memory 85% used`.
pub(super) fn render_title(message: &Message<'_>) -> String {
    let newest = derive_newest(message);
    let Some(first) = newest.first() else {
        return String::new();
    };
    let test = match message.reason {
        Reason::Test => "[TEST] ",
        Reason::Group | Reason::Outage { .. } | Reason::Quiet => "",
    };
    let count = match newest.len() {
        1 => String::new(),
        count => format!("{count} alerts, "),
    };
    format!(
        "{test}[{}] {}: {count}{}",
        render_word(first),
        plain(message.host),
        render_sentence(first)
    )
}

/// Why some notifications come together, as a sentence; empty for a group.
pub(super) fn render_reason(message: &Message<'_>) -> String {
    let changes = match message.notifications.len() {
        1 => "1 change".to_owned(),
        count => format!("{count} changes"),
    };
    match message.reason {
        Reason::Group => String::new(),
        Reason::Quiet => format!("{changes} waited for the end of quiet hours."),
        Reason::Test => "This is a test; nothing is wrong.".to_owned(),
        Reason::Outage {
            since_msec,
            dropped,
        } => {
            let since = render_local(since_msec);
            let mut text =
                format!("{changes} waited since {since}, while this channel took nothing.");
            if dropped > 0 {
                text.push_str(&format!(" {dropped} older ones were dropped."));
            }
            text
        }
    }
}

/// The whole message as text: why, then each alert with what to do.
pub(super) fn render_text(message: &Message<'_>) -> String {
    let mut text = render_reason(message);
    for one in derive_newest(message) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{} {}", render_word(one), render_sentence(one)));
        if !one.is_resolved() && !one.runbook.is_empty() {
            text.push_str(&format!("\n    {}", plain(&one.runbook)));
        }
    }
    text
}

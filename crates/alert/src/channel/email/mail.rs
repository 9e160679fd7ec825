//! A message as a mail (RFC 5322) of a plain and an HTML part.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lfs_wrapper_model::{Severity, render_local, render_rfc3339};

use crate::channel::text::{
    cut, derive_newest, lines, plain, render_reason, render_sentence, render_title, render_word,
};
use crate::engine::Kind;
use crate::notification::{Message, Notification};

/// A subject is no longer, in bytes.
const SUBJECT_BYTES_MAX: usize = 200;

/// A mail refers to no more alerts than that.
const REFERENCES_MAX: usize = 20;

/// A mail lists no more alerts than that; it says how many more there are.
const ALERTS_MAX: usize = 200;

/// No host name is longer (RFC 1035, section 2.3.4).
const DOMAIN_BYTES_MAX: usize = 253;

/// A mail, and by what it is known.
pub(in crate::channel) struct Mail {
    /// Its Message-ID, the same at each try.
    pub(in crate::channel) id: String,
    /// Headers, an empty line and the body; lines end in CR LF.
    pub(in crate::channel) content: Vec<u8>,
}

pub(in crate::channel) fn render(
    message: &Message<'_>,
    from: &Mailbox,
    to: &[Mailbox],
) -> Result<Mail, lettre::error::Error> {
    let id = render_id(message);
    let msec = u64::try_from(message.time_msec).unwrap_or(0);
    let subject = render_title(message);
    let mut builder = lettre::Message::builder()
        .message_id(Some(id.clone()))
        .date(UNIX_EPOCH + Duration::from_millis(msec))
        .from(from.clone())
        .subject(cut(&subject, SUBJECT_BYTES_MAX));
    for to in to {
        builder = builder.to(to.clone());
    }
    let roots = render_roots(message);
    if let Some(first) = roots.first().filter(|_| !roots.contains(&id)) {
        builder = builder
            .in_reply_to(first.clone())
            .references(roots.join(" "));
    }
    for (name, value) in render_headers(message) {
        builder = builder.raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str(name),
            value,
        ));
    }
    let parts = MultiPart::alternative_plain_html(render_plain(message), render_html(message));
    let content = builder.multipart(parts)?.formatted();
    Ok(Mail { id, content })
}

/// The first mail of an alert bears this id, and all others refer to it.
fn render_root(one: &Notification, host: &str) -> String {
    let (alert, since) = (one.alert, one.since_msec);
    format!("<alert-{alert}.{since}@{}>", render_domain(host))
}

fn render_roots(message: &Message<'_>) -> Vec<String> {
    let newest = derive_newest(message);
    let roots = newest.iter().map(|one| render_root(one, message.host));
    roots.take(REFERENCES_MAX).collect()
}

fn render_id(message: &Message<'_>) -> String {
    match message.notifications {
        [one] if one.kind == Kind::Raised && !one.is_reminder => render_root(one, message.host),
        all => {
            let last = all.last();
            let alert = last.map_or(0, |one| one.alert);
            let event = last.map_or(0, |one| one.event);
            let time = last.map_or(0, |one| one.time_msec);
            let count = all.len();
            let domain = render_domain(message.host);
            format!("<alert-{alert}.event-{event}.{time}.{count}@{domain}>")
        }
    }
}

/// What is a domain's of a host name; never empty.
pub(super) fn render_domain(host: &str) -> String {
    let is_part = |one: &char| one.is_ascii_alphanumeric() || matches!(one, '-' | '.');
    let domain: String = host
        .chars()
        .filter(is_part)
        .take(DOMAIN_BYTES_MAX)
        .collect();
    match domain.trim_matches(['.', '-']) {
        "" => "localhost".to_owned(),
        domain => domain.to_owned(),
    }
}

/// By what a mail can be sorted.
fn render_headers(message: &Message<'_>) -> Vec<(&'static str, String)> {
    let newest = derive_newest(message);
    let (rule, kind) = match newest.as_slice() {
        [one] => (plain(&one.rule), one.kind.as_str().to_owned()),
        all => (String::new(), format!("{} alerts", all.len())),
    };
    let severity = message.severity();
    let mut headers = vec![
        // RFC 3834: nobody's absence is told to a machine.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Lfs-Host", plain(message.host)),
        ("X-Lfs-Severity", severity.as_str().to_owned()),
        ("X-Lfs-Kind", kind),
    ];
    if !rule.is_empty() {
        headers.push(("X-Lfs-Rule", rule));
    }
    let is_urgent = severity >= Severity::Critical && !message.is_resolved();
    if is_urgent {
        headers.push(("Importance", "high".to_owned()));
    }
    headers
}

fn render_plain(message: &Message<'_>) -> String {
    let newest = derive_newest(message);
    let mut text = format!("{}\n", render_title(message));
    let reason = render_reason(message);
    if !reason.is_empty() {
        text.push_str(&format!("{reason}\n"));
    }
    for one in newest.iter().take(ALERTS_MAX) {
        text.push_str(&format!(
            "\n{} {}\n",
            render_word(one),
            render_sentence(one)
        ));
        for (name, value) in derive_details(one) {
            text.push_str(&format!("  {name}: {}\n", value.replace('\n', "\n    ")));
        }
    }
    if let Some(more) = render_more(newest.len()) {
        text.push_str(&format!("\n{more}\n"));
    }
    text
}

fn render_html(message: &Message<'_>) -> String {
    let newest = derive_newest(message);
    let mut html = format!("<h2>{}</h2>\n", escape(&render_title(message)));
    let reason = render_reason(message);
    if !reason.is_empty() {
        html.push_str(&format!("<p>{}</p>\n", escape(&reason)));
    }
    for one in newest.iter().take(ALERTS_MAX) {
        html.push_str(&format!(
            "<h3><span style=\"color:{}\">{}</span> {}</h3>\n<table>\n",
            render_color(one),
            render_word(one),
            escape(&render_sentence(one))
        ));
        for (name, value) in derive_details(one) {
            let value = escape(&value).replace('\n', "<br>");
            html.push_str(&format!(
                "<tr><td>{}</td><td>{value}</td></tr>\n",
                escape(&name)
            ));
        }
        html.push_str("</table>\n");
    }
    if let Some(more) = render_more(newest.len()) {
        html.push_str(&format!("<p>{more}</p>\n"));
    }
    html
}

fn render_more(count: usize) -> Option<String> {
    let more = count.checked_sub(ALERTS_MAX).filter(|more| *more > 0)?;
    Some(format!("and {more} more alerts"))
}

fn render_color(one: &Notification) -> &'static str {
    match one.severity {
        _ if one.is_resolved() => "#2e7d32",
        Severity::Info => "#1976d2",
        Severity::Warning => "#b26a00",
        Severity::Error => "#d84315",
        Severity::Critical => "#c62828",
        Severity::Emergency => "#6a1b9a",
    }
}

/// What is told of an alert besides its sentence, by name.
fn derive_details(one: &Notification) -> Vec<(String, String)> {
    let mut details = Vec::new();
    let mut add = |name: &str, value: String| details.push((plain(name), lines(&value)));
    if !one.is_resolved() && !one.runbook.is_empty() {
        add("what to do", one.runbook.clone());
    }
    add("since", render_time(one.since_msec));
    add(
        "this",
        format!("{}, {}", one.kind.as_str(), render_time(one.time_msec)),
    );
    if let Some(value) = one.value {
        add("value", value.to_string());
    }
    if let Some(threshold) = one.threshold {
        add("threshold", threshold.to_string());
    }
    for (name, value) in one.labels.iter().chain(&one.annotations) {
        add(name, value.clone());
    }
    details
}

/// The host's own time, and the one that everybody understands.
fn render_time(time_msec: i64) -> String {
    format!(
        "{} ({})",
        render_local(time_msec),
        render_rfc3339(time_msec)
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            one => escaped.push(one),
        }
    }
    escaped
}

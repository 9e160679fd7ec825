//! A notification as a message of RFC 5424.

use lfs_wrapper_model::render_rfc3339;

use crate::channel::text::{cut, plain};
use crate::notification::{Message, Notification, Reason};

/// The facility `daemon` of RFC 5424, section 6.2.1.
const FACILITY: u8 = 3;

/// 32473 is the enterprise number for documentation and examples (RFC 5612).
const SD_ID: &str = "lfs-wrapper@32473";

/// The longest name of a parameter (RFC 5424, section 6.3.3).
const PARAMETER_NAME_BYTES_MAX: usize = 32;

/// A label's value goes no further.
const PARAMETER_BYTES_MAX: usize = 256;

/// The longest HOSTNAME (RFC 5424, section 6).
const HOST_BYTES_MAX: usize = 255;

/// `<PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG`, in at most
/// `bytes_max` bytes: labels may have half of them, and the message is cut.
pub(in crate::channel) fn render(
    message: &Message<'_>,
    one: &Notification,
    bytes_max: usize,
) -> String {
    let priority = FACILITY * 8 + one.severity.syslog_number();
    let test = match message.reason {
        Reason::Test => "TEST ",
        Reason::Group | Reason::Outage { .. } | Reason::Quiet => "",
    };
    let text = format!(
        "<{priority}>1 {} {} lfs-wrapper {} alert {} {test}{} {} [{}]",
        render_rfc3339(one.time_msec),
        render_host(message.host),
        std::process::id(),
        render_data(one, bytes_max / 2),
        one.severity.as_str().to_uppercase(),
        plain(&one.message),
        one.kind.as_str(),
    );
    cut(&text, bytes_max).to_owned()
}

/// PRINTUSASCII; `-` where nothing is left.
fn render_host(host: &str) -> String {
    let printable = host.chars().filter(char::is_ascii_graphic);
    match printable.take(HOST_BYTES_MAX).collect::<String>() {
        host if host.is_empty() => "-".to_owned(),
        host => host,
    }
}

/// Structured data; labels that no longer fit are left out.
fn render_data(one: &Notification, bytes_max: usize) -> String {
    let mut data = format!("[{SD_ID}");
    let own = [
        ("rule", one.rule.clone()),
        ("kind", one.kind.as_str().to_owned()),
        ("severity", one.severity.as_str().to_owned()),
        ("alert", one.alert.to_string()),
        ("event", one.event.to_string()),
        ("reminder", one.is_reminder.to_string()),
    ];
    for (name, value) in &own {
        data.push_str(&render_parameter(name, value));
    }
    for (name, value) in &one.labels {
        let is_own = own.iter().any(|(own, _)| own == name);
        let name = format!("{}{name}", if is_own { "label_" } else { "" });
        let parameter = render_parameter(&name, value);
        if data.len() + parameter.len() < bytes_max {
            data.push_str(&parameter);
        }
    }
    data.push(']');
    data
}

fn render_parameter(name: &str, value: &str) -> String {
    let is_allowed = |one: &char| one.is_ascii_graphic() && !matches!(one, '=' | ']' | '"');
    let name: String = name
        .chars()
        .filter(is_allowed)
        .take(PARAMETER_NAME_BYTES_MAX)
        .collect();
    if name.is_empty() {
        return String::new();
    }
    let mut escaped = String::new();
    for one in cut(&plain(value), PARAMETER_BYTES_MAX).chars() {
        if matches!(one, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(one);
    }
    format!(" {name}=\"{escaped}\"")
}

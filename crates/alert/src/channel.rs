//! Where notifications go.

use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::{render_local, render_rfc3339};

use crate::engine::Kind;
use crate::notification::Notification;

/// The facility `daemon` of RFC 5424, section 6.2.1.
const FACILITY: u8 = 3;

/// What every receiver should take whole (RFC 5424, section 6.1).
const SYSLOG_BYTES_MAX: usize = 2048;

/// A way to reach somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The standard error of the monitor.
    Console,
    /// A syslog daemon's datagram socket.
    Syslog {
        /// Usually `/dev/log`.
        path: PathBuf,
    },
}

impl Channel {
    /// Its name in the outbox.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Syslog { .. } => "syslog",
        }
    }

    /// Delivers a notification. An error means that it was not taken.
    pub fn send(&self, notification: &Notification, host: &str) -> io::Result<()> {
        match self {
            Self::Console => {
                let mut line = render_console(notification);
                line.push('\n');
                io::stderr().lock().write_all(line.as_bytes())
            }
            Self::Syslog { path } => send_syslog(path, &render_syslog(notification, host)),
        }
    }
}

fn render_console(notification: &Notification) -> String {
    let severity = notification.severity.as_str().to_uppercase();
    let mut line = format!(
        "{} ALERT {severity} {}",
        render_local(notification.time_msec),
        plain(&notification.message)
    );
    if notification.kind != Kind::Resolved && !notification.runbook.is_empty() {
        line.push_str(&format!("\n    {}", plain(&notification.runbook)));
    }
    line
}

/// `<PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG`.
fn render_syslog(notification: &Notification, host: &str) -> String {
    let priority = FACILITY * 8 + notification.severity.syslog_number();
    let mut text = format!(
        "<{priority}>1 {} {} lfs-wrapper {} alert - {} {} [{}]",
        render_rfc3339(notification.time_msec),
        if host.is_empty() { "-" } else { host },
        std::process::id(),
        notification.severity.as_str().to_uppercase(),
        plain(&notification.message),
        notification.kind.as_str(),
    );
    if text.len() > SYSLOG_BYTES_MAX {
        let mut end = SYSLOG_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// `text` on one line and without anything that does something to a terminal:
/// messages quote the logs of builds.
fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn send_syslog(path: &Path, text: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A daemon that hangs must not hold up the other channels.
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    socket.send(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lfs_wrapper_model::Severity;

    fn notification(severity: Severity, message: &str) -> Notification {
        Notification {
            alert: 1,
            event: 1,
            rule: "memory".to_owned(),
            kind: Kind::Raised,
            is_reminder: false,
            severity,
            labels: [].into(),
            value: None,
            threshold: None,
            message: message.to_owned(),
            runbook: "Do something.".to_owned(),
            annotations: [].into(),
            since_msec: 1_700_000_000_250,
            time_msec: 1_700_000_000_250,
        }
    }

    #[test]
    fn each_severity_has_its_priority() {
        let priorities: Vec<String> = Severity::ALL
            .map(|severity| render_syslog(&notification(severity, "m"), "host"))
            .map(|text| text.split_once('>').unwrap().0[1..].to_owned())
            .to_vec();
        assert_eq!(priorities, ["30", "28", "27", "26", "24"]);
    }

    #[test]
    fn a_message_is_rfc_5424_on_one_line_and_not_too_long() {
        let text = render_syslog(&notification(Severity::Warning, "a\nb"), "host");
        let pid = std::process::id();
        assert_eq!(
            text,
            format!(
                "<28>1 2023-11-14T22:13:20.250Z host lfs-wrapper {pid} alert - WARNING a b [raised]"
            )
        );
        let long = "ä".repeat(SYSLOG_BYTES_MAX);
        assert!(
            render_syslog(&notification(Severity::Warning, &long), "host").len()
                <= SYSLOG_BYTES_MAX
        );
    }

    #[test]
    fn what_a_build_printed_does_nothing_to_a_terminal() {
        let message = "\u{1b}[2Jred\u{9b}31m\r\n\t\u{7}\0\u{7f}end";
        let mut notification = notification(Severity::Warning, message);
        notification.runbook = "Do\u{1b}c it.".to_owned();
        let syslog = render_syslog(&notification, "host");
        assert!(
            syslog.ends_with(" WARNING  [2Jred 31m      end [raised]"),
            "{syslog}"
        );
        let console = render_console(&notification);
        let (first, second) = console.split_once('\n').unwrap();
        assert!(
            first.ends_with(" ALERT WARNING  [2Jred 31m      end"),
            "{first}"
        );
        assert_eq!(second, "    Do c it.");
    }

    #[test]
    fn it_arrives_at_a_real_socket_and_a_missing_one_is_an_error() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        let channel = Channel::Syslog { path: path.clone() };
        let message = notification(Severity::Error, "disk full");
        assert!(channel.send(&message, "host").is_err());
        let socket = UnixDatagram::bind(&path).unwrap();
        channel.send(&message, "host").unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        assert!(String::from_utf8_lossy(&buffer[..length]).contains("ERROR disk full [raised]"));
    }
}

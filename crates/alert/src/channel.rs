//! Where notifications go.

use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use lfs_wrapper_model::{TimeMsec, render_local, render_rfc3339};

use crate::engine::Kind;
use crate::store::Notification;

/// The facility `daemon` of RFC 5424, section 6.2.1.
const FACILITY: u8 = 3;

/// What every receiver should take whole (RFC 5424, section 6.1).
const SYSLOG_BYTES_MAX: usize = 2048;

/// The longest and the first pause before a message is tried again.
const RETRY_MSEC_MAX: i64 = 5 * 60 * 1000;
const RETRY_MSEC_FIRST: i64 = 1000;

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

/// When to try a message again that has failed `tries` times: later each time,
/// and not all at once.
pub fn plan_retry(tries: u32, outgoing: i64, now_msec: TimeMsec) -> TimeMsec {
    let doubled = RETRY_MSEC_FIRST.saturating_mul(1 << tries.min(20));
    let pause = doubled.min(RETRY_MSEC_MAX);
    let jitter = outgoing.wrapping_mul(7919).rem_euclid(pause / 4 + 1);
    now_msec + pause - jitter
}

fn render_console(notification: &Notification) -> String {
    let severity = notification.severity.as_str().to_uppercase();
    let mut line = format!(
        "{} ALERT {severity} {}",
        render_local(notification.time_msec),
        notification.message
    );
    if notification.kind != Kind::Resolved && !notification.runbook.is_empty() {
        line.push_str(&format!("\n    {}", notification.runbook));
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
        notification.message.replace('\n', " "),
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
            event: 1,
            rule: "memory".to_owned(),
            kind: Kind::Raised,
            severity,
            labels: [].into(),
            message: message.to_owned(),
            runbook: "Do something.".to_owned(),
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

    #[test]
    fn retries_come_later_and_later_up_to_a_limit() {
        let pauses: Vec<i64> = (0..30).map(|tries| plan_retry(tries, 0, 0)).collect();
        assert!(pauses.is_sorted());
        assert_eq!((pauses[0], pauses[29]), (RETRY_MSEC_FIRST, RETRY_MSEC_MAX));
        assert!((1..100).all(|outgoing| plan_retry(3, outgoing, 0) >= 6000));
    }
}

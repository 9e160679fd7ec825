//! How each severity looks in each kind of channel.

use lfs_wrapper_model::Severity;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::{console, document, email, journald, payload, syslog, text};
use crate::engine::Kind;
use crate::notification::{Message, Notification, Reason};
use crate::rule::Labels;

fn notification(severity: Severity, kind: Kind) -> Notification {
    Notification {
        alert: 1,
        event: 2,
        rule: "memory".to_owned(),
        kind,
        is_reminder: false,
        severity,
        labels: Labels::new(),
        value: None,
        threshold: None,
        message: "memory is\n\u{1b}[2Jfull".to_owned(),
        runbook: "Do\u{9b} it.".to_owned(),
        annotations: Labels::new(),
        since_msec: 1_700_000_000_250,
        time_msec: 1_700_000_000_250,
    }
}

fn message<'a>(all: &'a [Notification], group: &'a Labels, reason: Reason) -> Message<'a> {
    Message {
        host: "ho st",
        group,
        notifications: all,
        reason,
        time_msec: 1_700_000_000_250,
    }
}

/// Console, syslog, journal, subject, a mail's headers, Alertmanager's label,
/// and the document's severity.
const SHOWN: [[&str; 7]; 5] = [
    [
        "ALERT INFO ",
        "<30>",
        "6",
        "[INFO] ",
        "info, Importance ",
        "info",
        "info",
    ],
    [
        "ALERT WARNING ",
        "<28>",
        "4",
        "[WARNING] ",
        "warning, Importance ",
        "warning",
        "warning",
    ],
    [
        "ALERT ERROR ",
        "<27>",
        "3",
        "[ERROR] ",
        "error, Importance ",
        "error",
        "error",
    ],
    [
        "ALERT CRITICAL ",
        "<26>",
        "2",
        "[CRITICAL] ",
        "critical, Importance high",
        "critical",
        "critical",
    ],
    [
        "ALERT EMERGENCY ",
        "<24>",
        "0",
        "[EMERGENCY] ",
        "emergency, Importance high",
        "emergency",
        "emergency",
    ],
];

#[test]
fn each_severity_is_told_in_each_channels_own_way() {
    let group = Labels::new();
    for (severity, expected) in Severity::ALL.into_iter().zip(SHOWN) {
        let all = [notification(severity, Kind::Raised)];
        let message = message(&all, &group, Reason::Group);
        let [console, priority, journal, subject, headers, label, word] = expected;
        assert!(console::render(&message).contains(console));
        assert!(syslog::render(&message, &all[0], 2048).starts_with(priority));
        let entry = String::from_utf8(journald::render(&message, &all[0])).unwrap();
        assert!(
            entry.contains(&format!("\nPRIORITY={journal}\n")),
            "{entry}"
        );
        assert!(text::render_title(&message).starts_with(subject));
        let from: lettre::message::Mailbox = "a@b.example".parse().unwrap();
        let mail = email::render(&message, &from, std::slice::from_ref(&from)).unwrap();
        let mail = String::from_utf8(mail.content).unwrap();
        let header = |name: &str| {
            let mut lines = mail.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(one, _)| *one == name);
            found.map_or("", |(_, value)| value)
        };
        let shown = format!(
            "{}, Importance {}",
            header("X-Lfs-Severity"),
            header("Importance")
        );
        assert_eq!(shown, headers);
        assert_eq!(payload::derive_labels(&all[0], "h")["severity"], label);
        let document = document::render_document("c", &message);
        assert!(
            document.contains(&format!("\"severity\":\"{word}\"")),
            "{document}"
        );
    }
}

#[test]
fn what_a_build_printed_does_nothing_to_a_terminal_or_a_log() {
    let group = Labels::new();
    let all = [notification(Severity::Error, Kind::Raised)];
    let message = message(&all, &group, Reason::Test);
    let console = console::render(&message);
    let (_, alert) = console.split_once('\n').unwrap();
    let (first, second) = alert.split_once('\n').unwrap();
    assert!(first.ends_with(" TEST ERROR memory is  [2Jfull"), "{first}");
    assert_eq!(second, "    Do  it.\n");
    let pid = std::process::id();
    assert_eq!(
        syslog::render(&message, &all[0], 2048),
        format!(
            "<27>1 2023-11-14T22:13:20.250Z host lfs-wrapper {pid} alert [lfs-wrapper@32473 \
             rule=\"memory\" kind=\"raised\" severity=\"error\" alert=\"1\" event=\"2\" \
             reminder=\"false\"] TEST ERROR memory is  [2Jfull [raised]"
        )
    );
    let document = document::render_document("c", &message);
    assert!(document.contains(r#""message":"memory is\n [2Jfull","runbook":"Do  it.""#));
}

#[test]
fn syslog_is_cut_between_characters_and_never_in_its_structured_data() {
    let group = Labels::new();
    let mut one = notification(Severity::Error, Kind::Raised);
    one.message = "ä".repeat(4000);
    for number in 0..50 {
        one.labels
            .insert(format!("label{number:02}"), "\"]ü".repeat(40));
    }
    one.labels
        .insert("rule".to_owned(), "of a series".to_owned());
    let all = [one];
    let message = message(&all, &group, Reason::Group);
    for bytes_max in [2048, 2049, 8192] {
        let text = syslog::render(&message, &all[0], bytes_max);
        assert!(
            (bytes_max - 1..=bytes_max).contains(&text.len()),
            "{}",
            text.len()
        );
        let (data, rest) = text.split_once("\"] ERROR ").unwrap();
        assert!(data.contains("label00=") && !data.contains("label49="));
        assert!(rest.starts_with('ä'));
    }
}

#[test]
fn a_title_and_a_reason_say_what_comes_together_and_why() {
    let group = Labels::new();
    let mut all = vec![notification(Severity::Error, Kind::Raised)];
    let outage = |dropped| Reason::Outage {
        since_msec: 0,
        dropped,
    };
    let title = |all: &[Notification], reason| text::render_title(&message(all, &group, reason));
    let reason = |all: &[Notification], reason| text::render_reason(&message(all, &group, reason));
    assert_eq!(
        title(&all, Reason::Test),
        "[TEST] [ERROR] ho st: memory is  [2Jfull"
    );
    all[0].is_reminder = true;
    all[0].message = "85% used".to_owned();
    assert_eq!(
        title(&all, Reason::Group),
        "[ERROR] ho st: still: memory: 85% used"
    );
    all.push(notification(Severity::Error, Kind::Resolved));
    // Of one alert the newest word counts.
    assert_eq!(
        title(&all, Reason::Group),
        "[RESOLVED] ho st: memory is  [2Jfull"
    );
    all[0].alert = 7;
    assert_eq!(
        title(&all, Reason::Group),
        "[ERROR] ho st: 2 alerts, still: memory: 85% used"
    );
    assert_eq!(reason(&all, Reason::Group), "");
    assert_eq!(
        reason(&all, Reason::Quiet),
        "2 changes waited for the end of quiet hours."
    );
    let text = reason(&all, outage(3));
    assert!(text.starts_with("2 changes waited since 19"), "{text}");
    assert!(
        text.ends_with("took nothing. 3 older ones were dropped."),
        "{text}"
    );
    assert!(reason(&all, outage(0)).ends_with("took nothing."));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Names and texts come from plans, files and programs: they may hold
    /// anything.
    #[test]
    fn no_text_breaks_out_of_its_place(
        host in any::<String>(),
        rule in any::<String>(),
        text in ".{0,40}[\\x00-\\x1f\\x7f-\\u{9f}\"\\\\\\]=<>&.\r\n]{0,8}.{0,40}",
        label in any::<(String, String)>(),
    ) {
        let group: Labels = [label.clone()].into();
        let mut one = notification(Severity::Critical, Kind::Raised);
        one.rule = rule;
        one.message = text.clone();
        one.runbook = text.clone();
        one.labels = group.clone();
        one.annotations = [label, ("note".to_owned(), text)].into();
        let all = [one];
        let message = Message { host: &host, ..message(&all, &group, Reason::Quiet) };
        let is_hidden = |text: &str| text.contains(|one: char| one.is_control() && one != '\n');
        assert!(!is_hidden(&console::render(&message)));
        assert_eq!(console::render(&message).lines().count(), 3);
        let syslog = syslog::render(&message, &all[0], 2048);
        assert!(!syslog.contains(char::is_control) && syslog.len() <= 2048);
        assert_eq!(syslog.split(' ').nth(3), Some("lfs-wrapper"));
        assert!(!text::render_title(&message).contains(char::is_control));
        for text in [
            document::render_document("c", &message),
            serde_json::to_string(&payload::derive_payload("c", "", &message)).unwrap(),
        ] {
            assert!(!text.contains(char::is_control), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
        let from: lettre::message::Mailbox = "a@b.example".parse().unwrap();
        let mail = email::render(&message, &from, std::slice::from_ref(&from)).unwrap();
        let content = String::from_utf8(mail.content).unwrap();
        assert!(content.is_ascii());
        let (head, _) = content.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap_or_default())
            .collect();
        let known = [
            "Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "X-Lfs-Host",
            "X-Lfs-Severity", "X-Lfs-Kind", "X-Lfs-Rule", "Importance", "MIME-Version",
            "Content-Type",
        ];
        assert!(names.iter().all(|name| known.contains(name)), "{head}");
    }
}

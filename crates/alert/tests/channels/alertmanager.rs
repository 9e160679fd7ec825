//! Against Prometheus' Alertmanager.

use std::process::{Command, Stdio};
use std::time::Duration;

use lfs_wrapper_alert::channel::{Alertmanager, Channel, Kind};
use lfs_wrapper_alert::engine;
use lfs_wrapper_alert::notification::Notification;
use lfs_wrapper_model::{Severity, now_msec};
use serde_json::Value;

use crate::support::{
    Process, free_port, notification, open, raised, send, send_at, serve_http, wait_for,
};

fn start_alertmanager() -> (Process, String) {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let configuration = folder.path().join("alertmanager.yml");
    let text = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n";
    std::fs::write(&configuration, text).unwrap();
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.path={}", folder.path().display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stderr(Stdio::null());
    let process = Process::start(&mut command, folder);
    let url = format!("http://127.0.0.1:{port}");
    wait_for("Alertmanager", || {
        let answer = ureq::get(&format!("{url}/-/ready")).call();
        answer.ok().map(drop)
    });
    (process, url)
}

/// Alerts that fire, as `severity summary fingerprint`.
fn read_alerts(url: &str) -> Vec<[String; 3]> {
    let mut answer = ureq::get(&format!("{url}/api/v2/alerts")).call().unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let alerts: Vec<Value> = serde_json::from_str(&text).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let mut alerts: Vec<[String; 3]> = alerts
        .iter()
        .map(|alert| {
            assert_eq!(alert["labels"]["alertname"], "memory");
            assert_eq!(alert["labels"]["instance"], "builder");
            [
                word(&alert["labels"]["severity"]),
                word(&alert["annotations"]["summary"]),
                word(&alert["fingerprint"]),
            ]
        })
        .collect();
    alerts.sort();
    alerts
}

/// Until the alerts are these.
fn expect(url: &str, expected: &[(&str, &str)]) {
    wait_for(&format!("{expected:?}"), || {
        let alerts = read_alerts(url);
        let alerts = alerts
            .iter()
            .map(|[severity, summary, _]| (severity.as_str(), summary.as_str()));
        (alerts.collect::<Vec<_>>() == expected).then_some(())
    });
}

fn now(kind: engine::Kind, severity: Severity, text: &str) -> Notification {
    let now = now_msec();
    Notification {
        since_msec: now - 60_000,
        time_msec: now,
        ..notification(1, kind, severity, text)
    }
}

#[test]
#[ignore = "needs prometheus-alertmanager"]
fn an_alert_is_seen_there_and_updated_and_resolved() {
    let (_process, url) = start_alertmanager();
    let mut settings = Alertmanager::at(&format!("{url}/"));
    settings.external_url = "http://127.0.0.1:9723/".to_owned();
    let channel = open(Kind::Alertmanager(settings));
    let life = [
        (
            engine::Kind::Raised,
            Severity::Warning,
            "one",
            vec![("warning", "one")],
        ),
        (
            engine::Kind::Repeated,
            Severity::Warning,
            "two",
            vec![("warning", "two")],
        ),
        // To Alertmanager it is another alert, and the former one is over.
        (
            engine::Kind::Escalated,
            Severity::Critical,
            "three",
            vec![("critical", "three")],
        ),
        (
            engine::Kind::Nodata,
            Severity::Critical,
            "four",
            vec![("critical", "four")],
        ),
        (
            engine::Kind::Deescalated,
            Severity::Error,
            "five",
            vec![("error", "five")],
        ),
        (engine::Kind::Resolved, Severity::Error, "six", vec![]),
    ];
    for (kind, severity, text, expected) in life {
        send(&channel, &[now(kind, severity, text)]).unwrap();
        expect(&url, &expected);
    }
    let severities: Vec<Notification> = (0..)
        .zip(Severity::ALL)
        .map(|(alert, severity)| Notification {
            alert,
            ..now(engine::Kind::Raised, severity, "all")
        })
        .collect();
    send(&channel, &severities).unwrap();
    expect(
        &url,
        &["critical", "emergency", "error", "info", "warning"].map(|severity| (severity, "all")),
    );
}

#[test]
#[ignore = "needs prometheus-alertmanager"]
fn what_is_not_repeated_ends_there_after_its_time() {
    let (_process, url) = start_alertmanager();
    let mut settings = Alertmanager::at(&url);
    settings.keep = Duration::from_secs(2);
    let channel = open(Kind::Alertmanager(settings));
    let one = now(engine::Kind::Raised, Severity::Error, "x");
    send_at(&channel, std::slice::from_ref(&one), one.time_msec).unwrap();
    expect(&url, &[("error", "x")]);
    let reminder = Notification {
        is_reminder: true,
        ..one
    };
    send_at(&channel, &[reminder], now_msec() + 1000).unwrap();
    expect(&url, &[("error", "x")]);
    expect(&url, &[]);
}

#[test]
#[ignore = "needs prometheus-alertmanager"]
fn fingerprints_are_alertmanagers_own() {
    use lfs_wrapper_alert::channel::Webhook;
    let (_process, url) = start_alertmanager();
    let one = now(engine::Kind::Raised, Severity::Error, "x");
    let channel = open(Kind::Alertmanager(Alertmanager::at(&url)));
    send(&channel, std::slice::from_ref(&one)).unwrap();
    expect(&url, &[("error", "x")]);
    let (port, requests) = serve_http("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let webhook = Webhook::at(&format!("http://127.0.0.1:{port}/"));
    send(&open(Kind::Webhook(webhook)), &[one]).unwrap();
    let payload: Value = serde_json::from_str(&requests.recv().unwrap().body).unwrap();
    assert_eq!(payload["alerts"][0]["fingerprint"], read_alerts(&url)[0][2]);
}

#[test]
fn what_it_posts_and_where() {
    let (port, requests) = serve_http("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let channel = open(Kind::Alertmanager(Alertmanager::at(&format!(
        "http://127.0.0.1:{port}/am/"
    ))));
    send(&channel, &[raised("x")]).unwrap();
    let request = requests.recv().unwrap();
    assert!(
        request.head.starts_with("POST /am/api/v2/alerts "),
        "{}",
        request.head
    );
    let posted: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(posted[0]["startsAt"], "2023-11-14T22:13:20.250Z");
    assert_eq!(posted[0]["endsAt"], "2023-11-14T22:19:20.250Z");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let no_keep = Alertmanager {
        keep: Duration::ZERO,
        ..Alertmanager::at("http://h:9093")
    };
    let table = [
        (
            Alertmanager::at("h:9093"),
            "the url is none of http or https",
        ),
        (no_keep, "alerts would be over at once"),
    ];
    for (settings, expected) in table {
        let error = Channel::new("am", Kind::Alertmanager(settings)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

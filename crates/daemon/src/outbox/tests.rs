use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc;

use jiff::tz::TimeZone;
use lfs_wrapper_alert::channel::{Console, Kind as ChannelKind, Syslog, SyslogTransport, TIMEOUT};
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::route::Routing;
use lfs_wrapper_model::Severity;
use lfs_wrapper_state::StateDir;
use lfs_wrapper_state::audit::{self, Filter};
use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir) -> Database {
    let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
    Database::open(&dir).unwrap()
}

fn write(database: &Database, kind: Kind, channels: &[&str], now_msec: TimeMsec) {
    let change = store::Change {
        rule: "disk",
        labels: &[].into(),
        kind,
        severity: Severity::Warning,
        value: None,
        threshold: None,
        message: "disk",
        runbook: "",
        annotations: &[].into(),
        time_msec: now_msec,
    };
    let routing = Routing::new(channels.iter().map(ToString::to_string).collect());
    let transaction = database.begin().unwrap();
    store::write_change(&transaction, &change).unwrap();
    store::tell(&transaction, &routing, now_msec, &TimeZone::UTC).unwrap();
    transaction.commit().unwrap();
}

fn syslog(path: &Path) -> Channel {
    let settings = Syslog {
        transport: SyslogTransport::Unix(path.to_owned()),
        timeout: TIMEOUT,
    };
    Channel::new("syslog", ChannelKind::Syslog(settings)).unwrap()
}

#[test]
fn a_channel_that_failed_hears_everything_in_order_and_ends_on_what_is_true() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let path = folder.path().join("log");
    let channels = [syslog(&path)];
    write(&database, Kind::Raised, &["syslog"], 1_000);
    deliver_due(&database, &channels, "host", 1_000).unwrap();
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    write(&database, Kind::Resolved, &["syslog"], 1_001);
    // The first is not due yet, so that the second must wait.
    deliver_due(&database, &channels, "host", 1_001).unwrap();
    deliver_due(&database, &channels, "host", 40_000).unwrap();
    let mut buffer = [0; 4096];
    let heard: Vec<String> = std::iter::from_fn(|| {
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    })
    .collect();
    let kinds: Vec<bool> = heard.iter().map(|text| text.contains("resolved")).collect();
    assert_eq!(kinds, [false, true], "{heard:?}");
    assert_eq!(store::count_waiting(&database).unwrap(), 0);
}

#[test]
fn what_waits_for_a_channel_that_is_gone_is_dropped_once_and_that_is_on_record() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    write(&database, Kind::Raised, &["syslog", "console"], 1_000);
    write(&database, Kind::Resolved, &["syslog", "console"], 2_000);
    let host = lfs_wrapper_api::Host {
        hostname: "host".to_owned(),
        kernel: String::new(),
        cores: 1,
    };
    let live = Live::new(host, POLL);
    for _ in 0..2 {
        let (_, wake) = mpsc::channel();
        let console = Channel::new("console", ChannelKind::Console(Console::default())).unwrap();
        deliver(&database, &SharedChannels::new(vec![console]), &live, &wake);
    }
    assert_eq!(store::count_waiting(&database).unwrap(), 0);
    assert_eq!(store::count_dropped(&database).unwrap(), 2);
    let records = audit::list(database.connection(), &Filter::default()).unwrap();
    let dropped: Vec<_> = records
        .iter()
        .filter(|record| record.what.contains("dropped"))
        .map(|record| (record.unit.as_str(), record.level.as_str()))
        .collect();
    assert_eq!(dropped, [("alert", "warning")]);
}

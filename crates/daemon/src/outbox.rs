//! The thread that empties the outbox. A message goes when its channel took
//! it, and is tried again, later and later, when it did not; those behind it
//! wait for it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use lfs_wrapper_alert::channel::Channel;
use lfs_wrapper_alert::store::{self, Outgoing};
use lfs_wrapper_model::{TimeMsec, now_msec};
use lfs_wrapper_state::Database;
use tracing::warn;

use crate::live::Live;

/// How often it is looked for messages whose time to be tried again has come.
const POLL: Duration = Duration::from_millis(500);

/// Messages of each channel that are delivered between two looks at `wake`.
const BATCH_MAX: u32 = 64;

/// Delivers until `wake` has no sender any more; each value on it says that
/// there is something new.
pub(crate) fn deliver(
    database: &Database,
    channels: &[Channel],
    live: &Arc<Live>,
    wake: &Receiver<()>,
) {
    let configured: Vec<&str> = channels.iter().map(Channel::name).collect();
    if let Err(error) = store::drop_unconfigured(database, &configured) {
        warn!("dropping alerts for channels that are gone: {error}");
    }
    loop {
        if let Err(error) = deliver_due(database, channels, live.hostname(), now_msec()) {
            warn!("delivering alerts: {error}");
        }
        if matches!(wake.recv_timeout(POLL), Err(RecvTimeoutError::Disconnected)) {
            // What came in before the end still goes out.
            let _ = deliver_due(database, channels, live.hostname(), now_msec());
            return;
        }
    }
}

/// Each round takes the oldest message of each channel: sent, it makes way for
/// the next one; failed, it holds its channel up until it is tried again.
fn deliver_due(
    database: &Database,
    channels: &[Channel],
    host: &str,
    now_msec: TimeMsec,
) -> rusqlite::Result<()> {
    for _ in 0..BATCH_MAX {
        let due = store::list_due(database, now_msec)?;
        if due.is_empty() {
            break;
        }
        for outgoing in due {
            match send(&outgoing, channels, host) {
                Ok(()) => store::set_sent(database, &outgoing)?,
                Err(error) => {
                    warn!(
                        "sending alert {} to {}: {error}",
                        outgoing.notification.event, outgoing.channel
                    );
                    store::set_failed(database, &outgoing, &error.to_string(), now_msec)?;
                }
            }
        }
    }
    Ok(())
}

fn send(outgoing: &Outgoing, channels: &[Channel], host: &str) -> io::Result<()> {
    let channel = channels
        .iter()
        .find(|channel| channel.name() == outgoing.channel);
    match channel {
        Some(channel) => channel.send(&outgoing.notification, host),
        None => Err(io::Error::other("this channel is not configured any more")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;

    use lfs_wrapper_alert::engine::Kind;
    use lfs_wrapper_model::Severity;
    use lfs_wrapper_state::StateDir;
    use lfs_wrapper_state::audit::{self, Filter};
    use tempfile::TempDir;

    use super::*;

    fn open(folder: &TempDir) -> Database {
        let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
        Database::open(&dir).unwrap()
    }

    fn write(database: &Database, kind: Kind, channels: &[&str]) {
        let change = store::Change {
            rule: "disk",
            labels: &[].into(),
            kind,
            severity: Severity::Warning,
            value: None,
            threshold: None,
            message: "disk",
            runbook: "",
            time_msec: 1_000,
        };
        let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
        let transaction = database.begin().unwrap();
        store::write_change(&transaction, &change, &channels).unwrap();
        transaction.commit().unwrap();
    }

    #[test]
    fn a_channel_that_failed_hears_everything_in_order_and_ends_on_what_is_true() {
        let folder = TempDir::new().unwrap();
        let database = open(&folder);
        let path = folder.path().join("log");
        let channels = [Channel::Syslog { path: path.clone() }];
        write(&database, Kind::Raised, &["syslog"]);
        deliver_due(&database, &channels, "host", 1_000).unwrap();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        write(&database, Kind::Resolved, &["syslog"]);
        // The first is not due yet, so that the second must wait.
        deliver_due(&database, &channels, "host", 1_001).unwrap();
        deliver_due(&database, &channels, "host", 10_000).unwrap();
        let mut buffer = [0; 4096];
        let heard: Vec<String> = std::iter::from_fn(|| {
            socket
                .recv(&mut buffer)
                .ok()
                .map(|length| buffer[..length].to_vec())
        })
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .map(|text| text.rsplit_once(' ').unwrap().1.to_owned())
        .collect();
        assert_eq!(heard, ["[raised]", "[resolved]"]);
        assert_eq!(store::count_waiting(&database).unwrap(), 0);
    }

    #[test]
    fn what_waits_for_a_channel_that_is_gone_is_dropped_once_and_that_is_on_record() {
        let folder = TempDir::new().unwrap();
        let database = open(&folder);
        write(&database, Kind::Raised, &["syslog", "console"]);
        write(&database, Kind::Resolved, &["syslog"]);
        let host = lfs_wrapper_api::Host {
            hostname: "host".to_owned(),
            kernel: String::new(),
            cores: 1,
        };
        let live = Arc::new(Live::new(host, POLL));
        for _ in 0..2 {
            let (_, wake) = mpsc::channel();
            deliver(&database, &[Channel::Console], &live, &wake);
        }
        assert_eq!(store::count_waiting(&database).unwrap(), 0);
        assert_eq!(store::count_dropped(&database).unwrap(), 2);
        let records = audit::list(database.connection(), &Filter::default()).unwrap();
        let dropped: Vec<_> = records
            .iter()
            .filter(|record| record.what.contains("dropped"))
            .map(|record| {
                (
                    record.unit.as_str(),
                    record.level.as_str(),
                    record.what.as_str(),
                )
            })
            .collect();
        let what = "2 messages for channel 'syslog' dropped: it is not configured any more";
        assert_eq!(dropped, [("alert", "warning", what)]);
    }
}

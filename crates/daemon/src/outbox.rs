//! The thread that empties the outbox. A message goes when its channel took
//! it, and is tried again, later and later, when it did not.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, plan_retry};
use lfs_wrapper_alert::store;
use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::Database;
use tracing::warn;

use crate::live::Live;

/// How often it is looked for messages whose time to be tried again has come.
const POLL: Duration = Duration::from_millis(500);

/// Messages taken from the outbox at once.
const BATCH_MAX: u32 = 64;

/// Delivers until `wake` has no sender any more; each value on it says that
/// there is something new.
pub(crate) fn deliver(
    database: &Database,
    channels: &[Channel],
    live: &Arc<Live>,
    wake: &Receiver<()>,
) {
    loop {
        if let Err(error) = deliver_due(database, channels, live.hostname()) {
            warn!("delivering alerts: {error}");
        }
        if matches!(wake.recv_timeout(POLL), Err(RecvTimeoutError::Disconnected)) {
            // What came in before the end still goes out.
            let _ = deliver_due(database, channels, live.hostname());
            return;
        }
    }
}

fn deliver_due(database: &Database, channels: &[Channel], host: &str) -> rusqlite::Result<()> {
    for outgoing in store::list_due(database, now_msec(), BATCH_MAX)? {
        let channel = channels
            .iter()
            .find(|channel| channel.name() == outgoing.channel);
        let result = match channel {
            Some(channel) => channel.send(&outgoing.notification, host),
            None => Err(std::io::Error::other(
                "this channel is not configured any more",
            )),
        };
        match result {
            Ok(()) => store::set_sent(database, outgoing.id)?,
            Err(error) => {
                warn!(
                    "sending alert {} to {}: {error}",
                    outgoing.notification.event, outgoing.channel
                );
                let next = plan_retry(outgoing.tries, outgoing.id, now_msec());
                store::set_failed(database, outgoing.id, &error.to_string(), next)?;
            }
        }
    }
    Ok(())
}

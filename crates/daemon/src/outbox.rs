//! The thread that empties the outbox. A message goes when its channel took
//! it, and is tried again, later and later, when it did not; those behind it
//! wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, SendError};
use lfs_wrapper_alert::store::{self, Batch};
use lfs_wrapper_model::{TimeMsec, now_msec};
use lfs_wrapper_state::Database;
use tracing::warn;

use crate::live::Live;
use crate::reload::SharedChannels;

/// How often it is looked for messages whose time to be tried again has come.
const POLL: Duration = Duration::from_millis(500);

/// Messages of each channel that are delivered between two looks at `wake`.
const BATCH_MAX: u32 = 64;

/// Delivers until `wake` has no sender any more; each value on it says that
/// there is something new.
pub(crate) fn deliver(
    database: &Database,
    shared: &SharedChannels,
    live: &Live,
    wake: &Receiver<()>,
) {
    let mut known: Option<Arc<Vec<Channel>>> = None;
    loop {
        let channels = shared.get();
        if known
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, &channels))
        {
            drop_unconfigured(database, &channels);
            known = Some(Arc::clone(&channels));
        }
        if let Err(error) = deliver_due(database, &channels, live.hostname(), now_msec()) {
            warn!("delivering alerts: {error}");
        }
        if matches!(wake.recv_timeout(POLL), Err(RecvTimeoutError::Disconnected)) {
            // What came in before the end still goes out.
            let _ = deliver_due(database, &channels, live.hostname(), now_msec());
            return;
        }
    }
}

fn drop_unconfigured(database: &Database, channels: &[Channel]) {
    let configured: Vec<&str> = channels.iter().map(Channel::name).collect();
    if let Err(error) = store::drop_unconfigured(database, &configured) {
        warn!("dropping alerts for channels that are gone: {error}");
    }
}

/// Each round sends at most one message to each channel. A channel that hangs
/// holds up the others no longer than its own time limit.
fn deliver_due(
    database: &Database,
    channels: &[Channel],
    host: &str,
    now_msec: TimeMsec,
) -> rusqlite::Result<()> {
    let find = |name: &str| channels.iter().find(|channel| channel.name() == name);
    let takes_digests = |name: &str| find(name).is_some_and(Channel::takes_digests);
    for _ in 0..BATCH_MAX {
        let batches = store::next_batches(database, now_msec, takes_digests)?;
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            let sent = match find(&batch.channel) {
                Some(channel) => channel.send(&batch.message(host, now_msec)),
                None => Err(SendError {
                    is_final: false,
                    retry_after: None,
                    message: "this channel is not configured any more".to_owned(),
                }),
            };
            settle(database, &batch, sent, now_msec)?;
        }
    }
    Ok(())
}

fn settle(
    database: &Database,
    batch: &Batch,
    sent: Result<(), SendError>,
    now_msec: TimeMsec,
) -> rusqlite::Result<()> {
    let Err(error) = sent else {
        return store::set_sent(database, batch, now_msec);
    };
    warn!("telling channel '{}': {error}", batch.channel);
    if error.is_final {
        return store::set_refused(database, batch, &error.message, now_msec);
    }
    let retry_after = error.retry_after.map(|time| time.as_millis());
    let retry_after = retry_after.map(|msec| i64::try_from(msec).unwrap_or(i64::MAX));
    store::set_failed(database, batch, &error.message, retry_after, now_msec)
}

#[cfg(test)]
mod tests;

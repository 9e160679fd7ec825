//! The threads that empty the outbox, one for each channel: a channel that is
//! slow keeps no other waiting. A message goes when its channel took it, and is
//! tried again, later and later, when it did not; those behind it wait for it.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lfs_wrapper_alert::channel::{Channel, SendError};
use lfs_wrapper_alert::store::{self, Batch};
use lfs_wrapper_model::now_msec;
use lfs_wrapper_state::{Database, StateDir, is_full};
use tracing::warn;

use crate::live::Live;
use crate::reload::SharedChannels;

/// How often it is looked for messages whose time has come.
const POLL: Duration = Duration::from_millis(500);

/// Messages that are delivered between two looks at whether to go on.
const BATCH_MAX: u32 = 64;

/// Delivers until `wake` has no sender any more; each value on it says that
/// there is something new. Then what is due still goes out.
pub(crate) fn deliver(
    state_dir: &StateDir,
    database: &Database,
    shared: &SharedChannels,
    live: &Arc<Live>,
    wake: &Receiver<()>,
) {
    let mut known: Option<Arc<Vec<Channel>>> = None;
    let mut workers = Vec::new();
    loop {
        let channels = shared.get();
        if known
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, &channels))
        {
            end(&mut workers);
            drop_unconfigured(database, &channels);
            workers = start(state_dir, &channels, live);
            known = Some(channels);
        }
        match wake.recv_timeout(POLL) {
            Ok(()) => workers.iter().for_each(Worker::wake),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return end(&mut workers),
        }
    }
}

fn drop_unconfigured(database: &Database, channels: &[Channel]) {
    let configured: Vec<&str> = channels.iter().map(Channel::name).collect();
    if let Err(error) = store::drop_unconfigured(database, &configured) {
        warn!("dropping alerts for channels that are gone: {error}");
    }
}

/// The thread of one channel.
struct Worker {
    wake: Option<SyncSender<()>>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn wake(&self) {
        // One that was woken already looks at everything anyway.
        let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
    }
}

fn start(state_dir: &StateDir, channels: &Arc<Vec<Channel>>, live: &Arc<Live>) -> Vec<Worker> {
    let mut workers = Vec::new();
    for (index, channel) in channels.iter().enumerate() {
        let database = match Database::open_again(state_dir) {
            Ok(database) => database,
            Err(error) => {
                warn!("delivering to channel '{}': {error}", channel.name());
                continue;
            }
        };
        let (wake, woken) = mpsc::sync_channel(1);
        let (channels, live) = (Arc::clone(channels), Arc::clone(live));
        let work = move || {
            if let Some(channel) = channels.get(index) {
                Delivery::new(&database, channel, live.hostname()).run(&woken);
            }
        };
        match thread::Builder::new()
            .name("channel".to_owned())
            .spawn(work)
        {
            Ok(thread) => workers.push(Worker {
                wake: Some(wake),
                thread,
            }),
            Err(error) => warn!("delivering to a channel: starting a thread: {error}"),
        }
    }
    workers
}

/// Each ends after what is due now, or after its channel's time limit.
fn end(workers: &mut Vec<Worker>) {
    for worker in workers.iter_mut() {
        worker.wake = None;
    }
    for worker in workers.drain(..) {
        if worker.thread.join().is_err() {
            warn!("a thread that delivers alerts ended in a panic");
        }
    }
}

/// What goes to one channel.
struct Delivery<'a> {
    database: &'a Database,
    channel: &'a Channel,
    host: &'a str,
    /// What came of a message, while the state database does not take it: it is
    /// not sent again meanwhile.
    unrecorded: Option<(Batch, Result<(), SendError>)>,
}

impl<'a> Delivery<'a> {
    fn new(database: &'a Database, channel: &'a Channel, host: &'a str) -> Self {
        Self {
            database,
            channel,
            host,
            unrecorded: None,
        }
    }

    fn run(&mut self, woken: &Receiver<()>) {
        loop {
            let is_done = self.deliver_due().unwrap_or_else(|error| {
                warn!(
                    "delivering alerts to channel '{}': {error}",
                    self.channel.name()
                );
                true
            });
            let pause = if is_done { POLL } else { Duration::ZERO };
            if matches!(
                woken.recv_timeout(pause),
                Err(RecvTimeoutError::Disconnected)
            ) {
                // What came in before the end still goes out.
                let _ = self.deliver_due();
                return;
            }
        }
    }

    /// Sends what is due; whether that was all.
    fn deliver_due(&mut self) -> rusqlite::Result<bool> {
        self.record()?;
        for _ in 0..BATCH_MAX {
            let takes_digests = self.channel.takes_digests();
            let batch = store::next_batch(
                self.database,
                self.channel.name(),
                now_msec(),
                takes_digests,
            )?;
            let Some(batch) = batch else {
                return Ok(true);
            };
            let sent = self.channel.send(&batch.message(self.host, now_msec()));
            if let Err(error) = &sent {
                warn!("telling channel '{}': {error}", batch.channel);
            }
            self.unrecorded = Some((batch, sent));
            self.record()?;
        }
        Ok(false)
    }

    /// Writes down what came of a message; on a full disk, with the room that is
    /// held back for that.
    fn record(&mut self) -> rusqlite::Result<()> {
        let Some((batch, sent)) = &self.unrecorded else {
            return Ok(());
        };
        let mut result = settle(self.database, batch, sent);
        if result.as_ref().is_err_and(is_full) && self.database.release_reserve() {
            result = settle(self.database, batch, sent);
        }
        result?;
        self.unrecorded = None;
        Ok(())
    }
}

fn settle(
    database: &Database,
    batch: &Batch,
    sent: &Result<(), SendError>,
) -> rusqlite::Result<()> {
    let now_msec = now_msec();
    let Err(error) = sent else {
        return store::set_sent(database, batch, now_msec);
    };
    if error.is_final {
        return store::set_refused(database, batch, &error.message, now_msec);
    }
    let retry_after = error.retry_after.map(|time| time.as_millis());
    let retry_after = retry_after.map(|msec| i64::try_from(msec).unwrap_or(i64::MAX));
    store::set_failed(database, batch, &error.message, retry_after, now_msec)
}

#[cfg(test)]
mod tests;

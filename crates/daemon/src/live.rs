//! What others may look at: the newest of everything, and a stream of what
//! changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use lfs_wrapper_api as api;
use lfs_wrapper_history::remote::Statistics;
use lfs_wrapper_kernel::{Frame, Sample};
use lfs_wrapper_model::metric::Point;
use serde::Serialize;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::alerts::PendingAlert;
use crate::self_metrics::SelfMetrics;

/// Ten minutes at one frame a second.
const FRAMES_MAX: usize = 600;

/// Runs and alerts in a snapshot.
pub(crate) const RUNS_MAX: u32 = 10;
pub(crate) const ALERTS_MAX: u32 = 50;

/// Changes that a slow listener may be behind before it loses some.
const BACKLOG_MAX: usize = 64;

/// Without a sample for so long, and so many intervals, something has stopped.
const STALLED_AFTER: Duration = Duration::from_secs(10);
const STALLED_INTERVALS: u32 = 3;

/// One server-sent event: its name and its data, rendered once for all.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) data: Arc<str>,
}

#[derive(Debug)]
struct Newest {
    sample: Option<Sample>,
    processes: Arc<[Point]>,
    metrics: Option<api::CurrentMetrics>,
    frames: VecDeque<api::Frame>,
    runs: Vec<api::Run>,
    alerts: Vec<api::Alert>,
    own: SelfMetrics,
    channels: Vec<Point>,
    pending: Vec<PendingAlert>,
    /// When the newest sample came, or the monitor began.
    seen: Instant,
    trouble: Option<&'static str>,
}

type Remotes = Vec<(String, Arc<Statistics>)>;

/// Shared between the loop, which writes, and the server, which reads.
#[derive(Debug)]
pub(crate) struct Live {
    host: api::Host,
    interval: Duration,
    newest: Mutex<Newest>,
    /// What is sent on, and how far.
    remotes: OnceLock<Remotes>,
    changes: Sender<Change>,
}

impl Live {
    pub(crate) fn new(host: api::Host, interval: Duration) -> Self {
        Self {
            host,
            interval,
            remotes: OnceLock::new(),
            newest: Mutex::new(Newest {
                sample: None,
                processes: Arc::default(),
                metrics: None,
                frames: VecDeque::new(),
                runs: Vec::new(),
                alerts: Vec::new(),
                own: SelfMetrics::default(),
                channels: Vec::new(),
                pending: Vec::new(),
                seen: Instant::now(),
                trouble: None,
            }),
            changes: broadcast::channel(BACKLOG_MAX).0,
        }
    }

    /// No reader leaves anything half done, so a poisoned lock is still good.
    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called with the lock held, so that a snapshot and the changes after it
    /// miss nothing.
    fn tell(&self, name: &'static str, data: &impl Serialize) {
        // Nobody may be listening; then nothing is rendered.
        if self.changes.receiver_count() == 0 {
            return;
        }
        let data = serde_json::to_string(data).unwrap_or_default().into();
        let _ = self.changes.send(Change { name, data });
    }

    /// Frames of before the monitor's start.
    pub(crate) fn set_past(&self, frames: impl Iterator<Item = api::Frame>) {
        let mut newest = self.newest();
        newest.frames = frames.collect();
        while newest.frames.len() > FRAMES_MAX {
            newest.frames.pop_front();
        }
    }

    /// `processes` are the series of processes at this sample.
    pub(crate) fn publish_frame(
        &self,
        sample: Sample,
        processes: Arc<[Point]>,
        frame: &Frame,
        own: SelfMetrics,
    ) {
        let shown = crate::convert::frame(frame);
        let mut newest = self.newest();
        self.tell("frame", &shown);
        newest.sample = Some(sample);
        newest.processes = processes;
        newest.metrics = Some(crate::convert::current_metrics(frame));
        newest.own = own;
        newest.seen = Instant::now();
        newest.frames.push_back(shown);
        if newest.frames.len() > FRAMES_MAX {
            newest.frames.pop_front();
        }
    }

    /// Tells of those that differ from before.
    pub(crate) fn publish_runs(&self, runs: Vec<api::Run>) {
        let mut newest = self.newest();
        let changed = runs.iter().rev().filter(|run| !newest.runs.contains(run));
        changed.for_each(|run| self.tell("run", run));
        newest.runs = runs;
    }

    pub(crate) fn publish_alert(&self, alert: api::Alert) {
        let mut newest = self.newest();
        self.tell("alert", &alert);
        newest.alerts.retain(|other| other.id != alert.id);
        newest.alerts.insert(0, alert);
        newest.alerts.truncate(ALERTS_MAX as usize);
    }

    pub(crate) fn set_alerts(&self, alerts: Vec<api::Alert>) {
        self.newest().alerts = alerts;
    }

    /// The snapshot, and every change after it.
    pub(crate) fn listen(&self) -> (Change, Receiver<Change>) {
        let newest = self.newest();
        let receiver = self.changes.subscribe();
        let snapshot = api::Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            host: self.host.clone(),
            frames: newest.frames.iter().cloned().collect(),
            runs: newest.runs.clone(),
            alerts: newest.alerts.clone(),
        };
        drop(newest);
        let data = serde_json::to_string(&snapshot).unwrap_or_default().into();
        let name = "snapshot";
        (Change { name, data }, receiver)
    }

    pub(crate) fn runs(&self) -> Vec<api::Run> {
        self.newest().runs.clone()
    }

    pub(crate) fn alerts(&self) -> Vec<api::Alert> {
        self.newest().alerts.clone()
    }

    pub(crate) fn metrics(&self) -> Option<api::CurrentMetrics> {
        self.newest().metrics.clone()
    }

    /// The newest sample, the series of its processes, and the monitor's own
    /// figures.
    pub(crate) fn sample(&self) -> (Option<Sample>, Arc<[Point]>, SelfMetrics) {
        let newest = self.newest();
        (
            newest.sample.clone(),
            Arc::clone(&newest.processes),
            newest.own,
        )
    }

    /// Alerts that wait for their time.
    pub(crate) fn set_pending(&self, pending: Vec<PendingAlert>) {
        self.newest().pending = pending;
    }

    /// Alerts that wait for their time.
    pub(crate) fn pending(&self) -> Vec<PendingAlert> {
        self.newest().pending.clone()
    }

    /// The series of the channels.
    pub(crate) fn set_channels(&self, channels: Vec<Point>) {
        self.newest().channels = channels;
    }

    /// The series of the channels.
    pub(crate) fn channels(&self) -> Vec<Point> {
        self.newest().channels.clone()
    }

    pub(crate) fn set_remotes(&self, remotes: Remotes) {
        let _ = self.remotes.set(remotes);
    }

    /// Where the history is sent on to.
    pub(crate) fn remotes(&self) -> &[(String, Arc<Statistics>)] {
        self.remotes.get().map_or(&[], Vec::as_slice)
    }

    /// Something that only a new start mends.
    pub(crate) fn set_trouble(&self, trouble: &'static str) {
        self.newest().trouble = Some(trouble);
    }

    /// Why the monitor is not well.
    pub(crate) fn trouble(&self) -> Option<String> {
        let newest = self.newest();
        if let Some(trouble) = newest.trouble {
            return Some(trouble.to_owned());
        }
        let age = newest.seen.elapsed();
        let stalled = age > STALLED_AFTER + STALLED_INTERVALS * self.interval;
        stalled.then(|| format!("no sample for {} s", age.as_secs()))
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.host.hostname
    }
}

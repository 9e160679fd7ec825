//! Sending the history on to other engines.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use lfs_wrapper_history::History;
use lfs_wrapper_history::remote::{RemoteWrite, Sender, SettingsError, Statistics, Stop};
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};
use tracing::warn;

/// The senders, one thread each.
#[derive(Debug, Default)]
pub(crate) struct Remotes {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    statistics: Vec<(String, Arc<Statistics>)>,
}

impl Remotes {
    /// Starts to send.
    pub(crate) fn start(
        settings: Vec<RemoteWrite>,
        history: &Arc<History>,
    ) -> Result<Self, SettingsError> {
        let mut remotes = Self::default();
        for one in settings {
            let name = one.name.clone();
            let feed = Arc::new(history.reader());
            let mut sender = Sender::new(one, feed, Arc::new(Arc::clone(history)))?;
            remotes.statistics.push((name.clone(), sender.statistics()));
            let stop = remotes.stop.clone();
            let thread = thread::Builder::new().name("remote-write".to_owned());
            match thread.spawn(move || sender.run(&stop)) {
                Ok(thread) => remotes.threads.push(thread),
                Err(error) => warn!("sending to {name}: {error}"),
            }
        }
        Ok(remotes)
    }

    /// What they count.
    pub(crate) fn statistics(&self) -> Vec<(String, Arc<Statistics>)> {
        self.statistics.clone()
    }

    /// Ends them; what is under way is sent again after the next start.
    pub(crate) fn stop(self) {
        self.stop.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                warn!("a thread that sends the history on ended in a panic");
            }
        }
    }
}

/// The points of all senders.
pub(crate) fn expose(statistics: &[(String, Arc<Statistics>)]) -> Vec<Point> {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    let float = |value: u64| value as f64;
    let mut points = Vec::new();
    for (name, statistics) in statistics {
        let now = statistics.now();
        let values = [
            (&SENT, float(now.sent_samples)),
            (&RETRIED, float(now.retried_samples)),
            (&REFUSED, float(now.refused_samples)),
            (&REFUSED_AGAIN, float(now.refused_again_samples)),
            (&MERGED, float(now.merged_samples)),
            (&FAILED, float(now.failed_requests)),
            (&LOST, float(now.lost_msec) / 1000.0),
            (&LAG, float(now.lag_msec) / 1000.0),
        ];
        for (metric, value) in values {
            points.push(Point::labelled(metric, &[("endpoint", name)], value));
        }
    }
    points
}

static SENT: Metric = Metric {
    name: "lfs_self_remote_write_sent_samples_total",
    kind: MetricKind::Counter,
    help: "Samples that the endpoint acknowledged.",
};
static RETRIED: Metric = Metric {
    name: "lfs_self_remote_write_retried_samples_total",
    kind: MetricKind::Counter,
    help: "Samples that were sent again.",
};
static REFUSED: Metric = Metric {
    name: "lfs_self_remote_write_refused_samples_total",
    kind: MetricKind::Counter,
    help: "Samples that the endpoint refused for good; they are not sent again.",
};
static REFUSED_AGAIN: Metric = Metric {
    name: "lfs_self_remote_write_refused_again_samples_total",
    kind: MetricKind::Counter,
    help: "Samples that were sent again after an unclear end, and refused: the endpoint has them.",
};
static MERGED: Metric = Metric {
    name: "lfs_self_remote_write_merged_samples_total",
    kind: MetricKind::Counter,
    help: "Samples left out because another series has the same labels and time.",
};
static FAILED: Metric = Metric {
    name: "lfs_self_remote_write_failed_requests_total",
    kind: MetricKind::Counter,
    help: "Requests that did not get through.",
};
static LOST: Metric = Metric {
    name: "lfs_self_remote_write_lost_seconds_total",
    kind: MetricKind::Counter,
    help: "Time whose samples were deleted before the endpoint took them.",
};
static LAG: Metric = Metric {
    name: "lfs_self_remote_write_lag_seconds",
    kind: MetricKind::Gauge,
    help: "How far the endpoint is behind the history.",
};

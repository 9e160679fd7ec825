//! What the monitor itself costs and loses.

use lfs_wrapper_model::metric::{Metric, MetricKind, Point};
use rustix::time::{ClockId, clock_gettime};

/// The monitor's own cost and losses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SelfMetrics {
    pub(crate) lateness_seconds: f64,
    pub(crate) missed_samples: u64,
    pub(crate) dropped_samples: u64,
    pub(crate) lost_frames: u64,
    pub(crate) lost_changes: u64,
    pub(crate) waiting_notifications: Option<u64>,
    pub(crate) dropped_notifications: Option<u64>,
}

impl SelfMetrics {
    /// Its points, and the CPU time so far.
    pub(crate) fn expose(&self) -> Vec<Point> {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "2^53 seconds do not pass")]
        let cpu_seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
        let count = |count: u64| count as f64;
        let known =
            |metric, value: Option<u64>| value.map(|value| Point::plain(metric, count(value)));
        [
            Some(Point::plain(&CPU_SECONDS, cpu_seconds)),
            Some(Point::plain(&LATENESS_SECONDS, self.lateness_seconds)),
            known(&MISSED_SAMPLES, Some(self.missed_samples)),
            known(&DROPPED_SAMPLES, Some(self.dropped_samples)),
            known(&LOST_FRAMES, Some(self.lost_frames)),
            known(&LOST_CHANGES, Some(self.lost_changes)),
            known(&WAITING, self.waiting_notifications),
            known(&DROPPED, self.dropped_notifications),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

static CPU_SECONDS: Metric = Metric {
    name: "lfs_self_cpu_seconds_total",
    kind: MetricKind::Counter,
    help: "CPU time that the monitor used.",
};
static LATENESS_SECONDS: Metric = Metric {
    name: "lfs_self_sample_lateness_seconds",
    kind: MetricKind::Gauge,
    help: "How long after its time the newest sample was taken.",
};
static MISSED_SAMPLES: Metric = Metric {
    name: "lfs_self_missed_samples_total",
    kind: MetricKind::Counter,
    help: "Intervals that passed without a sample.",
};
static DROPPED_SAMPLES: Metric = Metric {
    name: "lfs_self_dropped_samples_total",
    kind: MetricKind::Counter,
    help: "Samples that were taken and could not be used.",
};
static LOST_FRAMES: Metric = Metric {
    name: "lfs_self_history_lost_frames_total",
    kind: MetricKind::Counter,
    help: "Frames that could not be written to the history.",
};
static LOST_CHANGES: Metric = Metric {
    name: "lfs_self_alert_lost_changes_total",
    kind: MetricKind::Counter,
    help: "Changes of alerts that could not be written down for so long that they were dropped.",
};
static WAITING: Metric = Metric {
    name: "lfs_self_notifications_waiting",
    kind: MetricKind::Gauge,
    help: "Alert messages that no channel has taken yet.",
};

static DROPPED: Metric = Metric {
    name: "lfs_self_notifications_dropped_total",
    kind: MetricKind::Counter,
    help: "Alert messages that were given up: their channel is gone, or too many waited.",
};

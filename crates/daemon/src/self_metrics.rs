//! What the monitor itself costs and loses.

use crate::exits::Counts;
use crate::moments::MomentsCounts;
use lfs_wrapper_history::History;
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};
use rustix::time::{ClockId, clock_gettime};

/// The monitor's own cost and losses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SelfMetrics {
    pub(crate) lateness_seconds: f64,
    pub(crate) detail_level: u8,
    pub(crate) exits: Option<Counts>,
    pub(crate) forgotten_groups: u64,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) missed_samples: u64,
    pub(crate) dropped_samples: u64,
    pub(crate) history: HistoryMetrics,
    pub(crate) moments: MomentsCounts,
    pub(crate) lost_changes: u64,
    pub(crate) failed_looks: u64,
    pub(crate) dropped_rule_values: u64,
    pub(crate) waiting_notifications: Option<u64>,
    pub(crate) dropped_notifications: Option<u64>,
}

/// CPU time of this process so far.
pub(crate) fn read_own_cpu_usec() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Neither is ever negative on this clock.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds * 1_000_000 + nanoseconds / 1000
}

/// The clock of samples (CLOCK_MONOTONIC).
pub(crate) fn read_monotonic_usec() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}

/// Memory of this process in RAM (proc_pid_statm(5)).
pub(crate) fn read_own_resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

impl SelfMetrics {
    /// Its points, and the CPU time so far.
    pub(crate) fn expose(&self) -> Vec<Point> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "2^53 microseconds are 285 years"
        )]
        let cpu_seconds = read_own_cpu_usec() as f64 / 1e6;
        #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
        let count = |count: u64| count as f64;
        let known =
            |metric, value: Option<u64>| value.map(|value| Point::plain(metric, count(value)));
        [
            Some(Point::plain(&CPU_SECONDS, cpu_seconds)),
            Some(Point::plain(&LATENESS_SECONDS, self.lateness_seconds)),
            Some(Point::plain(&DETAIL_LEVEL, f64::from(self.detail_level))),
            known(&RESIDENT, self.resident_bytes),
            known(&EXITS, self.exits.map(|exits| exits.exits)),
            known(&LOST_EXITS, self.exits.map(|exits| exits.lost)),
            known(&FORGOTTEN_GROUPS, Some(self.forgotten_groups)),
            known(&MISSED_SAMPLES, Some(self.missed_samples)),
            known(&DROPPED_SAMPLES, Some(self.dropped_samples)),
            known(&LOST_CHANGES, Some(self.lost_changes)),
            known(&FAILED_LOOKS, Some(self.failed_looks)),
            known(&DROPPED_RULE_VALUES, Some(self.dropped_rule_values)),
            known(&WAITING, self.waiting_notifications),
            known(&DROPPED, self.dropped_notifications),
        ]
        .into_iter()
        .flatten()
        .chain(self.history.expose())
        .chain(expose_moments(&self.moments))
        .collect()
    }
}

/// What the history counts of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HistoryMetrics {
    bytes: u64,
    series: u64,
    samples: u64,
    lost_frames: u64,
    dropped_values: u64,
    dropped_series: u64,
    late_frames: u64,
    duplicate_frames: u64,
    damaged: u64,
    evicted: u64,
    pub(crate) is_stopped: u64,
}

impl HistoryMetrics {
    pub(crate) fn of(history: &History) -> Self {
        let counts = history.counts();
        Self {
            bytes: counts.used_bytes.get(),
            series: counts.open_series.get(),
            samples: counts.samples.get(),
            lost_frames: counts.lost_frames.get(),
            dropped_values: counts.dropped_samples.get(),
            dropped_series: counts.dropped_series_count(),
            late_frames: counts.late_frames.get(),
            duplicate_frames: counts.duplicate_frames.get(),
            damaged: counts.damaged.get(),
            evicted: counts.evicted_windows.get(),
            is_stopped: counts.is_stopped.get(),
        }
    }

    fn expose(&self) -> impl Iterator<Item = Point> {
        let points = [
            (&HISTORY_BYTES, self.bytes),
            (&HISTORY_SERIES, self.series),
            (&HISTORY_SAMPLES, self.samples),
            (&LOST_FRAMES, self.lost_frames),
            (&DROPPED_VALUES, self.dropped_values),
            (&DROPPED_SERIES, self.dropped_series),
            (&LATE_FRAMES, self.late_frames),
            (&DUPLICATE_FRAMES, self.duplicate_frames),
            (&DAMAGED, self.damaged),
            (&EVICTED, self.evicted),
            (&STOPPED, self.is_stopped),
        ];
        #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
        points
            .into_iter()
            .map(|(metric, value)| Point::plain(metric, value as f64))
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
static DETAIL_LEVEL: Metric = Metric {
    name: "lfs_self_detail_level",
    kind: MetricKind::Gauge,
    help: "How much the monitor leaves out of processes to stay within its budget of CPU time: \
           0 nothing, 1 what takes a read of its own, 2 four samples of five, 3 all of them.",
};
static RESIDENT: Metric = Metric {
    name: "lfs_self_resident_memory_bytes",
    kind: MetricKind::Gauge,
    help: "Memory that the monitor has in RAM.",
};
static EXITS: Metric = Metric {
    name: "lfs_exits_total",
    kind: MetricKind::Counter,
    help: "Processes of the machine that the monitor heard end.",
};
static LOST_EXITS: Metric = Metric {
    name: "lfs_exits_lost_total",
    kind: MetricKind::Counter,
    help: "Messages about processes that started or ended that were lost, as far as known.",
};
static FORGOTTEN_GROUPS: Metric = Metric {
    name: "lfs_self_process_groups_forgotten_total",
    kind: MetricKind::Counter,
    help: "Commands whose account was given up for want of room.",
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
fn expose_moments(counts: &MomentsCounts) -> impl Iterator<Item = Point> {
    let points = [
        (&PROCESS_FRAMES, counts.processes.frames),
        (&LOST_PROCESS_FRAMES, counts.processes.lost_frames),
        (&DROPPED_PROCESSES, counts.processes.dropped),
        (&LOST_EXIT_RECORDS, counts.exits.lost),
        (&LOST_EVENTS, counts.lost_events),
        (&DAMAGED_MOMENTS, counts.damaged),
    ];
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    points
        .into_iter()
        .map(|(metric, value)| Point::plain(metric, value as f64))
}

static PROCESS_FRAMES: Metric = Metric {
    name: "lfs_self_history_process_frames_total",
    kind: MetricKind::Counter,
    help: "Process tables that the history took in.",
};
static LOST_PROCESS_FRAMES: Metric = Metric {
    name: "lfs_self_history_lost_process_frames_total",
    kind: MetricKind::Counter,
    help: "Process tables that could not be written to the history.",
};
static DROPPED_PROCESSES: Metric = Metric {
    name: "lfs_self_history_dropped_processes_total",
    kind: MetricKind::Counter,
    help: "Processes that a process table of the history had no room for.",
};
static LOST_EXIT_RECORDS: Metric = Metric {
    name: "lfs_self_history_lost_exits_total",
    kind: MetricKind::Counter,
    help: "Records of processes that ended that could not be written to the history.",
};
static LOST_EVENTS: Metric = Metric {
    name: "lfs_self_history_lost_events_total",
    kind: MetricKind::Counter,
    help: "Events that could not be written to the history.",
};
static DAMAGED_MOMENTS: Metric = Metric {
    name: "lfs_self_history_damaged_moments_total",
    kind: MetricKind::Counter,
    help: "Rows of processes and of exits in the history's file that could not be read.",
};
static HISTORY_BYTES: Metric = Metric {
    name: "lfs_self_history_bytes",
    kind: MetricKind::Gauge,
    help: "Bytes in use in the history's file.",
};
static HISTORY_SERIES: Metric = Metric {
    name: "lfs_self_history_open_series",
    kind: MetricKind::Gauge,
    help: "Series that the history took in during the last ten minutes.",
};
static HISTORY_SAMPLES: Metric = Metric {
    name: "lfs_self_history_samples_total",
    kind: MetricKind::Counter,
    help: "Samples that the history took in.",
};
static LATE_FRAMES: Metric = Metric {
    name: "lfs_self_history_late_frames_total",
    kind: MetricKind::Counter,
    help: "Frames that came after a later one: the clock was set back.",
};
static DUPLICATE_FRAMES: Metric = Metric {
    name: "lfs_self_history_duplicate_frames_total",
    kind: MetricKind::Counter,
    help: "Frames of a moment that had one already, which were dropped.",
};
static DAMAGED: Metric = Metric {
    name: "lfs_self_history_damaged_total",
    kind: MetricKind::Counter,
    help: "Parts of the history's file that could not be read.",
};
static EVICTED: Metric = Metric {
    name: "lfs_self_history_evicted_windows_total",
    kind: MetricKind::Counter,
    help: "Windows of the history that were deleted before their time, to make room.",
};
static STOPPED: Metric = Metric {
    name: "lfs_self_history_stopped",
    kind: MetricKind::Gauge,
    help: "1 while the history is not written: its disk is nearly full, a reader keeps its log, \
           or writing fails.",
};
static LOST_FRAMES: Metric = Metric {
    name: "lfs_self_history_lost_frames_total",
    kind: MetricKind::Counter,
    help: "Frames that could not be written to the history.",
};
static DROPPED_VALUES: Metric = Metric {
    name: "lfs_self_history_dropped_values_total",
    kind: MetricKind::Counter,
    help: "Values of series that the history has no room for.",
};
static DROPPED_SERIES: Metric = Metric {
    name: "lfs_self_history_dropped_series_total",
    kind: MetricKind::Counter,
    help: "Series that the history had no room for, counted anew every ten minutes.",
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

static FAILED_LOOKS: Metric = Metric {
    name: "lfs_self_rule_failures_total",
    kind: MetricKind::Counter,
    help: "Times that a rule's expression could not be evaluated.",
};

static DROPPED_RULE_VALUES: Metric = Metric {
    name: "lfs_self_rule_dropped_values_total",
    kind: MetricKind::Counter,
    help: "Values beyond a level that were too many for one rule, and are no alerts.",
};

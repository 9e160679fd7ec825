//! How the delivery to each channel goes, as series.

use lfs_wrapper_alert::store::ChannelState;
use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};

/// The points of all channels.
pub(crate) fn expose_channels(states: &[ChannelState], now_msec: TimeMsec) -> Vec<Point> {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
    let count = |count: u64| count as f64;
    let failing = |state: &ChannelState| {
        let since = state.failing_since_msec.unwrap_or(now_msec);
        #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are long")]
        let seconds = (now_msec - since).max(0) as f64 / 1000.0;
        seconds
    };
    let mut points = Vec::new();
    for state in states {
        let values = [
            (&FAILING, failing(state)),
            (&SENT, count(state.sent_total)),
            (&FAILED, count(state.failed_total)),
        ];
        let labels = [("channel", state.channel.as_str())];
        points.extend(values.map(|(metric, value)| Point::labelled(metric, &labels, value)));
    }
    points
}

static FAILING: Metric = Metric {
    name: "lfs_self_channel_failing_seconds",
    kind: MetricKind::Gauge,
    help: "For how long the channel has taken no message about an alert; 0 where it took the last.",
};
static SENT: Metric = Metric {
    name: "lfs_self_channel_sent_total",
    kind: MetricKind::Counter,
    help: "Notifications that the channel took.",
};
static FAILED: Metric = Metric {
    name: "lfs_self_channel_failures_total",
    kind: MetricKind::Counter,
    help: "Times that the channel did not take a message.",
};

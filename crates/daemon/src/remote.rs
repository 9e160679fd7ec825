//! Sending the history on to other engines.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lfs_wrapper_history::History;
use lfs_wrapper_history::remote::{
    RemoteWrite, Sender, SettingsError, Statistics, StatisticsNow, Stop,
};
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};
use tracing::warn;

/// How long the monitor's end waits for endpoints that do not answer.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(2);

/// A sender's thread.
#[derive(Debug)]
struct Running {
    name: String,
    thread: JoinHandle<()>,
    /// Nobody holds the other end once the thread has ended.
    ended: Receiver<()>,
}

/// The senders, one thread each.
#[derive(Debug, Default)]
pub(crate) struct Remotes {
    stop: Stop,
    running: Vec<Running>,
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
            let (running, ended) = mpsc::channel();
            let run = move || {
                let _running: mpsc::Sender<()> = running;
                sender.run(&stop);
            };
            match thread.spawn(run) {
                Ok(thread) => remotes.running.push(Running {
                    name,
                    thread,
                    ended,
                }),
                Err(error) => warn!("sending to {name}: {error}"),
            }
        }
        Ok(remotes)
    }

    /// What they count.
    pub(crate) fn statistics(&self) -> Vec<(String, Arc<Statistics>)> {
        self.statistics.clone()
    }

    /// Asks them to end; what is under way is sent again after the next start,
    /// unless it is acknowledged before.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.stop();
    }

    /// Waits for as long for all of them together. Says which had to be left to
    /// the end of the program, since their endpoints do not answer.
    pub(crate) fn wait(self, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        let mut left = Vec::new();
        for running in self.running {
            let rest = deadline.saturating_duration_since(Instant::now());
            if running.ended.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
                left.push(running.name);
            } else if running.thread.join().is_err() {
                warn!("a thread that sends the history on ended in a panic");
            }
        }
        left
    }
}

/// From one line about refused samples of an endpoint to the next, in looks.
const LOOKS_PER_REFUSAL: u32 = 60;

/// What was told of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Told {
    error: String,
    refused_samples: u64,
    refused_again_samples: u64,
    /// So many looks nothing more is told of refused samples.
    quiet_looks: u32,
}

/// A line for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Something to mend.
    Warning(String),
    /// Something to know.
    Note(String),
}

impl Told {
    /// What is new: an error until there is another, and samples that are lost
    /// for good, soon after the first of them and then now and then.
    pub(crate) fn derive_lines(&mut self, now: &StatisticsNow) -> Vec<Line> {
        let mut lines = Vec::new();
        if now.last_error != self.error {
            lines.push(match now.last_error.as_str() {
                "" => Line::Note("it gets through again".to_owned()),
                error => Line::Warning(format!("{error}; it is tried again, see docs/guide.md")),
            });
            now.last_error.clone_into(&mut self.error);
        }
        self.quiet_looks = self.quiet_looks.saturating_sub(1);
        if self.quiet_looks > 0 {
            return lines;
        }
        let refused = now.refused_samples.saturating_sub(self.refused_samples);
        let again = now.refused_again_samples;
        let again = again.saturating_sub(self.refused_again_samples);
        let said = &now.last_refusal;
        if refused > 0 {
            lines.push(Line::Warning(format!(
                "{refused} samples were refused for good and are dropped: {said}; what the \
                 endpoint has to allow is in docs/guide.md"
            )));
        }
        if again > 0 {
            lines.push(Line::Note(format!(
                "{again} samples were sent again after an unclear end and refused: {said}; the \
                 endpoint had them or would not take them"
            )));
        }
        if refused + again > 0 {
            self.quiet_looks = LOOKS_PER_REFUSAL;
            self.refused_samples = now.refused_samples;
            self.refused_again_samples = now.refused_again_samples;
        }
        lines
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
    help: "Samples that were sent again after an unclear end, and refused: the endpoint had them or would not take them.",
};
static MERGED: Metric = Metric {
    name: "lfs_self_remote_write_merged_samples_total",
    kind: MetricKind::Counter,
    help: "Samples left out because another series has the same labels and time.",
};
static FAILED: Metric = Metric {
    name: "lfs_self_remote_write_failed_requests_total",
    kind: MetricKind::Counter,
    help: "Requests that did not get through, and failed reads of the history.",
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use lfs_wrapper_history::remote::Start;
    use lfs_wrapper_history::{Frame, Group, Limits, Part};

    use super::*;

    #[test]
    fn an_endpoint_that_never_answers_does_not_keep_the_end_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits {
            disk_free_min: 0,
            ..Limits::default()
        };
        let (history, _) = History::open(&folder.path().join("history.db"), limits).unwrap();
        history.append(&Frame {
            time_msec: lfs_wrapper_model::now_msec(),
            monotonic_usec: 1,
            parts: vec![Part {
                group: Group::Machine,
                entries: std::iter::once(entry("up")).collect(),
                values: vec![1.0],
            }],
        });
        history.flush().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/write", listener.local_addr().unwrap());
        let settings = RemoteWrite {
            start: Start::Beginning,
            ..RemoteWrite::new("far", &url)
        };
        let remotes = Remotes::start(vec![settings], &Arc::new(history)).unwrap();
        let (connection, _) = listener.accept().unwrap();
        remotes.ask_to_stop();
        assert_eq!(remotes.wait(Duration::from_millis(10)), ["far"]);
        drop(connection);
    }

    fn entry(name: &str) -> lfs_wrapper_history::Entry {
        let name = (lfs_wrapper_history::METRIC_NAME.to_owned(), name.to_owned());
        lfs_wrapper_history::Entry {
            labels: lfs_wrapper_history::Labels::new([name]),
            metric: (&SENT).into(),
        }
    }

    /// What is said at each look, after `samples` in all were refused and with
    /// this error.
    fn lines(looks: &[(u64, u64, &str)]) -> Vec<String> {
        let mut told = Told::default();
        let mut all = Vec::new();
        for (look, (refused_samples, refused_again_samples, error)) in looks.iter().enumerate() {
            let now = StatisticsNow {
                refused_samples: *refused_samples,
                refused_again_samples: *refused_again_samples,
                last_error: (*error).to_owned(),
                last_refusal: "400 Bad Request: out of bounds".to_owned(),
                ..StatisticsNow::default()
            };
            for line in told.derive_lines(&now) {
                all.push(match line {
                    Line::Warning(text) => format!("{look} warning {text}"),
                    Line::Note(text) => format!("{look} note {text}"),
                });
            }
        }
        all
    }

    #[test]
    fn samples_that_are_dropped_are_told_though_others_got_through_since() {
        let found = lines(&[(0, 0, ""), (15_000, 0, ""), (15_000, 7, "")]);
        assert_eq!(
            found,
            [
                "1 warning 15000 samples were refused for good and are dropped: 400 Bad Request: \
                 out of bounds; what the endpoint has to allow is in docs/guide.md"
            ]
        );
        let found = lines(&[(0, 7, "")]);
        assert!(found[0].starts_with("0 note 7 samples were sent again"));
        assert!(found[0].ends_with("had them or would not take them"));
    }

    #[test]
    fn what_goes_on_being_refused_is_told_now_and_then_with_its_number() {
        let looks: Vec<(u64, u64, &str)> = (1..=100).map(|look| (look * 10, 0, "")).collect();
        let found = lines(&looks);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("0 warning 10 samples"), "{found:?}");
        assert!(found[1].starts_with("60 warning 600 samples"), "{found:?}");
    }

    #[test]
    fn what_is_tried_again_is_told_once_and_so_is_its_end() {
        let found = lines(&[(0, 0, "gone"), (0, 0, "gone"), (0, 0, ""), (0, 0, "")]);
        assert_eq!(
            found,
            [
                "0 warning gone; it is tried again, see docs/guide.md",
                "2 note it gets through again"
            ]
        );
    }
}

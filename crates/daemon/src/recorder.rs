//! What of each sample goes into the history, and as which series.

use std::sync::Arc;

use lfs_wrapper_history::{Entry, Frame, Group, METRIC_NAME, Part};
use lfs_wrapper_kernel::{Sample, expose};
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};

/// What collectors found is stored with one of so many samples: they look less
/// often than that.
const SAMPLES_PER_COLLECTED: u64 = 10;

/// The series that says when a sample was taken by a clock that nobody sets.
pub(crate) static MONOTONIC: Metric = Metric {
    name: "lfs_self_monotonic_seconds",
    kind: MetricKind::Gauge,
    help: "Time since boot when the sample was taken, by CLOCK_MONOTONIC.",
};

/// Turns samples into frames of the history.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    machine: Layout,
    slow: Layout,
    processes: Layout,
    own: Layout,
    collected: Layout,
    /// What was slow to read and is written down already.
    written_slow: Arc<[Point]>,
    samples: u64,
}

/// Points of the moment before, and their series.
#[derive(Debug, Default)]
struct Layout {
    points: Arc<[Point]>,
    entries: Arc<[Entry]>,
}

impl Recorder {
    /// The frame of a sample, of what is known of its processes and of the
    /// monitor itself. `collected` is asked now and then.
    pub(crate) fn record(
        &mut self,
        sample: &mut Sample,
        processes: Arc<[Point]>,
        mut own: Vec<Point>,
        collected: impl FnOnce() -> Arc<[Point]>,
    ) -> Frame {
        let slow = std::mem::take(&mut sample.slow);
        let machine = expose(sample);
        sample.slow = Arc::clone(&slow);
        #[expect(
            clippy::cast_precision_loss,
            reason = "2^53 microseconds are 285 years"
        )]
        let monotonic_seconds = sample.monotonic_usec as f64 / 1e6;
        own.push(Point::plain(&MONOTONIC, monotonic_seconds));
        let mut parts = vec![
            self.machine.take(Group::Machine, machine.into()),
            self.processes.take(Group::Processes, processes),
            self.own.take(Group::Own, own.into()),
        ];
        // Read every few seconds only, and stored as often.
        if !Arc::ptr_eq(&self.written_slow, &slow) {
            self.written_slow = Arc::clone(&slow);
            parts.push(self.slow.take(Group::Slow, slow));
        }
        if self.samples.is_multiple_of(SAMPLES_PER_COLLECTED) {
            parts.push(self.collected.take(Group::Collected, collected()));
        }
        self.samples += 1;
        Frame {
            time_msec: sample.time_msec,
            monotonic_usec: sample.monotonic_usec,
            parts,
        }
    }
}

impl Layout {
    fn take(&mut self, group: Group, points: Arc<[Point]>) -> Part {
        let is_same = |(one, other): (&Point, &Point)| {
            one.metric.name() == other.metric.name() && one.labels == other.labels
        };
        let are_same =
            self.points.len() == points.len() && self.points.iter().zip(points.iter()).all(is_same);
        if !are_same {
            self.entries = points.iter().map(entry).collect();
        }
        self.points = points;
        Part {
            group,
            entries: Arc::clone(&self.entries),
            values: self.points.iter().map(|point| point.value).collect(),
        }
    }
}

/// The series of a point.
fn entry(point: &Point) -> Entry {
    let name = (METRIC_NAME.to_owned(), point.metric.name().to_owned());
    let labels = point.labels.iter();
    let labels = labels.map(|(name, value)| (name.clone().into_owned(), value.clone()));
    Entry {
        labels: labels.chain([name]).collect(),
        metric: point.metric.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static METRIC: Metric = Metric {
        name: "lfs_process_processes",
        kind: MetricKind::Gauge,
        help: "",
    };

    fn point(comm: &str, value: f64) -> Point {
        Point::labelled(&METRIC, &[("comm", comm)], value)
    }

    fn part(frame: &Frame, group: Group) -> Option<&Part> {
        frame.parts.iter().find(|part| part.group == group)
    }

    #[test]
    fn the_series_are_made_only_when_they_change() {
        let mut recorder = Recorder::default();
        let mut record = |points: Vec<Point>| {
            let mut sample = Sample::empty(0, 0);
            let frame = recorder.record(&mut sample, points.into(), Vec::new(), Arc::default);
            part(&frame, Group::Processes).cloned().unwrap()
        };
        let first = record(vec![point("cc1", 1.0)]);
        let second = record(vec![point("cc1", 2.0)]);
        assert!(Arc::ptr_eq(&first.entries, &second.entries));
        assert_eq!(second.values, [2.0]);
        let third = record(vec![point("ld", 3.0)]);
        let labels = third.entries[0].labels.to_string();
        assert_eq!(labels, "lfs_process_processes{comm=\"ld\"}");
    }

    #[test]
    fn what_is_slow_to_read_is_written_down_once_and_stays_in_the_sample() {
        let mut recorder = Recorder::default();
        let mut sample = Sample::empty(0, 0);
        sample.slow = vec![point("sensor", 1.0)].into();
        let mut has_it = |sample: &mut Sample| {
            let frame = recorder.record(sample, Arc::default(), Vec::new(), Arc::default);
            part(&frame, Group::Slow).is_some()
        };
        assert_eq!([has_it(&mut sample), has_it(&mut sample)], [true, false]);
        assert_eq!(sample.slow.len(), 1);
        sample.slow = vec![point("sensor", 2.0)].into();
        assert!(has_it(&mut sample));
    }
}

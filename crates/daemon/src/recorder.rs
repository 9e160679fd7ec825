//! What of each sample goes into the history, and as which series.

use std::sync::Arc;

use lfs_wrapper_history::{Frame, Samples};
use lfs_wrapper_kernel::{Sample, expose};
use lfs_wrapper_model::metric::Point;

/// Series of one kind at one moment; what is beyond is counted. A machine of
/// 500 cores has so many.
const SERIES_MAX: usize = 8192;

/// Turns samples into frames of the history.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    machine: Layout,
    machine_and_slow: Layout,
    processes: Layout,
    /// What was slow to read and is written down already.
    slow: Arc<[Point]>,
    /// Values that had no room.
    pub(crate) dropped: u64,
}

/// Points of the moment before, with the text of their series.
#[derive(Debug, Default)]
struct Layout {
    points: Arc<[Point]>,
    series: Arc<[String]>,
}

impl Recorder {
    /// The frame of a sample and of what is known of its processes.
    pub(crate) fn record(&mut self, sample: &mut Sample, processes: Arc<[Point]>) -> Frame {
        // Read every few seconds only, and stored as often.
        let is_new = !Arc::ptr_eq(&self.slow, &sample.slow);
        let slow = Arc::clone(&sample.slow);
        if is_new {
            self.slow = Arc::clone(&slow);
        } else {
            sample.slow = Arc::default();
        }
        let points = expose(sample);
        sample.slow = slow;
        let layout = if is_new {
            &mut self.machine_and_slow
        } else {
            &mut self.machine
        };
        Frame {
            time_msec: sample.time_msec,
            monotonic_usec: sample.monotonic_usec,
            machine: layout.take(points.into(), &mut self.dropped),
            processes: self.processes.take(processes, &mut self.dropped),
        }
    }
}

impl Layout {
    fn take(&mut self, points: Arc<[Point]>, dropped: &mut u64) -> Samples {
        *dropped += points.len().saturating_sub(SERIES_MAX) as u64;
        let is_same = |(one, other): (&Point, &Point)| {
            one.metric.name() == other.metric.name() && one.labels == other.labels
        };
        let are_same =
            self.points.len() == points.len() && self.points.iter().zip(points.iter()).all(is_same);
        if !are_same {
            let kept = points.iter().take(SERIES_MAX);
            self.series = kept.map(Point::series).collect();
        }
        self.points = points;
        let kept = self.points.iter().take(SERIES_MAX);
        Samples {
            series: Arc::clone(&self.series),
            values: kept.map(|point| point.value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lfs_wrapper_model::metric::{Metric, MetricKind};

    use super::*;

    static METRIC: Metric = Metric {
        name: "lfs_process_processes",
        kind: MetricKind::Gauge,
        help: "",
    };

    fn point(comm: &str, value: f64) -> Point {
        Point::labelled(&METRIC, &[("comm", comm)], value)
    }

    #[test]
    fn the_text_of_series_is_made_only_when_they_change() {
        let mut recorder = Recorder::default();
        let mut record = |points: Vec<Point>| {
            let frame = recorder.record(&mut Sample::empty(0, 0), points.into());
            frame.processes
        };
        let first = record(vec![point("cc1", 1.0)]);
        let second = record(vec![point("cc1", 2.0)]);
        assert!(Arc::ptr_eq(&first.series, &second.series));
        assert_eq!(second.values, [2.0]);
        let third = record(vec![point("ld", 3.0)]);
        assert_eq!(
            *third.series,
            ["lfs_process_processes{comm=\"ld\"}".to_owned()]
        );
    }

    #[test]
    fn what_is_slow_to_read_is_written_down_once_and_stays_in_the_sample() {
        let mut recorder = Recorder::default();
        let mut sample = Sample::empty(0, 0);
        sample.slow = vec![point("sensor", 1.0)].into();
        let mut has_it = |sample: &mut Sample| {
            let frame = recorder.record(sample, Arc::default());
            frame
                .machine
                .series
                .iter()
                .any(|series| series.contains("sensor"))
        };
        assert_eq!([has_it(&mut sample), has_it(&mut sample)], [true, false]);
        assert_eq!(sample.slow.len(), 1);
        sample.slow = vec![point("sensor", 2.0)].into();
        assert!(has_it(&mut sample));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut recorder = Recorder::default();
        let points = (0..SERIES_MAX + 3).map(|number| point(&number.to_string(), 0.0));
        let frame = recorder.record(&mut Sample::empty(0, 0), points.collect());
        assert_eq!(
            (frame.processes.values.len(), recorder.dropped),
            (SERIES_MAX, 3)
        );
    }
}

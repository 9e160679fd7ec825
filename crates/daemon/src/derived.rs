//! What rules look at that no file of the kernel has: what a supervised build
//! does not cause, and how its running steps get on.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use lfs_wrapper_build::dispatch::StepState;
use lfs_wrapper_build::record::Run;
use lfs_wrapper_kernel::Frame;
use lfs_wrapper_model::TimeMsec;
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};

/// With which samples it is looked when steps last printed something.
const SAMPLES_PER_LOOK: u64 = 5;

/// What the build did not cause. Without a series, that cannot be told: a step
/// runs that has no control group.
pub(crate) fn expose_others(frame: &Frame) -> Vec<Point> {
    let cpu = frame.cpu.as_ref().zip(frame.build_cpu_ratio);
    let cpu = cpu.map(|(cpu, build)| (&OTHER_CPU, (cpu.busy_ratio - build).max(0.0)));
    let processes = count_other_processes(frame);
    let points = [cpu, processes.map(|count| (&OTHER_PROCESSES, count))];
    let points = points.into_iter().flatten();
    points
        .map(|(metric, value)| Point::plain(metric, value))
        .collect()
}

/// Processes that neither the kernel nor a supervised build started.
fn count_other_processes(frame: &Frame) -> Option<f64> {
    let processes = frame.processes.as_ref()?;
    let not_counted = processes.kernel_threads? + u64::from(frame.build_processes?);
    let others = processes.count.saturating_sub(not_counted);
    Some(f64::from(u32::try_from(others).unwrap_or(u32::MAX)))
}

/// The steps that run.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    running: Vec<RunningStep>,
    looks: u64,
    points: Arc<[Point]>,
}

#[derive(Debug)]
struct RunningStep {
    run: String,
    step: String,
    log: PathBuf,
    started_msec: TimeMsec,
    known_seconds: Option<f64>,
}

impl Steps {
    /// Takes in which steps run now.
    pub(crate) fn set_running(&mut self, runs: &[Run]) {
        self.running.clear();
        for run in runs {
            let steps = run.steps.iter();
            for step in steps.filter(|step| step.state == StepState::Running) {
                self.running
                    .extend(step.attempt.as_ref().map(|attempt| RunningStep {
                        run: run.id.to_string(),
                        step: step.id.clone(),
                        log: attempt.log.clone(),
                        started_msec: attempt.started_msec,
                        known_seconds: step.known_seconds,
                    }));
            }
        }
        // Who began is shown, and who ended is not, with the next sample.
        self.looks = 0;
    }

    /// How many there are, whether or not their control groups are known.
    pub(crate) fn expose_count(&self) -> Point {
        let count = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        Point::plain(&STEPS, f64::from(count))
    }

    /// How they get on.
    pub(crate) fn points(&mut self, now_msec: TimeMsec) -> Arc<[Point]> {
        if self.looks.is_multiple_of(SAMPLES_PER_LOOK) {
            let points = self.running.iter().flat_map(|step| step.read(now_msec));
            self.points = points.collect();
        }
        self.looks += 1;
        Arc::clone(&self.points)
    }
}

impl RunningStep {
    fn read(&self, now_msec: TimeMsec) -> impl Iterator<Item = Point> {
        let elapsed = seconds(now_msec - self.started_msec);
        let silent = self.read_silent_seconds(now_msec);
        let values = [
            Some((&ELAPSED, elapsed)),
            Some((
                &SILENT,
                silent.map_or(elapsed, |silent| silent.min(elapsed)),
            )),
            self.known_seconds.map(|known| (&EXPECTED, known)),
        ];
        let labels = [("run", self.run.as_str()), ("step", self.step.as_str())];
        let points = values
            .into_iter()
            .flatten()
            .map(|(metric, value)| Point::labelled(metric, &labels, value));
        points.collect::<Vec<_>>().into_iter()
    }

    fn read_silent_seconds(&self, now_msec: TimeMsec) -> Option<f64> {
        let written = fs::metadata(&self.log).and_then(|data| data.modified());
        let since = written.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let written_msec = TimeMsec::try_from(since.as_millis()).ok()?;
        Some(seconds(now_msec - written_msec))
    }
}

/// A clock that was set back makes nothing negative.
fn seconds(msec: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are long")]
    let seconds = msec.max(0) as f64 / 1000.0;
    seconds
}

static OTHER_CPU: Metric = Metric {
    name: "lfs_other_cpu_ratio",
    kind: MetricKind::Gauge,
    help: "Share of the machine's processor time since the sample before that no supervised build used.",
};
static OTHER_PROCESSES: Metric = Metric {
    name: "lfs_other_processes",
    kind: MetricKind::Gauge,
    help: "Number of processes that neither the kernel nor a supervised build started.",
};
static STEPS: Metric = Metric {
    name: "lfs_build_steps",
    kind: MetricKind::Gauge,
    help: "Number of supervised build steps that run.",
};
static ELAPSED: Metric = Metric {
    name: "lfs_step_elapsed_seconds",
    kind: MetricKind::Gauge,
    help: "Time since the step's running attempt began.",
};
static SILENT: Metric = Metric {
    name: "lfs_step_silent_seconds",
    kind: MetricKind::Gauge,
    help: "Time since the running step last printed something, or began.",
};
static EXPECTED: Metric = Metric {
    name: "lfs_step_expected_seconds",
    kind: MetricKind::Gauge,
    help: "What the step took when it was last completed on this machine.",
};

#[cfg(test)]
mod tests {
    use lfs_wrapper_kernel::{ProcessFrame, Sample, derive};

    use super::*;

    #[test]
    fn only_processes_of_others_count() {
        let sample = |second: i64| {
            let usec = u64::try_from(second).unwrap() * 1_000_000;
            Sample::empty(second * 1000, usec)
        };
        let mut frame = derive(&sample(1), &sample(2));
        frame.processes = Some(ProcessFrame {
            count: 500,
            kernel_threads: Some(250),
            running: None,
            blocked: None,
        });
        frame.build_processes = Some(3);
        assert_eq!(count_other_processes(&frame), Some(247.0));
        frame.build_processes = None;
        assert_eq!(count_other_processes(&frame), None);
    }

    #[test]
    fn a_step_is_silent_since_its_log_grew_and_never_for_longer_than_it_runs() {
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "output").unwrap();
        let written = fs::metadata(&log).unwrap().modified().unwrap();
        let since = written.duration_since(std::time::UNIX_EPOCH).unwrap();
        let written_msec = TimeMsec::try_from(since.as_millis()).unwrap();
        let mut step = RunningStep {
            run: "1".to_owned(),
            step: "a".to_owned(),
            log,
            started_msec: written_msec - 60_000,
            known_seconds: Some(90.0),
        };
        let values = |step: &RunningStep, now| -> Vec<(String, f64)> {
            let points = step.read(now);
            points
                .map(|point| (point.metric.name().to_owned(), point.value))
                .collect()
        };
        let named = |elapsed, silent| {
            vec![
                ("lfs_step_elapsed_seconds".to_owned(), elapsed),
                ("lfs_step_silent_seconds".to_owned(), silent),
                ("lfs_step_expected_seconds".to_owned(), 90.0),
            ]
        };
        assert_eq!(values(&step, written_msec + 5_000), named(65.0, 5.0));
        step.started_msec = written_msec + 1_000;
        assert_eq!(values(&step, written_msec + 5_000), named(4.0, 4.0));
        assert_eq!(values(&step, written_msec - 5_000), named(0.0, 0.0));
    }
}

//! Who lets memory grow without end: the largest processes and the groups of
//! the steps that run, each watched since it was first seen. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use lfs_wrapper_kernel::{Leak, LeakWatch, ProcessIdentity, ProcessRow, StepGroup};
use lfs_wrapper_model::metric::{Metric, MetricKind, Point};

/// The largest processes that are watched; a leak worth telling is among them
/// long before it does harm.
const PROCESSES_MAX: usize = 64;

/// A smaller process is not watched.
const RSS_MIN_BYTES: u64 = 16 << 20;

static RATE: Metric = Metric {
    name: "lfs_leak_bytes_per_second",
    kind: MetricKind::Gauge,
    help: "How fast the memory that is never given back grows; negative where it falls.",
};
static GROWTH: Metric = Metric {
    name: "lfs_leak_growth_bytes",
    kind: MetricKind::Gauge,
    help: "By how much the memory that is never given back grew over the time watched.",
};
static CONFIDENCE: Metric = Metric {
    name: "lfs_leak_confidence_ratio",
    kind: MetricKind::Gauge,
    help: "How sure it is that the growth goes on, 0 to 1.",
};
static FOUND: Metric = Metric {
    name: "lfs_leak_found",
    kind: MetricKind::Gauge,
    help: "1 where rate, growth and confidence together make a leak.",
};

/// A metric, and what of a leak it shows.
type Series = (&'static Metric, fn(&Leak) -> f64);

#[derive(Debug, Default)]
pub(crate) struct Leaks {
    processes: HashMap<ProcessIdentity, Watched>,
    steps: HashMap<(String, String, String), Watched>,
}

#[derive(Debug)]
struct Watched {
    watch: LeakWatch,
    labels: Vec<(&'static str, String)>,
    is_seen: bool,
}

impl Watched {
    fn new(labels: Vec<(&'static str, String)>) -> Self {
        Self {
            watch: LeakWatch::new(),
            labels,
            is_seen: true,
        }
    }
}

impl Leaks {
    /// Takes in the memory of the processes at a moment, with the step that
    /// each belongs to.
    pub(crate) fn step_processes(
        &mut self,
        monotonic_usec: u64,
        rows: &[ProcessRow],
        steps: &[Arc<str>],
    ) {
        let mut large: Vec<(&ProcessRow, &Arc<str>)> = rows
            .iter()
            .zip(steps)
            .filter(|(row, _)| row.counts.rss_bytes >= RSS_MIN_BYTES)
            .collect();
        if large.len() > PROCESSES_MAX {
            large.sort_by_key(|(row, _)| std::cmp::Reverse(row.counts.rss_bytes));
            large.truncate(PROCESSES_MAX);
        }
        for (row, step) in large {
            let watched = self.processes.entry(row.identity).or_insert_with(|| {
                Watched::new(vec![
                    ("comm", row.name.to_string()),
                    ("pid", row.identity.pid.to_string()),
                    ("step", step.to_string()),
                ])
            });
            watched.is_seen = true;
            watched.watch.push(monotonic_usec, row.counts.rss_bytes);
        }
        keep_seen(&mut self.processes);
    }

    /// Takes in the memory of the steps at a moment; one without the memory
    /// controller cannot be watched.
    pub(crate) fn step_steps(&mut self, monotonic_usec: u64, steps: &[StepGroup]) {
        for step in steps {
            let Some(bytes) = step.counts.anonymous_bytes else {
                continue;
            };
            let key = (step.run.clone(), step.step.clone(), step.attempt.clone());
            let watched = self.steps.entry(key).or_insert_with(|| {
                Watched::new(vec![("run", step.run.clone()), ("step", step.step.clone())])
            });
            watched.is_seen = true;
            watched.watch.push(monotonic_usec, bytes);
        }
        keep_seen(&mut self.steps);
    }

    /// What the watched ones do, as far as they were watched long enough.
    pub(crate) fn points(&self) -> Vec<Point> {
        let all = self.processes.values().chain(self.steps.values());
        let mut known: Vec<(&Watched, Leak)> = all
            .filter_map(|watched| Some((watched, watched.watch.verdict()?)))
            .collect();
        known.sort_by(|one, other| one.0.labels.cmp(&other.0.labels));
        let of_series = |(metric, get): &Series| -> Vec<Point> {
            let point = |(watched, leak): &(&Watched, Leak)| {
                let labels = watched.labels.iter();
                let labels: Vec<(&str, &str)> = labels
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                Point::labelled(*metric, &labels, get(leak))
            };
            known.iter().map(point).collect()
        };
        let series: [Series; 4] = [
            (&RATE, |leak| leak.rate_bytes_per_second),
            (&CONFIDENCE, |leak| leak.confidence_ratio),
            (&FOUND, |leak| f64::from(u8::from(leak.is_leak()))),
            (&GROWTH, |leak| leak.growth_bytes as f64),
        ];
        series.iter().flat_map(of_series).collect()
    }
}

/// What is gone, or no longer among the largest, is forgotten.
fn keep_seen<K: std::hash::Hash + Eq>(watched: &mut HashMap<K, Watched>) {
    watched.retain(|_, watched| std::mem::take(&mut watched.is_seen));
}

#[cfg(test)]
mod tests {
    use lfs_wrapper_kernel::StepCounts;

    use super::*;

    fn step(bytes: Option<u64>) -> StepGroup {
        StepGroup {
            run: "1".to_owned(),
            step: "gcc".to_owned(),
            attempt: "1".to_owned(),
            counts: StepCounts {
                anonymous_bytes: bytes,
                ..StepCounts::default()
            },
        }
    }

    #[test]
    fn a_step_that_leaks_is_told_and_one_that_ended_is_forgotten() {
        let mut leaks = Leaks::default();
        for minute in 0..45_u64 {
            for part in 0..12 {
                let usec = (minute * 60 + part * 5) * 1_000_000;
                leaks.step_steps(usec, &[step(Some((300 + 4 * minute) << 20))]);
            }
        }
        let points = leaks.points();
        let series: Vec<String> = points.iter().map(Point::series).collect();
        assert_eq!(series[2], "lfs_leak_found{run=\"1\",step=\"gcc\"}");
        assert_eq!((points.len(), points[2].value), (4, 1.0));
        leaks.step_steps(46 * 60_000_000, &[step(None)]);
        assert_eq!(leaks.points(), []);
    }
}

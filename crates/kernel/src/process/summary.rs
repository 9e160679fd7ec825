//! What all processes are together, under the names of node_exporter's
//! collector `processes`.

use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::source::Source;
use crate::text::{lines, parse_u64};

static STATE: &Metric = metric!(
    Gauge,
    "node_processes_state",
    "Number of processes in each state."
);
static THREADS: &Metric = metric!(
    Gauge,
    "node_processes_threads",
    "Allocated threads in system"
);
static PIDS: &Metric = metric!(Gauge, "node_processes_pids", "Number of PIDs");
static PROCESSES_MAX: &Metric = metric!(
    Gauge,
    "node_processes_max_processes",
    "Number of max PIDs limit"
);
static THREADS_MAX: &Metric = metric!(
    Gauge,
    "node_processes_max_threads",
    "Limit of threads in the system"
);

/// How many processes and threads the machine may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Maxima {
    processes: Option<u64>,
    threads: Option<u64>,
}

/// Reads the sysctls `kernel.pid_max` and `kernel.threads-max`.
pub(crate) fn read_maxima(source: &mut Source, procfs: &Path) -> Maxima {
    let mut number = |name: &str| {
        let text = source
            .read_text(&procfs.join("sys/kernel").join(name))
            .ok()?;
        lines(text).next().and_then(parse_u64)
    };
    Maxima {
        processes: number("pid_max"),
        threads: number("threads-max"),
    }
}

/// The points of these processes, each given by its state and its threads.
pub(crate) fn derive_summary(all: impl Iterator<Item = (char, u32)>, maxima: Maxima) -> Vec<Point> {
    let mut states: Vec<(char, u32)> = Vec::new();
    let (mut threads, mut pids) = (0_u64, 0_u32);
    for (state, of_one) in all {
        pids += 1;
        threads = threads.saturating_add(of_one.into());
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => states.push((state, 1)),
        }
    }
    states.sort_unstable();
    let of_state = |(state, count): (char, u32)| {
        Point::labelled(STATE, &[("state", &state.to_string())], count.into())
    };
    let plain = |metric: &'static Metric, value: u64| Point::plain(metric, value as f64);
    let mut points: Vec<Point> = states.into_iter().map(of_state).collect();
    points.push(plain(THREADS, threads));
    points.push(plain(PIDS, pids.into()));
    points.extend(maxima.processes.map(|number| plain(PROCESSES_MAX, number)));
    points.extend(maxima.threads.map(|number| plain(THREADS_MAX, number)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_summed_up() {
        let maxima = Maxima {
            processes: Some(32_768),
            threads: None,
        };
        let points = derive_summary([('S', 1), ('R', 7), ('S', 1)].into_iter(), maxima);
        let lines: Vec<String> = points
            .iter()
            .map(|point| format!("{} {}", point.series(), point.value))
            .collect();
        assert_eq!(
            lines,
            [
                "node_processes_state{state=\"R\"} 1",
                "node_processes_state{state=\"S\"} 2",
                "node_processes_threads 9",
                "node_processes_pids 3",
                "node_processes_max_processes 32768",
            ]
        );
    }
}

//! How long tasks ran on each processor and waited for it: `/proc/schedstat`,
//! which kernels built without CONFIG_SCHEDSTATS lack.

use std::io::ErrorKind;
use std::path::Path;

use crate::cpu::{find_core, parse_core};
use crate::field::{Labels, Row, keep_first, metric, parse_columns, values};
use crate::interval::Interval;
use crate::series::Series;
use crate::source::{Source, render_error};
use crate::text::{lines, words};

/// Columns of a line before those that are read (schedstat version 15 and
/// later): six of the scheduler's own, after the name.
const COLUMNS_BEFORE: usize = 6;

values! {
    /// What one processor's run queue did since boot.
    pub struct RunQueueCounts;
    /// Time tasks ran, nanoseconds, all of them together.
    running_nsec = "running", Nsec,
        metric!(Counter, "node_schedstat_running_seconds_total",
            "Number of seconds CPU spent running a process.");
    /// Time tasks could have run but waited, nanoseconds, all of them together.
    waiting_nsec = "waiting", Nsec,
        metric!(Counter, "node_schedstat_waiting_seconds_total",
            "Number of seconds spent by processing waiting for this CPU.");
    /// How often a task got the processor.
    timeslices = "timeslices", One,
        metric!(Counter, "node_schedstat_timeslices_total",
            "Number of timeslices executed by CPU.");
}

/// The run queue of one processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunQueueSample {
    /// The kernel's number of the processor.
    pub core: u32,
    /// What it did.
    pub counts: RunQueueCounts,
}

impl Row for RunQueueSample {
    type Values = RunQueueCounts;

    fn values(&self) -> &RunQueueCounts {
        &self.counts
    }

    fn values_mut(&mut self) -> &mut RunQueueCounts {
        &mut self.counts
    }

    fn labels(&self) -> Labels {
        vec![("cpu", self.core.to_string())]
    }

    fn from_labels(series: &Series<'_>) -> Option<Self> {
        Some(Self {
            core: parse_core(series.label("cpu")?.as_bytes())?,
            counts: RunQueueCounts::default(),
        })
    }

    fn is_named(&self, series: &Series<'_>) -> bool {
        let cpu = series.label("cpu");
        cpu.and_then(|cpu| parse_core(cpu.as_bytes())) == Some(self.core)
    }

    fn position(rows: &[Self], series: &Series<'_>) -> Option<usize> {
        let core = parse_core(series.label("cpu")?.as_bytes())?;
        find_core(rows, core, |row| row.core)
    }
}

/// Reads `/proc/schedstat`, each sample; many kernels are built without it.
pub(crate) fn read_run_queues(source: &mut Source, procfs: &Path) -> Vec<RunQueueSample> {
    let path = procfs.join("schedstat");
    match source.read_kept(&path) {
        Ok(text) => parse_schedstat(text),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                source.note("cpu", &path, render_error(&error));
            }
            Vec::new()
        }
    }
}

/// Parses the lines `cpu<number>`; lines of another length are of a version
/// whose columns are not known.
pub(crate) fn parse_schedstat(text: &[u8]) -> Vec<RunQueueSample> {
    let parse_line = |line| {
        let mut words = words(line);
        let core = parse_core(words.next()?.strip_prefix(b"cpu")?)?;
        let columns: Vec<&[u8]> = words.skip(COLUMNS_BEFORE).collect();
        (columns.len() == 3).then(|| RunQueueSample {
            core,
            counts: parse_columns(columns.into_iter()),
        })
    };
    let mut queues = lines(text).filter_map(parse_line).collect();
    keep_first(&mut queues, |queue| queue.core);
    queues
}

/// How crowded one processor was.
#[derive(Clone, Debug, PartialEq)]
pub struct RunQueueFrame {
    /// The kernel's number of the processor.
    pub core: u32,
    /// Tasks that waited for it, on average over the interval; 0 where
    /// everybody ran at once.
    pub waiting_tasks: f64,
    /// How long a task waited before it got it, on average, milliseconds;
    /// `None` where none got it.
    pub wait_msec: Option<f64>,
}

/// The run queues of processors that were online at both ends, by number.
pub(crate) fn derive_run_queues(
    previous: &[RunQueueSample],
    next: &[RunQueueSample],
    interval: Interval,
) -> Vec<RunQueueFrame> {
    let mut known: Vec<&RunQueueSample> = previous.iter().collect();
    known.sort_by_key(|queue| queue.core);
    let derive_one = |queue: &RunQueueSample| {
        let before = known.binary_search_by_key(&queue.core, |before| before.core);
        let (before, after) = (known.get(before.ok()?)?.counts, queue.counts);
        let waited = interval.per_second(before.waiting_nsec, after.waiting_nsec)?;
        let got = interval.per_second(before.timeslices, after.timeslices)?;
        Some(RunQueueFrame {
            core: queue.core,
            waiting_tasks: waited / 1e9,
            wait_msec: (got > 0.0).then(|| waited / 1e6 / got),
        })
    };
    let mut frames: Vec<_> = next.iter().filter_map(derive_one).collect();
    frames.sort_by_key(|frame| frame.core);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"version 15\ntimestamp 4300000000\n\
        cpu0 1 0 2 3 4 5 2000000000 1000000000 50\n\
        domain0 3 1 2 3 4 5 6 7 8\n\
        cpu1 1 0 2 3 4 5 7 x 9\n\
        cpu2 1 0 2 3 4 5 7 8\n\
        cpux 1 0 2 3 4 5 7 8 9\n\
        cpu3 1 0 2 3 4 5 7 8 9";

    fn counts(text: &[u8]) -> Vec<(u32, [Option<u64>; 3])> {
        let rows = parse_schedstat(text).into_iter();
        rows.map(|row| {
            let counts = row.counts;
            (
                row.core,
                [counts.running_nsec, counts.waiting_nsec, counts.timeslices],
            )
        })
        .collect()
    }

    #[test]
    fn whole_lines_are_read() {
        assert_eq!(
            counts(TEXT),
            [
                (0, [Some(2_000_000_000), Some(1_000_000_000), Some(50)]),
                (1, [Some(7), None, None])
            ]
        );
        assert_eq!(counts(b""), []);
    }

    #[test]
    fn waiting_is_told_by_core() {
        let before = parse_schedstat(TEXT);
        let interval = Interval { usec: 2_000_000 };
        let after = |text| derive_run_queues(&before, &parse_schedstat(text), interval);
        assert_eq!(
            after(b"cpu1 1 0 2 3 4 5 7 9 9\ncpu0 1 0 2 3 4 5 3000000000 4000000000 350\n"),
            [RunQueueFrame {
                core: 0,
                waiting_tasks: 1.5,
                wait_msec: Some(10.0)
            }]
        );
        let anew = after(b"cpu0 1 0 2 3 4 5 3 4 5\n");
        assert_eq!(anew, []);
    }
}

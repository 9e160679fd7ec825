//! What changes slowly or takes its time, such as sensors behind a slow bus:
//! read by a thread of its own, so that no sample waits for it.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lfs_wrapper_model::metric::Point;

use crate::cadence::read_monotonic_usec;
use crate::roots::Roots;
use crate::source::{Absent, Source};

/// Time between two readings.
const INTERVAL: Duration = Duration::from_secs(10);

/// What was not read anew for so long is not shown any more.
const STALE_AFTER_USEC: u64 = 60_000_000;

/// Reads everything that is slow.
pub(crate) type ReadAll = Box<dyn FnMut(&mut Source, &Roots, &mut Vec<Point>) + Send>;

/// What was read, and when.
#[derive(Clone, Debug, Default)]
struct Reading {
    monotonic_usec: u64,
    points: Arc<[Point]>,
    absent: Vec<Absent>,
}

/// The slow subjects of one machine: read by a thread, or at once by whoever
/// asks.
pub(crate) struct SlowReader {
    roots: Roots,
    newest: Arc<Mutex<Reading>>,
    readers: Readers,
}

enum Readers {
    /// Whoever asks reads.
    Inline(ReadAll),
    /// A thread reads, which ends when this goes.
    Worker(#[expect(dead_code, reason = "it only has to be there")] Sender<()>),
}

impl fmt::Debug for SlowReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SlowReader").finish_non_exhaustive()
    }
}

impl SlowReader {
    pub(crate) fn new(roots: Roots, read_all: ReadAll) -> Self {
        Self {
            roots,
            newest: Arc::default(),
            readers: Readers::Inline(read_all),
        }
    }

    /// From now on a thread reads.
    pub(crate) fn spawn(&mut self) -> io::Result<()> {
        let (alive, ended) = mpsc::channel::<()>();
        let readers = std::mem::replace(&mut self.readers, Readers::Worker(alive));
        let Readers::Inline(mut read_all) = readers else {
            return Ok(());
        };
        let roots = self.roots.clone();
        let newest = Arc::clone(&self.newest);
        let work = move || {
            let mut source = Source::default();
            loop {
                let reading = read(&mut source, &roots, &mut read_all);
                *newest.lock().unwrap_or_else(PoisonError::into_inner) = reading;
                if ended.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        thread::Builder::new().name("slow".to_owned()).spawn(work)?;
        Ok(())
    }

    /// What was read last, and what could not be.
    pub(crate) fn points(&mut self, source: &mut Source) -> Arc<[Point]> {
        if let Readers::Inline(read_all) = &mut self.readers {
            let reading = read(source, &self.roots, read_all);
            source.extend_absent(reading.absent);
            return reading.points;
        }
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = newest.clone();
        drop(newest);
        let age_usec = read_monotonic_usec().saturating_sub(reading.monotonic_usec);
        if age_usec > STALE_AFTER_USEC && reading.monotonic_usec > 0 {
            let seconds = age_usec / 1_000_000;
            let why = format!("reading sensors and the like has not ended for {seconds} s");
            source.note("slow", &self.roots.sysfs, why);
            return Arc::default();
        }
        source.extend_absent(reading.absent);
        reading.points
    }
}

fn read(source: &mut Source, roots: &Roots, read_all: &mut ReadAll) -> Reading {
    // Notes of the sample that is being read meanwhile stay where they are.
    let others = source.take_absent();
    let mut points = Vec::new();
    read_all(source, roots, &mut points);
    let absent = source.take_absent();
    source.extend_absent(others);
    Reading {
        monotonic_usec: read_monotonic_usec(),
        points: points.into(),
        absent,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use lfs_wrapper_model::metric::{Metric, MetricKind};

    use super::*;

    static READS: AtomicU32 = AtomicU32::new(0);
    static METRIC: Metric = Metric {
        name: "node_hwmon_temp_celsius",
        kind: MetricKind::Gauge,
        help: "",
    };

    fn read_one(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
        READS.fetch_add(1, Ordering::SeqCst);
        points.push(Point::plain(&METRIC, 42.0));
        source.note("slow", &roots.sysfs, "half of it");
    }

    #[test]
    fn one_look_reads_at_once_and_a_thread_reads_ahead() {
        let mut slow = SlowReader::new(Roots::default(), Box::new(read_one));
        let mut source = Source::default();
        source.note("cpu", "stat".as_ref(), "before");
        assert_eq!(slow.points(&mut source).len(), 1);
        let absent = source.take_absent();
        let absent: Vec<&str> = absent.iter().map(|absent| absent.what).collect();
        assert_eq!(absent, ["cpu", "slow"]);

        slow.spawn().unwrap();
        while slow.points(&mut source).is_empty() {
            thread::yield_now();
        }
        let reads = READS.load(Ordering::SeqCst);
        assert_eq!(slow.points(&mut source).len(), 1);
        assert_eq!(READS.load(Ordering::SeqCst), reads, "a look reads nothing");
    }
}

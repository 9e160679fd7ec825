//! What the monitor knows of the machine's processes: who lives, who ended, to
//! which step they belong, and what they use.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lfs_wrapper_kernel::exits::Followed;
use lfs_wrapper_kernel::{ProcessRow, Sample, derive_roots};
use lfs_wrapper_model::metric::Point;

use crate::census::{Census, Ended, Group, Use};
use crate::exits::Exits;
use crate::leaks::Leaks;

/// Attempts whose steps are remembered: the last processes of one are heard a
/// moment after its end.
const ATTEMPTS_MAX: usize = 256;

/// After so many samples without processes, those of before are not shown any
/// more.
const UNREAD_MAX: u32 = 6;

/// An attempt that runs.
pub(crate) struct Running<'a> {
    pub(crate) attempt: i64,
    pub(crate) keeper: u32,
    pub(crate) step: &'a str,
}

#[derive(Debug, Default)]
pub(crate) struct Population {
    census: Census,
    leaks: Leaks,
    /// The steps of the attempts that run, by the pids of their keepers.
    keepers: HashMap<u32, Arc<str>>,
    steps: BTreeMap<i64, Arc<str>>,
    exits: Arc<Exits>,
    points: Arc<[Point]>,
    /// Samples since processes were read.
    unread: u32,
    /// What ended before the last sample that read processes.
    ended: Vec<Followed<i64>>,
}

impl Population {
    pub(crate) fn new(exits: Arc<Exits>) -> Self {
        Self {
            exits,
            ..Self::default()
        }
    }

    /// The processes that ended since they were asked for, and the attempt each
    /// belonged to.
    pub(crate) fn take_ended(&mut self) -> Vec<Followed<i64>> {
        std::mem::take(&mut self.ended)
    }

    /// Groups that were given up for want of room.
    pub(crate) fn forgotten(&self) -> u64 {
        self.census.forgotten
    }

    /// Takes in which attempts run now.
    pub(crate) fn set_running(&mut self, running: &[Running<'_>]) {
        self.keepers.clear();
        let by_keeper = running.iter().map(|one| (one.keeper, one.attempt));
        self.exits.set_running(by_keeper.collect());
        for &Running {
            attempt,
            keeper,
            step,
        } in running
        {
            let step = match self.steps.get(&attempt) {
                Some(step) => Arc::clone(step),
                None => {
                    let step: Arc<str> = Arc::from(step);
                    self.steps.insert(attempt, Arc::clone(&step));
                    step
                }
            };
            self.keepers.insert(keeper, step);
        }
        while self.steps.len() > ATTEMPTS_MAX {
            self.steps.pop_first();
        }
    }

    /// Takes in a sample with its processes, where they were read.
    pub(crate) fn step(&mut self, sample: &Sample, rows: Option<&[ProcessRow]>) {
        self.leaks.step_steps(sample.monotonic_usec, &sample.steps);
        let Some(rows) = rows else {
            self.unread += 1;
            if self.unread > UNREAD_MAX {
                // What was true then is not shown as what is true now.
                self.points = Arc::default();
            }
            return;
        };
        self.unread = 0;
        let roots = derive_roots(rows.iter().map(ProcessRow::kin), &self.keepers);
        let none: Arc<str> = Arc::from("");
        let step_of = |row: &ProcessRow| Arc::clone(roots.get(&row.identity.pid).unwrap_or(&&none));
        let steps: Vec<Arc<str>> = rows.iter().map(step_of).collect();
        let ended = self.exits.take();
        let is_told = ended.is_some();
        self.ended = ended.unwrap_or_default();
        let ended = self.ended.iter().map(|followed| self.to_ended(followed));
        let ended: Vec<Ended> = ended.collect();
        self.census.step(rows, &steps, &ended);
        self.leaks
            .step_processes(sample.monotonic_usec, rows, &steps);
        let mut points = self.census.points(is_told);
        points.extend(self.leaks.points());
        self.points = points.into();
    }

    fn to_ended(&self, followed: &Followed<i64>) -> Ended {
        let exit = &followed.exit;
        // The keeper is ours.
        let tag = followed.tag.filter(|_| !followed.is_root);
        let step = tag.and_then(|attempt| self.steps.get(&attempt));
        let usage = &exit.usage;
        let cpu_usec = usage.user_usec.unwrap_or(0) + usage.system_usec.unwrap_or(0);
        let io = usage.read_bytes.zip(usage.write_bytes);
        Ended {
            pid: exit.pid,
            group: Group {
                step: step.map_or_else(|| Arc::from(""), Arc::clone),
                comm: String::from_utf8_lossy(exit.comm.as_bytes()).into(),
            },
            used: Use {
                cpu_usec,
                io_bytes: io,
                minor_faults: usage.minor_faults.unwrap_or(0),
                major_faults: usage.major_faults.unwrap_or(0),
            },
        }
    }

    /// The series of processes, as of the last sample that read them.
    pub(crate) fn points(&self) -> Arc<[Point]> {
        Arc::clone(&self.points)
    }
}

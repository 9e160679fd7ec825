//! What goes into the history besides series: the process table over time, the
//! processes that ended, and what happened.

mod builds;
mod ended;
mod table;

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use lfs_wrapper_alert::store::Alert;
use lfs_wrapper_build::record::Run;
use lfs_wrapper_history::Beside;
use lfs_wrapper_history::moments::{
    Damaged, EventKind, ExitCounts, ExitRecorder, MomentEvent, ProcessCounts, ProcessRecorder,
    append_event,
};
use lfs_wrapper_kernel::ProcessRow;
use lfs_wrapper_kernel::exits::Followed;
use lfs_wrapper_model::{Severity, TimeMsec, now_msec, visible};
use rusqlite::{Connection, Transaction};
use tracing::warn;

use self::builds::Builds;
use self::table::Table;

/// Events that may wait to be written; beyond that they are counted only.
const EVENTS_WAITING_MAX: usize = 10_000;

/// How much the wall clock may part from the monotonic one between two samples
/// before it was set.
const CLOCK_STEP_MSEC: i64 = 500;

/// Takes in what the monitor sees, and writes it down every few seconds.
#[derive(Debug)]
pub(crate) struct MomentsRecorder {
    table: Table,
    builds: Builds,
    processes: ProcessRecorder,
    exits: ExitRecorder,
    events: Vec<MomentEvent>,
    /// How many of them were written with the transaction that is under way.
    written_events: usize,
    /// What could not be read when that was sealed: told when it is done.
    damaged: Vec<Damaged>,
    damaged_count: u64,
    lost_events: u64,
    /// The wall clock less the monotonic one, at the sample before.
    clock_msec: Option<i64>,
}

/// What was kept and what was not, since the monitor began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MomentsCounts {
    /// Of the process table.
    pub(crate) processes: ProcessCounts,
    /// Of the processes that ended.
    pub(crate) exits: ExitCounts,
    /// Events that could not be written.
    pub(crate) lost_events: u64,
    /// Rows of processes and of exits that could not be read when they were sealed.
    pub(crate) damaged: u64,
}

impl MomentsRecorder {
    /// Goes on with what the file has, which has the tables.
    pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            table: Table::default(),
            builds: Builds::default(),
            processes: ProcessRecorder::open(connection)?,
            exits: ExitRecorder::default(),
            events: Vec::new(),
            written_events: 0,
            damaged: Vec::new(),
            damaged_count: 0,
            lost_events: 0,
            clock_msec: None,
        })
    }

    /// Takes in the clocks of a sample.
    pub(crate) fn take_clock(&mut self, time_msec: TimeMsec, monotonic_usec: u64) {
        let monotonic_msec = i64::try_from(monotonic_usec / 1000).unwrap_or(i64::MAX);
        let clock_msec = time_msec.saturating_sub(monotonic_msec);
        let Some(before) = self.clock_msec.replace(clock_msec) else {
            return;
        };
        let step_msec = clock_msec.saturating_sub(before);
        if step_msec.abs() < CLOCK_STEP_MSEC {
            return;
        }
        let seconds = step_msec as f64 / 1000.0;
        self.take_event(MomentEvent {
            time_msec,
            kind: EventKind::ClockStepped,
            severity: Severity::Warning,
            run: None,
            step: None,
            subject: "clock".to_owned(),
            text: format!("the wall clock moved by {seconds:+.1} s, or the machine slept"),
        });
    }

    /// Takes in the processes of a sample.
    pub(crate) fn take_processes(&mut self, time_msec: TimeMsec, rows: &[ProcessRow]) {
        let frame = self.table.frame(time_msec, rows, self.builds.keepers());
        self.processes.append(frame);
    }

    /// Takes in the processes that ended since the call before, with the attempt
    /// each belonged to.
    pub(crate) fn take_exits(&mut self, now_msec: TimeMsec, ended: &[Followed<i64>]) {
        for followed in ended {
            // The keeper is ours.
            let attempt = followed.tag.filter(|_| !followed.is_root);
            let step = attempt.and_then(|attempt| self.builds.step(attempt));
            let record = ended::to_record(&followed.exit, step, now_msec);
            self.exits.append(record);
        }
    }

    /// Takes in how the newest runs stand; to be called whenever they changed.
    pub(crate) fn take_runs(&mut self, runs: &[Run]) {
        let mut events = Vec::new();
        self.builds.take(runs, &mut events);
        for event in events {
            self.take_event(event);
        }
    }

    /// Takes in an alert as it stands after a change.
    pub(crate) fn take_alert(&mut self, alert: &Alert) {
        let labels = alert.labels.iter();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={}", visible(value)))
            .collect();
        self.take_event(MomentEvent {
            time_msec: alert.changed_msec,
            kind: EventKind::Alert,
            severity: alert.severity.parse().unwrap_or(Severity::Warning),
            run: None,
            step: alert.labels.get("step").cloned(),
            subject: format!("{} {}", alert.rule, labels.join(" ")),
            text: format!("{}: {}", alert.state, alert.message),
        });
    }

    /// Takes in anything else that happened.
    pub(crate) fn take_event(&mut self, event: MomentEvent) {
        if self.events.len() < EVENTS_WAITING_MAX {
            self.events.push(event);
        } else {
            self.lost_events += 1;
        }
    }

    /// Takes in what the monitor did, or what it lost.
    pub(crate) fn note(&mut self, kind: EventKind, text: &str) {
        let severity = match kind {
            EventKind::Lost => Severity::Warning,
            _ => Severity::Info,
        };
        self.take_event(MomentEvent {
            time_msec: now_msec(),
            kind,
            severity,
            run: None,
            step: None,
            subject: "monitor".to_owned(),
            text: text.to_owned(),
        });
    }

    /// Writes down what was taken in. When the transaction is committed,
    /// [`Self::committed`] must be called; when it is not, the next call writes
    /// the same again.
    pub(crate) fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.written_events = 0;
        self.damaged = self.processes.write(transaction)?.damaged;
        self.damaged.extend(self.exits.write(transaction)?);
        for event in &self.events {
            append_event(transaction, event)?;
        }
        self.written_events = self.events.len();
        Ok(())
    }

    /// What was written is on disk.
    pub(crate) fn committed(&mut self) {
        self.processes.committed();
        self.exits.committed();
        self.events.drain(..mem::take(&mut self.written_events));
        // Only now are the rows gone, and each is told once.
        for damaged in mem::take(&mut self.damaged) {
            warn!("the history: {damaged}");
            self.damaged_count += 1;
            self.note(EventKind::Lost, &damaged.to_string());
        }
    }

    /// What was kept and what was not.
    pub(crate) const fn counts(&self) -> MomentsCounts {
        MomentsCounts {
            processes: self.processes.counts(),
            exits: self.exits.counts(),
            lost_events: self.lost_events,
            damaged: self.damaged_count,
        }
    }
}

/// What waits while the recorder is writing.
type Work = Box<dyn FnOnce(&mut MomentsRecorder) + Send>;

/// What may wait before the one who tells waits as well: more than a minute's.
const WORK_MAX: usize = 256;

/// The recorder, for the one who tells it what happens: a disk that is slow
/// keeps nobody waiting.
pub(crate) struct Moments {
    recorder: Arc<Mutex<MomentsRecorder>>,
    waiting: VecDeque<Work>,
}

impl Moments {
    pub(crate) fn new(recorder: &Arc<Mutex<MomentsRecorder>>) -> Self {
        Self {
            recorder: Arc::clone(recorder),
            waiting: VecDeque::new(),
        }
    }

    /// Has the recorder do this, now or as soon as it is free; what it counts,
    /// where it was.
    pub(crate) fn tell(
        &mut self,
        work: impl FnOnce(&mut MomentsRecorder) + Send + 'static,
    ) -> Option<MomentsCounts> {
        self.waiting.push_back(Box::new(work));
        let mut recorder = match self.recorder.try_lock() {
            Ok(recorder) => recorder,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if self.waiting.len() < WORK_MAX => return None,
            Err(TryLockError::WouldBlock) => {
                self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        for work in self.waiting.drain(..) {
            work(&mut recorder);
        }
        Some(recorder.counts())
    }
}

impl Beside for MomentsRecorder {
    fn write(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        Self::write(self, transaction)
    }

    fn committed(&mut self) {
        Self::committed(self);
    }
}

#[cfg(test)]
mod tests;

//! From records of threads and events to processes, each given out once. Pure:
//! what comes in are records, events, ends of rounds and the time.
//!
//! A thread's record is sent before its event of ending. A round reads all
//! records, then all events, so an event's record is read in the same round or
//! the next; if it is not there by the end of that, it was lost.

use std::collections::HashMap;

use crate::exits::connector::ProcEvent;
use crate::exits::process_exit::{Completeness, ProcessExit};
use crate::exits::task_exit::{TaskExit, WaitStatus};

/// Processes that have ended in part. Those that live on without some of their
/// threads are the most of them.
pub(crate) const PROCESSES_MAX: usize = 4096;

/// Processes with more than one thread whose threads are counted, and threads
/// whose process is not known yet.
const COUNTED_MAX: usize = 16_384;

/// What a process that seems complete waits for records that were sent late,
/// or for an event, where nothing else says that none will come.
const GRACE_MSEC: u64 = 100;

/// How long it is remembered that a process was given out, for the same reason.
const GIVEN_MAX_MSEC: u64 = 5_000;

/// What the kernel tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telling {
    /// Records of threads.
    pub(crate) records: bool,
    /// Each record names its process.
    pub(crate) names: bool,
    /// Events.
    pub(crate) events: bool,
}

/// A process of which something ended.
#[derive(Debug)]
struct Group {
    exit: ProcessExit,
    /// More threads than one are known of.
    is_threaded: bool,
    /// All its records seem to be here, and since when.
    complete_msec: Option<u64>,
    /// The first thread's event of ending came, others are counted as living.
    leader_ended: bool,
    /// In which round the events said that all threads have ended.
    ended_round: Option<u64>,
    /// Its first thread's record said that others live, who are not counted.
    is_end_doubtful: bool,
    begun_round: u64,
    /// The thread that named the process, being its last.
    last_pid: Option<u32>,
    touched: u64,
}

/// The halves of what has to meet where records do not name their process.
#[derive(Debug)]
enum Half {
    Record(Box<TaskExit>),
    Ended { tgid: u32 },
}

/// Processes in the making.
#[derive(Debug)]
pub(crate) struct Aggregate {
    telling: Telling,
    groups: HashMap<u32, Group>,
    /// Groups that the end of a round has to look at.
    pending: Vec<u32>,
    /// When, and in which round, processes were given out that may be heard of
    /// again.
    given: HashMap<u32, (u64, u64)>,
    /// Living threads besides the first, of processes that had such.
    threads: HashMap<u32, u32>,
    halves: HashMap<u32, (Half, u64)>,
    round: u64,
    touched: u64,
    now_msec: u64,
    /// Processes given out without all of their records.
    pub(crate) partial: u64,
    /// Records that came after their process had been given out.
    pub(crate) late_records: u64,
    /// Whole or in part, ready to be taken.
    pub(crate) ready: Vec<ProcessExit>,
}

impl Aggregate {
    pub(crate) fn new(telling: Telling) -> Self {
        Self {
            telling,
            groups: HashMap::new(),
            pending: Vec::new(),
            given: HashMap::new(),
            threads: HashMap::new(),
            halves: HashMap::new(),
            round: 0,
            touched: 0,
            now_msec: 0,
            partial: 0,
            late_records: 0,
            ready: Vec::new(),
        }
    }

    /// A round begins, or goes on if it was not ended; `now_msec` is monotonic.
    pub(crate) fn begin_round(&mut self, now_msec: u64) {
        self.now_msec = now_msec;
    }

    /// A thread's record.
    pub(crate) fn on_record(&mut self, task: &TaskExit) {
        if let Some(tgid) = task.tgid {
            self.add(tgid, task);
        } else if !self.telling.events {
            let mut exit = ProcessExit::unknown(task.pid);
            exit.add(task);
            exit.completeness = Completeness::Unknown;
            self.ready.push(exit);
        } else if let Some((Half::Ended { tgid }, _)) = self.halves.remove(&task.pid) {
            self.add(tgid, task);
        } else {
            self.keep_half(task.pid, Half::Record(Box::new(*task)));
        }
    }

    /// An event, in the order in which they came.
    pub(crate) fn on_event(&mut self, event: &ProcEvent) {
        match *event {
            ProcEvent::Fork {
                child_pid,
                child_tgid,
                ..
            } if child_pid == child_tgid => self.begin_life(child_tgid),
            ProcEvent::Fork { child_tgid, .. } => {
                if self.threads.len() < COUNTED_MAX || self.threads.contains_key(&child_tgid) {
                    let count = self.threads.entry(child_tgid).or_default();
                    *count = count.saturating_add(1);
                }
            }
            ProcEvent::Exec { tgid, .. } => self.begin_program(tgid),
            ProcEvent::Exit {
                pid,
                tgid,
                status,
                parent_tgid,
            } => self.on_end(pid, tgid, status, parent_tgid),
            ProcEvent::Uid { .. } | ProcEvent::Answer { .. } | ProcEvent::Other => {}
        }
    }

    /// Some events are missing: what was counted by them is wrong.
    pub(crate) fn on_events_lost(&mut self) {
        self.threads.clear();
    }

    /// All records, then all events, of this round were read.
    pub(crate) fn end_round(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for tgid in pending {
            match self.groups.get(&tgid).map(|group| self.is_due(group)) {
                Some(true) => self.give(tgid),
                Some(false) => self.pending.push(tgid),
                None => {}
            }
        }
        let now_msec = self.now_msec;
        let is_young = |since: u64| now_msec.saturating_sub(since) <= GIVEN_MAX_MSEC;
        self.given.retain(|_, (since, _)| is_young(*since));
        self.give_halves();
        self.round += 1;
    }

    fn is_due(&self, group: &Group) -> bool {
        let all_read = group.ended_round.is_some_and(|round| round < self.round);
        match group.complete_msec {
            // Threads that are not counted may still be on their way.
            Some(_) if all_read && !group.is_end_doubtful => true,
            Some(since) => self.now_msec.saturating_sub(since) >= GRACE_MSEC,
            None => all_read && !group.is_end_doubtful,
        }
    }

    fn group(&mut self, tgid: u32) -> &mut Group {
        if self.groups.len() >= PROCESSES_MAX && !self.groups.contains_key(&tgid) {
            let oldest = self.groups.iter().min_by_key(|(_, group)| group.touched);
            if let Some(oldest) = oldest.map(|(tgid, _)| *tgid) {
                self.give(oldest);
            }
        }
        self.touched += 1;
        let begun_round = self.round;
        let group = self.groups.entry(tgid).or_insert_with(|| Group {
            exit: ProcessExit::unknown(tgid),
            is_threaded: false,
            complete_msec: None,
            leader_ended: false,
            ended_round: None,
            is_end_doubtful: false,
            begun_round,
            last_pid: None,
            touched: 0,
        });
        group.touched = self.touched;
        group
    }

    fn add(&mut self, tgid: u32, task: &TaskExit) {
        if self.given.contains_key(&tgid) {
            self.late_records += 1;
            return;
        }
        let names = self.telling.names;
        let events = self.telling.events;
        let now_msec = self.now_msec;
        let is_counted = self.threads.contains_key(&tgid);
        let group = self.group(tgid);
        group.is_threaded |=
            task.pid != tgid || task.had_siblings || is_counted || group.exit.threads > 0;
        group.exit.add(task);
        let is_last = match task.is_last {
            Some(is_last) => is_last,
            None => !names && task.pid == tgid && !group.is_threaded,
        };
        group.is_end_doubtful |= !is_last && names && task.pid == tgid && !is_counted;
        if !is_last {
            return;
        }
        group.complete_msec = Some(now_msec);
        group.last_pid = Some(task.pid);
        let is_alone = !group.is_threaded;
        if is_alone && (!events || group.ended_round.is_some()) {
            self.give(tgid);
        } else {
            self.pending.push(tgid);
        }
    }

    /// A pid is used for a new process: whatever it was before is over. But
    /// records are read before events, so what was heard of the pid in this
    /// round is of the new process, unless that one's end was told too.
    fn begin_life(&mut self, tgid: u32) {
        self.threads.remove(&tgid);
        let round = self.round;
        let is_former = |group: &Group| {
            group.begun_round < round || group.ended_round.is_some() || group.leader_ended
        };
        if self.groups.get(&tgid).is_some_and(is_former) {
            self.give(tgid);
            self.given.remove(&tgid);
        } else if self
            .given
            .get(&tgid)
            .is_some_and(|(_, given)| *given < round)
        {
            self.given.remove(&tgid);
        }
    }

    /// An exec ends all threads but one, which becomes the first: what was said
    /// of the first one's end is not true of the process.
    fn begin_program(&mut self, tgid: u32) {
        self.threads.remove(&tgid);
        if let Some(group) = self.groups.get_mut(&tgid) {
            group.leader_ended = false;
            group.ended_round = None;
            group.is_end_doubtful = false;
        }
    }

    fn on_end(&mut self, pid: u32, tgid: u32, status: WaitStatus, parent_tgid: Option<u32>) {
        self.meet_half(pid, tgid);
        let living = self.threads.get_mut(&tgid);
        if pid != tgid {
            let Some(living) = living else { return };
            *living = living.saturating_sub(1);
            let is_over = *living == 0;
            if is_over
                && self
                    .groups
                    .get(&tgid)
                    .is_some_and(|group| group.leader_ended)
            {
                self.end(tgid);
            }
            return;
        }
        let others_live = living.is_some_and(|living| *living > 0);
        if self.given.remove(&tgid).is_some() {
            self.threads.remove(&tgid);
            return;
        }
        let group = self.group(tgid);
        group.exit.status = group.exit.status.or(Some(status));
        group.exit.parent_pid = group.exit.parent_pid.or(parent_tgid);
        if others_live {
            group.leader_ended = true;
        } else {
            self.end(tgid);
        }
    }

    /// All threads of a process have ended, as far as events tell.
    fn end(&mut self, tgid: u32) {
        if self.threads.remove(&tgid).is_some()
            && let Some(group) = self.groups.get_mut(&tgid)
        {
            group.is_threaded = true;
            group.is_end_doubtful = false;
        }
        let (round, records) = (self.round, self.telling.records);
        let Some(group) = self.groups.get_mut(&tgid) else {
            return;
        };
        group.ended_round = Some(round);
        let is_complete = group.complete_msec.is_some() && !group.is_threaded;
        if is_complete || !records {
            self.give(tgid);
        } else {
            self.pending.push(tgid);
        }
    }

    fn give(&mut self, tgid: u32) {
        let Some(mut group) = self.groups.remove(&tgid) else {
            return;
        };
        if group.complete_msec.is_some() {
            group.exit.completeness = Completeness::Whole;
        } else if self.telling.records {
            self.partial += 1;
        }
        let is_settled = !group.is_threaded && group.ended_round.is_some();
        let needs_no_memory = is_settled || (!group.is_threaded && !self.telling.events);
        if !needs_no_memory {
            self.given.insert(tgid, (self.now_msec, self.round));
        }
        self.ready.push(group.exit);
    }

    fn keep_half(&mut self, pid: u32, half: Half) {
        if self.halves.len() < COUNTED_MAX {
            self.halves.insert(pid, (half, self.now_msec));
        } else if let Half::Record(task) = half {
            self.add(pid, &task);
        }
    }

    fn meet_half(&mut self, pid: u32, tgid: u32) {
        if !self.telling.records || self.telling.names {
            return;
        }
        match self.halves.remove(&pid) {
            Some((Half::Record(task), _)) => self.add(tgid, &task),
            // The last of several threads named its process, and was taken.
            _ if self
                .groups
                .get(&tgid)
                .is_some_and(|group| group.last_pid == Some(pid)) => {}
            _ => self.keep_half(pid, Half::Ended { tgid }),
        }
    }

    /// Halves whose other half was lost.
    fn give_halves(&mut self) {
        let now_msec = self.now_msec;
        let is_lost = |(_, since): &(Half, u64)| now_msec.saturating_sub(*since) > GRACE_MSEC;
        let lost: Vec<u32> = self
            .halves
            .iter()
            .filter_map(|(pid, half)| is_lost(half).then_some(*pid))
            .collect();
        for pid in lost {
            if let Some((Half::Record(task), _)) = self.halves.remove(&pid) {
                self.add(pid, &task);
            }
        }
    }
}

//! A process that ended: the sums over the records of its threads.

use crate::exits::task_exit::{Comm, TaskExit, Usage, WaitStatus};

/// Whether the sums of a [`ProcessExit`] hold all of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// All of them.
    Whole,
    /// Some or all records are missing: lost, or the kernel gives none. Sums
    /// are too small, or `None`.
    Partial,
    /// The kernel does not tell threads from processes (before Linux 5.19,
    /// without the process connector): this may be a thread only.
    Unknown,
}

/// A process that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    /// Its pid, the tgid of its threads.
    pub pid: u32,
    /// Whose child it was when it ended: init's or a subreaper's if its own
    /// parent had ended before.
    pub parent_pid: Option<u32>,
    /// Real user at the end.
    pub uid: Option<u32>,
    /// Real group at the end.
    pub gid: Option<u32>,
    /// Name of its first thread at the end.
    pub comm: Comm,
    /// How it ended.
    pub status: Option<WaitStatus>,
    /// When it began, seconds since 1970.
    pub begin_sec: Option<u64>,
    /// How long it lived.
    pub elapsed_usec: Option<u64>,
    /// What all its threads used; all `None` where no record came.
    pub usage: Usage,
    /// Records that were summed: threads, and one more for each program that
    /// was started by another thread than the first.
    pub threads: u32,
    /// Whether those were all.
    pub completeness: Completeness,
    /// That a record of the first thread is in it.
    knows_leader: bool,
    /// That the record of its last thread is in it.
    knows_last: bool,
}

impl ProcessExit {
    /// A process of which nothing is known yet.
    pub(crate) fn unknown(pid: u32) -> Self {
        Self {
            pid,
            parent_pid: None,
            uid: None,
            gid: None,
            comm: Comm::default(),
            status: None,
            begin_sec: None,
            elapsed_usec: None,
            usage: Usage::default(),
            threads: 0,
            completeness: Completeness::Partial,
            knows_leader: false,
            knows_last: false,
        }
    }

    /// Adds a thread of this process.
    pub(crate) fn add(&mut self, task: &TaskExit) {
        let is_leader = task.pid == self.pid;
        let is_last = task.is_last == Some(true);
        if is_leader || !self.knows_leader {
            // The newest record of the first thread: after an exec by another
            // thread, that one is the first.
            self.comm = task.comm;
            self.uid = Some(task.uid);
            self.gid = Some(task.gid);
            self.begin_sec = task.begin_sec;
        }
        if is_last || (is_leader && !self.knows_last) {
            self.parent_pid = task.parent_pid.or(self.parent_pid);
        }
        // The last thread's status is the process's; kernels that do not name
        // processes give it to the first thread only.
        let status_is_known = task.group_elapsed_usec.is_some() || is_leader;
        if status_is_known && (is_last || (is_leader && !self.knows_last)) {
            self.status = Some(task.status);
        }
        let elapsed_usec = task.group_elapsed_usec.unwrap_or(task.elapsed_usec);
        self.elapsed_usec = self.elapsed_usec.max(Some(elapsed_usec));
        self.usage = if self.threads == 0 {
            task.usage
        } else {
            self.usage.derive_joined(&task.usage)
        };
        self.threads = self.threads.saturating_add(1);
        self.knows_leader |= is_leader;
        self.knows_last |= is_last;
    }
}

//! Every process that ends, with the root it descends from.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::cadence::read_monotonic_usec;
use crate::exits::lineage::Lineage;
use crate::exits::process_exit::ProcessExit;
use crate::exits::refusal::ExitsError;
use crate::exits::stream::{ExitEvent, ExitStream, Losses, Sources};
use crate::process::{read_descendants, read_parent};
use crate::roots::Roots;

/// Processes that changed their user and live; what is beyond is not counted.
const USERS_CHANGED_MAX: usize = 4096;

/// Events for which room is kept from one call to the next.
const EVENTS_KEPT: usize = 1024;

/// How long parents are asked after events were lost. What one of them leads
/// to is remembered, so that this is soon needed no more.
const UNSURE_MSEC: u64 = 60_000;

/// A process that ended.
#[derive(Clone, Copy, Debug)]
pub struct Followed<T> {
    /// What it was and used.
    pub exit: ProcessExit,
    /// The tag of the root it descends from, or is.
    pub tag: Option<T>,
    /// It is that root itself.
    pub is_root: bool,
    /// How often it changed its user.
    pub uid_changes: u32,
}

/// An [`ExitStream`] and the [`Lineage`] that goes with it.
#[derive(Debug)]
pub struct Follower<T> {
    procfs: PathBuf,
    stream: ExitStream,
    lineage: Lineage<T>,
    uid_changes: HashMap<u32, u32>,
    events: Vec<ExitEvent>,
    /// Until then, parents are asked where no event of starting led to a root.
    unsure_until_msec: u64,
}

impl<T: Copy> Follower<T> {
    /// Follows from now on.
    pub fn open(roots: &Roots) -> Result<Self, ExitsError> {
        Ok(Self {
            procfs: roots.procfs.clone(),
            stream: ExitStream::open(roots)?,
            lineage: Lineage::default(),
            uid_changes: HashMap::new(),
            events: Vec::new(),
            unsure_until_msec: 0,
        })
    }

    /// What there is to read from.
    pub fn sources(&self) -> &Sources {
        self.stream.sources()
    }

    /// What was lost since this was opened.
    pub fn losses(&self) -> Losses {
        let stream = self.stream.losses();
        Losses {
            forgotten_processes: self.lineage.evicted(),
            ..stream
        }
    }

    /// Gives a process a tag, for itself and all that it starts from now on.
    pub fn register(&mut self, pid: u32, tag: T) {
        self.lineage.register_root(pid, tag);
    }

    /// Gives a process and all that descend from it by now a tag.
    pub fn adopt(&mut self, pid: u32, tag: T) {
        self.register(pid, tag);
        for descendant in read_descendants(&self.procfs, pid) {
            self.lineage.register_descendant(descendant, tag);
        }
    }

    /// Hands over all processes that ended since the last call.
    pub fn drain(&mut self, mut take: impl FnMut(Followed<T>)) -> Result<(), ExitsError> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let read = self.stream.poll(Duration::ZERO, &mut events);
        let now_msec = read_monotonic_usec() / 1000;
        if self.stream.sources().events.is_err() {
            self.unsure_until_msec = u64::MAX;
        }
        for event in &events {
            match *event {
                ExitEvent::Fork {
                    parent_tgid,
                    child_tgid,
                } => {
                    // Its number may have been that of one whose end was lost.
                    self.uid_changes.remove(&child_tgid);
                    self.lineage.on_fork(parent_tgid, child_tgid);
                }
                ExitEvent::Uid { tgid, .. } => self.on_uid(tgid),
                ExitEvent::Gone(exit) => {
                    // A parent's tag is its child's too: the event of its start
                    // may have been lost.
                    let of_parent = || self.lineage.tag_of(exit.parent_pid?);
                    let mut tag = self.lineage.tag_of(exit.pid).or_else(of_parent);
                    if tag.is_none() && now_msec < self.unsure_until_msec {
                        tag = self.resolve(&exit);
                    }
                    let uid_changes = self.uid_changes.remove(&exit.pid).unwrap_or(0);
                    take(Followed {
                        exit,
                        tag,
                        is_root: self.lineage.is_root(exit.pid),
                        uid_changes,
                    });
                    self.lineage.on_exit(exit.pid, now_msec);
                }
                ExitEvent::Lost { .. } => {
                    let until_msec = now_msec.saturating_add(UNSURE_MSEC);
                    self.unsure_until_msec = self.unsure_until_msec.max(until_msec);
                }
                ExitEvent::Exec { .. } => {}
            }
        }
        // A burst is over some time; its room need not be kept.
        events.clear();
        events.shrink_to(EVENTS_KEPT);
        self.events = events;
        read
    }

    fn on_uid(&mut self, tgid: u32) {
        if self.uid_changes.len() < USERS_CHANGED_MAX || self.uid_changes.contains_key(&tgid) {
            *self.uid_changes.entry(tgid).or_default() += 1;
        }
    }

    /// Without events of starting, the parent that a process had at its end
    /// leads to its root: it lives, or its own children would have another.
    fn resolve(&mut self, exit: &ProcessExit) -> Option<T> {
        let (procfs, parent) = (&self.procfs, exit.parent_pid?);
        self.lineage
            .resolve_by_parents(parent, |pid| read_parent(procfs, pid))
    }
}

//! The thread that hears processes end, so that those count too that lived
//! between two samples only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use std::collections::{HashMap, HashSet};

use lfs_wrapper_kernel::Roots;
use lfs_wrapper_kernel::exits::{ExitsError, Followed, Follower};
use tracing::info;

/// The kernel holds what comes for twice that time of the fastest forking; where
/// nothing ended, so much is not to be expected.
const PAUSE: Duration = Duration::from_millis(150);
const IDLE_PAUSE: Duration = Duration::from_millis(400);

/// Processes between two samples; what is beyond is counted only.
const ENDED_MAX: usize = 50_000;

/// What was heard so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Processes that ended.
    pub(crate) exits: u64,
    /// Messages that were lost, as far as they can be counted, and processes
    /// for which there was no room.
    pub(crate) lost: u64,
}

/// Shared between the thread, which listens, and the loop.
#[derive(Debug, Default)]
pub(crate) struct Exits {
    heard: Mutex<Heard>,
    /// Nobody wants to know for now: it would cost too much.
    is_paused: AtomicBool,
}

#[derive(Debug, Default)]
struct Heard {
    follower: Option<Follower<i64>>,
    /// What was lost before the follower was opened.
    lost_before: u64,
    /// With the attempt each belonged to.
    ended: Vec<Followed<i64>>,
    counts: Counts,
    /// The attempts that run, by their keepers.
    running: HashMap<u32, i64>,
    /// That the kernel was asked, and tells.
    is_told: bool,
}

impl Exits {
    pub(crate) fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which attempts run, by the pids of their keepers: whatever descends from
    /// one belongs to its attempt.
    pub(crate) fn set_running(&self, running: HashMap<u32, i64>) {
        let mut heard = self.heard();
        let is_new = |(keeper, attempt): &(&u32, &i64)| heard.running.get(keeper) != Some(*attempt);
        let new: Vec<(u32, i64)> = running
            .iter()
            .filter(is_new)
            .map(|(keeper, attempt)| (*keeper, *attempt))
            .collect();
        heard.running = running;
        heard.adopt(&new);
    }

    /// What ended since the last call, as far as it was told a look ago: the
    /// step of what has just ended may not be known yet. `None` where nobody
    /// listens.
    pub(crate) fn take(&self) -> Option<Vec<Followed<i64>>> {
        let mut heard = self.heard();
        heard.follower.as_ref()?;
        let ended = std::mem::take(&mut heard.ended);
        heard.listen();
        Some(ended)
    }

    /// How much was heard; `None` where the kernel tells nothing, or nobody
    /// listens for now.
    pub(crate) fn counts(&self) -> Option<Counts> {
        let heard = self.heard();
        (heard.is_told && heard.follower.is_some()).then_some(heard.counts)
    }

    /// Listens until `stop`, or until it is clear that there is nothing to hear.
    pub(crate) fn run(&self, stop: &AtomicBool) {
        let mut exits_before = 0;
        while !stop.load(Ordering::Relaxed) {
            let is_paused = self.is_paused.load(Ordering::Relaxed);
            let mut heard = self.heard();
            if let Err(error) = heard.look(is_paused) {
                info!("processes that end between two samples are not counted: {error}");
                return;
            }
            let is_idle = heard.counts.exits == exits_before;
            exits_before = heard.counts.exits;
            drop(heard);
            thread::sleep(if is_idle { IDLE_PAUSE } else { PAUSE });
        }
    }
}

impl Heard {
    fn look(&mut self, is_paused: bool) -> Result<(), ExitsError> {
        if is_paused {
            self.follower = None;
        } else if self.follower.is_none() {
            self.lost_before = self.counts.lost;
            let opened = Follower::open(&Roots::default());
            self.is_told = opened.is_ok();
            self.follower = Some(opened?);
            let running: Vec<(u32, i64)> = self.running.clone().into_iter().collect();
            self.adopt(&running);
        }
        self.listen();
        Ok(())
    }

    /// Gives the keepers' descendants their attempt, those too that have ended
    /// and were told of already.
    fn adopt(&mut self, keepers: &[(u32, i64)]) {
        let Some(follower) = &mut self.follower else {
            return;
        };
        for (keeper, attempt) in keepers {
            follower.adopt(*keeper, *attempt);
            let mut kin = HashSet::from([*keeper]);
            loop {
                let before = kin.len();
                for one in self.ended.iter_mut().filter(|one| one.tag.is_none()) {
                    if one
                        .exit
                        .parent_pid
                        .is_some_and(|parent| kin.contains(&parent))
                    {
                        one.tag = Some(*attempt);
                        kin.insert(one.exit.pid);
                    }
                }
                if kin.len() == before {
                    break;
                }
            }
        }
    }

    fn listen(&mut self) {
        let Some(follower) = &mut self.follower else {
            return;
        };
        let (ended, counts) = (&mut self.ended, &mut self.counts);
        let mut no_room = 0;
        let read = follower.drain(|followed| {
            counts.exits += 1;
            if ended.len() < ENDED_MAX {
                ended.push(followed);
            } else {
                no_room += 1;
            }
        });
        self.lost_before += no_room;
        counts.lost = self.lost_before + follower.losses().count();
        if read.is_err() {
            // It is opened anew with the next look.
            self.follower = None;
        }
    }
}

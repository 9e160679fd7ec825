//! The thread that samples.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lfs_wrapper_kernel::{Cadence, Look, ProcessRow, Reader, Sample, Tick};

use crate::detail::{Detail, SharedDetail};

/// With which samples processes are read where that costs too much.
const SPARSE: u64 = 5;

/// A sample and how it came.
pub(crate) struct Sampled {
    pub(crate) sample: Box<Sample>,
    /// The processes, where they were read.
    pub(crate) processes: Option<Vec<ProcessRow>>,
    pub(crate) lateness: Duration,
    pub(crate) missed: u64,
}

pub(crate) struct Sampler {
    pub(crate) reader: Reader,
    pub(crate) cadence: Cadence,
    pub(crate) build_cgroup: Arc<BuildCgroup>,
    pub(crate) detail: Arc<SharedDetail>,
    pub(crate) dropped: Arc<AtomicU64>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Sampler {
    pub(crate) fn run(mut self, samples: &SyncSender<Sampled>) {
        let stop = Arc::clone(&self.stop);
        let go_on = || !stop.load(Ordering::Relaxed);
        let mut tick = Some(Tick {
            lateness: Duration::ZERO,
            missed: 0,
        });
        let mut number = 0;
        while let Some(tick_now) = tick {
            match samples.try_send(self.sample(number, tick_now)) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
            number += 1;
            tick = self.cadence.wait(go_on);
        }
    }

    fn sample(&mut self, number: u64, tick: Tick) -> Sampled {
        let look = choose_look(self.detail.get(), number);
        self.reader.set_look(look);
        let folder = self.build_cgroup.get();
        let sample = Box::new(self.reader.read(folder.as_deref()));
        let has_rows = look != Look::Count && sample.processes.count.is_some();
        Sampled {
            sample,
            processes: has_rows.then(|| self.reader.processes().rows().cloned().collect()),
            lateness: tick.lateness,
            missed: tick.missed,
        }
    }
}

fn choose_look(detail: Detail, number: u64) -> Look {
    match detail {
        Detail::Full => Look::Full,
        Detail::Lean => Look::Lean,
        Detail::Sparse if number.is_multiple_of(SPARSE) => Look::Lean,
        Detail::Sparse | Detail::Bare => Look::Count,
    }
}

/// The folder of the control group above those of the running steps, as far as
/// the loop knows it.
#[derive(Debug, Default)]
pub(crate) struct BuildCgroup(Mutex<Option<PathBuf>>);

impl BuildCgroup {
    pub(crate) fn get(&self) -> Option<PathBuf> {
        self.0.lock().map_or(None, |folder| folder.clone())
    }

    pub(crate) fn set(&self, folder: Option<&Path>) {
        if let (Ok(mut known), Some(folder)) = (self.0.lock(), folder) {
            *known = Some(folder.to_owned());
        }
    }
}

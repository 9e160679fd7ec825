//! The thread that samples.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lfs_wrapper_kernel::{Cadence, Reader, Sample, Tick};

/// A sample and how it came.
pub(crate) struct Sampled {
    pub(crate) sample: Box<Sample>,
    pub(crate) lateness: Duration,
    pub(crate) missed: u64,
}

pub(crate) struct Sampler {
    pub(crate) reader: Reader,
    pub(crate) cadence: Cadence,
    pub(crate) build_cgroup: Arc<BuildCgroup>,
    pub(crate) dropped: Arc<AtomicU64>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Sampler {
    pub(crate) fn run(mut self, samples: &SyncSender<Sampled>) {
        let go_on = || !self.stop.load(Ordering::Relaxed);
        let mut tick = Some(Tick {
            lateness: Duration::ZERO,
            missed: 0,
        });
        while let Some(Tick { lateness, missed }) = tick {
            let folder = self.build_cgroup.get();
            let sampled = Sampled {
                sample: Box::new(self.reader.read(folder.as_deref())),
                lateness,
                missed,
            };
            match samples.try_send(sampled) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => return,
            }
            tick = self.cadence.wait(go_on);
        }
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

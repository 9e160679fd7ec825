//! How a table of processes is read.

use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};

/// Files of processes that stay open, at most; each costs the kernel 4 KiB.
const KEPT_MAX: usize = 4096;

/// How a table is read.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// Below which `etc/passwd` is.
    pub rootfs: PathBuf,
    /// What a page of the machine has.
    pub page_bytes: u64,
    /// How many processes' files may stay open.
    pub kept_max: usize,
    /// Whether a thread of its own reads what may block. Without it that is
    /// read for those only that [`ProcessTable::read_cold`](crate::ProcessTable::read_cold) names.
    pub has_worker: bool,
    /// Whether a process that has done nothing for long is looked at with every
    /// fourth read only.
    pub is_patient: bool,
}

impl Default for ProcessOptions {
    /// Of this machine, with no worker.
    fn default() -> Self {
        // `None` is no limit.
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            rootfs: "/".into(),
            page_bytes: rustix::param::page_size() as u64,
            kept_max: usize::try_from(files / 2)
                .unwrap_or(usize::MAX)
                .min(KEPT_MAX),
            has_worker: false,
            is_patient: false,
        }
    }
}

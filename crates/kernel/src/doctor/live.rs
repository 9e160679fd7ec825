//! What is asked of the running system itself; tests put other answers in.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use rustix::fs::Access;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::doctor::netlink_probe;

/// No file read here comes near this.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Names tried for the group that is made and removed.
const NAMES_MAX: u32 = 10;

/// Files of a group that are looked at.
const GROUP_FILES_MAX: usize = 1000;

/// A function for everything that a folder of files cannot answer.
pub(super) struct Live {
    /// Whether this process may do everything.
    pub(super) root: bool,
    /// The bytes of a file.
    pub(super) read: fn(&Path) -> io::Result<Vec<u8>>,
    /// Makes a control group below a folder, and removes it; the names of the
    /// files that it had.
    pub(super) make_group: fn(&Path) -> io::Result<Vec<String>>,
    /// The number of a generic netlink family.
    pub(super) find_family: fn(&str) -> io::Result<u16>,
    /// Registers for what a taskstats family sends when tasks exit, and
    /// deregisters.
    pub(super) register_exits: fn(u16) -> io::Result<()>,
    /// Begins and ends to listen to the process connector.
    pub(super) listen_events: fn() -> io::Result<()>,
    /// Asks for sockets of an IP protocol.
    pub(super) dump_sockets: fn(u8) -> io::Result<()>,
    /// Opens a pidfd of this process.
    pub(super) open_pidfd: fn() -> io::Result<()>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            root: rustix::process::geteuid().is_root(),
            read: read_bounded,
            make_group,
            find_family: netlink_probe::find_family,
            register_exits: netlink_probe::register_exits,
            listen_events: netlink_probe::listen_events,
            dump_sockets: netlink_probe::dump_sockets,
            open_pidfd: || Ok(pidfd_open(getpid(), PidfdFlags::empty()).map(drop)?),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Nothing is made where processes could not be moved to anyway.
fn make_group(parent: &Path) -> io::Result<Vec<String>> {
    rustix::fs::access(parent.join("cgroup.procs"), Access::WRITE_OK)?;
    let group = TrialGroup::make(parent)?;
    let names = fs::read_dir(&group.0)?.take(GROUP_FILES_MAX);
    let names = names
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.collect())
}

/// An empty control group that goes with this value.
struct TrialGroup(std::path::PathBuf);

impl TrialGroup {
    fn make(parent: &Path) -> io::Result<Self> {
        let pid = getpid().as_raw_nonzero();
        let mut last = io::Error::from(ErrorKind::AlreadyExists);
        // One that was there before is somebody else's, and stays.
        for number in 0..NAMES_MAX {
            let folder = parent.join(format!("lfs-wrapper-doctor-{pid}-{number}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

impl Drop for TrialGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_group_leaves_nothing_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path();
        let count = || fs::read_dir(parent).unwrap().count();
        // No group: nothing is made.
        assert_eq!(make_group(parent).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(count(), 0);
        fs::write(parent.join("cgroup.procs"), "").unwrap();
        let pid = getpid().as_raw_nonzero();
        let theirs = parent.join(format!("lfs-wrapper-doctor-{pid}-0"));
        fs::create_dir(&theirs).unwrap();
        assert_eq!(make_group(parent).unwrap(), Vec::<String>::new());
        assert_eq!(count(), 2);
        assert!(theirs.is_dir());
        for number in 1..NAMES_MAX {
            fs::create_dir(parent.join(format!("lfs-wrapper-doctor-{pid}-{number}"))).unwrap();
        }
        assert_eq!(
            make_group(parent).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        assert_eq!(count(), 1 + NAMES_MAX as usize);
    }
}

//! The control groups of attempts (cgroup v2, cgroups(7)): one for each, below
//! one that belongs to the state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::Access;
use rustix::process::Signal;

use crate::process::Identity;

/// Where mounts are listed, wherever version 2 is mounted.
const MOUNTS: &str = "/proc/self/mounts";
const OWN_GROUP: &str = "/proc/self/cgroup";

/// Controllers that give an attempt's accounts, switched on where they can be.
const CONTROLLERS: [&str; 4] = ["cpu", "memory", "io", "pids"];

/// How often a base is made anew that goes again at once.
const MAKE_TRIES: u32 = 10;

/// How often and how long apart a group is asked to go: its last processes
/// may still be on their way out.
const REMOVE_TRIES: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(20);

/// The group of a state folder, the parent of its attempts' groups.
#[derive(Clone, Debug)]
pub struct Base {
    folder: PathBuf,
}

/// The group of one attempt.
#[derive(Clone, Debug)]
pub struct Group {
    folder: PathBuf,
}

/// What a group used, over its whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// `user_usec` and `system_usec` of cpu.stat.
    pub cpu_usec: Option<(u64, u64)>,
    /// memory.peak, where the memory controller is on.
    pub memory_peak_bytes: Option<u64>,
    /// `rbytes` and `wbytes` of io.stat over all devices, where the io
    /// controller is on.
    pub io_bytes: Option<(u64, u64)>,
}

impl Base {
    /// The highest group of this process' own branch below which this user may
    /// make groups and move processes: the top for root, the delegated one for
    /// others. The error says why there is none.
    pub fn find(state_root: &Path) -> Result<Self, String> {
        let mounts = fs::read_to_string(MOUNTS).map_err(|error| format!("{MOUNTS}: {error}"))?;
        let own = fs::read_to_string(OWN_GROUP).map_err(|error| format!("{OWN_GROUP}: {error}"))?;
        let mount = parse_mount(&mounts).ok_or("no cgroup v2 is mounted")?;
        let own = parse_own_group(&own).ok_or("this process is in no cgroup v2")?;
        let name = format!("lfs-wrapper-{}", short_hash(state_root));
        let mut branch: Vec<&Path> = Path::new(own).ancestors().collect();
        branch.reverse();
        let mut refusal = String::new();
        for group in branch {
            let parent = mount.join(group.strip_prefix("/").unwrap_or(group));
            let folder = parent.join(&name);
            let tried = rustix::fs::access(parent.join("cgroup.procs"), Access::WRITE_OK)
                .map_err(io::Error::from)
                .and_then(|()| make_folder(&folder));
            match tried {
                Ok(()) => return Ok(Self { folder }),
                Err(error) => refusal = format!("{}: {error}", parent.display()),
            }
        }
        Err(refusal)
    }

    /// Where the group `name` is, or will be.
    pub fn group_folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the group at `folder`, directly below this one.
    pub fn make_group(&self, folder: &Path) -> io::Result<()> {
        let mut tries = 0..MAKE_TRIES;
        loop {
            make_folder(&self.folder)?;
            self.switch_controllers_on();
            match make_folder(folder) {
                // A supervisor that ended in between has removed the base.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries.next().is_some() => {
                }
                result => return result,
            }
        }
    }

    fn switch_controllers_on(&self) {
        let here = fs::read_to_string(self.folder.join("cgroup.controllers")).unwrap_or_default();
        for controller in CONTROLLERS {
            if here
                .split_ascii_whitespace()
                .any(|found| found == controller)
            {
                // Without it a coarser rung of the ladder is used.
                let _ = fs::write(
                    self.folder.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
            }
        }
    }

    /// Removes the base if no attempt has a group in it.
    pub fn remove_if_empty(&self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

impl Group {
    /// The group that an attempt's record names.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Its folder in the cgroup file system.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends every process in the group and below it: by `cgroup.kill`, or one
    /// by one on a kernel before 5.14.
    pub fn kill(&self) {
        if fs::write(self.folder.join("cgroup.kill"), "1").is_err() {
            for process in self.read_processes() {
                process.signal(Signal::KILL);
            }
        }
    }

    fn read_processes(&self) -> Vec<Identity> {
        let mut found = Vec::new();
        for folder in self.read_tree() {
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(
                text.lines()
                    .filter_map(|line| Identity::of(line.parse().ok()?)),
            );
        }
        found
    }

    /// This group and those below it, parents first.
    fn read_tree(&self) -> Vec<PathBuf> {
        let mut tree = vec![self.folder.clone()];
        let mut next = 0;
        while let Some(folder) = tree.get(next) {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let below: Vec<_> = entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path())
                .collect();
            tree.extend(below);
            next += 1;
        }
        tree
    }

    /// What the group used so far.
    pub fn read_usage(&self) -> Usage {
        let read = |name| fs::read_to_string(self.folder.join(name)).ok();
        Usage {
            cpu_usec: read("cpu.stat").as_deref().and_then(parse_cpu),
            memory_peak_bytes: read("memory.peak").and_then(|text| text.trim().parse().ok()),
            io_bytes: read("io.stat").as_deref().map(parse_io),
        }
    }

    /// Ends what is left in the group and removes it. The error is the last
    /// one after some patience.
    pub fn remove(&self) -> io::Result<()> {
        for _ in 0..REMOVE_TRIES {
            if self.try_remove().is_ok() {
                return Ok(());
            }
            self.kill();
            thread::sleep(REMOVE_PAUSE);
        }
        self.try_remove()
    }

    fn try_remove(&self) -> io::Result<()> {
        for folder in self.read_tree().iter().rev() {
            match fs::remove_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The mount point of cgroup v2: alone, or beside version 1.
fn parse_mount(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let mount = fields.nth(1)?;
        // proc(5): blanks and the like are octal escapes; none here in practice.
        (fields.next()? == "cgroup2").then(|| PathBuf::from(mount.replace("\\040", " ")))
    })
}

fn parse_own_group(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::"))
}

fn parse_cpu(stat: &str) -> Option<(u64, u64)> {
    let value = |key: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse().ok()
    };
    Some((value("user_usec ")?, value("system_usec ")?))
}

fn parse_io(stat: &str) -> (u64, u64) {
    let sum = |key: &str| {
        let values = stat
            .split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix(key));
        values.filter_map(|value| value.parse::<u64>().ok()).sum()
    };
    (sum("rbytes="), sum("wbytes="))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn short_hash(path: &Path) -> String {
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    hash[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_is_found_wherever_it_is_mounted() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(parse_mount(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(
            parse_mount("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0"),
            Some("/sys/fs/cgroup".into())
        );
        assert_eq!(parse_mount("cgroup /sys/fs/cgroup cgroup rw 0 0"), None);
        assert_eq!(
            parse_own_group("9:name=systemd:/\n0::/user.slice\n"),
            Some("/user.slice")
        );
    }

    #[test]
    fn accounts_are_read_and_what_is_absent_stays_absent() {
        let folder = tempfile::TempDir::new().unwrap();
        let group = Group::at(folder.path());
        assert_eq!(group.read_usage(), Usage::default());
        fs::write(
            folder.path().join("cpu.stat"),
            "usage_usec 30\nuser_usec 20\nsystem_usec 10\n",
        )
        .unwrap();
        fs::write(folder.path().join("memory.peak"), "4096\n").unwrap();
        fs::write(
            folder.path().join("io.stat"),
            "254:0 rbytes=1 wbytes=2 rios=9\n8:0 rbytes=10 wbytes=20\n",
        )
        .unwrap();
        assert_eq!(
            group.read_usage(),
            Usage {
                cpu_usec: Some((20, 10)),
                memory_peak_bytes: Some(4096),
                io_bytes: Some((11, 22)),
            }
        );
    }
}

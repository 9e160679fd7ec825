//! What every check looks at: files below the roots, mounts, the kernel's
//! configuration and version.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::doctor::Finding;
use crate::doctor::config::KernelConfig;
use crate::doctor::group_probe::Groups;
use crate::doctor::live::Live;
use crate::doctor::mount::{MountPoint, parse_mount_points};
use crate::roots::Roots;

/// The host that is examined.
pub(super) struct Host<'a> {
    pub(super) roots: &'a Roots,
    pub(super) live: &'a Live,
    pub(super) config: Option<KernelConfig>,
    /// Major and minor number of the kernel's version.
    pub(super) version: Option<(u32, u32)>,
    pub(super) mounts: Vec<MountPoint>,
    pub(super) groups: Groups,
    command_line: String,
}

impl<'a> Host<'a> {
    pub(super) fn read(roots: &'a Roots, live: &'a Live) -> Self {
        let text = |path: &str| (live.read)(&roots.procfs.join(path)).unwrap_or_default();
        let release = read_release(roots, live.read);
        let mounts = parse_mount_points(&text("self/mounts"));
        Self {
            roots,
            live,
            config: KernelConfig::read(roots, release.as_deref()),
            version: release.as_deref().and_then(parse_version),
            groups: Groups::read(roots, live, &mounts, &text("self/cgroup")),
            mounts,
            command_line: String::from_utf8_lossy(&text("cmdline")).into_owned(),
        }
    }

    pub(super) fn proc(&self, path: &str) -> PathBuf {
        self.roots.procfs.join(path)
    }

    pub(super) fn sys(&self, path: &str) -> PathBuf {
        self.roots.sysfs.join(path)
    }

    pub(super) fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        (self.live.read)(path)
    }

    /// A file's text without the blanks round it; `None` where it cannot be
    /// read.
    pub(super) fn read_word(&self, path: &Path) -> Option<String> {
        let text = self.read_file(path).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Whether the kernel was started with this word on its command line.
    pub(super) fn is_booted_with(&self, word: &str) -> bool {
        self.command_line
            .split_ascii_whitespace()
            .any(|found| found == word)
    }

    /// The word of the kernel's command line that switches a part of control
    /// groups off (`cgroup_disable=memory,pressure`).
    pub(super) fn find_disabling(&self, part: &str) -> Option<&str> {
        self.command_line.split_ascii_whitespace().find(|word| {
            let parts = word.strip_prefix("cgroup_disable=");
            parts.is_some_and(|parts| parts.split(',').any(|found| found == part))
        })
    }

    /// Whether the kernel is at least this new; false where nobody knows.
    pub(super) fn is_since(&self, major: u32, minor: u32) -> bool {
        self.version
            .is_some_and(|version| version >= (major, minor))
    }

    /// Whether the configuration is out of the running kernel itself.
    pub(super) fn is_own_config(&self) -> bool {
        let own = self.proc("config.gz");
        self.config
            .as_ref()
            .is_some_and(|config| config.origin == own)
    }

    /// What to do for want of a privilege (capabilities(7)): who is root
    /// already is kept from it by whatever root was put into.
    pub(super) fn render_privilege(&self, privilege: &str) -> String {
        if self.live.root {
            format!("run outside of the container or sandbox that keeps {privilege} from root")
        } else {
            "run as root".to_owned()
        }
    }

    /// What a failed access comes to: no privilege, no mount, or no such
    /// feature, which is `otherwise`.
    pub(super) fn explain(
        &self,
        path: &Path,
        error: &io::Error,
        otherwise: impl FnOnce() -> String,
    ) -> Finding {
        let evidence = render_refusal(path, error);
        if is_refused(error) {
            let how = self.render_privilege("this");
            return Finding::missing("no permission", how, evidence);
        }
        if path.starts_with(&self.roots.procfs) && !self.is_there(&self.proc("self")) {
            let how = format!("mount -t proc proc {}", self.roots.procfs.display());
            return Finding::missing("procfs is not mounted", how, evidence);
        }
        let is_sysfs = path.starts_with(&self.roots.sysfs);
        if is_sysfs && !self.is_there(&self.sys("kernel")) && !self.is_there(&self.sys("class")) {
            let how = format!("mount -t sysfs sysfs {}", self.roots.sysfs.display());
            return Finding::missing("sysfs is not mounted", how, evidence);
        }
        Finding::missing(render_error(error), otherwise(), evidence)
    }

    /// Whether there is something at this path.
    pub(super) fn is_there(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }
}

/// The release of the running kernel; of the tree where one was captured.
pub(super) fn read_release(
    roots: &Roots,
    read: fn(&Path) -> io::Result<Vec<u8>>,
) -> Option<String> {
    let text = read(&roots.procfs.join("sys/kernel/osrelease")).ok()?;
    let release = String::from_utf8_lossy(&text).trim().to_owned();
    (!release.is_empty()).then_some(release)
}

/// The first two numbers of `6.18.2-lfs`.
pub(crate) fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether it was for want of a privilege.
pub(super) fn is_refused(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

/// Whether there is no such file, protocol or family.
pub(super) fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// A path and why it could not be used.
pub(super) fn render_refusal(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), render_error(error))
}

/// An error with the name that manual pages give it.
pub(super) fn render_error(error: &io::Error) -> String {
    let name = match Errno::from_io_error(error) {
        Some(Errno::ACCESS) => "EACCES",
        Some(Errno::BUSY) => "EBUSY",
        Some(Errno::INVAL) => "EINVAL",
        Some(Errno::NODEV) => "ENODEV",
        Some(Errno::NOENT) => "ENOENT",
        Some(Errno::NOSYS) => "ENOSYS",
        Some(Errno::OPNOTSUPP) => "EOPNOTSUPP",
        Some(Errno::PERM) => "EPERM",
        Some(Errno::PROTONOSUPPORT) => "EPROTONOSUPPORT",
        Some(Errno::ROFS) => "EROFS",
        Some(Errno::TIMEDOUT) => "ETIMEDOUT",
        _ => return error.to_string(),
    };
    let words = match name {
        "EACCES" | "EPERM" => "permission denied",
        "ENOENT" => "not there",
        "ENOSYS" | "EPROTONOSUPPORT" => "not in this kernel",
        "EOPNOTSUPP" => "switched off",
        "ETIMEDOUT" => "no answer",
        "EROFS" => "mounted read-only",
        "EINVAL" => "refused",
        "EBUSY" => "in use",
        _ => "no such device",
    };
    format!("{words} ({name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_the_first_two_numbers() {
        let table = [
            ("6.18.2-lfs", Some((6, 18))),
            ("5.4", Some((5, 4))),
            ("6.1-rc3", Some((6, 1))),
            ("6", None),
            ("", None),
            ("x.y", None),
            ("99999999999.1", None),
        ];
        for (release, version) in table {
            assert_eq!(parse_version(release), version, "{release}");
        }
    }
}

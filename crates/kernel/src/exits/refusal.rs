//! Why the kernel does not tell of processes that end.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use thiserror::Error;

/// The inode numbers of a machine's first namespaces, the same on every kernel
/// (linux/proc_ns.h).
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Why one of the two sources gives nothing.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The caller lacks CAP_NET_ADMIN.
    #[error("no permission: it takes CAP_NET_ADMIN (root)")]
    Permission,
    /// There is no such service, which another network namespace looks like too.
    #[error("the kernel lacks {option}, or this is not its first network namespace")]
    Lacking {
        /// The kernel's build option.
        option: &'static str,
    },
    /// The service is for processes of the machine's first namespaces only.
    #[error("this is not the first {kind} namespace of the machine")]
    Namespace {
        /// `PID`, `user` or `network`.
        kind: &'static str,
    },
    /// Records of a form that is not known here.
    #[error("the kernel's records (version {version}, {bytes} bytes) have no known form")]
    Form {
        /// `version` of struct taskstats.
        version: u16,
        /// Its size.
        bytes: usize,
    },
    /// The request was taken and nothing came back.
    #[error("the kernel did not answer; it may lack {option}")]
    Silent {
        /// The kernel's build option.
        option: &'static str,
    },
    /// Anything else the system said.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Why no processes that end can be told.
#[derive(Debug, Error)]
pub enum ExitsError {
    /// Neither source is there.
    #[error("taskstats: {records}; process connector: {events}")]
    Refused {
        /// Why there are no records of what was used.
        records: Refusal,
        /// Why there are no events.
        events: Refusal,
    },
    /// A source that was there could not be read any more.
    #[error("{what}: {source}")]
    Read {
        /// `taskstats`, `process connector` or `poll`.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Refusal {
    /// What an error of the system means for a service that needs `option`.
    /// The kernel says "invalid" or nothing at all to other namespaces, so they
    /// are looked at.
    pub(crate) fn from_system(error: io::Error, option: &'static str, procfs: &Path) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::Permission,
            Some(Errno::NOENT | Errno::CONNREFUSED | Errno::PROTONOSUPPORT) => {
                Self::Lacking { option }
            }
            Some(Errno::INVAL) => {
                read_foreign_namespace(procfs).map_or(error.into(), |kind| Self::Namespace { kind })
            }
            _ if error.kind() == io::ErrorKind::TimedOut => read_foreign_namespace(procfs)
                .map_or(Self::Silent { option }, |kind| Self::Namespace { kind }),
            _ => error.into(),
        }
    }
}

/// The kind of namespace in which this process is not in the machine's first.
fn read_foreign_namespace(procfs: &Path) -> Option<&'static str> {
    let is_foreign = |name: &str, first: &str| {
        let link = std::fs::read_link(procfs.join("self/ns").join(name));
        link.is_ok_and(|link| link.as_os_str() != first)
    };
    if is_foreign("pid", FIRST_PID_NAMESPACE) {
        return Some("PID");
    }
    is_foreign("user", FIRST_USER_NAMESPACE).then_some("user")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_was_refused_is_said_with_its_reason() {
        let procfs = tempfile::TempDir::new().unwrap();
        let namespaces = procfs.path().join("self/ns");
        std::fs::create_dir_all(&namespaces).unwrap();
        let render =
            |error: io::Error| Refusal::from_system(error, "CONFIG_X", procfs.path()).to_string();
        let timeout = || io::Error::from(io::ErrorKind::TimedOut);
        symlink(FIRST_PID_NAMESPACE, namespaces.join("pid")).unwrap();
        symlink(FIRST_USER_NAMESPACE, namespaces.join("user")).unwrap();
        assert!(render(Errno::PERM.into()).contains("CAP_NET_ADMIN"));
        assert!(render(Errno::NOENT.into()).contains("CONFIG_X"));
        assert!(render(timeout()).contains("did not answer"));
        std::fs::remove_file(namespaces.join("user")).unwrap();
        symlink("user:[4026532000]", namespaces.join("user")).unwrap();
        assert!(render(timeout()).contains("first user namespace"));
        std::fs::remove_file(namespaces.join("pid")).unwrap();
        symlink("pid:[4026532001]", namespaces.join("pid")).unwrap();
        assert!(render(Errno::INVAL.into()).contains("first PID namespace"));
    }
}

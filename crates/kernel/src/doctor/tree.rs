//! Made-up systems for tests: a folder with `proc`, `sys` and the rest of a
//! root below it, and answers of a kernel.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tempfile::TempDir;

use crate::doctor::live::Live;
use crate::doctor::{Capability, Status, examine_with};
use crate::roots::Roots;

pub(super) struct Tree(TempDir);

impl Tree {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With procfs and sysfs mounted, and a release.
    pub(super) fn mounted() -> Self {
        let tree = Self::new();
        tree.write("proc/self/stat", b"1 (x) R\n");
        tree.write("proc/sys/kernel/osrelease", b"6.12.3\n");
        tree.write("sys/kernel/x", b"");
        tree
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn roots(&self) -> Roots {
        Roots {
            procfs: self.path().join("proc"),
            sysfs: self.path().join("sys"),
            rootfs: self.path().to_owned(),
        }
    }

    /// One capability of this system, with the answers of `live`.
    pub(super) fn examine(&self, live: &Live, id: &str) -> Capability {
        let all = examine_with(&self.roots(), live);
        all.into_iter().find(|one| one.id == id).unwrap()
    }

    /// Checks the status (`ok`, `limited`, `missing`) and that why, how and
    /// evidence together hold these words.
    #[track_caller]
    pub(super) fn expect(&self, live: &Live, id: &str, status: &str, words: &[&str]) {
        let found = self.examine(live, id);
        let (name, why) = match &found.status {
            Status::Available => ("ok", ""),
            Status::Limited { why } => ("limited", why.as_str()),
            Status::Missing { why } => ("missing", why.as_str()),
        };
        assert_eq!(name, status, "{found:?}");
        assert_eq!(found.how.is_none(), name == "ok", "{found:?}");
        let said = format!(
            "{why}\n{}\n{}",
            found.how.as_deref().unwrap_or(""),
            found.evidence
        );
        for word in words {
            assert!(said.contains(word), "no '{word}' in {said}");
        }
    }
}

/// A kernel that has everything and allows it.
pub(super) fn allow_all() -> Live {
    Live {
        root: true,
        read: |path| fs::read(path),
        make_group: |_| Ok(Vec::new()),
        find_family: |_| Ok(25),
        register_exits: |_| Ok(()),
        listen_events: || Ok(()),
        dump_sockets: |_| Ok(()),
        open_pidfd: || Ok(()),
    }
}

/// An error of the system.
pub(super) fn fail<T>(errno: Errno) -> io::Result<T> {
    Err(errno.into())
}

//! Who a process acts as, and where it is accounted: what seldom changes.

use std::sync::Arc;

use crate::process::folder::{ProcFolder, read_piece};
use crate::text::lines;

/// A path has at most 4096 bytes; hierarchies of version 1 come before it.
const CGROUP_TEXT_MAX_BYTES: usize = 16 << 10;

/// What seldom changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) uid: Option<u32>,
    pub(crate) cgroup: Option<Arc<str>>,
}

/// Reads it by pid: the caller has just read this very process, and the kernel
/// hands out all other pids before it uses one again.
pub(crate) fn read_detail(folder: &mut ProcFolder, buffer: &mut Vec<u8>, pid: u32) -> Detail {
    let cgroup = folder.open_file(pid, "cgroup");
    let cgroup = cgroup.and_then(|file| read_piece(file, buffer, CGROUP_TEXT_MAX_BYTES));
    Detail {
        uid: folder.read_owner(pid).ok(),
        cgroup: cgroup.ok().and_then(|()| parse_cgroup(buffer)),
    }
}

/// The path of the unified hierarchy (cgroups(7)); `None` where there is none.
pub(crate) fn parse_cgroup(text: &[u8]) -> Option<Arc<str>> {
    let path = lines(text).find_map(|line| line.strip_prefix(b"0::"))?;
    path.starts_with(b"/")
        .then(|| String::from_utf8_lossy(path).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_unified_hierarchy_counts() {
        for (text, expected) in [
            (
                "0::/system.slice/a b:c.service\n",
                Some("/system.slice/a b:c.service"),
            ),
            ("9:name=systemd:/x\n4:memory:/y\n0::/\n", Some("/")),
            ("9:name=systemd:/x\n10::/y\n", None),
            ("0::/cut", None),
            ("0::\n", None),
            ("", None),
        ] {
            assert_eq!(
                parse_cgroup(text.as_bytes()).as_deref(),
                expected,
                "{text:?}"
            );
        }
    }
}

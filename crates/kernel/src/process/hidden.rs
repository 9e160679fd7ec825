//! Whether procfs hides processes from the reader: its mount option `hidepid`
//! (proc(5)).

use std::path::Path;

use rustix::process::{getegid, geteuid, getgroups};

use crate::source::Source;
use crate::text::{lines, parse_u64, words};

/// How `procfs` hides other users' processes from the reader.
pub(crate) fn read_hidden(source: &mut Source, procfs: &Path) -> Option<String> {
    let mountinfo = source.read_text(&procfs.join("self/mountinfo")).ok()?;
    let options = parse_proc_options(mountinfo, procfs)?;
    let hidden = derive_hidden(&options)?;
    (!geteuid().is_root() && !is_in_group(&options)).then_some(hidden)
}

/// The options of the procfs at `procfs`, or at `/proc` in a captured tree
/// (proc_pid_mountinfo(5)). The last one is the one on top.
pub(crate) fn parse_proc_options(mountinfo: &[u8], procfs: &Path) -> Option<String> {
    let own = procfs.as_os_str().as_encoded_bytes();
    let options = |line: &[u8]| {
        let mountpoint = words(line).nth(4)?;
        let mut after = words(line).skip_while(|word| *word != b"-").skip(1);
        let is_proc = after.next() == Some(b"proc");
        let is_here = mountpoint == own || mountpoint == b"/proc";
        let options = after.nth(1).filter(|_| is_proc && is_here)?;
        Some(String::from_utf8_lossy(options).into_owned())
    };
    lines(mountinfo).filter_map(options).last()
}

/// The option's value, unless it hides nothing.
pub(crate) fn derive_hidden(options: &str) -> Option<String> {
    let value = options
        .split(',')
        .find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

/// The option `gid` names a group that sees everything.
fn is_in_group(options: &str) -> bool {
    let gid = options
        .split(',')
        .find_map(|option| option.strip_prefix("gid="));
    let Some(gid) = gid.and_then(|gid| parse_u64(gid.as_bytes())) else {
        return false;
    };
    let groups = getgroups().unwrap_or_default();
    let mut own = groups.iter().copied().chain([getegid()]);
    own.any(|group| u64::from(group.as_raw()) == gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_of_the_mount_that_is_read_counts() {
        for (line, expected) in [
            ("22 27 0:21 / /proc rw,relatime - proc proc rw", None),
            (
                "22 27 0:21 / /proc rw shared:5 - proc proc rw,hidepid=0",
                None,
            ),
            (
                "22 27 0:21 / /proc rw shared:5 - proc proc rw,gid=5,hidepid=2",
                Some("2"),
            ),
            (
                "22 27 0:21 / /proc rw - proc - proc rw,hidepid=invisible",
                None,
            ),
            (
                "22 27 0:21 / /proc rw shared:5 - proc proc rw,hidepid=invisible",
                Some("invisible"),
            ),
            ("22 27 0:21 / /jail/proc rw - proc proc rw,hidepid=2", None),
            ("22 27 0:21 / /proc rw - tmpfs tmpfs rw,hidepid=2", None),
            ("22 27 0:21 / /proc rw - proc", None),
            ("", None),
        ] {
            let options = parse_proc_options(format!("{line}\n").as_bytes(), Path::new("/x"));
            let hidden = options.and_then(|options| derive_hidden(&options));
            assert_eq!(hidden.as_deref(), expected, "{line}");
        }
    }
}

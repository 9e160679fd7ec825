//! Where file systems are mounted, with their options.

use std::path::PathBuf;

use crate::filesystem::parse_mounts;
use crate::text::words;

/// One line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountPoint {
    /// As the host sees it.
    pub(crate) path: PathBuf,
    pub(crate) fstype: String,
    pub(crate) options: String,
}

/// Parses the table of mounts; a line that is not whole is left out.
pub(crate) fn parse_mount_points(text: &[u8]) -> Vec<MountPoint> {
    let parse_line = |line: &[u8]| {
        let mount = parse_mounts(line).pop()?;
        let options = words(line.strip_suffix(b"\n")?).nth(3)?;
        Some(MountPoint {
            path: mount.mountpoint,
            fstype: mount.fstype,
            options: String::from_utf8_lossy(options).into_owned(),
        })
    };
    text.split_inclusive(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_have_decoded_paths_and_their_options() {
        let text = b"proc /a\\040b proc rw,hidepid=2 0 0\nbroken\ncut /x proc rw";
        let expected = MountPoint {
            path: "/a b".into(),
            fstype: "proc".to_owned(),
            options: "rw,hidepid=2".to_owned(),
        };
        assert_eq!(parse_mount_points(text), [expected]);
    }
}

//! Local file systems: `/proc/self/mounts`, and how full each one is.

pub(crate) mod mounts;
pub(crate) mod space;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::field::{Labels, Row};
use crate::filesystem::space::{Space, SpaceReader};
use crate::series::Series;
use crate::source::Source;
use crate::text::{lines, parse_name, words};

/// How long a mount may take to say how full it is.
const STAT_LIMIT: Duration = Duration::from_millis(500);

/// More local devices than this are not watched.
const MOUNTS_MAX: usize = 256;

/// File systems that keep files on a disk of this machine.
const LOCAL_TYPES: [&str; 14] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "ntfs3", "reiserfs",
    "vfat", "xfs", "zfs", "nilfs2",
];

/// One local file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesystemSample {
    /// What is mounted (`/dev/nvme0n1p2`).
    pub device: String,
    /// Where; of several places the one with the shortest name.
    pub mountpoint: String,
    /// The file system's type (`ext4`).
    pub fstype: String,
    /// Mounted without the right to write.
    pub read_only: bool,
    /// How full it is.
    pub space: Space,
}

impl Row for FilesystemSample {
    type Values = Space;

    fn values(&self) -> &Space {
        &self.space
    }

    fn values_mut(&mut self) -> &mut Space {
        &mut self.space
    }

    fn labels(&self) -> Labels {
        vec![
            ("device", self.device.clone()),
            ("fstype", self.fstype.clone()),
            ("mountpoint", self.mountpoint.clone()),
        ]
    }

    fn from_labels(series: &Series<'_>) -> Option<Self> {
        Some(Self {
            device: series.label("device")?.to_owned(),
            mountpoint: series.label("mountpoint")?.to_owned(),
            fstype: series.label("fstype")?.to_owned(),
            read_only: false,
            space: Space::default(),
        })
    }

    fn is_named(&self, series: &Series<'_>) -> bool {
        series.label("device") == Some(&self.device)
            && series.label("mountpoint") == Some(&self.mountpoint)
            && series.label("fstype") == Some(&self.fstype)
    }
}

/// One line of the table of mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) device: String,
    /// As bytes of a path: it need not be UTF-8.
    pub(crate) mountpoint: PathBuf,
    pub(crate) fstype: String,
    pub(crate) read_only: bool,
}

/// Reads the table of mounts and asks each local file system how full it is.
pub(crate) fn read_filesystems(
    source: &mut Source,
    spaces: &mut SpaceReader,
    procfs: &Path,
    rootfs: &Path,
) -> Vec<FilesystemSample> {
    let path = derive_mount_table(procfs);
    let mounts = source.read_parsed("filesystem", &path, parse_mounts);
    let mut mounts = derive_local_mounts(mounts.unwrap_or_default());
    if mounts.len() > MOUNTS_MAX {
        let why = format_args!("only the first {MOUNTS_MAX} of {} are read", mounts.len());
        source.note("filesystem", &path, why);
        mounts.truncate(MOUNTS_MAX);
    }
    let mut samples = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let below_root = mount
            .mountpoint
            .strip_prefix("/")
            .unwrap_or(&mount.mountpoint);
        match spaces.ask(&rootfs.join(below_root), STAT_LIMIT) {
            Ok(space) => samples.push(mount.with_space(space)),
            Err(error) => source.note("filesystem", &mount.mountpoint, error),
        }
    }
    samples
}

/// Where the table of mounts is. Captured trees often have only the second, on
/// a live system a link to the first.
pub(crate) fn derive_mount_table(procfs: &Path) -> PathBuf {
    let of_reader = procfs.join("self/mounts");
    if of_reader.exists() {
        of_reader
    } else {
        procfs.join("mounts")
    }
}

impl Mount {
    fn with_space(self, space: Space) -> FilesystemSample {
        FilesystemSample {
            device: self.device,
            mountpoint: self.mountpoint.to_string_lossy().into_owned(),
            fstype: self.fstype,
            read_only: self.read_only,
            space,
        }
    }
}

/// Parses the table of mounts: device, mount point, type, options.
pub(crate) fn parse_mounts(text: &[u8]) -> Vec<Mount> {
    let parse_line = |line| {
        let mut words = words(line);
        Some(Mount {
            device: parse_name(&parse_octal(words.next()?)),
            mountpoint: OsString::from_vec(parse_octal(words.next()?)).into(),
            fstype: parse_name(words.next()?),
            read_only: words
                .next()?
                .split(|byte| *byte == b',')
                // The second is what ext4 says after an error since Linux 6.15,
                // beside an `rw` that no longer holds.
                .any(|option| matches!(option, b"ro" | b"emergency_ro")),
        })
    };
    lines(text).filter_map(parse_line).collect()
}

/// A word in which blanks, newlines and backslashes stand as `\040` and the
/// like.
fn parse_octal(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let escaped = match rest {
            [
                b'\\',
                high @ b'0'..=b'3',
                middle @ b'0'..=b'7',
                low @ b'0'..=b'7',
                after @ ..,
            ] => Some((
                (high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'),
                after,
            )),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// The mounts worth watching: file systems on local disks that no later mount
/// hides, each device once, at its shortest mount point.
pub(crate) fn derive_local_mounts(mounts: Vec<Mount>) -> Vec<Mount> {
    let mut local: Vec<Mount> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for mount in derive_visible_mounts(mounts) {
        if !LOCAL_TYPES.contains(&mount.fstype.as_str()) {
            continue;
        }
        let length = |mount: &Mount| mount.mountpoint.as_os_str().len();
        let place = places.get(&mount.device).copied();
        match place.and_then(|place| local.get_mut(place)) {
            Some(other) if length(&mount) < length(other) => *other = mount,
            Some(_) => {}
            None => {
                places.insert(mount.device.clone(), local.len());
                local.push(mount);
            }
        }
    }
    local
}

/// The mounts that no later one hides. A machine of containers has thousands.
fn derive_visible_mounts(mut mounts: Vec<Mount>) -> Vec<Mount> {
    let mut seen = HashSet::with_capacity(mounts.len());
    mounts.reverse();
    mounts.retain(|mount| seen.insert(mount.mountpoint.clone()));
    mounts.reverse();
    mounts
}

/// How full one local file system is.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesystemFrame {
    /// Where it is mounted.
    pub mountpoint: String,
    /// What is mounted.
    pub device: String,
    /// The file system's type.
    pub fstype: String,
    /// Mounted without the right to write.
    pub read_only: bool,
    /// It lost the right to write since the previous sample.
    pub turned_read_only: bool,
    /// Its whole size.
    pub size_bytes: u64,
    /// What everybody may still use.
    pub available_bytes: u64,
    /// Used, as a share of what everybody may use altogether: the percentage
    /// of df(1).
    pub used_ratio: f64,
}

/// The file systems' frames, by mount point; those that gave no sizes are left
/// out.
pub(crate) fn derive_filesystems(
    previous: &[FilesystemSample],
    next: &[FilesystemSample],
) -> Vec<FilesystemFrame> {
    let frames = next
        .iter()
        .filter_map(|sample| derive_filesystem(previous, sample));
    let mut frames: Vec<_> = frames.collect();
    frames.sort_by(|one, other| one.mountpoint.cmp(&other.mountpoint));
    frames
}

fn derive_filesystem(
    previous: &[FilesystemSample],
    sample: &FilesystemSample,
) -> Option<FilesystemFrame> {
    let is_same = |before: &&FilesystemSample| {
        before.device == sample.device && before.mountpoint == sample.mountpoint
    };
    let was_writable = previous
        .iter()
        .find(is_same)
        .is_some_and(|before| !before.read_only);
    let size_bytes = sample.space.size_bytes?;
    let available_bytes = sample.space.available_bytes?;
    let used_bytes = size_bytes.checked_sub(sample.space.free_bytes?)?;
    let usable_bytes = used_bytes as f64 + available_bytes as f64;
    (usable_bytes > 0.0).then(|| FilesystemFrame {
        mountpoint: sample.mountpoint.clone(),
        device: sample.device.clone(),
        fstype: sample.fstype.clone(),
        read_only: sample.read_only,
        turned_read_only: sample.read_only && was_writable,
        size_bytes,
        available_bytes,
        used_ratio: used_bytes as f64 / usable_bytes,
    })
}

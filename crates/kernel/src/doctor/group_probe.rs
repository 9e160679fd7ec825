//! Which control groups there are, and which one a build would make its own
//! below.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::doctor::live::Live;
use crate::doctor::mount::MountPoint;
use crate::roots::Roots;
use crate::text::lines;

/// No hierarchy of groups is near as deep.
const DEPTH_MAX: usize = 64;

/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// The control groups of version 2 and this process' place among them.
pub(super) struct Groups {
    /// Where version 2 is mounted: for reading, and as the host calls it.
    pub(super) mount: Option<PathBuf>,
    /// Controllers that version 1 holds, by its names.
    pub(super) legacy: Vec<String>,
    /// The groups from the top down to this process' own.
    pub(super) branch: Vec<PathBuf>,
    /// The highest group of the branch below which one can be made, or the
    /// last refusal.
    pub(super) parent: Result<PathBuf, (PathBuf, io::Error)>,
    /// The files of a group that is not the top, where one could be looked at.
    pub(super) files: Option<BTreeSet<String>>,
}

impl Groups {
    pub(super) fn read(roots: &Roots, live: &Live, mounts: &[MountPoint], own: &[u8]) -> Self {
        let mount = mounts.iter().find(|mount| mount.fstype == "cgroup2");
        let mount = mount.map(|mount| find_below(&roots.rootfs, &mount.path));
        let branch = mount
            .as_deref()
            .map_or_else(Vec::new, |mount| list_branch(mount, own));
        let mut files = None;
        let mut parent = Err((PathBuf::from("cgroup"), io::ErrorKind::NotFound.into()));
        for group in &branch {
            match (live.make_group)(group) {
                Ok(names) => {
                    files = Some(names.into_iter().collect::<BTreeSet<_>>());
                    parent = Ok(group.clone());
                    break;
                }
                Err(error) => parent = Err((group.clone(), error)),
            }
        }
        let files = files
            .filter(|names| !names.is_empty())
            .or_else(|| list_other_group(&branch));
        let legacy = parse_legacy(own);
        Self {
            mount,
            legacy,
            branch,
            parent,
            files,
        }
    }

    /// The groups whose controllers reach those that a build makes, from the
    /// top.
    pub(super) fn list_givers(&self) -> &[PathBuf] {
        let count = match &self.parent {
            Ok(parent) => self
                .branch
                .iter()
                .position(|group| group == parent)
                .map(|at| at + 1),
            Err(_) => None,
        };
        &self.branch[..count.unwrap_or(self.branch.len())]
    }
}

/// Where something of the host is, below the folder that its root is at.
fn find_below(rootfs: &Path, path: &Path) -> PathBuf {
    rootfs.join(path.strip_prefix("/").unwrap_or(path))
}

/// From the top to the group that `/proc/self/cgroup` names in its line
/// `0::/a/b`; only the top where the own group is outside of what is mounted.
fn list_branch(mount: &Path, own: &[u8]) -> Vec<PathBuf> {
    let own = lines(own).find_map(|line| line.strip_prefix(b"0::/"));
    let own = String::from_utf8_lossy(own.unwrap_or_default()).into_owned();
    let mut branch = vec![mount.to_owned()];
    let names = own.split('/').filter(|name| !name.is_empty());
    for name in names.take_while(|name| *name != "..").take(DEPTH_MAX) {
        let below = branch[branch.len() - 1].join(name);
        branch.push(below);
    }
    branch
}

/// Controllers in lines like `4:memory:/` or `2:cpu,cpuacct:/`; `name=` is a
/// hierarchy without any.
pub(crate) fn parse_legacy(own: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(own);
    let names = text.lines().filter_map(|line| line.split(':').nth(1));
    let names = names.flat_map(|names| names.split(','));
    names
        .filter(|name| !name.is_empty() && !name.contains('='))
        .map(str::to_owned)
        .collect()
}

/// The files of the own group, unless that is the top; of any below the top
/// otherwise.
fn list_other_group(branch: &[PathBuf]) -> Option<BTreeSet<String>> {
    let (top, below) = branch.split_first()?;
    let group = match below.last() {
        Some(own) => own.clone(),
        None => {
            let mut entries = fs::read_dir(top).ok()?.take(ENTRIES_MAX).flatten();
            entries
                .find(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))?
                .path()
        }
    };
    let entries = fs::read_dir(group).ok()?.take(ENTRIES_MAX).flatten();
    let names: BTreeSet<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    (!names.is_empty()).then_some(names)
}

//! Reads a whole sample: every subject's `read_` in turn.

use std::path::{Path, PathBuf};

use lfs_wrapper_model::now_msec;

use crate::cadence::read_monotonic_usec;
use crate::sample::Sample;
use crate::source::Source;
use crate::space::{SpaceReader, StatFn, read_space};
use crate::{cgroup, cpu, disk, filesystem, memory, network, pressure, process};

/// Root folders, so that a captured tree can be read like a live machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Where procfs is mounted.
    pub procfs: PathBuf,
    /// Where sysfs is mounted.
    pub sysfs: PathBuf,
    /// Below which mount points are looked up.
    pub rootfs: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            procfs: "/proc".into(),
            sysfs: "/sys".into(),
            rootfs: "/".into(),
        }
    }
}

/// Reads samples, one after the other, with one buffer.
#[derive(Debug)]
pub struct Reader {
    roots: Roots,
    source: Source,
    spaces: SpaceReader,
}

impl Reader {
    /// A reader of the machine, or the captured tree, below `roots`.
    pub fn new(roots: Roots) -> Self {
        Self::with_stat(roots, StatFn::new(read_space))
    }

    /// A reader that asks `stat` for the space of each mount point, so that
    /// tests can have full, slow or dead file systems.
    pub fn with_stat(roots: Roots, stat: StatFn) -> Self {
        Self {
            roots,
            source: Source::default(),
            spaces: SpaceReader::new(stat),
        }
    }

    /// Reads everything there is. `build_cgroup` is the folder of the cgroup
    /// (v2) below which supervised build steps run; that it does not exist
    /// means that no build runs.
    pub fn read(&mut self, build_cgroup: Option<&Path>) -> Sample {
        let Roots {
            procfs,
            sysfs,
            rootfs,
        } = &self.roots;
        let source = &mut self.source;
        let mut sample = Sample::empty(now_msec(), read_monotonic_usec());
        sample.cpu = cpu::read_stat(source, procfs);
        sample.load = cpu::read_load(source, procfs);
        sample.memory = memory::read_memory(source, procfs);
        sample.vmstat = memory::read_vmstat(source, procfs);
        sample.pressure = pressure::read_pressure(source, procfs);
        sample.disks = disk::read_disks(source, procfs, sysfs);
        sample.networks = network::read_networks(source, procfs);
        sample.processes = process::read_processes(source, procfs);
        sample.build = build_cgroup.and_then(|folder| cgroup::read_build(source, folder));
        // Last, since it alone may take its time: the counters above belong to
        // the moment the sample is stamped with.
        let spaces = &mut self.spaces;
        sample.filesystems = filesystem::read_filesystems(source, spaces, procfs, rootfs);
        sample.absent = source.take_absent();
        sample
    }
}

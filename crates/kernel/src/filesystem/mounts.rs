//! File systems beyond the local ones that frames tell of: all that
//! node_exporter gives by default, whether they answer, and whether one was
//! made read-only under way.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::{Values, metric};
use crate::filesystem::space::{Space, SpaceError, SpaceReader, StatFn};
use crate::filesystem::{Mount, derive_local_mounts, derive_mount_table, parse_mounts};
use crate::roots::Roots;
use crate::source::Source;

static DEVICE_ERROR: &Metric = metric!(
    Gauge,
    "node_filesystem_device_error",
    "Whether an error occurred while getting statistics for the given device."
);
static READ_ONLY: &Metric = metric!(
    Gauge,
    "node_filesystem_readonly",
    "Filesystem read-only status."
);
static REMOUNTED: &Metric = metric!(
    Gauge,
    "lfs_filesystem_remounted_read_only",
    "Whether a local file system that was writable when first seen is read-only now."
);

/// node_exporter's default rule for mount points, on which and below which
/// nothing is given; of the last two, what is below a folder in them.
const EXCLUDED_POINTS: [&str; 6] = ["/dev", "/proc", "/run", "/sys", "/mnt", "/media"];
const EXCLUDED_PARENTS: [&str; 2] = ["/var/lib/docker/", "/var/lib/containers/storage/"];

/// node_exporter's default rule for types.
const EXCLUDED_TYPES: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// How long a mount may take to answer; a server elsewhere may.
const STAT_LIMIT: Duration = Duration::from_millis(500);

/// More mounts than this are not asked.
const MOUNTS_MAX: usize = 256;

/// Asks the mounts, and remembers which local ones were writable.
#[derive(Debug)]
pub(crate) struct MountWatch {
    spaces: SpaceReader,
    /// Device and mount point.
    writable: HashSet<(String, String)>,
}

impl MountWatch {
    pub(crate) fn new(stat: StatFn) -> Self {
        Self {
            spaces: SpaceReader::new(stat),
            writable: HashSet::new(),
        }
    }

    /// Reads the table of mounts and asks each mount; slow, since network file
    /// systems may take their time.
    pub(crate) fn read(&mut self, source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
        let Ok(text) = source.read_text(&derive_mount_table(&roots.procfs)) else {
            return;
        };
        let mounts = parse_mounts(text);
        let local = derive_local_mounts(mounts.clone());
        self.watch(&local, points);
        let given = derive_given_mounts(mounts);
        if given.len() > MOUNTS_MAX {
            let surplus = given.len() - MOUNTS_MAX;
            let why = format_args!("{surplus} of {} mounts are not asked", given.len());
            source.note("filesystem", &roots.rootfs, why);
        }
        for mount in given.iter().take(MOUNTS_MAX) {
            let below_root = mount.mountpoint.strip_prefix("/");
            let path = roots.rootfs.join(below_root.unwrap_or(&mount.mountpoint));
            let space = self.spaces.ask(&path, STAT_LIMIT);
            // One that was not asked for the sake of others is not at fault.
            if matches!(space, Err(SpaceError::NotAsked)) {
                continue;
            }
            expose_flag(DEVICE_ERROR, mount, space.is_err(), points);
            // The sample has the others already.
            if !local.contains(mount)
                && let Ok(space) = space
            {
                expose_space(mount, &space, points);
            }
        }
    }

    fn watch(&mut self, local: &[Mount], points: &mut Vec<Point>) {
        let name = |mount: &Mount| (mount.device.clone(), display(mount));
        let present: HashSet<_> = local.iter().map(name).collect();
        self.writable.retain(|mount| present.contains(mount));
        for mount in local {
            if !mount.read_only {
                self.writable.insert(name(mount));
            }
            let is_remounted = mount.read_only && self.writable.contains(&name(mount));
            expose_flag(REMOUNTED, mount, is_remounted, points);
        }
    }
}

fn display(mount: &Mount) -> String {
    mount.mountpoint.to_string_lossy().into_owned()
}

fn expose_flag(metric: &'static Metric, mount: &Mount, is_set: bool, points: &mut Vec<Point>) {
    let value = f64::from(u8::from(is_set));
    points.push(expose(metric, mount, value));
}

fn expose(metric: &'static Metric, mount: &Mount, value: f64) -> Point {
    let labels = [
        ("device", mount.device.as_str()),
        ("fstype", mount.fstype.as_str()),
        ("mountpoint", &display(mount)),
    ];
    Point::labelled(metric, &labels, value)
}

fn expose_space(mount: &Mount, space: &Space, points: &mut Vec<Point>) {
    for field in Space::FIELDS {
        let value = (field.get)(space).map(|raw| field.unit.derive_base(raw));
        points.extend(value.map(|value| expose(field.metric, mount, value)));
    }
    expose_flag(READ_ONLY, mount, mount.read_only, points);
}

/// What node_exporter gives, each mount point once: the last mount on it, which
/// is the one that programs see.
fn derive_given_mounts(mounts: Vec<Mount>) -> Vec<Mount> {
    let mut seen = HashSet::new();
    let visible = mounts.into_iter().rev();
    let visible = visible.filter(|mount| seen.insert(mount.mountpoint.clone()));
    let given = visible.filter(|mount| {
        !is_excluded(&mount.mountpoint) && !EXCLUDED_TYPES.contains(&mount.fstype.as_str())
    });
    let mut given: Vec<Mount> = given.collect();
    given.reverse();
    given
}

fn is_excluded(mountpoint: &Path) -> bool {
    let text = mountpoint.to_string_lossy();
    let below = |parent: &&str| {
        text.strip_prefix(*parent)
            .is_some_and(|rest| !rest.is_empty())
    };
    EXCLUDED_POINTS
        .iter()
        .any(|point| mountpoint.starts_with(point))
        || EXCLUDED_PARENTS.iter().any(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;
    use std::io;

    fn read(watch: &mut MountWatch, mounts: &str) -> Vec<String> {
        let tree = Tree::new();
        tree.write("proc/self/mounts", mounts);
        let (mut source, mut points) = (Source::default(), Vec::new());
        watch.read(&mut source, &tree.roots(), &mut points);
        let lines = points.iter();
        let lines = lines.map(|point| format!("{} {}", point.series(), point.value));
        lines
            .map(|line| line.replace("node_filesystem_", ""))
            .collect()
    }

    fn watch() -> MountWatch {
        MountWatch::new(StatFn::new(|path| {
            if path.ends_with("dead") {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(Space {
                size_bytes: Some(1000),
                ..Space::default()
            })
        }))
    }

    #[test]
    fn places_of_node_exporters_rule_are_left_out() {
        for (point, expected) in [
            ("/dev/shm", true),
            ("/device", false),
            ("/mnt", true),
            ("/srv/mnt", false),
            ("/var/lib/docker", false),
            ("/var/lib/docker/", false),
            ("/var/lib/docker/overlay2", true),
            ("/var/lib/containers/storage/x/y", true),
            ("/", false),
        ] {
            assert_eq!(is_excluded(Path::new(point)), expected, "{point}");
        }
    }

    #[test]
    fn mounts_of_other_kinds_are_given_too() {
        let table = "/dev/sda1 / ext4 rw 0 0\ntmpfs /tmp tmpfs ro,noexec 0 0\n\
            proc /proc proc rw 0 0\nnas:/x /dead nfs4 rw 0 0\ntmpfs /hidden tmpfs rw 0 0\n\
            proc /hidden proc rw 0 0\n";
        let tmp = "device=\"tmpfs\",fstype=\"tmpfs\",mountpoint=\"/tmp\"";
        let root = "device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"";
        assert_eq!(
            read(&mut watch(), table),
            [
                format!("lfs_filesystem_remounted_read_only{{{root}}} 0"),
                format!("device_error{{{root}}} 0"),
                format!("device_error{{{tmp}}} 0"),
                format!("size_bytes{{{tmp}}} 1000"),
                format!("readonly{{{tmp}}} 1"),
                "device_error{device=\"nas:/x\",fstype=\"nfs4\",mountpoint=\"/dead\"} 1".to_owned(),
            ]
        );
    }

    #[test]
    fn a_file_system_that_was_writable_is_told_until_it_is_again() {
        let mut watch = watch();
        let mut flags = |options: &str| {
            let table = format!("/dev/sda1 /srv ext4 {options} 0 0\n/dev/sdb / ext4 ro 0 0\n");
            let lines = read(&mut watch, &table).into_iter();
            let flags = lines.filter(|line| line.contains("remounted"));
            flags.map(|line| line.ends_with('1')).collect::<Vec<_>>()
        };
        assert_eq!(flags("rw"), [false, false]);
        assert_eq!(flags("ro,relatime"), [true, false]);
        assert_eq!(flags("rw,emergency_ro"), [true, false]);
        assert_eq!(flags("rw"), [false, false]);
    }
}

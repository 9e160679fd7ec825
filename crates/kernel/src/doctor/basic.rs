//! The kernel files that every figure of the machine comes from.

use std::path::Path;

use crate::doctor::host::Host;
use crate::doctor::option::render_option;
use crate::doctor::{Check, Finding, Level, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Machine",
    checks: &[
        Check {
            id: "proc-stat",
            title: "Processor counters",
            level: Level::Required,
            needed_for: "processor use, of the machine and of each core",
            probe: |host| host.try_file(&host.proc("stat"), "PROC_FS"),
        },
        Check {
            id: "proc-meminfo",
            title: "Memory counters",
            level: Level::Required,
            needed_for: "memory in use and free; the alarms before memory runs out",
            probe: |host| host.try_file(&host.proc("meminfo"), "PROC_FS"),
        },
        Check {
            id: "proc-loadavg",
            title: "Load averages",
            level: Level::Recommended,
            needed_for: "the load of the last 1, 5 and 15 minutes",
            probe: |host| host.try_file(&host.proc("loadavg"), "PROC_FS"),
        },
        Check {
            id: "proc-vmstat",
            title: "Paging counters",
            level: Level::Recommended,
            needed_for: "swapping, page faults, and processes killed for want of memory",
            probe: try_vmstat,
        },
        Check {
            id: "proc-diskstats",
            title: "Disk counters",
            level: Level::Recommended,
            needed_for: "throughput and use of each disk",
            probe: |host| host.try_file(&host.proc("diskstats"), "BLOCK"),
        },
        Check {
            id: "proc-net-dev",
            title: "Network counters",
            level: Level::Recommended,
            needed_for: "traffic and errors of each network device",
            probe: |host| host.try_file(&host.proc("net/dev"), "NET"),
        },
        Check {
            id: "proc-mounts",
            title: "Table of mounts",
            level: Level::Recommended,
            needed_for: "how full each file system is; finding the control groups",
            probe: |host| host.try_file(&host.proc("self/mounts"), "PROC_FS"),
        },
        Check {
            id: "sysfs",
            title: "sysfs",
            level: Level::Recommended,
            needed_for: "which disks are whole disks, sensors, clock rates, control groups",
            probe: try_sysfs,
        },
        Check {
            id: "kernel-config",
            title: "Kernel configuration",
            level: Level::Optional,
            needed_for: "saying, here, why the kernel lacks something",
            probe: try_config,
        },
    ],
};

fn try_vmstat(host: &Host<'_>) -> Finding {
    let path = host.proc("vmstat");
    let finding = host.try_file(&path, "PROC_FS");
    let Some(text) = host.read_word(&path).filter(|text| !text.is_empty()) else {
        return finding;
    };
    if text.lines().any(|line| line.starts_with("pgfault ")) {
        return finding;
    }
    Finding::limited(
        "it counts pages, but no events",
        render_option(host, "VM_EVENT_COUNTERS"),
        format!("{}: no pgfault", path.display()),
    )
}

fn try_sysfs(host: &Host<'_>) -> Finding {
    let path = host.sys("kernel");
    match path.metadata() {
        Ok(_) => Finding::available(path.display().to_string()),
        Err(error) => host.explain(&path, &error, || render_option(host, "SYSFS")),
    }
}

fn try_config(host: &Host<'_>) -> Finding {
    match &host.config {
        Some(config) => Finding::available(config.origin.display().to_string()),
        None => {
            let own = host.proc("config.gz");
            let how = format!(
                "copy the .config of the kernel's source to /boot/config-$(uname -r), \
                 or {}",
                render_option(host, "IKCONFIG_PROC")
            );
            Finding::missing("none was kept", how, render_nowhere(&own))
        }
    }
}

fn render_nowhere(own: &Path) -> String {
    format!(
        "neither {} nor /boot/config-* nor /lib/modules/*/build/.config fits",
        own.display()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    #[test]
    fn plain_files_need_only_be_readable() {
        let tree = Tree::mounted();
        let live = allow_all();
        for (id, file) in [
            ("proc-stat", "proc/stat"),
            ("proc-meminfo", "proc/meminfo"),
            ("proc-loadavg", "proc/loadavg"),
            ("proc-diskstats", "proc/diskstats"),
            ("proc-net-dev", "proc/net/dev"),
            ("proc-mounts", "proc/self/mounts"),
        ] {
            tree.expect(
                &live,
                id,
                "missing",
                &["not there (ENOENT)", "CONFIG_", file],
            );
            tree.write(file, b"");
            tree.expect(&live, id, "missing", &["empty", file]);
            tree.write(file, b"x 1\n");
            tree.expect(&live, id, "ok", &[file]);
        }
        for (root, how) in [
            (false, "run as root"),
            (true, "outside of the container or sandbox"),
        ] {
            let read = |_: &Path| fail(Errno::ACCESS);
            let refuses = Live {
                root,
                read,
                ..allow_all()
            };
            let words = ["no permission", how, "EACCES"];
            tree.expect(&refuses, "proc-stat", "missing", &words);
        }
    }

    #[test]
    fn what_is_not_mounted_is_to_be_mounted() {
        let tree = Tree::new();
        let live = allow_all();
        let proc = format!("mount -t proc proc {}/proc", tree.path().display());
        tree.expect(
            &live,
            "proc-stat",
            "missing",
            &["procfs is not mounted", &proc],
        );
        let sys = format!("mount -t sysfs sysfs {}/sys", tree.path().display());
        tree.expect(&live, "sysfs", "missing", &["sysfs is not mounted", &sys]);
        let tree = Tree::mounted();
        tree.expect(&live, "sysfs", "ok", &["sys/kernel"]);
    }

    #[test]
    fn paging_without_events_is_half_of_it() {
        let tree = Tree::mounted();
        tree.write("proc/vmstat", b"nr_free_pages 1\n");
        tree.write(
            "boot/config-6.12.3",
            b"# CONFIG_VM_EVENT_COUNTERS is not set\n",
        );
        let words = ["no pgfault", "(now: CONFIG_VM_EVENT_COUNTERS is not set)"];
        tree.expect(&allow_all(), "proc-vmstat", "limited", &words);
        tree.write("proc/vmstat", b"nr_free_pages 1\npgfault 2\n");
        tree.expect(&allow_all(), "proc-vmstat", "ok", &[]);
    }

    #[test]
    fn a_configuration_is_asked_for_where_there_is_none() {
        let tree = Tree::mounted();
        let words = [
            "config.gz",
            "CONFIG_IKCONFIG_PROC=y",
            "/boot/config-$(uname -r)",
        ];
        tree.expect(&allow_all(), "kernel-config", "missing", &words);
        tree.write("boot/config-6.12.3", b"CONFIG_NET=y\n");
        tree.expect(&allow_all(), "kernel-config", "ok", &["boot/config-6.12.3"]);
    }
}

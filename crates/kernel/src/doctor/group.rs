//! Control groups, version 2: what a build step uses, counted by the kernel.

use std::io::ErrorKind;
use std::path::Path;

use crate::doctor::host::{Host, is_refused, render_error, render_refusal};
use crate::doctor::option::render_option;
use crate::doctor::{Check, Finding, Level, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Control groups",
    checks: &[
        Check {
            id: "cgroup2",
            title: "Control groups, version 2",
            level: Level::Recommended,
            needed_for: "accounts of each step, and ending everything that a step started",
            probe: try_mount,
        },
        Check {
            id: "cgroup-create",
            title: "Making groups",
            level: Level::Recommended,
            needed_for: "a group for each step: without it, steps are accounted for by wait4(2), \
                         which sees only the largest process' memory",
            probe: try_create,
        },
        Check {
            id: "cgroup-cpu",
            title: "Processor controller",
            level: Level::Optional,
            needed_for: "sharing processors between steps by weight, and limits",
            probe: |host| try_controller(host, "cpu", "cpu", "CGROUP_SCHED"),
        },
        Check {
            id: "cgroup-memory",
            title: "Memory controller",
            level: Level::Recommended,
            needed_for: "the peak memory of each step with all its processes, and limits",
            probe: |host| try_controller(host, "memory", "memory", "MEMCG"),
        },
        Check {
            id: "cgroup-io",
            title: "I/O controller",
            level: Level::Recommended,
            needed_for: "what each step read and wrote on disks",
            probe: |host| try_controller(host, "io", "blkio", "BLK_CGROUP"),
        },
        Check {
            id: "cgroup-pids",
            title: "Process controller",
            level: Level::Optional,
            needed_for: "the number of processes of each step, and limits",
            probe: |host| try_controller(host, "pids", "pids", "CGROUP_PIDS"),
        },
        Check {
            id: "cgroup-cpu-stat",
            title: "Processor time of groups",
            level: Level::Recommended,
            needed_for: "the processor time of each step with all its processes",
            probe: |host| try_group_file(host, "cpu.stat", (4, 15)),
        },
        Check {
            id: "cgroup-memory-peak",
            title: "Peak memory of groups",
            level: Level::Recommended,
            needed_for: "the peak memory of each step with all its processes",
            probe: |host| try_memory_file(host, "memory.peak", (5, 19)),
        },
        Check {
            id: "cgroup-swap",
            title: "Swap of groups",
            level: Level::Optional,
            needed_for: "how much of each step is in swap",
            probe: try_swap,
        },
        Check {
            id: "cgroup-kill",
            title: "Killing groups",
            level: Level::Optional,
            needed_for: "ending a step at once; one process after the other otherwise",
            probe: |host| try_group_file(host, "cgroup.kill", (5, 14)),
        },
        Check {
            id: "cgroup-freeze",
            title: "Freezing groups",
            level: Level::Optional,
            needed_for: "halting a step and going on later",
            probe: |host| try_group_file(host, "cgroup.freeze", (5, 2)),
        },
    ],
};

fn try_mount(host: &Host<'_>) -> Finding {
    let Some(mount) = &host.groups.mount else {
        return explain_mount(host);
    };
    let mount = mount.display().to_string();
    let held = &host.groups.legacy;
    if held.is_empty() {
        return Finding::available(mount);
    }
    Finding::limited(
        "version 1 is mounted beside it and holds controllers",
        "boot with cgroup_no_v1=all",
        format!("{mount}; in version 1: {}", held.join(" ")),
    )
}

fn explain_mount(host: &Host<'_>) -> Finding {
    let mounts = host.proc("self/mounts");
    if let Err(error) = host.read_file(&mounts) {
        return host.explain(&mounts, &error, || render_option(host, "PROC_FS"));
    }
    let known = host
        .read_word(&host.proc("filesystems"))
        .unwrap_or_default();
    if !known.split_ascii_whitespace().any(|name| name == "cgroup2") {
        let evidence = format!("{}: no cgroup2", host.proc("filesystems").display());
        let how = render_option(host, "CGROUPS");
        return Finding::missing("not in this kernel", how, evidence);
    }
    let has_legacy = host.mounts.iter().any(|mount| mount.fstype == "cgroup");
    let how = if has_legacy {
        "mkdir -p /sys/fs/cgroup/unified; mount -t cgroup2 none /sys/fs/cgroup/unified; \
         better, boot with cgroup_no_v1=all and mount -t cgroup2 none /sys/fs/cgroup"
    } else {
        "mount -t cgroup2 none /sys/fs/cgroup; for good, the line \
         'cgroup2 /sys/fs/cgroup cgroup2 nosuid,noexec,nodev 0 0' in /etc/fstab"
    };
    let evidence = format!("{}: no cgroup2", mounts.display());
    Finding::missing("not mounted", how, evidence)
}

fn try_create(host: &Host<'_>) -> Finding {
    let Some(mount) = &host.groups.mount else {
        return explain_mount(host);
    };
    match &host.groups.parent {
        Ok(parent) => Finding::available(format!("made and removed one in {}", parent.display())),
        Err((path, error)) => {
            let evidence = render_refusal(path, error);
            let how = match error.kind() {
                ErrorKind::ReadOnlyFilesystem => {
                    format!("mount -o remount,rw {}", mount.display())
                }
                _ if is_refused(error) => format!(
                    "{}, or have a group delegated",
                    host.render_privilege("writing")
                ),
                _ => format!("see why {} cannot be used", path.display()),
            };
            Finding::missing(render_error(error), how, evidence)
        }
    }
}

/// A controller counts when it reaches the groups that a build makes.
fn try_controller(host: &Host<'_>, name: &str, legacy: &str, symbol: &str) -> Finding {
    let Some(mount) = &host.groups.mount else {
        return explain_mount(host);
    };
    let path = mount.join("cgroup.controllers");
    let listed = match host.read_file(&path) {
        Ok(text) => has_word(&String::from_utf8_lossy(&text), name),
        Err(error) => return host.explain(&path, &error, || render_option(host, symbol)),
    };
    if !listed {
        return explain_controller(host, mount, name, legacy, symbol);
    }
    for group in host.groups.list_givers() {
        let path = group.join("cgroup.subtree_control");
        let given = host.read_word(&path).unwrap_or_default();
        if !has_word(&given, name) {
            let given = if given.is_empty() { "empty" } else { &given };
            return Finding::missing(
                "the kernel has it, but gives it to no group",
                render_delegation(host, &path, name),
                format!("{}: {given}", path.display()),
            );
        }
    }
    Finding::available(path.display().to_string())
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_ascii_whitespace().any(|found| found == word)
}

/// systemd takes back what is written into groups that it manages.
fn render_delegation(host: &Host<'_>, path: &Path, name: &str) -> String {
    let order = format!("echo +{name} > {}", path.display());
    let own = host.groups.branch.last();
    let in_session = own.is_some_and(|own| own.to_string_lossy().contains("/user@"));
    if in_session && !host.live.root {
        return "as root: systemctl edit user@.service, with the lines '[Service]' and \
                'Delegate=cpu io memory pids'; then log in again"
            .to_owned();
    }
    if host.live.root {
        order
    } else {
        format!("as root: {order}")
    }
}

/// Why the top has no such controller.
fn explain_controller(
    host: &Host<'_>,
    mount: &Path,
    name: &str,
    legacy: &str,
    symbol: &str,
) -> Finding {
    if host.groups.legacy.iter().any(|held| held == legacy) {
        return Finding::missing(
            "version 1 of control groups holds it",
            "boot with cgroup_no_v1=all",
            format!(
                "{}: {legacy} in version 1",
                host.proc("self/cgroup").display()
            ),
        );
    }
    let evidence = format!("{}: no {name}", mount.join("cgroup.controllers").display());
    if let Some(word) = host
        .find_disabling(name)
        .or_else(|| host.find_disabling(legacy))
    {
        let why = "switched off when the kernel was started";
        return Finding::missing(why, format!("boot without {word}"), evidence);
    }
    // The very top of a machine has no type; the top of a container has.
    if host.is_there(&mount.join("cgroup.type")) {
        let how = format!("outside of this container, give its group the controller {name}");
        return Finding::missing("not given to this container", how, evidence);
    }
    Finding::missing("not in this kernel", render_option(host, symbol), evidence)
}

/// A file that every group but the top has since some version of the kernel.
pub(super) fn try_group_file(host: &Host<'_>, name: &str, since: (u32, u32)) -> Finding {
    if host.groups.mount.is_none() {
        return explain_mount(host);
    }
    let (major, minor) = since;
    match &host.groups.files {
        Some(files) if files.contains(name) => Finding::available(name),
        Some(_) => Finding::missing(
            "this kernel's groups have no such file",
            format!("a kernel of version {major}.{minor} or newer that is built with it"),
            format!("{name}: not in a group"),
        ),
        None if host.is_since(major, minor) => Finding::limited(
            "likely there, but there is no group to look at",
            host.render_privilege("making groups"),
            format!("{name}: in Linux since {major}.{minor}"),
        ),
        None => Finding::missing(
            "this kernel may be too old, and there is no group to look at",
            format!("a kernel of version {major}.{minor} or newer"),
            format!("{name}: in Linux since {major}.{minor}"),
        ),
    }
}

/// Such a file that groups have only with the memory controller.
fn try_memory_file(host: &Host<'_>, name: &str, since: (u32, u32)) -> Finding {
    let controller = try_controller(host, "memory", "memory", "MEMCG");
    match controller.how {
        Some(how) => Finding::missing("no memory controller", how, controller.evidence),
        None => try_group_file(host, name, since),
    }
}

fn try_swap(host: &Host<'_>) -> Finding {
    let name = "memory.swap.current";
    let mut finding = try_memory_file(host, name, (4, 5));
    let lacks = host
        .groups
        .files
        .as_ref()
        .is_some_and(|files| !files.contains(name));
    let has_memory = try_controller(host, "memory", "memory", "MEMCG")
        .how
        .is_none();
    if lacks && has_memory {
        // Since 6.1 swap is counted wherever there is any.
        finding.how = Some(if host.is_since(6, 1) {
            render_option(host, "SWAP")
        } else {
            "boot with swapaccount=1".to_owned()
        });
    }
    finding
}

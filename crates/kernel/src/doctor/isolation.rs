//! What the kernel offers to keep builds apart, and to look into them.

use std::fs::File;

use crate::doctor::host::{Host, is_absent, render_refusal};
use crate::doctor::option::{Built, find_built, render_module, render_option};
use crate::doctor::{Check, Finding, Level, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Isolation and tracing",
    checks: &[
        Check {
            id: "overlayfs",
            title: "Layers over a tree (overlayfs)",
            level: Level::Optional,
            needed_for: "trying a step on top of a tree without changing it",
            probe: try_overlay,
        },
        Check {
            id: "user-namespaces",
            title: "User namespaces",
            level: Level::Optional,
            needed_for: "closed-off builds for users other than root",
            probe: try_user_namespaces,
        },
        Check {
            id: "landlock",
            title: "Landlock",
            level: Level::Optional,
            needed_for: "keeping a step to its own folders",
            probe: try_landlock,
        },
        Check {
            id: "seccomp",
            title: "Filters of system calls (seccomp)",
            level: Level::Optional,
            needed_for: "keeping system calls from a step",
            probe: try_seccomp,
        },
        Check {
            id: "btf",
            title: "Types of the kernel (BTF)",
            level: Level::Optional,
            needed_for: "eBPF tools that run on any kernel",
            probe: try_types,
        },
        Check {
            id: "perf-events",
            title: "Performance counters",
            level: Level::Optional,
            needed_for: "instructions and cache misses of a step",
            probe: try_perf,
        },
    ],
};

fn try_overlay(host: &Host<'_>) -> Finding {
    let path = host.proc("filesystems");
    match host.read_file(&path) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            if text.split_ascii_whitespace().any(|name| name == "overlay") {
                return Finding::available(path.display().to_string());
            }
            let evidence = format!("{}: no overlay", path.display());
            let how = render_module(host, "OVERLAY_FS", "overlay");
            match find_built(host, "OVERLAY_FS") {
                Built::Module => Finding::limited("the module is not loaded", how, evidence),
                _ => Finding::missing("not in this kernel", how, evidence),
            }
        }
        Err(error) => host.explain(&path, &error, || render_option(host, "PROC_FS")),
    }
}

/// Making one would need a process of its own; the switches say as much.
fn try_user_namespaces(host: &Host<'_>) -> Finding {
    let path = host.proc("self/ns/user");
    if !host.is_there(&path) {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        return host.explain(&path, &error, || render_option(host, "USER_NS"));
    }
    let switches = [
        (
            "sys/user/max_user_namespaces",
            "0",
            "user.max_user_namespaces=10000",
        ),
        (
            "sys/kernel/unprivileged_userns_clone",
            "0",
            "kernel.unprivileged_userns_clone=1",
        ),
        (
            "sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ];
    for (file, off, setting) in switches {
        let switch = host.proc(file);
        if host.read_word(&switch).as_deref() == Some(off) {
            return Finding::missing(
                "not allowed to users other than root",
                format!("sysctl -w {setting}"),
                format!("{}: {off}", switch.display()),
            );
        }
    }
    Finding::available(path.display().to_string())
}

fn try_landlock(host: &Host<'_>) -> Finding {
    let path = host.sys("kernel/security/lsm");
    match host.read_file(&path) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            let evidence = format!("{}: {text}", path.display());
            if text.split(',').any(|name| name == "landlock") {
                return Finding::available(evidence);
            }
            let how = match find_built(host, "SECURITY_LANDLOCK") {
                Built::In => format!("boot with lsm=landlock,{text}"),
                _ => render_option(host, "SECURITY_LANDLOCK"),
            };
            Finding::missing("not among the active security modules", how, evidence)
        }
        Err(error) if is_absent(&error) && find_built(host, "SECURITY_LANDLOCK") == Built::In => {
            Finding::limited(
                "likely there, but the list of active security modules cannot be seen",
                format!(
                    "mount -t securityfs none {}",
                    host.sys("kernel/security").display()
                ),
                render_refusal(&path, &error),
            )
        }
        Err(error) => host.explain(&path, &error, || render_option(host, "SECURITY_LANDLOCK")),
    }
}

fn try_seccomp(host: &Host<'_>) -> Finding {
    host.try_file(&host.proc("sys/kernel/seccomp/actions_avail"), "SECCOMP")
}

/// It has several MiB: that it can be opened is enough.
fn try_types(host: &Host<'_>) -> Finding {
    let path = host.sys("kernel/btf/vmlinux");
    match File::open(&path) {
        Ok(_) => Finding::available(path.display().to_string()),
        Err(error) => host.explain(&path, &error, || render_option(host, "DEBUG_INFO_BTF")),
    }
}

/// `kernel.perf_event_paranoid`: up to 2 users may look into their own
/// processes, above that root alone.
fn try_perf(host: &Host<'_>) -> Finding {
    let path = host.proc("sys/kernel/perf_event_paranoid");
    let level = match host.read_file(&path) {
        Ok(text) => String::from_utf8_lossy(&text).trim().parse::<i64>().ok(),
        Err(error) => return host.explain(&path, &error, || render_option(host, "PERF_EVENTS")),
    };
    let shown = level.map_or_else(|| "no number".to_owned(), |level| level.to_string());
    let evidence = format!("{}: {shown}", path.display());
    match level {
        Some(level) if level > 2 && !host.live.root => {
            let how = "sysctl -w kernel.perf_event_paranoid=2, or run as root";
            Finding::missing("for root alone", how, evidence)
        }
        Some(_) => Finding::available(evidence),
        None => {
            let how = "sysctl -w kernel.perf_event_paranoid=2";
            Finding::limited("the setting is not understood", how, evidence)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all};

    /// Files with their content, the status of a capability there, and what is
    /// said.
    #[track_caller]
    fn expect(id: &str, live: &Live, files: &[(&str, &str)], status: &str, words: &[&str]) {
        let tree = Tree::mounted();
        for (path, content) in files {
            tree.write(path, content.as_bytes());
        }
        tree.expect(live, id, status, words);
    }

    const CONFIG: &str = "boot/config-6.12.3";

    #[test]
    fn layers_are_known_loadable_or_to_be_built() {
        let live = allow_all();
        let list = "proc/filesystems";
        let without = (list, "nodev\tproc\n\text4\n");
        let module = (CONFIG, "CONFIG_OVERLAY_FS=m\n");
        let none = (CONFIG, "# CONFIG_OVERLAY_FS is not set\n");
        expect("overlayfs", &live, &[(list, "nodev\toverlay\n")], "ok", &[]);
        expect(
            "overlayfs",
            &live,
            &[without, module],
            "limited",
            &["modprobe overlay"],
        );
        let words = ["File systems > Overlay filesystem support"];
        expect("overlayfs", &live, &[without, none], "missing", &words);
        let words = ["modprobe overlay; if there is no such module, CONFIG_OVERLAY_FS=y"];
        expect("overlayfs", &live, &[without], "missing", &words);
    }

    #[test]
    fn user_namespaces_can_be_switched_off_in_three_ways() {
        let live = allow_all();
        let there = ("proc/self/ns/user", "");
        expect(
            "user-namespaces",
            &live,
            &[],
            "missing",
            &["CONFIG_USER_NS=y"],
        );
        expect("user-namespaces", &live, &[there], "ok", &[]);
        for (file, off, on, word) in [
            (
                "user/max_user_namespaces",
                "0\n",
                "9\n",
                "user.max_user_namespaces=10000",
            ),
            (
                "kernel/unprivileged_userns_clone",
                "0\n",
                "1\n",
                "userns_clone=1",
            ),
            (
                "kernel/apparmor_restrict_unprivileged_userns",
                "1\n",
                "0\n",
                "userns=0",
            ),
        ] {
            let path = format!("proc/sys/{file}");
            expect(
                "user-namespaces",
                &live,
                &[there, (&path, off)],
                "missing",
                &[word],
            );
            expect("user-namespaces", &live, &[there, (&path, on)], "ok", &[]);
        }
    }

    #[test]
    fn landlock_is_active_only_where_it_is_listed() {
        let live = allow_all();
        let lsm = "sys/kernel/security/lsm";
        let yes = (CONFIG, "CONFIG_SECURITY_LANDLOCK=y\n");
        expect(
            "landlock",
            &live,
            &[(lsm, "capability,landlock")],
            "ok",
            &[],
        );
        let words = ["boot with lsm=landlock,capability,yama"];
        expect(
            "landlock",
            &live,
            &[(lsm, "capability,yama"), yes],
            "missing",
            &words,
        );
        let words = ["Security options > Landlock support"];
        expect("landlock", &live, &[(lsm, "capability")], "missing", &words);
        expect(
            "landlock",
            &live,
            &[yes],
            "limited",
            &["mount -t securityfs"],
        );
        expect(
            "landlock",
            &live,
            &[],
            "missing",
            &["CONFIG_SECURITY_LANDLOCK=y"],
        );
    }

    #[test]
    fn counters_are_for_users_up_to_a_level() {
        let path = "proc/sys/kernel/perf_event_paranoid";
        let root = allow_all();
        let user = Live {
            root: false,
            ..allow_all()
        };
        expect("perf-events", &user, &[(path, "2\n")], "ok", &[]);
        expect("perf-events", &user, &[(path, "-1\n")], "ok", &[]);
        expect("perf-events", &root, &[(path, "3\n")], "ok", &[]);
        expect(
            "perf-events",
            &user,
            &[(path, "3\n")],
            "missing",
            &["perf_event_paranoid=2"],
        );
        expect(
            "perf-events",
            &user,
            &[(path, "x\n")],
            "limited",
            &["no number"],
        );
        expect(
            "perf-events",
            &root,
            &[],
            "missing",
            &["CONFIG_PERF_EVENTS=y"],
        );
    }

    #[test]
    fn filters_and_types_are_files() {
        let live = allow_all();
        for (id, path, option) in [
            (
                "seccomp",
                "proc/sys/kernel/seccomp/actions_avail",
                "CONFIG_SECCOMP=y",
            ),
            ("btf", "sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF=y"),
        ] {
            expect(id, &live, &[], "missing", &[option, "ENOENT"]);
            expect(id, &live, &[(path, "x")], "ok", &[path]);
        }
    }
}

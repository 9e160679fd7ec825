//! Accounts that the kernel keeps of each task, and how long tasks waited.

use std::io;

use rustix::io::Errno;

use crate::doctor::events::find_foreign_namespace;
use crate::doctor::host::{Host, is_absent, is_refused, render_error};
use crate::doctor::option::{Built, find_built, render_option};
use crate::doctor::{Check, Finding, Level, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Accounts of tasks",
    checks: &[
        Check {
            id: "taskstats",
            title: "Accounts of tasks (taskstats)",
            level: Level::Recommended,
            needed_for: "exact peaks and sums of each process",
            probe: try_family,
        },
        Check {
            id: "taskstats-exits",
            title: "Accounts at the end of a task",
            level: Level::Recommended,
            needed_for: "what short processes used: a build has thousands between two samples",
            probe: try_exits,
        },
        Check {
            id: "delay-accounting",
            title: "What tasks waited for",
            level: Level::Recommended,
            needed_for: "how long processes waited for disks, swap and memory",
            probe: try_delays,
        },
        Check {
            id: "run-delay",
            title: "Waiting for a processor",
            level: Level::Optional,
            needed_for: "how long a process was ready and had no processor",
            probe: try_run_delay,
        },
        Check {
            id: "schedstat",
            title: "Scheduler statistics",
            level: Level::Optional,
            needed_for: "waiting for a processor, by processor",
            probe: try_schedstat,
        },
    ],
};

const FAMILY: &str = "TASKSTATS";

/// Where a setting of sysctl(8) is kept over a reboot.
fn render_sysctl(setting: &str) -> String {
    format!(
        "sysctl -w {setting}; for good, the line '{setting}' in /etc/sysctl.conf, or with systemd in /etc/sysctl.d/lfs-wrapper.conf"
    )
}

fn try_family(host: &Host<'_>) -> Finding {
    match (host.live.find_family)(FAMILY) {
        Ok(_) => Finding::available(format!("generic netlink family {FAMILY}")),
        Err(error) => explain_family(host, &error),
    }
}

fn explain_family(host: &Host<'_>, error: &io::Error) -> Finding {
    let evidence = format!("generic netlink family {FAMILY}: {}", render_error(error));
    if is_refused(error) {
        let how = "allow netlink sockets in the container";
        return Finding::missing("no permission", how, evidence);
    }
    let symbol = if Errno::from_io_error(error) == Some(Errno::PROTONOSUPPORT) {
        "NET"
    } else {
        FAMILY
    };
    Finding::missing("not in this kernel", render_option(host, symbol), evidence)
}

fn try_exits(host: &Host<'_>) -> Finding {
    let family = match (host.live.find_family)(FAMILY) {
        Ok(family) => family,
        Err(error) => return explain_family(host, &error),
    };
    let Err(error) = (host.live.register_exits)(family) else {
        return Finding::available("registered and deregistered for processor 0");
    };
    let evidence = format!("registering for processor 0: {}", render_error(&error));
    if let Some(namespace) = find_foreign_namespace(host) {
        let why = format!("not from within a container ({namespace} namespace)");
        return Finding::missing(why, "run outside of the container", evidence);
    }
    let how = host.render_privilege("CAP_NET_ADMIN");
    Finding::missing(render_error(&error), how, evidence)
}

/// Switched by a sysctl since 5.14, by the command line before.
fn try_delays(host: &Host<'_>) -> Finding {
    let path = host.proc("sys/kernel/task_delayacct");
    let shown = path.display();
    match host.read_file(&path) {
        Ok(text) if text.trim_ascii() == b"0" => Finding::missing(
            "the kernel has it, but it is off",
            format!(
                "{}; or boot with delayacct",
                render_sysctl("kernel.task_delayacct=1")
            ),
            format!("{shown}: 0"),
        ),
        Ok(_) => Finding::available(format!("{shown}: 1")),
        Err(error) if is_absent(&error) && is_older(host) => try_old_delays(host),
        Err(error) => host.explain(&path, &error, || render_option(host, "TASK_DELAY_ACCT")),
    }
}

fn is_older(host: &Host<'_>) -> bool {
    host.version.is_some() && !host.is_since(5, 14)
}

fn try_old_delays(host: &Host<'_>) -> Finding {
    let evidence = host.proc("cmdline").display().to_string();
    if host.is_booted_with("nodelayacct") {
        let why = "switched off when the kernel was started";
        return Finding::missing(why, "boot without nodelayacct", evidence);
    }
    match find_built(host, "TASK_DELAY_ACCT") {
        Built::In | Built::Module => Finding::available(format!("{evidence}: no nodelayacct")),
        Built::Out => {
            let how = render_option(host, "TASK_DELAY_ACCT");
            Finding::missing("not in this kernel", how, evidence)
        }
        Built::Unknown => Finding::limited(
            "on if the kernel was built with it, which is not known",
            render_option(host, "TASK_DELAY_ACCT"),
            evidence,
        ),
    }
}

/// `/proc/PID/schedstat` counts only while something wants the counts.
fn try_run_delay(host: &Host<'_>) -> Finding {
    let path = host.proc("self/schedstat");
    let shown = path.display();
    match host.read_file(&path) {
        Ok(text) if text.starts_with(b"0 0 0") => Finding::missing(
            "the kernel has it, but it is off",
            format!(
                "{}; or boot with delayacct",
                render_sysctl("kernel.task_delayacct=1")
            ),
            format!("{shown}: 0 0 0"),
        ),
        Ok(_) => Finding::available(shown.to_string()),
        Err(error) => host.explain(&path, &error, || render_option(host, "TASK_DELAY_ACCT")),
    }
}

fn try_schedstat(host: &Host<'_>) -> Finding {
    let finding = host.try_file(&host.proc("schedstat"), "SCHEDSTATS");
    let switch = host.proc("sys/kernel/sched_schedstats");
    if finding.how.is_none() && host.read_word(&switch).as_deref() == Some("0") {
        return Finding::limited(
            "only a part is counted while the switch is off",
            render_sysctl("kernel.sched_schedstats=1"),
            format!("{}: 0", switch.display()),
        );
    }
    finding
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    const MENU: &str = "General setup > CPU/Task time and stats accounting > \
                        Export task/process statistics through netlink";

    #[test]
    fn taskstats_needs_the_kernel_and_the_privilege() {
        let tree = Tree::mounted();
        tree.write("boot/config-6.12.3", b"# CONFIG_TASKSTATS is not set\n");
        let family = |find_family| Live {
            find_family,
            ..allow_all()
        };
        let absent = family(|_| fail(Errno::NOENT));
        for id in ["taskstats", "taskstats-exits"] {
            tree.expect(&allow_all(), id, "ok", &[]);
            let words = [MENU, "CONFIG_TASKSTATS is not set", "ENOENT"];
            tree.expect(&absent, id, "missing", &words);
            let no_net = family(|_| fail(Errno::PROTONOSUPPORT));
            tree.expect(&no_net, id, "missing", &["CONFIG_NET=y"]);
        }
        let exits = |register_exits, root| Live {
            register_exits,
            root,
            ..allow_all()
        };
        let table = [
            (
                exits(|_| fail(Errno::PERM), false),
                ["run as root", "EPERM"],
            ),
            (
                exits(|_| fail(Errno::PERM), true),
                ["CAP_NET_ADMIN", "EPERM"],
            ),
            (
                exits(|_| fail(Errno::INVAL), true),
                ["CAP_NET_ADMIN", "EINVAL"],
            ),
        ];
        for (live, words) in table {
            tree.expect(&live, "taskstats", "ok", &[]);
            tree.expect(&live, "taskstats-exits", "missing", &words);
        }
    }

    #[test]
    fn delays_are_counted_by_version_switch_and_command_line() {
        let tree = |release: &str, switch: Option<&str>, command_line: &str, config: &str| {
            let tree = Tree::mounted();
            tree.write("proc/sys/kernel/osrelease", release.as_bytes());
            tree.write("proc/cmdline", command_line.as_bytes());
            if let Some(switch) = switch {
                tree.write("proc/sys/kernel/task_delayacct", switch.as_bytes());
            }
            if !config.is_empty() {
                let path = format!("boot/config-{}", release.trim());
                tree.write(&path, config.as_bytes());
            }
            tree
        };
        let yes = "CONFIG_TASK_DELAY_ACCT=y\n";
        let no = "# CONFIG_TASK_DELAY_ACCT is not set\n";
        let switch = "sysctl -w kernel.task_delayacct=1";
        let table = [
            (tree("6.12.3\n", Some("1\n"), "", ""), "ok", vec![]),
            (
                tree("6.12.3\n", Some("0\n"), "", yes),
                "missing",
                vec![switch, "boot with delayacct"],
            ),
            (
                tree("6.12.3\n", None, "", no),
                "missing",
                vec!["CONFIG_TASK_DELAY_ACCT is not set"],
            ),
            (
                tree("6.12.3\n", None, "", ""),
                "missing",
                vec!["CONFIG_TASK_DELAY_ACCT=y"],
            ),
            (tree("5.10.1\n", None, "", yes), "ok", vec![]),
            (
                tree("5.10.1\n", None, "", no),
                "missing",
                vec!["CONFIG_TASK_DELAY_ACCT=y"],
            ),
            (tree("5.10.1\n", None, "", ""), "limited", vec!["not known"]),
            (
                tree("5.10.1\n", None, "ro nodelayacct\n", yes),
                "missing",
                vec!["without nodelayacct"],
            ),
        ];
        for (tree, status, words) in table {
            tree.expect(&allow_all(), "delay-accounting", status, &words);
        }
    }

    #[test]
    fn waiting_for_a_processor_is_counted_or_stays_zero() {
        let tree = Tree::mounted();
        tree.expect(&allow_all(), "run-delay", "missing", &["ENOENT"]);
        tree.write("proc/self/schedstat", b"0 0 0\n");
        tree.expect(
            &allow_all(),
            "run-delay",
            "missing",
            &["kernel.task_delayacct=1"],
        );
        tree.write("proc/self/schedstat", b"12 3 4\n");
        tree.expect(&allow_all(), "run-delay", "ok", &[]);
        tree.expect(
            &allow_all(),
            "schedstat",
            "missing",
            &["Collect scheduler statistics"],
        );
        tree.write("proc/schedstat", b"version 17\n");
        tree.expect(&allow_all(), "schedstat", "ok", &[]);
        tree.write("proc/sys/kernel/sched_schedstats", b"0\n");
        tree.expect(
            &allow_all(),
            "schedstat",
            "limited",
            &["kernel.sched_schedstats=1"],
        );
    }
}

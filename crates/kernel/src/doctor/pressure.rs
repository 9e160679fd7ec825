//! Pressure stall information, of the machine and of control groups.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::doctor::group::try_group_file;
use crate::doctor::host::{Host, is_absent, render_refusal};
use crate::doctor::option::{Built, find_built, render_option};
use crate::doctor::{Check, Finding, Level, Status, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Pressure",
    checks: &[
        Check {
            id: "pressure",
            title: "Pressure of the machine",
            level: Level::Recommended,
            needed_for: "how long the machine waits for processors, memory and disks; \
                         the alarms that a build is too much for it",
            probe: try_pressure,
        },
        Check {
            id: "pressure-groups",
            title: "Pressure of each build step",
            level: Level::Optional,
            needed_for: "which step it is that waits for memory or disks",
            probe: try_group_pressure,
        },
    ],
};

const SWITCH_ON: &str = "boot with psi=1";

fn try_pressure(host: &Host<'_>) -> Finding {
    let folder = host.proc("pressure");
    for resource in ["cpu", "memory", "io"] {
        let path = folder.join(resource);
        match host.read_file(&path) {
            Ok(text) if text.starts_with(b"some ") => {}
            Ok(_) => {
                let evidence = format!("{}: no line 'some'", path.display());
                return Finding::missing("the file says nothing", SWITCH_ON, evidence);
            }
            Err(error) => return explain_pressure(host, &path, &error),
        }
    }
    Finding::available(folder.display().to_string())
}

/// A kernel that has it but was started without it either refuses to read the
/// files or has none, by its version.
fn explain_pressure(host: &Host<'_>, path: &Path, error: &io::Error) -> Finding {
    let evidence = render_refusal(path, error);
    let is_off = Errno::from_io_error(error) == Some(Errno::OPNOTSUPP);
    let built = find_built(host, "PSI");
    if host.is_booted_with("psi=0") && (is_off || is_absent(error)) {
        let how = "boot without psi=0";
        return Finding::missing("switched off when the kernel was started", how, evidence);
    }
    if is_off || (is_absent(error) && built == Built::In) {
        return Finding::missing("the kernel has it, but it is off", SWITCH_ON, evidence);
    }
    host.explain(path, error, || match built {
        Built::Unknown => format!(
            "{SWITCH_ON}; if that changes nothing, {}",
            render_option(host, "PSI")
        ),
        _ => render_option(host, "PSI"),
    })
}

fn try_group_pressure(host: &Host<'_>) -> Finding {
    let machine = try_pressure(host);
    if let (Status::Missing { why }, Some(how)) = (machine.status, machine.how) {
        return Finding::missing(why, how, machine.evidence);
    }
    if let Some(word) = host.find_disabling("pressure") {
        let why = "switched off when the kernel was started";
        let evidence = host.proc("cmdline").display().to_string();
        return Finding::missing(why, format!("boot without {word}"), evidence);
    }
    try_group_file(host, "memory.pressure", (4, 20))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    const MENU: &str = "General setup > CPU/Task time and stats accounting > \
                        Pressure stall information tracking";

    fn refuse_memory(path: &Path) -> std::io::Result<Vec<u8>> {
        if path.ends_with("pressure/memory") {
            return fail(Errno::OPNOTSUPP);
        }
        std::fs::read(path)
    }

    fn tree(config: Option<&str>, command_line: &str, files: &[&str]) -> Tree {
        let tree = Tree::mounted();
        if let Some(config) = config {
            tree.write("boot/config-6.12.3", config.as_bytes());
        }
        tree.write("proc/cmdline", command_line.as_bytes());
        for file in files {
            let path = format!("proc/pressure/{file}");
            tree.write(&path, b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
        }
        tree
    }

    #[test]
    fn pressure_is_built_in_or_switched_on_by_what_is_known() {
        const ALL: &[&str] = &["cpu", "memory", "io"];
        let live = allow_all();
        let refuses = Live {
            read: refuse_memory,
            ..allow_all()
        };
        let yes = Some("CONFIG_PSI=y\nCONFIG_PSI_DEFAULT_DISABLED=y\n");
        let no = Some("# CONFIG_PSI is not set\n");
        let table = [
            (tree(yes, "", ALL), &live, "ok", vec!["proc/pressure"]),
            (
                tree(yes, "", ALL),
                &refuses,
                "missing",
                vec!["boot with psi=1", "EOPNOTSUPP"],
            ),
            (
                tree(None, "", ALL),
                &refuses,
                "missing",
                vec!["boot with psi=1", "it is off"],
            ),
            (
                tree(yes, "", &[]),
                &live,
                "missing",
                vec!["boot with psi=1", "ENOENT"],
            ),
            (
                tree(yes, "ro psi=0\n", &[]),
                &live,
                "missing",
                vec!["boot without psi=0"],
            ),
            (
                tree(no, "", &[]),
                &live,
                "missing",
                vec![MENU, "(now: CONFIG_PSI is not set)"],
            ),
            (
                tree(None, "", &[]),
                &live,
                "missing",
                vec![MENU, "boot with psi=1; if"],
            ),
            (
                tree(yes, "", &["cpu"]),
                &live,
                "missing",
                vec!["pressure/memory"],
            ),
        ];
        for (tree, live, status, words) in table {
            tree.expect(live, "pressure", status, &words);
        }
        let off = tree(yes, "cgroup_disable=pressure\n", ALL);
        let words = ["boot without cgroup_disable=pressure"];
        off.expect(&live, "pressure-groups", "missing", &words);
        off.expect(&live, "pressure", "ok", &[]);
        tree(no, "", &[]).expect(&live, "pressure-groups", "missing", &[MENU]);
        let garbled = tree(yes, "", ALL);
        garbled.write("proc/pressure/io", b"\xff\0");
        garbled.expect(&live, "pressure", "missing", &["pressure/io: no line"]);
    }
}

//! What processes tell of themselves and of others.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::doctor::host::{Host, is_refused, render_error, render_refusal};
use crate::doctor::option::render_option;
use crate::doctor::{Check, Finding, Level, Subject, events};

pub(super) const SUBJECT: Subject = Subject {
    title: "Processes",
    checks: &[
        Check {
            id: "process-table",
            title: "Table of processes",
            level: Level::Required,
            needed_for: "running builds at all: a process is told from others by what /proc says",
            probe: |host| host.try_file(&host.proc("self/stat"), "PROC_FS"),
        },
        Check {
            id: "pidfd",
            title: "Signals that hit the right process",
            level: Level::Required,
            needed_for: "ending what a build started, and nothing else",
            probe: try_pidfd,
        },
        Check {
            id: "process-visibility",
            title: "Processes of other users",
            level: Level::Recommended,
            needed_for: "seeing which programs use the machine beside the build",
            probe: try_visibility,
        },
        Check {
            id: "process-io",
            title: "Disk use of processes",
            level: Level::Recommended,
            needed_for: "which process reads and writes; what a step read and wrote without \
                         an I/O controller",
            probe: |host| try_both(host, "io", "TASK_IO_ACCOUNTING"),
        },
        Check {
            id: "process-memory",
            title: "Memory of processes, shared parts counted once",
            level: Level::Optional,
            needed_for: "the proportional memory (PSS) of processes; the resident memory counts \
                         shared parts in each",
            probe: |host| try_both(host, "smaps_rollup", "PROC_PAGE_MONITOR"),
        },
        Check {
            id: "process-children",
            title: "Children of a process",
            level: Level::Optional,
            needed_for: "following a build's processes without reading the whole table",
            probe: try_children,
        },
        Check {
            id: "process-events",
            title: "Beginnings and ends of processes",
            level: Level::Recommended,
            needed_for: "processes that live shorter than the time between two samples",
            probe: events::try_events,
        },
        Check {
            id: "initial-namespaces",
            title: "View of the whole machine",
            level: Level::Optional,
            needed_for: "processes outside of this container; the kernel tells of beginnings and \
                         ends of processes only there",
            probe: events::try_namespaces,
        },
    ],
};

/// Processes that are asked what they keep to themselves.
const ASKED_MAX: usize = 256;

fn try_pidfd(host: &Host<'_>) -> Finding {
    match (host.live.open_pidfd)() {
        Ok(()) => Finding::available("pidfd_open(2)"),
        Err(error) => {
            let evidence = format!("pidfd_open(2): {}", render_error(&error));
            let how = if is_refused(&error) {
                "allow pidfd_open(2) in the seccomp filter of the container"
            } else {
                "a kernel of version 5.3 or newer"
            };
            Finding::missing(render_error(&error), how, evidence)
        }
    }
}

/// Process 1 is somebody else's unless root asks.
fn try_visibility(host: &Host<'_>) -> Finding {
    let path = host.proc("1/stat");
    match host.read_file(&path) {
        Ok(_) => Finding::available(path.display().to_string()),
        Err(error) => match find_hiding(host) {
            Some(option) => Finding::limited(
                "procfs hides the processes of others",
                format!(
                    "mount -o remount,hidepid=0 {}, or run as root",
                    host.roots.procfs.display()
                ),
                format!("{}; mounted with {option}", render_refusal(&path, &error)),
            ),
            None => host.explain(&path, &error, || render_option(host, "PROC_FS")),
        },
    }
}

/// The option by which procfs is mounted so that it hides processes.
fn find_hiding<'a>(host: &'a Host<'_>) -> Option<&'a str> {
    let mounts = || {
        let mounts = host.mounts.iter().rev();
        mounts.filter(|mount| mount.fstype == "proc")
    };
    let own = mounts().find(|mount| mount.path == host.roots.procfs);
    // A captured tree's own mounts have the paths of where it was captured.
    let mount = own.or_else(|| mounts().next())?;
    let option = mount
        .options
        .split(',')
        .find(|option| option.starts_with("hidepid="))?;
    (!matches!(option, "hidepid=0" | "hidepid=off")).then_some(option)
}

/// A file of a process that it may read of itself, and root of others.
fn try_both(host: &Host<'_>, name: &str, symbol: &str) -> Finding {
    let own = host.proc("self").join(name);
    if let Err(error) = host.read_file(&own) {
        return host.explain(&own, &error, || render_option(host, symbol));
    }
    let visible = try_visibility(host);
    if let Some(how) = visible.how {
        return Finding::limited("only of processes of this user", how, visible.evidence);
    }
    let Reach { refused, asked } = count_reach(host, name);
    let evidence = format!(
        "{}/*/{name}: refused by {refused} of {asked} processes",
        host.roots.procfs.display()
    );
    // Root too is refused by the few that have privileges it has not.
    let is_limited = if host.live.root {
        refused * 2 > asked
    } else {
        refused > 0
    };
    if !is_limited {
        return Finding::available(evidence);
    }
    let how = host.render_privilege("CAP_SYS_PTRACE");
    Finding::limited("only of processes of this user", how, evidence)
}

/// How many processes were asked, and how many of them refused.
#[derive(Default)]
struct Reach {
    refused: usize,
    asked: usize,
}

fn count_reach(host: &Host<'_>, name: &str) -> Reach {
    let mut reach = Reach::default();
    let entries = fs::read_dir(&host.roots.procfs)
        .into_iter()
        .flatten()
        .flatten();
    let is_process = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    };
    for process in entries.filter(is_process).take(ASKED_MAX) {
        reach.asked += 1;
        let answer = host.read_file(&process.path().join(name));
        if answer.is_err_and(|error| is_refused(&error)) {
            reach.refused += 1;
        }
    }
    reach
}

fn try_children(host: &Host<'_>) -> Finding {
    let tasks = host.proc("self/task");
    let path = match find_first(&tasks) {
        Ok(task) => task.join("children"),
        Err(error) => return host.explain(&tasks, &error, || render_option(host, "PROC_FS")),
    };
    match host.read_file(&path) {
        // No children is an answer too.
        Ok(_) => Finding::available("/proc/PID/task/TID/children"),
        Err(error) => host.explain(&path, &error, || render_option(host, "PROC_CHILDREN")),
    }
}

fn find_first(folder: &Path) -> io::Result<PathBuf> {
    let entry = fs::read_dir(folder)?.next();
    Ok(entry.ok_or(io::ErrorKind::NotFound)??.path())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::path::Path;

    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    /// Processes 1 and 2 keep their files to themselves.
    fn refuse_two(path: &Path) -> io::Result<Vec<u8>> {
        let text = path.to_string_lossy();
        let is_kept = text.contains("proc/1/") || text.contains("proc/2/");
        if is_kept && !text.ends_with("/stat") {
            return fail(Errno::ACCESS);
        }
        fs::read(path)
    }

    #[test]
    fn files_of_processes_are_of_all_of_own_ones_or_of_none() {
        let refuses = |root| Live {
            read: refuse_two,
            root,
            ..allow_all()
        };
        let keeps = "keeps CAP_SYS_PTRACE from root";
        for (id, name, option) in [
            ("process-io", "io", "CONFIG_TASK_IO_ACCOUNTING=y"),
            (
                "process-memory",
                "smaps_rollup",
                "CONFIG_PROC_PAGE_MONITOR=y",
            ),
        ] {
            let tree = Tree::mounted();
            tree.write("boot/config-6.12.3", b"CONFIG_NET=y\n");
            let words = [option, "something it depends on is off"];
            tree.expect(&allow_all(), id, "missing", &words);
            tree.write(&format!("proc/self/{name}"), b"x: 1\n");
            for process in ["1", "2", "3"] {
                tree.write(&format!("proc/{process}/stat"), b"x");
                tree.write(&format!("proc/{process}/{name}"), b"x: 1\n");
            }
            tree.expect(&allow_all(), id, "ok", &["refused by 0 of 3"]);
            let words = ["of this user", "run as root", "refused by 2 of 3"];
            tree.expect(&refuses(false), id, "limited", &words);
            tree.expect(&refuses(true), id, "limited", &[keeps]);
            for process in ["4", "5"] {
                tree.write(&format!("proc/{process}/{name}"), b"x: 1\n");
            }
            tree.expect(&refuses(false), id, "limited", &["refused by 2 of 5"]);
            tree.expect(&refuses(true), id, "ok", &["refused by 2 of 5"]);
            // A process that has ended meanwhile refuses nothing.
            tree.write("proc/6/stat", b"x");
            tree.expect(&allow_all(), id, "ok", &["refused by 0 of 6"]);
        }
    }

    #[test]
    fn files_of_hidden_processes_are_not_there() {
        let tree = Tree::mounted();
        tree.write("proc/self/mounts", b"proc /proc proc rw,hidepid=2 0 0\n");
        tree.write("proc/self/io", b"x: 1\n");
        tree.write("proc/17/io", b"x: 1\n");
        let words = ["of this user", "mount -o remount,hidepid=0 "];
        tree.expect(&allow_all(), "process-io", "limited", &words);
    }

    #[test]
    fn hidden_processes_are_shown_by_a_mount_option() {
        let table = [
            (
                "rw,hidepid=invisible",
                "limited",
                "mount -o remount,hidepid=0 ",
            ),
            ("rw,hidepid=2", "limited", "mounted with hidepid=2"),
            ("rw,hidepid=0", "missing", "ENOENT"),
            ("rw", "missing", "CONFIG_PROC_FS"),
        ];
        for (options, status, word) in table {
            let tree = Tree::mounted();
            let mounts = format!("none / ext4 rw 0 0\nproc /proc proc {options} 0 0\n");
            tree.write("proc/self/mounts", mounts.as_bytes());
            tree.expect(&allow_all(), "process-visibility", status, &[word]);
            // To root nothing is hidden, whatever the option.
            tree.write("proc/1/stat", b"1 (init) S\n");
            tree.expect(&allow_all(), "process-visibility", "ok", &[]);
        }
    }

    #[test]
    fn of_several_procfs_the_one_that_is_read_counts() {
        let tree = Tree::mounted();
        let own = tree.roots().procfs;
        for (options, other, status) in [
            ("rw,hidepid=2", "rw", "limited"),
            ("rw", "rw,hidepid=2", "missing"),
        ] {
            let mounts = format!(
                "proc {} proc {options} 0 0\nproc /x proc {other} 0 0\n",
                own.display()
            );
            tree.write("proc/self/mounts", mounts.as_bytes());
            tree.expect(&allow_all(), "process-visibility", status, &[]);
        }
    }

    #[test]
    fn no_children_is_an_answer_and_no_file_is_none() {
        let tree = Tree::mounted();
        tree.write("proc/self/task/17/stat", b"");
        tree.expect(
            &allow_all(),
            "process-children",
            "missing",
            &["CONFIG_PROC_CHILDREN=y"],
        );
        tree.write("proc/self/task/17/children", b"");
        tree.expect(&allow_all(), "process-children", "ok", &[]);
    }

    #[test]
    fn a_process_is_held_by_a_descriptor() {
        let tree = Tree::mounted();
        let answer = |open_pidfd| Live {
            open_pidfd,
            ..allow_all()
        };
        tree.expect(&answer(|| Ok(())), "pidfd", "ok", &[]);
        tree.expect(
            &answer(|| fail(Errno::NOSYS)),
            "pidfd",
            "missing",
            &["5.3", "ENOSYS"],
        );
        tree.expect(
            &answer(|| fail(Errno::PERM)),
            "pidfd",
            "missing",
            &["seccomp", "EPERM"],
        );
    }
}

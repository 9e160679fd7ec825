//! Limits that long builds run into, and the clock.

use std::fs;

use crate::doctor::host::Host;
use crate::doctor::option::render_option;
use crate::doctor::{Check, Finding, Level, Subject};

pub(super) const SUBJECT: Subject = Subject {
    title: "Limits and clock",
    checks: &[
        Check {
            id: "open-files",
            title: "Open files",
            level: Level::Recommended,
            needed_for: "many steps, connections and processes watched at the same time",
            probe: try_open_files,
        },
        Check {
            id: "inotify",
            title: "Watched folders (inotify)",
            level: Level::Optional,
            needed_for: "noticing changed files at once; by looking again and again otherwise",
            probe: try_inotify,
        },
        Check {
            id: "clock-sync",
            title: "Set clock",
            level: Level::Optional,
            needed_for: "times in logs and alerts that are those of other machines; make(1) too \
                         trusts the times of files",
            probe: try_clock,
        },
    ],
};

/// Descriptors that are enough for any build; the usual soft limit.
const OPEN_FILES_ENOUGH: u64 = 1024;

/// The kernel's default is 8192 and more.
const WATCHES_ENOUGH: u64 = 8192;

/// Processes that are looked at, and programs that set the clock, as the
/// kernel cuts their names (15 bytes).
const PROCESSES_MAX: usize = 100_000;
const CLOCK_SETTERS: [&str; 7] = [
    "chronyd",
    "ntpd",
    "ntpd-rs",
    "openntpd",
    "ptp4l",
    "systemd-timesyn",
    "phc2sys",
];

fn try_open_files(host: &Host<'_>) -> Finding {
    let path = host.proc("self/limits");
    let text = match host.read_file(&path) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => return host.explain(&path, &error, || render_option(host, "PROC_FS")),
    };
    let shown = path.display();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let Some(soft) = line.and_then(|line| line.split_ascii_whitespace().next()) else {
        let how = "ulimit -n 1024";
        return Finding::limited(
            "the limit is not known",
            how,
            format!("{shown}: no such line"),
        );
    };
    let evidence = format!("{shown}: {soft}");
    match soft.parse::<u64>() {
        Ok(limit) if limit < OPEN_FILES_ENOUGH => {
            let how = "ulimit -n 1024, before the program is started";
            Finding::limited(format!("no more than {limit}"), how, evidence)
        }
        // The other word is `unlimited`.
        _ => Finding::available(evidence),
    }
}

fn try_inotify(host: &Host<'_>) -> Finding {
    let path = host.proc("sys/fs/inotify/max_user_watches");
    let text = match host.read_file(&path) {
        Ok(text) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(error) => return host.explain(&path, &error, || render_option(host, "INOTIFY_USER")),
    };
    let evidence = format!("{}: {text}", path.display());
    match text.parse::<u64>() {
        Ok(watches) if watches >= WATCHES_ENOUGH => Finding::available(evidence),
        _ => Finding::limited(
            "few folders can be watched",
            format!("sysctl -w fs.inotify.max_user_watches={WATCHES_ENOUGH}"),
            evidence,
        ),
    }
}

/// Whether the clock is being set is known to adjtimex(2); here, whether there
/// is anybody who would set it.
fn try_clock(host: &Host<'_>) -> Finding {
    let mark = host.roots.rootfs.join("run/systemd/timesync/synchronized");
    if host.is_there(&mark) {
        return Finding::available(mark.display().to_string());
    }
    if let Some(name) = find_clock_setter(host) {
        return Finding::available(format!("{name} runs"));
    }
    Finding::missing(
        "no program that sets the clock is seen",
        "start chronyd or ntpd (Beyond Linux From Scratch has both), or set the clock by hand",
        format!(
            "{}/*/comm: no {}",
            host.roots.procfs.display(),
            CLOCK_SETTERS.join(", ")
        ),
    )
}

fn find_clock_setter(host: &Host<'_>) -> Option<String> {
    let entries = fs::read_dir(&host.roots.procfs)
        .ok()?
        .take(PROCESSES_MAX)
        .flatten();
    let processes = entries.filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    let mut names = processes.filter_map(|entry| host.read_word(&entry.path().join("comm")));
    names.find(|name| CLOCK_SETTERS.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use crate::doctor::tree::{Tree, allow_all};

    #[test]
    fn limits_are_enough_or_to_be_raised() {
        let files = "proc/self/limits";
        let line = |limit: &str| {
            format!("Max cpu time  unlimited\nMax open files            {limit}  524288  files\n")
        };
        let watches = "proc/sys/fs/inotify/max_user_watches";
        let table = [
            ("open-files", files, line("1024"), "ok", "1024"),
            ("open-files", files, line("unlimited"), "ok", "unlimited"),
            (
                "open-files",
                files,
                line("256"),
                "limited",
                "ulimit -n 1024",
            ),
            (
                "open-files",
                files,
                "garbage\n".to_owned(),
                "limited",
                "no such line",
            ),
            ("inotify", watches, "8192\n".to_owned(), "ok", "8192"),
            (
                "inotify",
                watches,
                "100\n".to_owned(),
                "limited",
                "max_user_watches=8192",
            ),
            (
                "inotify",
                watches,
                "\n".to_owned(),
                "limited",
                "max_user_watches=8192",
            ),
        ];
        for (id, path, content, status, word) in table {
            let tree = Tree::mounted();
            tree.expect(&allow_all(), id, "missing", &["ENOENT"]);
            tree.write(path, content.as_bytes());
            tree.expect(&allow_all(), id, status, &[word]);
        }
    }

    #[test]
    fn a_clock_is_set_by_somebody() {
        let tree = Tree::mounted();
        tree.write("proc/17/comm", b"bash\n");
        tree.write("proc/self/comm", b"ntpd\n");
        tree.expect(&allow_all(), "clock-sync", "missing", &["chronyd"]);
        tree.write("proc/18/comm", b"systemd-timesyn\n");
        tree.expect(&allow_all(), "clock-sync", "ok", &["systemd-timesyn runs"]);
        let tree = Tree::mounted();
        tree.write("run/systemd/timesync/synchronized", b"");
        tree.expect(&allow_all(), "clock-sync", "ok", &[]);
    }
}

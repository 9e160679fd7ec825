//! Beginnings and ends of processes, which the kernel tells of only outside of
//! containers.

use crate::doctor::Finding;
use crate::doctor::host::{Host, is_refused, render_error};
use crate::doctor::option::{Built, find_built, render_option};

/// The inodes of the namespaces that the kernel begins with
/// (linux/proc_ns.h).
const INITIAL: [(&str, &str); 2] = [("pid", "4026531836"), ("user", "4026531837")];

const OUTSIDE: &str = "run outside of the container";

pub(super) fn try_events(host: &Host<'_>) -> Finding {
    let error = match (host.live.listen_events)() {
        Ok(()) => return Finding::available("process connector"),
        Err(error) => error,
    };
    let evidence = format!("process connector: {}", render_error(&error));
    if let Some(namespace) = find_foreign_namespace(host) {
        let why = format!("in a container the kernel tells nothing ({namespace} namespace)");
        return Finding::missing(why, OUTSIDE, evidence);
    }
    if is_refused(&error) {
        let how = host.render_privilege("CAP_NET_ADMIN");
        return Finding::missing("no permission", how, evidence);
    }
    let how = match find_built(host, "CONNECTOR") {
        Built::In => render_option(host, "PROC_EVENTS"),
        _ => format!(
            "CONFIG_CONNECTOR=y and {}",
            render_option(host, "PROC_EVENTS")
        ),
    };
    Finding::missing("not in this kernel", how, evidence)
}

pub(super) fn try_namespaces(host: &Host<'_>) -> Finding {
    let path = host.proc("self/ns");
    match find_foreign_namespace(host) {
        Some(namespace) => Finding::missing(
            format!("this is a container with a {namespace} namespace of its own"),
            OUTSIDE,
            path.join(namespace).display().to_string(),
        ),
        None => Finding::available(path.display().to_string()),
    }
}

/// The first namespace that is not the one that the kernel began with; what
/// cannot be read says nothing.
pub(super) fn find_foreign_namespace(host: &Host<'_>) -> Option<&'static str> {
    let foreign = INITIAL.iter().find(|(name, inode)| {
        let link = std::fs::read_link(host.proc("self/ns").join(name));
        link.is_ok_and(|link| link.to_string_lossy() != format!("{name}:[{inode}]"))
    });
    foreign.map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    #[test]
    fn events_need_the_kernel_the_privilege_and_no_container() {
        let answer = |listen_events, root| Live {
            listen_events,
            root,
            ..allow_all()
        };
        let table = [
            (
                answer(|| fail(Errno::PERM), false),
                vec!["no permission", "run as root"],
            ),
            (answer(|| fail(Errno::PERM), true), vec!["CAP_NET_ADMIN"]),
            (
                answer(|| fail(Errno::PROTONOSUPPORT), true),
                vec![
                    "CONFIG_CONNECTOR=y and CONFIG_PROC_EVENTS=y",
                    "EPROTONOSUPPORT",
                ],
            ),
            (
                answer(|| fail(Errno::TIMEDOUT), true),
                vec!["CONFIG_PROC_EVENTS=y", "ETIMEDOUT"],
            ),
        ];
        let link = |tree: &Tree, pid: &str, user: &str| {
            let folder = tree.path().join("proc/self/ns");
            std::fs::create_dir_all(&folder).unwrap();
            std::os::unix::fs::symlink(pid, folder.join("pid")).unwrap();
            std::os::unix::fs::symlink(user, folder.join("user")).unwrap();
        };
        let initial = Tree::mounted();
        link(&initial, "pid:[4026531836]", "user:[4026531837]");
        let container = Tree::mounted();
        link(&container, "pid:[4026531836]", "user:[4026532000]");
        for (live, words) in table {
            initial.expect(&live, "process-events", "missing", &words);
            let words = ["user namespace", "outside of the container"];
            container.expect(&live, "process-events", "missing", &words);
        }
        initial.expect(&allow_all(), "process-events", "ok", &[]);
        initial.expect(&allow_all(), "initial-namespaces", "ok", &[]);
        container.expect(&allow_all(), "initial-namespaces", "missing", &["ns/user"]);
    }
}

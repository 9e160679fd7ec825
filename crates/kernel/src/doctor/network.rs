//! Sockets and connections.

use std::io;

use crate::doctor::host::{Host, is_refused, render_error};
use crate::doctor::option::{Built, find_built, render_module, render_option};
use crate::doctor::{Check, Finding, Level, Subject};

/// IP protocols by their number in an IP header.
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(super) const SUBJECT: Subject = Subject {
    title: "Network",
    checks: &[
        Check {
            id: "sockets-tcp",
            title: "TCP connections",
            level: Level::Recommended,
            needed_for: "connections by state, their round trips and what they sent",
            probe: |host| try_sockets(host, TCP, "INET_DIAG", "tcp_diag"),
        },
        Check {
            id: "sockets-udp",
            title: "UDP sockets",
            level: Level::Optional,
            needed_for: "UDP sockets and their queues",
            probe: |host| try_sockets(host, UDP, "INET_UDP_DIAG", "udp_diag"),
        },
        Check {
            id: "conntrack",
            title: "Tracked connections",
            level: Level::Optional,
            needed_for: "how full the firewall's table of connections is",
            probe: try_conntrack,
        },
    ],
};

fn try_sockets(host: &Host<'_>, protocol: u8, symbol: &str, module: &str) -> Finding {
    match (host.live.dump_sockets)(protocol) {
        Ok(()) => Finding::available("netlink sock_diag(7)"),
        Err(error) => explain_sockets(host, &error, symbol, module),
    }
}

/// Where the option is on or a module, the kernel would have loaded it; where
/// that failed, it can still be done by hand.
fn explain_sockets(host: &Host<'_>, error: &io::Error, symbol: &str, module: &str) -> Finding {
    let evidence = format!("netlink sock_diag(7): {}", render_error(error));
    if is_refused(error) {
        let how = "allow netlink sockets in the container";
        return Finding::missing("no permission", how, evidence);
    }
    // An option below one that is off is offered only after that is on.
    let how = match find_built(host, "INET_DIAG") {
        Built::Out if symbol != "INET_DIAG" => {
            format!("CONFIG_INET_DIAG=y and {}", render_option(host, symbol))
        }
        _ => render_module(host, symbol, module),
    };
    let why = match find_built(host, symbol) {
        Built::Module => "the module is not loaded",
        _ => "not in this kernel",
    };
    Finding::missing(why, how, evidence)
}

fn try_conntrack(host: &Host<'_>) -> Finding {
    let path = host.proc("sys/net/netfilter/nf_conntrack_count");
    match host.read_file(&path) {
        Ok(_) => Finding::available(path.display().to_string()),
        Err(error) => {
            let how = || render_module(host, "NF_CONNTRACK", "nf_conntrack");
            let mut finding = host.explain(&path, &error, how);
            if find_built(host, "NF_CONNTRACK") == Built::In {
                // It is there only in the network namespace that uses it.
                finding.how = Some("load a firewall rule that uses 'ct state'".to_owned());
            }
            finding
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use crate::doctor::live::Live;
    use crate::doctor::tree::{Tree, allow_all, fail};

    #[test]
    fn sockets_are_told_of_by_a_module_or_an_option() {
        let absent = Live {
            dump_sockets: |_| fail(Errno::NOENT),
            ..allow_all()
        };
        let menu = "TCP/IP networking > INET: socket monitoring interface";
        let table = [
            (
                "CONFIG_INET_DIAG=m\n",
                "sockets-tcp",
                vec!["modprobe tcp_diag", "not loaded", "ENOENT"],
            ),
            (
                "# CONFIG_INET_DIAG is not set\n",
                "sockets-tcp",
                vec![menu, "(now: CONFIG_INET_DIAG is not set)"],
            ),
            (
                "",
                "sockets-tcp",
                vec!["modprobe tcp_diag; if there is no such module", menu],
            ),
            (
                "CONFIG_INET_DIAG=y\nCONFIG_INET_UDP_DIAG=m\n",
                "sockets-udp",
                vec!["modprobe udp_diag"],
            ),
            (
                "# CONFIG_INET_DIAG is not set\n",
                "sockets-udp",
                vec!["CONFIG_INET_DIAG=y and CONFIG_INET_UDP_DIAG=y"],
            ),
        ];
        for (config, id, words) in table {
            let tree = Tree::mounted();
            tree.write("boot/config-6.12.3", config.as_bytes());
            tree.expect(&absent, id, "missing", &words);
            tree.expect(&allow_all(), id, "ok", &[]);
        }
        let tree = Tree::mounted();
        let refused = Live {
            dump_sockets: |_| fail(Errno::PERM),
            ..allow_all()
        };
        tree.expect(&refused, "sockets-tcp", "missing", &["container", "EPERM"]);
        let udp_only = |protocol| {
            if protocol == super::UDP {
                Ok(())
            } else {
                fail(Errno::NOENT)
            }
        };
        let live = Live {
            dump_sockets: udp_only,
            ..allow_all()
        };
        tree.expect(&live, "sockets-udp", "ok", &[]);
        tree.expect(&live, "sockets-tcp", "missing", &[]);
    }

    #[test]
    fn connections_are_counted_where_they_are_tracked() {
        let tree = Tree::mounted();
        tree.expect(
            &allow_all(),
            "conntrack",
            "missing",
            &["modprobe nf_conntrack"],
        );
        tree.write("boot/config-6.12.3", b"CONFIG_NF_CONNTRACK=y\n");
        tree.expect(&allow_all(), "conntrack", "missing", &["ct state"]);
        tree.write("proc/sys/net/netfilter/nf_conntrack_count", b"3\n");
        tree.expect(&allow_all(), "conntrack", "ok", &[]);
    }
}

//! Made-up hierarchies of control groups, and what is said of them.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::doctor::live::Live;
use crate::doctor::tree::{Tree, allow_all, fail};

const ALL: &str = "cpu io memory pids\n";

/// A machine with version 2 mounted: what the top has, what it gives on,
/// and what this process' own group gives on.
fn tree(own: &str, has: &str, gives: &str, own_gives: &str) -> Tree {
    let tree = Tree::mounted();
    tree.write("proc/self/mounts", b"none /sys/fs/cgroup cgroup2 rw 0 0\n");
    tree.write("proc/self/cgroup", own.as_bytes());
    let top = "sys/fs/cgroup";
    tree.write(&format!("{top}/cgroup.controllers"), has.as_bytes());
    tree.write(&format!("{top}/cgroup.subtree_control"), gives.as_bytes());
    let path = format!("{top}/user/cgroup.subtree_control");
    tree.write(&path, own_gives.as_bytes());
    tree
}

fn make_new(_: &Path) -> io::Result<Vec<String>> {
    let names = [
        "cpu.stat",
        "memory.peak",
        "memory.swap.current",
        "cgroup.kill",
        "cgroup.freeze",
    ];
    Ok(names.map(str::to_owned).to_vec())
}

fn make_old(_: &Path) -> io::Result<Vec<String>> {
    Ok(vec!["cpu.stat".to_owned(), "cgroup.freeze".to_owned()])
}

fn make_in_own(parent: &Path) -> io::Result<Vec<String>> {
    if parent.ends_with("user") {
        make_new(parent)
    } else {
        fail(Errno::ACCESS)
    }
}

type MakeGroup = fn(&Path) -> io::Result<Vec<String>>;

fn live(make_group: MakeGroup) -> Live {
    Live {
        make_group,
        ..allow_all()
    }
}

#[test]
fn a_controller_counts_where_a_build_gets_it() {
    let pure = "0::/user\n";
    let hybrid = "9:name=systemd:/\n4:memory:/x\n2:cpu,cpuacct:/\n7:blkio:/\n0::/\n";
    let open = || tree(pure, ALL, ALL, ALL);
    for id in ["cgroup-cpu", "cgroup-memory", "cgroup-io", "cgroup-pids"] {
        open().expect(&live(make_new), id, "ok", &["cgroup.controllers"]);
    }
    let shut = tree(pure, ALL, "cpu\n", "");
    shut.expect(&live(make_new), "cgroup-cpu", "ok", &[]);
    let words = [
        "echo +memory > ",
        "sys/fs/cgroup/cgroup.subtree_control",
        ": cpu",
    ];
    shut.expect(&live(make_new), "cgroup-memory", "missing", &words);
    // Where only the own group may be used, that one must give it on.
    let words = ["echo +cpu > ", "user/cgroup.subtree_control: empty"];
    shut.expect(&live(make_in_own), "cgroup-cpu", "missing", &words);
    let user = Live {
        root: false,
        ..live(make_in_own)
    };
    shut.expect(&user, "cgroup-cpu", "missing", &["as root: echo +cpu > "]);
    let held = tree(hybrid, "pids\n", "pids\n", "");
    for (id, name) in [
        ("cgroup-cpu", "cpu"),
        ("cgroup-memory", "memory"),
        ("cgroup-io", "blkio"),
    ] {
        let word = format!("{name} in version 1");
        held.expect(
            &live(make_new),
            id,
            "missing",
            &["boot with cgroup_no_v1=all", &word],
        );
    }
    held.expect(&live(make_new), "cgroup-pids", "ok", &[]);
    held.expect(
        &live(make_new),
        "cgroup2",
        "limited",
        &["memory cpu cpuacct blkio", "cgroup_no_v1"],
    );
    open().expect(&live(make_new), "cgroup2", "ok", &["sys/fs/cgroup"]);
}

#[test]
fn a_controller_that_is_not_there_was_left_out_switched_off_or_kept_back() {
    let lacking = || tree("0::/\n", "cpu\n", "cpu\n", "");
    let live = live(make_new);
    let out = lacking();
    out.write("boot/config-6.12.3", b"# CONFIG_MEMCG is not set\n");
    let words = [
        "Control Group support > Memory controller",
        "(now: CONFIG_MEMCG is not set)",
    ];
    out.expect(&live, "cgroup-memory", "missing", &words);
    out.expect(
        &live,
        "cgroup-memory-peak",
        "missing",
        &["no memory controller", "CONFIG_MEMCG=y"],
    );
    let off = lacking();
    off.write("proc/cmdline", b"ro cgroup_disable=hugetlb,memory quiet\n");
    off.expect(
        &live,
        "cgroup-memory",
        "missing",
        &["boot without cgroup_disable=hugetlb,memory"],
    );
    off.expect(&live, "cgroup-io", "missing", &["CONFIG_BLK_CGROUP=y"]);
    let container = lacking();
    container.write("sys/fs/cgroup/cgroup.type", b"domain\n");
    container.expect(
        &live,
        "cgroup-memory",
        "missing",
        &["outside of this container"],
    );
}

#[test]
fn a_group_that_systemd_manages_is_delegated_by_systemd() {
    let tree = tree("0::/user/user@1000.service/app\n", ALL, "cpu\n", "");
    let refused = |root| Live {
        root,
        make_group: |_| fail(Errno::ACCESS),
        ..allow_all()
    };
    let words = [
        "systemctl edit user@.service",
        "Delegate=cpu io memory pids",
    ];
    tree.expect(&refused(false), "cgroup-memory", "missing", &words);
    tree.expect(
        &refused(true),
        "cgroup-memory",
        "missing",
        &["echo +memory > "],
    );
}

#[test]
fn files_of_groups_come_with_versions_and_controllers() {
    let open = tree("0::/\n", ALL, ALL, "");
    for id in [
        "cgroup-cpu-stat",
        "cgroup-memory-peak",
        "cgroup-swap",
        "cgroup-kill",
        "cgroup-freeze",
    ] {
        open.expect(&live(make_new), id, "ok", &[]);
    }
    let words = ["version 5.19 or newer", "memory.peak"];
    open.expect(&live(make_old), "cgroup-memory-peak", "missing", &words);
    open.expect(&live(make_old), "cgroup-kill", "missing", &["5.14"]);
    open.expect(
        &live(make_old),
        "cgroup-swap",
        "missing",
        &["CONFIG_SWAP=y"],
    );
    open.expect(&live(make_old), "cgroup-freeze", "ok", &[]);
    open.write("proc/sys/kernel/osrelease", b"5.10.1\n");
    open.expect(
        &live(make_old),
        "cgroup-swap",
        "missing",
        &["boot with swapaccount=1"],
    );
}

#[test]
fn who_may_make_no_group_is_told_why() {
    let table: [(MakeGroup, &str); 3] = [
        (|_| fail(Errno::ACCESS), "have a group delegated"),
        (|_| fail(Errno::ROFS), "mount -o remount,rw "),
        (|_| fail(Errno::AGAIN), "see why "),
    ];
    for (make_group, word) in table {
        let open = tree("0::/user\n", ALL, ALL, ALL);
        let refused = Live {
            make_group,
            ..allow_all()
        };
        open.expect(&refused, "cgroup-create", "missing", &[word]);
        // The own group is looked at instead.
        open.expect(&refused, "cgroup-kill", "missing", &["not in a group"]);
        open.write("sys/fs/cgroup/user/cgroup.kill", b"");
        open.expect(&refused, "cgroup-kill", "ok", &[]);
        let top = tree("0::/\n", ALL, ALL, ALL);
        std::fs::remove_dir_all(top.path().join("sys/fs/cgroup/user")).unwrap();
        top.expect(&refused, "cgroup-kill", "limited", &["no group to look at"]);
        top.write("proc/sys/kernel/osrelease", b"5.4.0\n");
        top.expect(&refused, "cgroup-kill", "missing", &["5.14"]);
    }
    let open = tree("0::/user\n", ALL, ALL, ALL);
    open.expect(
        &live(make_in_own),
        "cgroup-create",
        "ok",
        &["sys/fs/cgroup/user"],
    );
}

#[test]
fn groups_are_mounted_or_built() {
    let live = live(make_new);
    let table = [
        (
            "nodev\tcgroup2\n",
            "",
            "mount -t cgroup2 none /sys/fs/cgroup;",
        ),
        (
            "nodev\tcgroup2\n",
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n",
            "cgroup_no_v1=all",
        ),
        ("nodev\tproc\n", "", "General setup > Control Group support"),
    ];
    for (filesystems, mounts, word) in table {
        let tree = Tree::mounted();
        tree.write("proc/filesystems", filesystems.as_bytes());
        tree.write("proc/self/mounts", mounts.as_bytes());
        for id in ["cgroup2", "cgroup-create", "cgroup-memory", "cgroup-kill"] {
            tree.expect(&live, id, "missing", &[word]);
        }
    }
}

#[test]
fn a_group_outside_of_what_is_mounted_is_not_looked_for() {
    let tree = tree("0::/../../etc\n", ALL, ALL, "");
    tree.write("sys/etc/cgroup.kill", b"");
    tree.expect(
        &live(make_in_own),
        "cgroup-create",
        "missing",
        &["sys/fs/cgroup: "],
    );
}

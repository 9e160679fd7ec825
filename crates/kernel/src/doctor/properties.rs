//! What holds of every capability, on any system.

use std::collections::HashSet;

use proptest::prelude::*;
use rustix::io::Errno;

use crate::doctor::live::Live;
use crate::doctor::tree::{Tree, allow_all, fail};
use crate::doctor::{Capability, Level, SUBJECTS, Status, examine_with};

/// A kernel that has nothing.
fn refuse_all(errno: Errno) -> Live {
    match errno {
        Errno::NOENT => Live {
            root: false,
            read: |_| fail(Errno::NOENT),
            make_group: |_| fail(Errno::NOENT),
            find_family: |_| fail(Errno::NOENT),
            register_exits: |_| fail(Errno::NOENT),
            listen_events: || fail(Errno::NOENT),
            dump_sockets: |_| fail(Errno::NOENT),
            open_pidfd: || fail(Errno::NOENT),
        },
        _ => Live {
            root: false,
            read: |_| fail(Errno::ACCESS),
            make_group: |_| fail(Errno::ACCESS),
            find_family: |_| fail(Errno::ACCESS),
            register_exits: |_| fail(Errno::ACCESS),
            listen_events: || fail(Errno::ACCESS),
            dump_sockets: |_| fail(Errno::ACCESS),
            open_pidfd: || fail(Errno::ACCESS),
        },
    }
}

fn is_sound(one: &Capability) -> bool {
    let why = match &one.status {
        Status::Available => return one.how.is_none() && !one.evidence.is_empty(),
        Status::Limited { why } | Status::Missing { why } => why,
    };
    let how = one.how.as_deref().unwrap_or_default();
    !why.is_empty() && !how.is_empty() && !one.evidence.is_empty()
}

#[test]
fn names_are_stable_and_each_is_there_once() {
    let checks: Vec<_> = SUBJECTS.iter().flat_map(|subject| subject.checks).collect();
    assert!(checks.len() >= 35, "{}", checks.len());
    let ids: HashSet<_> = checks.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), checks.len());
    for check in checks {
        let is_kebab =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(check.id.bytes().all(is_kebab), "{}", check.id);
        assert!(!check.title.is_empty() && !check.needed_for.is_empty());
    }
}

#[test]
fn what_a_machine_lacks_it_is_told_how_to_get() {
    let empty = Tree::new();
    let mounted = Tree::mounted();
    for errno in [Errno::NOENT, Errno::ACCESS] {
        for tree in [&empty, &mounted] {
            let all = examine_with(&tree.roots(), &refuse_all(errno));
            assert_eq!(
                all.len(),
                SUBJECTS.iter().map(|subject| subject.checks.len()).sum()
            );
            for one in &all {
                assert!(is_sound(one), "{one:?}");
            }
            let required = all.iter().filter(|one| one.level == Level::Required);
            for one in required {
                assert!(matches!(one.status, Status::Missing { .. }), "{one:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_the_files_are_taken(bytes: Vec<u8>, config: Vec<u8>) {
        let tree = Tree::mounted();
        for path in [
            "proc/self/mounts", "proc/self/cgroup", "proc/filesystems", "proc/cmdline",
            "proc/cpuinfo", "proc/self/limits", "proc/pressure/cpu", "proc/vmstat",
            "proc/sys/kernel/task_delayacct", "proc/sys/kernel/perf_event_paranoid",
            "sys/kernel/security/lsm",
        ] {
            tree.write(path, &bytes);
        }
        tree.write("proc/config.gz", &config);
        tree.write("boot/config-6.12.3", &config);
        for one in examine_with(&tree.roots(), &allow_all()) {
            prop_assert!(is_sound(&one), "{one:?}");
        }
    }
}

//! However a build ends, nothing of it is left, and it can go on.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{Background, Place, find_processes, read_tree, wait_for};
use rustix::process::{Pid, Signal};

/// A number of seconds to sleep that no other process sleeps.
fn unique_sleep() -> String {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!("3{}.{}", nanos % 100_000, nanos)
}

/// Everything a child can do to get away: ignore SIGTERM, fork twice, begin a
/// session, stop, forget its environment.
fn fugitives(sleep: &str) -> String {
    format!(
        "sh -c \"trap '' TERM INT HUP; sleep {sleep}; sleep {sleep}\" &\n\
         ( ( sleep {sleep} & ) & )\n\
         setsid sh -c 'sleep {sleep} & sleep {sleep}' &\n\
         setsid sh -c '(setsid sleep {sleep} &) ; exit 0'\n\
         sleep {sleep} & kill -STOP $!\n\
         echo all started\n\
         wait"
    )
}

/// Starts a build of fugitives and waits until all of them run.
fn start(place: &Place, sleep: &str) -> Background {
    let plan = place.write_plan(&[("fugitives", &[], &fugitives(sleep))]);
    let build = place.start(&["build", "start", plan.to_str().unwrap()]);
    wait_for("the fugitives", || {
        (find_processes(sleep).len() >= 7).then_some(())
    });
    build
}

#[track_caller]
fn expect_nothing_left(sleep: &str) {
    wait_for("the end of every process", || {
        find_processes(sleep).is_empty().then_some(())
    });
}

#[track_caller]
fn expect_state(place: &Place, state: &str) {
    assert_eq!(
        place.step_states(),
        [("fugitives".to_owned(), state.to_owned())]
    );
    let path = place.state().join("run/status/fugitives.status");
    let status = fs::read_to_string(path).unwrap();
    assert_eq!(status.lines().next(), Some(state));
    let base = find_cgroup(place);
    assert!(base.is_none_or(|base| !base.exists()));
}

/// The control group of this state folder, whether it is there or not; `None`
/// where version 2 is not mounted. Nobody but root gets one at the top.
fn find_cgroup(place: &Place) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    let state = fs::canonicalize(place.state()).unwrap();
    let hash = blake3::hash(state.as_os_str().as_encoded_bytes()).to_hex();
    Some(PathBuf::from(mount.split(' ').nth(1)?).join(format!("lfs-wrapper-{}", &hash[..12])))
}

fn stops(place: &Place) {
    let sleep = unique_sleep();
    let mut build = start(place, &sleep);
    place.expect(0, &["build", "stop"]);
    assert_eq!(build.wait(), 130);
    expect_nothing_left(&sleep);
    expect_state(place, "CANCELLED");
}

fn is_interrupted_twice(place: &Place) {
    let sleep = unique_sleep();
    let mut build = start(place, &sleep);
    build.signal(Signal::INT);
    build.signal(Signal::INT);
    assert_eq!(build.wait(), 130);
    expect_nothing_left(&sleep);
    expect_state(place, "CANCELLED");
}

fn times_out(place: &Place) {
    let sleep = unique_sleep();
    let script = place.write_script("fugitives", &format!("#!/bin/sh\n{}", fugitives(&sleep)));
    let ended = place.expect(
        1,
        &["run", "--timeout", "1", "--", script.to_str().unwrap()],
    );
    assert!(ended.stdout.contains("time limit"), "{}", ended.stdout);
    expect_nothing_left(&sleep);
    expect_state(place, "FAILED");
}

fn supervisor_dies(place: &Place) {
    let sleep = unique_sleep();
    let mut build = start(place, &sleep);
    build.kill();
    // Without anybody looking: the keeper sees to it.
    expect_nothing_left(&sleep);
    expect_state(place, "LOST");
}

fn keeper_dies(place: &Place) {
    let sleep = unique_sleep();
    let mut build = start(place, &sleep);
    kill_keepers(build.child.id());
    assert_eq!(build.wait(), 1);
    expect_nothing_left(&sleep);
    expect_state(place, "LOST");
}

fn both_die(place: &Place) {
    let sleep = unique_sleep();
    let mut build = start(place, &sleep);
    build.signal(Signal::STOP);
    kill_keepers(build.child.id());
    build.kill();
    // Whoever looks next ends what is left.
    place.expect(0, &["status"]);
    expect_nothing_left(&sleep);
    expect_state(place, "LOST");
}

fn leaves_daemons(place: &Place) {
    let sleep = unique_sleep();
    let script = format!("setsid sleep {sleep} & (setsid sleep {sleep} &); echo done");
    let plan = place.write_plan(&[("fugitives", &[], &script)]);
    place.expect(0, &["build", "start", plan.to_str().unwrap()]);
    expect_nothing_left(&sleep);
    expect_state(place, "COMPLETED");
}

fn kill_keepers(supervisor: u32) {
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let keepers = fs::read_to_string(children).unwrap();
    for keeper in keepers.split_whitespace() {
        let keeper = Pid::from_raw(keeper.parse().unwrap()).unwrap();
        rustix::process::kill_process(keeper, Signal::KILL).unwrap();
    }
}

macro_rules! endings {
    ($($name:ident: $act:ident;)*) => {
        $(
            mod $name {
                use super::*;

                /// With control groups as root, without as anybody else.
                #[test]
                fn as_this_user() {
                    $act(&Place::new());
                }

                #[test]
                #[ignore = "needs root, to become a user who may not make control groups"]
                fn as_nobody() {
                    $act(&Place::of_nobody());
                }
            }
        )*
    };
}

endings! {
    stop_ends_everything: stops;
    a_second_signal_ends_everything_at_once: is_interrupted_twice;
    a_timeout_ends_everything: times_out;
    the_death_of_the_supervisor_ends_everything: supervisor_dies;
    the_death_of_the_keeper_ends_everything: keeper_dies;
    the_death_of_both_is_mended_by_whoever_looks_next: both_die;
    what_a_step_leaves_running_is_ended: leaves_daemons;
}

#[test]
#[ignore = "needs root, to see that control groups were really used"]
fn root_gets_accounts_from_the_control_group() {
    let place = Place::new();
    place.expect(0, &["run", "--id", "true", "--", "true"]);
    assert_eq!(
        place.json(&["build", "status"])["steps"][0]["cpu_source"],
        "cgroup"
    );
}

#[test]
#[ignore = "needs root, to become a user who may not make control groups"]
fn nobody_gets_accounts_from_wait4_and_is_told_so() {
    let place = Place::of_nobody();
    let plan = place.write_plan(&[("true", &[], "true")]);
    let ended = place.expect(0, &["build", "start", plan.to_str().unwrap()]);
    assert_eq!(
        place.json(&["build", "status"])["steps"][0]["cpu_source"],
        "wait4"
    );
    assert!(
        ended.stderr.contains("no control group for the steps"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_build_whose_supervisor_was_killed_goes_on_to_the_same_files() {
    let place = Place::new();
    let plan = format!(
        "{}/../../examples/quickstart/plan.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    place.expect(0, &["build", "start", &plan, "--root", "undisturbed"]);

    let mut build = place.start(&["build", "start", &plan, "--root", "disturbed"]);
    // In the middle of a step, after another was completed.
    let log = place.state().join("logs/run-2/libnum.1.log");
    wait_for("the make phase", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains("==> make").then_some(())
    });
    build.kill();
    let states = place.step_states();
    let lost = states.iter().filter(|(_, state)| state == "LOST").count();
    assert!(lost >= 1, "{states:?}");
    place.expect(0, &["build", "resume"]);
    assert!(
        place
            .step_states()
            .iter()
            .all(|(_, state)| state == "COMPLETED")
    );
    assert_eq!(
        read_tree(&place.path("undisturbed")),
        read_tree(&place.path("disturbed"))
    );
    place.expect(0, &["log", "verify"]);
    place.expect(1, &["build", "resume", "2"]);
}

#[test]
fn two_supervisors_never_work_on_one_run() {
    let place = Place::new();
    let sleep = unique_sleep();
    let mut build = start(&place, &sleep);
    let ended = place.expect(2, &["build", "resume", "1"]);
    assert!(
        ended.stderr.contains("works on it already"),
        "{}",
        ended.stderr
    );
    place.expect(0, &["build", "stop", "1"]);
    assert_eq!(build.wait(), 130);
}

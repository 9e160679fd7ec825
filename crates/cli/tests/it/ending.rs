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
fn a_step_is_asked_to_end_before_it_is_made_to() {
    let place = Place::new();
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    place.write_plan(&[("polite", &[], script)]);
    let mut build = place.start(&["build", "start", "plan.toml"]);
    let log = place.state().join("logs/run-1/polite.1.log");
    let says = |word: &str| {
        fs::read_to_string(&log)
            .unwrap_or_default()
            .contains(word)
            .then_some(())
    };
    wait_for("the step", || says("ready"));
    place.expect(0, &["build", "stop"]);
    assert_eq!(build.wait(), 130);
    assert_eq!(says("asked"), Some(()));
}

#[test]
fn a_script_dies_with_its_keeper_without_anybody_looking() {
    let place = Place::new();
    let sleep = unique_sleep();
    let mut build = place.start(&["run", "--id", "alone", "--", "sleep", &sleep]);
    wait_for("the command", || {
        (find_processes(&sleep).len() >= 2).then_some(())
    });
    build.signal(Signal::STOP);
    kill_keepers(build.child.id());
    wait_for("its end", || {
        (find_processes(&sleep) == [build.child.id()]).then_some(())
    });
    build.kill();
    // Only to leave no control group behind.
    place.expect(0, &["status"]);
}

#[test]
fn an_ignored_hangup_stays_ignored() {
    let place = Place::new();
    place.write_plan(&[("sleeps", &[], "sleep 1")]);
    let program = env!("CARGO_BIN_EXE_lfs-wrapper");
    let shell = format!("trap '' HUP; exec {program} --state-dir state build start plan.toml");
    let child = std::process::Command::new("sh")
        .args(["-c", &shell])
        .current_dir(place.folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut build = Background { child };
    wait_for("the step", || {
        place
            .state()
            .join("logs/run-1/sleeps.1.log")
            .exists()
            .then_some(())
    });
    build.signal(Signal::HUP);
    assert_eq!(build.wait(), 0);
}

#[test]
fn somebody_who_holds_the_output_of_a_step_does_not_hold_its_end() {
    let place = Place::new();
    let sleep = unique_sleep();
    let mut build = place.start(&[
        "run",
        "--id",
        "held",
        "--timeout",
        "2",
        "--",
        "sleep",
        &sleep,
    ]);
    let pid = wait_for("the command", || {
        let command = |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        find_processes(&sleep)
            .into_iter()
            .find(|pid| command(pid).starts_with(b"sleep"))
    });
    let held = fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{pid}/fd/1"))
        .unwrap();
    assert_eq!(build.wait(), 1);
    drop(held);
    assert_eq!(place.step_states()[0].1, "FAILED");
}

/// Whoever cleans up after a dead supervisor never touches a run that another
/// one has taken up meanwhile.
#[test]
fn looking_and_resuming_at_once_leaves_one_supervisor() {
    for _ in 0..4 {
        let place = Place::new();
        let sleep = unique_sleep();
        let mut build = start(&place, &sleep);
        build.kill();
        let mut lookers: Vec<Background> = (0..3).map(|_| place.start(&["status"])).collect();
        let resumed = place.start(&["build", "resume", "1"]);
        for looker in &mut lookers {
            looker.wait();
        }
        wait_for("the second attempt", || {
            (find_processes(&sleep).len() >= 7).then_some(())
        });
        let run = place.json(&["build", "status", "1"]);
        assert_eq!(
            (run["state"].as_str(), &run["steps"][0]["attempt"]),
            (Some("RUNNING"), &2.into())
        );
        place.expect(2, &["build", "resume", "1"]);
        place.expect(0, &["build", "stop", "1"]);
        drop(resumed);
        expect_nothing_left(&sleep);
        expect_state(&place, "CANCELLED");
    }
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

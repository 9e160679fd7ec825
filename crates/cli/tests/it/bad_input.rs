//! Bad input: a clear error, the right exit status, and nothing lost.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::Place;

/// What must stand in the error, whatever else does.
#[track_caller]
fn expect_error(place: &Place, code: i32, arguments: &[&str], words: &[&str]) {
    let ended = place.expect(code, arguments);
    for word in words {
        assert!(
            ended.stderr.contains(word),
            "no '{word}' in: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_plan_that_is_not_there() {
    expect_error(
        &Place::new(),
        6,
        &["build", "start", "nowhere.toml"],
        &[
            "reading the plan nowhere.toml",
            "no such file",
            "check the name",
        ],
    );
}

#[test]
fn a_plan_with_a_cycle_is_named_step_by_step() {
    let place = Place::new();
    place.write_plan(&[("a", &["c"], ""), ("b", &["a"], ""), ("c", &["b"], "")]);
    expect_error(
        &place,
        3,
        &["plan", "check", "plan.toml"],
        &["plan.toml:4:6", "'a' needs 'c' needs 'b' needs 'a'"],
    );
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_known_one() {
    let place = Place::new();
    place.write(
        "plan.toml",
        "[plan]\nname = \"p\"\n[[step]]\nid = \"a\"\nned = []\n",
    );
    expect_error(
        &place,
        3,
        &["build", "start", "plan.toml"],
        &[
            "plan.toml:5:1: unknown key 'ned'",
            "5 | ned = []",
            "did you mean 'needs'?",
        ],
    );
    place.write("state/config.toml", "[monitor]\ninterval_secnds = 2\n");
    expect_error(
        &place,
        3,
        &["up"],
        &["config.toml:2:1", "did you mean 'interval_seconds'?"],
    );
}

#[test]
fn a_script_that_is_not_executable() {
    let place = Place::new();
    place.write("scripts/01-a", "#!/bin/sh\n");
    let words = ["01-a", "not executable", "chmod +x"];
    expect_error(&place, 5, &["plan", "scripts", "scripts"], &words);
    // Also when it stops being so after the plan was made.
    let script = place.write_script("scripts/01-a", "#!/bin/sh\n");
    place.expect(0, &["plan", "scripts", "scripts", "-o", "plan.toml"]);
    fs::remove_file(&script).unwrap();
    place.write("scripts/01-a", "#!/bin/sh\n");
    expect_error(&place, 5, &["build", "start", "plan.toml"], &words);
    fs::remove_file(&script).unwrap();
    expect_error(
        &place,
        6,
        &["build", "start", "plan.toml"],
        &["01-a", "No such file"],
    );
}

#[test]
fn a_port_in_use() {
    let place = Place::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    expect_error(
        &place,
        4,
        &["up", "--listen", &address],
        &[&format!("listening on {address}"), "in use", "--listen"],
    );
}

#[test]
fn an_address_that_others_can_reach() {
    expect_error(
        &Place::new(),
        2,
        &["up", "--listen", "0.0.0.0:0"],
        &["loopback", "SSH tunnel"],
    );
}

#[test]
fn a_second_monitor() {
    let place = Place::new();
    let (_monitor, _) = place.start_monitor();
    expect_error(
        &place,
        4,
        &["up", "--listen", "127.0.0.1:0"],
        &["another one works on"],
    );
}

#[test]
fn a_state_folder_of_another_user() {
    let place = Place::new();
    let folder = if rustix::process::geteuid().is_root() {
        let folder = place.path("theirs");
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(12_345), None).unwrap();
        folder
    } else {
        PathBuf::from("/usr")
    };
    let folder = folder.to_str().unwrap();
    expect_error(
        &place,
        5,
        &["--state-dir", folder, "status"],
        &["belongs to user", "--state-dir"],
    );
}

#[test]
fn a_damaged_state_database_is_kept_aside_and_never_overwritten() {
    let place = Place::new();
    place.expect(0, &["run", "--id", "first", "--", "true"]);
    let database = place.state().join("state.db");
    let mut bytes = fs::read(&database).unwrap();
    for byte in &mut bytes[2000..] {
        *byte ^= 0x5a;
    }
    fs::write(&database, &bytes).unwrap();
    expect_error(
        &place,
        1,
        &["status"],
        &["damaged", "kept as", "run the command again"],
    );
    let kept = fs::read_dir(place.state())
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let kept: Vec<PathBuf> = kept
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read(&kept[0]).unwrap(), bytes);
    place.expect(0, &["run", "--id", "second", "--", "true"]);
    assert_eq!(fs::read(&kept[0]).unwrap(), bytes);
}

#[test]
fn a_database_begun_anew_writes_over_no_log() {
    let place = Place::new();
    place.expect(0, &["-q", "run", "--id", "one", "--", "echo", "first"]);
    fs::remove_file(place.state().join("state.db")).unwrap();
    place.expect(1, &["-q", "run", "--id", "one", "--", "false"]);
    let log = fs::read_to_string(place.state().join("logs/run-1/one.1.log")).unwrap();
    assert!(log.contains("first"), "{log}");
    let status = fs::read_to_string(place.state().join("run/status/one.status")).unwrap();
    assert!(
        status.starts_with("FAILED\n") && status.contains("\nrun=2\n"),
        "{status}"
    );
}

#[test]
fn a_status_file_of_a_state_that_is_gone_is_replaced_and_a_newer_one_is_not() {
    let place = Place::new();
    let left_over = |log: &str| format!("COMPLETED\nstep=one\nrun=9\nlog={log}\n");
    let path = place.write("state/run/status/one.status", &left_over("/no/such/log"));
    let first_word = || {
        let text = fs::read_to_string(&path).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    place.expect(1, &["-q", "run", "--id", "one", "--", "false"]);
    assert_eq!(first_word(), "FAILED");
    place.write("state/run/status/one.status", &left_over("/dev/null"));
    place.expect(1, &["-q", "run", "--id", "one", "--", "false"]);
    assert_eq!(first_word(), "COMPLETED");
}

#[test]
fn a_quickstart_that_is_refused_changes_nothing() {
    let place = Place::new();
    let (_monitor, _) = place.start_monitor();
    expect_error(
        &place,
        4,
        &["quickstart", "--listen", "127.0.0.1:0"],
        &["another one works on"],
    );
    assert!(!place.state().join("quickstart").exists());
    expect_error(
        &place,
        2,
        &["build", "start", "x.toml", "--jobs", "0"],
        &["--jobs"],
    );
}

#[test]
fn names_that_are_not_there() {
    let place = Place::new();
    expect_error(&place, 6, &["build", "status"], &["there is none yet"]);
    let plan = place.write_plan(&[("binutils", &[], "true")]);
    let plan = plan.to_str().unwrap();
    expect_error(
        &place,
        6,
        &["plan", "show", plan, "binutil"],
        &["did you mean 'binutils'?"],
    );
    expect_error(
        &place,
        6,
        &["build", "start", plan, "--only", "gcc"],
        &["there is none"],
    );
    place.expect(0, &["build", "start", plan]);
    expect_error(
        &place,
        6,
        &["build", "log", "binutls"],
        &["did you mean 'binutils'?"],
    );
    expect_error(&place, 6, &["build", "status", "99"], &["run 99"]);
    expect_error(&place, 6, &["build", "stop"], &["no run is under way"]);
    expect_error(
        &place,
        6,
        &["build", "resume"],
        &["there is none that was stopped"],
    );
    expect_error(
        &place,
        6,
        &["quickstart", "--listen", "127.0.0.1:0", "--sources", "none"],
        &["looking for tarballs in none"],
    );
    fs::create_dir(place.path("empty")).unwrap();
    expect_error(
        &place,
        6,
        &[
            "quickstart",
            "--listen",
            "127.0.0.1:0",
            "--sources",
            "empty",
        ],
        &["no tarball of m4, sed, gzip, grep"],
    );
}

#[test]
fn a_plan_cannot_say_where_it_is_installed() {
    let place = Place::new();
    for name in ["/usr", "../../..", "a/b"] {
        let text = format!(
            "[plan]\nname = {name:?}\n[[step]]\nid = \"a\"\nphase = [{{ name = \"make\", script = \"\" }}]\n"
        );
        place.write("plan.toml", &text);
        expect_error(
            &place,
            3,
            &["build", "start", "plan.toml"],
            &["cannot be the name of a plan"],
        );
    }
}

#[test]
fn a_folder_whose_name_is_no_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let folder = place
        .folder
        .path()
        .join(std::ffi::OsStr::from_bytes(b"scripts-\xff"));
    fs::create_dir(&folder).unwrap();
    let ended = place.expect(
        2,
        &["plan".as_ref(), "scripts".as_ref(), folder.as_os_str()],
    );
    assert!(
        ended.stderr.contains("rename the folder"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_build_is_resumed_and_not_the_command_that_came_after_it() {
    let place = Place::new();
    place.write_plan(&[("fails", &[], "exit 1")]);
    place.expect(1, &["build", "start", "plan.toml"]);
    place.expect(1, &["run", "--", "false"]);
    let ended = place.expect(1, &["build", "resume"]);
    assert!(ended.stderr.contains("resuming run 1"), "{}", ended.stderr);
}

#[test]
fn the_root_of_this_system_is_not_installed_into() {
    let place = Place::new();
    let plan = place.write_plan(&[("a", &[], "true")]);
    expect_error(
        &place,
        2,
        &["build", "start", plan.to_str().unwrap(), "--root", "/"],
        &["installing into /"],
    );
    let up = format!("{}/x/../../../../../..", place.folder.path().display());
    expect_error(
        &place,
        2,
        &["build", "start", plan.to_str().unwrap(), "--root", &up],
        &["goes up from a folder that does not exist"],
    );
}

/// A small file system that goes when the test ends.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"])
            .arg(folder)
            .status()
            .unwrap();
        assert!(status.success());
        Self(folder.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_full_disk_stops_the_build_and_loses_nothing() {
    let place = Place::new();
    let _disk = SmallDisk::mount(&place.state());
    let plan = place.write_plan(&[
        ("before", &[], "echo small"),
        (
            "fills",
            &["before"],
            "yes 0123456789012345678901234567890123456789 | head -c 8000000; sleep 60",
        ),
        ("after", &["fills"], "true"),
    ]);
    let root = place.path("root");
    let arguments = [
        "build",
        "start",
        plan.to_str().unwrap(),
        "--root",
        root.to_str().unwrap(),
    ];
    expect_error(
        &place,
        4,
        &arguments,
        &["recording run 1", "No space left", "build resume 1"],
    );
    let states: Vec<String> = place
        .step_states()
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(states, ["COMPLETED", "FAILED", "SKIPPED"]);
    let log = place.expect(0, &["build", "log", "before"]).stdout;
    assert!(log.contains("small"), "{log}");
    place.expect(0, &["log", "verify"]);
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_disk_that_is_full_for_the_database_too_stops_the_build() {
    let place = Place::new();
    let _disk = SmallDisk::mount(&place.state());
    // The step itself fills the disk that the state is on, to the last byte.
    let fill = format!(
        "cat /dev/zero > {}/fill || true; sleep 1",
        place.state().display()
    );
    let plan = place.write_plan(&[("fills", &[], &fill), ("after", &["fills"], "true")]);
    let root = place.path("root");
    let arguments = [
        "build",
        "start",
        plan.to_str().unwrap(),
        "--root",
        root.to_str().unwrap(),
    ];
    expect_error(
        &place,
        4,
        &arguments,
        &["recording run 1", "build resume 1"],
    );
    fs::remove_file(place.state().join("fill")).unwrap();
    place.expect(0, &["log", "verify"]);
    let states = place.step_states();
    assert_eq!(states[1].1, "PENDING", "{states:?}");
}

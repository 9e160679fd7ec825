//! Builds, as a user runs them.

use std::fs;

use crate::common::{Place, read_tree, wait_for};
use serde_json::Value;

/// The repository's examples.
fn example(name: &str) -> String {
    format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn states(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(id, state): &(&str, &str)| ((*id).to_owned(), (*state).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn the_quickstart_builds_its_packages_and_says_what_each_took() {
    let place = Place::new();
    let ended = place.expect(0, &["quickstart", "--exit", "--listen", "127.0.0.1:0"]);
    assert!(
        ended.stderr.contains("page: http://127.0.0.1:"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stdout.contains("COMPLETED  5/5 steps"),
        "{}",
        ended.stdout
    );
    for file in ["usr/bin/calc", "usr/bin/wordcount"] {
        let path = place.state().join("quickstart/root").join(file);
        assert!(path.exists(), "{}", path.display());
    }
    let run = place.json(&["build", "status"]);
    for step in run["steps"].as_array().unwrap() {
        let number = |key: &str| step[key].as_f64().unwrap_or(-1.0);
        assert_eq!(step["exit_code"], 0);
        assert!(
            number("wall_seconds") > 0.0 && number("cpu_seconds") > 0.0,
            "{step}"
        );
        assert!(number("memory_peak_bytes") > 1e6, "{step}");
        assert!(
            number("read_bytes") >= 0.0 && number("write_bytes") >= 0.0,
            "{step}"
        );
        for source in ["cpu_source", "memory_source", "io_source"] {
            assert!(
                ["cgroup", "wait4"].contains(&step[source].as_str().unwrap()),
                "{step}"
            );
        }
    }
    let log = place.expect(0, &["build", "log", "calc"]).stdout;
    let phases: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(" ==> "))
        .map(|(_, phase)| phase)
        .collect();
    assert_eq!(phases, ["prepare", "configure", "make", "test", "install"]);
    place.expect(0, &["log", "verify"]);
}

#[test]
#[ignore = "needs root, to become a user who may not make control groups"]
fn the_quickstart_works_for_nobody_too() {
    let place = Place::of_nobody();
    let ended = place.expect(0, &["quickstart", "--exit", "--listen", "127.0.0.1:0"]);
    assert!(
        ended.stdout.contains("COMPLETED  5/5 steps"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("CPU from wait4"), "{}", ended.stdout);
}

#[test]
fn a_failure_is_named_and_what_needs_it_is_skipped() {
    let place = Place::new();
    let plan = example("quickstart/plan-broken.toml");
    let ended = place.expect(1, &["build", "start", &plan]);
    assert_eq!(
        place.step_states(),
        states(&[
            ("libtext", "COMPLETED"),
            ("broken", "FAILED"),
            ("farewell", "SKIPPED")
        ])
    );
    assert!(
        ended.stdout.contains("undefined reference"),
        "{}",
        ended.stdout
    );
    let run = place.json(&["build", "status"]);
    let broken = &run["steps"][1];
    assert_eq!(
        (&broken["exit_code"], broken["phase"].as_str()),
        (&Value::from(2), Some("make"))
    );
    let status = fs::read_to_string(place.state().join("run/status/broken.status")).unwrap();
    assert_eq!(status.lines().next(), Some("FAILED"));
    assert!(status.contains("\nexit_code=2\n"), "{status}");
    // What is kept of a failure is kept; a second try is a second attempt.
    assert!(place.state().join("work/run-1/broken").is_dir());
    place.expect(1, &["build", "resume"]);
    assert_eq!(place.json(&["build", "status"])["steps"][1]["attempt"], 2);
    assert_eq!(place.json(&["build", "status"])["steps"][0]["attempt"], 1);
}

#[test]
fn keep_going_does_what_does_not_need_the_failed_step() {
    let place = Place::new();
    let plan = place.write_plan(&[
        ("bad", &[], "exit 7"),
        ("after-bad", &["bad"], "true"),
        ("good", &[], "true"),
        ("after-good", &["good"], "true"),
    ]);
    let plan = plan.to_str().unwrap();
    place.expect(1, &["build", "start", plan, "--jobs", "1", "--keep-going"]);
    assert_eq!(
        place.step_states(),
        states(&[
            ("bad", "FAILED"),
            ("after-bad", "SKIPPED"),
            ("good", "COMPLETED"),
            ("after-good", "COMPLETED")
        ])
    );
    place.expect(1, &["build", "start", plan, "--jobs", "1"]);
    assert_eq!(
        place.step_states()[2],
        ("good".to_owned(), "PENDING".to_owned())
    );
    place.expect(0, &["build", "start", plan, "--only", "good", "after-good"]);
    assert_eq!(
        place.step_states(),
        states(&[("good", "COMPLETED"), ("after-good", "COMPLETED")])
    );
    let dry = place.expect(
        0,
        &["build", "start", plan, "--dry-run", "--until", "after-good"],
    );
    assert_eq!(
        dry.stdout,
        "   1  good  good\n   2  after-good  after-good\n"
    );
}

#[test]
fn a_folder_of_scripts_is_a_plan() {
    let place = Place::new();
    let header = "# METADATA_BEGIN\n# NAME=first\n# VERSION=1\n# DEPENDS=\n# METADATA_END\n";
    place.write_script(
        "scripts/01-first.sh",
        &format!("#!/bin/sh\n{header}echo \"$LFS_PHASE_MARK make\"\necho built > \"$LFS/first\"\n"),
    );
    place.write_script("scripts/02-second", "#!/bin/sh\ncat \"$LFS/first\"\n");
    place.write("scripts/notes.txt", "no script");
    place.expect(0, &["plan", "scripts", "scripts", "-o", "plan.toml"]);
    let plan = place.json(&["plan", "show", "plan.toml"]);
    assert_eq!(plan["steps"][0]["package"], "first");
    assert_eq!(plan["steps"][1]["needs"][0], "01-first");
    place.expect(0, &["build", "start", "plan.toml", "--root", "root"]);
    assert_eq!(
        fs::read_to_string(place.path("root/first")).unwrap(),
        "built\n"
    );
    assert_eq!(
        place.json(&["build", "status"])["steps"][0]["phase"],
        "make"
    );
    let log = place.expect(0, &["build", "log", "02-second"]).stdout;
    assert!(log.contains("Z built\n"), "{log}");
}

#[test]
fn steps_know_a_few_names_of_the_environment_and_no_more() {
    let place = Place::new();
    let plan = place.write_plan(&[(
        "env",
        &[],
        "env | cut -d= -f1 | sort | tr '\\n' ' '; pwd; umask",
    )]);
    let mut command = place.command(&["build", "start", plan.to_str().unwrap()]);
    assert!(command.env("SECRET", "x").status().unwrap().success());
    let log = place.expect(0, &["build", "log", "env"]).stdout;
    assert!(
        log.contains("HOME LC_ALL LFS LFS_JOBS LFS_PHASE_MARK LFS_STEP MAKEFLAGS"),
        "{log}"
    );
    assert!(
        log.contains("run-1/env/build") && log.contains("0022"),
        "{log}"
    );
    assert!(!log.contains("SECRET"), "{log}");
}

#[test]
fn ids_with_dots_have_each_their_own_script_and_nothing_of_it_stays() {
    let place = Place::new();
    let script = "sleep 0.2; echo $LFS_STEP >> $LFS/$LFS_STEP";
    place.write_plan(&[
        ("lib-1.0", &[], script),
        ("lib-1.1", &[], script),
        ("a.sh", &[], script),
    ]);
    place.expect(
        0,
        &[
            "build",
            "start",
            "plan.toml",
            "--jobs",
            "3",
            "--root",
            "root",
        ],
    );
    for id in ["lib-1.0", "lib-1.1", "a.sh"] {
        assert_eq!(
            fs::read_to_string(place.path("root").join(id)).unwrap(),
            format!("{id}\n")
        );
    }
    assert_eq!(fs::read_dir(place.state().join("work")).unwrap().count(), 0);
}

#[test]
fn a_build_goes_on_when_nobody_reads_what_it_says_or_its_program_is_replaced() {
    let place = Place::new();
    place.write_plan(&[
        ("a", &[], "sleep 0.3"),
        ("b", &["a"], "true"),
        ("c", &["b"], "true"),
    ]);
    let mut command = place.command(&["build", "start", "plan.toml"]);
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    assert!(command.stderr(full()).status().unwrap().success());

    let copy = place.path("copy");
    fs::copy(env!("CARGO_BIN_EXE_lfs-wrapper"), &copy).unwrap();
    let mut build = std::process::Command::new(&copy)
        .args([
            "--state-dir",
            place.state().to_str().unwrap(),
            "-q",
            "build",
            "start",
            "plan.toml",
        ])
        .current_dir(place.folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the first step", || {
        place
            .state()
            .join("logs/run-2/a.1.log")
            .exists()
            .then_some(())
    });
    fs::remove_file(&copy).unwrap();
    assert!(build.wait().unwrap().success());
}

#[test]
fn a_status_file_says_monitoring_and_is_never_half_of_one() {
    let place = Place::new();
    let mut build = place.start(&["run", "--id", "sleeps", "--", "sleep", "1.3"]);
    let path = place.state().join("run/status/sleeps.status");
    let mut words = Vec::new();
    wait_for("the end", || {
        if let Ok(text) = fs::read_to_string(&path) {
            assert!(text.contains("\nlog=/"), "{text:?}");
            let word = text.lines().next().unwrap().to_owned();
            if words.last() != Some(&word) {
                words.push(word);
            }
        }
        (words.last().is_some_and(|word| word == "COMPLETED")).then_some(())
    });
    assert_eq!(words, ["MONITORING", "COMPLETED"]);
    assert_eq!(build.wait(), 0);
    let status = fs::read_to_string(&path).unwrap();
    let keys: Vec<&str> = status
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    assert_eq!(
        keys,
        [
            "step",
            "run",
            "pid",
            "started",
            "updated",
            "phase",
            "percent",
            "eta_seconds",
            "cpu_seconds",
            "memory_peak_bytes",
            "exit_code",
            "log"
        ]
    );
}

#[test]
fn a_log_can_be_followed_and_a_status_watched_until_the_end() {
    let place = Place::new();
    let script = "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.2; done";
    place.write_plan(&[("talks", &[], script)]);
    let mut build = place.start(&["build", "start", "plan.toml"]);
    wait_for("the log", || {
        place
            .state()
            .join("logs/run-1/talks.1.log")
            .exists()
            .then_some(())
    });
    let watch = place.start(&["status", "--watch", "--json"]);
    let log = place.expect(0, &["build", "log", "talks", "-f"]).stdout;
    let lines: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("Z line "))
        .map(|(_, rest)| rest)
        .collect();
    assert_eq!(lines, ["1", "2", "3", "4", "5", "6"]);
    let watched = watch.output();
    assert!(
        watched.contains("\"RUNNING\"") && watched.contains("\"COMPLETED\""),
        "{watched}"
    );
    assert_eq!(build.wait(), 0);
}

#[test]
fn what_a_log_says_to_a_terminal_is_only_shown() {
    let place = Place::new();
    let script = "printf '%s \\033[2Jevil\\n' \"$LFS_PHASE_MARK\"; printf 'x.c:1:1: error: \\033]0;pwned\\007bad\\n'; exit 1";
    place.write_plan(&[("evil", &[], script)]);
    let ended = place.expect(1, &["build", "start", "plan.toml"]);
    let status = place.expect(0, &["status"]);
    for text in [ended.stdout, ended.stderr, status.stdout] {
        assert!(
            text.contains("bad") && !text.contains(['\x1b', '\x07']),
            "{text:?}"
        );
    }
}

#[test]
fn any_command_is_a_run_of_one_step() {
    let place = Place::new();
    let ended = place.expect(
        0,
        &[
            "run",
            "--id",
            "hello",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2",
        ],
    );
    assert!(ended.stdout.starts_with("out\nerr\n"), "{}", ended.stdout);
    assert_eq!(place.step_states(), states(&[("hello", "COMPLETED")]));
    let ended = place.expect(1, &["run", "--", "sh", "-c", "exit 3"]);
    assert!(ended.stdout.contains("exit code 3"), "{}", ended.stdout);
    let ended = place.expect(1, &["run", "--", "no-such-program"]);
    assert!(
        ended.stdout.contains("executing no-such-program"),
        "{}",
        ended.stdout
    );
    // One document, and bytes as they are.
    let json = place.expect(
        0,
        &[
            "run",
            "--timeout",
            "18446744073709551615",
            "--json",
            "--",
            "true",
        ],
    );
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["state"], "COMPLETED");
    let mut bytes = place.command(&["-q", "run", "--", "printf", r"\377\n"]);
    assert_eq!(bytes.output().unwrap().stdout, b"\xff\n");
}

/// Work in children of children that are gone before anybody could look, some
/// of which nobody waits for until the end.
const BURN: &str = "burn() { i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; }; \
                    (burn; (burn; burn)) & burn; (burn &); wait";

/// User and system time of the shell itself, as its `times` prints them:
/// `0m0.12s 0m0.01s`.
fn own_seconds(times: &str) -> f64 {
    let line = times.lines().next().unwrap();
    let parts = line.split_whitespace().map(|part| {
        let (minutes, seconds) = part.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    });
    parts.sum()
}

#[test]
fn the_accounts_are_those_of_the_whole_tree() {
    let place = Place::new();
    place.expect(0, &["run", "--id", "burn", "--", "sh", "-c", BURN]);
    let step = place.json(&["build", "status"])["steps"][0].clone();
    let ours = step["cpu_seconds"].as_f64().unwrap();
    // What the shell says of itself: other tests have children, too.
    let bare = std::process::Command::new("sh")
        .args([
            "-c",
            "burn() { i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; }; burn; times",
        ])
        .output()
        .unwrap();
    let one = own_seconds(&String::from_utf8(bare.stdout).unwrap());
    // Five burns, on a machine with other work: not one, not two.
    assert!(ours > 3.0 * one, "{ours} {one}");
}

#[test]
#[ignore = "needs root, to have a control group beside wait4"]
fn control_group_and_wait4_agree() {
    let place = Place::new();
    place.expect(0, &["run", "--id", "burn", "--", "sh", "-c", BURN]);
    let step = place.json(&["build", "status"])["steps"][0].clone();
    assert_eq!(step["cpu_source"], "cgroup");
    let number = |key: &str| step[key].as_f64().unwrap();
    let ratio = number("cpu_seconds") / number("reaped_cpu_seconds");
    assert!((0.95..1.05).contains(&ratio), "{step}");
}

#[test]
fn the_same_plan_builds_the_same_files() {
    let place = Place::new();
    let plan = example("quickstart/plan.toml");
    for root in ["one", "two"] {
        place.expect(
            0,
            &[
                "build",
                "start",
                &plan,
                "--root",
                root,
                "--until",
                "wordcount",
            ],
        );
    }
    let one = read_tree(&place.path("one"));
    assert!(one.len() > 5);
    assert_eq!(one, read_tree(&place.path("two")));
}

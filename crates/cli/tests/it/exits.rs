//! Processes: those that live, and every one that ended under a step.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Place, get, wait_for};

/// How many processes of each command ended, and with which codes.
fn count<'a>(processes: &'a Value, of: &str) -> BTreeMap<(&'a str, i64), usize> {
    let mut counts = BTreeMap::new();
    for one in processes[of].as_array().unwrap() {
        let comm = one["comm"].as_str().unwrap();
        let code = one["exit_code"].as_i64().unwrap_or(-1);
        *counts.entry((comm, code)).or_default() += 1;
    }
    counts
}

fn exited(place: &Place, step: &str) -> Value {
    place.json(&["processes", "--exited", "--step", step])
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn every_process_of_a_step_is_listed_however_short_it_lived() {
    let place = Place::new();
    let script = "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done\n\
        /bin/false || :\n(exit 7) || :\nsh -c 'kill -KILL $$' || :\n\
        setsid sh -c '/bin/sleep 0.05 &' ; sleep 0.2";
    let plan = place.write_plan(&[("many", &[], script)]);
    place.expect(0, &["build", "start", plan.to_str().unwrap()]);
    let exited = exited(&place, "many");
    let expected = BTreeMap::from([
        (("bash", 0), 1),
        (("bash", 7), 1),
        (("false", 1), 1),
        (("setsid", 0), 0),
        (("sh", -1), 1),
        (("sh", 0), 1),
        (("sleep", 0), 2),
        (("true", 0), 300),
    ]);
    let mut found = count(&exited, "processes");
    found.entry(("setsid", 0)).or_default();
    assert_eq!(found, expected);
    assert_eq!(exited["processes_counted"], 307);
    assert_eq!(exited["messages_lost"], 0);

    let rows = exited["processes"].as_array().unwrap();
    let leader = rows.iter().rev().find(|row| row["comm"] == "bash").unwrap();
    let of_leader = rows.iter().filter(|row| row["parent_pid"] == leader["pid"]);
    // All but the orphan, which the keeper adopted, and the leader itself.
    assert_eq!(of_leader.count(), 305);
    let killed = rows.iter().find(|row| row["signal"] == 9).unwrap();
    assert_eq!(killed["comm"], "sh");
    assert!(
        rows.iter()
            .all(|row| row["rss_peak_bytes"].as_u64() > Some(0))
    );

    let text = place.expect(
        0,
        &["processes", "--exited", "--step", "many", "--sort", "rss"],
    );
    assert!(
        text.stdout.contains("307 of 307 processes listed"),
        "{}",
        text.stdout
    );
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn a_parallel_make_is_counted_to_the_last_compiler() {
    const FILES: usize = 40;
    let place = Place::new();
    let log = place.path("calls");
    // Each call of the compiler says so itself: the independent count.
    let cc = place.write_script(
        "cc",
        &format!(
            "#!/bin/sh\necho call >>{}\nexec gcc \"$@\"\n",
            log.display()
        ),
    );
    let objects: Vec<String> = (0..FILES).map(|number| format!("f{number}.o")).collect();
    for number in 0..FILES {
        let text = format!("int f{number}(int x) {{ return x * {number}; }}\n");
        place.write(&format!("source/f{number}.c"), &text);
    }
    place.write(
        "source/Makefile",
        &format!(
            "all: {0}\n\t$(CC) -shared -o all.so {0}\n%.o: %.c\n\t$(CC) -O2 -fPIC -c -o $@ $<\n",
            objects.join(" ")
        ),
    );
    let script = format!(
        "make -j4 CC={} -C {}",
        cc.display(),
        place.path("source").display()
    );
    let plan = place.write_plan(&[("make", &[], &script)]);
    place.expect(0, &["build", "start", plan.to_str().unwrap()]);

    let calls = fs::read_to_string(&log).unwrap().lines().count();
    assert_eq!(calls, FILES + 1);
    let exited = exited(&place, "make");
    let found = count(&exited, "processes");
    let of = |comm| found.get(&(comm, 0)).copied().unwrap_or(0);
    assert_eq!(
        (of("gcc"), of("cc1"), of("as")),
        (calls, FILES, FILES),
        "{found:?}"
    );
    assert_eq!(
        (of("collect2"), of("ld"), of("make")),
        (1, 1, 1),
        "{found:?}"
    );

    // What is given to processes is told beside what the group used, and what
    // is given to none of them too.
    let seconds = |key: &str| exited[key].as_f64().unwrap();
    assert_eq!(exited["cpu_source"], "cgroup");
    let rest = seconds("cpu_seconds") - seconds("attributed_cpu_seconds");
    assert!(
        (seconds("unattributed_cpu_seconds") - rest).abs() < 1e-6,
        "{exited}"
    );
    let steps = place.json(&["build", "status"]);
    assert_eq!(steps["steps"][0]["processes"], exited["processes_counted"]);
}

#[test]
#[ignore = "needs root, CONFIG_TASKSTATS and CONFIG_PROC_EVENTS"]
fn the_monitor_gives_short_lived_processes_to_their_step() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    let value = |name: &str| {
        let (_, text) = get(&address, "/metrics", "localhost");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok())
    };
    wait_for("the monitor to listen", || value("lfs_exits_total"));
    // Short, and from its very beginning.
    let script = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done; sleep 2";
    let plan = place.write_plan(&[("short", &[], script)]);
    place.expect(0, &["build", "start", plan.to_str().unwrap()]);
    let series = "lfs_process_exits_total{step=\"short\",comm=\"true\"}";
    let exits = wait_for("the exits of the step", || value(series));
    assert!((exits - 100.0).abs() < f64::EPSILON, "{exits}");
}

#[test]
fn live_processes_are_shown_with_their_secrets_masked() {
    let place = Place::new();
    let mut sleeper = place.start(&[
        "run",
        "--id",
        "sleeper",
        "--",
        "sh",
        "-c",
        "exec sleep 1000",
        "--password=hunter2",
    ]);
    let shown = wait_for("the sleeper", || {
        let ended = place.run(&["processes", "--step", "sleeper", "--json"]);
        let shown: Value = serde_json::from_str(&ended.stdout).ok()?;
        let rows = shown.as_array()?.clone();
        rows.into_iter().find(|row| row["comm"] == "sleep")
    });
    assert_eq!(shown["step"], "sleeper");
    assert_eq!(shown["state"], "S");
    assert!(shown["rss_bytes"].as_u64() > Some(0));
    let text = place.expect(0, &["processes", "--limit", "100000"]);
    assert!(text.stdout.contains("sleep 1000"), "{}", text.stdout);
    assert!(!text.stdout.contains("hunter2"), "{}", text.stdout);
    // In good order, so that no group is left behind.
    sleeper.signal(Signal::TERM);
    sleeper.wait();
}

#[test]
fn what_is_not_there_is_answered_with_what_to_do() {
    let place = Place::new();
    let ended = place.expect(6, &["processes", "--step", "nothing"]);
    assert!(ended.stderr.contains("nothing"), "{}", ended.stderr);
    place.expect(2, &["processes", "--exited"]);
    place.expect(2, &["processes", "--sort", "colour"]);
    place.expect(0, &["run", "--id", "done", "--", "true"]);
    let ended = place.expect(6, &["processes", "--step", "done"]);
    assert!(ended.stderr.contains("--exited"), "{}", ended.stderr);
    // Without a privilege nobody may have counted them.
    fs::remove_file(place.state().join("logs/run-1/done.1.exits")).ok();
    let ended = place.run(&["processes", "--exited", "--step", "done"]);
    match ended.code {
        6 => assert!(ended.stderr.contains("were counted"), "{}", ended.stderr),
        4 => assert!(ended.stderr.contains("doctor"), "{}", ended.stderr),
        other => panic!("{other}: {}", ended.stderr),
    }
    // A look makes no folder.
    let elsewhere = place.path("nowhere");
    place.expect(
        0,
        &["--state-dir", elsewhere.to_str().unwrap(), "processes"],
    );
    assert!(!elsewhere.exists());
}

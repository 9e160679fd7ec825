//! What can be measured here, as a user asks for it.

use serde_json::Value;

use crate::common::{Ended, Place};

/// Everything that holds wherever the program runs.
#[track_caller]
fn expect_sound(report: &Value) {
    let all = report["capabilities"].as_array().unwrap();
    assert!(all.len() >= 35, "{}", all.len());
    for one in all {
        for key in [
            "id",
            "subject",
            "title",
            "level",
            "status",
            "needed_for",
            "evidence",
        ] {
            assert!(!one[key].as_str().unwrap().is_empty(), "{key}: {one}");
        }
        let is_available = one["status"] == "available";
        for key in ["how", "why"] {
            assert_eq!(one[key].is_null(), is_available, "{key}: {one}");
        }
    }
}

fn is_required_missing(report: &Value) -> bool {
    let all = report["capabilities"].as_array().unwrap();
    all.iter()
        .any(|one| one["level"] == "required" && one["status"] == "missing")
}

#[track_caller]
fn parse(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn this_machine_is_examined_and_nothing_is_left_behind() {
    let place = Place::new();
    let ended = place.run(&["doctor", "--json"]);
    let report = parse(&ended);
    expect_sound(&report);
    let expected = if is_required_missing(&report) { 4 } else { 0 };
    assert_eq!(ended.code, expected, "{}", ended.stderr);
    let text = place.expect(expected, &["doctor", "--all"]).stdout;
    for one in report["capabilities"].as_array().unwrap() {
        assert!(text.contains(one["title"].as_str().unwrap()), "{one}");
    }
    // Words longer than a line, such as paths, cannot be broken.
    let is_wide = |line: &&str| line.chars().count() > 80 && line.trim().contains(' ');
    let words_fit = |line: &str| line.split(' ').all(|word| word.len() < 60);
    assert_eq!(
        text.lines().filter(is_wide).find(|line| words_fit(line)),
        None
    );
    assert!(
        text.lines().last().unwrap().contains(" available"),
        "{text}"
    );
    // It keeps nothing: it must work where nothing can be written.
    assert!(!place.state().exists());
}

#[test]
fn a_machine_without_anything_is_told_what_to_do_first() {
    let place = Place::new();
    let folder = place.path("empty");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    let arguments = [
        "doctor",
        "--path.procfs",
        folder,
        "--path.sysfs",
        folder,
        "--path.rootfs",
        folder,
    ];
    let ended = place.expect(4, &arguments);
    assert!(
        ended
            .stderr
            .contains("required and missing here: Processor counters"),
        "{}",
        ended.stderr
    );
    // The name of the folder may be long: look at the words on their own.
    let words: Vec<&str> = ended.stdout.split_ascii_whitespace().collect();
    assert!(
        words
            .windows(4)
            .any(|four| four == ["mount", "-t", "proc", "proc"]),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("its configuration was not found"),
        "{}",
        ended.stdout
    );
    let json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let report = parse(&place.expect(4, &json));
    expect_sound(&report);
    assert!(report["kernel"].is_null() && report["config"]["origin"].is_null());
}

#[test]
fn the_configuration_of_the_kernel_explains_what_is_missing() {
    let place = Place::new();
    place.write("proc/self/stat", "1 (x) R\n");
    place.write("proc/sys/kernel/osrelease", "6.13.4\n");
    place.write("boot/config-6.13.4", "# CONFIG_PSI is not set\n");
    let root = place.folder.path().to_str().unwrap().to_owned();
    let procfs = format!("{root}/proc");
    let arguments = [
        "doctor",
        "--path.procfs",
        &procfs,
        "--path.rootfs",
        &root,
        "--json",
    ];
    let report = parse(&place.run(&arguments));
    assert_eq!(report["kernel"], "6.13.4");
    assert_eq!(
        report["config"]["origin"],
        format!("{root}/boot/config-6.13.4")
    );
    let all = report["capabilities"].as_array().unwrap();
    let pressure = all.iter().find(|one| one["id"] == "pressure").unwrap();
    let how = pressure["how"].as_str().unwrap();
    assert!(
        how.contains("CONFIG_PSI=y") && how.contains("CONFIG_PSI is not set"),
        "{how}"
    );
}

#[test]
fn an_option_that_there_is_not() {
    let ended = Place::new().expect(2, &["doctor", "--everything"]);
    assert!(ended.stderr.contains("--everything"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs root, to become a user without any right"]
fn nobody_is_told_what_root_could_see() {
    let place = Place::of_nobody();
    let report = place.json(&["doctor"]);
    expect_sound(&report);
    let all = report["capabilities"].as_array().unwrap();
    let io = all.iter().find(|one| one["id"] == "process-io").unwrap();
    assert_ne!(io["status"], "available", "{io}");
}

use super::*;

use rustix::event::{EventfdFlags, eventfd};
use std::thread;

/// Far more than anything here needs.
const LONG: Duration = Duration::from_secs(60);

/// A mark that nobody else has.
fn new_mark() -> String {
    format!(
        "test:{}:{:?}:{:?}",
        std::process::id(),
        thread::current().id(),
        Instant::now()
    )
}

fn run_with(
    command: &[&str],
    timeout: Duration,
    mark: &str,
    stop: &OwnedFd,
) -> Result<String, String> {
    let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    let ran = run(&Order {
        command: &command,
        timeout,
        mark,
        stop: stop.as_fd(),
    });
    match ran {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(Failure::Stopped) => Err("stopped".to_owned()),
        Err(Failure::Wrong(why)) => Err(why),
        Err(Failure::Lingers(why, _)) => panic!("{why}"),
    }
}

/// Runs it, and sees that nothing of it is left.
#[track_caller]
fn run_alone(command: &[&str], timeout: Duration) -> Result<String, String> {
    let mark = new_mark();
    let stop = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let result = run_with(command, timeout, &mark, &stop);
    expect_none_left(&mark);
    result
}

#[track_caller]
fn expect_none_left(mark: &str) {
    let entry = format!("{MARK}={mark}");
    let end = Instant::now() + LONG;
    while read_pids().any(|pid| is_marked(pid, entry.as_bytes())) {
        assert!(Instant::now() < end, "a process is left");
        thread::sleep(Duration::from_millis(10));
    }
}

fn shell(script: &str) -> [&str; 3] {
    ["/bin/sh", "-c", script]
}

#[test]
fn a_program_finds_little_and_its_output_is_taken() {
    let text = run_alone(&["/usr/bin/env"], LONG).unwrap();
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["LANG", MARK, "PATH"]);
    let text = run_alone(&shell("pwd; cat; echo \"$0 $1\""), LONG);
    assert_eq!(text, Ok("/\n/bin/sh \n".to_owned()));
    let large = run_alone(&["/usr/bin/head", "-c", "1048576", "/dev/zero"], LONG);
    assert_eq!(large.map(|text| text.len()), Ok(BYTES_MAX));
}

#[test]
fn what_went_wrong_is_told_with_the_last_words() {
    let table = [
        (
            "for i in a b c d; do echo $i >&2; done; echo x 1; exit 3",
            "exit status: 3; it said: b | c | d",
        ),
        ("exit 1", "exit status: 1"),
        ("kill -9 $$", "signal: 9 (SIGKILL)"),
        (
            "printf '\\033[31mred\\n' >&2; exit 1",
            "exit status: 1; it said: \u{fffd}[31mred",
        ),
    ];
    for (script, why) in table {
        assert_eq!(
            run_alone(&shell(script), LONG),
            Err(why.to_owned()),
            "{script}"
        );
    }
    let error = run_alone(&["/bin/cat", "/dev/zero"], LONG).unwrap_err();
    assert_eq!(error, "it wrote more than 1048576 bytes");
    let error = run_alone(&["/nonexistent/program"], LONG).unwrap_err();
    assert!(
        error.starts_with("starting /nonexistent/program: "),
        "{error}"
    );
    let errors = run_alone(&shell("head -c 3000000 /dev/zero >&2; exit 2"), LONG).unwrap_err();
    assert!(errors.starts_with("exit status: 2") && errors.len() < 20_000);
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let scripts = [
        "sleep 300",
        "sleep 300 & sleep 300",
        "trap '' TERM HUP INT; while :; do sleep 300; done",
        "setsid setsid sleep 300 & sleep 300",
        "exec >/dev/null 2>&1; sleep 300",
    ];
    for script in scripts {
        let error = run_alone(&shell(script), Duration::from_millis(300)).unwrap_err();
        assert!(error.contains("time limit of 0.3 s"), "{script}: {error}");
    }
}

#[test]
fn what_a_program_leaves_behind_is_ended_and_its_output_stands() {
    let scripts = [
        "sleep 300 & echo x 1",
        "setsid sleep 300 & echo x 1",
        "(setsid sleep 300 </dev/null >/dev/null 2>&1 &) ; echo x 1",
    ];
    for script in scripts {
        assert_eq!(
            run_alone(&shell(script), LONG),
            Ok("x 1\n".to_owned()),
            "{script}"
        );
    }
}

#[test]
fn a_process_without_the_mark_ends_with_its_group() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("pid");
    let script = format!(
        "env -i /bin/sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300' & \
         while [ ! -e {0} ]; do sleep 0.01; done; echo x 1",
        file.display()
    );
    assert_eq!(run_alone(&shell(&script), LONG), Ok("x 1\n".to_owned()));
    let pid = fs::read_to_string(&file).unwrap();
    let stat = std::path::Path::new("/proc").join(pid.trim()).join("stat");
    let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let end = Instant::now() + LONG;
    while runs() {
        assert!(Instant::now() < end, "it goes on");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_stop_ends_the_run_at_once() {
    let mark = new_mark();
    let stop = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
    let result = run_with(&shell("sleep 300 & sleep 300"), LONG, &mark, &stop);
    assert_eq!(result, Err("stopped".to_owned()));
    expect_none_left(&mark);
}

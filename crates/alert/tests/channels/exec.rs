//! Against real programs: good ones, and those that hang, fork and flood.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lfs_wrapper_alert::channel::{AlertSink, Channel, Console, Exec, Kind, render_document};
use lfs_wrapper_alert::engine;
use lfs_wrapper_alert::notification::{Message, Reason};
use lfs_wrapper_model::Severity;
use serde_json::{Value, json};

use crate::support::{notification, open, raised, send, wait_for};

fn shell(script: &str, timeout_msec: u64) -> Channel {
    open(Kind::Exec(Exec {
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        timeout: Duration::from_millis(timeout_msec),
    }))
}

/// Whether a process that wrote its pid to the file is there and no zombie.
fn is_running(path: &Path) -> bool {
    let pid = fs::read_to_string(path).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_program_gets_the_document_and_what_scripts_ask_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let script = format!("cat >{}; env >{}", path("document"), path("environment"));
    let mut one = raised("it said \"no\"\nand \u{1b}[2J\u{9b}more");
    one.annotations
        .insert("dashboard".to_owned(), "http://x/".to_owned());
    send(&shell(&script, 20_000), &[one]).unwrap();
    let text = fs::read_to_string(path("document")).unwrap();
    assert!(text.ends_with("}\n") && !text.contains('\u{9b}'));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document,
        json!({
            "version": 1, "host": "builder", "channel": "test", "reason": "group",
            "outage": null, "state": "firing", "severity": "error", "group": {},
            "time": "2023-11-14T22:14:20.250Z", "time_msec": 1_700_000_060_250_i64,
            "alerts": [{
                "alert": 1, "event": 10, "rule": "memory", "kind": "raised",
                "is_reminder": false, "severity": "error",
                "labels": {"resource": "memory"}, "value": 85.25, "threshold": 85.0,
                "message": "it said \"no\"\nand  [2J more", "runbook": "Stop what uses it.",
                "annotations": {"dashboard": "http://x/"},
                "since": "2023-11-14T22:13:20.250Z", "since_msec": 1_700_000_000_250_i64,
                "time": "2023-11-14T22:14:20.250Z", "time_msec": 1_700_000_060_250_i64,
            }],
        })
    );
    let environment = fs::read_to_string(path("environment")).unwrap();
    let mut lines: Vec<&str> = environment
        .lines()
        .filter(|line| {
            line.starts_with("LFS_") || line.starts_with("PATH=") || line.starts_with("HOME=")
        })
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "LFS_ALERT_KIND=raised",
            "LFS_ALERT_RULE=memory",
            "LFS_ALERT_SEVERITY=error",
            "LFS_ALERT_STATE=firing",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
    );
}

#[test]
fn the_documentations_example_is_what_comes() {
    let text = include_str!("../../../../docs/alert-channels.md");
    let (_, rest) = text.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let mut one = raised("memory 85.2% used");
    (one.alert, one.event, one.value) = (7, 12, Some(85.2));
    one.since_msec = 1_769_860_800_250;
    one.time_msec = one.since_msec + 60_000;
    let document = render_document(
        "exec",
        &Message {
            host: "builder",
            group: &[("severity".to_owned(), "error".to_owned())].into(),
            notifications: std::slice::from_ref(&one),
            reason: Reason::Group,
            time_msec: one.time_msec,
        },
    );
    let parse = |text| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parse(&document), parse(example));
}

#[test]
fn how_a_program_ends_is_told() {
    let table = [
        ("exit 0", 20_000, None),
        // It need not read, nor leave its standard input open.
        ("exec <&-; sleep 0.1; exit 0", 20_000, None),
        ("exit 3", 20_000, Some("/bin/sh: exit status: 3")),
        (
            "echo; echo '  no modem' >&2; echo more >&2; exit 1",
            20_000,
            Some("it said: no modem"),
        ),
        (
            "printf '\\033[2Jred\\n' >&2; exit 1",
            20_000,
            Some("it said:  [2Jred"),
        ),
        ("kill -TERM $$", 20_000, Some("signal: 15")),
        (
            "head -c 3000000 /dev/zero >&2; exit 1",
            20_000,
            Some("exit status: 1"),
        ),
        (
            "head -c 3000000 /dev/zero; exit 1",
            20_000,
            Some("exit status: 1"),
        ),
        (
            "echo why >&2; exec sleep 1000",
            300,
            Some("time limit of 0.3 s; it said: why"),
        ),
        (
            "trap '' TERM INT HUP; while :; do sleep 1; done",
            300,
            Some("time limit"),
        ),
        ("yes", 300, Some("time limit")),
        ("exec yes >&2", 300, Some("time limit")),
    ];
    let large = raised(&"x".repeat(1 << 20));
    for (script, timeout_msec, expected) in table {
        let outcome = send(&shell(script, timeout_msec), std::slice::from_ref(&large));
        let Some(expected) = expected else {
            outcome.unwrap();
            continue;
        };
        let error = outcome.unwrap_err();
        assert!(
            !error.is_final && error.message.contains(expected),
            "{script}: {error}"
        );
        assert!(!error.message.contains(char::is_control) && error.message.len() < 600);
    }
}

#[test]
fn what_a_program_leaves_in_its_group_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let table = [("exit 0", 20_000, true), ("sleep 1000", 500, false)];
    for (end, timeout_msec, is_taken) in table {
        let pid = folder.path().join("pid");
        let script = format!(
            "(trap '' TERM HUP; while :; do sleep 1; done) & echo $! >{}; {end}",
            pid.display()
        );
        let outcome = send(&shell(&script, timeout_msec), &[raised("x")]);
        assert_eq!(outcome.is_ok(), is_taken, "{outcome:?}");
        wait_for("an end", || (!is_running(&pid)).then_some(()));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let exec = |command: &[&str]| {
        Kind::Exec(Exec {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            ..Exec::default()
        })
    };
    let wall = Console {
        wall_command: Vec::new(),
        ..Console::default()
    };
    let table = [
        (exec(&[]), "no program to run"),
        (exec(&["bin/notify"]), "bin/notify is not an absolute path"),
        (Kind::Console(wall), "no program to run"),
    ];
    for (kind, expected) in table {
        let error = Channel::new("x", kind).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let missing = open(exec(&["/nowhere/notify"]));
    let error = send(&missing, &[raised("x")]).unwrap_err();
    assert!(
        error
            .message
            .starts_with("starting /nowhere/notify: No such"),
        "{error}"
    );
}

fn wall(folder: &Path, least: Severity, end: &str) -> (Channel, PathBuf) {
    let path = folder.join("terminals");
    let script = format!("cat >>{}; {end}", path.display());
    let console = Console {
        wall: Some(least),
        wall_command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
        timeout: Duration::from_secs(20),
    };
    (open(Kind::Console(console)), path)
}

#[test]
fn what_is_bad_enough_goes_to_every_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (channel, path) = wall(folder.path(), Severity::Critical, "exit 0");
    for severity in Severity::ALL {
        let text = format!("memory \u{1b}[2J {severity}");
        let life = [engine::Kind::Raised, engine::Kind::Resolved];
        for kind in life {
            send(&channel, &[notification(1, kind, severity, &text)]).unwrap();
        }
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        "[CRITICAL] builder: memory  [2J critical\n\
         CRITICAL memory  [2J critical\n    Stop what uses it.\n\
         [EMERGENCY] builder: memory  [2J emergency\n\
         EMERGENCY memory  [2J emergency\n    Stop what uses it.\n"
    );
    let (broken, _) = wall(
        folder.path(),
        Severity::Info,
        "echo no terminals >&2; exit 1",
    );
    let error = send(&broken, &[raised("x")]).unwrap_err();
    assert!(
        error.is_final && error.message.contains("no terminals"),
        "{error}"
    );
}

#[derive(Debug, Default)]
struct Kept(Mutex<Vec<String>>);

impl AlertSink for Kept {
    fn take(&self, message: &Message<'_>) -> Result<(), String> {
        let one = message.notifications.first().unwrap();
        if one.severity == Severity::Info {
            return Err("not\nnow".to_owned());
        }
        self.0.lock().unwrap().push(one.message.clone());
        Ok(())
    }
}

#[test]
fn a_function_in_this_process_takes_messages_or_not() {
    let kept = Arc::new(Kept::default());
    let channel = open(Kind::Sink(kept.clone()));
    send(&channel, &[raised("one")]).unwrap();
    let refused = notification(1, engine::Kind::Raised, Severity::Info, "x");
    let error = send(&channel, &[refused]).unwrap_err();
    assert_eq!((error.is_final, error.message.as_str()), (false, "not now"));
    assert_eq!(*kept.0.lock().unwrap(), ["one"]);
    send(&open(Kind::Dashboard), &[raised("x")]).unwrap();
}

#[test]
fn kinds_say_what_they_are() {
    let kinds = [
        (open(Kind::Console(Console::default())), "console", true),
        (shell("exit 0", 1), "exec", false),
        (open(Kind::Dashboard), "dashboard", false),
        (open(Kind::Sink(Arc::new(Kept::default()))), "sink", false),
    ];
    for (channel, kind, takes_digests) in kinds {
        assert_eq!((channel.name(), channel.kind()), ("test", kind));
        assert_eq!(channel.takes_digests(), takes_digests, "{kind}");
    }
}

//! SIGKILL at any moment loses nothing that was acknowledged.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::store;
use lfs_wrapper_model::Severity;
use lfs_wrapper_state::{Database, StateDir};
use tempfile::TempDir;

use crate::desk::{plain, write};

/// The folder in which the child works.
const FOLDER: &str = "ALERT_KILL_FOLDER";

/// How often a child is killed where ALERT_KILLS does not say.
const KILLS: u32 = 15;

fn open(folder: &Path) -> Database {
    let dir = StateDir::open(folder, &folder.join("run")).unwrap();
    Database::open(&dir).unwrap()
}

/// Writes changes for ever, each with its messages, says so after each, and
/// delivers every few of them into a file.
#[test]
#[ignore = "needs a parent: it is the child of the test below, and ends at once without one"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let database = open(folder);
    let mut routing = plain(&["a", "b"]);
    // Its alerts come and go all the time.
    routing.flapping.count = 0;
    let mut heard = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("heard"))
        .unwrap();
    let filter = store::HistoryFilter::default();
    let first = store::list_history(&database, &filter).unwrap().len();
    for number in first.. {
        let rule = format!("rule-{}", number % 3);
        let is_live = store::list_alerts(&database, true, 9).unwrap();
        let kind = match is_live.iter().any(|alert| alert.rule == rule) {
            true if number % 2 == 0 => Kind::Resolved,
            true => Kind::Repeated,
            false => Kind::Raised,
        };
        let now_msec = i64::try_from(number).unwrap();
        write(
            &database,
            &routing,
            (&rule, kind, Severity::Error),
            now_msec,
        );
        io::stdout()
            .write_all(format!("done {}\n", number + 1).as_bytes())
            .unwrap();
        if number % 4 == 3 {
            deliver(&database, &mut heard, now_msec);
        }
    }
}

fn deliver(database: &Database, heard: &mut fs::File, now_msec: i64) {
    for batch in store::next_batches(database, now_msec, |_| true).unwrap() {
        let lines = batch.notifications.iter().map(|one| {
            let (alert, event) = (one.alert, one.event);
            format!("{} {alert} {event}\n", batch.channel)
        });
        heard
            .write_all(lines.collect::<String>().as_bytes())
            .unwrap();
        store::set_sent(database, &batch, now_msec).unwrap();
    }
}

/// Lets a child work until it has written so many changes, and kills it a moment
/// later. Returns the last change of which it said that it is written.
fn kill_one(folder: &Path, changes: u32, moment: Duration) -> Option<i64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut last = None;
    let mut seen = 0;
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        // The first such line follows what the test harness printed.
        if let Some((_, number)) = line.trim_end().rsplit_once("done ") {
            last = number.parse().ok();
            seen += 1;
            if seen == changes {
                std::thread::sleep(moment);
                child.kill().unwrap();
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    last
}

/// Every event that is written went to each channel or waits for it, and each
/// channel heard of each alert in order.
fn check(folder: &Path, acknowledged: i64) {
    let database = open(folder);
    let history = store::list_history(&database, &store::HistoryFilter::default()).unwrap();
    assert!(
        history
            .first()
            .is_some_and(|entry| entry.event >= acknowledged)
    );
    let mut told: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    let heard = fs::read_to_string(folder.join("heard")).unwrap_or_default();
    for line in heard.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let id = (words[0].to_owned(), words[1].parse().unwrap());
        told.entry(id).or_default().push(words[2].parse().unwrap());
    }
    let waiting: Vec<(String, i64, i64)> = database
        .connection()
        .prepare("SELECT channel, alert, notification ->> 'event' FROM outbox ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (channel, alert, event) in waiting {
        told.entry((channel, alert)).or_default().push(event);
    }
    for entry in &history {
        for channel in ["a", "b"] {
            let of_it = &told[&(channel.to_owned(), entry.alert)];
            assert!(
                of_it.contains(&entry.event),
                "event {} for {channel}",
                entry.event
            );
        }
    }
    for (id, mut events) in told {
        // A double is sent again with all that came with it.
        let total = events.len();
        let mut first = Vec::new();
        events.retain(|event| {
            let is_new = !first.contains(event);
            first.push(*event);
            is_new
        });
        assert!(events.is_sorted(), "{id:?}: {events:?} of {total}");
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_keeps_the_order() {
    let kills = std::env::var("ALERT_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for kill in 0..kills {
        let moment = Duration::from_micros(u64::from(kill.wrapping_mul(2_654_435_761) % 9_000));
        let last = kill_one(folder.path(), 1 + kill * 7 % 11, moment);
        acknowledged = last.unwrap_or(acknowledged).max(acknowledged);
        check(folder.path(), acknowledged);
    }
}

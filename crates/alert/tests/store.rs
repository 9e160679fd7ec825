//! What must hold of alerts in the state database.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::store::{self, Change, Labels};
use lfs_wrapper_model::Severity;
use lfs_wrapper_state::audit::{self, Filter};
use lfs_wrapper_state::{Database, StateDir};
use tempfile::TempDir;

fn open(folder: &TempDir) -> Database {
    let dir = StateDir::open(folder.path(), &folder.path().join("run")).unwrap();
    Database::open(&dir).unwrap()
}

fn write(database: &Database, kind: Kind, time_msec: i64) {
    let labels: Labels = [("mountpoint".to_owned(), "/".to_owned())].into();
    let change = Change {
        rule: "disk",
        labels: &labels,
        kind,
        severity: Severity::Warning,
        value: Some(86.0),
        threshold: Some(85.0),
        message: "disk / WARNING: 86.0% (threshold: 85.0%)",
        runbook: "Make room.",
        time_msec,
    };
    let channels = ["console".to_owned(), "syslog".to_owned()];
    let transaction = database.begin().unwrap();
    store::write_change(&transaction, &change, &channels).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn one_alert_lives_from_raise_to_resolve_and_a_new_one_begins_after() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    write(&database, Kind::Raised, 1);
    write(&database, Kind::Nodata, 2);
    assert_eq!(
        store::list_alerts(&database, true, 9).unwrap()[0].state,
        "nodata"
    );
    write(&database, Kind::Resolved, 3);
    assert!(store::list_alerts(&database, true, 9).unwrap().is_empty());
    write(&database, Kind::Raised, 4);

    let alerts = store::list_alerts(&database, false, 9).unwrap();
    let shape: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.state.as_str(), alert.since_msec, alert.changed_msec))
        .collect();
    assert_eq!(shape, [("firing", 4, 4), ("resolved", 1, 3)]);
    assert_eq!(store::count_raised(&database).unwrap(), 2);
    assert_eq!(store::list_history(&database, false, 9).unwrap().len(), 4);
    let records = audit::list(database.connection(), &Filter::default()).unwrap();
    assert_eq!(
        records
            .iter()
            .filter(|record| record.unit == "alert")
            .count(),
        4
    );
}

#[test]
fn a_message_leaves_the_outbox_only_when_it_was_taken() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    write(&database, Kind::Raised, 1_000);
    let due = store::list_due(&database, 1_000).unwrap();
    let channels: Vec<&str> = due
        .iter()
        .map(|outgoing| outgoing.channel.as_str())
        .collect();
    assert_eq!(channels, ["console", "syslog"]);

    store::set_sent(&database, &due[0]).unwrap();
    store::set_failed(&database, &due[1], "no such socket", 4_000).unwrap();
    assert!(store::list_due(&database, 4_000).unwrap().is_empty());
    drop(database);

    // Also over a restart.
    let database = open(&folder);
    let again = store::list_due(&database, 5_000).unwrap();
    assert_eq!((again.len(), again[0].tries), (1, 1));
    assert_eq!(again[0].notification, due[1].notification);
    assert_eq!(store::count_waiting(&database).unwrap(), 1);
}

/// The kinds of what is due for each channel.
fn due(database: &Database, now_msec: i64) -> Vec<(String, Kind)> {
    let due = store::list_due(database, now_msec).unwrap();
    due.into_iter()
        .map(|outgoing| (outgoing.channel, outgoing.notification.kind))
        .collect()
}

#[test]
fn a_failed_message_holds_up_its_channel_and_no_other() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    write(&database, Kind::Raised, 1_000);
    write(&database, Kind::Resolved, 1_000);
    let oldest = store::list_due(&database, 1_000).unwrap();
    store::set_failed(&database, &oldest[0], "no", 1_000).unwrap();
    store::set_sent(&database, &oldest[1]).unwrap();
    let console = ("console".to_owned(), Kind::Raised);
    let syslog = ("syslog".to_owned(), Kind::Resolved);
    assert_eq!(due(&database, 1_001), std::slice::from_ref(&syslog));
    assert_eq!(due(&database, 2_000), [console, syslog]);
}

#[test]
fn a_clock_that_was_set_back_puts_nothing_off() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    // Written before the clock was set back, and never tried.
    write(&database, Kind::Raised, 7_200_000);
    let oldest = store::list_due(&database, 7_000_000).unwrap();
    assert_eq!(oldest.len(), 2);
    for outgoing in &oldest {
        store::set_failed(&database, outgoing, "no", 7_200_000).unwrap();
    }
    assert_eq!(due(&database, 7_200_000).len(), 0);
    assert_eq!(due(&database, 3_600_000).len(), 2);
}

/// Fills the outbox of syslog up to its limit.
fn fill(database: &Database) {
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
               WHERE i < ?1 - (SELECT count(*) FROM outbox WHERE channel = 'syslog')) \
               INSERT INTO outbox (channel, notification, created_msec) \
               SELECT 'syslog', notification, i FROM n, \
               (SELECT notification FROM outbox WHERE channel = 'syslog' LIMIT 1)";
    let connection = database.connection();
    connection.execute(sql, [store::OUTBOX_MAX]).unwrap();
}

/// How many messages were dropped, and how many records say so.
fn dropped(database: &Database) -> (i64, usize) {
    let records = audit::list(database.connection(), &Filter::default()).unwrap();
    let texts = records.iter().map(|record| record.what.as_str());
    (
        store::count_dropped(database).unwrap(),
        texts.filter(|what| what.contains("dropped")).count(),
    )
}

#[test]
fn a_full_outbox_drops_its_oldest_message_and_each_such_time_is_on_record_once() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let syslog = |kind: Kind| {
        let due = store::list_due(&database, 1).unwrap();
        let is_it = |one: &&store::Outgoing| one.channel == "syslog";
        let oldest = due.iter().find(is_it).unwrap().clone();
        assert_eq!(oldest.notification.kind, kind);
        oldest
    };
    write(&database, Kind::Raised, 1);
    write(&database, Kind::Resolved, 1);
    fill(&database);
    syslog(Kind::Raised);
    assert_eq!(dropped(&database), (0, 0));

    write(&database, Kind::Raised, 1);
    syslog(Kind::Resolved);
    write(&database, Kind::Resolved, 1);
    assert_eq!(dropped(&database), (2, 1));
    // Four for the console, whose outbox is not full.
    let waiting = i64::from(store::OUTBOX_MAX) + 4;
    assert_eq!(store::count_waiting(&database).unwrap(), waiting);

    // It takes one; the next time is another.
    store::set_sent(&database, &syslog(Kind::Raised)).unwrap();
    write(&database, Kind::Raised, 1);
    assert_eq!(dropped(&database), (2, 1));
    write(&database, Kind::Resolved, 1);
    assert_eq!(dropped(&database), (3, 2));
}

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
    let due = store::list_due(&database, 1_000, 9).unwrap();
    let channels: Vec<&str> = due
        .iter()
        .map(|outgoing| outgoing.channel.as_str())
        .collect();
    assert_eq!(channels, ["console", "syslog"]);

    store::set_sent(&database, due[0].id).unwrap();
    store::set_failed(&database, due[1].id, "no such socket", 5_000).unwrap();
    assert!(store::list_due(&database, 4_999, 9).unwrap().is_empty());
    drop(database);

    // Also over a restart.
    let database = open(&folder);
    let again = store::list_due(&database, 5_000, 9).unwrap();
    assert_eq!((again.len(), again[0].tries), (1, 1));
    assert_eq!(again[0].notification, due[1].notification);
    assert_eq!(store::count_waiting(&database).unwrap(), 1);
}

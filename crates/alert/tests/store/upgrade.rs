//! A database of an older version, with messages that wait.

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::store;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::desk::{Desk, open, plain, render};

const SCRIPTS: [&str; 2] = [
    include_str!("../../../state/migrations/0001.sql"),
    include_str!("../../../state/migrations/0002.sql"),
];

/// An alert that console took and syslog did not, as the version before wrote it.
const OLD: &str = r#"
    INSERT INTO alert (rule, labels, state, severity, since_msec, changed_msec, message)
        VALUES ('disk', '{"mountpoint":"/"}', 'firing', 'warning', 1000, 1000, 'disk is full');
    INSERT INTO alert_transition (alert, time_msec, kind, severity, message)
        VALUES (1, 1000, 'raised', 'warning', 'disk is full');
    INSERT INTO outbox (channel, notification, created_msec, tries, next_msec, last_error)
        VALUES ('syslog', '{"event":1,"rule":"disk","kind":"raised","severity":"warning",
        "labels":{"mountpoint":"/"},"message":"disk is full","runbook":"","time_msec":1000}',
        1000, 3, 9000, 'no such socket');
    INSERT INTO outbox_drop VALUES ('syslog', 5, 0);
    PRAGMA application_id = 1279677271;
"#;

fn old_database(version: u8) -> TempDir {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(folder.path().join("state.db")).unwrap();
    for script in &SCRIPTS[..usize::from(version)] {
        connection.execute_batch(script).unwrap();
    }
    connection.execute_batch(OLD).unwrap();
    connection
        .pragma_update(None, "user_version", version)
        .unwrap();
    folder
}

#[test]
fn what_waited_in_an_older_version_is_delivered_and_nothing_is_told_twice() {
    for version in [1, 2] {
        let folder = old_database(version);
        let database = open(&folder);
        let desk = Desk {
            folder,
            database,
            routing: plain(&["console", "syslog"]),
        };
        let plan = store::tell_due(&desk.database, &desk.routing, 2_000, &TimeZone::UTC).unwrap();
        assert!(plan.is_empty(), "{plan:?}");
        assert_eq!(desk.due(8_999), [""; 0]);
        let batch = desk.next(9_000).remove(0);
        assert_eq!(
            (render(&batch).as_str(), batch.tries),
            ("syslog: disk raised", 3)
        );
        assert_eq!(batch.notifications[0].since_msec, 1_000);
        assert_eq!(store::count_dropped(&desk.database).unwrap(), 5);

        // What is new comes after what waited.
        desk.write("disk", Kind::Resolved, 9_500);
        desk.write("memory", Kind::Raised, 9_600);
        let expected = [
            "console: disk resolved",
            "syslog: disk raised, disk resolved, memory raised",
        ];
        assert_eq!(desk.due(10_000), expected);
    }
}

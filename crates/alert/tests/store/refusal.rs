//! What a receiver refuses for good, and what nobody can read.

use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::store::{self, Batch};

use crate::desk::{Desk, plain};

fn refuse(desk: &Desk, batch: &Batch, now_msec: i64) {
    store::set_refused(&desk.database, batch, "400\nBad\u{7} Request", now_msec).unwrap();
}

#[test]
fn what_is_refused_is_tried_for_a_minute_and_then_dropped_and_counted() {
    let desk = Desk::new(plain(&["mail"]));
    desk.write("bad", Kind::Raised, 0);
    for now_msec in [0, 30_000, 60_000] {
        assert_eq!(desk.due(now_msec), ["mail: bad raised"], "at {now_msec}");
        refuse(&desk, &desk.next(now_msec)[0], now_msec);
    }
    let state = store::channel_states(&desk.database).unwrap().remove(0);
    assert_eq!((state.refused_total, state.failed_total), (1, 3));
    assert_eq!(state.failing_since_msec, Some(0));
    assert_eq!(
        state.last_error.as_deref(),
        Some("400\u{fffd}Bad\u{fffd} Request")
    );
    assert_eq!(desk.audited("refused").len(), 1);
    assert_eq!(store::count_dropped(&desk.database).unwrap(), 1);

    // It fails until it takes something, or is configured no more.
    desk.write("good", Kind::Raised, 60_000);
    assert_eq!(desk.due(60_000), ["mail: good raised"]);
    let is_failing = || {
        let state = store::channel_states(&desk.database).unwrap().remove(0);
        state.failing_since_msec.is_some()
    };
    assert!(is_failing());
    desk.send(60_000);
    assert!(!is_failing());
    for now_msec in [70_000, 100_000, 130_000] {
        desk.write("bad", Kind::Repeated, now_msec);
        refuse(&desk, &desk.next(now_msec)[0], now_msec);
    }
    store::drop_unconfigured(&desk.database, &[]).unwrap();
    assert!(!is_failing());
}

#[test]
fn one_message_that_is_refused_takes_no_other_with_it() {
    let desk = Desk::new(plain(&["mail"]));
    let rules: Vec<String> = (0..25).map(|number| format!("rule-{number}")).collect();
    for rule in &rules {
        desk.write(rule, Kind::Raised, 0);
    }
    for now_msec in [0, 30_000, 60_000] {
        let digest = desk.next(now_msec).remove(0);
        assert_eq!(digest.ids.len(), 25);
        refuse(&desk, &digest, now_msec);
    }
    let mut sent = Vec::new();
    while let Some(batch) = desk.next(60_000).pop() {
        assert_eq!(batch.ids.len(), 1);
        if batch.notifications[0].rule == "rule-7" {
            refuse(&desk, &batch, 60_000);
        } else {
            sent.push(batch.notifications[0].rule.clone());
            store::set_sent(&desk.database, &batch, 60_000).unwrap();
        }
    }
    let expected: Vec<String> = rules.into_iter().filter(|rule| rule != "rule-7").collect();
    assert_eq!(sent, expected);
    assert_eq!(
        desk.audited("('rule-7') for channel 'mail' dropped").len(),
        1
    );
}

#[test]
fn a_row_that_nobody_can_read_is_moved_aside_and_holds_up_nothing() {
    let desk = Desk::new(plain(&["mail"]));
    for rule in ["a", "b", "c"] {
        desk.write(rule, Kind::Raised, 0);
    }
    let connection = desk.database.connection();
    connection
        .execute(
            "UPDATE outbox SET notification = '{\"rule\": 1}' WHERE id < 3",
            [],
        )
        .unwrap();
    assert_eq!(desk.due(0), ["mail: c raised"]);
    let kept: i64 = connection
        .query_row(
            "SELECT count(*) FROM outbox_bad WHERE why <> ''",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let state = store::channel_states(&desk.database).unwrap().remove(0);
    assert_eq!((kept, state.bad_total, state.waiting), (2, 2, 1));
    assert_eq!(desk.audited("moved to outbox_bad").len(), 2);
}

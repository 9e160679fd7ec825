//! What a channel gets, when, and together with what.

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::notification::Reason;
use lfs_wrapper_alert::route::{Route, Routing};
use lfs_wrapper_alert::store::{self, Batch, OUTBOX_MAX};
use lfs_wrapper_model::Severity;

use crate::desk::{Desk, plain, write};

const MINUTE_MSEC: i64 = 60_000;

fn fail(desk: &Desk, batch: &Batch, now_msec: i64) {
    store::set_failed(&desk.database, batch, "no such socket", None, now_msec).unwrap();
}

#[test]
fn a_message_leaves_the_outbox_only_when_it_was_taken() {
    let mut desk = Desk::new(plain(&["console", "syslog"]));
    desk.write("disk", Kind::Raised, 1_000);
    assert_eq!(
        desk.due(1_000),
        ["console: disk raised", "syslog: disk raised"]
    );
    let batches = desk.next(1_000);
    store::set_sent(&desk.database, &batches[0], 1_000).unwrap();
    fail(&desk, &batches[1], 4_000);
    assert_eq!(desk.due(4_000), [""; 0]);

    // Also over a restart.
    desk.reopen();
    let again = desk.next(5_000);
    assert_eq!((again.len(), again[0].tries), (1, 1));
    assert_eq!(again[0].notifications, batches[1].notifications);
    let told = &again[0].notifications[0];
    assert_eq!((told.since_msec, told.value), (1_000, Some(86.0)));
    assert_eq!(
        again[0].message("here", 5_000).severity(),
        Severity::Warning
    );
    assert_eq!(store::count_waiting(&desk.database).unwrap(), 1);
}

#[test]
fn a_failed_message_holds_up_its_channel_and_no_other() {
    let desk = Desk::new(plain(&["console", "syslog"]));
    desk.write("disk", Kind::Raised, 1_000);
    let oldest = desk.next(1_000);
    fail(&desk, &oldest[0], 1_000);
    store::set_sent(&desk.database, &oldest[1], 1_000).unwrap();
    desk.write("disk", Kind::Resolved, 1_000);
    assert_eq!(desk.due(1_001), ["syslog: disk resolved"]);
    let both = [
        "console: disk raised, disk resolved",
        "syslog: disk resolved",
    ];
    assert_eq!(desk.due(2_000), both);
}

#[test]
fn a_clock_that_was_set_back_puts_nothing_off() {
    let desk = Desk::new(Routing::new(vec!["console".to_owned()]));
    desk.write("disk", Kind::Raised, 7_200_000);
    desk.send(7_200_000);
    // It waits for its group, and the clock goes back.
    desk.write("disk", Kind::Repeated, 7_201_000);
    assert_eq!(desk.due(7_202_000).len(), 0);
    let oldest = desk.next(7_000_000);
    assert_eq!(oldest.len(), 1);
    fail(&desk, &oldest[0], 7_231_000);
    assert_eq!(desk.due(7_231_000).len(), 0);
    assert_eq!(desk.due(3_600_000).len(), 1);
}

#[test]
fn a_group_is_one_message_and_bad_news_takes_it_along() {
    let mut routing = Routing::new(vec!["mail".to_owned()]);
    routing.routes = vec![Route {
        channels: routing.channels.clone(),
        group_by: lfs_wrapper_alert::route::GroupBy::Labels(vec!["mountpoint".to_owned()]),
        ..Route::default()
    }];
    let desk = Desk::new(routing);
    desk.write("a", Kind::Raised, 0);
    desk.send(0);
    desk.write("b", Kind::Raised, 1_000);
    desk.write("b", Kind::Resolved, 2_000);
    desk.write("c", Kind::Raised, 3_000);
    assert_eq!(desk.due(29_999), [""; 0]);
    assert_eq!(desk.due(30_000), ["mail: b raised, b resolved, c raised"]);
    let batch = desk.next(30_000).remove(0);
    assert_eq!(
        (batch.reason, batch.group["mountpoint"].as_str()),
        (Reason::Group, "/")
    );
    let critical = ("d", Kind::Raised, Severity::Critical);
    write(&desk.database, &desk.routing, critical, 4_000);
    assert_eq!(
        desk.due(4_000),
        ["mail: b raised, b resolved, c raised, d raised"]
    );
}

#[test]
fn no_message_of_an_alert_overtakes_another_one_when_its_group_changes() {
    let mut desk = Desk::new(Routing::new(vec!["mail".to_owned()]));
    desk.write("disk", Kind::Raised, 0);
    desk.send(0);
    desk.write("disk", Kind::Repeated, 1_000);
    // The routes are changed: another group, which need not wait.
    desk.routing = plain(&["mail"]);
    desk.write("disk", Kind::Resolved, 2_000);
    assert_eq!(desk.due(2_000), ["mail: disk repeated"]);
    desk.send(2_000);
    assert_eq!(desk.due(2_000), ["mail: disk resolved"]);
}

#[test]
fn quiet_hours_end_in_one_message() {
    let mut routing = plain(&["mail"]);
    routing.quiet = vec![lfs_wrapper_alert::route::Quiet {
        from_minute: 0,
        to_minute: 60,
        days: Vec::new(),
        matchers: Vec::new(),
        except: Severity::Critical,
        channels: Vec::new(),
    }];
    let desk = Desk::new(routing);
    desk.write("a", Kind::Raised, 0);
    desk.write("b", Kind::Raised, 1_000);
    desk.write("a", Kind::Resolved, 2_000);
    store::tell_due(
        &desk.database,
        &desk.routing,
        59 * MINUTE_MSEC,
        &TimeZone::UTC,
    )
    .unwrap();
    assert_eq!(desk.due(59 * MINUTE_MSEC), [""; 0]);
    store::tell_due(
        &desk.database,
        &desk.routing,
        60 * MINUTE_MSEC,
        &TimeZone::UTC,
    )
    .unwrap();
    let batch = desk.next(60 * MINUTE_MSEC).remove(0);
    assert_eq!(batch.reason, Reason::Quiet);
    let messages: Vec<&str> = batch
        .notifications
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(
        messages,
        ["b is at 86 %", "came and went in quiet hours: a is at 86 %"]
    );
}

/// What happens at one moment of the outage.
fn event(number: i64) -> (String, Kind) {
    let kind = [Kind::Raised, Kind::Resolved][usize::from(number % 2 == 1)];
    (format!("rule-{}", number / 2), kind)
}

/// All that was told, as in [`event`].
fn events(sent: &[Batch]) -> Vec<(String, Kind)> {
    let all = sent.iter().flat_map(|batch| &batch.notifications);
    all.map(|one| (one.rule.clone(), one.kind)).collect()
}

/// A channel that takes nothing for an hour in which 250 alerts come and go.
fn down_for_an_hour(takes_digest: bool) -> (Vec<Batch>, Desk) {
    let desk = Desk::new(plain(&["mail"]));
    // A thousand writes; none of them need survive the machine.
    let connection = desk.database.connection();
    connection
        .pragma_update(None, "synchronous", "off")
        .unwrap();
    let mut tries = 0;
    let mut attempt = |now_msec| {
        for batch in store::next_batches(&desk.database, now_msec, |_| takes_digest).unwrap() {
            fail(&desk, &batch, now_msec);
            tries += 1;
        }
    };
    for number in 0..500 {
        let now_msec = number * 7_200;
        let (rule, kind) = event(number);
        desk.write(&rule, kind, now_msec);
        attempt(now_msec);
    }
    assert!((15..40).contains(&tries), "{tries} tries");
    let back_msec = 65 * MINUTE_MSEC;
    let mut sent = Vec::new();
    loop {
        let next = store::next_batches(&desk.database, back_msec, |_| takes_digest).unwrap();
        if next.is_empty() {
            return (sent, desk);
        }
        for batch in next {
            store::set_sent(&desk.database, &batch, back_msec).unwrap();
            sent.push(batch);
        }
    }
}

#[test]
fn after_an_outage_one_digest_names_all_that_waited() {
    let (sent, desk) = down_for_an_hour(true);
    let expected = Reason::Outage {
        since_msec: 0,
        dropped: 0,
    };
    assert_eq!((sent.len(), sent[0].reason), (1, expected));
    assert_eq!(events(&sent), (0..500).map(event).collect::<Vec<_>>());
    let state = store::channel_states(&desk.database).unwrap().remove(0);
    assert_eq!(
        (state.sent_total, state.waiting, state.failing_since_msec),
        (500, 0, None)
    );
    assert!(state.failed_total > 10 && state.last_error.is_none());
}

#[test]
fn a_channel_that_takes_no_digest_gets_all_one_after_another() {
    let (sent, _desk) = down_for_an_hour(false);
    assert_eq!(sent.len(), 250);
    assert_eq!(events(&sent), (0..500).map(event).collect::<Vec<_>>());
}

#[test]
fn many_that_wait_are_a_digest_even_where_nothing_failed() {
    let desk = Desk::new(plain(&["mail"]));
    for number in 0..20 {
        desk.write(&format!("rule-{number}"), Kind::Raised, number);
    }
    assert_eq!(desk.next(1_000)[0].notifications.len(), 1);
    desk.write("rule-20", Kind::Raised, 20);
    assert_eq!(desk.next(1_000)[0].notifications.len(), 21);
}

#[test]
fn a_receiver_may_ask_for_a_pause_and_not_for_any() {
    let desk = Desk::new(plain(&["mail"]));
    desk.write("disk", Kind::Raised, 0);
    let failed = |asked_msec| {
        let batch = desk.next(0).remove(0);
        store::set_failed(&desk.database, &batch, "busy", Some(asked_msec), 0).unwrap();
    };
    failed(90_000);
    assert_eq!((desk.due(89_999).len(), desk.due(90_000).len()), (0, 1));
    let batch = desk.next(90_000).remove(0);
    store::set_failed(&desk.database, &batch, "busy", Some(i64::MAX), 90_000).unwrap();
    let end_msec = 90_000 + store::RETRY_AFTER_MSEC_MAX;
    assert_eq!(
        (desk.due(end_msec - 1).len(), desk.due(end_msec).len()),
        (0, 1)
    );
}

/// Fills the outbox of syslog up to its limit.
fn fill(desk: &Desk) {
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
               WHERE i < ?1 - (SELECT count(*) FROM outbox WHERE channel = 'syslog')) \
               INSERT INTO outbox (channel, alert, group_key, group_labels, reason, \
               notification, created_msec, due_msec) \
               SELECT 'syslog', 0, i, '{}', 'group', notification, 1, 1 FROM n, \
               (SELECT notification FROM outbox WHERE channel = 'syslog' LIMIT 1)";
    desk.database
        .connection()
        .execute(sql, [OUTBOX_MAX])
        .unwrap();
}

#[test]
fn a_full_outbox_drops_its_oldest_message_and_each_such_time_is_on_record_once() {
    let desk = Desk::new(plain(&["console", "syslog"]));
    let dropped = || {
        let count = store::count_dropped(&desk.database).unwrap();
        (count, desk.audited("dropped").len())
    };
    desk.write("a", Kind::Raised, 1);
    desk.write("b", Kind::Raised, 1);
    fill(&desk);
    assert_eq!(dropped(), (0, 0));
    desk.write("c", Kind::Raised, 1);
    desk.write("d", Kind::Raised, 1);
    assert_eq!(dropped(), (2, 1));
    // Four for the console, whose outbox is not full.
    let waiting = i64::from(OUTBOX_MAX) + 4;
    assert_eq!(store::count_waiting(&desk.database).unwrap(), waiting);

    // The digest says so; the next time is another.
    let digest = desk.next(1).remove(1);
    let expected = Reason::Outage {
        since_msec: 1,
        dropped: 2,
    };
    assert_eq!(digest.reason, expected);
    assert_eq!(digest.ids.len(), OUTBOX_MAX as usize);
    store::set_sent(&desk.database, &digest, 1).unwrap();
    desk.write("e", Kind::Raised, 1);
    assert_eq!(dropped(), (2, 1));
    fill(&desk);
    desk.write("f", Kind::Raised, 1);
    assert_eq!(dropped(), (3, 2));
}

#[test]
fn what_waits_for_a_channel_that_is_gone_is_dropped_and_counted() {
    let desk = Desk::new(plain(&["console", "gone"]));
    desk.write("disk", Kind::Raised, 1);
    store::drop_unconfigured(&desk.database, &["console"]).unwrap();
    assert_eq!(desk.due(1), ["console: disk raised"]);
    let states = store::channel_states(&desk.database).unwrap();
    let shape: Vec<_> = states
        .iter()
        .map(|state| (state.channel.as_str(), state.waiting, state.dropped_total))
        .collect();
    assert_eq!(shape, [("console", 1, 0), ("gone", 0, 1)]);
    assert_eq!(desk.audited("not configured any more").len(), 1);
}

#[test]
fn with_nothing_to_tell_a_look_writes_nothing() {
    let desk = Desk::new(plain(&["console"]));
    let look = |now_msec| {
        store::tell_due(&desk.database, &desk.routing, now_msec, &TimeZone::UTC).unwrap()
    };
    desk.write("disk", Kind::Raised, 1);
    let before = desk.database.connection().total_changes();
    assert!(look(2).is_empty());
    // Another one is writing: a look waits for nobody.
    let other = crate::desk::open(&desk.folder);
    let transaction = other.begin().unwrap();
    assert!(look(3).is_empty());
    drop(transaction);
    assert_eq!(desk.database.connection().total_changes(), before);
}

//! Alerts, their history, silences, acknowledgements, the engine's memory.

use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::{Kind, Memory, step};
use lfs_wrapper_alert::route::Why;
use lfs_wrapper_alert::rule::{Absent, Bound, Level, Origin, Rule};
use lfs_wrapper_alert::store::{self, HistoryFilter, Keep, Labels, NewSilence, Pruned};
use lfs_wrapper_model::Severity;

use crate::desk::{Desk, plain, write};

#[test]
fn one_alert_lives_from_raise_to_resolve_and_a_new_one_begins_after() {
    let desk = Desk::new(plain(&["console"]));
    let live = || store::list_alerts(&desk.database, true, 9).unwrap();
    desk.write("disk", Kind::Raised, 1);
    desk.write("disk", Kind::Nodata, 2);
    assert_eq!(live()[0].state, "nodata");
    desk.write("disk", Kind::Resolved, 3);
    assert!(live().is_empty());
    desk.write("disk", Kind::Raised, 4);

    let alerts = store::list_alerts(&desk.database, false, 9).unwrap();
    let shape: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.state.as_str(), alert.since_msec, alert.changed_msec))
        .collect();
    assert_eq!(shape, [("firing", 4, 4), ("resolved", 1, 3)]);
    assert_eq!(alerts[0].annotations["team"], "a");
    assert_eq!(store::count_raised(&desk.database).unwrap(), 2);
    assert_eq!(desk.audited("alert 'disk'").len(), 4);
}

#[test]
fn a_note_is_kept_until_the_alert_gets_worse_and_can_be_taken_back() {
    let desk = Desk::new(plain(&["console"]));
    let database = &desk.database;
    desk.write("disk", Kind::Raised, 1);
    assert!(!store::acknowledge(database, 7, "me", "known", 2).unwrap());
    assert!(store::acknowledge(database, 1, "me", "kn\u{1b}own", 2).unwrap());
    let noted = || {
        store::list_alerts(database, true, 9).unwrap()[0]
            .acknowledged
            .clone()
    };
    let note = noted().unwrap();
    assert_eq!((note.by.as_str(), note.time_msec), ("me", 2));
    assert_eq!(
        (note.reason.as_str(), note.severity),
        ("kn\u{fffd}own", Severity::Warning)
    );

    let day = 86_400_000;
    let plan = store::tell_due(database, &desk.routing, day, &TimeZone::UTC).unwrap();
    assert_eq!(plan.suppressed[0].why, Why::Acknowledged);
    assert!(plan.is_empty());
    assert!(store::unacknowledge(database, 1, "me").unwrap());
    assert!(!store::unacknowledge(database, 1, "me").unwrap());
    let plan = store::tell_due(database, &desk.routing, day, &TimeZone::UTC).unwrap();
    assert!(plan.rows[0].notification.is_reminder);

    assert!(store::acknowledge(database, 1, "me", "known", day).unwrap());
    let what = ("disk", Kind::Escalated, Severity::Error);
    write(database, &desk.routing, what, day + 1);
    assert_eq!(noted(), None);
    assert_eq!(desk.audited("acknowledge").len(), 3);
}

#[test]
fn a_silence_has_an_author_a_reason_and_an_end_and_can_end_early() {
    let desk = Desk::new(plain(&["console"]));
    let database = &desk.database;
    let matchers = ["rule=disk".parse().unwrap()];
    let silence = NewSilence {
        matchers: &matchers,
        author: "me",
        reason: "resizing it",
        starts_msec: 0,
        ends_msec: 9_000,
    };
    let add = |silence: &NewSilence<'_>| store::add_silence(database, silence, 1_000);
    let wrong = [
        (
            NewSilence {
                matchers: &[],
                ..silence.clone()
            },
            "no matcher",
        ),
        (
            NewSilence {
                author: " ",
                ..silence.clone()
            },
            "no author",
        ),
        (
            NewSilence {
                reason: "",
                ..silence.clone()
            },
            "no reason",
        ),
        (
            NewSilence {
                ends_msec: 1_000,
                ..silence.clone()
            },
            "has ended",
        ),
    ];
    for (silence, why) in wrong {
        let error = add(&silence).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    let id = add(&silence).unwrap();
    let plan = desk.write("disk", Kind::Raised, 2_000);
    assert_eq!(plan.suppressed[0].why, Why::Silenced(id));
    assert_eq!(desk.due(2_000), [""; 0]);

    let listed = store::list_silences(database, false, 2_000).unwrap();
    assert_eq!(
        (listed[0].id, listed[0].reason.as_str()),
        (id, "resizing it")
    );
    assert!(store::expire_silence(database, id, "me", 3_000).unwrap());
    assert!(!store::expire_silence(database, id, "me", 3_000).unwrap());
    assert!(
        store::list_silences(database, false, 3_000)
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store::list_silences(database, true, 3_000).unwrap().len(),
        1
    );
    store::tell_due(database, &desk.routing, 3_000, &TimeZone::UTC).unwrap();
    assert_eq!(desk.due(3_000), ["console: disk raised"]);
    assert_eq!(desk.audited("silence").len(), 2);
}

#[test]
fn the_history_is_found_by_time_rule_and_labels() {
    let desk = Desk::new(plain(&["console"]));
    desk.write("disk", Kind::Raised, 1);
    desk.write("memory", Kind::Raised, 2);
    desk.write("disk", Kind::Resolved, 3);
    let events = |filter: HistoryFilter| -> Vec<i64> {
        let entries = store::list_history(&desk.database, &filter).unwrap();
        entries.iter().map(|entry| entry.event).collect()
    };
    let all = HistoryFilter::default();
    let labels = |value: &str| -> Labels { [("mountpoint".to_owned(), value.to_owned())].into() };
    let table = [
        (all.clone(), vec![3, 2, 1]),
        (
            HistoryFilter {
                since_msec: Some(2),
                ..all.clone()
            },
            vec![3, 2],
        ),
        (
            HistoryFilter {
                until_msec: Some(2),
                ..all.clone()
            },
            vec![1],
        ),
        (
            HistoryFilter {
                rule: Some("disk".to_owned()),
                ..all.clone()
            },
            vec![3, 1],
        ),
        (
            HistoryFilter {
                is_raised_only: true,
                ..all.clone()
            },
            vec![2, 1],
        ),
        (
            HistoryFilter {
                labels: labels("/"),
                limit: Some(2),
                ..all.clone()
            },
            vec![3, 2],
        ),
        (
            HistoryFilter {
                labels: labels("/mnt"),
                ..all
            },
            vec![],
        ),
    ];
    for (filter, expected) in table {
        assert_eq!(events(filter.clone()), expected, "{filter:?}");
    }
}

#[test]
fn the_oldest_history_goes_and_totals_and_what_is_live_stay() {
    let desk = Desk::new(plain(&["console"]));
    let database = &desk.database;
    desk.write("old", Kind::Raised, 1);
    desk.write("live", Kind::Raised, 2);
    desk.write("live", Kind::Repeated, 3);
    desk.write("old", Kind::Resolved, 4);
    for time_msec in (1_000..1_010).step_by(2) {
        desk.write("disk", Kind::Raised, time_msec);
        desk.write("disk", Kind::Resolved, time_msec + 1);
    }
    let keep = Keep {
        age_msec: 10_000,
        transitions: 100,
    };
    assert_eq!(
        store::prune(database, keep, 10_000).unwrap(),
        Pruned::default()
    );
    let pruned = store::prune(database, keep, 10_100).unwrap();
    assert_eq!((pruned.transitions, pruned.alerts), (3, 1));
    let few = Keep {
        transitions: 4,
        ..keep
    };
    let pruned = store::prune(database, few, 10_100).unwrap();
    assert_eq!((pruned.transitions, pruned.alerts), (6, 3));
    assert_eq!(store::prune(database, few, 10_100).unwrap().transitions, 0);
    assert_eq!(store::count_raised(database).unwrap(), 8);
    assert_eq!(
        store::list_alerts(database, true, 9).unwrap()[0].rule,
        "live"
    );
    assert_eq!(desk.audited("deleted from their history").len(), 2);
}

#[test]
fn what_the_engine_remembers_survives_and_what_it_cannot_read_is_dropped() {
    let mut desk = Desk::new(plain(&["console"]));
    let rule = Rule {
        name: "disk".to_owned(),
        expr: "disk".to_owned(),
        levels: vec![Level {
            severity: Severity::Error,
            bound: Bound::Present,
            for_msec: 1_000,
        }],
        hold_msec: 0,
        absent: Absent::Clear,
        every_msec: None,
        labels: [].into(),
        annotations: [].into(),
        origin: Origin::BuiltIn,
    };
    let (memory, _) = step(&rule, &Memory::BLANK, Some(1.0), 5);
    let transaction = desk.database.begin().unwrap();
    store::write_memory(&transaction, "disk", &[].into(), &memory).unwrap();
    store::write_clock(&transaction, 1_234).unwrap();
    transaction
        .execute(
            "INSERT INTO alert_memory VALUES ('old', '{}', '[1]'), ('odd', 'x', '{}')",
            [],
        )
        .unwrap();
    transaction.commit().unwrap();
    desk.reopen();

    let expected = [("disk".to_owned(), Labels::new(), memory)];
    assert_eq!(store::read_memories(&desk.database).unwrap(), expected);
    assert_eq!(store::read_memories(&desk.database).unwrap(), expected);
    assert_eq!(
        store::read_clock(desk.database.connection()).unwrap(),
        Some(1_234)
    );
    assert_eq!(
        desk.audited("2 things that the alert engine remembered")
            .len(),
        1
    );
}

//! The life of an alert, as timelines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lfs_wrapper_alert::engine::{Kind, Memory, Transition, step};
use lfs_wrapper_alert::rule::{Absent, Bound, Level, Origin, Rule};
use lfs_wrapper_model::Severity;

fn rule() -> Rule {
    let level = |severity, raise, clear, for_msec| Level {
        severity,
        bound: Bound::Above { raise, clear },
        for_msec,
    };
    Rule {
        name: "memory".to_owned(),
        expr: "memory".to_owned(),
        levels: vec![
            level(Severity::Warning, 80.0, 77.0, 2_000),
            level(Severity::Error, 85.0, 82.0, 5_000),
            level(Severity::Critical, 95.0, 92.0, 0),
        ],
        hold_msec: 3_000,
        absent: Absent::Nodata { after_msec: 2_000 },
        every_msec: None,
        labels: [].into(),
        annotations: [].into(),
        origin: Origin::BuiltIn,
    }
}

/// The rule without some of its levels.
fn rule_without(dropped: &[Severity]) -> Rule {
    let mut rule = rule();
    rule.levels
        .retain(|level| !dropped.contains(&level.severity));
    rule
}

/// One line a look, one look each second from `start` on: the value (`-` for
/// none), then what must happen. Every look is as after a restart. What is
/// remembered then, and when the next look is.
fn play_on(rule: &Rule, (mut memory, start): (Memory, i64), timeline: &str) -> (Memory, i64) {
    let mut now = start;
    for (look, line) in timeline.lines().enumerate() {
        let (value, expected) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let (next, transition) = step(rule, &memory, value.parse().ok(), now);
        let happened = transition.map_or_else(String::new, |transition| {
            format!("{} {}", transition.kind.as_str(), transition.severity)
        });
        assert_eq!(happened, expected.trim(), "look {look}, value {value}");
        memory = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        now += 1000;
    }
    (memory, now)
}

const START: (Memory, i64) = (Memory::BLANK, 0);

fn play(timeline: &str) {
    play_on(&rule(), START, timeline);
}

#[test]
fn it_is_raised_after_its_time_and_resolved_after_the_hold() {
    play(
        "81
         81
         81 raised warning
         76
         76
         76
         76 resolved warning
         76",
    );
}

#[test]
fn jitter_round_a_threshold_raises_once_and_resolves_never() {
    play(
        "81
         79
         81
         81
         81 raised warning
         79
         81
         79
         78
         76
         78
         81",
    );
}

#[test]
fn it_escalates_and_comes_down_level_by_level() {
    play(
        "96 raised critical
         96
         96
         96
         96
         96
         84
         84
         84
         84 deescalated error
         70
         70
         70
         70 resolved error",
    );
}

#[test]
fn a_value_that_vanishes_is_nodata_and_never_a_resolve() {
    play(
        "96 raised critical
         -
         -
         - nodata critical
         -
         96 returned critical
         -
         -
         - nodata critical
         10 returned critical
         10
         10
         10 resolved critical",
    );
}

#[test]
fn a_short_absence_stops_the_count_and_a_long_one_begins_it_anew() {
    play(
        "81
         -
         81
         81 raised warning",
    );
    play(
        "81
         -
         -
         -
         81
         81
         81 raised warning",
    );
}

#[test]
fn a_level_that_the_configuration_drops_makes_no_other_level_active() {
    let erring = "86\n86\n86 raised warning\n86\n86\n86 escalated error";
    let memory = play_on(&rule(), START, erring);
    // By its place, the error would be read as critical now.
    let rule = rule_without(&[Severity::Warning]);
    let memory = play_on(&rule, memory, "86\n86\n96 escalated critical");
    let rule = rule_without(&[Severity::Critical]);
    play_on(&rule, memory, "96 deescalated error");
}

#[test]
fn an_alert_whose_only_active_level_is_dropped_is_resolved_at_the_next_value() {
    let memory = play_on(&rule(), START, "96 raised critical");
    let rule = rule_without(&Severity::ALL);
    let (_, transition) = step(&rule, &memory.0, Some(96.0), memory.1);
    let resolved = Transition {
        kind: Kind::Resolved,
        severity: Severity::Critical,
        value: Some(96.0),
        threshold: None,
    };
    assert_eq!(transition, Some(resolved));
    let rule = rule_without(&[Severity::Critical]);
    let timeline = "-\n-\n96 resolved critical\n96 raised warning";
    play_on(&rule, memory, timeline);
}

#[test]
fn only_the_alert_clock_counts() {
    let (memory, _) = play_on(&rule(), START, "81");
    let raised = |now| step(&rule(), &memory, Some(81.0), now).1.is_some();
    // It may stand still, or be said to run backward.
    assert!(!raised(0) && !raised(-3_600_000) && !raised(1_999));
    assert!(raised(2_000));
}

#[test]
fn what_lasts_changes_nothing_that_is_remembered() {
    let mut rule = rule();
    rule.levels.truncate(1);
    rule.levels[0].for_msec = 60_000;
    rule.hold_msec = 60_000;
    rule.absent = Absent::Nodata { after_msec: 60_000 };
    let (mut memory, mut now) = START;
    let mut count = |value: Option<f64>| {
        let mut changes = 0;
        for _ in 0..600 {
            let (next, _) = step(&rule, &memory, value, now);
            changes += usize::from(next != memory);
            memory = next;
            now += 1000;
        }
        changes
    };
    assert_eq!(count(Some(10.0)), 0);
    // Pending, then raised.
    assert_eq!(count(Some(81.0)), 2);
    // Away, then NODATA.
    assert_eq!(count(None), 2);
    // Back; then clear, and resolved.
    assert_eq!(count(Some(78.0)), 1);
    assert_eq!(count(Some(10.0)), 2);
}

#[test]
fn what_falls_too_low_is_a_breach_too() {
    let mut rule = rule();
    rule.levels = vec![Level {
        severity: Severity::Emergency,
        bound: Bound::Below {
            raise: 10.0,
            clear: 12.0,
        },
        for_msec: 0,
    }];
    play_on(
        &rule,
        START,
        "10\n9 raised emergency\n11\n12\n12\n12\n12 resolved emergency",
    );
}

#[test]
fn a_rule_whose_expression_decides_fires_on_any_value_and_ends_without_one() {
    let mut rule = rule();
    rule.levels = vec![Level {
        severity: Severity::Info,
        bound: Bound::Present,
        for_msec: 1_000,
    }];
    rule.absent = Absent::Clear;
    play_on(
        &rule,
        START,
        "0\n-\nNaN\n0 raised info\n-\n0\n-\n-\n-\n- resolved info",
    );
}

#[test]
fn a_value_that_is_no_number_enters_no_level_and_leaves_none() {
    play("NaN\n96 raised critical\nNaN\nNaN\nNaN\nNaN\nNaN\n10\n10\n10\n10 resolved critical");
}

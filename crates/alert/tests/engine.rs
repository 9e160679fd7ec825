//! The life of an alert, as timelines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use lfs_wrapper_alert::engine::{Kind, Level, Memory, Rule, Transition, Unit, step};
use lfs_wrapper_model::Severity;

fn rule() -> Rule {
    let level = |severity, above, clear, for_msec| Level {
        severity,
        above,
        clear,
        for_msec,
    };
    Rule {
        name: "memory",
        resource: "memory",
        unit: Unit::Percent,
        levels: vec![
            level(Severity::Warning, 80.0, 77.0, 2_000),
            level(Severity::Error, 85.0, 82.0, 5_000),
            level(Severity::Critical, 95.0, 92.0, 0),
        ],
        hold_msec: 3_000,
        absent_msec: 2_000,
        runbook: "",
    }
}

/// The rule without some of its levels.
fn rule_without(dropped: &[Severity]) -> Rule {
    let mut rule = rule();
    rule.levels
        .retain(|level| !dropped.contains(&level.severity));
    rule
}

/// One line a look, one look each `elapsed_msec`: the value (`-` for none),
/// then what must happen. Every look is as after a restart.
fn play_on(rule: &Rule, mut memory: Memory, elapsed_msec: i64, timeline: &str) -> Memory {
    for (look, line) in timeline.lines().enumerate() {
        let (value, expected) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let (next, transition) = step(rule, &memory, value.parse().ok(), elapsed_msec);
        let happened = transition.map_or_else(String::new, |transition| {
            format!("{} {}", transition.kind.as_str(), transition.severity)
        });
        assert_eq!(happened, expected.trim(), "look {look}, value {value}");
        memory = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
    }
    memory
}

fn play(timeline: &str) {
    play_on(&rule(), Memory::default(), 1000, timeline);
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
    let memory = play_on(&rule(), Memory::default(), 1000, erring);
    // By its place, the error would be read as critical now.
    let rule = rule_without(&[Severity::Warning]);
    let memory = play_on(&rule, memory, 1000, "86\n86\n96 escalated critical");
    let rule = rule_without(&[Severity::Critical]);
    play_on(&rule, memory, 1000, "96 deescalated error");
}

#[test]
fn an_alert_whose_only_active_level_is_dropped_is_resolved_at_the_next_value() {
    let memory = play_on(&rule(), Memory::default(), 1000, "96 raised critical");
    let rule = rule_without(&Severity::ALL);
    let (_, transition) = step(&rule, &memory, Some(96.0), 0);
    let resolved = Transition {
        kind: Kind::Resolved,
        severity: Severity::Critical,
        value: Some(96.0),
        threshold: None,
    };
    assert_eq!(transition, Some(resolved));
    let rule = rule_without(&[Severity::Critical]);
    let timeline = "-\n-\n96 resolved critical\n96 raised warning";
    play_on(&rule, memory, 1000, timeline);
}

#[test]
fn time_is_what_went_by_between_looks_and_nothing_else() {
    // The first look counts nothing, however long ago the one before was.
    let memory = play_on(&rule(), Memory::default(), 3_600_000, "81");
    // The clock may stand still, or be said to run backward.
    let memory = play_on(&rule(), memory, 0, "81\n81\n81");
    let memory = play_on(&rule(), memory, -3_600_000, "81\n81");
    let memory = play_on(&rule(), memory, 1999, "81");
    play_on(&rule(), memory, 1, "81 raised warning");
}

/// How many of many looks at one value, a second apart, are worth writing.
fn count_writes(rule: &Rule, memory: &mut Memory, value: Option<f64>, looks: u32) -> usize {
    let mut look = |_| {
        let (next, _) = step(rule, memory, value, 1000);
        let worth = next.is_worth_writing(memory);
        *memory = next;
        worth
    };
    (0..looks).map(&mut look).filter(|worth| *worth).count()
}

#[test]
fn what_lasts_is_not_written_down_at_each_look() {
    let mut rule = rule_without(&[Severity::Error, Severity::Critical]);
    rule.levels[0].for_msec = 60_000;
    rule.hold_msec = 60_000;
    rule.absent_msec = 60_000;
    let mut memory = Memory::default();
    let mut count = |value, looks| count_writes(&rule, &mut memory, value, looks);
    assert_eq!(count(Some(10.0), 600), 0);
    // It begins, passes 10 to 50 s, and is raised.
    assert_eq!(count(Some(81.0), 600), 7);
    // The same for being away, and it goes on being away.
    assert_eq!(count(None, 600), 7);
    // It is back; then it is clear until it is resolved.
    assert_eq!(count(Some(78.0), 600), 1);
    assert_eq!(count(Some(10.0), 600), 7);
    assert!(memory.is_blank());
}

#[test]
fn at_most_ten_seconds_are_counted_again_after_a_kill() {
    let mut rule = rule_without(&[Severity::Error, Severity::Critical]);
    rule.levels[0].for_msec = 60_000;
    for killed_at in 1..60 {
        let (mut memory, mut written) = (Memory::default(), Memory::default());
        for look in 0.. {
            let (next, transition) = step(&rule, &memory, Some(81.0), 1000);
            if next.is_worth_writing(&memory) {
                written = next.clone();
            }
            memory = next;
            if look == killed_at {
                memory = written.clone();
            }
            if transition.is_some() {
                assert!(look <= 70, "killed at {killed_at} s, raised at {look} s");
                break;
            }
        }
    }
}

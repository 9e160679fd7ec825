//! What must hold whatever happens: timelines made up by a generator.

use std::collections::HashMap;

use lfs_wrapper_alert::engine::Kind;
use lfs_wrapper_alert::route::{GroupBy, Inhibition, Plan, Quiet, Route, Routing, ToldState};
use lfs_wrapper_model::Severity;

use crate::timeline::Sim;
use crate::{channels, matchers};

const HOUR_MSEC: i64 = 3_600_000;

struct Dice(u64);

impl Dice {
    /// 0 to `sides` - 1.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// All that can hold a message back.
fn routing() -> Routing {
    let route = |texts: &[&str], names: &[&str], group_by| Route {
        matchers: matchers(texts),
        channels: channels(names),
        group_by,
        repeat_msec: Some(HOUR_MSEC),
        is_continued: true,
        ..Route::default()
    };
    Routing {
        routes: vec![
            route(&["severity>=error"], &["pager"], GroupBy::Alert),
            route(&["rule!=c"], &["mail"], GroupBy::Labels(Vec::new())),
            route(&[], &["log"], GroupBy::Rule),
        ],
        inhibitions: vec![Inhibition {
            source: matchers(&["rule=a"]),
            target: matchers(&["rule=b"]),
            equal: Vec::new(),
        }],
        quiet: vec![Quiet {
            from_minute: 60,
            to_minute: 120,
            days: Vec::new(),
            matchers: Vec::new(),
            except: Severity::Critical,
            channels: channels(&["mail", "pager"]),
        }],
        ..Routing::new(channels(&["mail", "pager", "log"]))
    }
}

/// Something that may happen to one of three alerts, given what is live.
fn make_event(sim: &Sim, dice: &mut Dice, until: &str) -> String {
    let name = ["a", "b", "c"][usize::try_from(dice.roll(3)).unwrap()];
    let live = sim
        .alerts
        .iter()
        .find(|alert| alert.is_live() && alert.rule == name);
    let Some(alert) = live else {
        let severity = Severity::ALL[usize::try_from(dice.roll(5)).unwrap()];
        return format!("raise {name} {severity}");
    };
    let severity = Severity::ALL[usize::try_from(dice.roll(5)).unwrap()];
    match dice.roll(8) {
        0 if severity > alert.severity => format!("escalate {name} {severity}"),
        0 if severity < alert.severity => format!("deescalate {name} {severity}"),
        1 => format!("nodata {name}"),
        2 => format!("return {name}"),
        3 => format!("again {name}"),
        4 => format!("acknowledge {name}"),
        5 => format!("silence rule={name} until {until}"),
        _ => format!("resolve {name}"),
    }
}

/// Per alert and channel: nothing comes after the end, and no end comes that has
/// no beginning, but for what came and went.
fn check_order(plan: &Plan, is_known: &mut HashMap<(i64, String), bool>) {
    for row in &plan.rows {
        let told = &row.notification;
        let known = is_known
            .entry((told.alert, row.channel.clone()))
            .or_insert(false);
        let is_first = matches!(told.kind, Kind::Raised | Kind::Nodata);
        let passed = told.kind == Kind::Resolved && told.message.starts_with("came and went");
        assert!(*known || is_first || passed, "{row:?}");
        *known = !told.is_resolved();
    }
}

#[test]
fn in_the_end_everybody_knows_what_is_true() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut sim = Sim::new(routing());
        let mut is_known = HashMap::new();
        let mut now = 0;
        for _ in 0..120 {
            now += i64::try_from(dice.roll(120_000)).unwrap();
            let event = make_event(&sim, &mut dice, &format!("{}", now / 1000 + 900));
            check_order(&sim.happen_and_look(&event, now), &mut is_known);
            let again = sim.look(now);
            assert!(again.rows.is_empty(), "told twice, seed {seed}: {again:?}");
        }
        // Long after all that holds back; what is NODATA inhibits nothing.
        for _ in 0..7 {
            now += HOUR_MSEC;
            check_order(&sim.look(now), &mut is_known);
        }
        for alert in &sim.alerts {
            assert!(alert.is_live(), "an end is not told, seed {seed}");
            let is_inhibited = alert.rule == "b"
                && sim
                    .alerts
                    .iter()
                    .any(|one| one.rule == "a" && one.state == firing());
            let told = sim
                .told
                .iter()
                .find(|told| told.alert == alert.id && told.channel == "log");
            assert!(
                is_inhibited || told.is_some(),
                "not told, seed {seed}: {alert:?}"
            );
            if let Some(told) = told.filter(|_| !is_inhibited) {
                let is_nodata = told.state == ToldState::Nodata;
                assert_eq!(is_nodata, alert.state != firing(), "seed {seed}");
                assert_eq!(told.severity, alert.severity, "seed {seed}");
            }
        }
    }
}

fn firing() -> lfs_wrapper_alert::route::Life {
    lfs_wrapper_alert::route::Life::Firing
}

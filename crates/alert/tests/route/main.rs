//! Who is told what, and when, as timelines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod random;
mod timeline;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use lfs_wrapper_alert::engine::{Memory, step};
use lfs_wrapper_alert::route::{
    Flapping, GroupBy, Inhibition, LocalTime, Quiet, Route, Routing, World, plan,
};
use lfs_wrapper_alert::rule::{Absent, Bound, Level, Origin, Rule};
use lfs_wrapper_model::{Matcher, Severity};
use timeline::{MONDAY_MSEC, Sim};

fn channels(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn matchers(texts: &[&str]) -> Vec<Matcher> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn mail() -> Routing {
    Routing::new(channels(&["mail"]))
}

fn routed(routes: Vec<Route>) -> Routing {
    Routing {
        routes,
        ..Routing::new(channels(&["mail", "pager", "log"]))
    }
}

fn route(texts: &[&str], names: &[&str]) -> Route {
    Route {
        matchers: matchers(texts),
        channels: channels(names),
        ..Route::default()
    }
}

fn play(routing: Routing, timeline: &str) {
    Sim::new(routing).play(1000, timeline);
}

#[test]
fn without_routes_every_change_goes_to_every_channel() {
    play(
        Routing::new(channels(&["mail", "log"])),
        "0       raise disk warning -> mail raised disk warning, log raised disk warning
         1:00    escalate disk error -> mail escalated disk error, log escalated disk error
         2:00    nodata disk -> mail nodata disk error, log nodata disk error
         3:00    return disk -> mail returned disk error, log returned disk error
         4:00    deescalate disk warning -> mail deescalated disk warning, log deescalated disk warning
         5:00    again disk -> mail repeated disk warning, log repeated disk warning
         6:00    resolve disk -> mail resolved disk warning, log resolved disk warning
         7:00    raise disk warning -> mail raised disk warning, log raised disk warning",
    );
}

#[test]
fn the_first_route_that_matches_counts_unless_it_goes_on() {
    let mut first = route(&["severity>=error"], &["pager", "gone"]);
    let others = [
        route(&["rule=disk"], &["mail"]),
        route(&["rule=memory"], &["log", "mail"]),
    ];
    let all = |first: &Route| [std::slice::from_ref(first), &others[..]].concat();
    play(
        routed(all(&first)),
        "0 raise disk error -> pager raised disk error
         1 raise disk/a=b warning -> mail raised disk/a=b warning
         2 raise memory warning -> log raised memory warning, mail raised memory warning
         3 raise cpu warning -> ~ cpu NoRoute",
    );
    first.is_continued = true;
    play(
        routed(all(&first)),
        "0 raise disk error -> pager raised disk error, mail raised disk error",
    );
}

#[test]
fn whoever_was_told_how_bad_it_is_hears_how_it_ends() {
    let routes = vec![
        route(&["severity>=error"], &["pager"]),
        route(&[], &["log"]),
    ];
    play(
        routed(routes),
        "0     raise disk warning -> log raised disk warning
         1:00  escalate disk error -> pager raised disk error, log escalated disk error
         2:00  deescalate disk warning -> log deescalated disk warning, pager deescalated disk warning
         3:00  again disk -> log repeated disk warning
         4:00  resolve disk -> pager resolved disk warning, log resolved disk warning
         5:00  raise disk warning -> log raised disk warning
         6:00  resolve disk -> log resolved disk warning",
    );
}

#[test]
fn a_group_waits_for_its_interval_and_what_is_critical_does_not() {
    play(
        mail(),
        "0  raise disk/m=a error -> mail raised disk/m=a error
         5  raise disk/m=b error -> mail raised disk/m=b error in 25 s
         9  raise memory error -> mail raised memory error
         10 resolve disk/m=b -> mail resolved disk/m=b error in 20 s
         12 raise disk/m=c critical -> mail raised disk/m=c critical
         13 resolve disk/m=a -> mail resolved disk/m=a error in 29 s
         43 raise disk/m=d warning -> mail raised disk/m=d warning in 29 s
         2:00 resolve disk/m=d -> mail resolved disk/m=d warning",
    );
}

#[test]
fn a_new_group_waits_and_labels_say_what_it_is() {
    let mut waiting = route(&[], &["mail"]);
    waiting.wait_msec = 10_000;
    waiting.interval_msec = 60_000;
    waiting.group_by = GroupBy::Labels(vec!["disk".to_owned()]);
    play(
        routed(vec![waiting.clone()]),
        "0  raise space/disk=a error -> mail raised space/disk=a error in 10 s
         4  raise inodes/disk=a error -> mail raised inodes/disk=a error in 6 s
         5  raise inodes/disk=b error -> mail raised inodes/disk=b error in 10 s
         20 resolve space/disk=a -> mail resolved space/disk=a error in 50 s",
    );
    waiting.group_by = GroupBy::Alert;
    play(
        routed(vec![waiting]),
        "0 raise space/disk=a error -> mail raised space/disk=a error in 10 s
         4 raise space/disk=b error -> mail raised space/disk=b error in 10 s",
    );
}

#[test]
fn what_goes_on_is_told_again_until_somebody_takes_note_or_it_gets_worse() {
    play(
        mail(),
        "0        raise disk warning, raise news info -> mail raised disk warning, mail raised news info
         4:00:00  -> mail reminder disk warning
         8:00:00  -> mail reminder disk warning
         9:00:00  acknowledge disk -> ~ disk Acknowledged
         13:00:00 again disk -> ~ disk Acknowledged
         20:00:00 escalate disk error -> mail escalated disk error
         1:00:00:00 -> mail reminder disk error
         1:01:00:00 resolve disk -> mail resolved disk error",
    );
}

#[test]
fn an_end_is_told_where_it_is_wanted() {
    let mut silent = route(&[], &["mail"]);
    silent.send_resolved = false;
    silent.repeat_msec = None;
    play(
        routed(vec![silent]),
        "0       raise disk warning -> mail raised disk warning
         9:00:00 resolve disk ->
         9:00:01 raise disk warning -> mail raised disk warning",
    );
}

#[test]
fn a_silence_holds_back_and_what_still_fires_after_it_is_told() {
    play(
        mail(),
        "0     raise old error -> mail raised old error
         1     silence rule!=x until 10:00 -> ~ old Silenced(1)
         2     raise disk error -> ~ old Silenced(1), disk Silenced(1)
         3     raise gone error ->
         4     resolve gone ->
         5     resolve old -> mail resolved old error in 25 s
         6     escalate disk critical ->
         10:00 -> mail raised disk critical",
    );
}

#[test]
fn an_inhibition_holds_while_its_source_fires() {
    let mut routing = mail();
    routing.inhibitions = vec![Inhibition {
        source: matchers(&["rule=full", "severity>=error"]),
        target: matchers(&["rule=~full|slow"]),
        equal: vec!["disk".to_owned()],
    }];
    play(
        routing,
        "0    raise full/disk=a error -> mail raised full/disk=a error
         1    raise slow/disk=a error -> ~ slow/disk=a Inhibited(1)
         2    raise slow/disk=b error -> mail raised slow/disk=b error
         1:00 deescalate full/disk=a warning -> mail raised slow/disk=a error, mail deescalated full/disk=a warning
         2:00 escalate full/disk=a error -> mail escalated full/disk=a error
         3:00 resolve slow/disk=a -> mail resolved slow/disk=a error
         4:00 raise slow/disk=a error ->
         5:00 nodata full/disk=a -> mail raised slow/disk=a error, mail nodata full/disk=a error",
    );
}

#[test]
fn two_that_would_inhibit_each_other_are_both_told() {
    let mut routing = mail();
    let inhibition = |source: &str, target: &str| Inhibition {
        source: matchers(&[source]),
        target: matchers(&[target]),
        equal: Vec::new(),
    };
    routing.inhibitions = vec![
        inhibition("rule=a", "rule=b"),
        inhibition("rule=b", "rule=a"),
    ];
    play(
        routing,
        "0 raise a error, raise b error -> mail raised a error, mail raised b error",
    );
}

fn night() -> Quiet {
    Quiet {
        from_minute: 22 * 60,
        to_minute: 7 * 60,
        days: Vec::new(),
        matchers: Vec::new(),
        except: Severity::Critical,
        channels: Vec::new(),
    }
}

#[test]
fn a_night_is_quiet_and_its_end_tells_what_it_held() {
    let mut routing = mail();
    routing.quiet = vec![night()];
    let timeline = "
        21:59:00   raise old error -> mail raised old error
        23:00:00   raise disk error -> ~ disk mail Quiet
        23:10:00   raise gone error ->
        23:20:00   resolve gone ->
        23:30:00   resolve old ->
        1:01:00:00 raise fire critical -> mail raised fire critical
        1:01:10:00 deescalate fire error -> mail deescalated fire error
        1:07:00:00 -> mail raised disk error (quiet), \
                      mail resolved gone error (quiet) (came and went in quiet hours), \
                      mail resolved old error (quiet), mail reminder fire error (quiet)
        1:07:01:00 resolve disk, resolve fire -> mail resolved disk error, mail resolved fire error";
    Sim::new(routing).play(60_000, timeline);
}

#[test]
fn what_got_worse_and_better_in_the_night_is_no_news() {
    let mut routing = mail();
    routing.quiet = vec![night()];
    routing.routes = vec![Route {
        repeat_msec: None,
        ..route(&[], &["mail"])
    }];
    Sim::new(routing).play(
        60_000,
        "21:00:00   raise disk warning -> mail raised disk warning
         23:00:00   escalate disk error ->
         1:02:00:00 deescalate disk warning ->
         1:08:00:00 resolve disk -> mail resolved disk warning",
    );
}

#[test]
fn quiet_hours_know_days_channels_and_what_they_are_for() {
    let mut routing = Routing::new(channels(&["mail", "log"]));
    routing.quiet = vec![Quiet {
        days: vec![Weekday::Monday],
        channels: channels(&["mail"]),
        matchers: matchers(&["rule=disk"]),
        ..night()
    }];
    routing.routes = vec![Route {
        repeat_msec: None,
        ..route(&[], &["mail", "log"])
    }];
    Sim::new(routing).play(
        60_000,
        "23:00:00   raise disk error -> log raised disk error
         23:01:00   raise cpu error -> mail raised cpu error, log raised cpu error
         1:06:59:00 resolve disk, resolve cpu -> log resolved disk error, mail resolved cpu error, log resolved cpu error
         1:07:00:00 -> mail resolved disk error (quiet) (came and went in quiet hours)
         1:23:00:00 raise disk error -> mail raised disk error, log raised disk error",
    );
}

#[test]
fn a_night_in_which_the_clocks_change_ends_once_and_on_the_wall() {
    // 2024-03-31 and 2024-10-27: Berlin leaves out 2:00 to 3:00, or has it twice.
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    // Seven on the wall is five or six hours after midnight by UTC.
    let nights = [
        (1_711_839_600_000_i64, "6:00:00"),
        (1_729_980_000_000, "8:00:00"),
    ];
    for (midnight_msec, end) in nights {
        let mut routing = mail();
        routing.quiet = vec![Quiet {
            from_minute: 0,
            ..night()
        }];
        let mut sim = Sim::new(routing);
        sim.zone = berlin.clone();
        sim.start_msec = midnight_msec;
        let timeline =
            format!("0 raise disk error ->\n {end} -> mail raised disk error (quiet)\n 9:00:00 ->");
        sim.play(60_000, &timeline);
    }
}

#[test]
fn times_over_midnight_belong_to_the_day_they_began_on() {
    let quiet = Quiet {
        days: vec![Weekday::Friday],
        ..night()
    };
    let table = [
        (Weekday::Friday, 21 * 60 + 59, false),
        (Weekday::Friday, 22 * 60, true),
        (Weekday::Friday, 60, false),
        (Weekday::Saturday, 60, true),
        (Weekday::Saturday, 7 * 60, false),
        (Weekday::Saturday, 23 * 60, false),
    ];
    for (weekday, minute, expected) in table {
        let local = LocalTime { weekday, minute };
        assert_eq!(quiet.covers(local), expected, "{local:?}");
    }
    let always = Quiet {
        to_minute: 22 * 60,
        ..night()
    };
    assert!((0..1440).all(|minute| {
        let weekday = Weekday::Monday;
        always.covers(LocalTime { weekday, minute })
    }));
}

#[test]
fn a_channel_is_not_told_that_it_fails() {
    play(
        Routing::new(channels(&["mail", "log"])),
        "0 raise channel-failing/channel=mail error -> log raised channel-failing/channel=mail error
         1 raise channel-failing/channel=log error -> mail raised channel-failing/channel=log error",
    );
}

#[test]
fn a_clock_that_is_set_back_puts_nothing_off() {
    play(
        mail(),
        "0       raise disk/m=a error -> mail raised disk/m=a error
         5       clock-back 86400 ->
         6       raise disk/m=b error -> mail raised disk/m=b error
         4:00:05 -> mail reminder disk/m=a error
         4:00:06 -> mail reminder disk/m=b error in 29 s",
    );
}

#[test]
fn what_comes_and_goes_is_told_once_and_then_when_it_is_steady() {
    let mut routing = mail();
    routing.flapping.count = 2;
    let begin = "0    raise disk error -> mail raised disk error
         1:00 resolve disk -> mail resolved disk error
         2:00 raise disk error -> mail raised disk error
         3:00 resolve disk -> mail resolved disk error
         4:00 raise disk error -> mail raised disk error (flapping)
         5:00 resolve disk ->
         6:00 raise disk error -> ~ disk mail Flapping
         7:00 escalate disk critical -> mail raised disk critical
         8:00 resolve disk ->";
    let steady_and_over = format!("{begin}\n 23:00 -> mail resolved disk critical");
    let steady_and_on = format!(
        "{begin}\n 9:00 raise disk error ->
         24:00 -> mail raised disk error
         30:00 resolve disk -> mail resolved disk error
         31:00 raise disk error -> mail raised disk error (flapping)
         46:00 -> mail reminder disk error (steady after flapping)
         50:00 resolve disk -> mail resolved disk error"
    );
    play(routing.clone(), &steady_and_over);
    play(routing, &steady_and_on);
}

#[test]
fn what_flaps_all_night_is_a_few_lines_in_the_morning() {
    let mut routing = mail();
    routing.quiet = vec![night()];
    routing.flapping = Flapping {
        count: 2,
        ..Flapping::default()
    };
    let mut sim = Sim::new(routing);
    let mut timeline = String::new();
    for minute in (0..400).step_by(2) {
        let at = |minute| format!("1:{:02}:{:02}:00", minute / 60, minute % 60);
        timeline += &format!("{} raise disk error\n", at(minute));
        timeline += &format!("{} resolve disk\n", at(minute + 1));
    }
    sim.play(60_000, &timeline);
    let plan = sim.look((24 + 7) * 3_600_000);
    assert_eq!(plan.rows.len(), 2);
}

#[test]
fn jitter_round_a_threshold_is_at_most_two_messages_in_an_hour() {
    let rule = Rule {
        name: "memory".to_owned(),
        expr: "memory".to_owned(),
        levels: vec![Level {
            severity: Severity::Warning,
            bound: Bound::Above {
                raise: 80.0,
                clear: 77.0,
            },
            for_msec: 5_000,
        }],
        hold_msec: 60_000,
        absent: Absent::Nodata { after_msec: 10_000 },
        every_msec: None,
        labels: [].into(),
        annotations: [].into(),
        origin: Origin::BuiltIn,
    };
    let mut sim = Sim::new(mail());
    let mut memory = Memory::BLANK;
    let mut messages = 0;
    let mut noise = 1_u32;
    for second in 0..3_600 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = 80.0 * (1.0 + (f64::from(noise >> 8) / f64::from(1 << 24) - 0.5) / 50.0);
        let (next, transition) = step(&rule, &memory, Some(value), second * 1000);
        memory = next;
        let event = transition.map_or_else(String::new, |transition| {
            let kind = match transition.kind.as_str() {
                "raised" => "raise",
                _ => "resolve",
            };
            format!("{kind} memory warning")
        });
        messages += sim.happen_and_look(&event, second * 1000).rows.len();
    }
    assert!(messages <= 2, "{messages} messages");
}

#[test]
fn when_nothing_is_wrong_a_look_says_nothing() {
    let local = LocalTime::derive(MONDAY_MSEC, &TimeZone::UTC);
    let found = plan(&mail(), MONDAY_MSEC, local, &World::default());
    assert!(found.is_empty() && found.suppressed.is_empty());
    let mut sim = Sim::new(mail());
    sim.play(1000, "0 raise disk error -> mail raised disk error");
    assert!(sim.look(5_000).is_empty());
}

use std::path::Path;

use super::*;
use crate::config::Config;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("config.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn everything_can_be_chosen_and_has_a_default() {
    let text = r#"
        [[route]]
        match = ["severity>=error", "resource=disk"]
        channels = ["console", "syslog"]
        group_by = ["resource"]
        wait = "10s"
        interval = "5m"
        repeat = "1h30m"
        resolved = false
        continue = true
        [[route]]
        channels = ["syslog"]
        repeat = "never"
        [[inhibit]]
        source = ["rule=disk"]
        target = ["rule=~inodes|latency"]
        equal = ["mountpoint"]
        [[quiet]]
        from = "22:00"
        to = "7:00"
        days = ["mon", "sun"]
        match = ["severity<error"]
        except = "emergency"
        channels = ["syslog"]
        [[quiet]]
        from = "00:00"
        to = "00:00"
        [alerts]
        keep_days = 30
        flapping = { count = 3, window = "10m" }
    "#;
    let config = parse(text).unwrap();
    let [first, second] = &config.routes[..] else {
        panic!("two routes");
    };
    let matchers = parse_conditions(&first.matchers).unwrap();
    assert_eq!(matchers[1].as_str(), "resource=disk");
    let times = |route: &Route| {
        let (wait, interval) = (route.wait.get_ref().0, route.interval.get_ref().0);
        (
            wait,
            interval,
            route.repeat.get_ref().0.map(|period| period.0),
        )
    };
    assert_eq!(times(first), (10_000, 300_000, Some(5_400_000)));
    assert_eq!(times(second), (0, 30_000, None));
    assert!(!first.resolved && first.is_continued && second.resolved && !second.is_continued);
    assert_eq!(first.group_by.as_ref().unwrap().get_ref(), &["resource"]);
    let quiet = &config.quiet[0];
    assert_eq!((quiet.from, quiet.to), (TimeOfDay(1_320), TimeOfDay(420)));
    assert_eq!(
        (&quiet.days[..], quiet.except),
        (&[Day::Mon, Day::Sun][..], Severity::Emergency)
    );
    assert_eq!(config.quiet[1].except, Severity::Critical);
    let flapping = &config.alerts.flapping;
    assert_eq!((flapping.count, flapping.window.get_ref().0), (3, 600_000));
    assert_eq!(
        (flapping.steady.0, *config.alerts.keep_days.get_ref()),
        (900_000, 30)
    );
}

#[test]
fn what_is_wrong_is_shown_in_its_line_with_what_to_do() {
    let table = [
        (
            "[[route]]\nchannels = [\"consle\"]",
            "2:13: no channel 'consle'; did you mean 'console'?",
        ),
        ("[[route]]\nchannels = []", "2:12: a route to no channel"),
        ("[[route]]\nchanels = []", "2:1: unknown key 'chanels'"),
        (
            "[[route]]\nmatch = [\"a=b\", \"disk\"]\nchannels = [\"console\"]",
            "2:17: reading the matcher 'disk': it has no operator",
        ),
        (
            "[[route]]\nchannels = [\"console\"]\nwait = \"10\"",
            "3:8: '10' is no length of time; give one like",
        ),
        (
            "[[route]]\nchannels = [\"console\"]\ninterval = \"25h\"",
            "3:12: longer than a day",
        ),
        (
            "[[route]]\nchannels = [\"console\"]\nrepeat = \"1s\"",
            "3:10: an alert that is told again all the time",
        ),
        (
            "[[route]]\nchannels = [\"console\"]\ngroup_by = [\"...\", \"a\"]",
            "3:12: \"...\" beside other labels",
        ),
        (
            "[[inhibit]]\nsource = []\ntarget = [\"a=b\"]",
            "2:10: no condition",
        ),
        (
            "[[quiet]]\nfrom = \"24:00\"\nto = \"7:00\"",
            "2:8: '24:00' is no time of the day",
        ),
        (
            "[[quiet]]\nfrom = \"7:00\"\nto = \"7\"",
            "3:6: '7' is no time of the day",
        ),
        (
            "[[quiet]]\nfrom = \"7:00\"\nto = \"8:00\"\nchannels = [\"mail\"]",
            "4:13: no channel 'mail'",
        ),
        (
            "[[quiet]]\nfrom = \"7:00\"\nto = \"8:00\"\ndays = [\"monday\"]",
            "4:9: ",
        ),
        (
            "[[quiet]]\nfrom = \"7:00\"\nto = \"8:00\"\nexcept = \"bad\"",
            "4:10: ",
        ),
        ("[alerts]\nkeep_days = 0", "2:13: a history of 0 days"),
        (
            "[alerts]\nflapping = { window = \"1s\" }",
            "2:23: a window that is too short",
        ),
    ];
    for (text, expected) in table {
        let error = parse(text).expect_err(text);
        assert!(
            error.starts_with(&format!("config.toml:{expected}")),
            "{error}"
        );
    }
}

#[test]
fn a_length_of_time_has_units_from_large_to_small() {
    let table = [
        ("0s", Some(0)),
        ("250ms", Some(250)),
        ("90s", Some(90_000)),
        ("1h30m", Some(5_400_000)),
        ("2d", Some(172_800_000)),
        ("1w", Some(604_800_000)),
        ("", None),
        ("10", None),
        ("s", None),
        ("1m1h", None),
        ("1s1s", None),
        ("-1s", None),
        ("1 s", None),
        ("1.5h", None),
        ("9999999999999999w", None),
        ("1é", None),
    ];
    for (text, expected) in table {
        assert_eq!(parse_period(text), expected, "{text}");
    }
}

#[test]
fn more_tables_than_allowed_are_refused() {
    let text = |count: usize| "[[route]]\nchannels = [\"console\"]\n".repeat(count);
    assert!(parse(&text(TABLES_MAX)).is_ok());
    assert!(parse(&text(TABLES_MAX + 1)).is_err());
}

#[test]
fn the_example_in_the_documentation_holds() {
    let page = include_str!("../../../../docs/alert-routing.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let config = parse(example).unwrap();
    assert_eq!(
        (
            config.routes.len(),
            config.inhibit.len(),
            config.quiet.len()
        ),
        (2, 1, 1)
    );
}

//! Queries over a history that was imported.

use serde_json::{Value, json};

use crate::common::{Ended, Place};

/// 2026-11-21T00:00:00Z
const START: i64 = 1_795_219_200;

/// An hour: a gauge that rises by 1 MiB each minute on `a` and stays on `b`, and a
/// counter that grows by 30 each 15 s.
pub(crate) fn sample_text() -> String {
    let mut text = "# HELP demo_bytes Held.\n# TYPE demo_bytes gauge\n".to_owned();
    for minute in 0..=60 {
        let (a, time) = ((minute + 100) << 20, START + minute * 60);
        text.push_str(&format!("demo_bytes{{host=\"a\"}} {a} {time}\n"));
        text.push_str(&format!("demo_bytes{{host=\"b\"}} 52428800 {time}\n"));
    }
    text.push_str("# TYPE demo_requests counter\n");
    for quarter in 0..=240 {
        let (value, time) = (quarter * 30, START + quarter * 15);
        text.push_str(&format!("demo_requests_total {value} {time}\n"));
    }
    text.push_str("# EOF\n");
    text
}

/// A place with a history.
pub(crate) fn imported() -> Place {
    let place = Place::new();
    place.write("demo.om", &sample_text());
    let ended = place.expect(0, &["history", "import", "demo.om"]);
    assert_eq!(
        ended.stdout,
        "363 new samples, of 3 series, from 367 lines\n"
    );
    place
}

/// In UTC, 60 columns wide.
fn query(place: &Place, arguments: &[&str]) -> Ended {
    let mut command = place.command(&["query"]);
    let output = command
        .args(arguments)
        .env("TZ", "UTC")
        .env("COLUMNS", "60")
        .output()
        .unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn an_instant_query_is_a_table_or_what_prometheus_answers() {
    let place = imported();
    let table = query(&place, &["demo_bytes", "--time", "2026-11-21T00:30:00Z"]);
    assert_eq!(
        table.stdout,
        "SERIES                    VALUE\n\
         demo_bytes{host=\"a\"}  136314880  130.0 MiB\n\
         demo_bytes{host=\"b\"}   52428800  50.00 MiB\n"
    );
    let time = (START + 1800).to_string();
    let answer = place.json(&["query", "demo_bytes{host='a'}", "--time", &time]);
    let metric = json!({ "__name__": "demo_bytes", "host": "a" });
    let result = json!([{ "metric": metric, "value": [START + 1800, "136314880"] }]);
    assert_eq!(answer, json!({ "resultType": "vector", "result": result }));
    let local = query(
        &place,
        &["scalar(sum(demo_bytes)) / 2", "--time", "2026-11-21 00:30"],
    );
    assert_eq!(local.stdout, "94371840\n", "{}", local.stderr);
}

#[test]
fn a_range_query_is_summed_up_with_a_round_step() {
    let place = imported();
    let hour = ["--start", "2026-11-21 00:00", "--end", "2026-11-21 01:00"];
    let table = query(&place, &[&["demo_bytes"][..], &hour].concat());
    assert_eq!(
        table.stdout,
        "2026-11-21 00:00:00 to 2026-11-21 01:00:00 UTC, step 20 s\n\
         SERIES                      MIN        AVG        MAX       LAST\n\
         demo_bytes{host=\"a\"}  100.0 MiB  129.7 MiB  160.0 MiB  160.0 MiB\n\
         demo_bytes{host=\"b\"}  50.00 MiB  50.00 MiB  50.00 MiB  50.00 MiB\n"
    );
    let (start, end) = (START.to_string(), (START + 3600).to_string());
    let answer = place.json(&[
        "query",
        "increase(demo_requests_total[10m])",
        "--start",
        &start,
        "--end",
        &end,
        "--step",
        "30m",
    ]);
    let values = answer["result"][0]["values"].as_array().unwrap();
    let times: Vec<&Value> = values.iter().map(|value| &value[0]).collect();
    assert_eq!(times, [&json!(START + 1800), &json!(START + 3600)]);
    let rates = values
        .iter()
        .filter_map(|value| value[1].as_str()?.parse::<f64>().ok());
    assert!(
        rates.into_iter().all(|rate| (rate - 1200.0).abs() < 1e-6),
        "{answer}"
    );
}

const PLOT: &str = "\
2026-11-21 00:00:00 to 2026-11-21 01:00:00 UTC, step 20 s
160 MiB┤                                                ⣀⠤⠒⠊
       │                                           ⣀⣠⠔⠊⠉⠁
       │                                      ⢀⡠⠤⠖⠋
144 MiB┤                                 ⢀⣀⡤⠖⠉⠉
       │                             ⣀⡤⠤⠚⠁
       │                         ⣀⠴⠒⠊⠁
128 MiB┤                   ⢀⣠⠤⠔⠋⠉
       │               ⢀⡠⠖⠒⠉
112 MiB┤          ⢀⣀⠤⠚⠉⠁
       │      ⣀⠴⠒⠊⠁
       │ ⣀⣠⠔⠊⠉
 96 MiB┤⠉
       └────────────────────────────────────────────────────
        00:00                  00:30                   01:00
SERIES                      MIN        AVG        MAX       LAST
demo_bytes{host=\"a\"}  100.0 MiB  129.7 MiB  160.0 MiB  160.0 MiB
";

#[test]
fn a_range_is_drawn_in_the_width_there_is() {
    let place = imported();
    let hour = [
        "--start",
        "2026-11-21 00:00",
        "--end",
        "2026-11-21 01:00",
        "--plot",
        "always",
    ];
    let drawn = query(&place, &[&["demo_bytes{host='a'}"][..], &hour].concat());
    assert_eq!(drawn.stdout, PLOT, "{}", drawn.stdout);
    let both = query(&place, &[&["demo_bytes"][..], &hour].concat()).stdout;
    assert!(
        both.lines().all(|line| line.chars().count() <= 80),
        "{both}"
    );
    assert_eq!(both.matches("00:30").count(), 2, "{both}");
}

#[test]
fn a_wrong_query_is_shown_with_the_place() {
    let place = imported();
    let wrong = query(&place, &["sum(demo_bytes) by (host"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""));
    assert!(
        wrong.stderr.starts_with("error: parsing the query: ")
            && wrong
                .stderr
                .ends_with("\n  sum(demo_bytes) by (host\n                          ^\n"),
        "{}",
        wrong.stderr
    );
    let table = [
        (
            vec!["demo_bytes", "--time", "yesterday"],
            2,
            "not a time; give now",
        ),
        (vec!["demo_bytes", "--step", "5m"], 2, "--start"),
        (
            vec!["demo_bytes", "--start", "-1h", "--end", "-2h"],
            2,
            "exchange",
        ),
        (vec!["demo_bytes[5m]", "--start", "-1h"], 2, "range vector"),
        (
            vec!["demo_bytes", "--start", "-30d", "--step", "1s"],
            2,
            "11000 points",
        ),
        (
            vec![
                "demo_bytes * on (x) group_left demo_bytes",
                "--time",
                "2026-11-21T00:30:00Z",
            ],
            1,
            "many",
        ),
    ];
    for (arguments, code, words) in table {
        let ended = query(&place, &arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(words),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn what_is_not_there_is_said() {
    let place = Place::new();
    let ended = place.expect(6, &["query", "up"]);
    assert!(
        ended.stderr.contains("there is none yet"),
        "{}",
        ended.stderr
    );
    assert!(!place.state().exists());
    let place = imported();
    let ended = query(&place, &["demo_bytes", "--time", "2026-11-22T00:00:00Z"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert!(
        ended
            .stderr
            .contains("newest sample is of 2026-11-21T01:00:00"),
        "{}",
        ended.stderr
    );
    let ended = query(
        &place,
        &["nothing", "--time", "2026-11-21T00:30:00Z", "--json"],
    );
    assert_eq!(ended.stdout, "{\"resultType\":\"vector\",\"result\":[]}\n");
}

#[test]
fn labels_cannot_steer_the_terminal() {
    let place = Place::new();
    place.write("evil.om", "evil{name=\"\u{1b}[2Jx\"} 1 1795219200\n# EOF\n");
    place.expect(0, &["history", "import", "evil.om"]);
    let ended = query(&place, &["evil", "--time", "1795219200"]);
    assert!(
        ended.stdout.contains("evil{name=\"\u{fffd}[2Jx\"}"),
        "{}",
        ended.stdout
    );
}

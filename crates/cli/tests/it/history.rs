//! The history taken in, put out, looked at and made smaller.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{PATIENCE, Place, get};
use crate::query::{imported, sample_text};

/// Sample lines, sorted.
fn samples(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_exported_is_what_was_imported() {
    let place = imported();
    let ended = place.expect(0, &["history", "export", "-o", "out.om"]);
    assert_eq!(ended.stderr, "363 samples of 3 series\n");
    let text = fs::read_to_string(place.path("out.om")).unwrap();
    assert!(text.ends_with("# EOF\n") && text.contains("# TYPE demo_requests counter\n"));
    assert_eq!(partials(&place), 0);
    let count = |text: &str| samples(text).len();
    assert_eq!(count(&text), count(&sample_text()));

    // Another history made of it says the same.
    let other = Place::new();
    other.write("in.om", &text);
    other.expect(0, &["history", "import", "in.om"]);
    let again = other.expect(0, &["history", "export"]);
    assert_eq!(again.stdout, text);

    let part = place.expect(
        0,
        &[
            "history",
            "export",
            "--match",
            "demo_bytes{host=\"a\"}",
            "--start",
            "2026-11-21T00:10:00Z",
            "--end",
            "2026-11-21T00:12:00Z",
            "-q",
        ],
    );
    let values = samples(&part.stdout);
    let values = values.iter().filter_map(|line| line.split(' ').nth(1));
    let values: Vec<f64> = values.filter_map(|value| value.parse().ok()).collect();
    let expected = [110.0, 111.0, 112.0].map(|mib| mib * 1_048_576.0);
    assert_eq!(
        (values.as_slice(), part.stderr.as_str()),
        (&expected[..], "")
    );
    let wrong = place.expect(2, &["history", "export", "--match", "sum(a)"]);
    assert!(
        wrong.stderr.contains("expected a selector"),
        "{}",
        wrong.stderr
    );
}

/// Files that an export began.
fn partials(place: &Place) -> usize {
    let names = fs::read_dir(place.folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".partial")).count()
}

#[test]
fn an_export_that_finds_nothing_leaves_the_file_as_it_is() {
    let place = imported();
    place.write("old.om", "good");
    place.write("old.om.partial", "mine");
    let table: [(i32, &[&str], &str); 4] = [
        (6, &["--match", "nosuch"], "no sample matches"),
        (6, &["--end", "1970-02-01"], "no sample matches"),
        (
            2,
            &["--start", "now", "--end", "-1h"],
            "exchange --start and --end",
        ),
        (2, &["--start", "9999-12-31"], "before the end of 9999"),
    ];
    for (code, options, expected) in table {
        let arguments = [&["history", "export", "-o", "old.om"], options].concat();
        let ended = place.expect(code, &arguments);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert_eq!(fs::read_to_string(place.path("old.om")).unwrap(), "good");
    }
    assert_eq!(partials(&place), 1);
    place.expect(0, &["history", "export", "-o", "old.om"]);
    assert_eq!(partials(&place), 1);
    let mine = fs::read_to_string(place.path("old.om.partial")).unwrap();
    assert_eq!(mine, "mine");
    let ended = place.expect(
        2,
        &["history", "events", "--since", "now", "--until", "-1h"],
    );
    assert!(ended.stderr.contains("exchange --since and --until"));
}

#[test]
fn what_cannot_be_read_is_told_by_its_cause() {
    let place = Place::new();
    place.write("state/history.db", "");
    let ended = place.expect(6, &["history", "info"]);
    assert!(
        ended.stderr.contains("there is none yet"),
        "{}",
        ended.stderr
    );
    place.write("state/history.db", &"garbage ".repeat(1000));
    let ended = place.expect(1, &["history", "info"]);
    assert!(ended.stderr.contains("history compact"), "{}", ended.stderr);
    place.expect(0, &["history", "compact"]);
    place.expect(0, &["history", "info"]);
}

#[test]
#[ignore = "needs root, to be another user"]
fn a_history_of_somebody_else_is_a_matter_of_rights() {
    let place = Place::of_nobody();
    fs::create_dir(place.state()).unwrap();
    std::os::unix::fs::chown(place.state(), Some(65_534), Some(65_534)).unwrap();
    let path = place.write("state/history.db", "whatever");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    place.expect(5, &["history", "info"]);
}

#[test]
fn an_import_is_no_success_where_something_is_not_taken() {
    let place = imported();
    let again = place.expect(0, &["history", "import", "demo.om"]);
    assert_eq!(
        again.stdout,
        "0 new samples, of 3 series, from 367 lines\n\
         already there: 363 samples, which stay as they are\n"
    );
    let long = "x".repeat(70_000);
    let text = format!("a{{b=\"{long}\"}} 1 1795219200\nc 1 1795219200\n# EOF\n");
    place.write("long.om", &text);
    let ended = place.expect(1, &["history", "import", "long.om"]);
    assert!(
        ended.stdout.contains("1 new samples, of"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("longer than 64 KiB"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("could not take 1 samples"),
        "{}",
        ended.stderr
    );
    for text in ["", "# TYPE a gauge\n"] {
        place.write("cut.om", text);
        let ended = place.expect(1, &["history", "import", "cut.om"]);
        assert!(ended.stderr.contains("cut short"), "{}", ended.stderr);
    }
}

#[test]
fn a_text_is_taken_in_again_without_harm_and_what_is_left_out_is_counted() {
    let place = imported();
    let mut child = place
        .command(&["history", "import", "-", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = "# TYPE demo_bytes gauge\ndemo_bytes{host=\"a\"} 7 1795219200\n\
        late 1 1795219200 # {trace=\"x\"} 1\nlate 2 1795219200\nold 1 -5\n# EOF\n";
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, count) in [
        ("duplicates", 1),
        ("exemplars_skipped", 1),
        ("out_of_range", 1),
    ] {
        assert_eq!(said[name], count, "{said}");
    }
    // What was there stays.
    let answer = place.json(&["query", "demo_bytes{host='a'}", "--time", "1795219200"]);
    assert_eq!(answer["result"][0]["value"][1], "104857600");

    place.write("cut.om", "demo_bytes 1 1795219200\n");
    let ended = place.expect(1, &["history", "import", "cut.om"]);
    assert!(ended.stderr.contains("importing cut.om") && ended.stderr.contains("# EOF"));
    place.expect(6, &["history", "import", "nowhere.om"]);
}

#[test]
fn info_tells_what_is_there_and_compact_makes_it_smaller() {
    let place = Place::new();
    place.expect(6, &["history", "info"]);
    place.expect(6, &["history", "compact"]);
    let place = imported();
    let info = place.json(&["history", "info"]);
    for (name, count) in [
        ("samples", 363),
        ("series", 3),
        ("metrics", 2),
        ("damaged", 0),
    ] {
        assert_eq!(info[name], count, "{info}");
    }
    assert_eq!(info["tiers"][0]["oldest"], "2026-11-21T00:00:00.000Z");
    assert_eq!(info["tiers"][0]["newest"], "2026-11-21T01:00:00.000Z");
    assert_eq!(info["metrics_with_most_series"][0]["name"], "demo_bytes");
    assert!(info["bytes_per_sample"].as_f64().unwrap() > 0.0);
    let text = place.expect(0, &["history", "info"]).stdout;
    assert!(
        text.contains("363 samples of 3 series, 2 metrics"),
        "{text}"
    );
    assert!(text.contains("nothing is damaged"), "{text}");

    let done = place.json(&["history", "compact"]);
    assert!(
        done["bytes_after"].as_u64() <= done["bytes_before"].as_u64(),
        "{done}"
    );
    let after = place.json(&["history", "info"]);
    assert_eq!(
        (&after["samples"], &after["blocks_in_parts"]),
        (&info["samples"], &0.into())
    );
}

/// A POST of a form: status and body.
fn post(address: &str, path: &str, form: &str) -> (u16, String) {
    send(address, "POST", path, form)
}

fn send(address: &str, method: &str, path: &str, form: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\r\n{form}",
        form.len()
    )
    .ok();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[test]
fn a_running_monitor_answers_queries_and_is_the_only_one_that_writes() {
    let place = imported();
    let (_monitor, address) = place.start_monitor();
    for arguments in [
        &["history", "import", "demo.om"][..],
        &["history", "compact"],
    ] {
        let ended = place.expect(4, arguments);
        assert!(
            ended.stderr.contains("stop the monitor first"),
            "{}",
            ended.stderr
        );
    }
    let info = place.json(&["history", "info"]);
    assert!(info["samples"].as_u64() >= Some(363), "{info}");

    let ask = |path: &str| {
        let (status, body) = get(&address, &format!("/prometheus/api/v1/{path}"), "localhost");
        let answer: Value = serde_json::from_str(&body).unwrap();
        (status, answer)
    };
    let (_, answer) = ask("query?query=demo_bytes%7Bhost%3D%22a%22%7D&time=1795219200");
    let expected = place.json(&["query", "demo_bytes{host=\"a\"}", "--time", "1795219200"]);
    assert_eq!(
        (&answer["status"], &answer["data"]),
        (&"success".into(), &expected)
    );
    let (_, answer) = ask("label/__name__/values?match[]=%7Bhost%3D~%22a%7Cb%22%7D");
    assert_eq!(answer["data"], serde_json::json!(["demo_bytes"]));
    let (_, answer) = ask("status/buildinfo");
    assert_eq!(answer["data"]["version"], env!("CARGO_PKG_VERSION"));
    let (_, answer) = ask("alerts");
    assert!(answer["data"]["alerts"].is_array(), "{answer}");
    let (status, answer) = ask("query?query=sum(");
    assert_eq!((status, &answer["errorType"]), (400, &"bad_data".into()));
    assert_eq!(ask("nothing").0, 404);

    let shows = |arguments: &[&str]| place.run(&[&["processes", "--at"], arguments].concat());
    let deadline = Instant::now() + PATIENCE;
    while shows(&["now"]).code != 0 {
        assert!(Instant::now() < deadline, "no processes are kept");
        thread::sleep(Duration::from_millis(100));
    }
    for arguments in [
        &["now", "--step", "nosuch"][..],
        &["now", "--step", "nosuch", "--run", "77", "--json"],
    ] {
        let ended = shows(arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (6, ""),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains("of the step 'nosuch'"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(shows(&["9999-12-31"]).code, 2);

    let base = "/prometheus/api/v1";
    let long = "x".repeat(300 * 1024);
    for (method, path, body, expected) in [
        ("DELETE", "/query", "", 405),
        ("PUT", "/alerts", "", 405),
        ("POST", "/query", long.as_str(), 413),
        ("GET", "/label/%ff/values", "", 400),
        ("GET", "/", "", 404),
        ("GET", "", "", 404),
        ("DELETE", "/", "", 404),
    ] {
        let (status, body) = send(&address, method, &format!("{base}{path}"), body);
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!(status, expected, "{method} {path}: {body}");
        assert_eq!(answer["status"], "error", "{method} {path}: {body}");
    }

    let form = "query=rate(demo_requests_total%5B5m%5D)&start=1795219500&end=1795219800&step=5m";
    let (status, body) = post(&address, "/prometheus/api/v1/query_range", form);
    let answer: Value = serde_json::from_str(&body).unwrap();
    let values = &answer["data"]["result"][0]["values"];
    assert_eq!(
        (status, values.as_array().map(Vec::len)),
        (200, Some(2)),
        "{answer}"
    );
}

//! The monitor: what it serves, what it tells of, what it remembers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{PATIENCE, Place, exchange, get, wait_for};

fn get_json(address: &str, path: &str) -> Value {
    let (status, body) = get(address, path, "localhost");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// `2024-01-01T12:00:00`, nothing before and nothing behind.
fn is_local_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00"
}

#[test]
fn resources_and_status_have_the_shape_that_old_clients_know() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    let resources = wait_for("a sample", || {
        let resources = get_json(&address, "/api/resources");
        resources["current_metrics"]["cpu_percent"]
            .is_number()
            .then_some(resources)
    });
    assert_eq!(
        keys(&resources),
        ["alerts", "current_metrics", "total_alerts"]
    );
    assert_eq!(resources["alerts"], Value::Array(Vec::new()));
    assert_eq!(resources["total_alerts"], 0);
    let metrics = &resources["current_metrics"];
    assert_eq!(
        keys(metrics),
        [
            "cpu_percent",
            "disk_percent",
            "memory_percent",
            "network_io",
            "process_count",
            "timestamp"
        ]
    );
    assert_eq!(
        keys(&metrics["network_io"]),
        ["bytes_recv", "bytes_sent", "packets_recv", "packets_sent"]
    );
    let memory = metrics["memory_percent"].as_f64().unwrap();
    assert!(memory > 0.0 && memory < 100.0, "{metrics}");
    assert!(metrics["process_count"].as_u64().unwrap() > 1, "{metrics}");
    assert!(is_local_time(&metrics["timestamp"]), "{metrics}");

    let status = get_json(&address, "/api/status");
    let endpoints = status["endpoints"].as_array().unwrap();
    for endpoint in endpoints.iter().map(|endpoint| endpoint.as_str().unwrap()) {
        if endpoint != "/api/v1/events" {
            // Those that ask for a query say that it is missing.
            let is_asking = ["/query", "/query_range", "/series"];
            let is_asking = is_asking.iter().any(|last| endpoint.ends_with(last));
            let expected = if is_asking { 400 } else { 200 };
            assert_eq!(
                get(&address, endpoint, "localhost").0,
                expected,
                "{endpoint}"
            );
        }
    }
    assert!(endpoints.contains(&"/api/resources".into()));
}

#[test]
fn any_loopback_address_serves_and_a_long_interval_ends_at_once() {
    let place = Place::new();
    place.write("state/config.toml", "[monitor]\ninterval_seconds = 3600\n");
    let (mut monitor, address) = place.start_monitor_at("127.0.0.5:0");
    assert_eq!(get(&address, "/healthz", &address).0, 200);
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.wait(), 0);
}

#[test]
fn a_monitor_whose_database_was_moved_aside_says_so() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    assert_eq!(get(&address, "/healthz", "localhost").0, 200);
    let database = place.state().join("state.db");
    std::fs::rename(&database, place.state().join("state.db.damaged-1")).unwrap();
    let body = wait_for("the monitor to notice", || {
        let (status, body) = get(&address, "/healthz", "localhost");
        (status == 503).then_some(body)
    });
    assert!(body.contains("moved aside"), "{body}");
}

#[test]
fn what_runs_is_shown_however_much_came_after_it() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    let mut long = place.start(&["run", "--id", "long", "--", "sleep", "300"]);
    wait_for("the step", || {
        place
            .state()
            .join("run/status/long.status")
            .exists()
            .then_some(())
    });
    for _ in 0..11 {
        place.expect(0, &["-q", "run", "--", "true"]);
    }
    assert_eq!(place.json(&["status"])[0]["state"], "RUNNING");
    let shown = wait_for("the last run", || {
        let runs = get_json(&address, "/api/v1/runs");
        (runs[1]["id"] == 12).then_some(runs)
    });
    assert_eq!(
        (&shown[0]["id"], shown[0]["state"].as_str()),
        (&1.into(), Some("RUNNING"))
    );
    place.expect(0, &["build", "stop", "1"]);
    assert_eq!(long.wait(), 130);
}

#[test]
fn metrics_have_the_names_that_dashboards_know() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    let text = wait_for("a sample", || {
        let (_, text) = get(&address, "/metrics", "localhost");
        text.contains("node_cpu_seconds_total{").then_some(text)
    });
    for line in [
        "# TYPE node_cpu_seconds_total counter",
        "# TYPE node_memory_MemAvailable_bytes gauge",
        "lfs_self_cpu_seconds_total ",
        "lfs_self_history_lost_frames_total 0",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    let command = place.expect(0, &["metrics"]).stdout;
    assert!(command.contains("node_memory_MemTotal_bytes "), "{command}");
}

#[test]
fn other_sites_and_other_names_are_refused_and_the_socket_answers() {
    let place = Place::new();
    let (mut monitor, address) = place.start_monitor();
    assert_eq!(
        get(&address, "/healthz", "localhost"),
        (200, "ok\n".to_owned())
    );
    assert_eq!(get(&address, "/api/resources", "evil.example").0, 403);
    assert_eq!(get(&address, "/nothing", "localhost").0, 404);
    let (status, page) = get(&address, "/", "localhost");
    assert!(status == 200 && page.contains("lfs-wrapper"), "{page}");

    let socket = place.state().join("run/api.sock");
    let mut stream = UnixStream::connect(&socket).unwrap();
    assert_eq!(exchange(&mut stream, "/healthz", "localhost").0, 200);
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.wait(), 0);
    assert!(!socket.exists());
}

/// Server-sent events: name and data of each.
fn listen(address: &str) -> impl Iterator<Item = (String, Value)> + use<> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut name = String::new();
    BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .filter_map(move |line| {
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            }
            let data = line.strip_prefix("data: ")?;
            Some((name.clone(), serde_json::from_str(data).ok()?))
        })
}

#[test]
fn a_listener_sees_a_step_go_from_running_to_completed() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    let mut events = listen(&address);
    let (name, snapshot) = events.next().unwrap();
    assert_eq!(name, "snapshot");
    assert_eq!(
        keys(&snapshot),
        ["alerts", "frames", "host", "runs", "version"]
    );

    let mut build = place.start(&["run", "--id", "short", "--", "sleep", "1.5"]);
    let mut states: Vec<String> = Vec::new();
    let mut frames = 0;
    for (name, data) in events {
        frames += u32::from(name == "frame");
        if name == "run" {
            let state = data["steps"][0]["state"].as_str().unwrap().to_owned();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        if states.last().is_some_and(|state| state == "COMPLETED") {
            break;
        }
    }
    assert!(
        states.ends_with(&["RUNNING".to_owned(), "COMPLETED".to_owned()]),
        "{states:?}"
    );
    assert!(frames >= 1);
    assert_eq!(build.wait(), 0);
}

/// A syslog daemon of one's own.
fn bind_syslog(place: &Place) -> UnixDatagram {
    let path = place.path("syslog.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = format!("[channels.syslog]\npath = {path:?}\n");
    place.write("state/config.toml", &config);
    socket
}

fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn a_failed_build_is_told_with_its_step_its_code_and_its_error_and_resolved_later() {
    let place = Place::new();
    let syslog = bind_syslog(&place);
    let (_monitor, address) = place.start_monitor();
    let script = "test -e ../../../../mended || { echo 'main.c:1: error: no such thing'; exit 2; }";
    let plan = place.write_plan(&[("gcc", &[], script)]);
    place.expect(1, &["build", "start", plan.to_str().unwrap()]);
    let message = receive(&syslog);
    assert!(message.starts_with("<27>1 "), "{message}");
    for word in [
        "ERROR BUILD step 'gcc' of run 1",
        "exit code 2",
        "main.c:1: error: no such thing",
        "[raised]",
    ] {
        assert!(message.contains(word), "no {word} in {message}");
    }
    let resources = get_json(&address, "/api/resources");
    let alert = &resources["alerts"][0];
    assert_eq!(
        keys(alert),
        [
            "alert_level",
            "current_value",
            "message",
            "resource_name",
            "threshold_value",
            "timestamp"
        ]
    );
    assert_eq!(
        (
            alert["resource_name"].as_str(),
            alert["current_value"].as_f64()
        ),
        (Some("build"), Some(2.0))
    );
    assert_eq!(resources["total_alerts"], 1);
    assert_eq!(place.json(&["alert", "list"])[0]["rule"], "build-failed");

    place.expect(1, &["build", "resume"]);
    assert!(receive(&syslog).contains("[repeated]"));
    place.write("state/mended", "");
    place.expect(0, &["build", "resume"]);
    assert!(receive(&syslog).contains("[resolved]"));
    assert_eq!(place.json(&["alert", "list"]), Value::Array(Vec::new()));
    place.expect(0, &["log", "verify"]);
}

#[test]
fn a_failure_while_nobody_monitored_is_told_when_somebody_does() {
    let place = Place::new();
    let syslog = bind_syslog(&place);
    place.expect(1, &["run", "--id", "alone", "--", "false"]);
    let mut failing = place.start(&["run", "--id", "lost", "--", "sleep", "300"]);
    wait_for("the step", || {
        place
            .state()
            .join("run/status/lost.status")
            .exists()
            .then_some(())
    });
    failing.kill();
    let (_monitor, _) = place.start_monitor();
    let mut messages = [receive(&syslog), receive(&syslog)];
    messages.sort();
    assert!(
        messages[0].contains("'alone'") || messages[1].contains("'alone'"),
        "{messages:?}"
    );
    assert!(
        messages
            .iter()
            .any(|message| message.contains("'lost' of run 2 was lost")),
        "{messages:?}"
    );
}

#[test]
fn a_syslog_that_is_away_gets_its_message_when_it_is_back() {
    let place = Place::new();
    drop(bind_syslog(&place));
    let path = place.path("syslog.sock");
    std::fs::remove_file(&path).unwrap();
    let (mut monitor, _) = place.start_monitor();
    place.expect(1, &["run", "--id", "away", "--", "false"]);
    wait_for("the alert", || {
        (place.json(&["alert", "list"])[0]["rule"] == "build-failed").then_some(())
    });
    // The outbox outlives the monitor, however it ends.
    monitor.kill();
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_monitor, _) = place.start_monitor();
    assert!(receive(&socket).contains("'away'"));
    socket
        .set_read_timeout(Some(Duration::from_millis(1500)))
        .unwrap();
    assert!(socket.recv(&mut [0; 4096]).is_err(), "it was told twice");
}

#[test]
fn a_threshold_that_is_passed_is_told_and_survives_a_restart() {
    let place = Place::new();
    let syslog = bind_syslog(&place);
    let config = std::fs::read_to_string(place.path("state/config.toml")).unwrap();
    let config = format!(
        "{config}[thresholds]\nmemory = {{ warning = 0.0001, error = 99.98, critical = 99.99 }}\n"
    );
    place.write("state/config.toml", &config);
    let (mut monitor, address) = place.start_monitor();
    // It must hold for 30 s.
    let message = receive(&syslog);
    assert!(
        message.starts_with("<28>1 ") && message.contains("MEMORY WARNING: "),
        "{message}"
    );
    let alert = &get_json(&address, "/api/resources")["alerts"][0];
    assert_eq!(alert["alert_level"], "warning");
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .ends_with("(threshold: 0.0%)"),
        "{alert}"
    );
    monitor.kill();
    let (_monitor, _) = place.start_monitor();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(place.json(&["alert", "list"]).as_array().unwrap().len(), 1);
    assert_eq!(
        place.json(&["alert", "history"]).as_array().unwrap().len(),
        1
    );
}

#[test]
fn the_minutes_before_a_restart_are_shown_after_it() {
    let place = Place::new();
    let (mut monitor, address) = place.start_monitor();
    let frames = |address: &str| {
        listen(address).next().unwrap().1["frames"]
            .as_array()
            .unwrap()
            .clone()
    };
    let before = wait_for("frames on disk", || {
        let frames = frames(&address);
        (frames.len() >= 7).then_some(frames)
    });
    monitor.kill();
    let (_monitor, address) = place.start_monitor();
    let after = frames(&address);
    assert!(after.len() >= 3, "{}", after.len());
    let time = |frame: &Value| frame["time_msec"].as_i64().unwrap();
    let same = before
        .iter()
        .find(|frame| time(frame) == time(&after[0]))
        .unwrap();
    let close = |key: &str| {
        (same["cpu"][key].as_f64().unwrap() - after[0]["cpu"][key].as_f64().unwrap()).abs() < 1e-6
    };
    assert!(close("busy_ratio") && close("user_ratio"));
    assert_eq!(same["memory"], after[0]["memory"]);
}

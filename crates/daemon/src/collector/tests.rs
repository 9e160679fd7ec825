use super::*;

use std::fs;
use std::path::Path;
use std::time::Instant;

use lfs_wrapper_model::metric::render_prometheus;

/// Far more than anything here needs.
const LONG: Duration = Duration::from_secs(60);

fn exec(name: &str, script: &str) -> ExecSettings {
    ExecSettings {
        name: name.to_owned(),
        command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        interval: LONG,
        timeout: LONG,
    }
}

fn settings(folder: &Path, exec: Vec<ExecSettings>) -> CollectorSettings {
    CollectorSettings {
        textfile: Some(folder.to_owned()),
        exec,
    }
}

/// The samples of a text.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn all_are_asked_once_and_each_has_its_own_error() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("good.prom"), "# TYPE good gauge\ngood 1\n").unwrap();
    fs::write(path("broken.prom"), "broken\n").unwrap();
    fs::write(path("own.prom"), "node_load1 1\n").unwrap();
    fs::write(path("reserved.prom"), "lfs_textfile_error 1\n").unwrap();
    for name in ["good.prom", "broken.prom", "own.prom", "reserved.prom"] {
        let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + LONG);
        let file = fs::File::options().write(true).open(path(name)).unwrap();
        file.set_times(times).unwrap();
    }
    let programs = vec![
        exec("well", "echo printed 2"),
        exec("ill", "echo printed 2; exit 1"),
        exec("garbled", "echo printed"),
    ];
    static OWN: lfs_wrapper_model::metric::Metric = lfs_wrapper_model::metric::Metric {
        name: "node_load1",
        kind: lfs_wrapper_model::metric::MetricKind::Gauge,
        help: "1m load average.",
    };
    let points = collect_once(
        &settings(folder.path(), programs),
        &[Point::plain(&OWN, 1.0)],
    );
    let text = render_prometheus(&points).replace(&folder.path().display().to_string(), "DIR");
    let shown: Vec<&str> = samples(&text)
        .into_iter()
        .filter(|line| {
            !line.contains("_duration_seconds{") && !line.contains("_timestamp_seconds{")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "good 1",
            "lfs_exec_collector_failures_total{name=\"well\"} 0",
            "lfs_exec_collector_failures_total{name=\"ill\"} 1",
            "lfs_exec_collector_failures_total{name=\"garbled\"} 1",
            "lfs_exec_collector_success{name=\"well\"} 1",
            "lfs_exec_collector_success{name=\"ill\"} 0",
            "lfs_exec_collector_success{name=\"garbled\"} 0",
            "lfs_textfile_error{file=\"DIR/broken.prom\"} 1",
            "lfs_textfile_error{file=\"DIR/good.prom\"} 0",
            "lfs_textfile_error{file=\"DIR/own.prom\"} 1",
            "lfs_textfile_error{file=\"DIR/reserved.prom\"} 1",
            "node_textfile_mtime_seconds{file=\"DIR/good.prom\"} 60",
            "node_textfile_scrape_error 1",
            "printed 2",
        ]
    );
    for line in [
        "# HELP printed Metric printed by well",
        "lfs_exec_collector_duration_seconds{name=\"ill\"} ",
        "lfs_exec_collector_last_success_timestamp_seconds{name=\"well\"} ",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        !text.contains("last_success_timestamp_seconds{name=\"ill\"}"),
        "{text}"
    );
}

#[test]
fn they_work_until_they_are_stopped_and_leave_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("a.prom"), "a 1\n").unwrap();
    let pid_file = folder.path().join("pid");
    let hangs = format!("echo $$ > {}; sleep 300", pid_file.display());
    let settings = settings(
        folder.path(),
        vec![exec("b", "echo b 1"), exec("hangs", &hangs)],
    );
    let collectors = Collectors::start(&settings, Box::new(HashSet::new)).unwrap();
    let end = Instant::now() + LONG;
    loop {
        let text = render_prometheus(&collectors.points());
        let pid = fs::read_to_string(&pid_file).unwrap_or_default();
        if text.contains("\na 1\n") && text.contains("\nb 1\n") && pid.ends_with('\n') {
            // It has not been heard of yet.
            assert!(!text.contains("hangs"), "{text}");
            break;
        }
        assert!(Instant::now() < end, "{text}");
        thread::sleep(Duration::from_millis(10));
    }
    collectors.stop();
    let pid = fs::read_to_string(&pid_file).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
    // Once more does nothing.
    collectors.stop();
}

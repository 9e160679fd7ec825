//! Metrics that the monitor does not read itself, and the formats in which it
//! shows all of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use rustix::process::Signal;

use crate::common::{Place, find_processes, get, wait_for};

/// Configures a folder of text files and these programs: name, script.
fn configure(place: &Place, programs: &[(&str, &str)]) {
    let folder = place.path("prom");
    std::fs::create_dir_all(&folder).unwrap();
    let mut config = format!("[collectors]\ntextfile = {folder:?}\n");
    for (name, script) in programs {
        let program = place.write_script(&format!("{name}.sh"), &format!("#!/bin/sh\n{script}\n"));
        config.push_str(&format!(
            "[[collectors.exec]]\nname = \"{name}\"\ncommand = [{program:?}, \"argument\"]\n\
             interval_seconds = 5\ntimeout_seconds = 1\n"
        ));
    }
    place.write("state/config.toml", &config);
}

/// Waits until `/metrics` has all these lines.
#[track_caller]
fn wait_for_lines(address: &str, lines: &[String]) -> String {
    let mut last = String::new();
    wait_for(&format!("{lines:?}"), || {
        last = get(address, "/metrics", "localhost").1;
        let shown: Vec<&str> = last.lines().collect();
        lines
            .iter()
            .all(|line| shown.contains(&line.as_str()))
            .then(|| last.clone())
    })
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

/// The family of each line, in order, each once where its lines stand together.
fn families(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect()
}

#[test]
fn metrics_of_files_and_programs_are_shown_and_a_garbled_file_hides_itself_alone() {
    let place = Place::new();
    configure(&place, &[("count", "echo \"counted{what=\\\"$1\\\"} 3\"")]);
    let file = |name: &str| place.path("prom").join(name).display().to_string();
    place.write(
        "prom/good.prom",
        "# HELP b_good How good.\n# TYPE b_good gauge\nb_good 1\n",
    );
    place.write("prom/garbled.prom", "b_garbled 1\nb_garbled one\n");
    place.write("prom/own.prom", "lfs_self_cpu_seconds_total 1\n");
    let (_monitor, address) = place.start_monitor();
    let mut expected = lines(&[
        "# HELP b_good How good.",
        "b_good 1",
        "counted{what=\"argument\"} 3",
        "lfs_exec_collector_success{name=\"count\"} 1",
        "node_textfile_scrape_error 1",
    ]);
    for (name, is_wrong) in [("good.prom", 0), ("garbled.prom", 1), ("own.prom", 1)] {
        let file = file(name);
        expected.push(format!("lfs_textfile_error{{file=\"{file}\"}} {is_wrong}"));
    }
    let text = wait_for_lines(&address, &expected);
    assert!(!text.contains("\nb_garbled"), "{text}");
    assert!(
        !text.contains(&format!(
            "mtime_seconds{{file=\"{}\"}}",
            file("garbled.prom")
        )),
        "{text}"
    );
    let text = wait_for_lines(&address, &lines(&["# TYPE node_load1 gauge"]));
    assert_eq!(
        text.matches("\nlfs_self_cpu_seconds_total ").count(),
        1,
        "{text}"
    );
    let families = families(&text);
    assert!(families.is_sorted(), "{families:?}");
    assert_eq!(families.windows(2).find(|pair| pair[0] == pair[1]), None);

    // What is mended, added and removed is seen at the next look.
    place.write("prom/garbled.prom", "b_garbled 1\n");
    place.write("prom/own.prom", "own 1\n");
    std::fs::remove_file(place.path("prom/good.prom")).unwrap();
    let mended = lines(&["b_garbled 1", "own 1", "node_textfile_scrape_error 0"]);
    let text = wait_for_lines(&address, &mended);
    assert!(!text.contains("good"), "{text}");
}

#[test]
fn a_program_that_hangs_is_killed_and_reported_and_nothing_is_left_after_the_end() {
    let place = Place::new();
    // A length that no other process sleeps.
    let length = format!("{}", 1_000_000 + std::process::id());
    let script = format!("setsid sleep {length} & echo started > \"$0.started\"; sleep {length}");
    configure(
        &place,
        &[("hangs", &script), ("fails", "echo why >&2; exit 7")],
    );
    let (mut monitor, address) = place.start_monitor();
    wait_for("the program", || {
        place.path("hangs.sh.started").exists().then_some(())
    });
    assert_eq!(get(&address, "/metrics", "localhost").0, 200);
    let text = wait_for_lines(
        &address,
        &lines(&[
            "lfs_exec_collector_success{name=\"hangs\"} 0",
            "lfs_exec_collector_failures_total{name=\"hangs\"} 1",
            "lfs_exec_collector_success{name=\"fails\"} 0",
        ]),
    );
    let took = text
        .lines()
        .find_map(|line| line.strip_prefix("lfs_exec_collector_duration_seconds{name=\"hangs\"} "))
        .and_then(|value| value.parse::<f64>().ok());
    assert!(took.is_some_and(|seconds| seconds >= 1.0), "{text}");
    wait_for("the end of all of it", || {
        find_processes(&length).is_empty().then_some(())
    });

    // Its next run is on its way when the monitor ends.
    wait_for("the next run", || {
        (!find_processes(&length).is_empty()).then_some(())
    });
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.wait(), 0);
    wait_for("the end of all of it", || {
        find_processes(&length).is_empty().then_some(())
    });
}

#[test]
fn a_fifo_in_the_folder_delays_nobody() {
    let place = Place::new();
    configure(&place, &[]);
    place.write("prom/z.prom", "z 1\n");
    let fifo = place.path("prom/a.prom");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (mut monitor, address) = place.start_monitor();
    let error = format!("lfs_textfile_error{{file=\"{}\"}} 1", fifo.display());
    wait_for_lines(&address, &[error, "z 1".to_owned()]);
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.wait(), 0);
}

/// Head and body of `/metrics` for this Accept header.
fn get_accepting(address: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn who_asks_for_openmetrics_gets_it() {
    let place = Place::new();
    let (_monitor, address) = place.start_monitor();
    wait_for_lines(&address, &lines(&["# TYPE node_cpu_seconds_total counter"]));
    let prometheus = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (head, body) = get_accepting(&address, prometheus);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(
        head.contains(kind) && head.contains("vary: accept"),
        "{head}"
    );
    assert!(body.contains("# TYPE node_cpu_seconds counter\n"), "{body}");
    assert!(body.contains("\nnode_cpu_seconds_total{"), "{body}");
    assert!(body.ends_with("\n# EOF\n"), "{body}");
    let (head, body) = get_accepting(&address, "text/html,*/*;q=0.8");
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    assert!(!body.contains("# EOF"), "{body}");
}

#[test]
fn a_folder_that_is_not_there_is_no_reason_not_to_start() {
    let place = Place::new();
    let folder = place.path("none");
    place.write(
        "state/config.toml",
        &format!("[collectors]\ntextfile = {folder:?}\n"),
    );
    let (_monitor, address) = place.start_monitor();
    wait_for_lines(&address, &lines(&["node_textfile_scrape_error 1"]));
    assert!(!Path::new(&folder).exists());
    place.write("none/a.prom", "a 1\n");
    wait_for_lines(&address, &lines(&["a 1", "node_textfile_scrape_error 0"]));
}

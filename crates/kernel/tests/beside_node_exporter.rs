//! Captured trees beside what node_exporter 1.5.0 says of the very same ones:
//! `expected.prom`, which the script `expect` wrote.

#![expect(
    clippy::unwrap_used,
    reason = "a tree that cannot be read is a test that failed"
)]

#[expect(dead_code, reason = "other tests need copying a tree")]
mod machine;

use std::collections::BTreeSet;
use std::fs;

use machine::{Exposition, MACHINES, exposition, fixture, name, parse, read};

/// What node_exporter gives of a machine and a sample does not, by the beginning
/// of its series, and why.
const LEFT_OUT: [(&str, &str, &str); 6] = [
    ("idle", "node_memory_numa_", "all of it is in one node"),
    ("loaded", "node_memory_numa_", "all of it is in one node"),
    (
        "large",
        "node_memory_numa_Active_anon",
        "of each node only what it has, what is free and what is used",
    ),
    (
        "large",
        "node_memory_numa_HugePages_Total",
        "of each node only what it has, what is free and what is used",
    ),
    (
        "idle",
        "node_network_speed_bytes",
        "-1 in the file says that it is not known",
    ),
    (
        "loaded",
        "node_network_speed_bytes",
        "-1 in the file says that it is not known",
    ),
];

/// Series under node_exporter's names that `expected.prom` lacks, by the
/// beginning of their name, and why.
const BEYOND: [(&str, &str); 6] = [
    (
        "node_filesystem_",
        "node_exporter would ask the live machine, by statfs(2)",
    ),
    ("node_time_seconds", "the live machine's clock"),
    (
        "node_time_zone_offset_seconds",
        "the live machine's time zone",
    ),
    (
        "node_tcp_connection_states",
        "node_exporter asks the live machine by netlink; counted below",
    ),
    (
        "node_network_receive_nohandler_total",
        "node_exporter has it by netlink, and the file of the others lacks it",
    ),
    (
        "node_pressure_irq_stalled_seconds_total",
        "newer than node_exporter 1.5.0",
    ),
];

fn expected(machine: &str) -> Exposition {
    parse(&fs::read_to_string(fixture(machine).join("expected.prom")).unwrap())
}

fn ours(machine: &str) -> Exposition {
    let folder = fixture(machine);
    exposition(&read(&folder), &folder)
}

fn is_left_out(machine: &str, series: &str) -> bool {
    let of_machine =
        |(of, start, _): &(&str, &str, &str)| *of == machine && series.starts_with(start);
    LEFT_OUT.iter().any(of_machine)
}

fn is_beyond(series: &str) -> bool {
    BEYOND.iter().any(|(start, _)| series.starts_with(start))
}

/// To the last digits of a number that was printed and parsed.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

#[test]
fn every_series_of_node_exporter_is_there_with_its_value() {
    let mut differences = Vec::new();
    for machine in MACHINES {
        let (expected, ours) = (expected(machine), ours(machine));
        assert!(expected.values.len() > 300, "{machine}");
        for (series, value) in &expected.values {
            if is_left_out(machine, series) {
                continue;
            }
            match ours.values.get(series) {
                None => differences.push(format!("{machine}: no {series} {value}")),
                Some(our) if !is_same(*our, *value) => {
                    differences.push(format!("{machine}: {series} {value}, but {our}"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn types_and_help_are_node_exporters() {
    let mut differences = Vec::new();
    for machine in MACHINES {
        let (expected, ours) = (expected(machine), ours(machine));
        for (what, about) in &expected.about {
            let metric = what.rsplit(' ').next().unwrap();
            let our = ours.about.get(what);
            if our != Some(about) && !is_left_out(machine, metric) {
                differences.push(format!("{machine}: {what} {about}, but {our:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn there_is_nothing_more_under_node_exporters_names() {
    let mut more = BTreeSet::new();
    for machine in MACHINES {
        let expected = expected(machine);
        let ours = ours(machine).values.into_keys();
        more.extend(ours.filter(|series| {
            series.starts_with("node_")
                && !expected.values.contains_key(series)
                && !is_beyond(series)
        }));
    }
    assert!(more.is_empty(), "{more:#?}");
}

#[test]
fn every_exception_is_needed() {
    for (machine, start, why) in LEFT_OUT {
        let ours = ours(machine).values;
        let expected = expected(machine).values.into_keys();
        let mut left_out = expected.filter(|series| series.starts_with(start));
        let is_needed = left_out.any(|series| !ours.contains_key(&series));
        assert!(is_needed, "{machine} {start}: {why}");
    }
    for (start, why) in BEYOND {
        let is_there = |machine: &&str| {
            let ours = ours(machine).values.into_keys();
            ours.map(|series| name(&series).to_owned())
                .any(|name| name.starts_with(start))
        };
        assert!(MACHINES.iter().any(is_there), "{start}: {why}");
    }
}

/// The fourth word of each line but the first, as awk counts them:
/// `awk 'FNR > 1 { count[$4]++ } END { for (state in count) print state, count[state] }'`.
#[test]
fn sockets_are_counted_by_state() {
    const STATES: [(&str, &str); 11] = [
        ("01", "established"),
        ("02", "syn_sent"),
        ("03", "syn_recv"),
        ("04", "fin_wait1"),
        ("05", "fin_wait2"),
        ("06", "time_wait"),
        ("07", "close"),
        ("08", "close_wait"),
        ("09", "last_ack"),
        ("0A", "listen"),
        ("0B", "closing"),
    ];
    for machine in MACHINES {
        let ours = ours(machine).values;
        let text = ["tcp", "tcp6"].map(|table| {
            fs::read_to_string(fixture(machine).join("proc/net").join(table)).unwrap()
        });
        for (number, state) in STATES {
            let rows = text.iter().flat_map(|text| text.lines().skip(1));
            let count = rows.filter(|row| row.split_whitespace().nth(3) == Some(number));
            let count = count.count() as f64;
            let series = format!("node_tcp_connection_states{{state=\"{state}\"}}");
            let expected = (count > 0.0).then_some(&count);
            assert_eq!(ours.get(&series), expected, "{machine} {state}");
        }
    }
    let large = &ours("large").values;
    assert_eq!(
        large["node_tcp_connection_states{state=\"established\"}"],
        774.0
    );
}

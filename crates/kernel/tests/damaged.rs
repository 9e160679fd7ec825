//! Every file of a captured tree, damaged in every way that a file can be, and
//! the whole tree read: what is wrong is left out, never shown.

#![expect(
    clippy::unwrap_used,
    reason = "a tree that cannot be read is a test that failed"
)]

#[expect(dead_code, reason = "other tests need the list of trees")]
mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use machine::{Exposition, copy, exposition, fixture, name, read};

/// Sums over the lines of a file that does not say how many there should be:
/// cut off between two lines it is as whole as before. By file, the series.
const SUMS: [(&str, &str); 8] = [
    ("proc/net/tcp", "node_tcp_connection_states"),
    ("proc/net/tcp6", "node_tcp_connection_states"),
    ("proc/net/udp", "node_udp_queues"),
    ("proc/net/udp6", "node_udp_queues"),
    ("proc/net/arp", "node_arp_entries"),
    ("proc/net/stat/nf_conntrack", "node_nf_conntrack_stat_"),
    // A process whose file says nothing is no part of the sums, and noted.
    ("proc/N/stat", "node_processes_"),
    ("proc/N/stat", "lfs_host_kernel_threads"),
];

/// Files that hold a name, which may be anything, and damages that put
/// something else in its place.
const NAMES: [&str; 4] = ["/name", "/address", "/broadcast", "/ifalias"];
const OTHER_NAMES: [&str; 3] = ["garbage", "garbage in places", "other things"];

/// What changes by itself from one look to the next.
const CLOCK: [&str; 2] = ["node_time_seconds", "node_time_zone_offset_seconds"];

/// Makes of a file what it may be damaged to.
type Damage = fn(&[u8]) -> Vec<u8>;

/// Ways to damage a file, by name.
const DAMAGES: [(&str, Damage); 13] = [
    ("empty", |_| Vec::new()),
    ("cut to a byte", |text| cut(text, 1)),
    ("cut in the first line", |text| {
        cut(text, line_end(text, 0) / 2)
    }),
    ("cut before the first newline", |text| {
        cut(text, line_end(text, 0))
    }),
    ("cut after the first line", |text| {
        cut(text, line_end(text, 0) + 1)
    }),
    ("cut in half", |text| cut(text, text.len() / 2)),
    ("cut between lines", |text| {
        cut(text, line_end(text, text.len() / 2) + 1)
    }),
    ("without its last byte", |text| {
        cut(text, text.len().saturating_sub(1))
    }),
    ("without its last two bytes", |text| {
        cut(text, text.len().saturating_sub(2))
    }),
    ("garbage", |text| garble(text, 1)),
    ("garbage in places", |text| garble(text, 7)),
    ("other things", |text| {
        b"\0(\\\"x 1:\n"
            .iter()
            .cycle()
            .take(text.len())
            .copied()
            .collect()
    }),
    ("three times", |text| text.repeat(3)),
];

fn cut(text: &[u8], length: usize) -> Vec<u8> {
    text[..length.min(text.len())].to_vec()
}

/// Where the line ends that goes on at `from`.
fn line_end(text: &[u8], from: usize) -> usize {
    let newline = text[from..].iter().position(|byte| *byte == b'\n');
    newline.map_or(text.len(), |newline| from + newline)
}

/// Every `step`th byte replaced by one that neither a number nor UTF-8 has, so
/// that a name which it is in shows it. Lines stay lines.
fn garble(text: &[u8], step: usize) -> Vec<u8> {
    let garble_one = |(index, byte): (usize, &u8)| match byte {
        b'\n' => b'\n',
        _ if index % step == 0 => 0xff,
        _ => *byte,
    };
    text.iter().enumerate().map(garble_one).collect()
}

/// A path with every number between slashes, and at a name's end, as one
/// letter: files of a kind.
fn derive_kind(path: &Path) -> String {
    let of_part = |part: &str| {
        let stem = part.trim_end_matches(|last: char| last.is_ascii_digit() || last == ':');
        match (stem, part) {
            ("", _) => "N".to_owned(),
            // Other protocols, or other files altogether.
            (_, "tcp6" | "udp6" | "snmp6" | "sockstat6") => part.to_owned(),
            _ if stem == part => part.to_owned(),
            _ => format!("{stem}N"),
        }
    };
    let text = path.to_str().unwrap();
    text.split('/').map(of_part).collect::<Vec<_>>().join("/")
}

/// The labels of a series, as text each.
fn labels(series: &str) -> Vec<&str> {
    let inner = series.split_once('{').map_or("", |(_, labels)| labels);
    let inner = inner.trim_end_matches('}');
    inner
        .split("\",")
        .map(|label| label.trim_end_matches('"'))
        .collect()
}

/// Whether a series that tells by its labels is one of those of the whole tree
/// with some of them missing.
fn is_less_of(series: &str, whole: &Exposition) -> bool {
    let is_told_by_labels = name(series).ends_with("_info") || name(series) == "node_os_version";
    let given = labels(series);
    let given: Vec<&str> = given
        .into_iter()
        .filter(|label| !label.ends_with('='))
        .collect();
    is_told_by_labels
        && whole.values.keys().any(|other| {
            let all = labels(other);
            name(other) == name(series) && given.iter().all(|label| all.contains(label))
        })
}

/// A chip whose name is not known and that belongs to no device is called as
/// its folder is, by node_exporter too.
fn is_named_by_folder(kind: &str, series: &str) -> bool {
    kind == "sys/devices/virtual/hwmon/hwmonN/name" && series.contains("{chip=\"hwmon3\"")
}

/// What is wrong in a damaged tree's exposition.
fn find_wrong(kind: &str, damage: &str, found: &Exposition, whole: &Exposition) -> Vec<String> {
    let is_sum = |series: &str| {
        SUMS.iter()
            .any(|(file, start)| *file == kind && series.starts_with(start))
    };
    let is_right = |(series, value): &(&String, &f64)| match whole.values.get(*series) {
        _ if CLOCK.contains(&name(series)) => true,
        Some(known) if is_sum(series) => *value <= known,
        Some(known) => known == *value,
        // A name of any bytes is a name.
        None if series.contains('\u{fffd}') => true,
        None if OTHER_NAMES.contains(&damage) && NAMES.iter().any(|end| kind.ends_with(end)) => {
            true
        }
        None => is_less_of(series, whole) || is_named_by_folder(kind, series),
    };
    let wrong = found.values.iter().filter(|pair| !is_right(pair));
    let wrong = wrong
        .map(|(series, value)| format!("{series} {value}, was {:?}", whole.values.get(series)));
    let repeated = found.repeated.iter();
    wrong
        .chain(repeated.map(|series| format!("{series} is there twice")))
        .collect()
}

/// Damages the files of each kind, all together and one alone.
fn damage_all(folder: &Path, kinds: &BTreeMap<String, Vec<PathBuf>>) -> Vec<String> {
    let whole = exposition(&read(folder), folder);
    let mut wrong = Vec::new();
    for (kind, files) in kinds {
        let texts: Vec<Vec<u8>> = files
            .iter()
            .map(|file| fs::read(folder.join(file)).unwrap())
            .collect();
        let mut done: Vec<Vec<u8>> = texts.first().into_iter().cloned().collect();
        for (damage, apply) in DAMAGES {
            let damaged = apply(&texts[0]);
            if done.contains(&damaged) {
                continue;
            }
            done.push(damaged);
            let counts = if files.len() > 1 {
                vec![1, files.len()]
            } else {
                vec![1]
            };
            for count in counts {
                for (file, text) in files.iter().zip(&texts).take(count) {
                    fs::write(folder.join(file), apply(text)).unwrap();
                }
                let found = exposition(&read(folder), folder);
                let lines = find_wrong(kind, damage, &found, &whole).into_iter().take(3);
                wrong.extend(lines.map(|line| format!("{kind} ({count}) {damage}: {line}")));
                for (file, text) in files.iter().zip(&texts).take(count) {
                    fs::write(folder.join(file), text).unwrap();
                }
            }
        }
    }
    wrong
}

/// Damages every file of the large machine whose path begins so.
fn check(start: &str, kinds_min: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut files = copy(&fixture("large"), folder.path());
    files.retain(|file| file.starts_with(start));
    files.sort();
    for file in files {
        kinds.entry(derive_kind(&file)).or_default().push(file);
    }
    assert!(kinds.len() >= kinds_min, "{} kinds", kinds.len());
    let wrong = damage_all(folder.path(), &kinds);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_damage_to_procfs_shows_a_wrong_number() {
    check("proc", 35);
}

#[test]
fn no_damage_to_devices_shows_a_wrong_number() {
    check("sys/devices", 40);
}

#[test]
fn no_damage_to_classes_shows_a_wrong_number() {
    check("sys/class", 80);
}

#[test]
fn no_damage_to_the_root_shows_a_wrong_number() {
    check("root", 2);
}

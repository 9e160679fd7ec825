//! How many sockets there are and what memory they hold: `/proc/net/sockstat`
//! and `sockstat6`.

use std::io::ErrorKind;

use lfs_wrapper_model::metric::{FoundMetric, Metric, MetricKind, MetricRef, Point};
use rustix::param::page_size;

use crate::field::metric;
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_u64, words};

/// The words that have a metric, and `mem` in bytes; the kernel may have others.
const WORDS: [&str; 7] = [
    "inuse",
    "orphan",
    "tw",
    "alloc",
    "mem",
    "mem_bytes",
    "memory",
];

/// Points after which only those of the table are added.
const FOUND_MAX: usize = 64;

static SOCKETS_USED: &Metric = metric!(
    Gauge,
    "node_sockstat_sockets_used",
    "Number of IPv4 sockets in use."
);

macro_rules! sockstat {
    ($($protocol:literal $word:literal),+ $(,)?) => {
        &[$(($protocol, $word, metric!(
            Gauge,
            concat!("node_sockstat_", $protocol, "_", $word),
            concat!("Number of ", $protocol, " sockets in state ", $word, ".")
        ))),+]
    };
}

/// Protocol, word and metric of what the kernels of today print, so that
/// nothing is made anew for each sample.
static KNOWN: &[(&str, &str, &Metric)] = sockstat![
    "TCP" "inuse", "TCP" "orphan", "TCP" "tw", "TCP" "alloc", "TCP" "mem", "TCP" "mem_bytes",
    "UDP" "inuse", "UDP" "mem", "UDP" "mem_bytes", "UDPLITE" "inuse", "RAW" "inuse",
    "FRAG" "inuse", "FRAG" "memory", "TCP6" "inuse", "UDP6" "inuse", "UDPLITE6" "inuse",
    "RAW6" "inuse", "FRAG6" "inuse", "FRAG6" "memory",
];

/// Reads both files. Cheap: fit for every sample. A kernel without IPv6 has
/// one.
pub(crate) fn read_sockstat(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let mut found = Vec::new();
    for name in ["net/sockstat", "net/sockstat6"] {
        let path = roots.procfs.join(name);
        match source.read_kept(&path) {
            Ok(text) => parse_sockstat(text, page_size() as u64, &mut found),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => source.note("network", &path, render_error(&error)),
        }
    }
    points.append(&mut found);
}

/// Parses lines of a protocol and pairs of word and number. Memory that is
/// counted in pages is given in bytes as well. `found` holds what this file
/// and others like it gave before.
pub(crate) fn parse_sockstat(text: &[u8], page_bytes: u64, found: &mut Vec<Point>) {
    for line in lines(text) {
        let mut words = words(line);
        let protocol = words.next().and_then(|word| word.strip_suffix(b":"));
        let Some(protocol) = protocol else {
            continue;
        };
        while let (Some(word), Some(number)) = (words.next(), words.next()) {
            let Some(number) = parse_u64(number) else {
                continue;
            };
            push(found, protocol, word, number);
            if word == b"mem" {
                let bytes = number.saturating_mul(page_bytes);
                push(found, protocol, b"mem_bytes", bytes);
            }
        }
    }
}

/// Adds a point, unless its word has no metric, or it is there already, or it
/// is one too many.
fn push(found: &mut Vec<Point>, protocol: &[u8], word: &[u8], number: u64) {
    let is_it =
        |known: &&(&str, &str, _)| known.0.as_bytes() == protocol && known.1.as_bytes() == word;
    let metric = match KNOWN.iter().find(is_it) {
        Some((_, _, metric)) => MetricRef::Known(metric),
        None if protocol == b"sockets" && word == b"used" => SOCKETS_USED.into(),
        None if found.len() >= FOUND_MAX => return,
        None => match find_metric(protocol, word) {
            Some(metric) => metric,
            None => return,
        },
    };
    if !found
        .iter()
        .any(|point| point.metric.name() == metric.name())
    {
        found.push(Point {
            metric,
            labels: Vec::new(),
            value: number as f64,
        });
    }
}

/// The metric of a protocol that the table does not have; `None` for what is
/// no name, and for words without a metric.
fn find_metric(protocol: &[u8], word: &[u8]) -> Option<MetricRef> {
    let word = std::str::from_utf8(word).ok()?;
    let is_name = !protocol.is_empty() && protocol.iter().all(u8::is_ascii_alphanumeric);
    let protocol = std::str::from_utf8(protocol).ok().filter(|_| is_name)?;
    if protocol == "sockets" || !WORDS.contains(&word) {
        return None;
    }
    let metric = FoundMetric {
        name: format!("node_sockstat_{protocol}_{word}"),
        kind: MetricKind::Gauge,
        help: format!("Number of {protocol} sockets in state {word}."),
    };
    Some(metric.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, f64)> {
        let mut points = Vec::new();
        parse_sockstat(text.as_bytes(), 4096, &mut points);
        let points = points.iter();
        points
            .map(|one| (one.series().replace("node_sockstat_", ""), one.value))
            .collect()
    }

    #[test]
    fn numbers_are_found_by_their_words() {
        for (text, expected) in [
            ("sockets: used 15\n", &[("sockets_used", 15.0)][..]),
            (
                "TCP: inuse 1 orphan 2 tw 3 alloc 4 mem 260\n",
                &[
                    ("TCP_inuse", 1.0),
                    ("TCP_orphan", 2.0),
                    ("TCP_tw", 3.0),
                    ("TCP_alloc", 4.0),
                    ("TCP_mem", 260.0),
                    ("TCP_mem_bytes", 1_064_960.0),
                ],
            ),
            ("TCP: new 9 tw 1\n", &[("TCP_tw", 1.0)]),
            (
                "FRAG6: memory 7 inuse 1\n",
                &[("FRAG6_memory", 7.0), ("FRAG6_inuse", 1.0)],
            ),
            ("NEW9: inuse 3\n", &[("NEW9_inuse", 3.0)]),
            (
                "UDP: inuse -1 mem 0\n",
                &[("UDP_mem", 0.0), ("UDP_mem_bytes", 0.0)],
            ),
            (
                "TCP: inuse 1 inuse 2\nTCP: inuse 3\n",
                &[("TCP_inuse", 1.0)],
            ),
            (
                "sockets: used 1 inuse 2\nsockets: used 3\n",
                &[("sockets_used", 1.0)],
            ),
        ] {
            let found = parse(text);
            let found: Vec<_> = found
                .iter()
                .map(|(name, value)| (name.as_str(), *value))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_under_a_name_is_left_out() {
        for text in [
            "",
            "TCP: inuse 1",
            "TCP inuse 1\n",
            "TCP: inuse\n",
            "TCP: inuse 1x tw\n",
            ": inuse 1\n",
            "A b: inuse 1\n",
            "\u{fffd}: inuse 1\n",
            "A\"}: inuse 1\n",
            "sockets: mem 1x\n",
        ] {
            assert_eq!(parse(text), [], "{text}");
        }
    }

    #[test]
    fn a_protocol_for_each_line_is_cut_off() {
        let text: String = (0..1000)
            .map(|number| format!("P{number}: inuse 1\n"))
            .collect();
        assert_eq!(parse(&text).len(), FOUND_MAX);
    }

    #[test]
    fn the_table_has_no_two_of_a_name() {
        for (index, (protocol, word, metric)) in KNOWN.iter().enumerate() {
            assert_eq!(metric.name, format!("node_sockstat_{protocol}_{word}"));
            assert!(
                KNOWN[..index]
                    .iter()
                    .all(|other| other.2.name != metric.name)
            );
        }
    }
}

//! How each processor takes packets off the network devices:
//! `/proc/net/softnet_stat` (net/core/net-procfs.c).

use std::io::ErrorKind;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_hex, words};

/// The counters shown: the first columns. The file has no headings, and the
/// kernel adds columns at its end only.
static COUNTERS: [&Metric; 3] = [
    metric!(
        Counter,
        "node_softnet_processed_total",
        "Number of processed packets"
    ),
    metric!(
        Counter,
        "node_softnet_dropped_total",
        "Number of dropped packets"
    ),
    metric!(
        Counter,
        "node_softnet_times_squeezed_total",
        "Number of times processing packets ran out of quota"
    ),
];

/// The column with the processor's number, since Linux 5.10; before, the
/// processors online stand one after the other.
const CPU_COLUMN: usize = 12;

/// Reads what each processor online did. Cheap: fit for every sample.
pub(crate) fn read_softnet(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let path = roots.procfs.join("net/softnet_stat");
    match source.read_kept(&path) {
        Ok(text) => parse_softnet(text, points),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => source.note("network", &path, render_error(&error)),
    }
}

/// Parses a line of hexadecimal numbers for each processor online, in the order
/// of their numbers. A line with anything else in it is left out.
pub(crate) fn parse_softnet(text: &[u8], points: &mut Vec<Point>) {
    let mut next_cpu = 0;
    for (index, line) in lines(text).enumerate() {
        let mut numbers = [0; COUNTERS.len()];
        let mut cpu = index as u64;
        let mut columns = 0;
        let mut is_whole = true;
        for word in words(line) {
            let number = parse_hex(word);
            is_whole &= number.is_some();
            let number = number.unwrap_or_default();
            if let Some(kept) = numbers.get_mut(columns) {
                *kept = number;
            } else if columns == CPU_COLUMN {
                cpu = number;
            }
            columns += 1;
        }
        if !is_whole || columns < COUNTERS.len() || cpu < next_cpu {
            continue;
        }
        next_cpu = cpu.saturating_add(1);
        let cpu = cpu.to_string();
        let labels = [("cpu", cpu.as_str())];
        let values = COUNTERS.iter().zip(numbers);
        points.extend(
            values.map(|(metric, number)| Point::labelled(*metric, &labels, number as f64)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// Processor, processed, dropped, squeezed.
    fn parse(text: &str) -> Vec<(String, f64, f64, f64)> {
        let mut points = Vec::new();
        parse_softnet(text.as_bytes(), &mut points);
        let of_cpu = |points: &[Point]| {
            let names: Vec<&str> = points.iter().map(|point| point.metric.name()).collect();
            assert_eq!(names, COUNTERS.map(|metric| metric.name));
            let value = |index: usize| points[index].value;
            (points[0].labels[0].1.clone(), value(0), value(1), value(2))
        };
        points.chunks(COUNTERS.len()).map(of_cpu).collect()
    }

    #[test]
    fn a_processor_has_its_own_number_where_the_kernel_gives_it() {
        let zeros = "00000000 ".repeat(9);
        for (text, expected) in [
            // As before Linux 5.10.
            (
                "0004c0b5 00000002 00000003 00000000\n000378ae 0 1 0\n".to_owned(),
                "0,1",
            ),
            // As since, with processor 1 offline.
            (
                format!(
                    "0004c0b5 2 3 {zeros}00000000 00000000 0\n000378ae 0 1 {zeros}0000000a 0\n"
                ),
                "0,10",
            ),
        ] {
            let found = parse(&text);
            let cpus: Vec<&str> = found.iter().map(|row| row.0.as_str()).collect();
            assert_eq!(cpus.join(","), expected, "{text}");
            assert_eq!((found[0].1, found[0].2, found[0].3), (311_477.0, 2.0, 3.0));
            assert_eq!((found[1].1, found[1].2, found[1].3), (227_502.0, 0.0, 1.0));
        }
    }

    #[test]
    fn garbled_lines_are_left_out_and_move_no_other() {
        let found = parse("1 2\n\n1 -2 3\n1 2 3 x\n5 6 7\n1 2 3");
        assert_eq!(found, [("4".to_owned(), 5.0, 6.0, 7.0)]);
    }

    #[test]
    fn no_processor_is_there_twice() {
        let zeros = "0 ".repeat(9);
        let text = format!("1 0 0 {zeros}5\n2 0 0 {zeros}5\n3 0 0 {zeros}6\n");
        let cpus: Vec<_> = parse(&text).into_iter().map(|row| (row.0, row.1)).collect();
        assert_eq!(cpus, [("5".to_owned(), 1.0), ("6".to_owned(), 3.0)]);
    }

    #[test]
    fn four_thousand_processors_are_read() {
        let zeros = "00000000 ".repeat(9);
        let text = (0..4096).fold(String::new(), |mut text, cpu| {
            writeln!(text, "{cpu:08x} 0 0 {zeros}{cpu:08x} 0 0").unwrap();
            text
        });
        let found = parse(&text);
        assert_eq!(found.len(), 4096);
        assert_eq!(found[4095], ("4095".to_owned(), 4095.0, 0.0, 0.0));
    }
}

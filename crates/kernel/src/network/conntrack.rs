//! Connections that the packet filter keeps track of:
//! `/proc/sys/net/netfilter` and `/proc/net/stat/nf_conntrack` (kernel
//! documentation: networking/nf_conntrack-sysctl).

use std::io::{self, ErrorKind};
use std::path::Path;

use lfs_wrapper_model::metric::{Metric, Point};

use crate::field::metric;
use crate::roots::Roots;
use crate::source::{Source, render_error};
use crate::text::{lines, parse_hex, parse_u64, words};

/// Single numbers, each a file of its own.
static SINGLE: [(&str, &Metric); 2] = [
    (
        "nf_conntrack_count",
        metric!(
            Gauge,
            "node_nf_conntrack_entries",
            "Number of currently allocated flow entries for connection tracking."
        ),
    ),
    (
        "nf_conntrack_max",
        metric!(
            Gauge,
            "node_nf_conntrack_entries_limit",
            "Maximum size of connection tracking table."
        ),
    ),
];

macro_rules! statistic {
    ($word:literal, $help:literal) => {
        (
            $word,
            metric!(Gauge, concat!("node_nf_conntrack_stat_", $word), $help),
        )
    };
}

/// Columns of the statistics, of which there is a line for each processor.
static STATISTICS: [(&str, &Metric); 8] = [
    statistic!("found", "Number of searched entries which were successful."),
    statistic!(
        "invalid",
        "Number of packets seen which can not be tracked."
    ),
    statistic!(
        "ignore",
        "Number of packets seen which are already connected to a conntrack entry."
    ),
    statistic!("insert", "Number of entries inserted into the list."),
    statistic!(
        "insert_failed",
        "Number of entries for which list insertion was attempted but failed."
    ),
    statistic!(
        "drop",
        "Number of packets dropped due to conntrack failure."
    ),
    statistic!(
        "early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size was reached."
    ),
    statistic!(
        "search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes."
    ),
];

/// Reads the table's size and limit, and what happened to it. Cheap: fit for
/// every sample. Without connection tracking there is nothing to read.
pub(crate) fn read_conntrack(source: &mut Source, roots: &Roots, points: &mut Vec<Point>) {
    let folder = roots.procfs.join("sys/net/netfilter");
    for (name, metric) in &SINGLE {
        let path = folder.join(name);
        let number = source
            .read_kept(&path)
            .map(|text| lines(text).next().and_then(parse_u64));
        if let Some(number) = note_unread(source, &path, number) {
            points.push(Point::plain(metric, number as f64));
        }
    }
    let path = roots.procfs.join("net/stat/nf_conntrack");
    let sums = source.read_kept(&path).map(sum_statistics);
    if let Some(sums) = note_unread(source, &path, sums) {
        for ((_, metric), sum) in STATISTICS.iter().zip(sums) {
            points.extend(sum.map(|sum| Point::plain(metric, sum as f64)));
        }
    }
}

/// What was read, or a note why not; that the file is not there is none.
fn note_unread<T>(source: &mut Source, path: &Path, read: io::Result<Option<T>>) -> Option<T> {
    match read {
        Ok(Some(value)) => return Some(value),
        Ok(None) => source.note("network", path, "not what the kernel prints"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => source.note("network", path, render_error(&error)),
    }
    None
}

/// The sum of each column over the processors; `None` for a column that this
/// kernel has not, and for all where a line is damaged or cut short.
pub(crate) fn sum_statistics(text: &[u8]) -> Option<[Option<u64>; STATISTICS.len()]> {
    if !text.ends_with(b"\n") {
        return None;
    }
    let mut lines = lines(text);
    let heading = lines.next()?;
    let find = |name: &str| words(heading).position(|word| word == name.as_bytes());
    let mut sums = STATISTICS.map(|(name, _)| find(name).map(|_| 0_u64));
    // Which sum each column goes to.
    let columns: Vec<Option<usize>> = words(heading)
        .map(|word| {
            STATISTICS
                .iter()
                .position(|(name, _)| name.as_bytes() == word)
        })
        .collect();
    for line in lines {
        if words(line).count() != columns.len() {
            return None;
        }
        for (column, word) in columns.iter().zip(words(line)) {
            let number = parse_hex(word)?;
            let sum = column.and_then(|column| sums.get_mut(column));
            if let Some(Some(sum)) = sum {
                *sum = sum.checked_add(number)?;
            }
        }
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n\
        0000000a  00000000 00000001 00000000 00000002 00000003 00000000 00000000 00000004 00000005 00000006 00000007 00000000  00000000 00000000 00000000 0000000f\n\
        0000000a  00000000 00000010 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000  00000000 00000000 00000000 00000001\n";

    #[test]
    fn columns_are_summed_over_the_processors() {
        let sums = sum_statistics(TEXT.as_bytes()).unwrap();
        let expected = [17, 2, 3, 4, 5, 6, 7, 16];
        assert_eq!(sums, expected.map(Some));
        let reordered = sum_statistics(b"drop new found\n1 2 a\n3 4 5\n").unwrap();
        let expected = [Some(15), None, None, None, None, Some(4), None, None];
        assert_eq!(reordered, expected);
    }

    #[test]
    fn a_part_of_the_statistics_is_none() {
        for text in [
            "",
            "found",
            "found drop\n1\n",
            "found\nx\n",
            "found\n-1\n",
            "found\n1",
        ] {
            assert_eq!(sum_statistics(text.as_bytes()), None, "{text}");
        }
        let overflow = "found\nffffffffffffffff\n1\n";
        assert_eq!(sum_statistics(overflow.as_bytes()), None);
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots {
            procfs: folder.path().to_owned(),
            ..Roots::default()
        };
        let (mut source, mut points) = (Source::default(), Vec::new());
        read_conntrack(&mut source, &roots, &mut points);
        assert_eq!((points.len(), source.take_absent().len()), (0, 0));

        let netfilter = folder.path().join("sys/net/netfilter");
        std::fs::create_dir_all(&netfilter).unwrap();
        std::fs::write(netfilter.join("nf_conntrack_count"), "12\n").unwrap();
        std::fs::write(netfilter.join("nf_conntrack_max"), "-1\n").unwrap();
        read_conntrack(&mut source, &roots, &mut points);
        let series: Vec<_> = points.iter().map(|one| (one.series(), one.value)).collect();
        assert_eq!(series, [("node_nf_conntrack_entries".to_owned(), 12.0)]);
        let notes = source.take_absent();
        assert!(
            notes[0]
                .why
                .ends_with("nf_conntrack_max: not what the kernel prints")
        );
    }
}

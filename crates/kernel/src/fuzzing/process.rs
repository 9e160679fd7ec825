//! Text of one process.

use std::fmt::Write as _;

use crate::fuzzing::check::{check_cut, check_part, cut, split};
use crate::mask::MASKED_BYTES_MAX;
use crate::process::cold::{parse_arguments, parse_open_files_limit, parse_pss, parse_status};
use crate::process::detail::parse_cgroup;
use crate::process::stat::{ProcessStat, parse_io, parse_process_stat};
use crate::process::{Before, ProcessCounts, ProcessRates, derive_process};

const PAGE_BYTES: u64 = 4096;

/// `/proc/PID/stat`, `io`, `status`, `limits`, `smaps_rollup`, `cgroup` and
/// `cmdline`.
pub fn process(data: &[u8]) {
    check_files(data);
    let (before, after) = split(data);
    let [before, after] = [before, after].map(parse_counts);
    if let Some((before, after)) = before.zip(after) {
        for interval_usec in [0, 1, 1_000_000] {
            check_rates(&derive_process(
                &Before::Counts(before),
                &after,
                interval_usec,
            ));
            check_rates(&derive_process(&Before::Born, &after, interval_usec));
        }
    }
}

/// `stat` of the text's beginning, `io` of the lines in it.
fn parse_counts(text: &[u8]) -> Option<ProcessCounts> {
    assert!(text.ends_with(b"\n") || parse_process_stat(text, PAGE_BYTES).is_none());
    let stat = parse_process_stat(text, PAGE_BYTES)?;
    let again = render_stat(&stat);
    assert_eq!(parse_process_stat(&again, PAGE_BYTES), Some(stat));
    Some(ProcessCounts {
        io: parse_io(text),
        ..stat.counts
    })
}

fn render_stat(stat: &ProcessStat<'_>) -> Vec<u8> {
    let ProcessStat {
        identity,
        name,
        stack_address,
        counts,
    } = stat;
    let mut columns = format!(
        ") {} {} 0 0 {} 0 {} ",
        counts.state, counts.parent_pid, counts.tty, counts.flags
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        columns,
        "{} 0 {} 0 {} {} {} {} 0 {} {} 0 {} {} {} 0 0 0 {stack_address} 0 0 0 0 0 0 0 0 0 0 {} 0 0 {}",
        counts.minor_faults,
        counts.major_faults,
        counts.user_ticks,
        counts.system_ticks,
        counts.children_user_ticks,
        counts.children_system_ticks,
        counts.nice,
        counts.threads,
        identity.start_ticks,
        counts.virtual_bytes,
        counts.rss_bytes / PAGE_BYTES,
        counts.processor,
        counts.storage_wait_ticks,
    );
    let head = format!("{} (", identity.pid);
    [head.as_bytes(), name, columns.as_bytes()].concat()
}

fn check_files(data: &[u8]) {
    let part = cut(data);
    let (some, all) = (parse_status(part), parse_status(data));
    check_part(&some.peak_rss_bytes, &all.peak_rss_bytes);
    check_part(&some.swap_bytes, &all.swap_bytes);
    check_part(&some.voluntary_switches, &all.voluntary_switches);
    check_part(&some.involuntary_switches, &all.involuntary_switches);
    check_part(&parse_open_files_limit(part), &parse_open_files_limit(data));
    check_part(&parse_pss(part), &parse_pss(data));
    check_part(&parse_cgroup(part), &parse_cgroup(data));
    check_part(&parse_io(part), &parse_io(data));
    check_cut(data, parse_io);
    check_cut(data, parse_cgroup);
    assert!(parse_cgroup(data).is_none_or(|path| path.starts_with('/')));
    let shown: usize = parse_arguments(data)
        .iter()
        .map(|text| text.len() + 1)
        .sum();
    assert!(shown <= MASKED_BYTES_MAX);
}

fn check_rates(rates: &ProcessRates) {
    let all = [
        rates.cpu_ratio,
        rates.user_ratio,
        rates.system_ratio,
        rates.minor_faults_per_second,
        rates.major_faults_per_second,
        rates.read_bytes_per_second,
        rates.write_bytes_per_second,
        rates.read_call_bytes_per_second,
        rates.write_call_bytes_per_second,
        rates.storage_wait_ratio,
    ];
    let all_count = all
        .iter()
        .flatten()
        .all(|rate| rate.is_finite() && *rate >= 0.0);
    assert!(all_count, "{rates:?}");
}

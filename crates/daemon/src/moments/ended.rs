//! A process that ended as a record of the history.

use std::sync::Arc;

use lfs_wrapper_history::moments::{ExitRecord, Step};
use lfs_wrapper_kernel::exits::{ProcessExit, WaitStatus};
use lfs_wrapper_model::TimeMsec;

/// The kernel tells beginnings in whole seconds: an end that is counted from
/// one is half a second late in the middle.
const HALF_SECOND_MSEC: i64 = 500;

pub(super) fn to_record(
    exit: &ProcessExit,
    step: Option<Arc<Step>>,
    now_msec: TimeMsec,
) -> ExitRecord {
    let usage = &exit.usage;
    let end_msec = derive_end(exit.begin_sec, exit.elapsed_usec, now_msec);
    let lived_msec = exit.elapsed_usec.and_then(to_msec);
    let cpu_usec = usage
        .user_usec
        .zip(usage.system_usec)
        .map(|(user, system)| user.saturating_add(system));
    ExitRecord {
        pid: exit.pid,
        parent_pid: exit.parent_pid,
        uid: exit.uid,
        name: Arc::from(String::from_utf8_lossy(exit.comm.as_bytes())),
        start_msec: lived_msec.and_then(|lived| end_msec.checked_sub(lived)),
        end_msec,
        exit_code: exit.status.and_then(WaitStatus::code),
        signal: exit.status.and_then(WaitStatus::signal),
        cpu_usec,
        rss_peak_bytes: usage.rss_peak_bytes,
        read_bytes: usage.read_bytes,
        write_bytes: usage.write_bytes,
        minor_faults: usage.minor_faults,
        major_faults: usage.major_faults,
        step,
    }
}

fn to_msec(usec: u64) -> Option<i64> {
    i64::try_from(usec / 1000).ok()
}

/// When it ended, to the second: never later than now, when it is told.
fn derive_end(begin_sec: Option<u64>, elapsed_usec: Option<u64>, now_msec: TimeMsec) -> TimeMsec {
    let derive = || {
        let begin_msec = i64::try_from(begin_sec?).ok()?.checked_mul(1000)?;
        let end_msec = begin_msec.checked_add(to_msec(elapsed_usec?)?)?;
        end_msec.checked_add(HALF_SECOND_MSEC)
    };
    derive().map_or(now_msec, |end_msec| end_msec.min(now_msec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_counted_from_the_beginning_and_never_later_than_now() {
        let now = 1_795_256_400_000;
        for (begin_sec, elapsed_usec, expected) in [
            (Some(1_795_256_390), Some(2_000_000), now - 7_500),
            (Some(1_795_256_400), Some(900_000), now),
            (None, Some(1), now),
            (Some(1_795_256_390), None, now),
            (Some(u64::MAX), Some(1), now),
        ] {
            assert_eq!(derive_end(begin_sec, elapsed_usec, now), expected);
        }
    }
}

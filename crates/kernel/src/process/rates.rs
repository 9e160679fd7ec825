//! What a process did between two samples.

use crate::interval::Interval;
use crate::process::stat::{ProcessCounts, TICKS_PER_SECOND};

/// What is known of a process at the sample before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it was not looked at, or could not be read.
    Unknown,
    /// It was forked since, so its counters began at zero.
    Born,
    /// These were its counters.
    Counts(ProcessCounts),
}

/// What a process did in a second, on average over the interval; `None` where
/// that cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessRates {
    /// Processor time in units of one core: above 1 for threads at work on
    /// several.
    pub cpu_ratio: Option<f64>,
    /// The part of it in user mode.
    pub user_ratio: Option<f64>,
    /// The part of it in the kernel.
    pub system_ratio: Option<f64>,
    /// Page faults that needed no disk.
    pub minor_faults_per_second: Option<f64>,
    /// Page faults that had to read from a disk.
    pub major_faults_per_second: Option<f64>,
    /// Fetched from storage.
    pub read_bytes_per_second: Option<f64>,
    /// To be sent to storage.
    pub write_bytes_per_second: Option<f64>,
    /// Passed by read(2) and the like.
    pub read_call_bytes_per_second: Option<f64>,
    /// Passed by write(2) and the like.
    pub write_call_bytes_per_second: Option<f64>,
    /// Waiting for storage, its threads' waits added up; absent where the
    /// kernel does not account for it.
    pub storage_wait_ratio: Option<f64>,
}

/// A counter, where the counts have it.
type Counter = fn(&ProcessCounts) -> Option<u64>;

/// The rates of a process; none without what was before or without a time
/// between, and none of a counter that went back.
pub fn derive_process(before: &Before, next: &ProcessCounts, interval_usec: u64) -> ProcessRates {
    let interval = Interval {
        usec: interval_usec,
    };
    let earlier = |get: Counter| match before {
        Before::Unknown => None,
        Before::Born => Some(0),
        Before::Counts(counts) => get(counts),
    };
    let per_second = |get: Counter| interval.per_second(earlier(get), get(next));
    let share = |ticks: Counter| Some(per_second(ticks)? / TICKS_PER_SECOND as f64);
    let storage_wait: Counter = |counts| Some(counts.storage_wait_ticks);
    let user_ratio = share(|counts| Some(counts.user_ticks));
    let system_ratio = share(|counts| Some(counts.system_ticks));
    ProcessRates {
        cpu_ratio: user_ratio
            .zip(system_ratio)
            .map(|(user, system)| user + system),
        user_ratio,
        system_ratio,
        minor_faults_per_second: per_second(|counts| Some(counts.minor_faults)),
        major_faults_per_second: per_second(|counts| Some(counts.major_faults)),
        read_bytes_per_second: per_second(|counts| Some(counts.io?.read_bytes)),
        write_bytes_per_second: per_second(|counts| Some(counts.io?.write_bytes)),
        read_call_bytes_per_second: per_second(|counts| Some(counts.io?.read_call_bytes)),
        write_call_bytes_per_second: per_second(|counts| Some(counts.io?.write_call_bytes)),
        // Always 0 where the kernel does not count it, which is no zero.
        storage_wait_ratio: share(storage_wait).filter(|_| next.storage_wait_ticks > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stat::ProcessIo;
    use crate::process::stat::tests::ASLEEP;

    const IO: ProcessIo = ProcessIo {
        read_bytes: 4096,
        write_bytes: 8192,
        read_call_bytes: 100,
        write_call_bytes: 1000,
    };

    const BEFORE: ProcessCounts = ProcessCounts {
        user_ticks: 100,
        system_ticks: 50,
        major_faults: 3,
        storage_wait_ticks: 10,
        io: Some(IO),
        ..ASLEEP
    };

    /// Two cores at work in user mode for half a second, and more.
    const NEXT: ProcessCounts = ProcessCounts {
        user_ticks: 200,
        system_ticks: 75,
        minor_faults: ASLEEP.minor_faults + 1000,
        major_faults: 4,
        storage_wait_ticks: 20,
        io: Some(ProcessIo {
            read_bytes: 4096,
            write_bytes: 8192 + 4096,
            read_call_bytes: 101,
            write_call_bytes: 1000,
        }),
        ..BEFORE
    };

    const HALF_A_SECOND: u64 = 500_000;

    #[test]
    fn counters_become_rates() {
        let rates = derive_process(&Before::Counts(BEFORE), &NEXT, HALF_A_SECOND);
        let expected = ProcessRates {
            cpu_ratio: Some(2.5),
            user_ratio: Some(2.0),
            system_ratio: Some(0.5),
            minor_faults_per_second: Some(2000.0),
            major_faults_per_second: Some(2.0),
            read_bytes_per_second: Some(0.0),
            write_bytes_per_second: Some(8192.0),
            read_call_bytes_per_second: Some(2.0),
            write_call_bytes_per_second: Some(0.0),
            storage_wait_ratio: Some(0.2),
        };
        assert_eq!(rates, expected);
    }

    #[test]
    fn a_process_born_in_the_interval_counts_from_zero() {
        let rates = derive_process(&Before::Born, &NEXT, 1_000_000);
        assert_eq!(rates.cpu_ratio, Some(2.75));
        assert_eq!(rates.write_bytes_per_second, Some(12_288.0));
        assert_eq!(rates.major_faults_per_second, Some(4.0));
    }

    #[test]
    fn without_a_before_or_a_time_between_there_are_no_rates() {
        let none = ProcessRates::default();
        assert_eq!(derive_process(&Before::Unknown, &NEXT, 1_000_000), none);
        assert_eq!(derive_process(&Before::Counts(BEFORE), &NEXT, 0), none);
    }

    #[test]
    fn a_counter_that_went_back_or_is_not_there_has_no_rate() {
        let rates = |next| derive_process(&Before::Counts(BEFORE), &next, HALF_A_SECOND);
        let back = rates(ProcessCounts {
            user_ticks: 99,
            ..NEXT
        });
        assert_eq!(
            (back.cpu_ratio, back.user_ratio, back.system_ratio),
            (None, None, Some(0.5))
        );
        let denied = rates(ProcessCounts { io: None, ..NEXT });
        assert_eq!(
            (denied.read_bytes_per_second, denied.cpu_ratio),
            (None, Some(2.5))
        );
        let not_counted = rates(ProcessCounts {
            storage_wait_ticks: 0,
            ..NEXT
        });
        assert_eq!(not_counted.storage_wait_ratio, None);
    }
}

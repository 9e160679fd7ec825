//! Who is asked for what takes longer, and when: the new first, the idle
//! never again, and a bounded share of a processor for measuring memory.

use crate::process::cold::{Request, Subject};
use crate::process::entry::{ColdProgress, Entry};
use crate::process::row::PssMeasure;
use crate::process::stat::ProcessCounts;

/// A process that did something is asked again after so long.
const FIELDS_EVERY_USEC: u64 = 30_000_000;

/// How many are measured in one round.
pub(crate) const PSS_ROUND_MAX: usize = 4;

/// A process whose measure failed is not measured again for so long.
const PSS_EVERY_USEC: u64 = 30_000_000;

/// Changes of memory below this, and below a sixteenth of it, are estimated
/// well enough.
const PSS_CHANGE_MIN_BYTES: u64 = 1 << 20;

/// How much processor time measuring may take in a second, on average: a
/// process of a gigabyte takes a few milliseconds, and then others wait.
const PSS_COST_PER_SECOND_USEC: i64 = 150;

const USEC_PER_SECOND: i64 = 1_000_000;

/// What the next round may spend on measuring memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PssBudget {
    left_usec: i64,
    filled_usec: u64,
}

impl PssBudget {
    pub(crate) const fn new() -> Self {
        Self {
            left_usec: PSS_COST_PER_SECOND_USEC,
            filled_usec: 0,
        }
    }

    /// A measure that took longer than there was is paid off over time.
    pub(crate) fn spend(&mut self, cost_usec: u64) {
        let cost_usec = i64::try_from(cost_usec).unwrap_or(i64::MAX);
        self.left_usec = self.left_usec.saturating_sub(cost_usec);
    }

    /// Whether there is anything to spend at this moment.
    pub(crate) fn refill(&mut self, now_usec: u64) -> bool {
        let elapsed_usec = i64::try_from(now_usec.saturating_sub(self.filled_usec));
        let earned = elapsed_usec
            .unwrap_or(i64::MAX)
            .saturating_mul(PSS_COST_PER_SECOND_USEC);
        let gained = earned / USEC_PER_SECOND;
        if gained > 0 {
            self.filled_usec = now_usec;
            self.left_usec = self
                .left_usec
                .saturating_add(gained)
                .min(PSS_COST_PER_SECOND_USEC);
        }
        self.left_usec > 0
    }
}

/// Whether a process's fields are worth reading.
pub(crate) fn is_due(progress: &ColdProgress, counts: &ProcessCounts, now_usec: u64) -> bool {
    if counts.is_kernel_thread() || counts.has_ended() {
        return false;
    }
    progress.read_usec.is_none_or(|read_usec| {
        progress.has_changed && now_usec.saturating_sub(read_usec) >= FIELDS_EVERY_USEC
    })
}

/// How much a measure of a process's memory would tell, in bytes; 0 is nothing.
pub(crate) fn derive_pss_worth(
    progress: &ColdProgress,
    counts: &ProcessCounts,
    measured: Option<PssMeasure>,
    now_usec: u64,
) -> u64 {
    let failed_lately = |asked_usec| now_usec.saturating_sub(asked_usec) < PSS_EVERY_USEC;
    if counts.is_kernel_thread() || counts.has_ended() {
        return 0;
    }
    match measured {
        None if progress.pss_usec.is_some_and(failed_lately) => 0,
        None => counts.rss_bytes,
        Some(measured) => {
            let change = counts.rss_bytes.abs_diff(measured.rss_bytes);
            let is_worth = change >= PSS_CHANGE_MIN_BYTES.max(measured.rss_bytes / 16);
            if is_worth { change } else { 0 }
        }
    }
}

/// The entries whose measure would tell most, the best first.
pub(crate) fn choose_measured(
    entries: &[Entry],
    now_usec: u64,
    is_pending: impl Fn(Request) -> bool,
) -> [Option<usize>; PSS_ROUND_MAX] {
    let mut best = [(0, None); PSS_ROUND_MAX];
    for (index, entry) in entries.iter().enumerate() {
        let row = &entry.row;
        let worth = derive_pss_worth(&entry.progress, &row.counts, row.cold.measured, now_usec);
        let [.., last] = &mut best;
        if worth <= last.0 || is_pending(entry.request(Subject::Pss)) {
            continue;
        }
        *last = (worth, Some(index));
        best.sort_by_key(|(worth, _)| std::cmp::Reverse(*worth));
    }
    best.map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stat::tests::ASLEEP;

    const SECOND: u64 = 1_000_000;
    const MIB: u64 = 1 << 20;

    #[test]
    fn fields_are_read_at_first_and_then_of_those_that_did_something() {
        let kernel = ProcessCounts {
            flags: 0x0020_0000,
            ..ASLEEP
        };
        let ended = ProcessCounts {
            state: 'Z',
            ..ASLEEP
        };
        // read at second, did something, now second, due
        for (read, has_changed, now, expected) in [
            (None, false, 100, true),
            (Some(100), true, 129, false),
            (Some(100), true, 130, true),
            (Some(100), false, 9999, false),
        ] {
            let read_usec = read.map(|second: u64| second * SECOND);
            let progress = ColdProgress {
                read_usec,
                has_changed,
                pss_usec: None,
            };
            let due = |counts| is_due(&progress, counts, now * SECOND);
            assert_eq!(due(&ASLEEP), expected, "{read:?} {has_changed} {now}");
            assert!(!due(&kernel) && !due(&ended));
        }
    }

    #[test]
    fn memory_is_measured_where_it_tells_something() {
        let of = |mib: u64| ProcessCounts {
            rss_bytes: mib * MIB,
            ..ASLEEP
        };
        let measure = |mib: u64| {
            Some(PssMeasure {
                pss_bytes: 1,
                rss_bytes: mib * MIB,
            })
        };
        // rss now, measured at, asked at second -> worth, at second 100
        for (now, measured, asked, worth) in [
            (of(10), None, None, 10 * MIB),
            (of(0), None, None, 0),
            (of(10), None, Some(71), 0),
            (of(10), None, Some(70), 10 * MIB),
            (of(10), measure(10), Some(99), 0),
            (of(11), measure(10), Some(99), MIB),
            (of(9), measure(10), None, MIB),
            (of(105), measure(100), None, 0),
            (of(107), measure(100), None, 7 * MIB),
        ] {
            let pss_usec = asked.map(|second: u64| second * SECOND);
            let progress = ColdProgress {
                pss_usec,
                ..ColdProgress::default()
            };
            let found = derive_pss_worth(&progress, &now, measured, 100 * SECOND);
            assert_eq!(found, worth, "{now:?} {measured:?} {asked:?}");
        }
    }

    #[test]
    fn a_costly_measure_is_paid_off() {
        let mut budget = PssBudget::new();
        assert!(budget.refill(SECOND));
        let second = PSS_COST_PER_SECOND_USEC.unsigned_abs();
        budget.spend(4 * second + second / 2);
        for second in 2..5 {
            assert!(!budget.refill(second * SECOND), "{second}");
        }
        assert!(budget.refill(5 * SECOND));
        // However long nobody measures, no more than a second's worth is saved.
        assert!(budget.refill(1000 * SECOND));
        budget.spend(second);
        assert!(!budget.refill(1000 * SECOND));
    }
}

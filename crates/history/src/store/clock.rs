//! Whether the wall clock can be believed: what is deleted for its age depends on it.

use lfs_wrapper_model::TimeMsec;
use rustix::time::{ClockId, clock_gettime};

/// A clock that was set this far must run evenly for [`STEADY_USEC`] before anything
/// is deleted for its age.
const STEP_MSEC: i64 = 60_000;
const STEADY_USEC: u64 = 3600 * 1_000_000;

/// At its start a monitor takes the clock as right if it is no further ahead of
/// the newest moment that is on disk. A machine that was off for longer waits as
/// after a step.
const AHEAD_MAX_MSEC: i64 = 7 * 24 * 3600 * 1000;

/// How long the machine slept since it booted: the monotonic clock stands still
/// meanwhile, the wall clock does not.
pub(crate) fn read_slept_usec() -> u64 {
    let usec = |id| {
        let time = clock_gettime(id);
        // Neither is ever negative on these clocks.
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
    };
    let awake = usec(ClockId::Monotonic);
    usec(ClockId::Boottime).saturating_sub(awake)
}

/// Whether the wall clock goes as evenly as the one since boot.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The newest moment that was on disk at the start.
    sealed_msec: Option<TimeMsec>,
    newest: Option<(TimeMsec, u64)>,
    stepped_usec: Option<u64>,
}

impl Clock {
    /// Of a history whose newest moment is this.
    pub(crate) fn new(sealed_msec: Option<TimeMsec>) -> Self {
        Self {
            sealed_msec,
            ..Self::default()
        }
    }

    /// Takes in both clocks of a moment.
    pub(crate) fn take(&mut self, time_msec: TimeMsec, monotonic_usec: u64, slept_usec: u64) {
        let boot_usec = monotonic_usec.saturating_add(slept_usec);
        let stepped = match self.newest {
            None => !self.sealed_msec.is_some_and(|sealed| {
                (0..=AHEAD_MAX_MSEC).contains(&time_msec.saturating_sub(sealed))
            }),
            Some((time, boot)) => {
                let passed =
                    i64::try_from(boot_usec.saturating_sub(boot) / 1000).unwrap_or(i64::MAX);
                let parted = time_msec.saturating_sub(time).saturating_sub(passed);
                parted.saturating_abs() > STEP_MSEC || boot_usec < boot
            }
        };
        if stepped {
            self.stepped_usec = Some(boot_usec);
        }
        self.newest = Some((time_msec, boot_usec));
    }

    /// Whether it is long ago that it was set.
    pub(crate) fn is_steady(&self) -> bool {
        self.newest.is_some_and(|(_, boot)| {
            let stepped = self.stepped_usec;
            stepped.is_none_or(|stepped| boot.saturating_sub(stepped) >= STEADY_USEC)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: seconds of the wall clock, of the monotonic one, slept; steady or
    /// not. All begin with a file whose newest moment is at 1,000,000.
    const TIMELINES: &[(&str, &str)] = &[
        ("started soon after", "1000060 50 0 yes; 1000061 51 0 yes"),
        (
            "off for a month",
            "3600000 50 0 no; 3603599 3649 0 no; 3603600 3650 0 yes",
        ),
        ("started before it", "999000 50 0 no; 1002600 3650 0 yes"),
        ("slept", "1000060 50 0 yes; 1030061 51 30000 yes"),
        (
            "set",
            "1000060 50 0 yes; 1000200 60 0 no; 1003800 3660 0 yes",
        ),
        ("set while asleep", "1000060 50 0 yes; 1090061 51 30000 no"),
    ];

    #[test]
    fn a_clock_is_believed_unless_it_was_set_lately() {
        for (name, timeline) in TIMELINES {
            let mut clock = Clock::new(Some(1_000_000_000));
            assert!(!clock.is_steady(), "{name}");
            for line in timeline.split("; ") {
                let words: Vec<&str> = line.split(' ').collect();
                let number = |index: usize| words[index].parse::<u64>().unwrap();
                let time_msec = i64::try_from(number(0)).unwrap() * 1000;
                clock.take(time_msec, number(1) * 1_000_000, number(2) * 1_000_000);
                assert_eq!(clock.is_steady(), words[3] == "yes", "{name}: {line}");
            }
        }
        let mut clock = Clock::new(None);
        clock.take(1_000_000, 0, 0);
        assert!(!clock.is_steady());
    }
}

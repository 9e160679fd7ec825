//! The one place that reads the monotonic clock and sleeps by it.

use std::time::Duration;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// CLOCK_MONOTONIC: microseconds since some moment at boot, without the time
/// the machine was suspended.
pub fn read_monotonic_usec() -> u64 {
    u64::try_from(read_monotonic().as_micros()).unwrap_or(u64::MAX)
}

/// CLOCK_BOOTTIME: microseconds since the machine was booted, the time it was
/// suspended included; processes' beginnings are counted on it.
pub fn read_boottime_usec() -> u64 {
    let time = read_clock(ClockId::Boottime);
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn read_monotonic() -> Duration {
    read_clock(ClockId::Monotonic)
}

fn read_clock(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // Neither is ever negative on these clocks.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// A timer whose ticks lie at fixed times, so that intervals do not drift by
/// the work done between them.
#[derive(Debug)]
pub struct Cadence {
    interval: Duration,
    /// Time of the next tick on CLOCK_MONOTONIC.
    next: Duration,
}

/// How one tick of a [`Cadence`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// How long after its time the tick came.
    pub lateness: Duration,
    /// Whole intervals that passed without a tick since the last one.
    pub missed: u64,
}

impl Cadence {
    /// The shortest interval; a shorter one counts as this.
    pub const INTERVAL_MIN: Duration = Duration::from_millis(1);

    /// A timer whose first tick is one interval from now.
    pub fn new(interval: Duration) -> Self {
        let interval = interval.max(Self::INTERVAL_MIN);
        Self {
            interval,
            next: read_monotonic().saturating_add(interval),
        }
    }

    /// Sleeps until the next tick; ticks that passed meanwhile are skipped and
    /// counted. A signal does not end the sleep. `None` as soon as `go_on`,
    /// which is asked now and then, says no.
    pub fn wait(&mut self, go_on: impl Fn() -> bool) -> Option<Tick> {
        loop {
            if !go_on() {
                return None;
            }
            let now = read_monotonic();
            if now >= self.next {
                let (next, tick) = plan_tick(self.next, self.interval, now);
                self.next = next;
                return Some(tick);
            }
            sleep_until(self.next.min(now.saturating_add(SLICE)));
        }
    }
}

/// How long a sleep lasts before it is asked whether to go on.
const SLICE: Duration = Duration::from_millis(500);

/// A signal ends it early.
fn sleep_until(end: Duration) {
    let request = Timespec {
        tv_sec: i64::try_from(end.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: end.subsec_nanos().into(),
    };
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &request);
}

/// The tick that a wait for `due` ends with at `now`, and when the next is due:
/// always in the future, always whole intervals after `due`.
fn plan_tick(due: Duration, interval: Duration, now: Duration) -> (Duration, Tick) {
    let late = now.saturating_sub(due);
    let missed = late.as_nanos() / interval.as_nanos().max(1);
    let missed = u32::try_from(missed).unwrap_or(u32::MAX);
    let step = interval.saturating_mul(missed);
    let tick = Tick {
        lateness: late.saturating_sub(step),
        missed: missed.into(),
    };
    (due.saturating_add(step).saturating_add(interval), tick)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn msec(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_wait_ends_when_nobody_waits_for_it_any_more() {
        let mut cadence = Cadence::new(Duration::from_secs(3600));
        assert_eq!(cadence.wait(|| false), None);
    }

    #[test]
    fn ticks_keep_their_place_however_late_one_is() {
        // due, now -> next, lateness, missed; every 100 ms
        for (due, now, next, lateness, missed) in [
            (1000, 1000, 1100, 0, 0),
            (1000, 1007, 1100, 7, 0),
            (1000, 1099, 1100, 99, 0),
            (1000, 1100, 1200, 0, 1),
            (1000, 1355, 1400, 55, 3),
            // The clock never runs backwards; a sleep that ends early would.
            (1000, 990, 1100, 0, 0),
        ] {
            let planned = plan_tick(msec(due), msec(100), msec(now));
            let tick = Tick {
                lateness: msec(lateness),
                missed,
            };
            assert_eq!(planned, (msec(next), tick), "due {due}, now {now}");
        }
    }

    #[test]
    fn a_wait_never_ends_before_its_tick() {
        let mut cadence = Cadence::new(msec(2));
        for _ in 0..3 {
            let due = cadence.next;
            cadence.wait(|| true);
            assert!(read_monotonic() >= due);
            assert!(cadence.next > due);
        }
    }
}

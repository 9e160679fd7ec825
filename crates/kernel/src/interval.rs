//! The time between two samples, and what a counter did in it.

/// How far a counter came; `None` where either value is missing or it went
/// backwards, which means that it began anew.
pub(crate) fn derive_delta(previous: Option<u64>, next: Option<u64>) -> Option<u64> {
    next?.checked_sub(previous?)
}

/// The time between two samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    /// 0 where there are no rates.
    pub(crate) usec: u64,
}

impl Interval {
    /// How much a counter grows in a second.
    pub(crate) fn per_second(self, previous: Option<u64>, next: Option<u64>) -> Option<f64> {
        let delta = derive_delta(previous, next)?;
        (self.usec > 0).then(|| delta as f64 * 1e6 / self.usec as f64)
    }

    /// What share of the interval a counter of microseconds grew. Counters are
    /// not read in the very moment of the clock, so a little more than all
    /// counts as all.
    pub(crate) fn share(self, previous: Option<u64>, next: Option<u64>) -> Option<f64> {
        let delta = derive_delta(previous, next)?;
        (self.usec > 0).then(|| (delta as f64 / self.usec as f64).min(1.0))
    }
}

//! Memory that grows and does not come back: from the floor of what a process
//! or a control group uses, not from its peaks.
//!
//! Growth that goes on for an hour and then falls back (a cache, a collector
//! with long periods) looks like a leak until it falls.

mod envelope;
mod trend;

#[cfg(test)]
mod timelines;

use envelope::Envelope;
use trend::{derive_confidence, derive_slope, rate_share};

/// How long after the first value nothing counts: everything grows at first.
pub const LEAK_WARM_UP_USEC: u64 = 5 * 60 * 1_000_000;

/// The stretches of which minima are kept. The short ones find a leak within
/// half an hour; the long ones see over four hours what noise hides, and
/// whether growth slows down.
const WIDTH_USEC: u64 = 60 * 1_000_000;
const WIDTH_LONG_USEC: u64 = 4 * WIDTH_USEC;

/// The fewest stretches that numbers are derived from.
const BUCKETS_MIN: usize = 10;

/// The fewest stretches that can show a leak: longer than the teeth of a
/// collector that comes every 25 minutes.
const LEAK_BUCKETS_MIN: usize = 28;

/// How memory grew over a window, at its floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leak {
    /// Bytes a second; negative where memory falls.
    pub rate_bytes_per_second: f64,
    /// What the rate comes to over the window; 0 where memory falls.
    pub growth_bytes: u64,
    /// How sure it is that the growth is steady and no chance, 0 to 1.
    pub confidence_ratio: f64,
    /// From the first minimum to the last.
    pub window_seconds: f64,
    /// The first minimum.
    pub level_bytes: u64,
}

impl Leak {
    /// From here on growth counts as no chance.
    pub const CONFIDENCE_MIN_RATIO: f64 = 0.6;
    /// Less growth is not worth a word; in a window of more than an hour, less
    /// an hour.
    pub const GROWTH_MIN_BYTES: u64 = 8 << 20;
    /// Nor is less than this part of what was there before.
    pub const GROWTH_MIN_RATIO: f64 = 0.04;
    /// A shorter window shows no leak.
    pub const WINDOW_MIN_SECONDS: f64 = (LEAK_BUCKETS_MIN - 1) as f64 * 60.0;

    /// Whether all of these limits are reached.
    pub fn is_leak(&self) -> bool {
        // What settles down like a logarithm grows for days, but ever less.
        let hours = (self.window_seconds / 3600.0).max(1.0);
        let floor_bytes = self.level_bytes as f64 * Self::GROWTH_MIN_RATIO;
        let growth_min_bytes = floor_bytes.max(Self::GROWTH_MIN_BYTES as f64) * hours;
        self.confidence_ratio >= Self::CONFIDENCE_MIN_RATIO
            && self.growth_bytes as f64 >= growth_min_bytes
            && self.window_seconds >= Self::WINDOW_MIN_SECONDS
    }

    /// `slope_before` is the rate over a longer time; `None` where there is
    /// none yet.
    fn derive(minima: &[u64], width_seconds: f64, slope_before: Option<f64>) -> Option<Self> {
        if minima.len() < BUCKETS_MIN {
            return None;
        }
        let values: Vec<f64> = minima.iter().map(|bytes| *bytes as f64).collect();
        let rate_bytes_per_second = derive_slope(&values) / width_seconds;
        let window_seconds = (minima.len() - 1) as f64 * width_seconds;
        // What slows down is on its way to where it will stay.
        let lasting = match slope_before {
            Some(before) if before > 0.0 => rate_share(rate_bytes_per_second / before),
            _ => 1.0,
        };
        Some(Self {
            rate_bytes_per_second,
            growth_bytes: round_bytes(rate_bytes_per_second * window_seconds),
            confidence_ratio: derive_confidence(&values) * lasting,
            window_seconds,
            level_bytes: minima.first().copied().unwrap_or_default(),
        })
    }
}

#[expect(
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates: less than 0 is 0"
)]
fn round_bytes(bytes: f64) -> u64 {
    bytes.round() as u64
}

/// The memory of one process or control group over time. It has a fixed size
/// of about a kilobyte and is told every value.
#[derive(Clone, Debug)]
pub struct LeakWatch {
    begin_usec: Option<u64>,
    short: Envelope,
    long: Envelope,
    verdict: Option<Leak>,
}

impl Default for LeakWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl LeakWatch {
    /// A watch whose warm-up begins with its first value.
    pub const fn new() -> Self {
        Self {
            begin_usec: None,
            short: Envelope::new(WIDTH_USEC),
            long: Envelope::new(WIDTH_LONG_USEC),
            verdict: None,
        }
    }

    /// Takes a value at a moment of the monotonic clock. Once a minute, when a
    /// stretch ends, this weighs what was kept, which has a fixed size too.
    pub fn push(&mut self, monotonic_usec: u64, bytes: u64) {
        let begin_usec = *self.begin_usec.get_or_insert(monotonic_usec);
        let age_usec = monotonic_usec.saturating_sub(begin_usec);
        let Some(usec) = age_usec.checked_sub(LEAK_WARM_UP_USEC) else {
            return;
        };
        self.long.push(usec, bytes);
        if self.short.push(usec, bytes) {
            self.verdict = self.derive_verdict();
        }
    }

    /// What the ended stretches say; `None` for less than ten of a minute.
    pub const fn verdict(&self) -> Option<Leak> {
        self.verdict
    }

    /// The first window that shows a leak; the last hour where none does. A
    /// leak that began late fills the shortest window first.
    fn derive_verdict(&self) -> Option<Leak> {
        let hour = self.short.minima();
        let width_seconds = self.short.width_seconds();
        let long = Leak::derive(self.long.minima(), self.long.width_seconds(), None);
        let before = long.map(|long| long.rate_bytes_per_second);
        let verdict = Leak::derive(hour, width_seconds, before);
        let begin = hour.len().saturating_sub(LEAK_BUCKETS_MIN);
        let latest = || Leak::derive(hour.get(begin..)?, width_seconds, before);
        verdict
            .filter(Leak::is_leak)
            .or_else(|| latest().filter(Leak::is_leak))
            .or_else(|| long.filter(Leak::is_leak))
            .or(verdict)
    }
}

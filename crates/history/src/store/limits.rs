//! What the history holds at most, and what it counts of itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Metrics whose dropped series are counted by name; the others together.
const DROPPED_NAMES_MAX: usize = 100;

/// Bytes of a series' labels; one with more is dropped.
pub(crate) const LABELS_BYTES_MAX: usize = 64 << 10;

/// Limits of the history.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The file and its log are never larger together.
    pub bytes_max: u64,
    /// Series of one metric within ten minutes.
    pub series_per_metric_max: usize,
    /// Series of a group within ten minutes.
    pub series_max: usize,
    /// Nothing is written while less is free on the disk.
    pub disk_free_min: u64,
    /// How long each tier is kept: samples, 10 s, 60 s, 1 h.
    pub kept_msec: [i64; 4],
}

const DAY_MSEC: i64 = 24 * 3600 * 1000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 1 << 30,
            series_per_metric_max: 8192,
            series_max: 50_000,
            disk_free_min: 256 << 20,
            kept_msec: [
                14 * DAY_MSEC,
                14 * DAY_MSEC,
                120 * DAY_MSEC,
                3650 * DAY_MSEC,
            ],
        }
    }
}

/// A number that only grows, or is set.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the history did since it was opened.
#[derive(Debug, Default)]
pub struct Counts {
    /// Samples taken in.
    pub samples: Count,
    /// Samples of series that had no room.
    pub dropped_samples: Count,
    /// Moments that came twice.
    pub duplicate_frames: Count,
    /// Moments that came after a later one: the clock was set back.
    pub late_frames: Count,
    /// Moments that could not be written before their room was needed, or that no
    /// block can be of: before 1970 or more than a thousand years later.
    pub lost_frames: Count,
    /// Blocks and rows that could not be read.
    pub damaged: Count,
    /// Windows of samples that were deleted to make room before their time.
    pub evicted_windows: Count,
    /// 1 while nothing is written: the disk is nearly full, a reader keeps the log, or
    /// one attempt after the other failed.
    pub is_stopped: Count,
    /// Bytes in use in the file.
    pub used_bytes: Count,
    /// Series in the open window.
    pub open_series: Count,
    dropped: Mutex<BTreeMap<String, u64>>,
}

impl Counts {
    pub(crate) fn drop_series(&self, metric: &str) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = dropped.contains_key(metric) || dropped.len() < DROPPED_NAMES_MAX;
        let name = if is_known { metric } else { "other metrics" };
        *dropped.entry(name.to_owned()).or_default() += 1;
    }

    /// There is no number for a series of which a window has so many values; of
    /// some of them it was said before.
    pub(crate) fn drop_values(&self, metric: &str, values: usize, said: usize) {
        if said == 0 {
            self.drop_series(metric);
        }
        self.dropped_samples.add(values.saturating_sub(said) as u64);
    }

    /// Series that had no room, of all metrics.
    pub fn dropped_series_count(&self) -> u64 {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped.values().sum()
    }

    /// Series that had no room, by metric.
    pub fn dropped_series(&self) -> Vec<(String, u64)> {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        dropped
            .iter()
            .map(|(name, count)| (name.clone(), *count))
            .collect()
    }
}

//! Made-up data: the same from run to run.
//!
//! `mixed` imitates an hour of a real machine: 63 of 100 series never change; the
//! others are counters that stand still and then run, gauges in whole numbers,
//! and decimals. Of `changing` each series changes, of `random` all bits of each
//! value.

use std::sync::Arc;

use lfs_wrapper_history::{Entry, Frame, Group, Labels, METRIC_NAME, Part};
use lfs_wrapper_model::metric::{FoundMetric, MetricKind, MetricRef};

/// 00:00 of a day.
pub(crate) const START_MSEC: i64 = 1_700_006_400_000;
/// Series of one metric.
pub(crate) const PER_METRIC: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mixed,
    Changing,
    Random,
}

impl Kind {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("mixed") => Ok(Self::Mixed),
            Some("changing") => Ok(Self::Changing),
            Some("random") => Ok(Self::Random),
            Some(other) => Err(format!(
                "--kind: expected mixed, changing or random, found {other:?}"
            )),
        }
    }
}

/// What a series does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Constant,
    /// Runs now and then.
    Bursts,
    /// A counter in hundredths that always runs.
    Runs,
    Gauge,
    Decimal,
    Random,
}

#[derive(Debug)]
struct Series {
    manner: Manner,
    value: i64,
    random: u64,
    /// For so many more moments it runs, by so much.
    running: i64,
    speed: i64,
}

impl Series {
    fn new(number: usize, kind: Kind) -> Self {
        let place = number * 7919 % 100;
        let manner = match kind {
            Kind::Random => Manner::Random,
            Kind::Mixed if place < 63 => Manner::Constant,
            _ => match place % 5 {
                0 | 1 => Manner::Bursts,
                2 => Manner::Runs,
                3 => Manner::Gauge,
                _ => Manner::Decimal,
            },
        };
        let mut series = Self {
            manner,
            value: 0,
            random: (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            running: 0,
            speed: 0,
        };
        series.value = series.below(1_000_000);
        // Not all of them the same where they begin.
        if manner == Manner::Constant && number.is_multiple_of(3) {
            series.value = 0;
        }
        series
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: i64) -> i64 {
        let random = i64::try_from(self.next_random() >> 33).unwrap_or(0);
        random % limit.max(1)
    }

    fn next(&mut self, is_changing: bool) -> f64 {
        match self.manner {
            Manner::Constant => self.value as f64,
            Manner::Bursts => {
                if self.running == 0 && (is_changing || self.below(40) == 0) {
                    self.running = self.below(20) + 1;
                    self.speed = 1 << self.below(14);
                }
                if self.running > 0 {
                    self.running -= 1;
                    let more = self.speed + self.below(self.speed / 4 + 2);
                    self.value += more;
                }
                self.value as f64
            }
            Manner::Runs => {
                self.value += 90 + self.below(20);
                self.value as f64 / 100.0
            }
            Manner::Gauge => {
                if is_changing || self.below(3) == 0 {
                    self.value += self.below(65) - 32;
                }
                (self.value * 4096) as f64
            }
            Manner::Decimal => {
                if is_changing || self.below(5) == 0 {
                    self.value = (self.value + self.below(21) - 10).rem_euclid(1000);
                }
                self.value as f64 / 100.0
            }
            Manner::Random => f64::from_bits((self.next_random() >> 12) | 0x3ff0_0000_0000_0000),
        }
    }

    fn metric_kind(&self) -> MetricKind {
        match self.manner {
            Manner::Bursts | Manner::Runs => MetricKind::Counter,
            Manner::Constant | Manner::Gauge | Manner::Decimal | Manner::Random => {
                MetricKind::Gauge
            }
        }
    }
}

/// Moments, one after another.
#[derive(Debug)]
pub(crate) struct Generator {
    series: Vec<Series>,
    entries: Arc<[Entry]>,
    is_changing: bool,
}

impl Generator {
    pub(crate) fn new(prefix: &str, count: usize, kind: Kind) -> Self {
        let series: Vec<Series> = (0..count).map(|number| Series::new(number, kind)).collect();
        let entries = series.iter().enumerate();
        let entries = entries.map(|(number, series)| entry(prefix, number, series.metric_kind()));
        Self {
            entries: entries.collect(),
            series,
            is_changing: kind == Kind::Changing,
        }
    }

    pub(crate) fn entries(&self) -> &Arc<[Entry]> {
        &self.entries
    }

    pub(crate) fn values(&mut self) -> Vec<f64> {
        let is_changing = self.is_changing;
        let series = self.series.iter_mut();
        series.map(|series| series.next(is_changing)).collect()
    }

    pub(crate) fn frame(&mut self, time_msec: i64) -> Frame {
        let values = self.values();
        frame(time_msec, &self.entries, values)
    }
}

pub(crate) fn frame(time_msec: i64, entries: &Arc<[Entry]>, values: Vec<f64>) -> Frame {
    Frame {
        time_msec,
        monotonic_usec: u64::try_from(time_msec - START_MSEC).unwrap_or(0) * 1000,
        parts: vec![Part {
            group: Group::Machine,
            entries: Arc::clone(entries),
            values,
        }],
    }
}

/// The metric and the labels of a generated series; counters and gauges have
/// metrics of their own, as real ones do.
pub(crate) fn entry(prefix: &str, number: usize, kind: MetricKind) -> Entry {
    let suffix = if kind == MetricKind::Counter {
        "_total"
    } else {
        ""
    };
    let name = format!("{prefix}_{}{suffix}", number / PER_METRIC);
    let metric: MetricRef = FoundMetric {
        name: name.clone(),
        kind,
        help: "A generated metric, not of a real machine.".to_owned(),
    }
    .into();
    let pairs = [
        (METRIC_NAME, name.clone()),
        ("device", format!("device{}", number % 7)),
        ("instance", "generated".to_owned()),
        ("number", number.to_string()),
    ];
    let labels: Labels = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Entry { labels, metric }
}

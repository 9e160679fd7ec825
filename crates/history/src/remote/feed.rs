//! What is sent comes from here, and how far it has got is kept here.

use std::collections::BTreeMap;

use lfs_wrapper_model::TimeMsec;

use crate::labels::Labels;
use crate::source::{Metadata, ReadError, Stretch};

/// How far an endpoint has got. All samples up to a moment are told apart from
/// those after it, so that two moments say everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Everything up to here, inclusive, is settled: it was acknowledged, or
    /// refused, or is lost.
    pub sent_until_msec: TimeMsec,
    /// What is later, up to here, may have arrived: an answer is missing. Never
    /// less than `sent_until_msec`.
    pub offered_until_msec: TimeMsec,
}

impl Position {
    /// Nothing is sent.
    pub const BEGINNING: Self = Self::settled(TimeMsec::MIN);

    /// Everything up to `until_msec` is settled, and nothing under way.
    pub const fn settled(until_msec: TimeMsec) -> Self {
        Self {
            sent_until_msec: until_msec,
            offered_until_msec: until_msec,
        }
    }
}

/// Keeps positions where a restart does not lose them.
pub trait Positions: Send + Sync {
    /// That of `endpoint`; `None` for a new one.
    fn load(&self, endpoint: &str) -> Result<Option<Position>, ReadError>;

    /// Keeps it. A batch is sent only after this has returned for it, so that
    /// it must be on disk by then; a power failure counts as a restart.
    fn save(&self, endpoint: &str, position: Position) -> Result<(), ReadError>;
}

/// Samples of many series over an interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Raw {
    /// The interval ends here, inclusive.
    pub until_msec: TimeMsec,
    /// Series with at least one sample, in any order, each once.
    pub series: Vec<(Labels, Stretch)>,
}

/// A history, for what sends it on. Samples of a moment are offered once: what
/// is added at or before [`durable_until`](Self::durable_until) later is never
/// sent.
pub trait Feed: Send + Sync {
    /// The newest moment whose samples survive a crash, as do all before it.
    fn durable_until(&self) -> Result<Option<TimeMsec>, ReadError>;

    /// The newest moment whose samples have been deleted since they were too
    /// old; `None` where nothing has been.
    fn deleted_until(&self) -> Result<Option<TimeMsec>, ReadError>;

    /// All samples after `after_msec` up to `until_msec`, inclusive, of series
    /// of which `keep` says so, as they were taken (no roll-ups) and with
    /// staleness markers, but only so many whole moments as have `samples_max`
    /// samples together; at least one moment. The result's `until_msec` is up to
    /// where that is all, at most `until_msec`; [`cut`] makes that of more samples.
    /// A part at the beginning may be given alone, even one without samples, so
    /// that it returns soon.
    ///
    /// The same interval gives the same samples each time, unless some are too
    /// old by then.
    fn raw(
        &self,
        after_msec: TimeMsec,
        until_msec: TimeMsec,
        samples_max: usize,
        keep: &dyn Fn(&Labels) -> bool,
    ) -> Result<Raw, ReadError>;

    /// What is known of the metrics.
    fn metadata(&self) -> Result<Vec<Metadata>, ReadError>;
}

/// Leaves of `series` what is after `after_msec` up to `until_msec`, and of that
/// as much as [`Feed::raw`] is to give.
pub fn cut(
    mut series: Vec<(Labels, Stretch)>,
    after_msec: TimeMsec,
    until_msec: TimeMsec,
    samples_max: usize,
) -> Raw {
    let is_inside = |time_msec: &TimeMsec| *time_msec > after_msec && *time_msec <= until_msec;
    let mut counts: BTreeMap<TimeMsec, usize> = BTreeMap::new();
    for time_msec in series.iter().flat_map(|one| &one.1.times) {
        if is_inside(time_msec) {
            *counts.entry(*time_msec).or_default() += 1;
        }
    }
    let mut sum = 0;
    let mut end_msec = None;
    let mut is_all = true;
    for (time_msec, count) in counts {
        sum += count;
        if end_msec.is_some() && sum > samples_max {
            is_all = false;
            break;
        }
        end_msec = Some(time_msec);
    }
    let until_msec = match end_msec {
        Some(end_msec) if !is_all => end_msec,
        _ => until_msec,
    };
    for (_, stretch) in &mut series {
        let from = stretch.times.partition_point(|time| *time <= after_msec);
        let to = stretch.times.partition_point(|time| *time <= until_msec);
        stretch.times.truncate(to);
        stretch.values.truncate(to);
        stretch.times.drain(..from.min(to));
        stretch.values.drain(..from.min(to));
    }
    series.retain_mut(|(_, stretch)| {
        // It may be held for a while.
        stretch.times.shrink_to_fit();
        stretch.values.shrink_to_fit();
        !stretch.times.is_empty()
    });
    Raw { until_msec, series }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, times: &[TimeMsec]) -> (Labels, Stretch) {
        let labels = Labels::new([("__name__".to_owned(), name.to_owned())]);
        let stretch = Stretch {
            times: times.to_vec(),
            values: vec![1.0; times.len()],
        };
        (labels, stretch)
    }

    #[test]
    fn whole_moments_are_cut_and_at_least_one_of_them() {
        let all = vec![
            series("a", &[1, 2, 3, 5]),
            series("b", &[2, 4]),
            series("c", &[2]),
        ];
        type Row = (
            TimeMsec,
            TimeMsec,
            usize,
            TimeMsec,
            &'static [&'static [TimeMsec]],
        );
        let table: [Row; 7] = [
            (0, 9, 99, 9, &[&[1, 2, 3, 5], &[2, 4], &[2]]),
            (0, 9, 7, 9, &[&[1, 2, 3, 5], &[2, 4], &[2]]),
            (0, 9, 6, 4, &[&[1, 2, 3], &[2, 4], &[2]]),
            (0, 9, 3, 1, &[&[1]]),
            (1, 9, 1, 2, &[&[2], &[2], &[2]]),
            (5, 9, 1, 9, &[]),
            (4, 9, 0, 9, &[&[5]]),
        ];
        for (after, until, samples_max, end, times) in table {
            let raw = cut(all.clone(), after, until, samples_max);
            let found: Vec<&[TimeMsec]> = raw.series.iter().map(|one| &*one.1.times).collect();
            assert_eq!(
                (raw.until_msec, found.as_slice()),
                (end, times),
                "{after} {samples_max}"
            );
        }
    }
}

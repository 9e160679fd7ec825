//! What was read of a history and is not sent yet. A history is read in larger
//! pieces than it is sent: it has to unpack a whole window for each.

use std::collections::VecDeque;

use lfs_wrapper_model::TimeMsec;

use super::feed::Raw;
use crate::labels::Labels;
use crate::source::Stretch;

/// Samples that are held for an endpoint, unless one batch is larger: 8 MB.
pub(super) const AHEAD_SAMPLES_MAX: usize = 500_000;

/// The samples of an interval, taken off from its beginning.
#[derive(Debug)]
pub(super) struct Ahead {
    after_msec: TimeMsec,
    until_msec: TimeMsec,
    /// Each moment that is left, and how many samples it has.
    moments: VecDeque<(TimeMsec, usize)>,
    /// Each series, and how many of its samples are taken.
    series: Vec<(Labels, Stretch, usize)>,
}

impl Ahead {
    /// What was read after `after_msec`.
    pub(super) fn new(after_msec: TimeMsec, raw: Raw) -> Self {
        let mut times: Vec<TimeMsec> = raw
            .series
            .iter()
            .flat_map(|one| one.1.times.iter().copied())
            .collect();
        times.sort_unstable();
        let moments = times.chunk_by(|one, next| one == next);
        Self {
            after_msec,
            until_msec: raw.until_msec,
            moments: moments.map(|same| (same[0], same.len())).collect(),
            series: raw
                .series
                .into_iter()
                .map(|(labels, stretch)| (labels, stretch, 0))
                .collect(),
        }
    }

    /// Whether it begins after this moment and has nothing later than the other.
    pub(super) fn is_of(&self, after_msec: TimeMsec, until_msec: TimeMsec) -> bool {
        self.after_msec == after_msec && self.until_msec <= until_msec
    }

    /// Nothing is left, to the end of the interval.
    pub(super) fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Takes off whole moments with `samples_max` samples together, at least one
    /// moment, as [`cut`](super::feed::cut) would.
    pub(super) fn take(&mut self, samples_max: usize) -> Raw {
        let mut sum = 0;
        let mut until_msec = self.after_msec;
        while let Some((time_msec, count)) = self.moments.front().copied() {
            if sum > 0 && sum + count > samples_max {
                break;
            }
            sum += count;
            until_msec = time_msec;
            self.moments.pop_front();
        }
        if self.moments.is_empty() {
            until_msec = self.until_msec;
        }
        self.after_msec = until_msec;
        let mut taken = Vec::new();
        for (labels, stretch, from) in &mut self.series {
            let rest = stretch.times.get(*from..).unwrap_or_default();
            let to = *from + rest.partition_point(|time| *time <= until_msec);
            if to > *from {
                let stretch = Stretch {
                    times: stretch.times[*from..to].to_vec(),
                    values: stretch.values[*from..to].to_vec(),
                };
                taken.push((labels.clone(), stretch));
                *from = to;
            }
        }
        Raw {
            until_msec,
            series: taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::feed::cut;
    use super::*;

    fn series(times: &[Vec<TimeMsec>]) -> Vec<(Labels, Stretch)> {
        let one = |(index, times): (usize, &Vec<TimeMsec>)| {
            let labels = Labels::new([("__name__".to_owned(), format!("m{index}"))]);
            let mut times = times.clone();
            times.sort_unstable();
            times.dedup();
            let values = vec![1.0; times.len()];
            (labels, Stretch { times, values })
        };
        times.iter().enumerate().map(one).collect()
    }

    proptest! {
        #[test]
        fn what_is_taken_off_is_what_would_be_cut(
            times in prop::collection::vec(prop::collection::vec(1_i64..40, 1..20), 0..6),
            samples_max in 0_usize..30,
        ) {
            let all = series(&times);
            let whole = cut(all.clone(), 0, 50, usize::MAX);
            let mut ahead = Ahead::new(0, whole);
            let mut after_msec = 0;
            while after_msec < 50 {
                prop_assert!(ahead.is_of(after_msec, 50));
                let taken = ahead.take(samples_max);
                prop_assert_eq!(&taken, &cut(all.clone(), after_msec, 50, samples_max));
                after_msec = taken.until_msec;
            }
            prop_assert!(ahead.is_empty());
        }
    }
}

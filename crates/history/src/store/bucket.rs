//! What is kept of the samples of an interval.

use lfs_wrapper_model::TimeMsec;

use super::frame::Shape;
use crate::source::{Channel, STALE, Stretch, is_stale};

/// The columns of a rolled-up block.
pub(crate) const LAST: usize = 0;
pub(crate) const FIRST: usize = 1;
pub(crate) const MIN: usize = 2;
pub(crate) const MAX: usize = 3;
pub(crate) const SUM: usize = 4;
pub(crate) const LOST: usize = 5;
pub(crate) const COUNT: usize = 6;
pub(crate) const FIRST_BEFORE: usize = 7;
pub(crate) const LAST_BEFORE: usize = 8;
pub(crate) const STALE_BEFORE: usize = 9;
pub(crate) const COLUMNS: usize = 10;

/// The samples of one interval, later than its start and not later than its
/// end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) end_msec: TimeMsec,
    pub(crate) count: f64,
    pub(crate) first: f64,
    pub(crate) first_msec: TimeMsec,
    pub(crate) last: f64,
    pub(crate) last_msec: TimeMsec,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: f64,
    /// What a counter lost in resets: the increase is `last - first + lost`.
    pub(crate) lost: f64,
    /// The series had ended after the last sample.
    pub(crate) stale_msec: Option<TimeMsec>,
}

impl Bucket {
    pub(crate) const fn new(end_msec: TimeMsec) -> Self {
        Self {
            end_msec,
            count: 0.0,
            first: 0.0,
            first_msec: end_msec,
            last: 0.0,
            last_msec: end_msec,
            min: 0.0,
            max: 0.0,
            sum: 0.0,
            lost: 0.0,
            stale_msec: None,
        }
    }

    /// Adds a sample later than all before.
    pub(crate) fn push(&mut self, time_msec: TimeMsec, value: f64) {
        if is_stale(value) {
            self.stale_msec = Some(time_msec);
            return;
        }
        self.merge(&Self {
            count: 1.0,
            first: value,
            first_msec: time_msec,
            last: value,
            last_msec: time_msec,
            min: value,
            max: value,
            sum: value,
            ..Self::new(self.end_msec)
        });
    }

    /// Adds a later, finer bucket.
    pub(crate) fn merge(&mut self, later: &Self) {
        if later.count == 0.0 {
            self.stale_msec = later.stale_msec.or(self.stale_msec);
            return;
        }
        if self.count == 0.0 {
            *self = Self {
                end_msec: self.end_msec,
                ..*later
            };
            return;
        }
        if later.first < self.last {
            self.lost += self.last;
        }
        self.lost += later.lost;
        self.count += later.count;
        self.sum += later.sum;
        if later.min < self.min || self.min.is_nan() {
            self.min = later.min;
        }
        if later.max > self.max || self.max.is_nan() {
            self.max = later.max;
        }
        (self.last, self.last_msec) = (later.last, later.last_msec);
        self.stale_msec = later.stale_msec;
    }

    /// The value in each column; those that a shape does not need are not kept.
    pub(crate) fn columns(&self, shape: Shape) -> [Option<f64>; COLUMNS] {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds within an hour")]
        let before = |time: TimeMsec| (self.end_msec - time) as f64;
        let is_counter = shape != Shape::Gauge;
        let is_gauge = shape != Shape::Counter;
        let mut columns = [None; COLUMNS];
        columns[LAST] = Some(self.last);
        columns[FIRST] = is_counter.then_some(self.first);
        columns[MIN] = Some(self.min);
        columns[MAX] = Some(self.max);
        columns[SUM] = is_gauge.then(|| round(self.sum));
        columns[LOST] = is_counter.then_some(self.lost);
        columns[COUNT] = Some(self.count);
        columns[FIRST_BEFORE] = is_counter.then(|| before(self.first_msec));
        columns[LAST_BEFORE] = Some(before(self.last_msec));
        columns[STALE_BEFORE] = Some(self.stale_msec.map_or(-1.0, before));
        columns
    }

    /// What was kept in columns.
    pub(crate) fn from_columns(end_msec: TimeMsec, columns: &[Option<f64>; COLUMNS]) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "milliseconds within an hour"
        )]
        let before = |column: usize| columns[column].map(|msec| end_msec - msec as i64);
        let last = columns[LAST].unwrap_or_default();
        let count = columns[COUNT].unwrap_or_default();
        let last_msec = before(LAST_BEFORE).unwrap_or(end_msec);
        Self {
            end_msec,
            count,
            // Of a gauge nobody kept the first: the last stands for it.
            first: columns[FIRST].unwrap_or(last),
            first_msec: before(FIRST_BEFORE).unwrap_or(last_msec),
            last,
            last_msec,
            min: columns[MIN].unwrap_or(last),
            max: columns[MAX].unwrap_or(last),
            // Of a counter nobody kept the sum.
            sum: columns[SUM].unwrap_or(last * count),
            lost: columns[LOST].unwrap_or_default(),
            stale_msec: before(STALE_BEFORE).filter(|time| *time <= end_msec),
        }
    }

    /// The samples that stand for it.
    pub(crate) fn show(&self, channel: Channel, stretch: &mut Stretch) {
        let mut push = |time, value| {
            stretch.times.push(time);
            stretch.values.push(value);
        };
        if self.count > 0.0 {
            match channel {
                Channel::Last => push(self.last_msec, self.last),
                Channel::Min => push(self.last_msec, self.min),
                Channel::Max => push(self.last_msec, self.max),
                Channel::Sum => push(self.last_msec, self.sum),
                Channel::Count => push(self.last_msec, self.count),
                Channel::Counter => {
                    if self.first_msec < self.last_msec {
                        push(self.first_msec, self.first);
                    }
                    // One fall from there to nothing makes up for all of them.
                    if self.lost > 0.0 && self.last_msec - self.first_msec > 2 {
                        push(self.last_msec - 2, self.lost);
                        push(self.last_msec - 1, 0.0);
                    }
                    push(self.last_msec, self.last);
                }
            }
        }
        if let Some(time) = self.stale_msec {
            push(time, STALE);
        }
    }
}

/// To thirteen digits: the sum of decimals is then a decimal again, and small.
fn round(sum: f64) -> f64 {
    let rounded = format!("{sum:.12e}").parse();
    rounded.unwrap_or(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(samples: &[(TimeMsec, f64)]) -> Bucket {
        let mut bucket = Bucket::new(10_000);
        for (time, value) in samples {
            bucket.push(*time, *value);
        }
        bucket
    }

    #[test]
    fn it_keeps_what_the_samples_were_also_when_made_of_smaller_ones() {
        let samples = [(1000, 5.0), (2000, 9.0), (3000, 2.0), (4000, 4.0)];
        let whole = bucket(&samples);
        assert_eq!(
            (whole.first, whole.last, whole.min, whole.max),
            (5.0, 4.0, 2.0, 9.0)
        );
        assert_eq!((whole.sum, whole.count, whole.lost), (20.0, 4.0, 9.0));
        for cut in 0..=samples.len() {
            let (one, other) = samples.split_at(cut);
            let mut joined = bucket(one);
            joined.merge(&bucket(other));
            assert_eq!(joined, whole);
        }
    }

    #[test]
    fn the_increase_is_right_over_resets() {
        let whole = bucket(&[
            (1000, 5.0),
            (2000, 9.0),
            (3000, 2.0),
            (4000, 7.0),
            (5000, 1.0),
        ]);
        let mut stretch = Stretch::default();
        whole.show(Channel::Counter, &mut stretch);
        let pairs = stretch.values.windows(2);
        let increase: f64 = pairs
            .map(|pair| {
                if pair[1] < pair[0] {
                    pair[1]
                } else {
                    pair[1] - pair[0]
                }
            })
            .sum();
        assert_eq!(increase, 4.0 + 2.0 + 5.0 + 1.0);
        assert_eq!(stretch.times, [1000, 4998, 4999, 5000]);
    }

    #[test]
    fn a_reset_counts_also_where_the_counter_is_soon_larger_than_before() {
        let whole = bucket(&[(1000, 5.0), (2000, 9.0), (3000, 0.0), (4000, 50.0)]);
        let mut stretch = Stretch::default();
        whole.show(Channel::Counter, &mut stretch);
        assert_eq!(stretch.values, [5.0, 9.0, 0.0, 50.0]);
    }

    #[test]
    fn an_end_after_the_last_sample_is_kept_and_one_before_is_not() {
        let ended = bucket(&[(1000, 5.0), (2000, STALE)]);
        let columns = ended.columns(Shape::Unknown);
        assert_eq!(Bucket::from_columns(10_000, &columns), ended);
        let mut stretch = Stretch::default();
        ended.show(Channel::Last, &mut stretch);
        assert_eq!(stretch.times, [1000, 2000]);
        let back = bucket(&[(1000, 5.0), (2000, STALE), (3000, 6.0)]);
        assert_eq!(back.stale_msec, None);
        let only = bucket(&[(2000, STALE)]);
        assert_eq!(
            Bucket::from_columns(10_000, &only.columns(Shape::Gauge)),
            only
        );
    }
}

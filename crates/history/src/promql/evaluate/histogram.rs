//! Quantiles and fractions of classic histograms: series with the label `le`.

use std::collections::HashMap;

use super::super::error::QueryError;
use super::super::node::Call;
use super::super::number::{compare, parse_float};
use super::rows::{Collector, Row, without_name};
use super::{Evaluator, Steps};
use crate::labels::Labels;

/// The label with a bucket's upper limit.
const LIMIT: &str = "le";

/// Differences of counts below this share are errors of rounding.
const TOLERANCE: f64 = 1e-12;

/// A bucket: how many observations were not greater than a limit.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    limit: f64,
    count: f64,
}

/// The buckets' series of one histogram.
struct Histogram {
    labels: Labels,
    name: String,
    buckets: Vec<(f64, Row)>,
}

impl Histogram {
    fn at(&self, step: usize) -> Vec<Bucket> {
        let at = |(limit, row): &(f64, Row)| {
            let count = row.at(step)?;
            let limit = *limit;
            Some(Bucket { limit, count })
        };
        self.buckets.iter().filter_map(at).collect()
    }
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(
        &mut self,
        call: &Call,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let portions = self.argument_scalar(call, 0, steps)?;
        let rows = self.argument_rows(call, 1, steps)?;
        self.warn_of_quantiles(&portions);
        let histograms = self.histograms(rows);
        let mut collector = Collector::default();
        for histogram in histograms {
            let mut is_forced = false;
            let row = self.each_step(&histogram, steps, |step, buckets| {
                quantile(portions[step], buckets, &mut is_forced)
            })?;
            if is_forced {
                self.infos.insert(format!(
                    "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {:?}",
                    histogram.name
                ));
            }
            collector.add(row)?;
        }
        Ok(collector.rows())
    }

    pub(super) fn histogram_fraction(
        &mut self,
        call: &Call,
        steps: &Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let lowers = self.argument_scalar(call, 0, steps)?;
        let uppers = self.argument_scalar(call, 1, steps)?;
        let rows = self.argument_rows(call, 2, steps)?;
        let mut collector = Collector::default();
        for histogram in self.histograms(rows) {
            let row = self.each_step(&histogram, steps, |step, buckets| {
                fraction(lowers[step], uppers[step], buckets)
            })?;
            collector.add(row)?;
        }
        Ok(collector.rows())
    }

    fn histograms(&mut self, rows: Vec<Row>) -> Vec<Histogram> {
        let mut histograms: Vec<Histogram> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for row in rows {
            let written = row.labels.get(LIMIT);
            let name = row.labels.name().to_owned();
            let Some(limit) = parse_float(written) else {
                self.warnings.insert(format!(
                    "PromQL warning: bucket label {LIMIT:?} is missing or has a malformed value of {written:?} for metric name {name:?}"
                ));
                continue;
            };
            // Of two metrics, the buckets are never one histogram.
            let whole = row.labels.filter(|name| name != LIMIT);
            let place = *places.entry(whole).or_insert_with_key(|whole| {
                histograms.push(Histogram {
                    labels: without_name(whole),
                    name,
                    buckets: Vec::new(),
                });
                histograms.len() - 1
            });
            histograms[place].buckets.push((limit, row));
        }
        histograms
    }

    fn each_step(
        &mut self,
        histogram: &Histogram,
        steps: &Steps,
        mut value: impl FnMut(usize, Vec<Bucket>) -> f64,
    ) -> Result<Row, QueryError> {
        let mut row = Row::new(histogram.labels.clone());
        let firsts = histogram.buckets.iter().map(|(_, row)| row.first);
        let ends = histogram.buckets.iter().map(|(_, row)| row.end());
        let end = ends.max().unwrap_or(0).min(steps.count);
        for step in firsts.min().unwrap_or(0)..end {
            let buckets = histogram.at(step);
            self.budget.work(histogram.buckets.len())?;
            if !buckets.is_empty() {
                row.push(step, value(step, buckets));
            }
        }
        self.budget.hold(row.values.len())?;
        Ok(row)
    }
}

/// The buckets by limit, those with the same limit joined; `None` where the last
/// is not infinite.
fn sorted(mut buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    buckets.sort_by(|one, other| compare(one.limit, other.limit));
    if buckets.last()?.limit != f64::INFINITY {
        return None;
    }
    let mut joined: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match joined.last_mut() {
            Some(last) if last.limit == bucket.limit => last.count += bucket.count,
            _ => joined.push(bucket),
        }
    }
    Some(joined)
}

/// Makes the counts rise; `is_forced` is set where more than rounding was wrong.
fn make_rise(buckets: &mut [Bucket], is_forced: &mut bool) {
    let mut before = buckets.first().map_or(0.0, |bucket| bucket.count);
    for bucket in buckets.iter_mut().skip(1) {
        if is_almost(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            *is_forced = true;
        } else {
            before = bucket.count;
        }
    }
}

fn is_almost(one: f64, other: f64) -> bool {
    let sum = one.abs() + other.abs();
    let difference = (one - other).abs();
    if one == other || (one.is_nan() && other.is_nan()) {
        true
    } else if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        difference < TOLERANCE * f64::MIN_POSITIVE
    } else {
        difference / sum.min(f64::MAX) < TOLERANCE
    }
}

fn quantile(portion: f64, buckets: Vec<Bucket>, is_forced: &mut bool) -> f64 {
    if portion.is_nan() {
        return f64::NAN;
    }
    if portion < 0.0 {
        return f64::NEG_INFINITY;
    }
    if portion > 1.0 {
        return f64::INFINITY;
    }
    let Some(mut buckets) = sorted(buckets) else {
        return f64::NAN;
    };
    make_rise(&mut buckets, is_forced);
    let [finite @ .., last] = buckets.as_slice() else {
        return f64::NAN;
    };
    let Some(highest) = finite.last() else {
        return f64::NAN;
    };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let mut rank = portion * last.count;
    let place = first_that(finite, |bucket| bucket.count >= rank);
    let Some(bucket) = finite.get(place) else {
        return highest.limit;
    };
    if place == 0 && bucket.limit <= 0.0 {
        return bucket.limit;
    }
    let (mut start, mut count) = (0.0, bucket.count);
    if let Some(before) = place.checked_sub(1).and_then(|place| finite.get(place)) {
        start = before.limit;
        count -= before.count;
        rank -= before.count;
    }
    start + (bucket.limit - start) * (rank / count)
}

/// As Go's `sort.Search`: with counts that are NaN, the result is the same too.
fn first_that(buckets: &[Bucket], is_it: impl Fn(&Bucket) -> bool) -> usize {
    let (mut low, mut high) = (0, buckets.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if is_it(&buckets[middle]) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn fraction(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let Some(buckets) = sorted(buckets) else {
        return f64::NAN;
    };
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let below = |value: f64| rank_below(value, &buckets).unwrap_or(total).min(total);
    (below(upper) - below(lower)) / total
}

/// How many observations are below `value`; `None` beyond the last bucket.
fn rank_below(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let mut rank = 0.0;
    let mut start = match buckets.first() {
        Some(first) if first.limit <= 0.0 => f64::NEG_INFINITY,
        _ => 0.0,
    };
    for bucket in buckets {
        if start >= value {
            return Some(rank);
        }
        if bucket.limit > value && start == f64::NEG_INFINITY {
            // Nothing says where in it they are.
            return Some(bucket.count);
        }
        if bucket.limit > value {
            let part = (value - start) / (bucket.limit - start);
            return Some(rank + (bucket.count - rank) * part);
        }
        rank = bucket.count;
        start = bucket.limit;
    }
    None
}

//! Windows of samples reduced to one value.

use lfs_wrapper_model::TimeMsec;

use super::super::node::Over;
use super::super::number::{Mean, Sum, from_count, from_msec, quantile};
use super::rate::{instant_change, rate};
use super::window::Window;

/// A window and what else counts.
pub(super) struct View<'window> {
    pub(super) window: &'window Window,
    /// Beside sums: of how many samples each is one.
    pub(super) counts: Option<&'window Window>,
    /// The window's ends.
    pub(super) from_msec: TimeMsec,
    pub(super) to_msec: TimeMsec,
    /// The moment that is evaluated.
    pub(super) moment_msec: TimeMsec,
    /// The function's scalar argument.
    pub(super) parameter: f64,
}

/// The value of a window; `None` where it has none.
pub(super) fn reduce(over: Over, view: &View<'_>) -> Option<f64> {
    let values = view.window.values();
    let last = *values.last()?;
    match over {
        Over::Absent | Over::Present => Some(1.0),
        Over::Average => average(values, view.counts.map(Window::values)),
        Over::Changes => Some(changes(values)),
        Over::Count => Some(values.iter().sum()),
        Over::Delta | Over::Increase | Over::Rate => rate(over, view),
        Over::InstantDelta | Over::InstantRate => instant_change(over, view),
        Over::Derivative => {
            let first = *view.window.times().first()?;
            (values.len() > 1).then(|| regression(view.window, first).0)
        }
        Over::PredictLinear => (values.len() > 1).then(|| {
            let (slope, intercept) = regression(view.window, view.moment_msec);
            slope * view.parameter + intercept
        }),
        Over::Last => Some(last),
        Over::Max => Some(extreme(values, f64::NEG_INFINITY, |value, best| {
            value > best
        })),
        Over::Min => Some(extreme(values, f64::INFINITY, |value, best| value < best)),
        Over::Quantile => Some(quantile(view.parameter, &mut values.to_vec())),
        Over::Resets => Some(from_count(view.window.resets().count())),
        Over::StandardDeviation => Some(variance(values).sqrt()),
        Over::StandardVariance => Some(variance(values)),
        Over::Sum => {
            let sum = values
                .iter()
                .fold(Sum::default(), |sum, value| sum.plus(*value));
            Some(sum.total())
        }
    }
}

/// How many values are compared side by side.
const LANES: usize = 8;

/// The greatest or least value; a NaN only where there is nothing else. `worst`
/// is the infinity that nothing is worse than.
fn extreme(values: &[f64], worst: f64, is_better: impl Fn(f64, f64) -> bool) -> f64 {
    let better = |value: f64, best: f64| if is_better(value, best) { value } else { best };
    let mut lanes = [worst; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter();
    for chunk in chunks {
        for (best, value) in lanes.iter_mut().zip(chunk) {
            *best = better(*value, *best);
        }
    }
    let best = lanes
        .iter()
        .chain(rest)
        .fold(worst, |best, value| better(*value, best));
    if best == worst || best == 0.0 {
        // Nothing but NaN, or the worst itself; of zeros with both signs, the first.
        let first = values.iter().find(|value| **value == best);
        return first.copied().unwrap_or(f64::NAN);
    }
    best
}

fn average(values: &[f64], counts: Option<&[f64]>) -> Option<f64> {
    let length = from_count(values.len());
    let count = counts.map_or(length, |counts| counts.iter().sum());
    if count.to_bits() == length.to_bits() {
        // The samples themselves.
        return Some(mean(values));
    }
    let sum = |values: &mut dyn Iterator<Item = f64>| values.fold(Sum::default(), Sum::plus);
    let whole = sum(&mut values.iter().copied());
    let average = if whole.value.is_finite() {
        whole.value / count + whole.lost / count
    } else {
        // It overflows, where the average may not.
        sum(&mut values.iter().map(|value| value / count)).total()
    };
    (count > 0.0).then_some(average)
}

fn mean(values: &[f64]) -> f64 {
    let sum = values
        .iter()
        .fold(Sum::default(), |sum, value| sum.plus(*value));
    let count = from_count(values.len());
    if sum.value.is_finite() {
        return sum.value / count + sum.lost / count;
    }
    // It overflows, or something in it is no number.
    let mut mean = Mean::default();
    for value in values {
        mean.add(*value);
    }
    mean.mean()
}

fn changes(values: &[f64]) -> f64 {
    let is_change = |pair: &&[f64]| match **pair {
        [before, after] => before != after && !(before.is_nan() && after.is_nan()),
        _ => false,
    };
    from_count(values.windows(2).filter(is_change).count())
}

fn variance(values: &[f64]) -> f64 {
    let mut count = 0.0;
    let mut mean = Sum::default();
    let mut squares = Sum::default();
    for value in values {
        count += 1.0;
        let delta = value - (mean.value + mean.lost);
        mean = mean.plus(delta / count);
        squares = squares.plus(delta * (value - (mean.value + mean.lost)));
    }
    (squares.value + squares.lost) / count
}

/// Slope and value at `origin_msec` of the line through the samples.
fn regression(window: &Window, origin_msec: TimeMsec) -> (f64, f64) {
    let (times, values) = (window.times(), window.values());
    let first = values.first().copied().unwrap_or(f64::NAN);
    if values.iter().all(|value| *value == first) {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let (mut sum_x, mut sum_y) = (Sum::default(), Sum::default());
    let (mut sum_xy, mut sum_xx) = (Sum::default(), Sum::default());
    for (time, y) in times.iter().zip(values) {
        let x = from_msec(time.saturating_sub(origin_msec)) / 1000.0;
        sum_x = sum_x.plus(x);
        sum_y = sum_y.plus(*y);
        sum_xy = sum_xy.plus(x * y);
        sum_xx = sum_xx.plus(x * x);
    }
    let count = from_count(values.len());
    let (sum_x, sum_y) = (sum_x.value + sum_x.lost, sum_y.value + sum_y.lost);
    let (sum_xy, sum_xx) = (sum_xy.value + sum_xy.lost, sum_xx.value + sum_xx.lost);
    let covariance = sum_xy - sum_x * sum_y / count;
    let slope = covariance / (sum_xx - sum_x * sum_x / count);
    (slope, sum_y / count - slope * sum_x / count)
}

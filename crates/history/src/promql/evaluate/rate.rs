//! How fast something changes over a window.

use super::super::node::Over;
use super::super::number::{from_count, from_msec};
use super::reduce::View;

/// `rate`, `increase` and `delta`: from the first to the last sample, and from
/// there to the window's ends as far as the samples' distance lets one think
/// that the series was there.
pub(super) fn rate(over: Over, view: &View<'_>) -> Option<f64> {
    let (times, values) = (view.window.times(), view.window.values());
    let (first_time, last_time) = (*times.first()?, *times.last()?);
    let (first, last) = (*values.first()?, *values.last()?);
    if values.len() < 2 {
        return None;
    }
    let is_counter = over != Over::Delta;
    let mut change = last - first;
    if is_counter {
        change = view
            .window
            .resets()
            .fold(change, |change, before| change + before);
    }
    let seconds = |msec: i64| from_msec(msec) / 1000.0;
    let mut to_start = seconds(first_time - view.from_msec);
    let mut to_end = seconds(view.to_msec - last_time);
    let sampled = seconds(last_time - first_time);
    let between = sampled / from_count(values.len() - 1);
    let threshold = between * 1.1;
    if to_start >= threshold {
        to_start = between / 2.0;
    }
    if is_counter {
        // A counter was never below zero.
        let to_zero = if change > 0.0 && first >= 0.0 {
            sampled * (first / change)
        } else {
            to_start
        };
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    if to_end >= threshold {
        to_end = between / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if over == Over::Rate {
        factor /= seconds(view.to_msec - view.from_msec);
    }
    Some(change * factor)
}

/// `irate` and `idelta`: between the last two samples.
pub(super) fn instant_change(over: Over, view: &View<'_>) -> Option<f64> {
    let (times, values) = (view.window.times(), view.window.values());
    let ([.., before_time, last_time], [.., before, last]) = (times, values) else {
        return None;
    };
    if over == Over::InstantDelta {
        return Some(last - before);
    }
    let change = if last < before { *last } else { last - before };
    Some(change / (from_msec(last_time - before_time) / 1000.0))
}

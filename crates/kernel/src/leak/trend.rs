//! Whether a row of equally distant values grows, how fast, and how surely.

/// The fewest stretches of one period that a row must have for that period to
/// be looked at: fewer say nothing about how alike they are.
const PERIODS_MIN: usize = 5;

/// The confidence of growth that a random walk shows about once in 100 000
/// tries.
const CONFIDENCE_UNLIKELY_RATIO: f64 = 0.6;

/// The middle of some numbers; 0 for none.
fn find_median(numbers: &mut [f64]) -> f64 {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return 0.0;
    }
    let (_, median, _) = numbers.select_nth_unstable_by(middle, f64::total_cmp);
    *median
}

/// Theil–Sen: the median of the slopes between all pairs, in units a place. A
/// few values, however far off, change little.
pub(super) fn derive_slope(values: &[f64]) -> f64 {
    let mut slopes = Vec::with_capacity(values.len() * values.len() / 2);
    for (first, from) in values.iter().enumerate() {
        for (distance, to) in values.iter().skip(first).enumerate().skip(1) {
            slopes.push((to - from) / distance as f64);
        }
    }
    find_median(&mut slopes)
}

fn derive_mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}

/// The standard deviation round a mean.
fn derive_deviation(numbers: &[f64], mean: f64) -> f64 {
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (squares / numbers.len().saturating_sub(1).max(1) as f64).sqrt()
}

/// How much a part counts that has this much of its fair share: all from 90 %
/// on, nothing up to 60 %.
pub(super) fn rate_share(share_ratio: f64) -> f64 {
    ((share_ratio - 0.6) / 0.3).clamp(0.0, 1.0)
}

/// How evenly growth spreads over the quarters of a row; what levels off, or
/// stepped up once, does not.
fn derive_steadiness(steps: &[f64], mean: f64) -> f64 {
    let quarter = steps.len().div_ceil(4).max(1);
    let means = steps.chunks(quarter).map(derive_mean);
    rate_share(means.fold(f64::INFINITY, f64::min) / mean)
}

/// How many standard errors a mean must be off zero to be unlikely, from so
/// many independent values: Student's t at one in 100 000, roughly.
fn derive_bar(count: f64) -> f64 {
    let freedom = (count - 1.0).max(3.5);
    5.0 * (1.0 + 1.93 / (freedom - 2.5)).powi(2)
}

/// How sure growth is over steps of one length.
fn derive_step_confidence(values: &[f64], lag: usize) -> f64 {
    let pairs = values.iter().zip(values.iter().skip(lag));
    let steps: Vec<f64> = pairs.map(|(from, to)| to - from).collect();
    let mean = derive_mean(&steps);
    if mean <= 0.0 {
        return 0.0;
    }
    // Steps overlap: only so many are independent.
    let count = values.len() as f64 / lag as f64;
    // Nothing real is more even than this; without it a line would divide by 0.
    let deviation = derive_deviation(&steps, mean).max(mean * 0.01);
    let errors = mean / deviation * count.sqrt();
    let regularity = (CONFIDENCE_UNLIKELY_RATIO * errors / derive_bar(count)).min(1.0);
    regularity * derive_steadiness(&steps, mean)
}

/// How sure it is that a row grows and goes on growing, 0 to 1.
///
/// A random walk goes far too, but its steps differ as much as they are long.
/// A sawtooth hides growth from steps of any length but its period's, so the
/// best length counts; the longer it is, the fewer steps there are, and the
/// more alike they must be.
pub(super) fn derive_confidence(values: &[f64]) -> f64 {
    (1..=values.len() / PERIODS_MIN)
        .map(|lag| derive_step_confidence(values, lag))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..40_u32).map(|place| value(f64::from(place))).collect()
    }

    #[test]
    fn a_slope_is_the_one_of_most() {
        let spike = |x: f64| if x == 7.0 { 1e9 } else { 3.0 * x + 5.0 };
        assert_eq!(derive_slope(&row(spike)), 3.0);
        assert_eq!(derive_slope(&row(|_| 4.0)), 0.0);
        assert_eq!(derive_slope(&[]), 0.0);
    }

    #[test]
    fn only_steady_growth_is_sure() {
        type Case = (&'static str, fn(f64) -> f64, bool);
        let shapes: [Case; 9] = [
            ("line", |x| x, true),
            ("line and sawtooth", |x| x + (x % 5.0) * 4.0, true),
            ("flat", |_| 7.0, false),
            ("falling", |x| -x, false),
            ("step", |x| if x < 20.0 { 0.0 } else { 50.0 }, false),
            ("levels off", |x| x.min(14.0), false),
            ("starts late", |x| (x - 26.0).max(0.0), false),
            ("logarithm", |x| (x + 5.0).ln(), false),
            ("sawtooth", |x| x % 11.0, false),
        ];
        for (name, shape, is_sure) in shapes {
            let confidence = derive_confidence(&row(shape));
            assert!((0.0..=1.0).contains(&confidence));
            assert_eq!(
                confidence >= CONFIDENCE_UNLIKELY_RATIO,
                is_sure,
                "{name}: {confidence}"
            );
        }
    }
}

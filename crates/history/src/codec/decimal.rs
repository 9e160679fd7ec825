//! Floats that are integers or decimals of a few places, as integers.

/// Places after the point, at most.
const SCALE_MAX: u8 = 6;

/// Ten to the power of each scale.
const POWERS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// Beyond this, neighbouring integers are no longer told apart.
const SCALED_MAX: f64 = 9_007_199_254_740_992.0;

/// Beyond this, an integer is no `i64`.
const WHOLE_MAX: f64 = 9_223_372_036_854_775_808.0;

/// The values times ten to the power of the scale; `None` unless each comes back
/// bit for bit.
pub(super) fn from_floats(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut scale = 0;
    for value in values {
        while to_integer(*value, scale).is_none() {
            scale += 1;
            if scale > SCALE_MAX {
                return None;
            }
        }
    }
    let integers: Option<Vec<i64>> = values
        .iter()
        .map(|value| to_integer(*value, scale))
        .collect();
    Some((scale, integers?))
}

/// Undoes [`from_floats`] for one value. Division rounds as reading a decimal
/// from text does, so that what was read from text comes back.
pub(super) fn to_float(integer: i64, scale: u8) -> f64 {
    let power = POWERS.get(usize::from(scale)).copied().unwrap_or(f64::NAN);
    integer as f64 / power
}

/// Whether a scale is one of those there are.
pub(super) fn is_scale(scale: u8) -> bool {
    scale <= SCALE_MAX
}

fn to_integer(value: f64, scale: u8) -> Option<i64> {
    let power = *POWERS.get(usize::from(scale))?;
    let scaled = (value * power).round();
    let limit = if scale == 0 { WHOLE_MAX } else { SCALED_MAX };
    // Not a number is not below the limit either.
    if scaled.abs() < limit {
        let integer = scaled as i64;
        (to_float(integer, scale).to_bits() == value.to_bits()).then_some(integer)
    } else {
        None
    }
}

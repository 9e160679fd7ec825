//! The functions by name.

use super::super::node::{DatePart, Function, Over, Plain};
use crate::labels::Labels;

/// The function `name`; `None` for those that are experimental in Prometheus or
/// only for native histograms.
pub(super) fn find(name: &str) -> Option<Function> {
    let function = plain(name).map(Function::Plain);
    let over = || over(name).map(|over| Function::Over(over, Labels::default()));
    let date = || date(name).map(Function::Date);
    function.or_else(over).or_else(date).or_else(|| other(name))
}

fn plain(name: &str) -> Option<Plain> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        "sgn" => |value| {
            if value < 0.0 {
                -1.0
            } else if value > 0.0 {
                1.0
            } else {
                value
            }
        },
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

/// The standard library's loses most digits near 1.
fn acosh(value: f64) -> f64 {
    let above = value - 1.0;
    if (0.0..1.0).contains(&above) {
        (above + (2.0 * above + above * above).sqrt()).ln_1p()
    } else {
        value.acosh()
    }
}

fn over(name: &str) -> Option<Over> {
    Some(match name {
        "absent_over_time" => Over::Absent,
        "avg_over_time" => Over::Average,
        "changes" => Over::Changes,
        "count_over_time" => Over::Count,
        "delta" => Over::Delta,
        "deriv" => Over::Derivative,
        "idelta" => Over::InstantDelta,
        "increase" => Over::Increase,
        "irate" => Over::InstantRate,
        "last_over_time" => Over::Last,
        "max_over_time" => Over::Max,
        "min_over_time" => Over::Min,
        "predict_linear" => Over::PredictLinear,
        "present_over_time" => Over::Present,
        "quantile_over_time" => Over::Quantile,
        "rate" => Over::Rate,
        "resets" => Over::Resets,
        "stddev_over_time" => Over::StandardDeviation,
        "stdvar_over_time" => Over::StandardVariance,
        "sum_over_time" => Over::Sum,
        _ => return None,
    })
}

fn date(name: &str) -> Option<DatePart> {
    Some(match name {
        "day_of_month" => DatePart::DayOfMonth,
        "day_of_week" => DatePart::DayOfWeek,
        "day_of_year" => DatePart::DayOfYear,
        "days_in_month" => DatePart::DaysInMonth,
        "hour" => DatePart::Hour,
        "minute" => DatePart::Minute,
        "month" => DatePart::Month,
        "year" => DatePart::Year,
        _ => return None,
    })
}

fn other(name: &str) -> Option<Function> {
    Some(match name {
        "absent" => Function::Absent(Labels::default()),
        "clamp" => Function::Clamp,
        "clamp_max" => Function::ClampMax,
        "clamp_min" => Function::ClampMin,
        "histogram_fraction" => Function::HistogramFraction,
        "histogram_quantile" => Function::HistogramQuantile,
        "label_join" => Function::LabelJoin,
        "label_replace" => Function::LabelReplace,
        "pi" => Function::Pi,
        "round" => Function::Round,
        "scalar" => Function::Scalar,
        "sort" => Function::Sort { descending: false },
        "sort_desc" => Function::Sort { descending: true },
        "time" => Function::Time,
        "timestamp" => Function::Timestamp,
        "vector" => Function::Vector,
        _ => return None,
    })
}

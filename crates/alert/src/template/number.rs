//! Numbers as text: like Go's `printf` and Prometheus' template functions.

use jiff::Timestamp;

/// What is shown instead of a number that is none.
pub(super) const UNKNOWN: &str = "?";

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const LARGE_1024: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// The number without zeros that say nothing: `93`, `0.5`, `1e+21`.
pub(super) fn render(value: f64) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    let (mantissa, exponent) = scientific(value, None);
    if value != 0.0 && !(-4..21).contains(&exponent) {
        with_exponent(&mantissa, exponent)
    } else {
        value.to_string()
    }
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some(UNKNOWN.to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned())
    } else {
        None
    }
}

fn scientific(value: f64, digits: Option<usize>) -> (String, i32) {
    let text = match digits {
        Some(digits) => format!("{value:.digits$e}"),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.to_owned(), exponent.parse().unwrap_or(0))
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// `%e`.
pub(super) fn exponent(value: f64, digits: usize) -> String {
    special(value).unwrap_or_else(|| {
        let (mantissa, exponent) = scientific(value, Some(digits));
        with_exponent(&mantissa, exponent)
    })
}

/// `%f`.
pub(super) fn fixed(value: f64, digits: usize) -> String {
    special(value).unwrap_or_else(|| format!("{value:.digits$}"))
}

/// `%g` with so many digits, at least one.
pub(super) fn general(value: f64, digits: usize) -> String {
    if let Some(text) = special(value) {
        return text;
    }
    let digits = digits.max(1);
    let (mantissa, exponent) = scientific(value, Some(digits - 1));
    let limit = i32::try_from(digits).unwrap_or(i32::MAX);
    if !(-4..limit).contains(&exponent) {
        return with_exponent(without_zeros(&mantissa), exponent);
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Half away from zero, to so many digits after the point.
pub(super) fn round(value: f64, digits: u32) -> f64 {
    let scale = 10_f64.powi(i32::try_from(digits.min(15)).unwrap_or(0));
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// With SI prefixes: `1.2k`, `150m`.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return general(value, 4);
    }
    if value.abs() >= 1.0 {
        let (value, prefix) = divide(value, 1000.0, &LARGE);
        return format!("{}{prefix}", general(value, 4));
    }
    let (value, prefix) = small(value);
    format!("{}{prefix}", general(value, 4))
}

/// With binary prefixes: `1.5Gi`.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return general(value, 4);
    }
    let (value, prefix) = divide(value, 1024.0, &LARGE_1024);
    format!("{}{prefix}", general(value, 4))
}

/// A share of one as per cent.
pub(super) fn humanize_percentage(value: f64) -> String {
    format!("{}%", general(value * 100.0, 4))
}

/// Seconds as days, hours, minutes and seconds.
pub(super) fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return general(value, 4);
    }
    if value == 0.0 {
        return "0s".to_owned();
    }
    if value.abs() < 1.0 {
        let (value, prefix) = small(value);
        return format!("{}{prefix}s", general(value, 4));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let seconds = value.abs().trunc();
    let minutes = (seconds / 60.0).trunc();
    let hours = (minutes / 60.0).trunc();
    let days = (hours / 24.0).trunc();
    let (second, minute, hour) = (seconds % 60.0, minutes % 60.0, hours % 24.0);
    if days > 0.0 {
        format!("{sign}{days}d {hour}h {minute}m {second}s")
    } else if hours > 0.0 {
        format!("{sign}{hour}h {minute}m {second}s")
    } else if minutes > 0.0 {
        format!("{sign}{minute}m {second}s")
    } else {
        format!("{sign}{}s", general(value.abs(), 4))
    }
}

/// Seconds since 1970 as a time in UTC.
pub(super) fn humanize_timestamp(value: f64) -> String {
    let msec = value * 1000.0;
    if !msec.is_finite() || msec.abs() > 1e16 {
        return general(value, 4);
    }
    match Timestamp::from_millisecond(msec.round() as i64) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string(),
        Err(_) => general(value, 4),
    }
}

fn divide(value: f64, base: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let (mut value, mut prefix) = (value, "");
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        value /= base;
        prefix = next;
    }
    (value, prefix)
}

fn small(value: f64) -> (f64, &'static str) {
    let (mut value, mut prefix) = (value, "");
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        value *= 1000.0;
        prefix = next;
    }
    (value, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_prometheus_shows_them() {
        type Case = (fn(f64) -> String, f64, &'static str);
        let table: [Case; 35] = [
            (render, 93.0, "93"),
            (render, 0.5, "0.5"),
            (render, 0.0, "0"),
            (render, 1e21, "1e+21"),
            (render, 0.00001, "1e-05"),
            (render, f64::NAN, "?"),
            (render, f64::NEG_INFINITY, "-Inf"),
            (humanize, 0.0, "0"),
            (humanize, 1234.0, "1.234k"),
            (humanize, 1_234_567.0, "1.235M"),
            (humanize, -999.96, "-1000"),
            (humanize, 0.15, "150m"),
            (humanize, 12.0, "12"),
            (humanize, 1e-30, "1e-06y"),
            (humanize, f64::NAN, "?"),
            (humanize_1024, 0.5, "0.5"),
            (humanize_1024, 1024.0, "1ki"),
            (humanize_1024, 1.5 * 1024.0 * 1024.0 * 1024.0, "1.5Gi"),
            (humanize_percentage, 0.1234, "12.34%"),
            (humanize_percentage, f64::NAN, "?%"),
            (humanize_duration, 0.0, "0s"),
            (humanize_duration, 0.001, "1ms"),
            (humanize_duration, 59.5, "59.5s"),
            (humanize_duration, 61.0, "1m 1s"),
            (humanize_duration, 3_661.0, "1h 1m 1s"),
            (humanize_duration, -90_061.0, "-1d 1h 1m 1s"),
            (humanize_duration, f64::INFINITY, "+Inf"),
            (humanize_duration, f64::NAN, "?"),
            (
                humanize_timestamp,
                1_435_065_584.128,
                "2015-06-23 13:19:44.128 +0000 UTC",
            ),
            (humanize_timestamp, 0.0, "1970-01-01 00:00:00 +0000 UTC"),
            (humanize_timestamp, 1e300, "1e+300"),
            (|v| general(v, 4), 123_456.0, "1.235e+05"),
            (|v| general(v, 4), 0.000_012_345, "1.234e-05"),
            (|v| fixed(v, 2), 2.0, "2.00"),
            (|v| exponent(v, 2), 1234.0, "1.23e+03"),
        ];
        for (index, (function, value, expected)) in table.into_iter().enumerate() {
            assert_eq!(function(value), expected, "line {index}: {value}");
        }
        assert_eq!(round(2.345, 1), 2.3);
        assert_eq!(round(1e308, 10), 1e308);
    }
}

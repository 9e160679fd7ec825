//! Numbers as Prometheus reads, writes and adds them.

use std::cmp::Ordering;

/// `count` as a number; exact below 2^53, which no count here reaches.
pub(super) fn from_count(count: usize) -> f64 {
    // Two exact halves instead of a lossy cast.
    let high = u32::try_from(count >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(count & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// `value` as a number; exact within ±2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds within ±2^53 are exact; beyond that nothing is lost but precision"
)]
pub(super) fn from_msec(value: i64) -> f64 {
    value as f64
}

/// The whole part of `value`, at the ends of the range where it is beyond.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates; NaN gives 0"
)]
pub(super) fn to_whole(value: f64) -> i64 {
    value as i64
}

/// As Go's `FormatFloat(value, 'f', -1, 64)`.
pub(super) fn render_plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

/// As Prometheus writes a sample's value in JSON: plain, but with an exponent
/// below 1e-6 and from 1e21 on.
pub(super) fn render_sample(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 || (1e-6..1e21).contains(&size) {
        return render_plain(value);
    }
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// A number as in the label `le`: decimal, with underscores between digits, infinite
/// or NaN, and not too large to be one.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let plain = without_underscores(text, u8::is_ascii_digit)?;
    let number: f64 = plain.parse().ok()?;
    let is_named = plain.contains(['n', 'N']);
    (number.is_finite() || is_named).then_some(number)
}

/// `text` without the underscores, which must stand between digits.
fn without_underscores(text: &str, is_digit: impl Fn(&u8) -> bool) -> Option<String> {
    let bytes = text.as_bytes();
    let is_between = |at: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(&is_digit);
        digit(at.checked_sub(1)) && digit(at.checked_add(1))
    };
    let mut underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    let are_between = underscores.all(|(at, _)| is_between(at));
    are_between.then(|| text.replace('_', ""))
}

/// A number as in a query's text: decimal, hexadecimal, octal with a leading 0,
/// with underscores between digits, infinite or NaN.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let lower = without_underscores(text, u8::is_ascii_alphanumeric)?.to_ascii_lowercase();
    let (sign, digits) = match lower.as_bytes().first()? {
        b'-' => (-1.0, &lower[1..]),
        b'+' => (1.0, &lower[1..]),
        _ => (1.0, lower.as_str()),
    };
    let size = match digits {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => parse_digits(digits)?,
    };
    Some(sign * size)
}

fn parse_digits(digits: &str) -> Option<f64> {
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        let whole = u64::from_str_radix(hexadecimal, 16).ok()?;
        return whole.to_string().parse().ok();
    }
    let is_octal = digits.len() > 1 && digits.starts_with('0');
    if is_octal && digits.bytes().all(|byte| (b'0'..b'8').contains(&byte)) {
        let whole = u64::from_str_radix(digits, 8).ok()?;
        return whole.to_string().parse().ok();
    }
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    digits.parse().ok()
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// `1h30m` in milliseconds: units from the greatest down, each once.
pub(super) fn parse_duration_msec(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_i64;
    if rest == "0" {
        return Some(0);
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = rest.get(..letters)?;
        rest = rest.get(letters..)?;
        let (_, msec) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(count.checked_mul(*msec)?)?;
    }
    (!text.is_empty()).then_some(total)
}

/// A sum that keeps what rounding loses (Neumaier).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub(super) value: f64,
    pub(super) lost: f64,
}

impl Sum {
    pub(super) fn of(value: f64) -> Self {
        Self { value, lost: 0.0 }
    }

    pub(super) fn plus(self, added: f64) -> Self {
        let value = self.value + added;
        let lost = if value.is_infinite() {
            0.0
        } else if self.value.abs() >= added.abs() {
            self.lost + ((self.value - value) + added)
        } else {
            self.lost + ((added - value) + self.value)
        };
        Self { value, lost }
    }

    pub(super) fn total(self) -> f64 {
        if self.value.is_infinite() {
            self.value
        } else {
            self.value + self.lost
        }
    }
}

/// A mean that goes on where the sum would overflow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: Sum,
    count: f64,
    is_incremental: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum = Sum::of(value);
            return;
        }
        if !self.is_incremental {
            let sum = self.sum.plus(value);
            if !sum.value.is_infinite() {
                self.sum = sum;
                return;
            }
            self.is_incremental = true;
            self.sum.value /= self.count - 1.0;
            self.sum.lost /= self.count - 1.0;
        }
        let part = (self.count - 1.0) / self.count;
        let sum = Sum {
            value: part * self.sum.value,
            lost: part * self.sum.lost,
        };
        self.sum = sum.plus(value / self.count);
    }

    pub(super) fn mean(self) -> f64 {
        if self.is_incremental {
            self.sum.value + self.sum.lost
        } else {
            self.sum.value / self.count + self.sum.lost / self.count
        }
    }
}

/// The order of values: NaN before everything else.
pub(super) fn compare(one: f64, other: f64) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
    }
}

/// The quantile of values; they are sorted by it.
pub(super) fn quantile(portion: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || portion.is_nan() {
        return f64::NAN;
    }
    if portion < 0.0 {
        return f64::NEG_INFINITY;
    }
    if portion > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|one, other| compare(*one, *other));
    let last = values.len() - 1;
    let rank = portion * from_count(last);
    let lower = usize::try_from(to_whole(rank.floor()))
        .unwrap_or(0)
        .min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// As Go's `math.Max`: NaN unless one of them is +Inf.
pub(super) fn max(one: f64, other: f64) -> f64 {
    if one == f64::INFINITY || other == f64::INFINITY {
        f64::INFINITY
    } else if one.is_nan() || other.is_nan() {
        f64::NAN
    } else {
        one.max(other)
    }
}

/// As Go's `math.Min`: NaN unless one of them is -Inf.
pub(super) fn min(one: f64, other: f64) -> f64 {
    -max(-one, -other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        let cases = [
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-2.5e300, "-2.5e+300"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-07"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(render_sample(value), text);
        }
        assert_eq!(render_plain(1e21), "1000000000000000000000");
    }

    #[test]
    fn numbers_and_durations_are_read_as_prometheus_reads_them() {
        let cases = [
            ("0x1F", Some(31.0)),
            ("1_000", Some(1000.0)),
            ("010", Some(8.0)),
            ("08", Some(8.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("_1", None),
            ("1__0", None),
            ("", None),
            ("e", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_number(text), value, "{text}");
        }
        let cases = [
            ("010", Some(10.0)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            (".5", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("1_000", Some(1000.0)),
            ("1__0", None),
            ("_1", None),
            ("0x10", None),
            ("1e999", None),
            ("", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_float(text), value, "{text}");
        }
        let cases = [
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1s500ms", Some(1500)),
            ("30m1h", None),
            ("5", None),
            ("5x", None),
            ("", None),
            ("99999999999y", None),
        ];
        for (text, msec) in cases {
            assert_eq!(parse_duration_msec(text), msec, "{text}");
        }
    }

    #[test]
    fn a_mean_of_values_whose_sum_overflows_is_right() {
        let mut mean = Mean::default();
        for value in [f64::MAX, f64::MAX, f64::MAX, f64::MAX] {
            mean.add(value);
        }
        assert!((mean.mean() / f64::MAX - 1.0).abs() < 1e-12);
    }
}

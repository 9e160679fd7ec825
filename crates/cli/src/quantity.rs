//! Values of series with the unit that their names tell.

use lfs_wrapper_model::{TimeMsec, render_local};

/// What a value is a number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Nobody says.
    #[default]
    Plain,
    Bytes,
    BytesPerSecond,
    Seconds,
}

/// Functions and aggregations whose result is of the unit that goes in.
const KEEPING: [&str; 29] = [
    "abs",
    "avg",
    "avg_over_time",
    "bottomk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "delta",
    "histogram_quantile",
    "idelta",
    "increase",
    "label_join",
    "label_replace",
    "last_over_time",
    "max",
    "max_over_time",
    "min",
    "min_over_time",
    "predict_linear",
    "quantile",
    "quantile_over_time",
    "round",
    "sort",
    "sort_by_label",
    "sort_desc",
    "stddev",
    "sum",
    "sum_over_time",
    "topk",
];
const PER_SECOND: [&str; 3] = ["deriv", "irate", "rate"];
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];
const WORDS: [&str; 5] = ["and", "bool", "offset", "or", "unless"];

impl Quantity {
    /// Of a metric, by the base unit in its name.
    pub(crate) fn of_metric(name: &str) -> Self {
        let mut base = name;
        for suffix in ["_total", "_bucket", "_sum"] {
            base = base.strip_suffix(suffix).unwrap_or(base);
        }
        match base.rsplit('_').next() {
            Some("bytes") => Self::Bytes,
            Some("seconds") => Self::Seconds,
            _ => Self::Plain,
        }
    }

    /// Of a query's result, where nothing in it can change the unit but a rate.
    pub(crate) fn of_query(text: &str) -> Self {
        let mut found: Option<Self> = None;
        let (mut is_rate, mut is_quantile) = (false, false);
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = name_length(rest);
            if length == 0 {
                match skip(rest, first) {
                    Some(after) => rest = after,
                    None => return Self::Plain,
                }
                continue;
            }
            let (name, after) = rest.split_at(length);
            rest = after.trim_start();
            if BEFORE_LABELS.contains(&name) {
                rest = skip_to(rest, ')');
            } else if PER_SECOND.contains(&name) && rest.starts_with('(') {
                is_rate = true;
            } else if KEEPING.contains(&name) {
                is_quantile |= name == "histogram_quantile";
            } else if !WORDS.contains(&name) {
                let of_name = Self::of_metric(name);
                let is_function = rest.starts_with('(');
                if is_function || found.is_some_and(|found| found != of_name) {
                    return Self::Plain;
                }
                found = Some(of_name);
            }
        }
        match (found.unwrap_or_default(), is_rate && !is_quantile) {
            (Self::Bytes, true) => Self::BytesPerSecond,
            (_, true) => Self::Plain,
            (found, false) => found,
        }
    }

    /// What its values are shown in multiples of.
    pub(crate) fn base(self) -> f64 {
        match self {
            Self::Bytes | Self::BytesPerSecond => 1024.0,
            Self::Plain | Self::Seconds => 1000.0,
        }
    }

    /// A value without digits that say nothing: `1.5 GiB`, `200`.
    pub(crate) fn render_round(self, value: f64) -> String {
        let text = self.render(value);
        let (number, unit) = match text.split_once(' ') {
            Some((number, unit)) => (number, Some(unit)),
            None => (text.as_str(), None),
        };
        let number = match number.contains('.') && !number.contains('e') {
            true => number.trim_end_matches('0').trim_end_matches('.'),
            false => number,
        };
        unit.map_or_else(|| number.to_owned(), |unit| format!("{number} {unit}"))
    }

    /// A value in a few characters.
    pub(crate) fn render(self, value: f64) -> String {
        if !value.is_finite() {
            return match value {
                value if value.is_nan() => "NaN".to_owned(),
                value if value > 0.0 => "+Inf".to_owned(),
                _ => "-Inf".to_owned(),
            };
        }
        match self {
            Self::Plain => render_plain(value),
            Self::Bytes => render_scaled(value, 1024.0, &BYTES),
            Self::BytesPerSecond => format!("{}/s", render_scaled(value, 1024.0, &BYTES)),
            Self::Seconds => render_time(value),
        }
    }
}

const BYTES: [&str; 6] = [" B", " KiB", " MiB", " GiB", " TiB", " PiB"];
const THOUSANDS: [&str; 6] = ["", " k", " M", " G", " T", " P"];

/// What is in quotes, braces or brackets says nothing; most operators change
/// the unit.
fn skip(rest: &str, first: char) -> Option<&str> {
    let after = &rest[first.len_utf8()..];
    match first {
        '"' | '\'' | '`' => Some(skip_to(after, first)),
        '{' => Some(skip_to(after, '}')),
        '[' => Some(skip_to(after, ']')),
        '#' => Some(skip_to(after, '\n')),
        '0'..='9' => Some(after.trim_start_matches(|c: char| c.is_ascii_alphanumeric())),
        '*' | '/' | '%' | '^' | '<' | '>' | '=' | '!' | '@' => None,
        _ => Some(after),
    }
}

fn skip_to(rest: &str, end: char) -> &str {
    rest.split_once(end).map_or("", |(_, after)| after)
}

fn name_length(text: &str) -> usize {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.find(|character| !is_part(character))
        .unwrap_or(text.len())
}

fn render_plain(value: f64) -> String {
    let size = value.abs();
    if size < 1e6 && value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    match size {
        0.0..1e-4 => format!("{value:.3e}"),
        1e-4..1.0 => format!("{value:.4}"),
        1.0..1e3 => render_digits(value),
        1e3..1e6 => format!("{value:.1}"),
        1e18.. => format!("{value:.3e}"),
        _ => render_scaled(value, 1000.0, &THOUSANDS),
    }
}

fn render_scaled(value: f64, base: f64, units: &[&str; 6]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= base * 0.99995 && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    if unit == 0 && value.fract() == 0.0 {
        return format!("{value:.0}{}", units[0]);
    }
    format!("{}{}", render_digits(value), units[unit])
}

/// Four digits.
fn render_digits(value: f64) -> String {
    match value.abs() {
        0.0..9.9995 => format!("{value:.3}"),
        9.9995..99.995 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

/// A length of time, or a moment where it is as long as since 1970.
fn render_time(seconds: f64) -> String {
    const MOMENTS: std::ops::Range<f64> = 1e9..1e10;
    if MOMENTS.contains(&seconds) {
        #[expect(clippy::cast_possible_truncation, reason = "it is of that size")]
        return render_local((seconds * 1000.0) as TimeMsec);
    }
    match seconds.abs() {
        0.0 => "0 s".to_owned(),
        size if size < 1.0 => format!("{} ms", render_digits(seconds * 1000.0)),
        size if size < 120.0 => format!("{} s", render_digits(seconds)),
        size if size < 7200.0 => format!("{} min", render_digits(seconds / 60.0)),
        size if size < 172_800.0 => format!("{} h", render_digits(seconds / 3600.0)),
        _ => format!("{} d", render_digits(seconds / 86_400.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_query_is_known_where_nothing_can_change_it() {
        use Quantity::{Bytes, BytesPerSecond, Plain, Seconds};
        let table = [
            ("node_memory_MemFree_bytes", Bytes),
            (
                "sum by (device) (rate(node_network_receive_bytes_total[5m]))",
                BytesPerSecond,
            ),
            (
                "topk(3, a_bytes{b=\"x_seconds\"} offset 5m) + b_bytes",
                Bytes,
            ),
            (
                "histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))",
                Seconds,
            ),
            ("rate(node_cpu_seconds_total[5m])", Plain),
            ("a_bytes / b_bytes", Plain),
            ("a_bytes + b_seconds", Plain),
            ("count(a_bytes)", Plain),
            ("up", Plain),
        ];
        for (text, expected) in table {
            assert_eq!(Quantity::of_query(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_short() {
        let plain = [
            0.0,
            5.0,
            -12.5,
            0.123_456,
            1e-7,
            1_234_567.0,
            1234.56,
            f64::NAN,
        ];
        assert_eq!(
            plain.map(|value| Quantity::Plain.render(value)),
            [
                "0", "5", "-12.50", "0.1235", "1.000e-7", "1.235 M", "1234.6", "NaN"
            ]
        );
        assert_eq!(Quantity::Bytes.render(1536.0), "1.500 KiB");
        assert_eq!(Quantity::BytesPerSecond.render(-5e6), "-4.768 MiB/s");
        assert_eq!(Quantity::Bytes.render_round(1536.0), "1.5 KiB");
        assert_eq!(Quantity::Plain.render_round(200.0), "200");
        let seconds = [0.0, 0.0015, 59.0, 3600.0];
        assert_eq!(
            seconds.map(|value| Quantity::Seconds.render(value)),
            ["0 s", "1.500 ms", "59.00 s", "60.00 min"]
        );
    }
}

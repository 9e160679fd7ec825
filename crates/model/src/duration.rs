/// Years, weeks, days, hours, minutes, seconds, milliseconds: this order, as in
/// Prometheus' configuration.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Ten years: nothing that is waited for takes longer.
pub const DURATION_MSEC_MAX: i64 = 10 * UNITS[0].1;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It has another form.
    #[error("'{0}' is no duration: give numbers with units, such as 30s, 5m or 1h30m")]
    Form(String),
    /// It is below zero.
    #[error("'{0}' is negative: give a time of 0s or more")]
    Negative(String),
    /// It is above [`DURATION_MSEC_MAX`].
    #[error("'{0}' is too long: give at most 10y")]
    TooLong(String),
}

/// Milliseconds of a text such as `30s`, `1h30m` or `0`; 0 to
/// [`DURATION_MSEC_MAX`].
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let shown = || crate::visible(text);
    if text == "0" {
        return Ok(0);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative(shown()));
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut msec = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_lowercase())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        // Each unit at most once, greatest first.
        let size = units.find(|(name, _)| *name == unit);
        let (Some((_, size)), false) = (size, number.is_empty()) else {
            return Err(DurationError::Form(shown()));
        };
        let part = number
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(*size));
        msec = part
            .and_then(|part| msec.checked_add(part))
            .filter(|msec| *msec <= DURATION_MSEC_MAX)
            .ok_or_else(|| DurationError::TooLong(shown()))?;
        rest = tail;
    }
    if text.is_empty() {
        return Err(DurationError::Form(shown()));
    }
    Ok(msec)
}

/// The shortest text that [`parse_duration`] reads as `msec`; years and weeks
/// are written as days.
pub fn render_duration(msec: i64) -> String {
    let mut rest = msec.max(0);
    let mut text = String::new();
    for (unit, size) in &UNITS[2..] {
        if rest >= *size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        let table = [
            ("0", Ok(0)),
            ("0s", Ok(0)),
            ("30s", Ok(30_000)),
            ("1h30m", Ok(5_400_000)),
            ("1d2h3m4s5ms", Ok(93_784_005)),
            ("1w", Ok(604_800_000)),
            ("10y", Ok(DURATION_MSEC_MAX)),
            ("", Err("form")),
            ("30", Err("form")),
            ("s", Err("form")),
            ("5m1h", Err("form")),
            ("5m5m", Err("form")),
            ("1.5h", Err("form")),
            ("30 s", Err("form")),
            ("30S", Err("form")),
            ("-30s", Err("negative")),
            ("11y", Err("long")),
            ("99999999999999999999d", Err("long")),
        ];
        for (text, expected) in table {
            let read = parse_duration(text).map_err(|error| match error {
                DurationError::Form(_) => "form",
                DurationError::Negative(_) => "negative",
                DurationError::TooLong(_) => "long",
            });
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for msec in [
            0,
            1,
            999,
            1_000,
            90_000,
            5_400_000,
            93_784_005,
            DURATION_MSEC_MAX,
        ] {
            assert_eq!(parse_duration(&render_duration(msec)), Ok(msec));
        }
        assert_eq!(render_duration(5_400_000), "1h30m");
    }
}
